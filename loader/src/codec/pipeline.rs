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

    /// The filters by number and options, as [`Pipeline::new`] takes them.
    #[must_use]
    pub fn filters(&self) -> Vec<(u16, Vec<u32>)> {
        self.stages.iter().map(|stage| (stage.codec.id(), stage.options.clone())).collect()
    }

    /// The filters in words, first to last.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.stages.iter().map(|stage| format!("{stage:?}")).collect()
    }

    /// The most bytes that a chunk of `bytes` may be stored in: beyond this it is broken.
    #[must_use]
    pub fn stored_bytes_max(&self, bytes: usize) -> usize {
        let grown = |bytes, stage: &Stage| stage.codec.stored_bytes_max(&stage.options, bytes);
        self.stages.iter().fold(bytes, grown)
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

    /// Fills `raw` with the chunk that `stored` stands for. Bit i of `mask` says that filter i was skipped when the
    /// chunk was written. The last filter writes to `raw` itself; `room` holds what lies between two of them.
    ///
    /// # Errors
    /// [`Error`] of the stage that declines, or [`Error::WrongSize`] when `raw` is not filled exactly.
    pub fn decode(&self, mask: u32, stored: &[u8], room: &mut Room, raw: &mut [u8]) -> Result<(), Error> {
        let expected = raw.len();
        let wrong =
            |found| if found == expected { Ok(()) } else { Err(Error::WrongSize { found, expected }) };
        let is_used = |index: usize| index >= 32 || mask >> index & 1 == 0;
        let mut stages = self.stages.iter().enumerate().filter(|(index, _)| is_used(*index));
        // Decoded last, so that it may write to where the chunk is wanted.
        let Some((_, first)) = stages.next() else {
            wrong(stored.len())?;
            raw.copy_from_slice(stored);
            return Ok(());
        };
        // In between the bytes may still carry a check sum, so they may be a little more than a chunk.
        let bytes_max = self.stored_bytes_max(expected);
        let Room { now, next } = room;
        let mut count = None;
        for (_, stage) in stages.rev() {
            next.resize(next.len().max(bytes_max), 0);
            let input = count.map_or(stored, |count| &now[..count]);
            count = Some(stage.codec.decode(&stage.options, input, &mut next[..bytes_max])?);
            std::mem::swap(now, next);
        }
        let input = count.map_or(stored, |count| &now[..count]);
        wrong(first.codec.decode(&first.options, input, raw)?)
    }

    /// Bytes of [`Room`] that decoding a chunk of `bytes` takes at most.
    #[must_use]
    pub fn room_bytes(&self, bytes: usize) -> usize {
        self.stored_bytes_max(bytes).saturating_mul(self.stages.len().saturating_sub(1).min(2))
    }
}

/// Memory for what lies between two filters, used again from chunk to chunk.
#[derive(Debug, Default)]
pub struct Room {
    now: Vec<u8>,
    next: Vec<u8>,
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
        let (mut copy, mut stored, mut back) = (raw.clone(), Vec::new(), vec![0; raw.len()]);
        pipeline().encode(&mut copy, &mut stored).unwrap();
        assert!(stored.len() < raw.len() / 10);
        let pipeline = || Pipeline::new(&pipeline().filters()).unwrap();
        let mut room = Room::default();
        pipeline().decode(0, &stored, &mut room, &mut back).unwrap();
        assert_eq!(back, raw);
        assert!(room.now.capacity() + room.next.capacity() <= pipeline().room_bytes(raw.len()));
    }

    #[test]
    fn a_masked_filter_is_skipped() {
        let raw = vec![9u8; 800];
        let (mut copy, mut stored, mut back) = (raw.clone(), Vec::new(), vec![0; 800]);
        let written = Pipeline::new(&[(2, vec![8]), (32_015, vec![3])]).unwrap();
        written.encode(&mut copy, &mut stored).unwrap();
        // Filters 0 and 3 were skipped: the check sum and deflate.
        pipeline().decode(0b1001, &stored, &mut Room::default(), &mut back).unwrap();
        assert_eq!(back, raw);
        let refused = pipeline().decode(0b1111, &[0; 799], &mut Room::default(), &mut back);
        assert_eq!(refused, Err(Error::WrongSize { found: 799, expected: 800 }));
    }

    #[test]
    fn no_filter_is_a_copy() {
        let mut back = [0; 2];
        Pipeline::default().decode(0, &[1, 2], &mut Room::default(), &mut back).unwrap();
        assert_eq!(back, [1, 2]);
    }
}
