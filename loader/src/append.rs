//! Rows behind those of a file of ours: a new file with both, that takes its place once it is whole and on disk.
//!
//! Nothing is written into the old file, so readers keep what they have open, and a crash leaves the old one. The price is that
//! its rows are packed again. The old file is locked meanwhile, so that of two who append one is told to wait rather than
//! that the rows of one are lost.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

use crate::format::libhdf5::{self, Column, FORMAT, Kind, Values, Writer};
use crate::parallel;
use crate::table::{self, Attribute, Table};

/// Why nothing can be put behind a file. It is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be read.
    #[error(transparent)]
    Table(#[from] table::Error),
    /// The new file cannot be written.
    #[error(transparent)]
    Output(#[from] libhdf5::Error),
    /// The system refused.
    #[error("cannot append to {}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// Somebody else appends to it.
    #[error("cannot append to {}: somebody else does so now; try again when that has ended", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// A file of another program.
    #[error("cannot append to {}: Diapason did not write it; import it into a file of its own first", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// Other columns.
    #[error("cannot append to {}: it has the columns {}, the rows have {}", path.display(), columns.join(", "), further.join(", "))]
    Columns {
        /// The file.
        path: PathBuf,
        /// Its columns.
        columns: Vec<String>,
        /// Those of the rows to append.
        further: Vec<String>,
    },
}

impl Error {
    /// Whether the machine is in the way rather than the input.
    #[must_use]
    pub fn is_environment(&self) -> bool {
        match self {
            Self::Io { error, .. } => libhdf5::is_environment(error),
            Self::Output(error) => error.is_environment(),
            Self::Busy { .. } => true,
            Self::Table(error) => error.is_environment(),
            Self::NotOurs { .. } | Self::Columns { .. } => false,
        }
    }
}

/// A file of ours that rows are to be put behind, locked until this is dropped.
#[derive(Debug)]
pub(crate) struct Before {
    pub table: Table,
    _lock: Flock<File>,
}

impl Before {
    /// Opens and locks the file at `path`.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let refused = |error| Error::Io { path: path.to_path_buf(), error };
        let busy = || Error::Busy { path: path.to_path_buf() };
        let file = File::open(path).map_err(refused)?;
        let lock =
            Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, number)| match number {
                nix::errno::Errno::EWOULDBLOCK => busy(),
                number => refused(number.into()),
            })?;
        // Another one may have put a new file there between opening and locking.
        let (locked, there) = (lock.metadata().map_err(refused)?, std::fs::metadata(path).map_err(refused)?);
        if (locked.dev(), locked.ino()) != (there.dev(), there.ino()) {
            return Err(busy());
        }
        let table = Table::open(path)?;
        if table.attributes().get("format").and_then(Attribute::text) != Some(FORMAT) {
            return Err(Error::NotOurs { path: path.to_path_buf() });
        }
        Ok(Self { table, _lock: lock })
    }

    /// Whether rows of `columns` fit behind it.
    pub fn check(&self, columns: &[Column]) -> Result<(), Error> {
        let own: Vec<(&str, Kind)> =
            self.table.columns().iter().map(|column| (column.name.as_str(), kind(column))).collect();
        let further: Vec<(&str, Kind)> =
            columns.iter().map(|column| (column.name.as_str(), column.kind)).collect();
        if own == further {
            return Ok(());
        }
        let shown = |columns: &[(&str, Kind)]| {
            columns.iter().map(|(name, kind)| format!("{name} ({})", kind.name())).collect()
        };
        let path = self.table.inspect().path.clone();
        Err(Error::Columns { path, columns: shown(&own), further: shown(&further) })
    }

    /// Writes its rows.
    pub fn copy(&self, writer: &mut Writer) -> Result<(), Error> {
        let (columns, threads) = (self.table.columns(), parallel::threads(0));
        for rows in self.table.pieces(columns.len()) {
            let read = |column: &table::Column| self.table.read(&column.name, rows.clone());
            let values: Vec<table::Values> = columns.iter().map(read).collect::<Result<_, _>>()?;
            let values: Vec<Values<'_>> = values.iter().map(Values::from).collect();
            writer.push_rows(&values, threads)?;
        }
        Ok(())
    }
}

impl<'a> From<&'a table::Values> for Values<'a> {
    fn from(values: &'a table::Values) -> Self {
        match values {
            table::Values::Whole(values) => Self::I64(values),
            table::Values::Float(values) => Self::F64(values),
        }
    }
}

/// What a column is written as.
pub(crate) fn kind(column: &table::Column) -> Kind {
    if column.is_float() { Kind::F64 } else { Kind::I64 }
}
