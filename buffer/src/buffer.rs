//! A fixed-length block of plain numbers at a chosen alignment.
//!
//! A `Vec<f32>` starts at 4 bytes; a vector load that straddles two cache lines costs twice, and direct I/O
//! refuses the address outright. The block is zeroed when it is made, so no uninitialised byte can be read.
//!
//! A large block at a smaller alignment is not written when it is made: the kernel gives pages that are zero, each when it is touched
//! first, by whoever does that. To zero 12 MB at once took as long as to decode them.
//!
//! A block at [`Alignment::HUGE_PAGE`] that holds one asks the kernel for huge pages before it is first written. Whether it
//! gets them is the kernel's choice (`/sys/kernel/mm/transparent_hugepage/enabled`), and nothing else depends on it.

use std::alloc::{self, Layout};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use crate::Alignment;

mod sealed {
    pub trait Sealed {}
}

/// A plain number: every bit pattern is a value and zero bytes are zero.
pub trait Element: sealed::Sealed + Copy + Send + Sync + 'static {}

macro_rules! element {
    ($($t:ty),*) => { $(impl sealed::Sealed for $t {} impl Element for $t {})* };
}
element!(u8, u16, u32, u64, i8, i16, i32, i64, f32, f64);

/// The block cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory {
    /// The bytes that were asked for; saturated when the count itself overflows.
    pub bytes: usize,
}

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot allocate {} bytes", self.bytes)
    }
}

impl std::error::Error for OutOfMemory {}

/// `len` elements of `T` in one zeroed block at an [`Alignment`].
pub struct Buffer<T: Element> {
    start: NonNull<T>,
    len: usize,
    align: usize,
    /// What was allocated, at or before `start`.
    block: NonNull<u8>,
    layout: Layout,
}

/// From this size on a block is left to the kernel to zero.
const LAZY_BYTES: usize = 1 << 20;
/// What the allocator aligns to by itself; only then does it ask the kernel for zeros rather than write them.
const ALLOCATOR_ALIGN: usize = 16;

// SAFETY: the block is owned by this value alone, and `Element` is `Send`.
unsafe impl<T: Element> Send for Buffer<T> {}
// SAFETY: a shared reference gives shared slices only, and `Element` is `Sync`.
unsafe impl<T: Element> Sync for Buffer<T> {}

/// A zeroed block for which huge pages were asked, or null where there is no memory.
///
/// # Safety
/// - `layout` has at least the size of a huge page, and its alignment
unsafe fn advised(layout: Layout) -> *mut u8 {
    // SAFETY: the caller keeps the size above zero.
    let block = unsafe { alloc::alloc(layout) };
    let Some(start) = NonNull::new(block) else { return block };
    #[cfg(target_os = "linux")]
    {
        use nix::sys::mman::{MmapAdvise, madvise};
        // Whole huge pages only: the rest of the last one may be somebody else's.
        let whole = layout.size() / Alignment::HUGE_PAGE.bytes() * Alignment::HUGE_PAGE.bytes();
        // SAFETY: the block was allocated above with the alignment of a huge page, `whole` bytes lie within it, and this
        // advice changes neither contents nor access.
        let advice = unsafe { madvise(start.cast(), whole, MmapAdvise::MADV_HUGEPAGE) };
        // A kernel that has no huge pages refuses, and small ones do as well.
        let _ = advice;
    }
    // SAFETY: the block was allocated above with this size, and nobody else knows of it yet.
    unsafe { start.write_bytes(0, layout.size()) }
    block
}

impl<T: Element> Buffer<T> {
    /// A zeroed block of `len` elements.
    ///
    /// # Errors
    /// [`OutOfMemory`] when the size overflows or the allocator refuses it.
    pub fn zeroed(len: usize, alignment: Alignment) -> Result<Self, OutOfMemory> {
        let too_large = OutOfMemory { bytes: len.saturating_mul(size_of::<T>()) };
        let align = alignment.bytes().max(align_of::<T>());
        let bytes = len.checked_mul(size_of::<T>()).ok_or(too_large)?;
        let layout = Layout::from_size_align(bytes, align).map_err(|_| too_large)?;
        if bytes == 0 {
            // An address that is aligned and never read: `layout.size()` of zero is also what `drop` looks at.
            let start = NonNull::new(std::ptr::without_provenance_mut::<T>(align)).ok_or(too_large)?;
            return Ok(Self { start, len, align, block: start.cast(), layout });
        }
        let huge = alignment >= Alignment::HUGE_PAGE && bytes >= Alignment::HUGE_PAGE.bytes();
        let lazy = !huge && bytes >= LAZY_BYTES && align > ALLOCATOR_ALIGN;
        let layout = if lazy {
            let room = bytes.checked_add(align).ok_or(too_large)?;
            Layout::from_size_align(room, ALLOCATOR_ALIGN).map_err(|_| too_large)?
        } else {
            layout
        };
        let block = if huge {
            // SAFETY: size and alignment of the layout were compared with a huge page's above.
            unsafe { advised(layout) }
        } else {
            // SAFETY: a size of zero returned above.
            unsafe { alloc::alloc_zeroed(layout) }
        };
        let block = NonNull::new(block).ok_or(too_large)?;
        // Where the layout has the alignment this is 0, else less than the room for it above.
        let skipped = block.addr().get().next_multiple_of(align) - block.addr().get();
        // SAFETY: `skipped` and the `len` elements behind it lie within the layout, by the line above.
        let start = unsafe { block.add(skipped) }.cast::<T>();
        Ok(Self { start, len, align, block, layout })
    }

