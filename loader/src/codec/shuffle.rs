//! Byte shuffle: filter 2. The first bytes of all elements come first, then all second bytes, and so on, so that
//! the bytes that change little stand together.

use super::{Codec, Error};

const NAME: &str = "shuffle";

/// The filter that comes with HDF5; its option is the size of an element in bytes.
#[derive(Debug)]
pub struct Shuffle;

/// The bytes of an element, and how many whole elements there are.
fn shape(options: &[u32], bytes: usize) -> Result<(usize, usize), Error> {
    let size = options.first().copied().unwrap_or(0) as usize;
    if size == 0 {
        return Err(Error::Broken {
            codec: NAME,
            problem: "the size of an element is 0 or missing".to_owned(),
        });
    }
    Ok((size, bytes / size))
}

impl Codec for Shuffle {
    fn id(&self) -> u16 {
        2
    }

    fn name(&self) -> &'static str {
        NAME
    }

    fn encode(&self, options: &[u32], raw: &[u8], stored: &mut Vec<u8>) -> Result<(), Error> {
        let (size, count) = shape(options, raw.len())?;
        stored.clear();
        stored.resize(raw.len(), 0);
        for (plane, bytes) in stored.chunks_exact_mut(count.max(1)).take(size).enumerate() {
            for (byte, element) in bytes.iter_mut().zip(raw.chunks_exact(size)) {
                *byte = element[plane];
            }
        }
        // What does not fill an element stays where it is.
        stored[size * count..].copy_from_slice(&raw[size * count..]);
        Ok(())
    }

    fn decode(&self, options: &[u32], stored: &[u8], raw: &mut [u8]) -> Result<usize, Error> {
        let (size, count) = shape(options, stored.len())?;
        let too_long = Error::TooLong { codec: NAME, bytes_max: raw.len() };
        let raw = raw.get_mut(..stored.len()).ok_or(too_long)?;
        let (planes, tail) = stored.split_at(size * count);
        let (elements, end) = raw.split_at_mut(size * count);
        unshuffle(size, planes, elements);
        end.copy_from_slice(tail);
        Ok(stored.len())
    }
}

/// Puts the elements of `size` bytes together again.
pub(super) fn unshuffle(size: usize, planes: &[u8], elements: &mut [u8]) {
    match size {
        1 => elements.copy_from_slice(planes),
        2 => gather::<2>(planes, elements),
        4 => gather::<4>(planes, elements),
        8 => gather::<8>(planes, elements),
        _ => {
            for (plane, bytes) in planes.chunks_exact((planes.len() / size).max(1)).enumerate() {
                for (element, &byte) in elements.chunks_exact_mut(size).zip(bytes) {
                    element[plane] = byte;
                }
            }
        }
    }
}

/// Puts the elements of `N` bytes together again, reading `N` streams at once and writing one.
pub(super) fn gather<const N: usize>(planes: &[u8], elements: &mut [u8]) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: this processor has AVX2, as was asked on the line above.
        unsafe { gather_avx2::<N>(planes, elements) };
        return;
    }
    gather_anywhere::<N>(planes, elements);
}

/// The same code once more: with AVX2 the compiler turns it into byte shuffles, eight times as fast as the words that
/// the base instruction set allows (8 bytes: three times).
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn gather_avx2<const N: usize>(planes: &[u8], elements: &mut [u8]) {
    gather_anywhere::<N>(planes, elements);
}

#[inline]
fn gather_anywhere<const N: usize>(planes: &[u8], elements: &mut [u8]) {
    let count = planes.len() / N;
    let planes: [&[u8]; N] = std::array::from_fn(|plane| &planes[plane * count..(plane + 1) * count]);
    for (index, element) in elements.as_chunks_mut::<N>().0.iter_mut().enumerate() {
        *element = std::array::from_fn(|plane| planes[plane][index]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn planes_and_tail() {
        let mut stored = Vec::new();
        Shuffle.encode(&[3], &[1, 2, 3, 4, 5, 6, 7, 8], &mut stored).unwrap();
        assert_eq!(stored, [1, 4, 2, 5, 3, 6, 7, 8]);
    }

    proptest! {
        #[test]
        fn every_size_comes_back(size in 1u32..20, raw in proptest::collection::vec(any::<u8>(), 0..200)) {
            let (mut stored, mut back) = (Vec::new(), vec![0; raw.len()]);
            Shuffle.encode(&[size], &raw, &mut stored).unwrap();
            Shuffle.decode(&[size], &stored, &mut back).unwrap();
            prop_assert_eq!(back, raw);
        }
    }
}
