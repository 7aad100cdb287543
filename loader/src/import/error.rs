//! Why a file of another program cannot be imported.

use std::io;
use std::path::{Path, PathBuf};

use crate::append;
use crate::format::libhdf5;
use crate::source::remedy;

/// Why a file cannot be imported. Nothing is left behind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system refused.
    #[error("cannot read {}: {error}{}", path.display(), remedy(error))]
    Input {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The file is not what its first bytes say, or is damaged.
    #[error("{} is a broken {format} file: {problem}; write it anew", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What it was read as.
        format: &'static str,
        /// What its reader said.
        problem: String,
    },
    /// A form of the file that is not read.
    #[error("{}: {what} is not read; {remedy}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What was found.
        what: String,
        /// What to do.
        remedy: &'static str,
    },
    /// Not one of the formats, or one that this build leaves out.
    #[error("{} is no table that this build reads; give CSV, HDF5, NumPy, Parquet or Arrow (the last two need the feature `arrow`)", path.display())]
    Format {
        /// The file.
        path: PathBuf,
    },
    /// Input and output are the same file.
    #[error("{} is both input and output; name another output", path.display())]
    SameFile {
        /// The file.
        path: PathBuf,
    },
    /// Somebody else wrote to the input.
    #[error("{} was changed while it was read; import it when nobody writes to it", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A type that is no column of numbers.
    #[error("{}: column {column:?} holds {found}, which is no column of numbers; leave it out (--skip {column:?}) or write it as numbers", path.display())]
    Type {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// Its type.
        found: String,
    },
    /// A null where nothing means "none".
    #[error("{}: column {column:?} ({found}) is null in row {row}; leave such rows out (--nulls skip), make whole numbers floating-point (--nulls nan) or leave the column out", path.display())]
    Null {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// Its type.
        found: String,
        /// The row, from 0.
        row: u64,
    },
    /// A value that the output cannot hold exactly.
    #[error("{}: column {column:?} ({found}) has {value} in row {row}, which {wanted} cannot hold exactly", path.display())]
    Inexact {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// Its type.
        found: String,
        /// The row, from 0.
        row: u64,
        /// The value.
        value: String,
        /// What it would become.
        wanted: &'static str,
    },
    /// Times that do not ascend.
    #[error("{}: the time {value} of row {row} in column {column:?} is before that of the row above, {above}; sort the rows by time", path.display())]
    Order {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// The row, from 0.
        row: u64,
        /// Its time.
        value: String,
        /// The time above.
        above: String,
    },
    /// Several columns may be the time.
    #[error("{}: {} may each be the time; name one (--time {:?})", path.display(), columns.join(", "), columns[0])]
    SeveralTimes {
        /// The file.
        path: PathBuf,
        /// Their names.
        columns: Vec<String>,
    },
    /// A column that was named is not there, or is no time.
    #[error("{} has no column {wanted:?}{}{}; it has {}", path.display(), if *as_time { " that holds times" } else { "" }, suggestion.as_ref().map_or(String::new(), |name| format!(", did you mean {name:?}?")), columns.join(", "))]
    NoColumn {
        /// The file.
        path: PathBuf,
        /// What was named.
        wanted: String,
        /// Whether it was to be the time.
        as_time: bool,
        /// The nearest name.
        suggestion: Option<String>,
        /// The names there are.
        columns: Vec<String>,
    },
    /// Names were given for columns that have names, or too few or many.
    #[error("{}: {names} names were given for {fields} columns{}", path.display(), if *has_names { ", which have names of their own; leave columns out by --skip" } else { "" })]
    Names {
        /// The file.
        path: PathBuf,
        /// How many names were given.
        names: usize,
        /// How many columns there are.
        fields: usize,
        /// Whether they have names.
        has_names: bool,
    },
    /// Two columns of the output would have the same name.
    #[error("{}: two columns would be called {name:?}; leave one out (--skip)", path.display())]
    Twice {
        /// The file.
        path: PathBuf,
        /// The name.
        name: String,
    },
    /// No column is left.
    #[error("{} has no column to import", path.display())]
    NoColumns {
        /// The file.
        path: PathBuf,
    },
    /// No row is left.
    #[error("{} has no row to import", path.display())]
    NoRows {
        /// The file.
        path: PathBuf,
    },
    /// More different texts than a list of symbols holds.
    #[error("{}: column {column:?} has more than {symbols_max} different texts by row {row}; only symbols can be imported, leave it out (--skip {column:?})", path.display())]
    TooManySymbols {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// The row, from 0.
        row: u64,
        /// The most there may be.
        symbols_max: usize,
    },
    /// A piece of the file that would take more memory than it may.
    #[error("{}: {what} would take {bytes} bytes of memory, at most {bytes_max} are allowed; write it in smaller pieces", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The piece.
        what: String,
        /// What it would take.
        bytes: u64,
        /// What it may take.
        bytes_max: u64,
    },
    /// The output cannot be lengthened.
    #[error(transparent)]
    Append(#[from] append::Error),
    /// The output cannot be written.
    #[error(transparent)]
    Output(#[from] libhdf5::Error),
}

impl Error {
    /// What the system said of an input.
    pub(super) fn input(path: &Path, error: io::Error) -> Self {
        Self::Input { path: path.to_path_buf(), error }
    }

    /// Whether the machine is in the way (a full disk, no permission, an I/O error) rather than the input.
    #[must_use]
    pub fn is_environment(&self) -> bool {
        match self {
            Self::Input { error, .. } => libhdf5::is_environment(error),
            Self::Output(error) => error.is_environment(),
            Self::Append(error) => error.is_environment(),
            _ => false,
        }
    }
}
