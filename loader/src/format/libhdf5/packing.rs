//! How the values of a column are stored: tried out on its first chunk, since nobody can tell beforehand.
//!
//! Times, and prices with few bits in their mantissa, take a third or less when shuffled; prices on a decimal grid such as
//! 1.57597, whose mantissas are full, take two to three times more. What was tried is noted in the file.

use crate::codec::{Codec, Error, shuffle::Shuffle, zstd::Zstd};

/// One part in so many must be gained before bytes are shuffled, as putting them together again takes time.
const WORTH: usize = 32;
/// Bytes of an element.
const BYTES: u32 = 8;

/// How the chunks of a column are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packing {
    pub is_shuffled: bool,
    /// What was tried, in words.
    pub note: String,
}

impl Packing {
    /// The smaller of both ways for `chunk`, the first of its column.
    fn of(chunk: &[u8], level: i32) -> Result<Self, Error> {
        let (mut plain, mut planes, mut shuffled) = (Vec::new(), Vec::new(), Vec::new());
        let options = [level.cast_unsigned()];
        Zstd.encode(&options, chunk, &mut plain)?;
        Shuffle.encode(&[BYTES], chunk, &mut planes)?;
        Zstd.encode(&options, &planes, &mut shuffled)?;
        let is_shuffled = shuffled.len() + shuffled.len() / WORTH < plain.len();
        let (raw, plain, shuffled) = (chunk.len(), plain.len(), shuffled.len());
        let note = format!("{raw} bytes are {plain} by zstd {level}, {shuffled} shuffled before");
        Ok(Self { is_shuffled, note })
    }
}

/// Makes `stored` of `chunk`, whose memory is used on the way and which is lengthened to `chunk_bytes` by zeros that no
/// reader looks at; the first chunk of a column decides for `packing`.
pub(super) fn pack(
    chunk: &mut Vec<u8>,
    (packing, level): (&mut Option<Packing>, i32),
    chunk_bytes: usize,
    stored: &mut Vec<u8>,
) -> Result<(), Error> {
    let packing = match packing {
        Some(packing) => packing,
        none => none.insert(Packing::of(chunk, level)?),
    };
    chunk.resize(chunk_bytes, 0);
    if packing.is_shuffled {
        Shuffle.encode(&[BYTES], chunk, stored)?;
        std::mem::swap(chunk, stored);
    }
    Zstd.encode(&[level.cast_unsigned()], chunk, stored)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(value: impl Fn(u64) -> [u8; 8]) -> Vec<u8> {
        (0..20_000).flat_map(value).collect()
    }

    #[test]
    fn times_are_shuffled_and_decimals_are_not() {
        let times = bytes(|row| (1_600_000_000_000_000_000 + row * 60_000_000_000).to_le_bytes());
        assert!(Packing::of(&times, 3).unwrap().is_shuffled);
        let walk = |row: u64| (row.wrapping_mul(6_364_136_223_846_793_005) >> 33) % 200;
        let prices = bytes(|row| (1.57 + walk(row) as f64 / 100_000.0).to_le_bytes());
        assert!(!Packing::of(&prices, 3).unwrap().is_shuffled);
        let (mut chunk, mut stored, mut packing) = (times.clone(), Vec::new(), None);
        pack(&mut chunk, (&mut packing, 3), times.len() + 80, &mut stored).unwrap();
        let mut planes = vec![0; times.len() + 80];
        assert_eq!(Zstd.decode(&[], &stored, &mut planes).unwrap(), planes.len());
        let mut back = vec![1; planes.len()];
        Shuffle.decode(&[BYTES], &planes, &mut back).unwrap();
        assert_eq!((&back[..times.len()], &back[times.len()..]), (&times[..], &[0; 80][..]));
    }
}
