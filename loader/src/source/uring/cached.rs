//! What the page cache holds: read without waiting, or only asked about.
//!
//! A read with `RWF_NOWAIT` that finds nothing makes the kernel begin to fetch into the page cache. That is what a reader through
//! the page cache wants next, and would be a second fetch beside a direct read; so before those `cachestat(2)` is asked, which
//! changes nothing.

use std::fs::File;
use std::io::IoSliceMut;
use std::os::fd::AsRawFd;

use rustix::io::{Errno, ReadWriteFlags, preadv2};

use crate::source::Span;

/// What came of a read that does not wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// All bytes are read.
    All,
    /// They are not there.
    Missing,
    /// This file system cannot tell.
    Unknown,
}

/// Fills `bytes` from `offset` on if the page cache holds them all.
pub fn read(file: &File, offset: u64, bytes: &mut [u8]) -> Found {
    let wanted = bytes.len();
    match preadv2(file, &mut [IoSliceMut::new(bytes)], offset, ReadWriteFlags::NOWAIT) {
        Ok(count) if count == wanted => Found::All,
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Found::Unknown,
        _ => Found::Missing,
    }
}

/// The range that `cachestat(2)` is asked about.
#[repr(C)]
struct CachestatRange {
    offset: u64,
    bytes: u64,
}

/// What it answers, in pages.
#[repr(C)]
#[derive(Default)]
struct Cachestat {
    cached: u64,
    dirty: u64,
    writeback: u64,
    evicted: u64,
    recently_evicted: u64,
}

/// Whether the page cache holds all of `span`; `None` where the kernel has no `cachestat(2)` (before 6.5) or refuses it: newer ones
/// answer only to who owns the file or may write it.
pub fn holds(file: &File, span: Span) -> Option<bool> {
    const CACHESTAT: nix::libc::c_long = 451;
    const PAGE_BYTES: u64 = 4096;
    if span.bytes == 0 {
        return Some(true);
    }
    let mut range = CachestatRange { offset: span.offset, bytes: span.bytes as u64 };
    let mut found = Cachestat::default();
    // SAFETY: the kernel reads 16 bytes of `range` and writes 40 of `found`, whose layouts above are those of cachestat(2), and
    // both live until the call returns.
    let answer =
        unsafe { nix::libc::syscall(CACHESTAT, file.as_raw_fd(), &raw mut range, &raw mut found, 0u32) };
    let last = span.offset.saturating_add(span.bytes as u64 - 1) / PAGE_BYTES;
    let pages = last - span.offset / PAGE_BYTES + 1;
    (answer == 0).then_some(found.cached >= pages)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

    #[test]
    fn what_was_written_is_there_and_what_was_dropped_is_not() {
        let folder = tempfile::tempdir_in(std::env::current_exe().unwrap().parent().unwrap()).unwrap();
        let path = folder.path().join("sample");
        let content: Vec<u8> = (0..300_000u32).map(|at| at as u8).collect();
        std::fs::write(&path, &content).unwrap();
        let file = File::open(&path).unwrap();
        let span = Span { offset: 4000, bytes: 200_000 };
        let mut bytes = vec![0; span.bytes];
        let found = read(&file, span.offset, &mut bytes);
        assert!(found != Found::All || bytes == content[4000..204_000]);
        if found != Found::All || holds(&file, span).is_none() {
            return;
        }
        assert_eq!(holds(&file, span), Some(true));
        file.sync_all().unwrap();
        posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).unwrap();
        // Another process may keep them; then they are all there still, or some.
        if holds(&file, span) == Some(false) {
            let found = read(&file, span.offset, &mut bytes);
            assert!(found == Found::Missing || bytes == content[4000..204_000]);
        }
        assert_eq!(holds(&file, Span { offset: 9, bytes: 0 }), Some(true));
        assert_eq!(read(&file, 9, &mut []), Found::All);
        assert_eq!(read(&file, 299_999, &mut [0; 9]), Found::Missing);
    }
}
