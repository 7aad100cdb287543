//! The memory that the kernel writes, reached by addresses alone.
//!
//! Invariant, which the SAFETY comments lean on: after [`Block::new`] no reference to the whole block exists, only such to ranges,
//! and whoever makes one sees to it that the kernel has no request under way there.

use std::ops::Range;
use std::ptr::NonNull;

use diapason_buffer::{Alignment, Buffer, buffer::OutOfMemory};

/// Page-aligned bytes.
pub struct Block {
    /// Held for its memory, and not touched until it is dropped.
    _owner: Buffer<u8>,
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: `start` points into the buffer that this value owns alone, and bytes may be sent.
unsafe impl Send for Block {}

impl Block {
    /// A zeroed block.
    pub fn new(bytes: usize) -> Result<Self, OutOfMemory> {
        let mut owner = Buffer::zeroed(bytes, Alignment::PAGE)?;
        let start = NonNull::from(&mut owner[..]).cast();
        Ok(Self { _owner: owner, start, bytes })
    }

    /// The address of the byte at `place`.
    pub fn address(&self, place: usize) -> *mut u8 {
        assert!(place <= self.bytes, "a place in the block");
        self.start.as_ptr().wrapping_add(place)
    }

    /// The bytes of a range.
    ///
    /// # Safety
    /// - no request of the kernel is under way there, and none begins while the slice lives
    pub unsafe fn slice(&self, range: Range<usize>) -> &[u8] {
        assert!(range.start <= range.end && range.end <= self.bytes, "a range of the block");
        // SAFETY: the range lies in the block by the line above, it was zeroed when it was made, and the caller keeps the
        // kernel out; `&self` keeps `slice_mut` out.
        unsafe { std::slice::from_raw_parts(self.address(range.start), range.len()) }
    }

    /// The bytes of a range, to write them.
    ///
    /// # Safety
    /// - as for [`Block::slice`]
    pub unsafe fn slice_mut(&mut self, range: Range<usize>) -> &mut [u8] {
        assert!(range.start <= range.end && range.end <= self.bytes, "a range of the block");
        // SAFETY: as in `slice`; `&mut self` keeps every other slice out.
        unsafe { std::slice::from_raw_parts_mut(self.address(range.start), range.len()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_written_apart_from_what_has_an_address() {
        let mut block = Block::new(4 * 4096).unwrap();
        let elsewhere = block.address(8192);
        assert_eq!(elsewhere as usize % 4096, 0);
        // SAFETY: no kernel is involved.
        unsafe { block.slice_mut(4096..4100) }.copy_from_slice(b"here");
        // SAFETY: the address is 8192 bytes into the block of four pages, and no slice covers it.
        unsafe { elsewhere.write(7) };
        // SAFETY: no kernel is involved.
        assert_eq!(unsafe { block.slice(4095..4100) }, b"\0here");
        // SAFETY: no kernel is involved.
        assert_eq!(unsafe { block.slice(8192..8193) }, [7]);
    }
}
