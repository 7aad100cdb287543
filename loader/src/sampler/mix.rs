//! One pass over the windows in mixes: several blocks whose windows are shuffled together.
//!
//! A batch out of one block alone holds neighbours in time. Where memory has room for more blocks, the windows of all
//! of them are one list that is shuffled exactly. The first mix is one block, the next two, then four, up to the
//! number that memory allows: so the first batch needs one block only. Ranks of a distributed training take turns at
//! the blocks in their permuted order, so together they see each window once.

use std::ops::Range;

use super::epoch::{Cursor, Epoch, Error, Order};
use super::order;

/// One of several processes that share an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which one: 0 to `world - 1`.
    pub rank: u64,
    /// How many there are.
    pub world: u64,
}

impl Shard {
    /// The only process.
    pub const WHOLE: Self = Self { rank: 0, world: 1 };
}

/// Blocks whose windows are shuffled together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mix {
    /// The rows of each block, from its first window to the end of its last one and of that one's target.
    pub blocks: Vec<Range<u64>>,
    /// The windows in the order of the epoch.
    pub order: Vec<Place>,
    /// The place of the first of these windows; [`Cursor::after`] counts on from there.
    pub cursor: Cursor,
}

/// A window of a mix: four bytes, since a mix holds millions of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(u32);

impl Place {
    /// The number of the block in the mix, and the rows from that block's first row to the window's.
    #[must_use]
    pub const fn split(self, block_rows: u32) -> (usize, usize) {
        ((self.0 / block_rows) as usize, (self.0 % block_rows) as usize)
    }
}

/// An iterator over the [`Mix`]es of one epoch and one rank: each of its windows exactly once, or as often as its
/// weight says.
#[derive(Clone, Debug)]
pub struct Mixes<'a> {
    epoch: Epoch<'a>,
    blocks_max: u64,
    shard: Shard,
    cursor: Cursor,
}

impl<'a> Epoch<'a> {
    /// Walks the epoch in mixes of up to `blocks_max` blocks, as one of the ranks that share it.
    ///
    /// # Errors
    /// [`Error::EmptyBlock`] without a block, [`Error::NoSuchRank`], and [`Error::TooLarge`] when the windows of a mix
    /// cannot be counted with 32 bits.
    pub fn mixed(self, blocks_max: u64, shard: Shard) -> Result<Mixes<'a>, Error> {
        if blocks_max == 0 {
            return Err(Error::EmptyBlock);
        }
        if shard.rank >= shard.world {
            return Err(Error::NoSuchRank { rank: shard.rank, world: shard.world });
        }
        if blocks_max.checked_mul(self.block_rows()).is_none_or(|rows| rows > u64::from(u32::MAX)) {
            return Err(Error::TooLarge { blocks: blocks_max, block_rows: self.block_rows() });
        }
        let start = self.cursor();
        let plan = order::key(&[start.plan, blocks_max, shard.rank, shard.world]);
        Ok(Mixes { cursor: Cursor { plan, ..start }, epoch: self, blocks_max, shard })
    }
}

impl Mixes<'_> {
    /// Goes to `cursor`, which may come from another process.
    ///
    /// # Errors
    /// [`Error::ForeignCursor`] when the cursor was not made by this very plan and rank.
    pub fn resume(mut self, cursor: Cursor) -> Result<Self, Error> {
        if cursor.plan != self.cursor.plan || cursor.seed != self.cursor.seed {
            return Err(Error::ForeignCursor);
        }
        self.epoch = self.epoch.at(cursor.epoch);
        self.cursor = cursor;
        Ok(self)
    }

    /// The place that the next mix starts at.
    #[must_use]
    pub const fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// Rows of a block, for [`Place::split`].
    #[must_use]
    pub fn block_rows(&self) -> u32 {
        u32::try_from(self.epoch.block_rows()).unwrap_or(u32::MAX)
    }

    /// The turns of this rank that mix `number` takes: 1, 2, 4 and so on, then always the most.
    fn turns(&self, number: u64) -> Range<u64> {
        let doublings = u64::from(self.blocks_max.ilog2()) + 1;
        let before = |number: u64| {
            let doubled = (1u64 << number.min(doublings)) - 1;
            doubled.saturating_add(number.saturating_sub(doublings).saturating_mul(self.blocks_max))
        };
        before(number)..before(number.saturating_add(1))
    }

    fn mix(&self, number: u64) -> Mix {
        let mut mix = Mix { blocks: Vec::new(), order: Vec::new(), cursor: self.cursor };
        let block_rows = self.block_rows();
        let place = |turn: u64| turn.saturating_mul(self.shard.world).saturating_add(self.shard.rank);
        // All at once: an order that grows would be in memory twice, which the budget does not know of.
        let count: u64 = self.turns(number).map_while(|turn| self.epoch.most_seen(place(turn))).sum();
        mix.order.reserve_exact(usize::try_from(count).unwrap_or(usize::MAX));
        for place in self.turns(number).map(place) {
            let Some(starts) = self.epoch.starts(place) else { break };
            let is_seen = |start: &u64| self.epoch.times(*start) > 0;
            let (Some(first), at) = (starts.clone().find(is_seen), mix.blocks.len() as u32) else { continue };
            let mut last = first;
            // Not a `for` loop: that would ask after every window whether its run ends.
            starts.for_each(|start| {
                let times = self.epoch.times(start);
                for _ in 0..times {
                    mix.order.push(Place(at * block_rows + (start - first) as u32));
                }
                last = if times > 0 { start } else { last };
            });
            mix.blocks.push(first..last + self.epoch.span());
        }
        if let Order::Shuffled { seed } = self.epoch.order() {
            let key = order::key(&[seed, self.cursor.epoch, number, self.shard.rank, 2]);
            order::shuffle(&mut mix.order, key);
        }
        mix
    }

    fn is_past(&self, number: u64) -> bool {
        let first = self.turns(number).start;
        first.saturating_mul(self.shard.world).saturating_add(self.shard.rank) >= self.epoch.blocks()
    }
}

