//! One pass over the windows, block by block.
//!
//! A block is a range of rows that is loaded at once; its windows are those that start in it. Shuffling visits the
//! blocks in a permuted order and the windows of a block in a shuffled order, so each chunk of the file is decoded
//! once or twice an epoch instead of once a window: with windows of 60 rows and blocks of 65,536 the rows read are
//! 1.001 times the rows there are, against 60 for a full shuffle. What it costs: neighbours in the order come from
//! the same block, so a block should hold many batches.

use std::ops::Range;

use super::order;
use super::windows::Windows;

/// Why an epoch cannot be walked or resumed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Blocks of no rows.
    #[error("a block of 0 rows holds no window; it must have at least 1 row")]
    EmptyBlock,
    /// The cursor was made for something else.
    #[error("the cursor is of another data set, window shape or order; start a new epoch")]
    ForeignCursor,
    /// More ranks than processes.
    #[error("rank {rank} of {world} does not exist; ranks are 0 to the number of processes less one")]
    NoSuchRank {
        /// The rank.
        rank: u64,
        /// How many processes there are.
        world: u64,
    },
    /// A mix too large to be counted.
    #[error("{blocks} blocks of {block_rows} rows are more than 4,294,967,295 rows; mix fewer blocks")]
    TooLarge {
        /// Blocks in a mix.
        blocks: u64,
        /// Rows in a block.
        block_rows: u64,
    },
}

/// The order of the windows of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// In time, the same for every epoch.
    Sequential,
    /// Shuffled, another order for each seed and each epoch.
    Shuffled {
        /// Equal seeds give equal orders on every machine.
        seed: u64,
    },
}

/// A place in an epoch, in 40 bytes: enough to go on from there in another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub(super) plan: u64,
    pub(super) seed: u64,
    pub(super) epoch: u64,
    pub(super) block: u64,
    pub(super) offset: u64,
}

impl Cursor {
    /// The place `windows` windows further on in the same block.
    #[must_use]
    pub const fn after(self, windows: u64) -> Self {
        Self { offset: self.offset.saturating_add(windows), ..self }
    }

    /// The epoch that the cursor is in.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The cursor as five little-endian numbers.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 40] {
        let mut bytes = [0; 40];
        let words = [self.plan, self.seed, self.epoch, self.block, self.offset];
        for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// The cursor that [`Cursor::to_bytes`] wrote. Whether it fits is found out by [`Epoch::resume`].
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 40]) -> Self {
        let word = |index: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[index * 8..index * 8 + 8]);
            u64::from_le_bytes(word)
        };
        Self { plan: word(0), seed: word(1), epoch: word(2), block: word(3), offset: word(4) }
    }
}

/// Windows that are loaded together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The rows that all windows of the block and their targets lie in.
    pub rows: Range<u64>,
    /// The start rows of the windows, in the order of the epoch.
    pub starts: Vec<u64>,
    /// The place of the first of these windows; [`Cursor::after`] counts on from there.
    pub cursor: Cursor,
}

/// An iterator over the [`Block`]s of one epoch: each window exactly once, or as often as its weight says.
#[derive(Clone, Debug)]
pub struct Epoch<'a> {
    windows: &'a Windows,
    order: Order,
    block_rows: u64,
    cursor: Cursor,
}

impl Windows {
    /// Walks the windows once, in blocks of the windows that start in `block_rows` rows.
    ///
    /// Blocks lie at multiples of `block_rows` of the table, so a multiple of the rows of a chunk decodes no chunk
    /// in vain. At most `block_rows` start rows are in memory at once.
    ///
    /// # Errors
    /// [`Error::EmptyBlock`] when `block_rows` is 0.
    pub fn epoch(&self, order: Order, epoch: u64, block_rows: u64) -> Result<Epoch<'_>, Error> {
        if block_rows == 0 {
            return Err(Error::EmptyBlock);
        }
        let seed = match order {
            Order::Sequential => 0,
            Order::Shuffled { seed } => seed,
        };
        let plan = self.plan(order, block_rows);
        Ok(Epoch {
            windows: self,
            order,
            block_rows,
            cursor: Cursor { plan, seed, epoch, block: 0, offset: 0 },
        })
    }

    /// A fingerprint of everything that decides which window stands where.
    fn plan(&self, order: Order, block_rows: u64) -> u64 {
        let shuffled = u64::from(order != Order::Sequential);
        let (shape, rows) = (self.shape(), self.rows());
        let mut words =
            vec![shuffled, block_rows, rows.start, rows.end, shape.length, shape.stride, shape.horizon];
        words.extend(self.runs().flat_map(|(first, windows)| [first, windows]));
        words.extend(self.weight_words());
        order::key(&words)
    }
}

