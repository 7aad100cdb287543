//! LZ4: filter 32004. Blocks of one size, each with its stored size before it; a block that does not shrink is stored
//! as it is (HDF5 plugins, H5Zlz4.c). All sizes are big-endian.

use super::{Codec, Error};

const NAME: &str = "lz4";

/// The filter of The HDF Group's plugins; its option is the size of a block.
#[derive(Debug)]
pub struct Lz4;

/// One block of LZ4, as this filter, bitshuffle and blosc have it.
pub(super) fn block(codec: &'static str, stored: &[u8], raw: &mut [u8]) -> Result<usize, Error> {
    use lz4_flex::block::DecompressError;
    let bytes_max = raw.len();
    lz4_flex::block::decompress_into(stored, raw).map_err(|error| match error {
        DecompressError::OutputTooSmall { .. } => Error::TooLong { codec, bytes_max },
        error => Error::Broken { codec, problem: error.to_string() },
    })
}

fn unpack(stored: &[u8], raw: &mut [u8]) -> Result<usize, Error> {
    let broken = |problem: &str| Error::Broken { codec: NAME, problem: problem.to_owned() };
    let (bytes, rest) = stored.split_first_chunk::<8>().ok_or_else(|| broken("it has no header"))?;
    let (block_bytes, mut rest) = rest.split_first_chunk::<4>().ok_or_else(|| broken("it has no header"))?;
    let too_long = Error::TooLong { codec: NAME, bytes_max: raw.len() };
    let bytes = usize::try_from(u64::from_be_bytes(*bytes)).ok();
    let raw = bytes.and_then(|bytes| raw.get_mut(..bytes)).ok_or(too_long)?;
    let block_bytes = u32::from_be_bytes(*block_bytes) as usize;
    if block_bytes == 0 && !raw.is_empty() {
        return Err(broken("its blocks have no bytes"));
    }
    for room in raw.chunks_mut(block_bytes.max(1)) {
        let cut = || broken("it ends within a block");
        let (stored_bytes, after) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
        let stored_bytes = u32::from_be_bytes(*stored_bytes) as usize;
        let (one, after) = after.split_at_checked(stored_bytes).ok_or_else(cut)?;
        rest = after;
        if stored_bytes == room.len() {
            room.copy_from_slice(one);
        } else if block(NAME, one, room)? != room.len() {
            return Err(broken("a block of it is too short"));
        }
    }
    Ok(raw.len())
}

impl Codec for Lz4 {
    fn id(&self) -> u16 {
        32_004
    }

    fn name(&self) -> &'static str {
        NAME
    }

    fn encode(&self, _: &[u32], _: &[u8], _: &mut Vec<u8>) -> Result<(), Error> {
        Err(Error::ReadOnly { codec: NAME })
    }

    fn stored_bytes_max(&self, options: &[u32], bytes: usize) -> usize {
        const HEADER_BYTES: usize = 12;
        const BLOCK_BYTES: usize = 1 << 30;
        let block = options.first().map_or(BLOCK_BYTES, |&bytes| bytes as usize);
        let blocks = bytes.div_ceil(if block == 0 { BLOCK_BYTES } else { block });
        bytes.saturating_add(blocks.saturating_mul(4)).saturating_add(HEADER_BYTES)
    }

    fn decode(&self, _: &[u32], stored: &[u8], raw: &mut [u8]) -> Result<usize, Error> {
        unpack(stored, raw)
    }
}
