//! Bit shuffle: filter 32008. The first bits of all elements come first, then all second bits, and so on; then each
//! block may be compressed with LZ4 or zstd (bitshuffle 0.5, README and bshuf_h5filter.c).
//!
//! Eight elements' bytes make one transposition of 8 x 8 bits, and many of them are made at once in wide registers; then the
//! bytes are put together as a byte shuffle's are.

use super::zstd::Zstd;
use super::{Codec, Error, lz4, shuffle};

const NAME: &str = "bitshuffle";
/// Elements of a block are a multiple of this.
const STEP: usize = 8;

/// The filter of the bitshuffle package; its options are version, version, size of an element, elements of a block,
/// compressor and level.
#[derive(Debug)]
pub struct Bitshuffle;

/// Bytes of each plane that are taken together, so that a register is full.
const LANES: usize = 32;

/// Eight planes of bits become eight planes of bytes: byte `k` of plane `e` is that of element `e` of group `k`. Each group of eight
/// bytes is mirrored on its diagonal (Warren, Hacker's Delight, section 7-3), many groups at once.
fn planes_of_bytes(bits: &[u8], groups: usize, bytes: &mut [u8]) {
    let mut from = 0;
    while from < groups {
        let count = LANES.min(groups - from);
        let mut rows = [[0u8; LANES]; STEP];
        for (row, plane) in rows.iter_mut().zip(bits.chunks_exact(groups)) {
            row[..count].copy_from_slice(&plane[from..from + count]);
        }
        for (distance, mask) in [(1, 0x55), (2, 0x33), (4, 0x0F)] {
            for upper in (0..STEP).filter(|row| row & distance == 0) {
                let (above, below) = rows.split_at_mut(upper + distance);
                for (high, low) in above[upper].iter_mut().zip(&mut below[0]) {
                    let swap = (*high >> distance ^ *low) & mask;
                    *low ^= swap;
                    *high ^= swap << distance;
                }
            }
        }
        for (row, plane) in rows.iter().zip(bytes.chunks_exact_mut(groups)) {
            plane[from..from + count].copy_from_slice(&row[..count]);
        }
        from += count;
    }
}

/// Puts the bits of elements of `size` bytes together again. Both slices hold the same number of elements, a multiple
/// of eight.
pub(super) fn gather(size: usize, stored: &[u8], raw: &mut [u8]) {
    let groups = raw.len() / size.max(1) / STEP;
    if groups == 0 {
        return;
    }
    let elements = groups * STEP;
    let (mut planes, mut bytes) = (vec![0; elements], vec![0; size * elements]);
    for (bits, bytes) in stored.chunks_exact(elements).zip(bytes.chunks_exact_mut(elements)) {
        planes_of_bytes(bits, groups, &mut planes);
        shuffle::gather::<STEP>(&planes, bytes);
    }
    shuffle::unshuffle(size, &bytes, raw);
}

/// How the blocks are stored.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    Lz4,
    Zstd,
}

fn broken(problem: &str) -> Error {
    Error::Broken { codec: NAME, problem: problem.to_owned() }
}

