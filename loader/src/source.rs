//! Where bytes come from: positional reads of something whose size is known.
//!
//! Every reader of the crate goes through [`Source`], so a file on disk, a file through io_uring, bytes in memory and
//! a test's broken disk are one thing to them. A back end may answer with fewer bytes than asked; the loop that asks
//! again is written once, in [`Source::read_at`].

use std::fmt;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

pub mod account;
#[cfg(test)]
pub(crate) mod faulty;
pub mod memory;
pub mod pread;
pub mod uring;

use account::Account;
use pread::Pread;
use uring::{Access, Uring};

/// Bytes that a source takes at most for each thread that reads. What is planned counts them whichever way is read, so that the
/// same budget gives the same windows in the same order on every machine.
pub const THREAD_BYTES: u64 = uring::THREAD_BYTES;

/// Through what a file is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// io_uring where it can be had, else `pread(2)`; [`Source::account`] tells which and why.
    #[default]
    Automatic,
    /// `pread(2)`.
    Pread,
    /// io_uring; an error where [`uring::probe`] fails.
    Uring,
}

/// Opens the regular file at `path`.
///
/// # Errors
/// What the system says; `Unsupported` when io_uring was asked for and cannot be used.
pub fn open(path: &Path, backend: Backend, access: Access) -> io::Result<Arc<dyn Source>> {
    let source: Arc<dyn Source> = match (backend, uring::available()) {
        (Backend::Pread, _) => Arc::new(Pread::open(path)?),
        (Backend::Automatic, Err(reason)) => Arc::new(Pread::open_for_lack(path, reason.to_string())?),
        (Backend::Automatic, Ok(())) | (Backend::Uring, _) => Arc::new(Uring::open(path, access)?),
    };
    tracing::debug!(path = %path.display(), choice = source.account().choice, "source");
    Ok(source)
}

/// Why bytes cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The source ends before the bytes that were asked for.
    #[error("it ends at byte {size}, {needed} bytes at {offset} were needed")]
    Truncated {
        /// Where the read began.
        offset: u64,
        /// The bytes that were asked for.
        needed: u64,
        /// Where the source ends.
        size: u64,
    },
    /// The system refused.
    #[error("reading at byte {offset} failed: {error}")]
    Io {
        /// Where the read stood.
        offset: u64,
        /// What the system said.
        error: io::Error,
    },
}

/// Whether an error of the system is about the machine's state, and not about a path that was named wrongly.
pub(crate) fn is_environment(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidFilename, InvalidInput, IsADirectory, NotADirectory, NotFound};
    !matches!(error.kind(), NotFound | NotADirectory | IsADirectory | InvalidInput | InvalidFilename)
}

/// What to do about a file that the system refuses, to be said after its error.
pub(crate) fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "; have its owner let you read it (chmod, setfacl), and enter the folders on the way, or run as a user who may"
        }
        _ => "",
    }
}

/// What tells one state of a source from another: equal identities hold equal bytes, as far as the system can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The size in bytes.
    pub size: u64,
    /// The device and the inode; zeros for memory.
    pub place: (u64, u64),
    /// The time of the last change of the bytes in nanoseconds since 1970; 0 for memory.
    pub modified_ns: i128,
    /// The time of the last change of the bytes or of what is noted of the file, which nobody can set back; 0 for memory.
    pub changed_ns: i128,
}

impl Identity {
    /// The identity of the file at `path` now.
    ///
    /// # Errors
    /// What the system says.
    pub fn of_file(path: &Path) -> io::Result<Self> {
        std::fs::metadata(path).map(|metadata| pread::identity_of(&metadata))
    }

    /// Nanoseconds until no change of the file can be noted at the same time as its last one: 0 when every later change
    /// would give another identity. File systems note times by the tick of the kernel, 10 ms at most.
    #[must_use]
    pub fn unsettled_ns(&self) -> u64 {
        const TICK_NS: i128 = 20_000_000;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now_ns = i128::try_from(now.as_nanos()).unwrap_or(i128::MAX);
        let settled_ns = self.modified_ns.max(self.changed_ns) + TICK_NS;
        u64::try_from((settled_ns - now_ns).max(0)).unwrap_or(u64::MAX)
    }

    /// The identity as bytes, to be a part of a name.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let words = [self.size, self.place.0, self.place.1].map(u64::to_le_bytes).concat();
        [words, [self.modified_ns, self.changed_ns].map(i128::to_le_bytes).concat()].concat()
    }
}

/// A piece of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Where it begins.
    pub offset: u64,
    /// How long it is.
    pub bytes: usize,
}

/// What [`Source::read_each`] hands a piece to: the number of the span and its bytes.
pub type Take<'a> = dyn FnMut(usize, Result<&[u8], Error>) -> ControlFlow<()> + 'a;

/// Bytes at positions.
pub trait Source: Send + Sync + fmt::Debug {
    /// The bytes there are.
    fn size(&self) -> u64;

    /// What the source was when it was opened.
    fn identity(&self) -> Identity;

    /// Reads some bytes at `offset` into the front of `bytes` and returns how many: at least one, unless `bytes` is
    /// empty or `offset` is at or past the end.
    ///
    /// # Errors
    /// What the system says; `Interrupted` asks to try again.
    fn read_some_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize>;

