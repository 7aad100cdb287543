//! A table that another process appends to, followed while it grows.
//!
//! The writer is HDF5's, with one writer and many readers (SWMR: h5py's `libver="latest"` and `swmr_mode = True`). It
//! writes what is pointed at before what points at it, so whoever reads the size of a data set first finds the rows that it
//! counts; and blocks of metadata carry check sums, so one that is being written is seen and read again.
//!
//! What is told of is always a prefix of what was written, of as many rows as the shortest column has, and only up to the
//! first chunk that is not there yet. The rows of a chunk that is not full are written again with each row that joins them; if
//! the chunk keeps its place and its length, that is no single step for a reader. So they are read twice, through an
//! index that is read anew in between, until both agree.
//!
//! Source: "Single-Writer/Multiple-Reader (SWMR) Documentation" and "HDF5 File Format Specification" (The HDF Group).

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::format::hdf5;
use crate::source::{Identity, Source, pread::Pread};
use crate::table::{self, Number, Options, Table};

/// How often something that changes under the reader is read again, and the pause before.
const TRIES: usize = 300;
const PAUSE: Duration = Duration::from_millis(1);

/// Why a table cannot be followed, or not any more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The table cannot be read, after as many tries as a writer may need.
    #[error(transparent)]
    Table(#[from] table::Error),
    /// Its writer does not write for readers.
    #[error(
        "{} is open for writing by a program that does not say that it may be read meanwhile; write it with libver=\"latest\" and swmr_mode, or wait until it is closed",
        path.display()
    )]
    NotShared {
        /// The file.
        path: PathBuf,
    },
    /// Rows went away.
    #[error("{} has {rows} rows and had {before}; it was replaced or cut, open it again", path.display())]
    Shrunk {
        /// The file.
        path: PathBuf,
        /// The rows now.
        rows: u64,
        /// The rows before.
        before: u64,
    },
    /// The rows at the end never stood still.
    #[error("{}: rows {} to {} changed at each of {TRIES} looks; its writer does more than append", path.display(), rows.start, rows.end)]
    Restless {
        /// The file.
        path: PathBuf,
        /// The rows.
        rows: Range<u64>,
    },
}

/// A growing table.
#[derive(Debug)]
pub struct Follow {
    path: PathBuf,
    options: Options,
    now: Snapshot,
    /// Rows that were told of.
    told: u64,
}

/// The table at one moment.
#[derive(Debug)]
struct Snapshot {
    table: Table,
    is_being_written: bool,
    identity: Identity,
}

impl Follow {
    /// Opens the table at `path`. Its side-car, if `options` name one, is not used.
    ///
    /// # Errors
    /// As [`Table::open_with`], and [`Error::NotShared`].
    pub fn open(path: impl AsRef<Path>, options: &Options) -> Result<Self, Error> {
        let (path, options) = (path.as_ref().to_path_buf(), Options { sidecar: None, ..options.clone() });
        let now = snapshot(&path, &options)?;
        Ok(Self { path, options, now, told: 0 })
    }

    /// Looks at the file and returns the rows that are new since the last look: at the first one, all.
    ///
    /// # Errors
    /// [`Error`] when the file cannot be read or was replaced. A later call may succeed.
    pub fn poll(&mut self) -> Result<Range<u64>, Error> {
        // A file that did not change since cannot hold more rows.
        let is_still = self.now.identity.unsettled_ns() == 0
            && Identity::of_file(&self.path).is_ok_and(|now| now == self.now.identity);
        if !is_still {
            self.renew()?;
        }
        let rows = self.told..self.now.table.rows();
        self.told = rows.end;
        Ok(rows)
    }

