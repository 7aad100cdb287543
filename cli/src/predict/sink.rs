//! The file that predictions are written to.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::failure::Failure;
use crate::write;

/// A CSV file of predictions under a temporary name until it is complete.
pub struct Sink {
    writer: BufWriter<NamedTempFile>,
    path: PathBuf,
}

impl Sink {
    /// Starts the file; `column` is what a prediction is called.
    ///
    /// # Errors
    /// When its folder cannot be written.
    pub fn create(path: &Path, column: &str) -> Result<Self, Failure> {
        let of_file = |error| Failure::Write { file: path.to_path_buf(), error };
        let mut writer = BufWriter::new(write::beside(path).map_err(of_file)?);
        writeln!(writer, "timestamp,{column}").map_err(of_file)?;
        Ok(Self { writer, path: path.to_path_buf() })
    }

    /// Adds one line.
    ///
    /// # Errors
    /// When the disk is full or gone.
    pub fn write(&mut self, time: i64, value: f64) -> Result<(), Failure> {
        writeln!(self.writer, "{time},{value}")
            .map_err(|error| Failure::Write { file: self.path.clone(), error })
    }

    /// Makes the file appear, and tells where.
    ///
    /// # Errors
    /// When it cannot be synced or renamed.
    pub fn finish(self) -> Result<PathBuf, Failure> {
        let Self { writer, path } = self;
        let of_file = |error| Failure::Write { file: path.clone(), error };
        let file = writer.into_inner().map_err(|error| of_file(error.into_error()))?;
        file.as_file().sync_all().map_err(of_file)?;
        file.persist(&path).map_err(|error| of_file(error.error))?;
        Ok(path)
    }
}
