//! Why a file cannot be written, in words that tell where and what to do.

use std::io;
use std::path::PathBuf;

use crate::codec;

/// Why a file cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system refused.
    #[error("cannot {verb} {}: {error}", path.display())]
    Io {
        /// What was being done.
        verb: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// libhdf5 refused.
    #[error("cannot {verb} for {}: libhdf5 says: {error}", path.display())]
    Library {
        /// What was being done.
        verb: &'static str,
        /// The output.
        path: PathBuf,
        /// What the library said.
        error: hdf5_metno::Error,
    },
    /// A chunk cannot be compressed.
    #[error("cannot compress a chunk of {column:?} for {}: {error}", path.display())]
    Codec {
        /// The column.
        column: String,
        /// The output.
        path: PathBuf,
        /// What the codec said.
        error: codec::Error,
    },
    /// Columns of different lengths.
    #[error("cannot write {}: column {column:?} has {rows} rows, {expected} are needed", path.display())]
    Uneven {
        /// The column that differs.
        column: String,
        /// The output.
        path: PathBuf,
        /// Its rows.
        rows: u64,
        /// The rows of the first column.
        expected: u64,
    },
    /// More columns than one file takes.
    #[error("cannot write {}: {columns} columns are too many, at most {columns_max} go into one file; leave some out or split them", path.display())]
    TooManyColumns {
        /// The output.
        path: PathBuf,
        /// The columns there are.
        columns: usize,
        /// The most there may be.
        columns_max: usize,
    },
    /// A name that HDF5 would take for something else, or cannot hold.
    #[error("cannot write {}: a column cannot be called {name:?}; give it a name of 1 to {bytes_max} bytes other than \".\", without \"/\" and NUL", path.display())]
    ColumnName {
        /// The output.
        path: PathBuf,
        /// The name, or its begin when it is long.
        name: String,
        /// The most bytes of a name.
        bytes_max: usize,
    },
    /// What is at the output is not a file.
    #[error("cannot write {}: it is {kind}, not a file; name another output", path.display())]
    NotAFile {
        /// The output.
        path: PathBuf,
        /// What is there.
        kind: &'static str,
    },
    /// The output is a symbolic link that leads nowhere.
    #[error("cannot write {}: it is a link to {}, which is not there; remove the link or name another output", path.display(), target.display())]
    DeadLink {
        /// The output.
        path: PathBuf,
        /// What the link says.
        target: PathBuf,
    },
}

impl Error {
    /// Whether the machine is in the way (a full disk, no permission, an I/O error) rather than what was asked.
    #[must_use]
    pub fn is_environment(&self) -> bool {
        match self {
            Self::Io { error, .. } => crate::source::is_environment(error),
            Self::Library { .. } | Self::Codec { .. } => true,
            Self::Uneven { .. }
            | Self::TooManyColumns { .. }
            | Self::ColumnName { .. }
            | Self::NotAFile { .. }
            | Self::DeadLink { .. } => false,
        }
    }
}
