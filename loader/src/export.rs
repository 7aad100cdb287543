//! Tables for other programs: Parquet, Arrow IPC (Feather), CSV and NumPy's `.npy`, in bounded memory.
//!
//! ```text
//! table -> some rows of every column -> (times, symbols, numbers) -> form -> bytes
//! ```
//!
//! A column of times, known by its attribute `role` or `unit`, becomes moments in UTC; one with the attribute `symbols` the
//! texts that its numbers stand for. In an array of NumPy both stay whole numbers.

use std::io::{self, Write};
use std::path::Path;

pub mod npy;

#[cfg(feature = "libhdf5")]
mod meaning;

#[cfg(feature = "libhdf5")]
mod csv;

#[cfg(feature = "arrow")]
mod arrow;

use crate::table::{self, Table};

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// NumPy's array of records.
    Npy,
    /// Text, with a line of names.
    #[cfg(feature = "libhdf5")]
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
        #[cfg(feature = "libhdf5")]
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
        Format::Npy => npy::write(table, output, progress),
        #[cfg(feature = "libhdf5")]
        Format::Csv => csv::write(table, output, progress),
        #[cfg(feature = "arrow")]
        Format::Parquet => arrow::write_parquet(table, output, progress),
        #[cfg(feature = "arrow")]
        Format::ArrowIpc => arrow::write_ipc(table, output, progress),
    }
}
