//! Reads through io_uring.
//!
//! The ring owns the file and the buffers until the kernel has completed each read; the caller's memory is never
//! handed to the kernel, so a caller that goes away cannot be written to. A read is cut into segments that are in
//! flight together, and what has arrived is copied out. Each thread that reads has a ring of its own for that time,
//! and while it decodes one piece the reads of the next ones are under way. The price is the copy: for what the page
//! cache holds, [`super::pread`] is faster. The gain is many reads in flight against a disk.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

use super::pread::open_regular;
use super::{Identity, Source, Span, Take};

mod ring;

use ring::Ring;

/// Why io_uring cannot be used here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The kernel has no io_uring.
    #[error(
        "this kernel has no io_uring (ENOSYS); Linux 5.6 or newer, built with CONFIG_IO_URING, is needed"
    )]
    NoSyscall,
    /// The administrator switched it off.
    #[error(
        "io_uring is switched off by kernel.io_uring_disabled = {value}; `sysctl kernel.io_uring_disabled=0` allows it"
    )]
    Disabled {
        /// 1: off for processes without the right, 2: off for all.
        value: u32,
    },
    /// A seccomp filter or a security module refuses the call.
    #[error(
        "io_uring is refused (EPERM), most likely by the seccomp filter of a container; allow io_uring_setup, io_uring_enter and io_uring_register there"
    )]
    Refused,
    /// Not enough memory may be locked.
    #[error(
        "no memory for a ring (ENOMEM); on kernels before 5.12 raise the limit of locked memory, `ulimit -l`"
    )]
    Memory,
    /// Something else went wrong.
    #[error("io_uring fails at the {step}: {error}")]
    Failed {
        /// What was being done.
        step: &'static str,
        /// What the kernel said.
        error: io::Error,
    },
    /// The read completed and gave other bytes than the file holds.
    #[error("a read through io_uring gave wrong bytes; do not use it on this kernel")]
    WrongBytes,
}

/// Whether this process can read a file through io_uring, proved by a real read.
///
/// A ring that can be set up is no proof: a seccomp filter may allow the set-up and refuse the rest.
///
/// # Errors
/// [`Reason`] says why it cannot.
pub fn probe() -> Result<(), Reason> {
    const CONTENT: &[u8] = b"diapason reads this back";
    let failed = |step| move |error: io::Error| Reason::Failed { step, error };
    let memfd = nix::sys::memfd::memfd_create("diapason-probe", nix::sys::memfd::MFdFlags::MFD_CLOEXEC);
    let file = File::from(memfd.map_err(io::Error::from).map_err(failed("memory file"))?);
    io::Write::write_all(&mut &file, CONTENT).map_err(failed("memory file"))?;
    let mut ring = Ring::new(Arc::new(file)).map_err(|error| why("set-up", error, disabled()))?;
    let mut bytes = [0; CONTENT.len()];
    let count = ring.read_some_at(0, &mut bytes).map_err(|error| why("read", error, disabled()))?;
    if bytes[..count] == *CONTENT { Ok(()) } else { Err(Reason::WrongBytes) }
}

/// The kernel's own switch; `None` before Linux 6.6, which has none.
fn disabled() -> Option<u32> {
    std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok()?.trim().parse().ok()
}

fn why(step: &'static str, error: io::Error, disabled: Option<u32>) -> Reason {
    match (error.raw_os_error(), disabled) {
        (Some(nix::libc::ENOSYS), _) => Reason::NoSyscall,
        (Some(nix::libc::EPERM), Some(value @ 1..)) => Reason::Disabled { value },
        (Some(nix::libc::EPERM | nix::libc::EACCES), _) => Reason::Refused,
        (Some(nix::libc::ENOMEM), _) => Reason::Memory,
        _ => Reason::Failed { step, error },
    }
}

/// A file that is read through io_uring.
#[derive(Debug)]
pub struct Uring {
    file: Arc<File>,
    identity: Identity,
    /// Whether the kernel was told that reads are at random places.
    is_random: AtomicBool,
    /// Rings that no thread uses at the moment.
    rings: Mutex<Vec<Ring>>,
}

impl Uring {
    /// Opens the regular file at `path` with a ring for each thread that reads it.
    ///
    /// # Errors
    /// What the system says of the file or of the ring; [`probe`] tells more about the latter.
    pub fn open(path: &Path) -> io::Result<Self> {
        let (file, identity) = open_regular(path)?;
        let file = Arc::new(file);
        let first = Ring::new(Arc::clone(&file))?;
        Ok(Self { file, identity, is_random: AtomicBool::new(false), rings: Mutex::new(vec![first]) })
    }

    /// Tells the kernel, when that changes, whether reading ahead is worth it: behind random places it is in vain, and would read
    /// three times as much from the device; in a run it is what keeps a disk busy. Where the advice is not taken, nothing
    /// else changes.
    fn advise(&self, spans: &[Span]) {
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
            let _ = posix_fadvise(&self.file, 0, 0, advice);
        }
    }

    /// Works with a ring that no other thread uses.
    fn with<R>(&self, work: impl FnOnce(&mut Ring) -> R) -> io::Result<R> {
        let rings = || self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        let free = rings().pop();
        let mut ring = free.map_or_else(|| Ring::new(Arc::clone(&self.file)), Ok)?;
        let result = work(&mut ring);
        if ring.is_whole() {
            rings().push(ring);
        }
        Ok(result)
    }
}

impl Source for Uring {
    fn size(&self) -> u64 {
        self.identity.size
    }

    fn identity(&self) -> Identity {
        self.identity
    }

    fn read_some_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        if offset >= self.size() {
            return Ok(0);
        }
        self.with(|ring| ring.read_some_at(offset, bytes))?
    }

    fn read_each(&self, spans: &[Span], room: &mut Vec<u8>, take: &mut Take<'_>) {
        let size = self.size();
        // What lies outside is refused without asking the kernel, one by one, in order.
        let is_inside =
            |span: &Span| span.offset.checked_add(span.bytes as u64).is_some_and(|end| end <= size);
        let mut rest = 0;
        if spans.iter().all(is_inside) {
            self.advise(spans);
            let read = self.with(|ring| ring.read_each(spans, (size, room), take));
            match read {
                Ok(Ok(())) => return,
                Ok(Err(number)) => rest = number,
                Err(_) => {}
            }
        }
        // Without a ring, each on its own: the same bytes, or the reason why not.
        super::one_by_one(self, spans, rest, room, take);
    }

    fn thread_bytes(&self) -> u64 {
        ring::RING_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use diapason_tests::{Need, need};

    #[test]
    fn conforms() {
        if !need::met(Need::Uring, probe().err().map(|reason| reason.to_string())) {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        super::super::conformance::examine(|bytes| {
            let path = folder.path().join("sample");
            std::fs::write(&path, bytes).unwrap();
            Uring::open(&path).unwrap()
        });
    }

    #[test]
    fn each_refusal_has_its_reason() {
        let why = |code, switch| why("read", io::Error::from_raw_os_error(code), switch).to_string();
        assert!(why(nix::libc::ENOSYS, None).contains("ENOSYS"));
        assert!(why(nix::libc::EPERM, Some(2)).contains("io_uring_disabled = 2"));
        assert!(why(nix::libc::EPERM, Some(0)).contains("seccomp"));
        assert!(why(nix::libc::EPERM, None).contains("seccomp"));
        assert!(why(nix::libc::ENOMEM, None).contains("ulimit -l"));
        assert!(why(nix::libc::EIO, Some(0)).contains("at the read"));
    }
}
