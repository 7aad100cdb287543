//! How the bytes of a chunk are stored: filters, one after the other.
//!
//! A codec is one registered HDF5 filter: a number, a name, and a pair of functions over whole chunks. Decoding is
//! given the room that a chunk may fill, and neither allocates nor writes more, whatever the stored bytes claim.
//! To add one: a file here, and a line in [`ALL`]; the exam below then takes it (docs/adding-a-codec.md).

pub mod deflate;
pub mod fletcher32;
pub mod lz4;
pub mod lzf;
pub mod shuffle;
pub mod zstd;

pub mod bitshuffle;
mod blosclz;

pub mod blosc;

pub mod blosc2;

pub mod pipeline;

pub use pipeline::{Pipeline, Room, Stage};

/// Why stored bytes cannot be decoded, or raw bytes not be encoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The stored bytes are not what the codec writes.
    #[error("{codec}: {problem}")]
    Broken {
        /// The codec's name.
        codec: &'static str,
        /// What is wrong, in the words of the library that noticed.
        problem: String,
    },
    /// More bytes would come out than may.
    #[error("{codec}: more than the {bytes_max} bytes of the chunk would come out")]
    TooLong {
        /// The codec's name.
        codec: &'static str,
        /// The most bytes that were allowed.
        bytes_max: usize,
    },
    /// The check sum does not fit.
    #[error("{codec}: the check sum is {found:#010x}, {expected:#010x} is stored with the chunk")]
    CheckSum {
        /// The codec's name.
        codec: &'static str,
        /// The sum of the bytes.
        found: u32,
        /// The sum stored with them.
        expected: u32,
    },
    /// The whole chunk has another size.
    #[error("the chunk decodes to {found} bytes, {expected} are needed")]
    WrongSize {
        /// The bytes that came out.
        found: usize,
        /// The bytes of a chunk.
        expected: usize,
    },
    /// Chunks are read, not written.
    #[error("{codec}: chunks are read and not written; write with zstd")]
    ReadOnly {
        /// The codec's name.
        codec: &'static str,
    },
    /// No such filter here.
    #[error("filter {id} ({name}) is not supported; supported are {}", supported())]
    Unknown {
        /// The registered number.
        id: u16,
        /// Its name, when it is a well-known one.
        name: &'static str,
    },
}

fn supported() -> String {
    ALL.iter().map(|codec| codec.name()).collect::<Vec<_>>().join(", ")
}

/// One registered HDF5 filter.
pub trait Codec: Sync {
    /// The number it is registered under with The HDF Group.
    fn id(&self) -> u16;

    /// Its short name.
    fn name(&self) -> &'static str;

    /// Replaces `stored` by what `raw` is stored as. `options` are the filter's client data.
    ///
    /// # Errors
    /// [`Error`] when the library declines.
    fn encode(&self, options: &[u32], raw: &[u8], stored: &mut Vec<u8>) -> Result<(), Error>;

    /// The most bytes that `bytes` bytes are stored in: beyond this a chunk is broken.
    fn stored_bytes_max(&self, _options: &[u32], bytes: usize) -> usize {
        const SLACK_BYTES: usize = 1024;
        // The worst growth of what is deflate's or zstd's is below 1 part in 128.
        bytes.saturating_add(bytes / 128).saturating_add(SLACK_BYTES)
    }

    /// Writes what `stored` stands for to the front of `raw` and returns how many bytes that is.
    ///
    /// # Errors
    /// [`Error`] when `stored` is broken, fails its check sum, or stands for more bytes than `raw` has.
    fn decode(&self, options: &[u32], stored: &[u8], raw: &mut [u8]) -> Result<usize, Error>;
}

/// Every codec.
pub static ALL: &[&dyn Codec] = &[
    &deflate::Deflate,
    &shuffle::Shuffle,
    &fletcher32::Fletcher32,
    &lzf::Lzf,
    &blosc::Blosc,
    &lz4::Lz4,
    &bitshuffle::Bitshuffle,
    &zstd::Zstd,
    &blosc2::Blosc2,
];

/// The codec of filter `id`.
///
/// # Errors
/// [`Error::Unknown`] names the filter.
pub fn by_id(id: u16) -> Result<&'static dyn Codec, Error> {
    let codec = ALL.iter().copied().find(|codec| codec.id() == id);
    codec.ok_or(Error::Unknown { id, name: well_known(id) })
}

