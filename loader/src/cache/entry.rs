//! A result on its way to the disk.
//!
//! The file is a page of header, then the values as they stand in memory. The header is written last, over zeros, when
//! the values are on disk; only then the file gets its name.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::Key;

/// The header: magic, key, number of values, then the hash of these.
pub(super) const MAGIC: &[u8; 8] = b"DIAPVAL1";
pub(super) const HEADER_BYTES: usize = 4096;

/// The header of a result.
pub(super) fn header(key: Key, values: u64) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    let mut facts = MAGIC.to_vec();
    facts.extend_from_slice(&key.0);
    facts.extend_from_slice(&values.to_le_bytes());
    let sum = *blake3::hash(&facts).as_bytes();
    facts.extend_from_slice(&sum);
    header[..facts.len()].copy_from_slice(&facts);
    header
}

/// Takes the values of a result. It never fails: what cannot be kept is dropped, and the caller learns it at the end.
#[derive(Debug)]
pub struct Sink {
    state: io::Result<(PathBuf, File)>,
    values: u64,
    bytes_max: u64,
}

impl Sink {
    pub(super) fn new(path: &Path, bytes_max: u64) -> Self {
        let create = || {
            let mut file = File::create(path)?;
            file.write_all(&[0; HEADER_BYTES])?;
            Ok((path.to_path_buf(), file))
        };
        Self { state: create(), values: 0, bytes_max }
    }

    pub(super) const fn broken(error: io::Error) -> Self {
        Self { state: Err(error), values: 0, bytes_max: 0 }
    }

    /// Whether the values are still being kept; a maker that only makes them for the cache may stop when not.
    #[must_use]
    pub const fn is_kept(&self) -> bool {
        self.state.is_ok()
    }

    /// Appends `values`.
    pub fn push(&mut self, values: &[f32]) {
        let Ok((_, file)) = &mut self.state else { return };
        self.values += values.len() as u64;
        let bytes = self.values.saturating_mul(size_of::<f32>() as u64).saturating_add(HEADER_BYTES as u64);
        let written = if bytes > self.bytes_max {
            Err(io::Error::new(io::ErrorKind::QuotaExceeded, "the result is larger than the cache may be"))
        } else {
            file.write_all(bytemuck::cast_slice(values))
        };
        if let Err(error) = written {
            self.state = Err(error);
        }
    }

    /// Puts the result on disk and gives it its name.
    pub(super) fn finish(self, key: Key, name: &Path) -> io::Result<()> {
        let (path, mut file) = self.state?;
        file.sync_data()?;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&header(key, self.values))?;
        file.sync_all()?;
        std::fs::rename(path, name)
    }
}
