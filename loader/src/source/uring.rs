//! Reads through io_uring, past the page cache or through it, and without the ring what the page cache holds.
//!
//! ```text
//! span -> in the page cache? -> read at once (RWF_NOWAIT), one copy, no ring
//!                    else    -> ring: up to 8 requests of 256 KiB under way while the caller decodes what came before
//!                               through the page cache, or past it (O_DIRECT, registered buffers)
//! ```
//!
//! The ring owns the files and the memory until the kernel has completed each request; the caller's memory is never handed to the
//! kernel, so a caller that goes away cannot be written to. The caller is lent the bytes where they landed. A thread that needs a
//! ring has one of its own for that time; where the page cache has everything, there is none. Rings are shared by all files. What a ring leaves out, for a fault
//! or at an odd end, `pread(2)` finishes, and it does everything where there is no ring.
//!
//! # Through the page cache or past it
//!
//! Chosen for each file when it is opened ([`Access`]), told by [`Source::account`]. Measured on a virtual disk of 1.1 GB/s with fio
//! and 8 requests of 256 KiB under way, on two Zen 4 cores, ranges of many runs:
//!
//! | cold reads | random, MB/s | CPU ms a GB | in order, MB/s | CPU ms a GB |
//! |---|---|---|---|---|
//! | through the page cache | 780 to 1,060 | 380 to 600 | 370 to 1,390 | 190 to 1,700 |
//! | past it, registered buffers | 890 to 1,160 | 30 to 80 | 930 to 1,260 | 15 to 80 |
//!
//! This module beside fio and `pread(2)` in the same runs, 256 KiB at random places, medians of five (`loader_limits random`):
//!
//! | MB/s | hot | cold, three runs | CPU ms a GB, cold |
//! |---|---|---|---|
//! | `pread(2)` | 13,100 | 720, 460, 600 | 390 to 540 |
//! | this, through the page cache | 12,600 | 1,150, 820, 970 | 330 to 400 |
//! | this, past it | 13,400 | 1,190, 920, 1,150 | 26 to 41 |
//! | fio, past it | | 1,320, 850, 1,070 | |
//!
//! The device is what bounds both; what direct reads save is the processor, which the decoding wants. What they cost is that the
//! second epoch comes from the device again, where the page cache would give 12 GB/s at 85 ms a GB. So the automatic choice keeps a
//! file in the page cache if it fits half of the memory that is free, and reads past it otherwise, when the second epoch would find
//! nothing there anyway.

use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

use super::account::{Account, By, Tally};
use super::pread::open_regular;
use super::{Identity, Source, Span, Take};

mod arena;
mod block;
mod cached;
mod direct;
#[cfg(test)]
mod faults;
mod flight;
mod headroom;

mod ring;

mod rings;

mod probe;

use cached::Found;
pub use probe::{Reason, available, probe};
use ring::{Broken, Files, Job, Outcome};
use rings::Rings;

/// Bytes of the memory of a ring, and so of a thread that reads.
pub(super) const THREAD_BYTES: u64 = flight::ARENA_BYTES as u64;
/// A file is kept in the page cache if it is at most one part in so many of the memory that is free.
const CACHE_PART: u64 = 2;

/// How a file is read that the page cache does not hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Through the page cache if the file fits there, else past it.
    #[default]
    Automatic,
    /// Through the page cache.
    Buffered,
    /// Past the page cache where the file system can do that, else through it.
    Direct,
}

/// What was chosen for a file.
#[derive(Debug)]
enum Choice {
    Buffered(Why),
    Direct { align: u64, why: Why },
}

/// Why that was chosen.
#[derive(Debug)]
enum Why {
    Asked,
    Fits { file: u64, free: u64 },
    TooLarge { file: u64, free: u64 },
    UnknownMemory,
    Refused(direct::Refusal),
}

