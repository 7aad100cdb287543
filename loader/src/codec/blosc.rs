//! Blosc: filter 32001. A chunk of blocks; each block is shuffled, cut into one stream for each byte of an element, and
//! each stream compressed by BloscLZ, LZ4, zlib or zstd.
//!
//! The chunks of Blosc 2 are of the same kind with a longer header, which names the filters one by one, and streams that
//! may be runs of one byte (c-blosc 1.21, README_CHUNK_FORMAT.rst; c-blosc2 2.15, README_CHUNK_FORMAT.rst).

use super::deflate::Deflate;
use super::shuffle::Shuffle;
use super::zstd::Zstd;
use super::{Codec, Error, bitshuffle, blosclz, lz4};

const NAME: &str = "blosc";
const HEADER_BYTES: usize = 16;
const LONG_HEADER_BYTES: usize = 32;

/// The filter of the Blosc project; its options say how a chunk was written, which its header says too.
#[derive(Debug)]
pub struct Blosc;

/// What is done to a block before it is compressed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Filter {
    Shuffle,
    BitShuffle,
}

/// The compressor of the streams.
#[derive(Clone, Copy)]
enum Compressor {
    BloscLz,
    Lz4,
    Zlib,
    Zstd,
}

/// What a chunk's header says.
struct Chunk<'a> {
    codec: &'static str,
    bytes: &'a [u8],
    header_bytes: usize,
    element_bytes: usize,
    block_bytes: usize,
    compressor: Compressor,
    /// First to last, as they were applied.
    filters: Vec<Filter>,
    is_split: bool,
    is_copied: bool,
    /// A value that the whole chunk repeats.
    repeated: Option<Vec<u8>>,
    version: u8,
}

fn word(bytes: &[u8], at: usize) -> Option<usize> {
    bytes.get(at..)?.first_chunk::<4>().map(|word| u32::from_le_bytes(*word) as usize)
}

/// Writes what the chunk `stored` stands for to the front of `raw`.
pub(super) fn unpack(codec: &'static str, stored: &[u8], raw: &mut [u8]) -> Result<usize, Error> {
    let broken = |problem: &str| Error::Broken { codec, problem: problem.to_owned() };
    let too_long = Error::TooLong { codec, bytes_max: raw.len() };
    let bytes = word(stored, 4).ok_or_else(|| broken("it has no header"))?;
    let raw = raw.get_mut(..bytes).ok_or(too_long)?;
    let chunk = Chunk::read(codec, stored)?;
    if let Some(value) = &chunk.repeated {
        raw.chunks_mut(value.len().max(1)).for_each(|room| room.copy_from_slice(&value[..room.len()]));
        return Ok(bytes);
    }
    if chunk.is_copied {
        let held = chunk.bytes.get(chunk.header_bytes..).and_then(|held| held.get(..bytes));
        raw.copy_from_slice(held.ok_or_else(|| broken("it ends too early"))?);
        return Ok(bytes);
    }
    if chunk.block_bytes == 0 || chunk.block_bytes > bytes.max(1) {
        return Err(broken("the size of its blocks is impossible"));
    }
    let mut rooms = [vec![0; chunk.block_bytes], vec![0; chunk.block_bytes]];
    for (number, block) in raw.chunks_mut(chunk.block_bytes).enumerate() {
        let start = word(chunk.bytes, chunk.header_bytes + 4 * number);
        let stored = start.and_then(|start| chunk.bytes.get(start..));
        chunk.block(stored.ok_or_else(|| broken("a block lies outside of it"))?, block, &mut rooms)?;
    }
    Ok(bytes)
}

