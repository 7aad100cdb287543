//! The filters of a data set in their order.

use super::{Codec, Error, by_id};

/// One filter with its options.
#[derive(Clone)]
pub struct Stage {
    codec: &'static dyn Codec,
    options: Vec<u32>,
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{:?}", self.codec.name(), self.options)
    }
}

/// The filters that a chunk went through when it was written, first to last; decoding goes back.
#[derive(Clone, Debug, Default)]
pub struct Pipeline {
    stages: Vec<Stage>,
}

impl Pipeline {
    /// Bytes that a stage may add to a chunk, beyond what an incompressible chunk grows by.
    const SLACK_BYTES: usize = 1024;

    /// The pipeline of filters given by number and options.
    ///
    /// # Errors
    /// [`Error::Unknown`] when one of them is not supported.
    pub fn new(filters: &[(u16, Vec<u32>)]) -> Result<Self, Error> {
        let stage =
            |(id, options): &(u16, Vec<u32>)| Ok(Stage { codec: by_id(*id)?, options: options.clone() });
        Ok(Self { stages: filters.iter().map(stage).collect::<Result<_, _>>()? })
    }

    /// Whether chunks are stored as they are.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }

    /// The filters in words, first to last.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.stages.iter().map(|stage| format!("{stage:?}")).collect()
    }

    /// The most bytes that a chunk of `bytes` may be stored in: beyond this it is broken.
    #[must_use]
    pub fn stored_bytes_max(&self, bytes: usize) -> usize {
        // The worst growth of our codecs is deflate's and zstd's, both below 1 part in 128.
        bytes.saturating_add(bytes / 128).saturating_add(Self::SLACK_BYTES.saturating_mul(self.stages.len()))
    }

    /// Replaces `stored` by what `raw` is stored as; `raw` is used as room in between.
    ///
    /// # Errors
    /// [`Error`] of the stage that declines.
    pub fn encode(&self, raw: &mut Vec<u8>, stored: &mut Vec<u8>) -> Result<(), Error> {
        for stage in &self.stages {
            stage.codec.encode(&stage.options, raw, stored)?;
            std::mem::swap(raw, stored);
        }
        std::mem::swap(raw, stored);
        Ok(())
    }

    /// Replaces `raw` by the chunk of `bytes` bytes that `stored` stands for. Bit i of `mask` says that filter i was
    /// skipped when the chunk was written. `stored` is used as room in between.
    ///
    /// # Errors
    /// [`Error`] of the stage that declines, or [`Error::WrongSize`].
    pub fn decode(
        &self,
        mask: u32,
        stored: &mut Vec<u8>,
        raw: &mut Vec<u8>,
        bytes: usize,
    ) -> Result<(), Error> {
        let bytes_max = self.stored_bytes_max(bytes);
        for (index, stage) in self.stages.iter().enumerate().rev() {
            if index < 32 && mask >> index & 1 == 1 {
                continue;
            }
            // Before the last stage the bytes may still carry a check sum, so they may be a little more.
            let room = if index == 0 { bytes } else { bytes_max };
            stage.codec.decode(&stage.options, stored, raw, room)?;
            std::mem::swap(stored, raw);
        }
        std::mem::swap(stored, raw);
        if raw.len() == bytes { Ok(()) } else { Err(Error::WrongSize { found: raw.len(), expected: bytes }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pipeline() -> Pipeline {
        Pipeline::new(&[(3, vec![]), (2, vec![8]), (32_015, vec![3]), (1, vec![9])]).unwrap()
    }

    #[test]
    fn goes_there_and_back_in_order() {
        let raw: Vec<u8> = (0..80_000u32).map(|place| (place / 8) as u8).collect();
        let (mut room, mut stored, mut back) = (raw.clone(), Vec::new(), Vec::new());
        pipeline().encode(&mut room, &mut stored).unwrap();
        assert!(stored.len() < raw.len() / 10);
        pipeline().decode(0, &mut stored, &mut back, raw.len()).unwrap();
        assert_eq!(back, raw);
    }

    #[test]
    fn a_masked_filter_is_skipped() {
        let raw = vec![9u8; 800];
        let (mut room, mut stored, mut back) = (raw.clone(), Vec::new(), Vec::new());
        let written = Pipeline::new(&[(2, vec![8]), (32_015, vec![3])]).unwrap();
        written.encode(&mut room, &mut stored).unwrap();
        // Filters 0 and 3 were skipped: the check sum and deflate.
        pipeline().decode(0b1001, &mut stored, &mut back, 800).unwrap();
        assert_eq!(back, raw);
        let refused = pipeline().decode(0b1111, &mut vec![0; 799], &mut back, 800);
        assert_eq!(refused, Err(Error::WrongSize { found: 799, expected: 800 }));
    }

    #[test]
    fn no_filter_is_a_copy() {
        let mut back = Vec::new();
        Pipeline::default().decode(0, &mut vec![1, 2], &mut back, 2).unwrap();
        assert_eq!(back, [1, 2]);
    }
}
