//! The chunks of a data set: which there are and where.

use super::btree::{self, Tree};
use super::btree2;
use super::dataspace::Shape;
use super::error::Error;
use super::input::Input;
use super::layout::Index;
use entry::Entry;

mod entry;

mod extensible_array;
mod fixed_array;

const WHAT: &str = "chunk";
/// Bytes of a filter mask.
const MASK_BYTES: usize = 4;

/// A chunk in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Its number, counting through the grid of chunks, the last dimension fastest.
    pub number: u64,
    /// Where it is in the source.
    pub place: u64,
    /// How many bytes are stored.
    pub bytes: u64,
    /// Bit i says that filter i was skipped.
    pub mask: u32,
}

/// What decides where a chunk belongs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid<'a> {
    pub shape: &'a Shape,
    pub chunk: &'a [u64],
    pub element_bytes: u64,
    pub is_filtered: bool,
}

impl Grid<'_> {
    /// Bytes of a whole chunk before the filters.
    pub fn chunk_bytes(&self) -> Option<u64> {
        self.chunk.iter().try_fold(self.element_bytes, |bytes, &dim| bytes.checked_mul(dim))
    }

    /// The number of the chunk at these places in the grid; `None` outside of the data set as it is now.
    fn number(&self, places: impl Iterator<Item = u64>) -> Option<u64> {
        let dims = self.shape.dims.iter().zip(self.chunk);
        places.zip(dims).try_fold(0u64, |number, (place, (dim, chunk))| {
            let count = dim.div_ceil(*chunk);
            if place < count { number.checked_mul(count)?.checked_add(place) } else { None }
        })
    }

    /// The number, as it is now, of the entry with number `entry` of a table for the largest size of the data set. The
    /// dimension without a limit, of which a table has one at most, counts slowest.
    fn number_of_entry(&self, mut entry: u64) -> Option<u64> {
        const ENDLESS: u64 = u64::MAX;
        let max = &self.shape.max;
        let endless = max.iter().position(|max| *max == ENDLESS);
        let mut places = vec![0; self.chunk.len()];
        for dim in (0..places.len()).rev().filter(|dim| Some(*dim) != endless) {
            let count = max.get(dim)?.div_ceil(self.chunk[dim]).max(1);
            places[dim] = entry % count;
            entry /= count;
        }
        if let Some(dim) = endless {
            places[dim] = std::mem::take(&mut entry);
        }
        if entry == 0 { self.number(places.into_iter()) } else { None }
    }
}

/// The chunks of a data set, by number, each once.
pub(super) fn chunks(input: &Input, grid: Grid<'_>, index: Index, address: u64) -> Result<Vec<Chunk>, Error> {
    let broken = |problem| Error::Broken { what: "chunk index", address, problem };
    let rank = grid.shape.dims.len();
    if rank != grid.chunk.len() || rank == 0 {
        return Err(broken("its chunks have another number of dimensions than the data set"));
    }
    let chunk_bytes = grid.chunk_bytes().ok_or_else(|| broken("the size of a chunk overflows"))?;
    let mut chunks = Vec::new();
    match index {
        Index::Single { filtered } => {
            let (bytes, mask) = filtered.unwrap_or((chunk_bytes, 0));
            chunks.push(Chunk { number: 0, place: input.place(WHAT, address, bytes)?, bytes, mask });
        }
        Index::Implicit => {
            // Every chunk is in the file, so there are no more than its size allows.
            let mut counts = grid.shape.max.iter().zip(grid.chunk).map(|(max, chunk)| max.div_ceil(*chunk));
            let count = counts.try_fold(1u64, u64::checked_mul);
            let bytes = count.and_then(|count| count.checked_mul(chunk_bytes));
            let (count, bytes) =
                count.zip(bytes).ok_or_else(|| broken("the size of its chunks overflows"))?;
            let place = input.place(WHAT, address, bytes)?;
            for entry in 0..count {
                if let Some(number) = grid.number_of_entry(entry) {
                    chunks.push(Chunk {
                        number,
                        place: place + entry * chunk_bytes,
                        bytes: chunk_bytes,
                        mask: 0,
                    });
                }
            }
        }
        Index::FixedArray | Index::ExtensibleArray => {
            let mut found = |entry: u64, stored: Entry| {
                let Some(number) = grid.number_of_entry(entry) else { return Ok(()) };
                let (bytes, mask) = stored.filtered.unwrap_or((chunk_bytes, 0));
                chunks.push(Chunk { number, place: input.place(WHAT, stored.address, bytes)?, bytes, mask });
                Ok(())
            };
            let is_filtered = grid.is_filtered;
            if index == Index::FixedArray {
                fixed_array::entries(input, address, is_filtered, &mut found)?;
            } else {
                extensible_array::entries(input, address, is_filtered, &mut found)?;
            }
        }
        Index::BTree2 => {
            let kind = if grid.is_filtered { btree2::kind::FILTERED_CHUNKS } else { btree2::kind::CHUNKS };
            btree2::records(input, &mut input.walk(), address, kind, &mut |mut record, _| {
                let stored = record.defined()?;
                let size_bytes = record.rest().len().checked_sub(8 * rank);
                let (bytes, mask) = match size_bytes.and_then(|bytes| bytes.checked_sub(MASK_BYTES)) {
                    Some(width @ 1..=8) if grid.is_filtered => (record.uint(width as u8)?, record.u32()?),
                    _ if grid.is_filtered => {
                        return Err(record.broken("the size of its records is impossible"));
                    }
                    _ => (chunk_bytes, 0),
                };
                let places = (0..rank).map(|_| record.uint(8)).collect::<Result<Vec<_>, _>>()?;
                if let Some(number) = grid.number(places.into_iter()) {
                    chunks.push(Chunk { number, place: input.place(WHAT, stored, bytes)?, bytes, mask });
                }
                Ok(())
            })?;
        }
        Index::BTree1 => {
            let mut walk = input.walk();
            let tree = Tree::Chunks { rank: rank as u8 + 1 };
            btree::leaves(input, &mut walk, tree, address, &mut |mut key, stored, _| {
                let (bytes, mask) = (u64::from(key.u32()?), key.u32()?);
                let mut places = Vec::with_capacity(rank);
                for &dim in grid.chunk {
                    let first = key.uint(8)?;
                    if !first.is_multiple_of(dim) {
                        return Err(key.broken("a chunk in it does not begin at the begin of a chunk"));
                    }
                    places.push(first / dim);
                }
                if let Some(number) = grid.number(places.into_iter()) {
                    chunks.push(Chunk { number, place: input.place(WHAT, stored, bytes)?, bytes, mask });
                }
                Ok(())
            })?;
        }
    }
    if !grid.is_filtered && chunks.iter().any(|chunk| chunk.bytes != chunk_bytes) {
        return Err(broken("an unfiltered chunk has another size than the others"));
    }
    chunks.sort_unstable_by_key(|chunk| chunk.number);
    if chunks.windows(2).any(|pair| pair[0].number == pair[1].number) {
        return Err(broken("a chunk is in it twice"));
    }
    Ok(chunks)
}
