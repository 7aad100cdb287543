//! What is to be done next: a state machine that is fed with what was done, and touches nothing.
//!
//! ```text
//! Plan -> Mix -> Decode (each block) -> Group -> Assemble (each batch) -> Slab -> the consumer
//! ```
//!
//! Blocks and slabs are lent out with the jobs and come back with their outcomes, so there are never more of them than
//! the schedule was given: that is the whole of admission. What leaves it leaves in the order of the epoch, whoever did
//! the work and whenever. Threads, locks and files are elsewhere (`worker.rs`); the tests below drive it by dice.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use super::memory::MIXES;
use crate::sampler::Mix;

/// The decoded rows of a mix.
#[derive(Debug)]
pub(super) struct Group<B> {
    /// Which windows are where.
    pub mix: Mix,
    /// The rows of each block.
    pub blocks: Vec<B>,
    /// Rows, as numbers of the table, that are not to be seen.
    pub hidden: Vec<Range<u64>>,
}

/// Windows of a batch that come from one group: places in its order.
#[derive(Debug)]
pub(super) struct Portion<B> {
    pub group: Arc<Group<B>>,
    pub range: Range<usize>,
}

/// Something to do.
#[derive(Debug)]
pub(super) enum Job<B, S> {
    /// Make the next mix.
    Plan,
    /// Fill `block` with `rows`; whether that is the only thing to be done until it is done.
    Decode { group: u64, number: usize, rows: Range<u64>, block: B, is_alone: bool },
    /// Gather windows, in order, into `slab`.
    Assemble { batch: u64, portions: Vec<Portion<B>>, slab: S },
}

/// What is given to the consumer.
#[derive(Debug)]
pub(super) enum Output<B, S, E> {
    /// A filled batch, and the windows planned before its end.
    Batch { slab: S, end: End },
    /// Windows to be looked at where they are.
    Portions { portions: Vec<Portion<B>>, end: End },
    /// Reading failed; nothing comes after it.
    Failed(E),
}

/// Where a batch ends: windows taken of the last mix it reaches into, which began at `cursor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub cursor: crate::sampler::Cursor,
}

/// A group whose blocks are being decoded.
struct Rising<B, E> {
    number: u64,
    mix: Mix,
    /// Blocks handed out so far.
    begun: usize,
    done: usize,
    blocks: Vec<Option<Result<B, E>>>,
    hidden: Vec<Range<u64>>,
}

/// A block that comes back, with the rows in it that are not to be seen, or with the reason why it is not filled.
pub(super) type Decoded<B, E> = Result<(B, Vec<Range<u64>>), (B, E)>;

/// The state of a stream with blocks `B`, slabs `S` and errors `E`.
pub(super) struct Schedule<B, S, E> {
    batch: usize,
    /// Whether batches are copied into slabs.
    copies: bool,
    blocks: Vec<B>,
    slabs: Vec<S>,
    slabs_in_all: usize,
    /// Slabs or batches of references that the consumer holds.
    held: usize,
    is_planning: bool,
    is_planned_out: bool,
    groups: u64,
    rising: Option<Rising<B, E>>,
    /// Decoded groups that still have windows to give, the first with how many it gave.
    ready: VecDeque<Result<Arc<Group<B>>, E>>,
    given: usize,
    /// The begin of a batch that waits for the next group.
    portions: Vec<Portion<B>>,
    gathered: usize,
    /// Number of the next batch to be begun, and of the next to be given out.
    next: u64,
    out: u64,
    done: BTreeMap<u64, Output<B, S, E>>,
    pending: BTreeMap<u64, End>,
    is_ended: bool,
}

/// What the consumer finds.
#[derive(Debug)]
pub(super) enum Poll<T> {
    Ready(T),
    /// Something is being worked at.
    Wait,
    /// Everything was given out.
    End,
    /// The consumer holds all there is, so nothing will come.
    Held(usize),
}

impl<B, S, E> Schedule<B, S, E> {
    /// A stream of batches of `batch` windows; without slabs windows are given out where they are.
    pub fn new(batch: usize, blocks: Vec<B>, slabs: Vec<S>) -> Self {
        let slabs_in_all = slabs.len();
        Self {
            batch,
            copies: !slabs.is_empty(),
            blocks,
            slabs,
            slabs_in_all,
            held: 0,
            is_planning: false,
            is_planned_out: false,
            groups: 0,
            rising: None,
            ready: VecDeque::new(),
            given: 0,
            portions: Vec::new(),
            gathered: 0,
            next: 0,
            out: 0,
            done: BTreeMap::new(),
            pending: BTreeMap::new(),
            is_ended: false,
        }
    }

