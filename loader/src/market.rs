//! A made-up market: one-minute bars from a seed, the same on every machine.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

/// Which market to make.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many bars.
    pub rows: u64,
    /// Equal seeds give equal files.
    pub seed: u64,
    /// Whether Saturdays and Sundays have no bars.
    pub weekends_closed: bool,
    /// Rows in one chunk of the output.
    pub chunk_rows: usize,
    /// The zstd level of the output.
    pub level: i32,
}

impl Default for Options {
    fn default() -> Self {
        Self { rows: 100_000, seed: 7, weekends_closed: false, chunk_rows: 65_536, level: 3 }
    }
}

/// How far the generation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Rows written.
    pub rows: u64,
    /// Rows asked for.
    pub rows_total: u64,
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Rows written.
    pub rows: u64,
    /// Bytes of the output.
    pub bytes_out: u64,
    /// BLAKE3 over names, types and values of all columns, in hexadecimal.
    pub content_hash: String,
    /// How long it took.
    pub elapsed: Duration,
}

/// Why no market was made. Nothing is left behind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The output cannot be written.
    #[error("cannot write {}: {error}", path.display())]
    Output {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
}

/// Writes one-minute bars into the HDF5 file `output`: timestamp, open, high, low, close, volume.
///
/// # Errors
/// [`Error`] when the output cannot be written.
pub fn generate(
    output: &Path,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Report, Error> {
    let _ = (options, progress);
    Err(Error::Output { path: output.to_path_buf(), error: std::io::ErrorKind::Unsupported.into() })
}