impl Epoch<'_> {
    /// Goes to `cursor`, which may come from another process.
    ///
    /// # Errors
    /// [`Error::ForeignCursor`] when the cursor was not made by this very plan.
    pub fn resume(mut self, cursor: Cursor) -> Result<Self, Error> {
        if cursor.plan != self.cursor.plan || cursor.seed != self.cursor.seed || cursor.block > self.blocks()
        {
            return Err(Error::ForeignCursor);
        }
        self.cursor = cursor;
        Ok(self)
    }

    /// The place that the next block starts at.
    #[must_use]
    pub const fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// Another epoch of the same windows in the same kind of order.
    pub(super) const fn at(mut self, epoch: u64) -> Self {
        self.cursor.epoch = epoch;
        self
    }

    pub(super) const fn order(&self) -> Order {
        self.order
    }

    pub(super) const fn block_rows(&self) -> u64 {
        self.block_rows
    }

    pub(super) const fn span(&self) -> u64 {
        self.windows.shape().span()
    }

    /// The start rows of the windows of the block at `place` in the order, in time; `None` past the last block.
    pub(super) fn starts(&self, place: u64) -> Option<impl Iterator<Item = u64> + Clone> {
        let indices = (place < self.blocks()).then(|| self.indices(place).0)?;
        Some(self.windows.starts(indices))
    }

    /// At most so many windows are seen in the block at `place` in the order; `None` past the last block.
    pub(super) fn most_seen(&self, place: u64) -> Option<u64> {
        let indices = (place < self.blocks()).then(|| self.indices(place).0)?;
        Some((indices.end - indices.start).saturating_mul(self.windows.times_max()))
    }

    /// How often the window that starts in row `start` is seen.
    pub(super) fn times(&self, start: u64) -> u64 {
        self.windows.times(start, (self.cursor.seed, self.cursor.epoch))
    }

    /// How many blocks of rows there are, those without a window included.
    pub(super) fn blocks(&self) -> u64 {
        let rows = self.windows.rows();
        rows.end.div_ceil(self.block_rows) - rows.start / self.block_rows
    }

    /// The windows of the block at `place` in the order, unshuffled, and that block's own number.
    fn indices(&self, place: u64) -> (Range<u64>, u64) {
        let number = match self.order {
            Order::Sequential => place,
            Order::Shuffled { .. } => {
                let key = order::key(&[self.cursor.seed, self.cursor.epoch]);
                order::permuted(place, self.blocks(), key)
            }
        };
        let first = (self.windows.rows().start / self.block_rows + number) * self.block_rows;
        (self.windows.starting_in(first..first.saturating_add(self.block_rows)), number)
    }
}

