//! BloscLZ, the compressor that Blosc had first: a relative of FastLZ with longer distances (c-blosc 1.21, blosclz.c).

use super::Error;

/// The distance from which two more bytes follow.
const FAR: usize = 8191;

/// Writes what `stored` stands for to the front of `raw`.
pub(super) fn unpack(codec: &'static str, stored: &[u8], raw: &mut [u8]) -> Result<usize, Error> {
    const LONG: usize = 6;
    let cut = || Error::Broken { codec, problem: "blosclz: it ends within a token".to_owned() };
    let too_long = Error::TooLong { codec, bytes_max: raw.len() };
    let (mut from, mut to) = (0, 0);
    let byte = |from: &mut usize| {
        let byte = stored.get(*from).copied().ok_or_else(cut)?;
        *from += 1;
        Ok::<usize, Error>(byte.into())
    };
    // The first token is always one of literals.
    let mut mask = 0x1F;
    while from < stored.len() {
        let control = byte(&mut from)? & mask;
        mask = 0xFF;
        if control < 32 {
            let literals = stored.get(from..from + control + 1).ok_or_else(cut)?;
            raw.get_mut(to..to + literals.len()).ok_or(too_long.clone())?.copy_from_slice(literals);
            (from, to) = (from + literals.len(), to + literals.len());
            continue;
        }
        let (mut length, high) = ((control >> 5) - 1, (control & 0x1F) << 8);
        if length == LONG {
            loop {
                let more = byte(&mut from)?;
                length = length.saturating_add(more);
                if more != 255 {
                    break;
                }
            }
        }
        let low = byte(&mut from)?;
        let mut distance = high + low;
        if distance == FAR {
            distance = FAR + (byte(&mut from)? << 8 | byte(&mut from)?);
        }
        to = super::repeat(raw, to, distance + 1, length.saturating_add(3), codec)?;
    }
    Ok(to)
}