fn unpack(options: &[u32], stored: &[u8], raw: &mut [u8]) -> Result<usize, Error> {
    const BLOCK_BYTES: usize = 8192;
    const BLOCK_ELEMENTS_MIN: usize = 128;
    let option = |at: usize| options.get(at).copied().unwrap_or(0) as usize;
    let (size, block) = (option(2), option(3));
    let form = match option(4) {
        0 => Form::Plain,
        2 => Form::Lz4,
        3 => Form::Zstd,
        other => return Err(broken(&format!("compressor {other} is not known"))),
    };
    if size == 0 || !block.is_multiple_of(STEP) {
        return Err(broken("its options are impossible"));
    }
    let too_long = Error::TooLong { codec: NAME, bytes_max: raw.len() };
    if form == Form::Plain {
        let raw = raw.get_mut(..stored.len()).ok_or(too_long)?;
        let automatic = (BLOCK_BYTES / size / STEP * STEP).max(BLOCK_ELEMENTS_MIN);
        let block = if block == 0 { automatic } else { block };
        let mut rest = stored;
        let take = |raw: &mut [u8]| {
            let (now, later) = rest.split_at_checked(raw.len()).ok_or_else(|| broken("it is too short"))?;
            rest = later;
            gather(size, now, raw);
            Ok(())
        };
        let done = blocks(size, block.saturating_mul(size), raw, take)?;
        raw[done..].copy_from_slice(rest);
        return Ok(raw.len());
    }
    let no_header = || broken("it has no header");
    let (bytes, rest) = stored.split_first_chunk::<8>().ok_or_else(no_header)?;
    let (block_bytes, mut rest) = rest.split_first_chunk::<4>().ok_or_else(no_header)?;
    let bytes = usize::try_from(u64::from_be_bytes(*bytes)).ok();
    let raw = bytes.and_then(|bytes| raw.get_mut(..bytes)).ok_or(too_long)?;
    let block_bytes = u32::from_be_bytes(*block_bytes) as usize;
    if block_bytes == 0 || !block_bytes.is_multiple_of(size.saturating_mul(STEP)) {
        return Err(broken("the size of its blocks is impossible"));
    }
    let mut planes = vec![0; block_bytes.min(raw.len())];
    let take = |raw: &mut [u8]| {
        let cut = || broken("it ends within a block");
        let (stored_bytes, after) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
        let (one, after) =
            after.split_at_checked(u32::from_be_bytes(*stored_bytes) as usize).ok_or_else(cut)?;
        rest = after;
        let planes = &mut planes[..raw.len()];
        let count =
            if form == Form::Lz4 { lz4::block(NAME, one, planes)? } else { Zstd.decode(&[], one, planes)? };
        if count != planes.len() {
            return Err(broken("a block of it is too short"));
        }
        gather(size, planes, raw);
        Ok(())
    };
    let done = blocks(size, block_bytes, raw, take)?;
    let leftover = &mut raw[done..];
    leftover.copy_from_slice(rest.get(..leftover.len()).ok_or_else(|| broken("it ends too early"))?);
    Ok(raw.len())
}

/// Calls `take` with each block of `raw`: of `block_bytes`, and at the end of as many groups of eight elements as there are.
/// Gives the bytes that were taken; those after them are stored as they are.
fn blocks(
    size: usize,
    block_bytes: usize,
    raw: &mut [u8],
    take: impl FnMut(&mut [u8]) -> Result<(), Error>,
) -> Result<usize, Error> {
    let group_bytes = size.saturating_mul(STEP);
    let whole = raw.len() / group_bytes * group_bytes;
    raw[..whole].chunks_mut(block_bytes).try_for_each(take)?;
    Ok(whole)
}

impl Codec for Bitshuffle {
    fn id(&self) -> u16 {
        32_008
    }

    fn name(&self) -> &'static str {
        NAME
    }

    fn encode(&self, _: &[u32], _: &[u8], _: &mut Vec<u8>) -> Result<(), Error> {
        Err(Error::ReadOnly { codec: NAME })
    }

    fn stored_bytes_max(&self, options: &[u32], bytes: usize) -> usize {
        // The size of a block, and what LZ4 or zstd adds to one that does not shrink.
        const BLOCK_GROWTH_BYTES: usize = 4 + 32;
        const HEADER_BYTES: usize = 12;
        let option = |at: usize| options.get(at).copied().unwrap_or(0) as usize;
        let block = option(2).saturating_mul(option(3));
        let blocks = bytes.div_ceil(if block == 0 { 1024 } else { block });
        let grown = bytes.saturating_add(bytes / 128).saturating_add(HEADER_BYTES);
        grown.saturating_add(blocks.saturating_mul(BLOCK_GROWTH_BYTES))
    }

    fn decode(&self, options: &[u32], stored: &[u8], raw: &mut [u8]) -> Result<usize, Error> {
        unpack(options, stored, raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_bit_comes_to_its_place(size in 1usize..10, groups in 1usize..20, seed: u8) {
            let raw: Vec<u8> = (0..size * groups * 8).map(|place| (place * 37) as u8 ^ seed).collect();
            // The definition: bit b of byte k of element i is bit i of row k * 8 + b.
            let mut stored = vec![0u8; raw.len()];
            for (element, bytes) in raw.chunks(size).enumerate() {
                for (byte, bits) in bytes.iter().enumerate() {
                    for bit in 0..8 {
                        let place = (byte * 8 + bit) * groups + element / 8;
                        stored[place] |= (bits >> bit & 1) << (element % 8);
                    }
                }
            }
            let mut back = vec![0; raw.len()];
            gather(size, &stored, &mut back);
            prop_assert_eq!(back, raw);
        }
    }
}
