//! A file of any kind as a table that is read lazily: HDF5 as it stands, anything else imported first.
//!
//! The import goes to a folder of its own below `$TMPDIR`, which goes away with it.

use std::path::Path;

use diapason_loader::table::{self, Table};
#[cfg(feature = "libhdf5")]
use diapason_loader::{csv, import};
use tempfile::TempDir;

#[cfg(feature = "libhdf5")]
use crate::console;
use crate::console::Console;

/// Decoded chunks held at once where only names are wanted.
const BUDGET_BYTES: u64 = 16 << 20;

/// Why a file is no table.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// An HDF5 file, or one that this build cannot import.
    #[error(transparent)]
    Table(#[from] table::Error),
    /// A CSV file.
    #[cfg(feature = "libhdf5")]
    #[error(transparent)]
    Text(#[from] csv::Error),
    /// A Parquet, Arrow or NumPy file.
    #[cfg(feature = "libhdf5")]
    #[error(transparent)]
    Other(#[from] import::Error),
    /// There is no room for the import.
    #[cfg(feature = "libhdf5")]
    #[error("no folder for the import: {0}; name one in TMPDIR")]
    Folder(std::io::Error),
}

impl IntakeError {
    /// Whether another host, or this one at another time, could have done it.
    #[must_use]
    pub fn is_environment(&self) -> bool {
        match self {
            Self::Table(error) => error.is_environment(),
            #[cfg(feature = "libhdf5")]
            Self::Text(error) => error.is_environment(),
            #[cfg(feature = "libhdf5")]
            Self::Other(error) => error.is_environment(),
            #[cfg(feature = "libhdf5")]
            Self::Folder(_) => true,
        }
    }
}

/// An open table and, where it was imported, the folder that it lies in.
pub struct Intake {
    /// The table.
    pub table: Table,
    /// The folder of the import.
    pub scratch: Option<TempDir>,
}

impl Intake {
    /// The names of the columns of `path`.
    ///
    /// # Errors
    /// As [`Intake::open`].
    pub fn columns(path: &Path, console: &Console) -> Result<Vec<String>, IntakeError> {
        let Self { table, .. } = Self::open(path, BUDGET_BYTES, console)?;
        Ok(table.columns().iter().map(|column| column.name.clone()).collect())
    }

    /// Opens `path`, with at most `budget_bytes` of decoded chunks at once.
    ///
    /// # Errors
    /// [`IntakeError`] when it is neither a table nor a file that can be imported.
    pub fn open(path: &Path, budget_bytes: u64, console: &Console) -> Result<Self, IntakeError> {
        match Table::with_budget(path, budget_bytes) {
            Ok(table) => Ok(Self { table, scratch: None }),
            Err(error) => Self::import(path, budget_bytes, console, error),
        }
    }

    #[cfg(not(feature = "libhdf5"))]
    fn import(_: &Path, _: u64, _: &Console, error: table::Error) -> Result<Self, IntakeError> {
        Err(error.into())
    }

    /// Imports what is no HDF5 file; `error` is why it is none.
    #[cfg(feature = "libhdf5")]
    fn import(
        path: &Path,
        budget_bytes: u64,
        console: &Console,
        error: table::Error,
    ) -> Result<Self, IntakeError> {
        let is_hdf5 = path.extension().is_some_and(|end| ["h5", "hdf5"].iter().any(|own| end == *own));
        let format = match import::Format::of(path) {
            Ok(format) if !is_hdf5 && format != import::Format::Hdf5 => format,
            _ => return Err(error.into()),
        };
        let scratch = tempfile::Builder::new().prefix("diapason-").tempdir().map_err(IntakeError::Folder)?;
        let imported = scratch.path().join("rows.h5");
        if format == import::Format::Text {
            text(path, &imported, &csv::Options::default(), console)?;
        } else {
            other(path, &imported, &import::Options::default(), console)?;
        }
        Ok(Self { table: Table::with_budget(&imported, budget_bytes)?, scratch: Some(scratch) })
    }
}

/// Imports a CSV file with a progress bar.
///
/// # Errors
/// As the loader's import.
#[cfg(feature = "libhdf5")]
pub fn text(
    input: &Path,
    output: &Path,
    options: &csv::Options,
    console: &Console,
) -> Result<csv::Report, csv::Error> {
    let bar = console.progress("import", std::fs::metadata(input).map_or(0, |file| file.len()));
    let report = csv::import(input, output, options, &mut |progress| {
        bar.set_position(progress.bytes);
        bar.set_message(format!("{} rows", console::count(progress.rows)));
    });
    bar.finish_and_clear();
    report
}

/// Imports a Parquet, Arrow or NumPy file with a progress bar.
///
/// # Errors
/// As the loader's import.
#[cfg(feature = "libhdf5")]
pub fn other(
    input: &Path,
    output: &Path,
    options: &import::Options,
    console: &Console,
) -> Result<import::Report, import::Error> {
    let bar = console.progress("import", 0);
    let report = import::import(input, output, options, &mut |progress| {
        bar.set_message(format!("{} rows", console::count(progress.rows)));
    });
    bar.finish_and_clear();
    report
}