    /// The next thing to do; `None` when there is nothing now.
    pub fn job(&mut self) -> Option<Job<B, S>> {
        if self.is_ended {
            return None;
        }
        if !self.is_planning && !self.is_planned_out && self.rising.is_none() && self.ready.len() <= 1 {
            self.is_planning = true;
            return Some(Job::Plan);
        }
        let (decode, assemble) = (self.can_decode(), self.copies && !self.slabs.is_empty());
        if assemble
            && !(decode && self.is_behind())
            && let Some((batch, portions)) = self.gather()
            && let Some(slab) = self.slabs.pop()
        {
            return Some(Job::Assemble { batch, portions, slab });
        }
        if decode { self.decode() } else { None }
    }

    fn can_decode(&self) -> bool {
        !self.blocks.is_empty()
            && self.rising.as_ref().is_some_and(|rising| rising.begun < rising.mix.blocks.len())
    }

    /// Whether the next group would not be there in time if batches went on first.
    fn is_behind(&self) -> bool {
        let (Some(rising), Some(Ok(now))) = (&self.rising, self.ready.front()) else { return true };
        rising.begun * now.mix.order.len() < self.given * rising.mix.blocks.len()
    }

    fn decode(&mut self) -> Option<Job<B, S>> {
        let rising = self.rising.as_mut()?;
        let rows = rising.mix.blocks.get(rising.begun)?.clone();
        let block = self.blocks.pop()?;
        rising.begun += 1;
        let is_alone = rising.mix.blocks.len() == 1 && self.ready.is_empty();
        Some(Job::Decode { group: rising.number, number: rising.begun - 1, rows, block, is_alone })
    }

    /// The windows of the next batch, once they are all decoded, or all that are left.
    fn gather(&mut self) -> Option<(u64, Vec<Portion<B>>)> {
        // Not over more groups than have memory at once.
        while self.gathered < self.batch && self.portions.len() < MIXES as usize {
            let Some(Ok(group)) = self.ready.front() else { break };
            let count = (self.batch - self.gathered).min(group.mix.order.len() - self.given);
            self.portions.push(Portion { group: Arc::clone(group), range: self.given..self.given + count });
            (self.gathered, self.given) = (self.gathered + count, self.given + count);
            if self.given == group.mix.order.len() {
                // Its memory is in use until the portions come back.
                self.ready.pop_front();
                self.given = 0;
            }
        }
        let is_last = match self.ready.front() {
            Some(Err(_)) => true,
            Some(Ok(_)) => false,
            None => self.is_planned_out && self.rising.is_none(),
        };
        let is_full = self.gathered == self.batch || self.portions.len() == MIXES as usize;
        if self.gathered == 0 || !is_full && !is_last {
            return None;
        }
        let last = self.portions.last()?;
        let end = End { cursor: last.group.mix.cursor.after(last.range.end as u64) };
        let batch = self.next;
        self.next += 1;
        self.gathered = 0;
        self.pending.insert(batch, end);
        Some((batch, std::mem::take(&mut self.portions)))
    }

    /// A mix was made, or there is none any more.
    pub fn planned(&mut self, mix: Option<Mix>) {
        self.is_planning = false;
        let Some(mix) = mix else {
            self.is_planned_out = true;
            return;
        };
        let blocks = mix.blocks.iter().map(|_| None).collect();
        let number = self.groups;
        self.groups += 1;
        self.rising = Some(Rising { number, mix, begun: 0, done: 0, blocks, hidden: Vec::new() });
    }

