//! A source with faults, for tests: short reads, interruptions, and an error at a place.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Identity, Source};

/// `inner` with faults.
#[derive(Debug)]
pub struct Faulty<S> {
    /// What is read in truth.
    pub inner: S,
    /// At most so many bytes a read.
    pub bytes_max: usize,
    /// Every so many reads one is interrupted; 0 for never.
    pub interrupt_every: u64,
    /// A read that touches this byte fails.
    pub broken_at: Option<u64>,
    reads: AtomicU64,
}

impl<S: Source> Faulty<S> {
    /// `inner`, still without a fault.
    pub fn new(inner: S) -> Self {
        Self { inner, bytes_max: usize::MAX, interrupt_every: 0, broken_at: None, reads: AtomicU64::new(0) }
    }
}

impl<S: Source> Source for Faulty<S> {
    fn size(&self) -> u64 {
        self.inner.size()
    }

    fn identity(&self) -> Identity {
        self.inner.identity()
    }

    fn read_some_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.reads.fetch_add(1, Ordering::Relaxed);
        if self.interrupt_every > 0 && read.is_multiple_of(self.interrupt_every) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let count = bytes.len().min(self.bytes_max);
        if self.broken_at.is_some_and(|broken| offset <= broken && broken < offset + count as u64) {
            return Err(io::Error::from_raw_os_error(nix::libc::EIO));
        }
        self.inner.read_some_at(offset, &mut bytes[..count])
    }
}

#[cfg(test)]
mod tests {
    use super::super::memory::Memory;
    use super::super::{Error, conformance};
    use super::*;

    #[test]
    fn short_and_interrupted_reads_are_asked_again() {
        conformance::examine(|bytes| {
            let inner = Memory::new(bytes.to_vec());
            Faulty { bytes_max: 1009, interrupt_every: 3, ..Faulty::new(inner) }
        });
    }

    #[test]
    fn an_error_names_its_place() {
        let inner = Memory::new(conformance::sample(10_000));
        let source = Faulty { bytes_max: 100, broken_at: Some(5050), ..Faulty::new(inner) };
        source.read_at(0, &mut [0; 5000]).unwrap();
        let refused = source.read_at(0, &mut [0; 6000]).unwrap_err();
        assert!(matches!(refused, Error::Io { offset: 5000, .. }), "{refused}");
    }
}