    /// A block that holds a copy of `values`.
    ///
    /// # Errors
    /// [`OutOfMemory`] as for [`Buffer::zeroed`].
    pub fn copied(values: &[T], alignment: Alignment) -> Result<Self, OutOfMemory> {
        let mut buffer = Self::zeroed(values.len(), alignment)?;
        buffer.copy_from_slice(values);
        Ok(buffer)
    }

    /// Where the block starts, in bytes that divide its address.
    #[must_use]
    pub fn alignment(&self) -> usize {
        self.align
    }
}

impl<T: Element> Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: `zeroed` allocated `len` initialised elements at `start`, and they live as long as `self`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl<T: Element> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`; `&mut self` is the only path to the block.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl<T: Element> Drop for Buffer<T> {
    fn drop(&mut self) {
        if self.layout.size() != 0 {
            // SAFETY: a non-empty block came from `alloc_zeroed` with this very layout, in `zeroed`.
            unsafe { alloc::dealloc(self.block.as_ptr(), self.layout) }
        }
    }
}

impl<T: Element + fmt::Debug> fmt::Debug for Buffer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} elements at {} B)", self.len, self.align)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "Miri has no madvise(2)")]
    fn a_block_of_huge_pages_is_zeroed_and_whole() {
        let len = (5 << 20) / size_of::<f32>() + 3;
        let mut block = Buffer::<f32>::zeroed(len, Alignment::HUGE_PAGE).unwrap();
        assert_eq!((block.len(), block.alignment()), (len, 2 << 20));
        assert!(block.iter().all(|x| *x == 0.0));
        block[len - 1] = 1.0;
        assert_eq!(block.iter().sum::<f32>(), 1.0);
    }

    #[test]
    fn a_large_block_is_zero_and_aligned_again_and_again() {
        for alignment in [Alignment::CACHE_LINE, Alignment::PAGE] {
            // The second time out of memory that the allocator has seen before.
            for _ in 0..2 {
                let len = LAZY_BYTES / size_of::<u64>() + 5;
                let mut block = Buffer::<u64>::zeroed(len, alignment).unwrap();
                assert_eq!(
                    (block.as_ptr().addr() % alignment.bytes(), block.alignment()),
                    (0, alignment.bytes())
                );
                let places = [0, 1, len / 2, len - 2, len - 1];
                assert!(places.iter().all(|&at| block[at] == 0));
                places.iter().for_each(|&at| block[at] = u64::MAX);
            }
        }
    }

    #[test]
    fn starts_where_it_was_asked_to() {
        for alignment in [Alignment::CACHE_LINE, Alignment::DEVICE, Alignment::PAGE, Alignment::HUGE_PAGE] {
            for len in [0, 1, 63, 64, 65, 4097] {
                let buffer = Buffer::<f32>::zeroed(len, alignment).unwrap();
                assert_eq!(buffer.as_ptr().addr() % alignment.bytes(), 0);
                assert_eq!(buffer.len(), len);
                assert!(buffer.iter().all(|x| x.to_bits() == 0));
            }
        }
    }

    #[test]
    fn a_size_that_overflows_is_refused() {
        let refused = Buffer::<f64>::zeroed(usize::MAX / 4, Alignment::CACHE_LINE).unwrap_err();
        assert_eq!(refused.bytes, usize::MAX);
        assert!(Buffer::<u8>::zeroed(usize::MAX - 10, Alignment::PAGE).is_err());
    }

    #[test]
    fn copies_and_crosses_threads() {
        let buffer = Buffer::copied(&[1i64, -2, 3], Alignment::DEVICE).unwrap();
        let sum = std::thread::spawn(move || buffer.iter().sum::<i64>()).join().unwrap();
        assert_eq!(sum, 2);
    }
}
