//! Deflate in a zlib wrapper: filter 1, what HDF5 calls gzip.

use std::cell::RefCell;

use libdeflater::{CompressionLvl, Compressor, DecompressionError, Decompressor};

use super::{Codec, Error};

const NAME: &str = "deflate";

/// The filter that comes with HDF5; its option is the level, 0 to 9.
#[derive(Debug)]
pub struct Deflate;

thread_local! {
    static DECODER: RefCell<Decompressor> = RefCell::new(Decompressor::new());
}

impl Codec for Deflate {
    fn id(&self) -> u16 {
        1
    }

    fn name(&self) -> &'static str {
        NAME
    }

    fn encode(&self, options: &[u32], raw: &[u8], stored: &mut Vec<u8>) -> Result<(), Error> {
        let level = options.first().map_or(6, |&level| level.min(9).cast_signed());
        let broken = |problem: String| Error::Broken { codec: NAME, problem };
        let level = CompressionLvl::new(level).map_err(|error| broken(format!("{error:?}")))?;
        let mut encoder = Compressor::new(level);
        stored.clear();
        stored.resize(encoder.zlib_compress_bound(raw.len()), 0);
        let count = encoder.zlib_compress(raw, stored).map_err(|error| broken(error.to_string()))?;
        stored.truncate(count);
        Ok(())
    }

    fn decode(&self, _: &[u32], stored: &[u8], raw: &mut [u8]) -> Result<usize, Error> {
        match DECODER.with_borrow_mut(|decoder| decoder.zlib_decompress(stored, raw)) {
            Ok(count) => Ok(count),
            Err(DecompressionError::InsufficientSpace) => {
                Err(Error::TooLong { codec: NAME, bytes_max: raw.len() })
            }
            Err(error) => Err(Error::Broken { codec: NAME, problem: error.to_string() }),
        }
    }
}