impl std::fmt::Display for Choice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Buffered(_) => write!(f, "through the page cache, ")?,
            Self::Direct { align, .. } => write!(f, "past the page cache in steps of {align} bytes, ")?,
        }
        let (Self::Buffered(why) | Self::Direct { why, .. }) = self;
        match why {
            Why::Asked => write!(f, "as asked"),
            Why::Fits { file, free } => {
                write!(f, "as its {file} bytes fit the {free} bytes of memory that are free")
            }
            Why::TooLarge { file, free } => {
                write!(f, "as its {file} bytes would not stay in the {free} bytes of memory that are free")
            }
            Why::UnknownMemory => write!(f, "as it is not known how much memory is free"),
            Why::Refused(refusal) => write!(f, "as direct reads are not to be had: {refusal}"),
        }
    }
}

/// A file that is read through io_uring.
#[derive(Debug)]
pub struct Uring {
    files: Files,
    identity: Identity,
    choice: Choice,
    /// Whether the kernel was told that reads are at random places.
    is_random: AtomicBool,
    /// Whether this file system reads without waiting.
    has_nowait: AtomicBool,
    rings: Arc<Rings>,
    tally: Tally,
    #[cfg(test)]
    faults: faults::Faults,
}

impl Uring {
    /// Opens the regular file at `path`.
    ///
    /// # Errors
    /// What the system says of the file; `Unsupported` with the [`Reason`] where io_uring cannot be used.
    pub fn open(path: &Path, access: Access) -> io::Result<Self> {
        available().map_err(|reason| io::Error::new(io::ErrorKind::Unsupported, reason.to_string()))?;
        let (file, identity) = open_regular(path)?;
        let file = Arc::new(file);
        let why = match access {
            Access::Buffered => Err(Why::Asked),
            Access::Direct => Ok(Why::Asked),
            Access::Automatic => match (identity.size, headroom::bytes()) {
                (_, None) => Err(Why::UnknownMemory),
                (file, Some(free)) if file <= free / CACHE_PART => Err(Why::Fits { file, free }),
                (file, Some(free)) => Ok(Why::TooLarge { file, free }),
            },
        };
        let (choice, direct) = match why {
            Err(why) => (Choice::Buffered(why), None),
            Ok(why) => match direct::open(path, &file) {
                Ok(direct) => (Choice::Direct { align: direct.align, why }, Some(Arc::new(direct))),
                Err(refusal) => (Choice::Buffered(Why::Refused(refusal)), None),
            },
        };
        Ok(Self {
            files: Files { plain: file, direct },
            identity,
            choice,
            is_random: AtomicBool::new(false),
            has_nowait: AtomicBool::new(true),
            rings: Rings::shared(),
            tally: Tally::default(),
            #[cfg(test)]
            faults: faults::Faults::default(),
        })
    }

    /// Fills `bytes` with the span if the page cache holds it.
    fn is_cached(&self, span: Span, bytes: &mut [u8]) -> bool {
        if !self.has_nowait.load(Ordering::Relaxed) {
            return false;
        }
        let found = self.files.cached(span.offset, bytes);
        if found == Found::Unknown {
            self.has_nowait.store(false, Ordering::Relaxed);
        }
        found == Found::All
    }

    /// Tells the kernel, when that changes, whether reading ahead is worth it: behind random places it is in vain, and would read
    /// three times as much from the device; in a run it is what keeps a disk busy. Where the advice is not taken, nothing
    /// else changes.
    fn advise(&self, spans: &[Span]) {
        if self.files.direct.is_some() {
            return;
        }
        let is_near = |pair: &[Span]| {
            let end = pair[0].offset.saturating_add(pair[0].bytes as u64);
            (end..=end.saturating_add(pair[0].bytes as u64)).contains(&pair[1].offset)
        };
        let near = spans.windows(2).filter(|pair| is_near(pair)).count();
        let is_random = spans.len() > 2 && near < spans.len() / 2;
        if self.is_random.swap(is_random, Ordering::Relaxed) != is_random {
            let advice = if is_random {
                PosixFadviseAdvice::POSIX_FADV_RANDOM
            } else {
                PosixFadviseAdvice::POSIX_FADV_NORMAL
            };
            let _ = posix_fadvise(&*self.files.plain, 0, 0, advice);
        }
    }
}

impl Source for Uring {
    fn size(&self) -> u64 {
        self.identity.size
    }

    fn identity(&self) -> Identity {
        self.identity
    }

