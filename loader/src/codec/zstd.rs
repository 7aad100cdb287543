//! Zstandard: filter 32015, one frame a chunk.
//!
//! Written with the content check sum, so that a flipped bit is noticed. The decoder is told the exact room there
//! is and never trusts the size in the frame's header.

use std::cell::RefCell;
use std::io;

use ::zstd::bulk::Compressor;
use ::zstd::bulk::Decompressor;

use super::{Codec, Error};

const NAME: &str = "zstd";

/// The filter `zstd` of hdf5plugin and of The HDF Group's plugins; its option is the level.
#[derive(Debug)]
pub struct Zstd;

thread_local! {
    // A context is some 100 KiB and costs more to make than a small chunk costs to decode.
    static DECODER: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
    static ENCODER: RefCell<Option<(i32, Compressor<'static>)>> = const { RefCell::new(None) };
}

fn broken(error: &io::Error) -> Error {
    Error::Broken { codec: NAME, problem: error.to_string() }
}

impl Codec for Zstd {
    fn id(&self) -> u16 {
        32_015
    }

    fn name(&self) -> &'static str {
        NAME
    }

    fn encode(&self, options: &[u32], raw: &[u8], stored: &mut Vec<u8>) -> Result<(), Error> {
        // Client data are unsigned, levels below zero are stored in two's complement, as the plugin does.
        let level = options.first().map_or(::zstd::DEFAULT_COMPRESSION_LEVEL, |&level| level.cast_signed());
        ENCODER.with_borrow_mut(|slot| {
            if slot.is_none() {
                let mut encoder = Compressor::new(level).map_err(|error| broken(&error))?;
                encoder.include_checksum(true).map_err(|error| broken(&error))?;
                *slot = Some((level, encoder));
            }
            let Some((made_for, encoder)) = slot else { return Ok(()) };
            // Columns have levels of their own, and a context goes on to the next with its memory.
            if *made_for != level {
                encoder.set_compression_level(level).map_err(|error| broken(&error))?;
                *made_for = level;
            }
            stored.clear();
            stored.reserve(::zstd::zstd_safe::compress_bound(raw.len()));
            encoder.compress_to_buffer(raw, stored).map(|_| ()).map_err(|error| broken(&error))
        })
    }

    fn decode(&self, _: &[u32], stored: &[u8], raw: &mut [u8]) -> Result<usize, Error> {
        let outcome = DECODER.with_borrow_mut(|slot| {
            if slot.is_none() {
                *slot = Some(Decompressor::new()?);
            }
            let Some(decoder) = slot else { return Ok(0) };
            decoder.decompress_to_buffer(stored, raw)
        });
        outcome.map_err(|error| broken(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bomb_is_stopped_at_the_chunk() {
        let mut stored = Vec::new();
        Zstd.encode(&[3], &vec![0; 64 << 20], &mut stored).unwrap();
        assert!(stored.len() < 10_000);
        assert!(Zstd.decode(&[], &stored, &mut [0; 4096]).is_err());
    }

    #[test]
    fn the_frame_carries_a_check_sum() {
        // Bit 2 of the frame header descriptor, RFC 8878 section 3.1.1.1.1.
        let mut stored = Vec::new();
        Zstd.encode(&[1], b"values", &mut stored).unwrap();
        assert_eq!(stored[4] & 4, 4);
    }
}
