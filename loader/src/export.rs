//! Tables for other programs: Parquet, Arrow IPC (Feather), CSV and NumPy's `.npy`, in bounded memory.
//!
//! ```text
//! table -> some rows of every column -> sink: (times, symbols, numbers) -> form -> bytes
//! ```
//!
//! A column of times, known by its attribute `role` or `unit`, becomes moments in UTC; one with the attribute `symbols` the
//! texts that its numbers stand for. In an array of NumPy both stay whole numbers.

use std::io::{self, Write};
use std::path::Path;

mod meaning;

mod npy;

#[cfg(feature = "libhdf5")]
mod csv;

#[cfg(feature = "arrow")]
mod arrow;

pub use meaning::{Field, Meaning};

use crate::table::{self, Table, Values};

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

/// A file on its way to `W`, rows after rows.
pub struct Sink<W: Write + Send>(Form<W>);

enum Form<W: Write + Send> {
    Npy(npy::Records<W>),
    #[cfg(feature = "libhdf5")]
    Csv(csv::Lines<W>),
    #[cfg(feature = "arrow")]
    Parquet(arrow::Parquet<W>),
    #[cfg(feature = "arrow")]
    ArrowIpc(arrow::Ipc<W>),
}

impl<W: Write + Send> Sink<W> {
    /// Begins a file of `rows` rows with columns `fields`.
    ///
    /// # Errors
    /// [`Error`] when `output` refuses, or the writer of the format declines.
    pub fn new(format: Format, fields: &[Field], rows: u64, output: W) -> Result<Self, Error> {
        Ok(Self(match format {
            Format::Npy => Form::Npy(npy::Records::new(fields, rows, output)?),
            #[cfg(feature = "libhdf5")]
            Format::Csv => Form::Csv(csv::Lines::new(fields, output)?),
            #[cfg(feature = "arrow")]
            Format::Parquet => Form::Parquet(arrow::Parquet::new(fields, output)?),
            #[cfg(feature = "arrow")]
            Format::ArrowIpc => Form::ArrowIpc(arrow::Ipc::new(fields, output)?),
        }))
    }

    /// Adds rows: of each field as many values, of the kind that it has.
    ///
    /// # Errors
    /// As [`Sink::new`].
    pub fn push(&mut self, columns: Vec<Values>) -> Result<(), Error> {
        match &mut self.0 {
            Form::Npy(records) => Ok(records.push(&columns)?),
            #[cfg(feature = "libhdf5")]
            Form::Csv(lines) => Ok(lines.push(&columns)?),
            #[cfg(feature = "arrow")]
            Form::Parquet(file) => file.push(columns),
            #[cfg(feature = "arrow")]
            Form::ArrowIpc(file) => file.push(columns),
        }
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// As [`Sink::new`].
    pub fn finish(self) -> Result<(), Error> {
        match self.0 {
            Form::Npy(records) => Ok(records.finish()?),
            #[cfg(feature = "libhdf5")]
            Form::Csv(lines) => Ok(lines.finish()?),
            #[cfg(feature = "arrow")]
            Form::Parquet(file) => file.finish(),
            #[cfg(feature = "arrow")]
            Form::ArrowIpc(file) => file.finish(),
        }
    }
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
    let fields: Vec<Field> = table.columns().iter().map(Field::of).collect();
    let mut sink = Sink::new(format, &fields, table.rows(), output)?;
    for rows in table.pieces(fields.len()) {
        let read = |field: &Field| {
            let values = table.read(&field.name, rows.clone())?;
            field.check(rows.start, &values)?;
            Ok(values)
        };
        sink.push(fields.iter().map(read).collect::<Result<_, Error>>()?)?;
        progress(rows.end);
    }
    sink.finish()
}
