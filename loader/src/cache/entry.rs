//! A result on its way to the disk.
//!
//! The file is a page of header, then the bytes as they stand in memory. The header is written last, over zeros, when
//! the bytes are on disk; only then the file gets its name.

use std::fs::File;
use std::hash::Hasher;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use bytemuck::NoUninit;
use twox_hash::XxHash3_64;

use super::Key;

/// The header: magic, key, number of bytes and their hash, then the hash of these.
pub(super) const MAGIC: &[u8; 8] = b"DIAPVAL2";
pub(super) const HEADER_BYTES: usize = 4096;
/// Where the hash of the bytes stands in the header.
const SUM: std::ops::Range<usize> = 48..56;

/// The header of a result of `bytes` bytes whose XXH3 is `sum`.
pub(super) fn header(key: Key, bytes: u64, sum: u64) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    let mut facts = MAGIC.to_vec();
    facts.extend_from_slice(&key.0);
    facts.extend_from_slice(&bytes.to_le_bytes());
    facts.extend_from_slice(&sum.to_le_bytes());
    let hash = *blake3::hash(&facts).as_bytes();
    facts.extend_from_slice(&hash);
    header[..facts.len()].copy_from_slice(&facts);
    header
}

/// The hash of the bytes that a header claims.
pub(super) fn sum_in(header: &[u8]) -> Option<u64> {
    header.get(SUM)?.try_into().ok().map(u64::from_le_bytes)
}

/// Takes the values of a result. It never fails: what cannot be kept is dropped, and the caller learns it at the end.
pub struct Sink {
    state: io::Result<(PathBuf, File)>,
    hash: XxHash3_64,
    bytes: u64,
    bytes_max: u64,
}

impl Sink {
    pub(super) fn new(path: &Path, bytes_max: u64) -> Self {
        let create = || {
            let mut file = File::create(path)?;
            file.write_all(&[0; HEADER_BYTES])?;
            Ok((path.to_path_buf(), file))
        };
        Self { state: create(), hash: XxHash3_64::with_seed(0), bytes: 0, bytes_max }
    }

    pub(super) fn broken(error: io::Error) -> Self {
        Self { state: Err(error), hash: XxHash3_64::with_seed(0), bytes: 0, bytes_max: 0 }
    }

    /// Whether the values are still being kept; a maker that only makes them for the cache may stop when not.
    #[must_use]
    pub const fn is_kept(&self) -> bool {
        self.state.is_ok()
    }

    /// Says that `bytes` will come; when they are more than the cache may hold, nothing of them is written.
    pub fn expect(&mut self, bytes: u64) {
        let all = self.bytes.saturating_add(bytes).saturating_add(HEADER_BYTES as u64);
        if self.is_kept() && all > self.bytes_max {
            self.state = Err(too_large(all, self.bytes_max));
        }
    }

    /// Says that what comes must not be kept, and why: as when what it is made of changed meanwhile.
    pub fn refuse(&mut self, reason: io::Error) {
        if self.is_kept() {
            self.state = Err(reason);
        }
    }

    /// Appends `values` as they stand in memory: who reads them names the same type.
    pub fn push<T: NoUninit>(&mut self, values: &[T]) {
        let bytes: &[u8] = bytemuck::cast_slice(values);
        self.expect(bytes.len() as u64);
        let Ok((_, file)) = &mut self.state else { return };
        self.bytes += bytes.len() as u64;
        self.hash.write(bytes);
        if let Err(error) = file.write_all(bytes) {
            self.state = Err(error);
        }
    }

    /// Puts the result on disk and gives it its name.
    pub(super) fn finish(self, key: Key, name: &Path) -> io::Result<()> {
        let (path, mut file) = self.state?;
        file.sync_data()?;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&header(key, self.bytes, self.hash.finish()))?;
        file.sync_all()?;
        std::fs::rename(path, name)
    }
}

fn too_large(bytes: u64, bytes_max: u64) -> io::Error {
    let text = format!("the result is larger than the cache may be: {bytes} bytes of {bytes_max}");
    io::Error::new(io::ErrorKind::QuotaExceeded, text)
}
