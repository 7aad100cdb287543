//! A result in the memory of this process, as the page cache holds it.

use std::fs::File;
use std::hash::Hasher;
use std::ops::Range;

use bytemuck::AnyBitPattern;
use memmap2::{Mmap, UncheckedAdvice};
use twox_hash::XxHash3_64;

use super::Key;
use super::entry::{HEADER_BYTES, header, sum_in};

/// Bytes that are copied and hashed at a time: they are in the second-level cache still when they are hashed.
const PIECE_BYTES: usize = 64 << 10;
/// Bytes that are looked at before they are let go.
const CHECK_BYTES: usize = 8 << 20;
/// A multiple of every size that a page of memory has on the processors that Linux runs on.
const GRAIN_BYTES: usize = 64 << 10;

/// The bytes of a result are not those that were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bytes of the result are not those that were kept; remove it and make it again")]
pub struct Changed;

/// The values of a result, mapped.
#[derive(Debug)]
pub struct Mapped {
    map: Mmap,
    sum: u64,
}

impl Mapped {
    /// Maps `file` if it is the whole result of `key`. Its bytes are looked at by [`Mapped::check`], not here.
    pub(super) fn new(file: &File, key: Key) -> Option<Self> {
        // SAFETY: files of a store get their name when they are complete and are never written again (`Sink::finish`,
        // the only writer); the folder is its user's alone (`Store::open`), who must not cut them while they are in use.
        let map = unsafe { Mmap::map(file) }.ok()?;
        let (head, bytes) = map.split_at_checked(HEADER_BYTES)?;
        let sum = sum_in(head)?;
        let is_whole = head == header(key, bytes.len() as u64, sum);
        is_whole.then_some(Self { map, sum })
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.map[HEADER_BYTES..]
    }

    /// The values, as many whole ones as there are.
    #[must_use]
    pub fn values<T: AnyBitPattern>(&self) -> &[T] {
        let bytes = self.bytes();
        // The header is a page long, so the values begin at a page, and no type of numbers needs more.
        bytemuck::cast_slice(&bytes[..bytes.len() / size_of::<T>().max(1) * size_of::<T>()])
    }

    /// Reads all bytes and says whether they are those that were kept. They are let go piece by piece, so that looking
    /// takes no memory of this process.
    ///
    /// # Errors
    /// [`Changed`] when they are not.
    pub fn check(&self) -> Result<(), Changed> {
        let mut hash = XxHash3_64::with_seed(0);
        for (number, piece) in self.bytes().chunks(CHECK_BYTES).enumerate() {
            hash.write(piece);
            self.release(number * CHECK_BYTES..(number + 1) * CHECK_BYTES);
        }
        if hash.finish() == self.sum { Ok(()) } else { Err(Changed) }
    }

    /// Copies all bytes to the front of `out` and checks them on the way.
    ///
    /// # Errors
    /// [`Changed`] when they are not those that were kept; `out` holds them then all the same.
    ///
    /// # Panics
    /// When `out` is shorter than the result.
    pub fn copy_to(&self, out: &mut [u8]) -> Result<(), Changed> {
        let mut hash = XxHash3_64::with_seed(0);
        let bytes = self.bytes();
        for (from, to) in bytes.chunks(PIECE_BYTES).zip(out[..bytes.len()].chunks_mut(PIECE_BYTES)) {
            to.copy_from_slice(from);
            hash.write(to);
        }
        if hash.finish() == self.sum { Ok(()) } else { Err(Changed) }
    }

    /// Says that the `bytes` are not needed for now: they count no more as memory of this process, and come back when
    /// they are looked at.
    pub fn release(&self, bytes: Range<usize>) {
        let from = (HEADER_BYTES + bytes.start.min(self.bytes().len())).next_multiple_of(GRAIN_BYTES);
        let to = (HEADER_BYTES + bytes.end.min(self.bytes().len())) / GRAIN_BYTES * GRAIN_BYTES;
        if from < to {
            // SAFETY: the mapping is of a file, shared and read-only (`Mapped::new`), so a page that is dropped is
            // read again with the same bytes: nothing that was written is lost, since nothing can be written.
            let _ = unsafe { self.map.unchecked_advise_range(UncheckedAdvice::DontNeed, from, to - from) };
        }
    }
}