    /// A block was decoded; rows `hidden` in it are not to be seen. A block that failed comes back all the same.
    pub fn decoded(&mut self, group: u64, number: usize, outcome: Decoded<B, E>) {
        let Some(rising) = self.rising.as_mut().filter(|rising| rising.number == group) else { return };
        let outcome = match outcome {
            Ok((block, hidden)) => {
                rising.hidden.extend(hidden);
                Ok(block)
            }
            Err((block, error)) => {
                self.blocks.push(block);
                Err(error)
            }
        };
        if let Some(slot) = rising.blocks.get_mut(number) {
            *slot = Some(outcome);
            rising.done += 1;
        }
        if rising.done == rising.mix.blocks.len()
            && let Some(Rising { mix, blocks, hidden, .. }) = self.rising.take()
        {
            let (mut whole, mut failed) = (Vec::new(), None);
            for block in blocks.into_iter().flatten() {
                match block {
                    Ok(block) => whole.push(block),
                    // Of several the one that comes first in the order, at any number of threads.
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
            if let Some(error) = failed {
                self.blocks.append(&mut whole);
                self.is_planned_out = true;
                self.ready.push_back(Err(error));
            } else {
                self.ready.push_back(Ok(Arc::new(Group { mix, blocks: whole, hidden })));
            }
        }
    }

    /// A batch was gathered, or could not be; its slab comes back all the same.
    pub fn assembled(&mut self, batch: u64, portions: Vec<Portion<B>>, slab: S, outcome: Result<(), E>) {
        portions.into_iter().for_each(|portion| self.release(portion));
        let Some(end) = self.pending.remove(&batch) else { return };
        let output = match outcome {
            Ok(()) => Output::Batch { slab, end },
            Err(error) => {
                self.slabs.push(slab);
                Output::Failed(error)
            }
        };
        self.done.insert(batch, output);
    }

    /// The next output for the consumer.
    pub fn poll(&mut self) -> Poll<Output<B, S, E>> {
        if !self.copies
            && let Some((batch, portions)) = self.gather()
            && let Some(end) = self.pending.remove(&batch)
        {
            self.done.insert(batch, Output::Portions { portions, end });
        }
        if let Some(output) = self.done.remove(&self.out) {
            self.out += 1;
            match output {
                Output::Failed(_) => self.is_ended = true,
                _ => self.held += 1,
            }
            return Poll::Ready(output);
        }
        let is_all_out = self.out == self.next && self.gathered == 0;
        if is_all_out && matches!(self.ready.front(), Some(Err(_))) {
            self.is_ended = true;
            if let Some(Err(error)) = self.ready.pop_front() {
                return Poll::Ready(Output::Failed(error));
            }
        }
        if self.is_ended
            || is_all_out && self.is_planned_out && self.rising.is_none() && self.ready.is_empty()
        {
            return Poll::End;
        }
        let is_stuck = if self.copies {
            self.held == self.slabs_in_all
        } else {
            // Without a free block nothing can be decoded, and only the consumer has blocks to give back.
            let is_waiting = self.rising.as_ref().is_some_and(|rising| rising.begun == rising.done);
            self.held > 0
                && self.blocks.is_empty()
                && is_waiting
                && !matches!(self.ready.front(), Some(Ok(_)))
        };
        if is_stuck { Poll::Held(self.held) } else { Poll::Wait }
    }

    /// Outputs that are ready.
    pub fn waiting(&self) -> usize {
        self.done.len()
    }

    /// The consumer gives a slab back.
    pub fn returned(&mut self, slab: S) {
        self.held = self.held.saturating_sub(1);
        self.slabs.push(slab);
    }

    /// The consumer gives windows back.
    pub fn unreferenced(&mut self, portions: Vec<Portion<B>>) {
        self.held = self.held.saturating_sub(1);
        portions.into_iter().for_each(|portion| self.release(portion));
    }

    /// Takes back the blocks of a group that nobody uses any more.
    fn release(&mut self, portion: Portion<B>) {
        if let Some(group) = Arc::into_inner(portion.group) {
            self.blocks.extend(group.blocks);
        }
    }

    /// Ends the stream; jobs that are under way come back still.
    pub fn stop(&mut self) {
        self.is_ended = true;
    }

    /// The blocks and slabs that are not lent out.
    pub fn take(&mut self) -> (Vec<B>, Vec<S>) {
        std::mem::take(&mut self.portions).into_iter().for_each(|portion| self.release(portion));
        for group in std::mem::take(&mut self.ready).into_iter().flatten() {
            self.release(Portion { group, range: 0..0 });
        }
        let blocks = self.rising.take().into_iter().flat_map(|rising| rising.blocks);
        self.blocks.extend(blocks.flatten().flatten());
        for output in std::mem::take(&mut self.done).into_values() {
            match output {
                Output::Batch { slab, .. } => self.slabs.push(slab),
                Output::Portions { portions, .. } => {
                    portions.into_iter().for_each(|portion| self.release(portion));
                }
                Output::Failed(_) => {}
            }
        }
        (std::mem::take(&mut self.blocks), std::mem::take(&mut self.slabs))
    }

    /// Whether nothing will ever be done again.
    pub const fn is_over(&self) -> bool {
        self.is_ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampler::{Order, Shape, Shard, Windows};
    use proptest::prelude::*;

    /// What a batch of the model is: the windows' start rows.
    type Found = Vec<u64>;

    fn rows(portions: &[Portion<Range<u64>>], block_rows: u32) -> Found {
        let mut starts = Vec::new();
        for Portion { group, range } in portions {
            for place in &group.mix.order[range.clone()] {
                let (block, row) = place.split(block_rows);
                assert_eq!(group.blocks[block], group.mix.blocks[block], "the block holds other rows");
                starts.push(group.blocks[block].start + row as u64);
            }
        }
        starts
    }

    proptest! {
        // Jobs end in an order that dice choose, the consumer gives back when dice say so; a block may be broken.
        #[test]
        fn any_timing_gives_one_order(
            (len, block_rows, most, batch) in (70u64..900, 10u64..90, 1u64..6, 1usize..70),
            (threads, slabs, copies) in (1usize..5, 1usize..4, any::<bool>()),
            broken in proptest::option::of(0u64..900), dice in proptest::collection::vec(any::<u8>(), 64),
        ) {
            let shape = Shape { length: 5, stride: 1, horizon: 1 };
            let w = Windows::new(0..len, &[31, 64], shape).unwrap();
            let epoch = || w.epoch(Order::Shuffled { seed: 9 }, 3, block_rows).unwrap().mixed(most, Shard::WHOLE).unwrap();
            let mut mixes = epoch();
            let block_rows = mixes.block_rows();
            let mut expected = Vec::new();
            let mut fails = false;
            for mix in epoch() {
                if broken.is_some_and(|row| mix.blocks.iter().any(|rows| rows.contains(&row))) {
                    fails = true;
                    break;
                }
                expected.extend(mix.order.iter().map(|place| {
                    let (block, row) = place.split(block_rows);
                    mix.blocks[block].start + row as u64
                }));
            }
            let slabs = if copies { vec![Vec::new(); slabs] } else { Vec::new() };
            let slabs_in_all = slabs.len();
            let blocks = vec![0..0; 2 * most as usize];
            let mut schedule: Schedule<Range<u64>, Found, u64> = Schedule::new(batch, blocks, slabs);
            let (mut running, mut held, mut found) = (Vec::new(), Vec::new(), Vec::new());
            let (mut step, mut ended, mut idle) = (0usize, false, 0);
            let mut throw = || { step += 1; usize::from(dice[step % 64]) + step / 64 };
            while !ended {
                while running.len() < threads && let Some(job) = schedule.job() {
                    running.push(job);
                }
                if !running.is_empty() && throw() % 3 > 0 {
                    let at = throw() % running.len();
                    match running.swap_remove(at) {
                        Job::Plan => schedule.planned(mixes.next()),
                        Job::Decode { group, number, rows, .. } => {
                            let outcome = match broken.filter(|row| rows.contains(row)) {
                                Some(row) => Err((rows, row)),
                                None => Ok((rows, Vec::new())),
                            };
                            schedule.decoded(group, number, outcome);
                        }
                        Job::Assemble { batch, portions, .. } => {
                            let slab = rows(&portions, block_rows);
                            schedule.assembled(batch, portions, slab, Ok(()));
                        }
                    }
                }
                if throw() % 2 == 0 && !held.is_empty() {
                    match held.swap_remove(throw() % held.len()) {
                        Output::Batch { slab, .. } => schedule.returned(slab),
                        Output::Portions { portions, .. } => schedule.unreferenced(portions),
                        Output::Failed(_) => {}
                    }
                }
                idle = if running.is_empty() && held.is_empty() { idle + 1 } else { 0 };
                prop_assert!(idle < 1000, "nothing runs and nothing comes");
                match schedule.poll() {
                    Poll::Ready(Output::Failed(_)) => {
                        prop_assert!(fails);
                        fails = false;
                    }
                    Poll::Ready(output) => {
                        let starts = match &output {
                            Output::Batch { slab, .. } => slab.clone(),
                            Output::Portions { portions, .. } => rows(portions, block_rows),
                            Output::Failed(_) => Vec::new(),
                        };
                        found.push(starts);
                        held.push(output);
                    }
                    Poll::Wait => {}
                    Poll::Held(count) => prop_assert_eq!(count, held.len()),
                    Poll::End => ended = true,
                }
            }
            prop_assert!(!fails, "the error did not come out");
            prop_assert_eq!(found.concat(), expected);
            // Batches are whole while their windows lie in two mixes.
            let lengths: Vec<usize> = found.iter().map(Vec::len).collect();
            let mut cut = Vec::new();
            let (mut have, mut mixes) = (0, 0);
            for mix in epoch() {
                if broken.is_some_and(|row| mix.blocks.iter().any(|rows| rows.contains(&row))) {
                    break;
                }
                let mut rest = mix.order.len();
                while rest > 0 {
                    let count = rest.min(batch - have);
                    (have, rest, mixes) = (have + count, rest - count, mixes + 1);
                    if have == batch || mixes == 2 {
                        cut.push(std::mem::take(&mut have));
                        mixes = 0;
                    }
                }
            }
            cut.extend((have > 0).then_some(have));
            prop_assert_eq!(lengths, cut);
            let (blocks, slabs) = schedule.take();
            for output in held {
                match output {
                    Output::Batch { slab, .. } => schedule.returned(slab),
                    Output::Portions { portions, .. } => schedule.unreferenced(portions),
                    Output::Failed(_) => {}
                }
            }
            let (later_blocks, later_slabs) = schedule.take();
            prop_assert_eq!(blocks.len() + later_blocks.len(), 2 * most as usize, "blocks were lost");
            prop_assert_eq!(slabs.len() + later_slabs.len(), slabs_in_all, "slabs were lost");
        }
    }
}
