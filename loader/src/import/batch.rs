//! Rows on their way from any file: columns of whole or of floating-point numbers, and where something is missing.

/// What a column of the input is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// Moments as nanoseconds since 1970 UTC, and the zone that the file states.
    Time { zone: Option<String> },
    /// Whole numbers and truth values.
    Whole,
    /// Floating-point and decimal numbers.
    Float,
    /// Texts, as numbers of a list of symbols.
    Text,
}

/// A column of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub name: String,
    /// Its type in words; [`Field::sort`] is absent where that cannot be a column.
    pub found: String,
    pub sort: Option<Sort>,
}

/// The values of one column.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Lane {
    Whole(Vec<i64>),
    Float(Vec<f64>),
}

/// Rows of the chosen columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Batch {
    pub rows: usize,
    /// One for each chosen column.
    pub lanes: Vec<Lane>,
    /// Null values of whole lanes, as (row, lane), in no order; the lane holds zero there.
    pub missing: Vec<(usize, usize)>,
    /// The symbols of each text column that were not there in the batch before: (lane, symbols).
    pub symbols: Vec<(usize, Vec<String>)>,
}