impl<'a> Chunk<'a> {
    fn read(codec: &'static str, stored: &'a [u8]) -> Result<Self, Error> {
        const SHUFFLED: u8 = 0x01;
        const COPIED: u8 = 0x02;
        const BIT_SHUFFLED: u8 = 0x04;
        const UNSPLIT: u8 = 0x10;
        let broken = |problem: &str| Error::Broken { codec, problem: problem.to_owned() };
        let header = stored.first_chunk::<HEADER_BYTES>().ok_or_else(|| broken("it has no header"))?;
        let [version, _, flags, element_bytes, ..] = *header;
        let (block_bytes, stored_bytes) = (word(header, 8).unwrap_or(0), word(header, 12).unwrap_or(0));
        let bytes = stored.get(..stored_bytes).ok_or_else(|| broken("it is cut off"))?;
        let is_long = flags & (SHUFFLED | BIT_SHUFFLED) == SHUFFLED | BIT_SHUFFLED;
        let compressor = match flags >> 5 {
            0 => Compressor::BloscLz,
            1 => Compressor::Lz4,
            3 => Compressor::Zlib,
            4 => Compressor::Zstd,
            2 => return Err(broken("snappy is not supported; write with lz4 or zstd")),
            other => {
                return Err(broken(&format!("compressor {other} is not supported; write with lz4 or zstd")));
            }
        };
        let mut chunk = Self {
            codec,
            bytes,
            header_bytes: HEADER_BYTES,
            element_bytes: usize::from(element_bytes).max(1),
            block_bytes,
            compressor,
            filters: Vec::new(),
            is_split: flags & UNSPLIT == 0,
            is_copied: flags & COPIED != 0,
            repeated: None,
            version,
        };
        if is_long {
            chunk.long_header()?;
        } else if flags & SHUFFLED != 0 {
            chunk.filters.push(Filter::Shuffle);
        } else if flags & BIT_SHUFFLED != 0 {
            chunk.filters.push(Filter::BitShuffle);
        }
        // Blosc 1 keeps small blocks and wide elements whole.
        let is_small = chunk.element_bytes > 16 || block_bytes / chunk.element_bytes < 128;
        chunk.is_split &= is_long || !is_small;
        Ok(chunk)
    }

    /// Reads the second half of a header of Blosc 2.
    fn long_header(&mut self) -> Result<(), Error> {
        const DICTIONARY: u8 = 0x01;
        let broken = |problem: &str| Error::Broken { codec: self.codec, problem: problem.to_owned() };
        let header =
            self.bytes.first_chunk::<LONG_HEADER_BYTES>().ok_or_else(|| broken("it has no header"))?;
        self.header_bytes = LONG_HEADER_BYTES;
        let flags = header[31];
        if flags & DICTIONARY != 0 {
            return Err(broken("a dictionary is not supported; write without one"));
        }
        let element_bytes = self.element_bytes;
        let value = self.bytes.get(LONG_HEADER_BYTES..).and_then(|held| held.get(..element_bytes));
        self.repeated = match flags >> 4 & 7 {
            0 => None,
            // Zeros, and bytes that nobody cares for.
            1 | 4 => Some(vec![0; element_bytes]),
            2 if element_bytes == 4 => Some(f32::NAN.to_le_bytes().to_vec()),
            2 if element_bytes == 8 => Some(f64::NAN.to_le_bytes().to_vec()),
            3 => Some(value.ok_or_else(|| broken("it is cut off"))?.to_vec()),
            other => return Err(broken(&format!("a chunk of the special kind {other} is not supported"))),
        };
        for (&filter, &meta) in header[16..22].iter().zip(&header[24..30]) {
            match filter {
                // None, and a loss of bits that needs no undoing.
                0 | 4 => {}
                1 if meta == 0 || usize::from(meta) == element_bytes => self.filters.push(Filter::Shuffle),
                2 => self.filters.push(Filter::BitShuffle),
                3 => return Err(broken("the delta filter is not supported; write without it")),
                other => return Err(broken(&format!("filter {other} within it is not supported"))),
            }
        }
        Ok(())
    }

