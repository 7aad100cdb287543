//! Tables for other programs: Parquet, Arrow IPC (Feather), CSV and NumPy's `.npy`, in bounded memory.
//!
//! ```text
//! table -> some rows of every column -> (times, symbols, numbers) -> form -> bytes
//! ```
//!
//! A column of times, known by its attribute `role` or `unit`, becomes moments in UTC; one with the attribute `symbols` the
//! texts that its numbers stand for. In an array of NumPy both stay whole numbers.

use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;

use crate::npy;
use crate::table::{self, Attribute, Column, Table};

mod csv;

#[cfg(feature = "arrow")]
mod arrow;

/// Bytes of rows that are in memory at once, roughly.
const BATCH_BYTES: u64 = 16 << 20;
/// The most rows of a batch.
const ROWS_MAX: u64 = 65_536;

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// NumPy's array of records.
    Npy,
    /// Text, with a line of names.
    Csv,
    /// Apache Parquet, packed with zstd.
    #[cfg(feature = "arrow")]
    Parquet,
    /// Apache Arrow's file of record batches, also called Feather, packed with zstd.
    #[cfg(feature = "arrow")]
    ArrowIpc,
}

impl Format {
    /// The formats by the ends of their files' names.
    pub const ENDS: &[(&str, Self)] = &[
        ("npy", Self::Npy),
        ("csv", Self::Csv),
        #[cfg(feature = "arrow")]
        ("parquet", Self::Parquet),
        #[cfg(feature = "arrow")]
        ("arrow", Self::ArrowIpc),
        #[cfg(feature = "arrow")]
        ("feather", Self::ArrowIpc),
    ];

    /// The format of a file with this name.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let end = path.extension()?.to_str()?;
        Self::ENDS.iter().find(|(name, _)| *name == end).map(|(_, format)| *format)
    }
}

/// Why a table cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The table cannot be read.
    #[error(transparent)]
    Input(#[from] table::Error),
    /// The output cannot be written.
    #[error("writing failed: {0}")]
    Output(#[from] io::Error),
    /// A number that no symbol of its column belongs to.
    #[error("column {column:?} has {value} in row {row}, and {symbols} symbols: the file is broken there")]
    NoSymbol {
        /// The column.
        column: String,
        /// The row, from 0.
        row: u64,
        /// The number.
        value: i64,
        /// How many symbols there are.
        symbols: usize,
    },
    /// The writer of the format declines.
    #[cfg(feature = "arrow")]
    #[error("the writer of the format says: {0}")]
    Form(String),
}

/// Writes all rows of `table` to `output` as `format`; `progress` is told the rows so far.
///
/// # Errors
/// [`Error`] when the table cannot be read, a whole number does not fit i64, or `output` refuses.
pub fn write(
    table: &Table,
    format: Format,
    output: impl Write + Send,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Error> {
    match format {
        Format::Npy => npy::write(table, output, progress).map_err(|error| match error {
            npy::Error::Input(error) => error.into(),
            npy::Error::Output(error) => error.into(),
        }),
        Format::Csv => csv::write(table, output, progress),
        #[cfg(feature = "arrow")]
        Format::Parquet => arrow::write_parquet(table, output, progress),
        #[cfg(feature = "arrow")]
        Format::ArrowIpc => arrow::write_ipc(table, output, progress),
    }
}

/// What a column is to other programs.
#[derive(Clone, Debug, PartialEq)]
enum Meaning {
    Time,
    Symbols(Vec<String>),
    Whole,
    Float,
}

impl Meaning {
    fn of(column: &Column) -> Self {
        let text = |name: &str| match column.attributes.get(name) {
            Some(Attribute::Text(text)) => text.as_str(),
            _ => "",
        };
        if column.dtype.starts_with('f') {
            return Self::Float;
        }
        if text("role") == "timestamp" || text("unit") == "nanoseconds since 1970-01-01 UTC" {
            return Self::Time;
        }
        column.symbols().map_or(Self::Whole, Self::Symbols)
    }
}

/// Some rows of one column.
#[derive(Clone, Debug)]
enum Values {
    Whole(Vec<i64>),
    Float(Vec<f64>),
}

/// Calls `each` with all rows of `table`, piece by piece, and what its columns mean.
fn batches(
    table: &Table,
    meanings: &[Meaning],
    progress: &mut dyn FnMut(u64),
    mut each: impl FnMut(Vec<Values>) -> Result<(), Error>,
) -> Result<(), Error> {
    let step = (BATCH_BYTES / (8 * table.columns().len().max(1) as u64)).clamp(1, ROWS_MAX);
    let mut from = 0;
    while from < table.rows() {
        let rows = from..from.saturating_add(step).min(table.rows());
        let read = |(column, meaning): (&Column, &Meaning)| values(table, column, meaning, rows.clone());
        let columns = table.columns().iter().zip(meanings).map(read).collect::<Result<_, _>>()?;
        each(columns)?;
        from = rows.end;
        progress(from);
    }
    Ok(())
}

fn values(table: &Table, column: &Column, meaning: &Meaning, rows: Range<u64>) -> Result<Values, Error> {
    let count = (rows.end - rows.start) as usize;
    if *meaning == Meaning::Float {
        let mut values = vec![0.0; count];
        table.read_f64(&column.name, rows, &mut values)?;
        return Ok(Values::Float(values));
    }
    let mut values = vec![0; count];
    table.read_i64(&column.name, rows.clone(), &mut values)?;
    if let Meaning::Symbols(symbols) = meaning {
        let is_there = |value: &i64| usize::try_from(*value).is_ok_and(|value| value < symbols.len());
        if let Some(at) = values.iter().position(|value| !is_there(value)) {
            let (column, row) = (column.name.clone(), rows.start + at as u64);
            return Err(Error::NoSymbol { column, row, value: values[at], symbols: symbols.len() });
        }
    }
    Ok(Values::Whole(values))
}
