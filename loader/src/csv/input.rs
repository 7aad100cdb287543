//! The bytes of an input: as they are, or out of gzip or zstd, which is told by the first of them.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// The largest window of a zstd frame that is taken, as a power of two: what `zstd --long` writes, and no more memory.
const WINDOW_LOG_MAX: u32 = 27;

/// By which it is seen that a file was changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub bytes: u64,
    changed: Option<SystemTime>,
}

impl Stamp {
    /// That of the file at `path`.
    pub fn of(path: &Path) -> io::Result<Self> {
        let found = std::fs::metadata(path)?;
        Ok(Self { bytes: found.len(), changed: found.modified().ok() })
    }
}

/// How the text is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Packing {
    /// What a file that begins with `head` is.
    fn of(head: &[u8]) -> Self {
        if head.starts_with(b"\x1f\x8b") {
            Self::Gzip
        } else if head.starts_with(b"\x28\xb5\x2f\xfd") {
            Self::Zstd
        } else {
            Self::Plain
        }
    }
}

/// A file that counts the bytes taken from it.
struct Counted {
    file: File,
    taken: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(bytes)?;
        self.taken.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// What a decoder gives, with its errors in words.
struct Unpacked<R> {
    inner: R,
    name: &'static str,
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.inner.read(bytes).map_err(|error| match (error.kind(), error.raw_os_error()) {
            (io::ErrorKind::Interrupted, _) | (_, Some(_)) => error,
            (kind, None) => io::Error::new(
                kind,
                format!("its {} data are broken ({error}); copy the file again", self.name),
            ),
        })
    }
}

/// An open input.
pub(super) struct Input {
    /// The text.
    pub text: Box<dyn Read + Send>,
    pub packing: Packing,
    /// Bytes of the file that were taken so far.
    pub taken: Arc<AtomicU64>,
}

impl Input {
    /// Opens the file at `path`.
    pub fn open(path: &Path) -> io::Result<Self> {
        const MAGIC_BYTES: u64 = 4;
        let mut head = Vec::new();
        File::open(path)?.take(MAGIC_BYTES).read_to_end(&mut head)?;
        let (packing, taken) = (Packing::of(&head), Arc::new(AtomicU64::new(0)));
        let file = Counted { file: File::open(path)?, taken: Arc::clone(&taken) };
        let text: Box<dyn Read + Send> = match packing {
            Packing::Plain => Box::new(file),
            // Several members in a row are one text, as gunzip has it.
            Packing::Gzip => {
                let file = BufReader::with_capacity(256 << 10, file);
                Box::new(Unpacked { inner: flate2::bufread::MultiGzDecoder::new(file), name: "gzip" })
            }
            Packing::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::new(file)?;
                decoder.window_log_max(WINDOW_LOG_MAX)?;
                Box::new(Unpacked { inner: decoder, name: "zstd" })
            }
        };
        Ok(Self { text, packing, taken })
    }

    /// The text from byte `skipped` on.
    pub fn skip(mut self, skipped: u64) -> io::Result<Self> {
        io::copy(&mut self.text.by_ref().take(skipped), &mut io::sink())?;
        Ok(self)
    }
}