    /// Decodes one block: its streams, then its filters backwards.
    fn block(&self, mut stored: &[u8], raw: &mut [u8], rooms: &mut [Vec<u8>; 2]) -> Result<(), Error> {
        let broken = |problem: &str| Error::Broken { codec: self.codec, problem: problem.to_owned() };
        // The last block of a chunk may be short, and is then never split.
        let is_split =
            self.is_split && raw.len() == self.block_bytes && raw.len().is_multiple_of(self.element_bytes);
        let streams = if is_split { self.element_bytes } else { 1 };
        let [now, next] = rooms;
        let (mut now, mut next) = (&mut now[..raw.len()], &mut next[..raw.len()]);
        for room in now.chunks_mut((raw.len() / streams).max(1)) {
            let cut = || broken("it ends within a stream");
            let (count, after) = stored.split_first_chunk::<4>().ok_or_else(cut)?;
            let count = i32::from_le_bytes(*count);
            stored = after;
            if count <= 0 {
                // A run of one byte: zero, or the negated count behind a token.
                let value = u8::try_from(-i64::from(count)).map_err(|_| broken("a run of no byte"))?;
                if value != 0 {
                    let (token, after) = stored.split_first().ok_or_else(cut)?;
                    if token & 1 == 0 {
                        return Err(broken("a run of an unknown kind"));
                    }
                    stored = after;
                }
                room.fill(value);
                continue;
            }
            let (one, after) = stored.split_at_checked(count as usize).ok_or_else(cut)?;
            stored = after;
            if one.len() == room.len() {
                room.copy_from_slice(one);
            } else if self.stream(one, room)? != room.len() {
                return Err(broken("a stream of it is too short"));
            }
        }
        for filter in self.filters.iter().rev() {
            self.undo(*filter, now, next)?;
            std::mem::swap(&mut now, &mut next);
        }
        raw.copy_from_slice(now);
        Ok(())
    }

    fn stream(&self, stored: &[u8], raw: &mut [u8]) -> Result<usize, Error> {
        match self.compressor {
            Compressor::BloscLz => blosclz::unpack(self.codec, stored, raw),
            Compressor::Lz4 => lz4::block(self.codec, stored, raw),
            Compressor::Zlib => Deflate.decode(&[], stored, raw),
            Compressor::Zstd => Zstd.decode(&[], stored, raw),
        }
    }

    /// Undoes one filter of a whole block.
    fn undo(&self, filter: Filter, stored: &[u8], raw: &mut [u8]) -> Result<(), Error> {
        const BITS_ROUNDED_FROM: u8 = 3;
        let size = self.element_bytes;
        let elements = raw.len() / size;
        let whole = match filter {
            Filter::Shuffle if size > 1 => elements * size,
            Filter::Shuffle => 0,
            Filter::BitShuffle if elements.is_multiple_of(8) => elements * size,
            Filter::BitShuffle if self.version >= BITS_ROUNDED_FROM => elements / 8 * 8 * size,
            Filter::BitShuffle => 0,
        };
        let ((stored, stored_rest), (raw, raw_rest)) = (stored.split_at(whole), raw.split_at_mut(whole));
        match filter {
            Filter::Shuffle => {
                Shuffle.decode(&[size as u32], stored, raw)?;
            }
            Filter::BitShuffle => bitshuffle::gather(size, stored, raw),
        }
        raw_rest.copy_from_slice(stored_rest);
        Ok(())
    }
}

impl Codec for Blosc {
    fn id(&self) -> u16 {
        32_001
    }

    fn name(&self) -> &'static str {
        NAME
    }

    fn encode(&self, _: &[u32], _: &[u8], _: &mut Vec<u8>) -> Result<(), Error> {
        Err(Error::ReadOnly { codec: NAME })
    }

    fn decode(&self, _: &[u32], stored: &[u8], raw: &mut [u8]) -> Result<usize, Error> {
        unpack(NAME, stored, raw)
    }
}