impl Iterator for Mixes<'_> {
    type Item = Mix;

    fn next(&mut self) -> Option<Mix> {
        while !self.is_past(self.cursor.block) {
            let mut mix = self.mix(self.cursor.block);
            let done = usize::try_from(self.cursor.offset).unwrap_or(usize::MAX).min(mix.order.len());
            self.cursor = Cursor { block: self.cursor.block + 1, offset: 0, ..self.cursor };
            mix.order.drain(..done);
            if !mix.order.is_empty() {
                return Some(mix);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::windows::{Shape, Windows};
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

    fn starts(mixes: Mixes<'_>, span: u64) -> Vec<u64> {
        let block_rows = mixes.block_rows();
        let mut starts = Vec::new();
        for mix in mixes {
            for place in mix.order {
                let (block, row) = place.split(block_rows);
                let start = mix.blocks[block].start + row as u64;
                assert!(start + span <= mix.blocks[block].end);
                starts.push(start);
            }
        }
        starts
    }

    fn orders() -> impl Strategy<Value = Order> {
        prop_oneof![Just(Order::Sequential), any::<u64>().prop_map(|seed| Order::Shuffled { seed })]
    }

    proptest! {
        #[test]
        fn the_ranks_together_see_each_window_once(
            w in windows(), order in orders(), epoch: u64, block_rows in 1u64..100, most in 1u64..9, world in 1u64..5,
        ) {
            let mut all = Vec::new();
            for rank in 0..world {
                let mixes = w.epoch(order, epoch, block_rows).unwrap().mixed(most, Shard { rank, world }).unwrap();
                prop_assert!(mixes.clone().all(|mix| mix.blocks.len() as u64 <= most));
                all.extend(starts(mixes, w.shape().span()));
            }
            let expected: Vec<_> = (0..w.count()).map(|index| w.start(index).unwrap()).collect();
            if order == Order::Sequential && world == 1 {
                prop_assert_eq!(&all, &expected);
            }
            all.sort_unstable();
            prop_assert_eq!(all, expected);
        }

        #[test]
        fn resumes_at_any_window(
            w in windows(), order in orders(), epoch: u64, block_rows in 1u64..100, most in 1u64..9, cut in 0.0f64..1.0,
        ) {
            let mixes = |epoch| w.epoch(order, epoch, block_rows).unwrap().mixed(most, Shard::WHOLE).unwrap();
            let whole = starts(mixes(epoch), w.shape().span());
            let cut = (whole.len() as f64 * cut) as usize;
            let (mut walk, mut done) = (mixes(epoch), 0);
            let cursor = loop {
                let Some(mix) = walk.next() else { break walk.cursor() };
                if done + mix.order.len() > cut {
                    break mix.cursor.after((cut - done) as u64);
                }
                done += mix.order.len();
            };
            let cursor = Cursor::from_bytes(&cursor.to_bytes());
            let rest = starts(mixes(0).resume(cursor).unwrap(), w.shape().span());
            prop_assert_eq!(&rest[..], &whole[cut..]);
        }
    }

    #[test]
    fn what_cannot_be_shared_or_resumed() {
        let w = Windows::new(0..10_000, &[], Shape { length: 60, stride: 1, horizon: 1 }).unwrap();
        let epoch = || w.epoch(Order::Shuffled { seed: 1 }, 0, 1024).unwrap();
        let refused = epoch().mixed(4, Shard { rank: 2, world: 2 }).unwrap_err();
        assert_eq!(refused, Error::NoSuchRank { rank: 2, world: 2 });
        assert_eq!(epoch().mixed(0, Shard::WHOLE).unwrap_err(), Error::EmptyBlock);
        let refused = epoch().mixed(1 << 22, Shard::WHOLE).unwrap_err();
        assert_eq!(refused, Error::TooLarge { blocks: 1 << 22, block_rows: 1024 });
        let cursor = epoch().mixed(4, Shard { rank: 0, world: 2 }).unwrap().cursor();
        let other = epoch().mixed(4, Shard { rank: 1, world: 2 }).unwrap();
        assert_eq!(other.resume(cursor).unwrap_err(), Error::ForeignCursor);
    }

    #[test]
    fn a_mix_is_spread_over_its_blocks() {
        // With 8 blocks in a mix, neighbours in the order are of one block in one case of eight.
        let w = Windows::new(0..80_000, &[], Shape { length: 60, stride: 1, horizon: 0 }).unwrap();
        let epoch = w.epoch(Order::Shuffled { seed: 5 }, 0, 1000).unwrap();
        let last = epoch.mixed(8, Shard::WHOLE).unwrap().nth(5).unwrap();
        assert_eq!(last.blocks.len(), 8);
        let block = |place: &Place| place.split(1000).0;
        let same = last.order.windows(2).filter(|pair| block(&pair[0]) == block(&pair[1])).count();
        let share = same as f64 / last.order.len() as f64;
        assert!((share - 0.125).abs() < 0.02, "{share}");
    }
}