    /// One read on its own has no queue to fill: this is `pread(2)`.
    fn read_some_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        if offset >= self.size() {
            return Ok(0);
        }
        let count = self.files.plain.read_at(bytes, offset)?;
        self.tally.count(By::Pread, count);
        Ok(count)
    }

    fn read_each(&self, spans: &[Span], room: &mut Vec<u8>, take: &mut Take<'_>) {
        let size = self.size();
        // What lies outside is refused without asking the kernel, one by one, in order.
        let is_inside =
            |span: &Span| span.offset.checked_add(span.bytes as u64).is_some_and(|end| end <= size);
        if !spans.iter().all(is_inside) {
            return super::one_by_one(self, spans, 0, room, take);
        }
        let job = Job {
            files: &self.files,
            spans,
            size,
            tally: &self.tally,
            #[cfg(test)]
            faults: self.faults,
        };
        let (mut number, mut is_advised) = (0, false);
        while let Some(&span) = spans.get(number) {
            room.resize(room.len().max(span.bytes), 0);
            let bytes = &mut room[..span.bytes];
            if self.is_cached(span, bytes) {
                self.tally.count(By::Cached, span.bytes);
                if take(number, Ok(bytes)).is_break() {
                    return;
                }
                number += 1;
                continue;
            }
            if !std::mem::replace(&mut is_advised, true) {
                self.advise(spans);
            }
            match self.rings.fly(&job, number, room, take) {
                Ok(Outcome::Until(next)) => number = next,
                Ok(Outcome::Stopped) => return,
                // Without a ring, each on its own: the same bytes, or the reason why not.
                Err(Broken { given, error }) => {
                    tracing::warn!(%error, "a ring failed; pread goes on");
                    return super::one_by_one(self, spans, given, room, take);
                }
            }
        }
    }

    fn account(&self) -> Account {
        let choice = format!(
            "io_uring: what the page cache holds is read at once, the rest by a ring {}",
            self.choice
        );
        Account { choice, ways: self.tally.ways() }
    }
}

#[cfg(test)]
mod tests {
    use super::faults::Faults;
    use super::*;
    use std::fs::File;

    use crate::source::{Error, conformance};
    use diapason_tests::{Need, need};

    /// Whether there are rings here.
    fn has_rings() -> bool {
        need::met(Need::Uring, probe().err().map(|reason| reason.to_string()))
    }