    /// Fills `bytes` from `offset` on.
    ///
    /// # Errors
    /// [`Error::Truncated`] when the source ends before, [`Error::Io`] when the system refuses.
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> Result<(), Error> {
        let truncated = Error::Truncated { offset, needed: bytes.len() as u64, size: self.size() };
        if offset.checked_add(bytes.len() as u64).is_none_or(|end| end > self.size()) {
            return Err(truncated);
        }
        let mut done = 0;
        while done < bytes.len() {
            match self.read_some_at(offset + done as u64, &mut bytes[done..]) {
                Ok(0) => return Err(truncated),
                Ok(some) => done += some,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::Io { offset: offset + done as u64, error }),
            }
        }
        Ok(())
    }

    /// Reads every span, in any order, and hands each to `take` once, until it says to stop. `room` is memory that is
    /// used again; a back end may have several spans in flight.
    fn read_each(&self, spans: &[Span], room: &mut Vec<u8>, take: &mut Take<'_>) {
        one_by_one(self, spans, 0, room, take);
    }

    /// How it reads and why so, and what it has read.
    fn account(&self) -> Account {
        Account::default()
    }
}

/// Reads the spans from number `first` on, each by [`Source::read_at`].
fn one_by_one<S: Source + ?Sized>(
    source: &S,
    spans: &[Span],
    first: usize,
    room: &mut Vec<u8>,
    take: &mut Take<'_>,
) {
    for (number, span) in spans.iter().enumerate().skip(first) {
        room.resize(room.len().max(span.bytes), 0);
        let bytes = &mut room[..span.bytes];
        let outcome = source.read_at(span.offset, bytes).map(|()| &*bytes);
        if take(number, outcome).is_break() {
            return;
        }
    }
}

/// The exam of every source: `open` makes one that holds the given bytes.
#[cfg(test)]
pub(crate) mod conformance {
    use std::ops::ControlFlow;

    use super::{Error, Source, Span};

    /// Bytes that no shift or swap maps onto themselves.
    pub fn sample(len: usize) -> Vec<u8> {
        (0..len as u64).map(|place| (place.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8).collect()
    }

    /// Whether many spans come back each once, the broken ones as errors, and no more after a stop.
    fn spans<S: Source>(source: &S, bytes: &[u8]) {
        let mut spans: Vec<Span> = (0..40usize)
            .map(|n| Span { offset: (n * 7919 % 900_000) as u64, bytes: n * n * 71 % 120_000 })
            .collect();
        spans.push(Span { offset: 5, bytes: 900_000 });
        let past_the_end = spans.len();
        spans.push(Span { offset: bytes.len() as u64 - 3, bytes: 4 });
        let mut seen = vec![0; spans.len()];
        source.read_each(&spans, &mut Vec::new(), &mut |number, found| {
            seen[number] += 1;
            let (offset, count) = (spans[number].offset as usize, spans[number].bytes);
            match found {
                Ok(found) => assert!(found == &bytes[offset..offset + count], "span {number}"),
                Err(error) => assert!(number == past_the_end, "span {number}: {error}"),
            }
            ControlFlow::Continue(())
        });
        assert!(seen.iter().all(|&times| times == 1), "{seen:?}");
        let inside = &spans[..past_the_end];
        let mut seen = vec![0; inside.len()];
        source.read_each(inside, &mut Vec::new(), &mut |number, found| {
            seen[number] += 1;
            let (offset, count) = (inside[number].offset as usize, inside[number].bytes);
            assert!(found.unwrap() == &bytes[offset..offset + count], "span {number}");
            ControlFlow::Continue(())
        });
        assert!(seen.iter().all(|&times| times == 1), "{seen:?}");
        let mut taken = 0;
        source.read_each(inside, &mut Vec::new(), &mut |_, _| {
            taken += 1;
            if taken == 7 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(taken, 7);
        let mut taken = 0;
        source.read_each(&spans, &mut Vec::new(), &mut |_, _| {
            taken += 1;
            if taken == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(taken, 3);
    }

    /// Whether reads give the bytes asked for, at every kind of place.
    pub fn examine<S: Source>(open: impl Fn(&[u8]) -> S) {
        for len in [0usize, 1, 511, 4096, 4097, 3 << 20] {
            let bytes = sample(len);
            let source = open(&bytes);
            assert_eq!(source.size(), len as u64);
            assert_eq!(source.identity().size, len as u64);
            assert_eq!(source.identity(), source.identity());
            let places = [
                (0, len),
                (0, 0),
                (len, 0),
                (len / 2, len - len / 2),
                (len / 3, len / 5),
                (len.saturating_sub(1), len.min(1)),
            ];
            for (offset, count) in places {
                let mut read = vec![0xAA; count];
                source.read_at(offset as u64, &mut read).unwrap();
                assert!(read == bytes[offset..offset + count], "{count} bytes at {offset} of {len}");
            }
            for (offset, count) in
                [(len as u64, 1), (0, len + 1), (u64::MAX, 1), (u64::MAX - 5, 100), (len as u64 + 9, 0)]
            {
                let refused = source.read_at(offset, &mut vec![0; count]);
                assert!(
                    matches!(refused, Err(Error::Truncated { .. })),
                    "{count} bytes at {offset} of {len}"
                );
            }
            let past_the_end = std::iter::repeat_with(|| source.read_some_at(len as u64 + 3, &mut [0; 4]));
            assert_eq!(past_the_end.take(9).find_map(Result::ok), Some(0));
        }
        let bytes = sample(1 << 20);
        let source = open(&bytes);
        spans(&source, &bytes);
        std::thread::scope(|scope| {
            for thread in 0..4usize {
                let (source, bytes) = (&source, &bytes);
                scope.spawn(move || {
                    for round in 0..50usize {
                        let offset = (thread * 7919 + round * 15_485) % 900_000;
                        let mut read = vec![0; 1 + round * 997];
                        source.read_at(offset as u64, &mut read).unwrap();
                        assert!(read == bytes[offset..offset + read.len()]);
                    }
                });
            }
        });
    }
}
