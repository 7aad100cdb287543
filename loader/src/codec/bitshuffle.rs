//! Bit shuffle: filter 32008. The first bits of all elements come first, then all second bits, and so on; then each
//! block may be compressed with LZ4 or zstd (bitshuffle 0.5, README and bshuf_h5filter.c).
//!
//! Eight elements' bytes make one transposition of 8 x 8 bits in a register, so no bit is touched alone.

use super::zstd::Zstd;
use super::{Codec, Error, lz4};

const NAME: &str = "bitshuffle";
/// Elements of a block are a multiple of this.
const STEP: usize = 8;

/// The filter of the bitshuffle package; its options are version, version, size of an element, elements of a block,
/// compressor and level.
#[derive(Debug)]
pub struct Bitshuffle;

/// Mirrors 8 x 8 bits on their diagonal (Warren, Hacker's Delight, section 7-3).
const fn transpose(mut bits: u64) -> u64 {
    let mut swap = (bits ^ bits >> 7) & 0x00AA_00AA_00AA_00AA;
    bits ^= swap ^ swap << 7;
    swap = (bits ^ bits >> 14) & 0x0000_CCCC_0000_CCCC;
    bits ^= swap ^ swap << 14;
    swap = (bits ^ bits >> 28) & 0x0000_0000_F0F0_F0F0;
    bits ^ swap ^ swap << 28
}

/// Puts the bits of elements of `size` bytes together again. Both slices hold the same number of elements, a multiple
/// of eight.
pub(super) fn gather(size: usize, stored: &[u8], raw: &mut [u8]) {
    let groups = raw.len() / size.max(1) / STEP;
    if groups == 0 {
        return;
    }
    for (byte, planes) in stored.chunks_exact(STEP * groups).take(size).enumerate() {
        let planes: [&[u8]; STEP] = std::array::from_fn(|bit| &planes[bit * groups..(bit + 1) * groups]);
        for (group, elements) in raw.chunks_exact_mut(STEP * size).enumerate() {
            let bits = transpose(u64::from_le_bytes(planes.map(|plane| plane[group])));
            for (element, bits) in elements.chunks_exact_mut(size).zip(bits.to_le_bytes()) {
                element[byte] = bits;
            }
        }
    }
}

/// Takes the bits of elements of `size` bytes apart, as [`gather`] puts them together.
fn scatter(size: usize, raw: &[u8], stored: &mut [u8]) {
    let groups = raw.len() / size.max(1) / STEP;
    if groups == 0 {
        return;
    }
    for (byte, planes) in stored.chunks_exact_mut(STEP * groups).take(size).enumerate() {
        for (group, elements) in raw.chunks_exact(STEP * size).enumerate() {
            let bytes: [u8; STEP] = std::array::from_fn(|element| elements[element * size + byte]);
            let bits = transpose(u64::from_le_bytes(bytes)).to_le_bytes();
            for (plane, bits) in bits.into_iter().enumerate() {
                planes[plane * groups + group] = bits;
            }
        }
    }
}

/// The elements of a block of `size` bytes each, where the options leave that open.
fn automatic(size: usize) -> usize {
    const BLOCK_BYTES: usize = 8192;
    const BLOCK_ELEMENTS_MIN: usize = 128;
    (BLOCK_BYTES / size / STEP * STEP).max(BLOCK_ELEMENTS_MIN)
}

/// The options of elements of `size` bytes that are packed with LZ4, as the package writes them.
#[cfg(feature = "libhdf5")]
pub(crate) const fn options(size: u32) -> [u32; 5] {
    const VERSION: [u32; 2] = [0, 4];
    const LZ4: u32 = 2;
    [VERSION[0], VERSION[1], size, 0, LZ4]
}

fn pack(options: &[u32], raw: &[u8], stored: &mut Vec<u8>) -> Result<(), Error> {
    let option = |at: usize| options.get(at).copied().unwrap_or(0) as usize;
    let size = option(2);
    if size == 0 || option(3) != 0 || option(4) != 2 {
        return Err(Error::ReadOnly { codec: NAME });
    }
    let block_bytes = automatic(size) * size;
    stored.clear();
    stored.extend_from_slice(&(raw.len() as u64).to_be_bytes());
    stored.extend_from_slice(&(block_bytes as u32).to_be_bytes());
    let whole = raw.len() / (size * STEP) * (size * STEP);
    let mut planes = vec![0; block_bytes];
    for block in raw[..whole].chunks(block_bytes) {
        let planes = &mut planes[..block.len()];
        scatter(size, block, planes);
        let at = stored.len();
        stored.resize(at + 4 + lz4_flex::block::get_maximum_output_size(block.len()), 0);
        let packed = lz4_flex::block::compress_into(planes, &mut stored[at + 4..]);
        let bytes = packed.map_err(|error| Error::Broken { codec: NAME, problem: error.to_string() })?;
        stored[at..at + 4].copy_from_slice(&(bytes as u32).to_be_bytes());
        stored.truncate(at + 4 + bytes);
    }
    stored.extend_from_slice(&raw[whole..]);
    Ok(())
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
        let block = if block == 0 { automatic(size) } else { block };
        let mut rest = stored;
        let take = |_: usize, raw: &mut [u8]| {
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
    let take = |_: usize, raw: &mut [u8]| {
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
    mut take: impl FnMut(usize, &mut [u8]) -> Result<(), Error>,
) -> Result<usize, Error> {
    let group_bytes = size.saturating_mul(STEP);
    let whole = raw.len() / group_bytes * group_bytes;
    for (number, block) in raw[..whole].chunks_mut(block_bytes).enumerate() {
        take(number, block)?;
    }
    Ok(whole)
}

impl Codec for Bitshuffle {
    fn id(&self) -> u16 {
        32_008
    }

    fn name(&self) -> &'static str {
        NAME
    }

    fn encode(&self, options: &[u32], raw: &[u8], stored: &mut Vec<u8>) -> Result<(), Error> {
        pack(options, raw, stored)
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
            let (mut back, mut again) = (vec![0; raw.len()], vec![0; raw.len()]);
            gather(size, &stored, &mut back);
            prop_assert_eq!(&back, &raw);
            scatter(size, &raw, &mut again);
            prop_assert_eq!(again, stored);
        }
    }
}
