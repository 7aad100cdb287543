//! What columns are to programs that know times and texts.

use super::Error;
use crate::table::{Column, Values};

/// What a column is to other programs.
#[derive(Clone, Debug, PartialEq)]
pub enum Meaning {
    /// Nanoseconds since 1970-01-01 UTC.
    Time,
    /// Numbers of these texts.
    Symbols(Vec<String>),
    /// Whole numbers.
    Whole,
    /// Floating-point numbers.
    Float,
    /// Floating-point numbers that came from single precision.
    Single,
}

/// A column to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// What it is.
    pub meaning: Meaning,
}

impl Field {
    pub(super) fn of(column: &Column) -> Self {
        Self { name: column.name.clone(), meaning: Meaning::of(column) }
    }

    /// An error where one of `values`, which begin at row `first`, is the number of no symbol.
    pub(super) fn check(&self, first: u64, values: &Values) -> Result<(), Error> {
        let (Meaning::Symbols(symbols), Values::Whole(values)) = (&self.meaning, values) else {
            return Ok(());
        };
        let is_there = |value: &i64| usize::try_from(*value).is_ok_and(|value| value < symbols.len());
        match values.iter().position(|value| !is_there(value)) {
            None => Ok(()),
            Some(at) => {
                let (column, row) = (self.name.clone(), first + at as u64);
                Err(Error::NoSymbol { column, row, value: values[at], symbols: symbols.len() })
            }
        }
    }
}

impl Meaning {
    fn of(column: &Column) -> Self {
        if column.is_float() {
            return if column.dtype == "f32" { Self::Single } else { Self::Float };
        }
        if column.text("role") == Some("timestamp")
            || column.text("unit") == Some("nanoseconds since 1970-01-01 UTC")
        {
            return Self::Time;
        }
        column.symbols().map_or(Self::Whole, Self::Symbols)
    }

    /// Whether values are those of floating-point numbers.
    pub(super) fn is_float(&self) -> bool {
        matches!(self, Self::Float | Self::Single)
    }
}
