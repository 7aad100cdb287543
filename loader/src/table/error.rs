//! Why a table cannot be opened or read, in words that tell where and what to do.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::facts::Skipped;
use super::storage;
use crate::codec;
use crate::format::hdf5;
use crate::source;

/// Why a table cannot be opened or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be opened or read.
    #[error("cannot read {}: {error}{}", path.display(), source::remedy(error))]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The file is not HDF5.
    #[error("{} is not an HDF5 file; if it is CSV, import it first", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file is shorter than it says.
    #[error("{} is cut off: {expected} bytes are needed, it has {found}; copy or import it again", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// The bytes that are needed.
        expected: u64,
        /// The bytes there are.
        found: u64,
    },
    /// The file is broken, or of a kind that is not supported.
    #[error("cannot read {object:?} in {}: {error}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The object in it.
        object: String,
        /// What is wrong.
        error: hdf5::Error,
    },
    /// The file was written by a newer version of this program.
    #[error("{} is of version {found} of the format, this program knows {known}; update it", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version of the file.
        found: i128,
        /// The newest version that is known.
        known: i64,
    },
    /// There is no such group.
    #[error("{} has no group {wanted:?}", path.display())]
    NoGroup {
        /// The file.
        path: PathBuf,
        /// The group asked for.
        wanted: String,
    },
    /// There is no column at all.
    #[error("{} has no columns in {group:?}: {}", path.display(), reasons(skipped))]
    NoColumns {
        /// The file.
        path: PathBuf,
        /// The group.
        group: String,
        /// What is there instead.
        skipped: Vec<Skipped>,
    },
    /// Columns of different lengths.
    #[error("{}: column {column:?} has {rows} rows, {other:?} has {other_rows}; a table needs equal ones", path.display())]
    Uneven {
        /// The file.
        path: PathBuf,
        /// A column.
        column: String,
        /// Its rows.
        rows: u64,
        /// Another column.
        other: String,
        /// Its rows.
        other_rows: u64,
    },
    /// So many columns are no table.
    #[error("{} has more than {columns_max} columns in one group; is it a table?", path.display())]
    TooManyColumns {
        /// The file.
        path: PathBuf,
        /// The most columns.
        columns_max: usize,
    },
    /// The budget does not hold one chunk.
    #[error("{}: a budget of {budget_bytes} bytes is too small, one chunk of {column:?} needs {needed_bytes}", path.display())]
    Budget {
        /// The file.
        path: PathBuf,
        /// The column with the largest chunk.
        column: String,
        /// The bytes of that chunk.
        needed_bytes: u64,
        /// The budget.
        budget_bytes: u64,
    },
    /// There is no column of that name.
    #[error("{} has no column {wanted:?}{}; its columns are {}{}", path.display(), suggestion.as_ref().map_or_else(String::new, |name| format!(", did you mean {name:?}?")), columns.join(", "), need(wanted))]
    NoColumn {
        /// The file.
        path: PathBuf,
        /// The name asked for.
        wanted: String,
        /// The nearest name, when one is near.
        suggestion: Option<String>,
        /// All names.
        columns: Vec<String>,
    },
    /// There is something of that name that is not a column.
    #[error("{}: {wanted:?} is there but cannot be read: {reason}{}", path.display(), need(wanted))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The name asked for.
        wanted: String,
        /// Why it is no column.
        reason: String,
    },
    /// The rows asked for are not all there.
    #[error("{} has {rows} rows, rows {} to {} were asked for", path.display(), wanted.start, wanted.end)]
    OutOfRange {
        /// The file.
        path: PathBuf,
        /// The rows asked for.
        wanted: Range<u64>,
        /// The rows there are.
        rows: u64,
    },
    /// Not as many places as rows.
    #[error("{rows} rows were asked for, with room for {places}")]
    Room {
        /// The rows asked for.
        rows: u64,
        /// The places for them.
        places: usize,
    },
    /// The column holds another type.
    #[error("column {column:?} of {} holds {dtype}, which cannot be read as {wanted}{}", path.display(), need(column))]
    WrongType {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// What it holds.
        dtype: String,
        /// The type asked for.
        wanted: &'static str,
    },
    /// A value does not fit the type.
    #[error("column {column:?} of {}, row {row}: {value} cannot be held exactly as {wanted}", path.display())]
    Inexact {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// The row.
        row: u64,
        /// The value.
        value: i128,
        /// The type asked for.
        wanted: &'static str,
    },
    /// A chunk cannot be read.
    #[error("column {column:?} of {}, chunk {chunk} at byte {place}: {error}{}", path.display(), remedy(error))]
    Chunk {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// The number of the chunk.
        chunk: u64,
        /// Where it is in the file.
        place: u64,
        /// What is wrong.
        error: storage::Error,
    },
}

impl Error {
    /// Whether the machine is in the way (no permission, an I/O error) rather than the file or what was asked of it.
    #[must_use]
    pub fn is_environment(&self) -> bool {
        matches!(self, Self::Io { error, .. } if source::is_environment(error))
    }
}

/// What is needed of the one column whose name has a meaning here.
fn need(column: &str) -> &'static str {
    if column == "timestamp" {
        "; \"timestamp\" must be a column of int64, in nanoseconds since 1970-01-01 UTC"
    } else {
        ""
    }
}

/// What to do about a chunk that cannot be had.
const fn remedy(error: &storage::Error) -> &'static str {
    match error {
        storage::Error::Codec(codec::Error::Unknown { .. }) => "; write the file with one of these",
        storage::Error::Codec(_) | storage::Error::TooLarge { .. } => {
            "; the file is damaged, copy or import it again"
        }
        storage::Error::Source(source::Error::Truncated { .. }) => "; copy or import the file again",
        storage::Error::Source(_) => "",
    }
}

fn reasons(skipped: &[Skipped]) -> String {
    if skipped.is_empty() {
        return "it is empty".to_owned();
    }
    skipped
        .iter()
        .map(|skipped| format!("{:?} is none, {}", skipped.name, skipped.reason))
        .collect::<Vec<_>>()
        .join("; ")
}

/// What an error of the format means for the table.
pub(crate) fn of_format(path: &Path, object: String, error: hdf5::Error) -> Error {
    let path = path.to_path_buf();
    match error {
        hdf5::Error::Foreign => Error::Foreign { path },
        hdf5::Error::CutOff { expected, found } => Error::Truncated { path, expected, found },
        hdf5::Error::Source(source::Error::Io { error, .. }) => Error::Io { path, error },
        hdf5::Error::Source(source::Error::Truncated { offset, needed, size }) => {
            Error::Truncated { path, expected: offset.saturating_add(needed), found: size }
        }
        error => Error::Format { path, object, error },
    }
}
