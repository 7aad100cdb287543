//! LZF: filter 32000, the fast compressor that h5py brings along.
//!
//! A control byte below 32 announces so many literal bytes and one more; another says how long a repetition is and,
//! with the byte after it, how far back it begins (liblzf 3.6, lzf_d.c, describes the format).

use super::{Codec, Error};

const NAME: &str = "lzf";

/// The filter that h5py registered.
#[derive(Debug)]
pub struct Lzf;

/// Writes what `stored` stands for to the front of `raw`.
fn unpack(stored: &[u8], raw: &mut [u8]) -> Result<usize, Error> {
    const LONG: usize = 7;
    let broken = |problem: &str| Error::Broken { codec: NAME, problem: problem.to_owned() };
    let cut = || broken("it ends within a token");
    let too_long = Error::TooLong { codec: NAME, bytes_max: raw.len() };
    let (mut from, mut to) = (0, 0);
    let byte = |from: &mut usize| {
        let byte = stored.get(*from).copied().ok_or_else(cut)?;
        *from += 1;
        Ok::<usize, Error>(byte.into())
    };
    while from < stored.len() {
        let control = byte(&mut from)?;
        if control < 32 {
            let literals = stored.get(from..from + control + 1).ok_or_else(cut)?;
            raw.get_mut(to..to + literals.len()).ok_or(too_long.clone())?.copy_from_slice(literals);
            (from, to) = (from + literals.len(), to + literals.len());
            continue;
        }
        let mut length = control >> 5;
        if length == LONG {
            length += byte(&mut from)?;
        }
        let distance = (control & 0x1F) << 8 | byte(&mut from)?;
        to = super::repeat(raw, to, distance + 1, length + 2, NAME)?;
    }
    Ok(to)
}

impl Codec for Lzf {
    fn id(&self) -> u16 {
        32_000
    }

    fn name(&self) -> &'static str {
        NAME
    }

    fn encode(&self, _: &[u32], _: &[u8], _: &mut Vec<u8>) -> Result<(), Error> {
        Err(Error::ReadOnly { codec: NAME })
    }

    fn decode(&self, _: &[u32], stored: &[u8], raw: &mut [u8]) -> Result<usize, Error> {
        unpack(stored, raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_repetitions() {
        let mut raw = [0; 20];
        // "ab", then two bytes back for eight bytes.
        assert_eq!(unpack(&[1, b'a', b'b', 6 << 5, 1], &mut raw), Ok(10));
        assert_eq!(&raw[..10], b"ababababab");
        assert!(unpack(&[1, b'a'], &mut raw).is_err());
        assert!(unpack(&[0, b'a', 6 << 5, 1], &mut raw).is_err());
        assert!(unpack(&[0, b'a', 7 << 5, 255, 0], &mut raw).is_err());
    }
}