impl Iterator for Epoch<'_> {
    type Item = Block;

    fn next(&mut self) -> Option<Block> {
        while self.cursor.block < self.blocks() {
            let cursor = self.cursor;
            self.cursor = Cursor { block: cursor.block + 1, offset: 0, ..cursor };
            let number = self.indices(cursor.block).1;
            let mut starts: Vec<u64> = self.starts(cursor.block).into_iter().flatten().collect();
            if self.windows.is_weighted() {
                let again = |start: u64| std::iter::repeat_n(start, self.times(start) as usize);
                starts = starts.into_iter().flat_map(again).collect();
            }
            let (Some(&first), Some(&last)) = (starts.first(), starts.last()) else { continue };
            let rows = first..last + self.windows.shape().span();
            if let Order::Shuffled { seed } = self.order {
                order::shuffle(&mut starts, order::key(&[seed, cursor.epoch, number, 1]));
            }
            starts.drain(..starts.len().min(usize::try_from(cursor.offset).unwrap_or(usize::MAX)));
            if !starts.is_empty() {
                return Some(Block { rows, starts, cursor });
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::windows::Shape;
    use super::*;
    use proptest::prelude::*;

    fn windows() -> impl Strategy<Value = Windows> {
        let shape = (1u64..12, 1u64..5, 0u64..5);
        let gaps = proptest::collection::btree_set(0u64..900, 0..8);
        (0u64..300, 30u64..600, shape, gaps).prop_filter_map("no window", |(from, len, shape, gaps)| {
            let shape = Shape { length: shape.0, stride: shape.1, horizon: shape.2 };
            Windows::new(from..from + len, &gaps.into_iter().collect::<Vec<_>>(), shape).ok()
        })
    }

    fn orders() -> impl Strategy<Value = Order> {
        prop_oneof![Just(Order::Sequential), any::<u64>().prop_map(|seed| Order::Shuffled { seed })]
    }

    proptest! {
        #[test]
        fn each_window_once_and_inside_its_block(w in windows(), order in orders(), epoch: u64, block_rows in 1u64..200) {
            let mut starts = Vec::new();
            for block in w.epoch(order, epoch, block_rows).unwrap() {
                for &start in &block.starts {
                    prop_assert!(block.rows.start <= start && start + w.shape().span() <= block.rows.end);
                }
                prop_assert!(block.rows.end - block.rows.start < block_rows + w.shape().span());
                prop_assert!(w.rows().start <= block.rows.start && block.rows.end <= w.rows().end);
                starts.extend(block.starts);
            }
            let all: Vec<_> = (0..w.count()).map(|index| w.start(index).unwrap()).collect();
            if order == Order::Sequential {
                prop_assert_eq!(&starts, &all);
            }
            starts.sort_unstable();
            prop_assert_eq!(starts, all);
        }

        #[test]
        fn resumes_at_any_window(w in windows(), order in orders(), epoch: u64, block_rows in 1u64..200, cut in 0.0f64..1.0) {
            let whole: Vec<u64> = w.epoch(order, epoch, block_rows).unwrap().flat_map(|block| block.starts).collect();
            let cut = (whole.len() as f64 * cut) as usize;
            let mut walk = w.epoch(order, epoch, block_rows).unwrap();
            let mut done = 0;
            let cursor = loop {
                let Some(block) = walk.next() else { break walk.cursor() };
                if done + block.starts.len() > cut {
                    break block.cursor.after((cut - done) as u64);
                }
                done += block.starts.len();
            };
            let cursor = Cursor::from_bytes(&cursor.to_bytes());
            let rest = w.epoch(order, 0, block_rows).unwrap().resume(cursor).unwrap();
            let rest: Vec<u64> = rest.flat_map(|block| block.starts).collect();
            prop_assert_eq!(&rest[..], &whole[cut..]);
        }
    }

    proptest! {
        #[test]
        fn weights_say_how_often(w in windows(), order in orders(), epoch: u64, block_rows in 1u64..200, steps in proptest::collection::vec(0u64..4, 1..5)) {
            let first = w.rows().start;
            let weights: Vec<(u64, f64)> = steps.iter().enumerate().map(|(at, step)| (first + at as u64 * 40, *step as f64)).collect();
            let Ok(weighted) = w.clone().weighted(&weights) else { return Ok(()) };
            let seed = if let Order::Shuffled { seed } = order { seed } else { 0 };
            let mut expected = Vec::new();
            for start in (0..w.count()).map(|index| w.start(index).unwrap()) {
                expected.extend((0..weighted.times(start, (seed, epoch))).map(|_| start));
            }
            let all = |w: &Windows| w.epoch(order, epoch, block_rows).unwrap().flat_map(|block| block.starts).collect::<Vec<_>>();
            let mut starts = all(&weighted);
            prop_assert_eq!(&starts, &all(&weighted));
            starts.sort_unstable();
            prop_assert_eq!(starts, expected);
            // Weights are a part of the plan.
            let cursor = w.epoch(order, epoch, block_rows).unwrap().cursor();
            prop_assert!(weighted.epoch(order, epoch, block_rows).unwrap().resume(cursor).is_err());
        }
    }

    #[test]
    fn another_epoch_or_seed_is_another_order() {
        let w = Windows::new(0..10_000, &[], Shape { length: 60, stride: 1, horizon: 1 }).unwrap();
        let order = |seed, epoch| -> Vec<u64> {
            w.epoch(Order::Shuffled { seed }, epoch, 1024).unwrap().flat_map(|block| block.starts).collect()
        };
        assert_eq!(order(1, 0), order(1, 0));
        assert_ne!(order(1, 0), order(1, 1));
        assert_ne!(order(1, 0), order(2, 0));
    }

    #[test]
    fn a_cursor_of_another_plan_is_refused() {
        let shape = Shape { length: 60, stride: 1, horizon: 1 };
        let w = Windows::new(0..10_000, &[], shape).unwrap();
        let cursor = w.epoch(Order::Sequential, 0, 1024).unwrap().cursor();
        let longer = Windows::new(0..10_001, &[], shape).unwrap();
        assert!(matches!(
            longer.epoch(Order::Sequential, 0, 1024).unwrap().resume(cursor),
            Err(Error::ForeignCursor)
        ));
        assert!(w.epoch(Order::Shuffled { seed: 0 }, 0, 1024).unwrap().resume(cursor).is_err());
        assert!(w.epoch(Order::Sequential, 0, 1024).unwrap().resume(cursor).is_ok());
    }
}
