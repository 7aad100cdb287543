//! Blosc 2: filter 32026. A frame that holds one chunk, which is of the kind that [`blosc`](super::blosc) reads.
//!
//! A frame begins with numbers in MessagePack at fixed places, big-endian; its chunks follow where the header ends
//! (c-blosc2 2.15, README_CFRAME_FORMAT.rst). PyTables and hdf5plugin write chunks of several dimensions as blocks of
//! several dimensions, which the metalayer `b2nd` says; the rows of a table within one such chunk are put in order.

use super::{Codec, Error, blosc};

const NAME: &str = "blosc2";
/// How many times its bytes a chunk takes at most when its blocks are filled up: twice in each of two dimensions.
const FILLED_MAX: usize = 4;

/// The filter of the Blosc project for Blosc 2.
#[derive(Debug)]
pub struct Blosc2;

fn broken(problem: &str) -> Error {
    Error::Broken { codec: NAME, problem: problem.to_owned() }
}

/// The shapes of a chunk and of its blocks, in elements.
#[derive(Debug, PartialEq, Eq)]
struct Blocks {
    chunk: Vec<usize>,
    block: Vec<usize>,
}

fn unpack(stored: &[u8], raw: &mut [u8]) -> Result<usize, Error> {
    const MAGIC: &[u8] = b"\x9e\xa8b2frame\0";
    const UNCOMPRESSED_AT: usize = 30;
    const COMPRESSED_AT: usize = 39;
    if !stored.starts_with(MAGIC) {
        return Err(broken("it is no frame"));
    }
    let header_bytes = stored.get(11..15).and_then(|bytes| bytes.first_chunk::<4>());
    let header_bytes = header_bytes.map_or(usize::MAX, |bytes| u32::from_be_bytes(*bytes) as usize);
    let (header, chunks) = stored.split_at_checked(header_bytes).ok_or_else(|| broken("it is cut off"))?;
    let element_bytes = header.get(48..52).and_then(|bytes| bytes.first_chunk::<4>());
    let element_bytes = element_bytes.map_or(0, |bytes| u32::from_be_bytes(*bytes) as usize);
    let size = |at: usize| {
        header.get(at..).and_then(|rest| rest.first_chunk::<8>()).map(|size| u64::from_be_bytes(*size))
    };
    if size(COMPRESSED_AT) == Some(0) {
        // What the chunk has without the filling up to whole blocks.
        let filled = size(UNCOMPRESSED_AT).and_then(|bytes| usize::try_from(bytes).ok());
        let bytes = match blocks(header)? {
            Some(Blocks { chunk, .. }) => {
                chunk.iter().try_fold(element_bytes, |bytes, &dim| bytes.checked_mul(dim))
            }
            None => filled,
        };
        return special(chunks, element_bytes, bytes.unwrap_or(usize::MAX), raw);
    }
    match blocks(header)? {
        Some(blocks) if blocks.chunk.len() > 1 || blocks.chunk != blocks.block => {
            ordered(&blocks, element_bytes, chunks, raw)
        }
        _ => blosc::unpack(NAME, chunks, raw),
    }
}

/// A chunk that repeats one value is not stored: the table of chunks, which then comes first, has its kind in place of an offset.
fn special(index: &[u8], element_bytes: usize, bytes: usize, raw: &mut [u8]) -> Result<usize, Error> {
    let mut offset = [0; 8];
    blosc::unpack(NAME, index, &mut offset)?;
    let value = match (offset[7], element_bytes) {
        // Zeros, and bytes that nobody cares for.
        (0x81 | 0x84, _) => vec![0],
        (0x82, 4) => f32::NAN.to_le_bytes().to_vec(),
        (0x82, 8) => f64::NAN.to_le_bytes().to_vec(),
        (other, _) => {
            return Err(broken(&format!("a chunk of the special kind {other:#04x} is not supported")));
        }
    };
    let too_long = Error::TooLong { codec: NAME, bytes_max: raw.len() };
    let raw = raw.get_mut(..bytes).ok_or(too_long)?;
    raw.chunks_mut(value.len()).for_each(|room| room.copy_from_slice(&value[..room.len()]));
    Ok(bytes)
}

