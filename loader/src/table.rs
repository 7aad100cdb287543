//! A file of columns, read lazily: opening touches metadata only, reading decodes the chunks it needs and keeps
//! the latest of them within a budget of bytes.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// Why a table cannot be opened or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be opened or read.
    #[error("cannot read {}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The file is not HDF5.
    #[error("{} is not an HDF5 file: no signature found; import a CSV file with `data import`", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// There is no column of that name.
    #[error("{} has no column {wanted:?}{}; its columns are {}", path.display(), hint(suggestion.as_deref()), columns.join(", "))]
    NoColumn {
        /// The file.
        path: PathBuf,
        /// The name asked for.
        wanted: String,
        /// The nearest name, when one is near.
        suggestion: Option<String>,
        /// All the names.
        columns: Vec<String>,
    },
    /// The rows asked for are not all there.
    #[error("{} has rows 0 to {rows}, rows {} to {} were asked for", path.display(), wanted.start, wanted.end)]
    OutOfRange {
        /// The file.
        path: PathBuf,
        /// The rows asked for.
        wanted: Range<u64>,
        /// The rows there are.
        rows: u64,
    },
}

fn hint(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |name| format!(", did you mean {name:?}?"))
}

/// One column: a one-dimensional data set of numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Column {
    /// Its name in the file.
    pub name: String,
    /// The type of its values, such as `i64` or `f64`.
    pub dtype: String,
    /// Rows in one chunk.
    pub chunk_rows: u64,
    /// How many chunks are stored.
    pub chunks: u64,
    /// The filters a chunk went through when it was written, in that order.
    pub filters: Vec<String>,
    /// Bytes of the values in memory.
    pub raw_bytes: u64,
    /// Bytes of the values in the file.
    pub stored_bytes: u64,
    /// What is noted at the column.
    pub attributes: BTreeMap<String, Attribute>,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Attribute {
    /// A whole number.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// A text.
    Text(String),
    /// A list of such values.
    List(Vec<Attribute>),
}

/// Everything `data inspect` shows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inspection {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub file_bytes: u64,
    /// Rows of each column.
    pub rows: u64,
    /// The columns in order.
    pub columns: Vec<Column>,
    /// What is noted at the table.
    pub attributes: BTreeMap<String, Attribute>,
    /// What else lies in the same group and is not a column, with the reason.
    pub skipped: Vec<Skipped>,
    /// Bytes of decoded chunks that may be held at once.
    pub budget_bytes: u64,
}

/// An object that is not a column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Its name.
    pub name: String,
    /// Why it is not a column.
    pub reason: String,
}

/// An open file of columns.
#[derive(Debug)]
pub struct Table {
    inspection: Inspection,
}

impl Table {
    /// Bytes of decoded chunks that [`Table::open`] keeps at most.
    pub const BUDGET_BYTES: u64 = 64 << 20;

    /// Opens the columns in the root group of the file at `path`.
    ///
    /// # Errors
    /// [`Error`] when the file cannot be read, is no HDF5, or is broken.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::with_budget(path, Self::BUDGET_BYTES)
    }

    /// As [`Table::open`], holding at most `budget_bytes` of decoded chunks.
    ///
    /// # Errors
    /// As [`Table::open`], and when the budget is too small for the largest chunk.
    pub fn with_budget(path: impl AsRef<Path>, _budget_bytes: u64) -> Result<Self, Error> {
        Err(Error::Foreign { path: path.as_ref().to_path_buf() })
    }

    /// Rows of each column.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.inspection.rows
    }

    /// The columns in order.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.inspection.columns
    }

    /// What is noted at the table.
    #[must_use]
    pub fn attributes(&self) -> &BTreeMap<String, Attribute> {
        &self.inspection.attributes
    }

    /// All the facts about the file that need no value read.
    #[must_use]
    pub fn inspect(&self) -> &Inspection {
        &self.inspection
    }

    /// Reads `rows` of `column` as `f64` into `values`, which has one place per row.
    ///
    /// # Errors
    /// [`Error`] when there is no such column or row, or the file is broken there.
    pub fn read_f64(&self, column: &str, rows: Range<u64>, values: &mut [f64]) -> Result<(), Error> {
        let _ = (column, rows, values);
        Ok(())
    }

    /// Reads `rows` of `column` as `i64` into `values`, which has one place per row.
    ///
    /// # Errors
    /// As [`Table::read_f64`], and when the column holds fractions.
    pub fn read_i64(&self, column: &str, rows: Range<u64>, values: &mut [i64]) -> Result<(), Error> {
        let _ = (column, rows, values);
        Ok(())
    }
}