    /// The rows that were told of.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.told
    }

    /// Whether more rows may come: not once the writer has closed the file and all its rows were told of.
    #[must_use]
    pub const fn is_being_written(&self) -> bool {
        self.now.is_being_written || self.told < self.now.table.rows()
    }

    /// The table as it was at the last look, for its columns and attributes. Rows should be read by [`Follow::read`].
    #[must_use]
    pub const fn table(&self) -> &Table {
        &self.now.table
    }

    /// Reads `rows` of `column` into `values`, which has one place for each row, as they were written.
    ///
    /// # Errors
    /// [`Error`] when there is no such column, the rows were not told of yet, or the file cannot be read.
    pub fn read<T: Number>(&mut self, column: &str, rows: Range<u64>, values: &mut [T]) -> Result<(), Error> {
        let mut again = Vec::new();
        for _ in 0..TRIES {
            let found = self.now.read(column, rows.clone(), values);
            // Chunks that are full are never written again.
            let open = rows.start.max(self.now.table.rows_full().min(rows.end))..rows.end;
            match found {
                Ok(()) if open.is_empty() || !self.now.is_being_written => return Ok(()),
                Ok(()) => {}
                Err(error) if !is_of_the_moment(&error) || !self.now.is_being_written => {
                    return Err(error.into());
                }
                Err(_) => {
                    self.renew_after(PAUSE)?;
                    continue;
                }
            }
            self.renew_after(Duration::ZERO)?;
            again.resize((open.end - open.start) as usize, T::zeroed());
            let first = &values[(open.start - rows.start) as usize..];
            match self.now.read(column, open, &mut again) {
                Ok(()) if bytemuck::cast_slice::<T, u8>(first) == bytemuck::cast_slice::<T, u8>(&again) => {
                    return Ok(());
                }
                Err(error) if !is_of_the_moment(&error) => return Err(error.into()),
                Ok(()) | Err(_) => self.renew_after(PAUSE)?,
            }
        }
        Err(Error::Restless { path: self.path.clone(), rows })
    }

    fn renew_after(&mut self, pause: Duration) -> Result<(), Error> {
        std::thread::sleep(pause);
        self.renew()
    }

    /// Takes the table as it is now.
    fn renew(&mut self) -> Result<(), Error> {
        let now = snapshot(&self.path, &self.options)?;
        let rows = now.table.rows();
        if rows < self.told {
            return Err(Error::Shrunk { path: self.path.clone(), rows, before: self.told });
        }
        self.now = now;
        Ok(())
    }
}

impl Snapshot {
    fn read<T: Number>(&self, column: &str, rows: Range<u64>, values: &mut [T]) -> Result<(), table::Error> {
        let selection = self.table.select(&[column])?;
        self.table.read_selected(&selection, rows, values, table::Damage::Fail).map(|_| ())
    }
}

/// The table as it is now, read again while its writer is in the middle of something.
fn snapshot(path: &Path, options: &Options) -> Result<Snapshot, Error> {
    let mut tries = 0;
    loop {
        tries += 1;
        match look(path, options) {
            Err(Error::Table(error)) if tries < TRIES && is_of_the_moment(&error) => {
                std::thread::sleep(PAUSE);
            }
            outcome => return outcome,
        }
    }
}

/// Whether what is wrong may be right in a moment.
const fn is_of_the_moment(error: &table::Error) -> bool {
    use hdf5::Error::{Broken, CheckSum, Outside, Source as Unread};
    matches!(
        error,
        table::Error::Truncated { .. }
            | table::Error::Chunk { .. }
            | table::Error::Format {
                error: Broken { .. } | CheckSum { .. } | Outside { .. } | Unread(_),
                ..
            }
    )
}

fn look(path: &Path, options: &Options) -> Result<Snapshot, Error> {
    let source: Arc<dyn Source> = match Pread::open(path) {
        Ok(source) => Arc::new(source),
        Err(error) => return Err(table::Error::Io { path: path.to_path_buf(), error }.into()),
    };
    let identity = source.identity();
    // Before the table: who has closed it has written all that will be read.
    let state = hdf5::state(&source).map_err(|error| table::error::of_format(path, "/".to_owned(), error))?;
    if state == hdf5::State::Writing {
        return Err(Error::NotShared { path: path.to_path_buf() });
    }
    let table = Table::of_growing(source, path, options)?;
    Ok(Snapshot { table, is_being_written: state == hdf5::State::Shared, identity })
}