    /// A file on a disk, where direct reads may be had, outside of the page cache if `is_cold`.
    fn sample(folder: &Path, bytes: &[u8], is_cold: bool) -> std::path::PathBuf {
        let path = folder.join("sample");
        let _ = std::fs::remove_file(&path);
        std::fs::write(&path, bytes).unwrap();
        if is_cold {
            let file = File::open(&path).unwrap();
            file.sync_all().unwrap();
            posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).unwrap();
        }
        path
    }

    /// A folder where this program is, which is on a disk more likely than that of temporary files.
    fn disk() -> tempfile::TempDir {
        tempfile::tempdir_in(std::env::current_exe().unwrap().parent().unwrap()).unwrap()
    }

    /// The exam, of files that are cold and hot, with these faults.
    fn examine(access: Access, faults: Faults) {
        if !has_rings() {
            return;
        }
        let folder = disk();
        for is_cold in [true, false] {
            conformance::examine(|bytes| {
                let path = sample(folder.path(), bytes, is_cold);
                Uring { faults, ..Uring::open(&path, access).unwrap() }
            });
        }
    }

    #[test]
    fn conforms() {
        for access in [Access::Automatic, Access::Buffered, Access::Direct] {
            examine(access, Faults::default());
        }
    }

    #[test]
    fn conforms_with_short_reads() {
        for access in [Access::Buffered, Access::Direct] {
            examine(access, Faults { bytes_max: 100_352, ..Faults::default() });
        }
    }

    #[test]
    fn conforms_with_errors_interruptions_delays_and_another_order() {
        for access in [Access::Buffered, Access::Direct] {
            let faults = Faults { fails_every: 5, interrupts_every: 3, holds: 4, ..Faults::default() };
            examine(access, faults);
        }
    }

    #[test]
    fn conforms_with_rings_that_break() {
        for access in [Access::Buffered, Access::Direct] {
            examine(access, Faults { breaks_every: 9, ..Faults::default() });
        }
    }

    /// Reads all of a cold file in pieces and returns what of them failed.
    fn failures(source: &Uring, content: &[u8]) -> Vec<(usize, String)> {
        let spans: Vec<Span> = (0..content.len() as u64)
            .step_by(10_000)
            .map(|offset| Span { offset, bytes: (content.len() - offset as usize).min(10_000) })
            .collect();
        let mut failed = Vec::new();
        source.read_each(&spans, &mut Vec::new(), &mut |number, bytes| {
            match bytes {
                Ok(bytes) => assert_eq!(bytes, &content[number * 10_000..][..spans[number].bytes]),
                Err(Error::Io { error, .. }) => failed.push((number, error.to_string())),
                Err(error) => panic!("{error}"),
            }
            std::ops::ControlFlow::Continue(())
        });
        failed
    }

    #[test]
    fn an_error_that_stays_is_told_of_its_span_alone() {
        if !has_rings() {
            return;
        }
        let (folder, content) = (disk(), conformance::sample(1 << 20));
        for access in [Access::Buffered, Access::Direct] {
            let path = sample(folder.path(), &content, true);
            let faults = Faults { fails_every: 1, broken_at: Some(543_210), ..Faults::default() };
            let source = Uring { faults, ..Uring::open(&path, access).unwrap() };
            let failed = failures(&source, &content);
            // Where the page cache has the file in spite of all, nothing fails.
            if source.account().ways.cached.reads == 0 {
                let [(54, problem)] = &failed[..] else { panic!("{failed:?}") };
                assert!(problem.contains("os error 5"), "{problem}");
            }
        }
    }

    #[test]
    fn a_file_cut_while_open_is_truncated() {
        if !has_rings() {
            return;
        }
        let folder = disk();
        for access in [Access::Buffered, Access::Direct] {
            let path = sample(folder.path(), &[7; 100_000], true);
            let source = Uring::open(&path, access).unwrap();
            File::options().write(true).open(&path).unwrap().set_len(50_000).unwrap();
            let spans = [Span { offset: 40_000, bytes: 20_000 }, Span { offset: 1, bytes: 9 }];
            let mut refused = Vec::new();
            source.read_each(&spans, &mut Vec::new(), &mut |number, bytes| {
                let is_truncated = matches!(bytes, Err(Error::Truncated { .. }));
                refused.push((number, is_truncated, bytes.is_ok_and(|bytes| bytes == [7; 9])));
                std::ops::ControlFlow::Continue(())
            });
            assert_eq!(refused, [(0, true, false), (1, false, true)]);
        }
    }

    #[test]
    fn each_way_is_counted_and_explained() {
        if !has_rings() {
            return;
        }
        let (folder, content) = (disk(), conformance::sample(1 << 20));
        for (access, word) in [
            (Access::Buffered, "as asked"),
            (Access::Automatic, "that are free"),
            (Access::Direct, "page cache"),
        ] {
            let path = sample(folder.path(), &content, true);
            let source = Uring::open(&path, access).unwrap();
            assert!(source.account().choice.contains(word), "{}", source.account().choice);
            assert_eq!(failures(&source, &content), []);
            let ways = source.account().ways;
            let all = ways.cached.bytes + ways.ring.bytes + ways.direct.bytes;
            assert!(all >= content.len() as u64 && ways.pread.reads == 0, "{ways:?}");
            assert_eq!(
                ways.direct.reads > 0,
                matches!(source.choice, Choice::Direct { .. }) && ways.cached.bytes < 1 << 20
            );
            // Now through the page cache, which has it then.
            std::fs::read(&path).unwrap();
            let before = source.account().ways;
            assert_eq!(failures(&source, &content), []);
            let more = source.account().ways.since(&before);
            if source.has_nowait.load(Ordering::Relaxed)
                && cached::holds(&source.files.plain, Span { offset: 0, bytes: 1 << 20 }) == Some(true)
            {
                assert_eq!((more.cached.reads, more.cached.bytes), (105, 1 << 20), "{more:?}");
            }
        }
    }
}
