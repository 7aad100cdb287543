//! A result in the memory of this process, as the page cache holds it.

use std::fs::File;

use memmap2::Mmap;

use super::Key;
use super::entry::{HEADER_BYTES, header};

/// The values of a result, mapped.
#[derive(Debug)]
pub struct Mapped {
    map: Mmap,
}

impl Mapped {
    /// Maps `file` if it is the whole result of `key`.
    pub(super) fn new(file: &File, key: Key) -> Option<Self> {
        // SAFETY: files of a store get their name when they are complete and are never written again (`Sink::finish`,
        // the only writer); the folder is its user's alone (`Store::open`), who must not cut them while they are in use.
        let map = unsafe { Mmap::map(file) }.ok()?;
        let (head, values) = map.split_at_checked(HEADER_BYTES)?;
        let count = (values.len() / size_of::<f32>()) as u64;
        let is_whole = values.len() % size_of::<f32>() == 0 && head == header(key, count);
        is_whole.then_some(Self { map })
    }

    /// The values.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        // The header is a page long, so the values begin at a page.
        bytemuck::cast_slice(&self.map[HEADER_BYTES..])
    }
}