/// The shapes in the metalayer `b2nd`, where there is one.
fn blocks(header: &[u8]) -> Result<Option<Blocks>, Error> {
    const LAYER: &[u8] = b"\xa4b2nd\xd2";
    let cut = || broken("its metalayer is cut off");
    let Some(at) = header.windows(LAYER.len()).position(|window| window == LAYER) else { return Ok(None) };
    let place = header.get(at + LAYER.len()..).and_then(|rest| rest.first_chunk::<4>()).ok_or_else(cut)?;
    // A binary of up to 4 GiB: its mark, its length, then an array of version, dimensions and three shapes.
    let layer = header.get(u32::from_be_bytes(*place) as usize..).ok_or_else(cut)?;
    let layer = layer.strip_prefix(b"\xc6").and_then(|layer| layer.get(4..)).ok_or_else(cut)?;
    let (&[_, _, dims], layer) = layer.split_first_chunk::<3>().ok_or_else(cut)?;
    if !(1..=8).contains(&dims) {
        return Err(broken("its number of dimensions is impossible"));
    }
    // Each shape is a small array; the whole one has numbers of 8 bytes, those of chunk and block of 4.
    let (dims, mut rest) = (usize::from(dims), layer);
    let mut shape = |bytes: usize| {
        let numbers = rest.get(1..1 + dims * (bytes + 1)).ok_or_else(cut)?;
        rest = &rest[1 + dims * (bytes + 1)..];
        let number =
            |number: &[u8]| number[1..].iter().fold(0usize, |sum, byte| sum << 8 | usize::from(*byte));
        Ok(numbers.chunks(bytes + 1).map(number).collect::<Vec<_>>())
    };
    shape(8)?;
    Ok(Some(Blocks { chunk: shape(4)?, block: shape(4)? }))
}

/// Decodes a chunk whose blocks have several dimensions, and puts its elements in order.
fn ordered(blocks: &Blocks, element_bytes: usize, stored: &[u8], raw: &mut [u8]) -> Result<usize, Error> {
    let impossible = || broken("the shapes of its blocks are impossible");
    let product =
        |shape: &[usize]| shape.iter().try_fold(element_bytes, |bytes, &dim| bytes.checked_mul(dim));
    let bytes = product(&blocks.chunk).filter(|bytes| *bytes > 0).ok_or_else(impossible)?;
    let block_bytes = product(&blocks.block).filter(|bytes| *bytes > 0).ok_or_else(impossible)?;
    let too_long = Error::TooLong { codec: NAME, bytes_max: raw.len() };
    let raw = raw.get_mut(..bytes).ok_or(too_long)?;
    if blocks.block.iter().zip(&blocks.chunk).any(|(block, chunk)| block > chunk) {
        return Err(impossible());
    }
    // Along each dimension the chunk is filled up to whole blocks: less than twice its size in each.
    let counts: Vec<usize> =
        blocks.chunk.iter().zip(&blocks.block).map(|(chunk, block)| chunk.div_ceil(*block)).collect();
    let whole = counts
        .iter()
        .try_fold(block_bytes, |bytes, &count| bytes.checked_mul(count))
        .ok_or_else(impossible)?;
    if whole > bytes.saturating_mul(FILLED_MAX) {
        return Err(impossible());
    }
    let mut padded = vec![0; whole];
    if blosc::unpack(NAME, stored, &mut padded)? != whole {
        return Err(broken("it is shorter than its blocks"));
    }
    let dims = blocks.chunk.len();
    let run = blocks.block[dims - 1];
    for (number, block) in padded.chunks_exact(block_bytes).enumerate() {
        let mut rest = number;
        let mut first = vec![0; dims];
        for dim in (0..dims).rev() {
            first[dim] = rest % counts[dim] * blocks.block[dim];
            rest /= counts[dim];
        }
        // Row by row along the last dimension; what lies past the chunk is filling.
        let inside = run.min(blocks.chunk[dims - 1] - first[dims - 1]);
        for (row, elements) in block.chunks_exact(run * element_bytes).enumerate() {
            let (mut rest, mut place, mut step, mut is_filling) =
                (row, first[dims - 1], blocks.chunk[dims - 1], false);
            for dim in (0..dims - 1).rev() {
                let at = first[dim] + rest % blocks.block[dim];
                rest /= blocks.block[dim];
                is_filling |= at >= blocks.chunk[dim];
                place += at * step;
                step *= blocks.chunk[dim];
            }
            if !is_filling {
                let to = place * element_bytes;
                raw[to..to + inside * element_bytes].copy_from_slice(&elements[..inside * element_bytes]);
            }
        }
    }
    Ok(bytes)
}

impl Codec for Blosc2 {
    fn id(&self) -> u16 {
        32_026
    }

    fn name(&self) -> &'static str {
        NAME
    }

    fn encode(&self, _: &[u32], _: &[u8], _: &mut Vec<u8>) -> Result<(), Error> {
        Err(Error::ReadOnly { codec: NAME })
    }

    fn stored_bytes_max(&self, _: &[u32], bytes: usize) -> usize {
        // Blocks of several dimensions are filled up, and a chunk that does not shrink is stored with the filling.
        const FRAME_BYTES: usize = 4096;
        bytes.saturating_mul(FILLED_MAX).saturating_add(FRAME_BYTES)
    }

    fn decode(&self, _: &[u32], stored: &[u8], raw: &mut [u8]) -> Result<usize, Error> {
        unpack(stored, raw)
    }
}
