//! A check sum after the chunk: filter 3. The sum is Fletcher's over big-endian 16-bit words, modulo 65,535, stored
//! little-endian (HDF5 File Format Specification, "Filter Pipeline Message").

use super::{Codec, Error};

const NAME: &str = "fletcher32";
const SUM_BYTES: usize = 4;

/// The filter that comes with HDF5; it has no option.
#[derive(Debug)]
pub struct Fletcher32;

/// Fletcher's sum of `bytes`; an odd last byte counts as the high half of a word.
fn sum(bytes: &[u8]) -> u32 {
    // So many words that neither sum can overflow 32 bits before it is folded.
    const WORDS: usize = 360;
    let fold = |sum: u32| (sum & 0xFFFF) + (sum >> 16);
    let (mut low, mut high) = (0u32, 0u32);
    for part in bytes.chunks(2 * WORDS) {
        for word in part.chunks(2) {
            low += u32::from(word[0]) << 8 | word.get(1).copied().map_or(0, u32::from);
            high += low;
        }
        (low, high) = (fold(low), fold(high));
    }
    fold(high) << 16 | fold(low)
}

impl Codec for Fletcher32 {
    fn id(&self) -> u16 {
        3
    }

    fn name(&self) -> &'static str {
        NAME
    }

    fn encode(&self, _: &[u32], raw: &[u8], stored: &mut Vec<u8>) -> Result<(), Error> {
        stored.clear();
        stored.extend_from_slice(raw);
        stored.extend_from_slice(&sum(raw).to_le_bytes());
        Ok(())
    }

    fn decode(&self, _: &[u32], stored: &[u8], raw: &mut [u8]) -> Result<usize, Error> {
        let Some((bytes, expected)) = stored.split_last_chunk::<SUM_BYTES>() else {
            return Err(Error::Broken {
                codec: NAME,
                problem: format!("{} bytes hold no check sum", stored.len()),
            });
        };
        let too_long = Error::TooLong { codec: NAME, bytes_max: raw.len() };
        let room = raw.get_mut(..bytes.len()).ok_or(too_long)?;
        let (found, expected) = (sum(bytes), u32::from_le_bytes(*expected));
        if found != expected {
            return Err(Error::CheckSum { codec: NAME, found, expected });
        }
        room.copy_from_slice(bytes);
        Ok(bytes.len())
    }
}