/// Repeats `length` bytes that begin `distance` before `raw[to]`, as compressors of the LZ family write: the bytes may be ones that
/// this very repetition writes. Gives the place after them.
fn repeat(
    raw: &mut [u8],
    to: usize,
    distance: usize,
    length: usize,
    codec: &'static str,
) -> Result<usize, Error> {
    let start = to.checked_sub(distance).ok_or_else(|| Error::Broken {
        codec,
        problem: "a repetition begins before the first byte".to_owned(),
    })?;
    let end = to.checked_add(length).filter(|end| *end <= raw.len());
    let end = end.ok_or(Error::TooLong { codec, bytes_max: raw.len() })?;
    let mut done = to;
    while done < end {
        // All that is there by now, so that short distances double with each step.
        let count = (done - start).min(end - done);
        raw.copy_within(start..start + count, done);
        done += count;
    }
    Ok(end)
}

/// The names of registered filters that are not ours (HDFGroup/hdf5_plugins, RegisteredFilterPlugins.md).
const fn well_known(id: u16) -> &'static str {
    match id {
        4 => "szip",
        5 => "nbit",
        6 => "scale-offset",
        32_013 => "zfp",
        32_017 => "sz",
        32_018 => "fcidecomp",
        32_024 => "sz3",
        32_029 => "sperr",
        _ => "no well-known name",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Those that write.
    fn writers() -> impl Iterator<Item = &'static dyn Codec> {
        let is_writer = |codec: &&dyn Codec| {
            let refused = codec.encode(&options(*codec), &[1; 8], &mut Vec::new());
            refused != Err(Error::ReadOnly { codec: codec.name() })
        };
        ALL.iter().copied().filter(is_writer)
    }

    fn options(codec: &dyn Codec) -> Vec<u32> {
        match codec.name() {
            "shuffle" => vec![8],
            "deflate" => vec![4],
            "zstd" => vec![3],
            _ => Vec::new(),
        }
    }

    /// Bytes that compress, and bytes that do not.
    fn raws() -> impl Strategy<Value = Vec<u8>> {
        let noise = proptest::collection::vec(any::<u8>(), 0..3000);
        let steps = (any::<u8>(), 0usize..20_000)
            .prop_map(|(step, len)| (0..len).map(|place| (place / 50) as u8 & step).collect());
        prop_oneof![noise, steps]
    }

    proptest! {
        #[test]
        fn every_codec_that_writes_gives_back_what_it_took(raw in raws()) {
            for codec in writers() {
                let (mut stored, mut back) = (vec![1; 7], vec![2; raw.len() + 8]);
                codec.encode(&options(codec), &raw, &mut stored).unwrap();
                let count = codec.decode(&options(codec), &stored, &mut back).unwrap();
                prop_assert_eq!(&back[..count], &raw, "{}", codec.name());
                back.fill(3);
                let count = codec.decode(&options(codec), &stored, &mut back[..raw.len()]).unwrap();
                prop_assert_eq!(&back[..count], &raw, "{}", codec.name());
                if !raw.is_empty() {
                    let refused = codec.decode(&options(codec), &stored, &mut back[..raw.len() - 1]);
                    prop_assert!(refused.is_err(), "{}", codec.name());
                }
            }
        }

        #[test]
        fn broken_bytes_neither_panic_nor_grow(raw in raws(), cut in 0.0f64..1.0, flip: prop::sample::Index, bit in 0u8..8) {
            for codec in writers() {
                let (mut stored, mut back) = (Vec::new(), vec![0; raw.len()]);
                codec.encode(&options(codec), &raw, &mut stored).unwrap();
                let cut = &stored[..(stored.len() as f64 * cut) as usize];
                if let Ok(count) = codec.decode(&options(codec), cut, &mut back) {
                    prop_assert!(count <= raw.len());
                }
                if !stored.is_empty() {
                    let place = flip.index(stored.len());
                    stored[place] ^= 1 << bit;
                    let outcome = codec.decode(&options(codec), &stored, &mut back);
                    // Those with a check sum must notice; a shuffle cannot.
                    if codec.name() != "shuffle" {
                        prop_assert!(outcome.is_err() || outcome == Ok(raw.len()) && back == raw, "{}", codec.name());
                    }
                }
            }
        }

        #[test]
        fn noise_is_no_chunk(noise in proptest::collection::vec(any::<u8>(), 0..500), options in proptest::collection::vec(any::<u32>(), 0..3)) {
            for codec in ALL {
                if let Ok(count) = codec.decode(&options, &noise, &mut [0; 1000]) {
                    prop_assert!(count <= 1000);
                }
            }
        }
    }

    #[test]
    fn ids_are_unique_and_found() {
        for codec in ALL {
            assert_eq!(by_id(codec.id()).unwrap().name(), codec.name());
        }
        let unknown = by_id(4).err().unwrap().to_string();
        assert_eq!(
            unknown,
            "filter 4 (szip) is not supported; supported are deflate, shuffle, fletcher32, lzf, blosc, lz4, bitshuffle, zstd, blosc2"
        );
    }
}
