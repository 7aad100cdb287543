//! The threads of one stream: what they share, and how one waits for the others.
//!
//! Every thread has a seat and computes its share of each layer's units. The caller's thread has seat 0; it gives orders, and
//! all threads then do the same steps. Where they need each other's results they *exchange*: each puts its own into its
//! mailbox and takes those of all others, so that each has a private copy.
//!
//! No mailbox is overwritten too early. Who has taken turn n + 1 of everybody knows that everybody had taken turn n before,
//! since a thread puts n + 1 after it took n; so it may put n + 2. An order without an exchange gives no such sign:
//! the caller keeps at most two orders ahead of what it knows to be taken, and else looks at the counters in `done`.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use diapason_buffer::buffer::OutOfMemory;

use super::mailbox::Mailbox;

/// How a thread waits for the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Wait {
    /// It looks again and again: the shortest wait, without a system call, for cores that have nothing else to do. They are
    /// at work all the time.
    #[default]
    Spin,
    /// It sleeps between ticks, and lets others run where a wait within a tick gets long. Waking a thread costs the caller a
    /// system call and some microseconds.
    Park,
}

/// Looks between two glances at whether the stream ended: it ends once, and a wait is short.
const GLANCE: u32 = 256;
/// Looks without a pause; about a microsecond.
const EAGER: u32 = 2000;

/// Another thread of the stream has ended, or the stream itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ended;

/// A counter on a line of its own.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Counter(AtomicU64);

/// What all threads of a stream see.
#[derive(Debug)]
pub(super) struct Shared {
    /// The units of each seat, in order.
    shares: Vec<Range<usize>>,
    /// From each seat to all others.
    results: Vec<Mailbox>,
    /// From seat 0 to all others: what to do, and the row of a tick.
    orders: Mailbox,
    rows: Mailbox,
    /// Orders done by each seat.
    done: Vec<Counter>,
    ended: AtomicBool,
    wait: Wait,
    /// States on their way to a snapshot and back.
    saved: Mutex<Saved>,
}

/// The state of an instance: its ticks, and `[layers, 2, rows, units]` values, hidden before cell.
#[derive(Debug, Default)]
pub(super) struct Saved {
    pub ticks: u64,
    pub values: Vec<f32>,
}

/// One wait, and how long it has been.
pub(super) struct Patience<'a> {
    shared: &'a Shared,
    looks: u32,
}

impl Patience<'_> {
    /// Waits a moment; `false` once the stream ended.
    pub fn go_on(&mut self) -> bool {
        self.looks = self.looks.saturating_add(1);
        if self.looks.is_multiple_of(GLANCE) && self.shared.has_ended() {
            return false;
        }
        if self.looks > EAGER {
            match self.shared.wait {
                Wait::Spin => std::hint::spin_loop(),
                Wait::Park => std::thread::yield_now(),
            }
        }
        true
    }

    /// The same for a worker that waits for its next order, which may be long in coming.
    pub fn rest(&mut self) -> bool {
        self.looks = self.looks.saturating_add(1);
        if (self.looks > EAGER || self.looks.is_multiple_of(GLANCE)) && self.shared.has_ended() {
            return false;
        }
        if self.looks > EAGER {
            match self.shared.wait {
                Wait::Spin => std::hint::spin_loop(),
                // Whoever puts an order, or ends the stream, unparks after it; that is not lost where it comes first.
                Wait::Park => std::thread::park(),
            }
        }
        true
    }
}

impl Shared {
    /// For shares of a layer's units, results of at most `rows` rows, and rows of `input` features.
    pub fn new(
        shares: Vec<Range<usize>>,
        (rows, input): (usize, usize),
        wait: Wait,
    ) -> Result<Self, OutOfMemory> {
        let results = |share: &Range<usize>| Mailbox::new(rows.saturating_mul(share.len()));
        Ok(Self {
            results: shares.iter().map(results).collect::<Result<_, _>>()?,
            orders: Mailbox::new(1)?,
            rows: Mailbox::new(input)?,
            done: shares.iter().map(|_| Counter::default()).collect(),
            shares,
            ended: AtomicBool::new(false),
            wait,
            saved: Mutex::default(),
        })
    }

    pub fn patience(&self) -> Patience<'_> {
        Patience { shared: self, looks: 0 }
    }

    pub fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    pub const fn parks(&self) -> bool {
        matches!(self.wait, Wait::Park)
    }

    pub fn share(&self, seat: usize) -> Range<usize> {
        self.shares[seat].clone()
    }

    pub fn saved(&self) -> MutexGuard<'_, Saved> {
        self.saved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an order, with the row that belongs to a tick; the one but last must be taken.
    pub fn put_order(&self, number: u64, order: u64, row: Option<&[f32]>) {
        self.orders.put_word(number, order);
        if let Some(row) = row {
            self.rows.put(number, row);
        }
    }

    /// The next order, or `None` when the stream ended.
    pub fn take_order(&self, number: u64) -> Option<u64> {
        let mut patience = self.patience();
        self.orders.take_word(number, &mut || patience.rest())
    }

    pub fn take_row(&self, number: u64, row: &mut [f32]) -> Result<(), Ended> {
        let mut patience = self.patience();
        if self.rows.take(number, row, &mut || patience.go_on()) { Ok(()) } else { Err(Ended) }
    }

    /// Says that a seat has done an order.
    pub fn tell(&self, seat: usize, number: u64) {
        self.done[seat].0.store(number, Ordering::Release);
    }

    /// Waits until all workers have done an order.
    pub fn all_done(&self, number: u64) -> Result<(), Ended> {
        let mut patience = self.patience();
        for done in &self.done[1..] {
            while done.0.load(Ordering::Acquire) < number {
                if !patience.go_on() {
                    return Err(Ended);
                }
            }
        }
        Ok(())
    }
}

/// One thread's place.
#[derive(Debug)]
pub(super) struct Seat {
    pub shared: Arc<Shared>,
    pub index: usize,
    /// Exchanges so far.
    pub turn: u64,
}

impl Seat {
    pub fn new(shared: Arc<Shared>, index: usize) -> Self {
        Self { shared, index, turn: 0 }
    }

    /// Gives the own units of one row `[units]` to all others, and takes theirs.
    pub fn exchange(&mut self, row: &mut [f32]) -> Result<(), Ended> {
        self.turn += 1;
        let Shared { shares, results, .. } = &*self.shared;
        results[self.index].put(self.turn, &row[shares[self.index].clone()]);
        let mut patience = self.shared.patience();
        for (other, (share, result)) in shares.iter().zip(results).enumerate() {
            let to = &mut row[share.clone()];
            if other != self.index && !result.take(self.turn, to, &mut || patience.go_on()) {
                return Err(Ended);
            }
        }
        Ok(())
    }

    /// The same for many rows: the own units of each, one row after the other in `own`, and room for theirs in `others`.
    pub fn exchange_rows(
        &mut self,
        rows: usize,
        own: &[f32],
        others: &mut [f32],
        all: &mut [f32],
    ) -> Result<(), Ended> {
        self.turn += 1;
        let Shared { shares, results, .. } = &*self.shared;
        let units = shares[0].end;
        let mut spread = |share: &Range<usize>, from: &[f32]| {
            for (row, from) in all.chunks_exact_mut(units).zip(from.chunks_exact(share.len())) {
                row[share.clone()].copy_from_slice(from);
            }
        };
        let own = &own[..rows * shares[self.index].len()];
        results[self.index].put(self.turn, own);
        spread(&shares[self.index], own);
        let mut patience = self.shared.patience();
        for (other, (share, result)) in shares.iter().zip(results).enumerate() {
            if other != self.index {
                let to = &mut others[..rows * share.len()];
                if !result.take(self.turn, to, &mut || patience.go_on()) {
                    return Err(Ended);
                }
                spread(share, to);
            }
        }
        Ok(())
    }
}

/// Divides groups of units among seats. The first seat, that of the caller's thread, which starts earliest, has the last
/// units: with a tail these are a small group, and it comes on top of an equal share. Groups that are left over go to the
/// first seats, or to the last ones where the first has a tail.
pub(super) fn shares(groups: usize, group: usize, (seats, tail): (usize, bool)) -> Vec<Range<usize>> {
    let whole = groups - usize::from(tail);
    let mut end = groups * group;
    let share = |seat| {
        let more = if tail { seat >= seats - whole % seats } else { seat < whole % seats };
        let count = whole / seats + usize::from(more) + usize::from(tail && seat == 0);
        let share = end - count * group..end;
        end = share.start;
        share
    };
    (0..seats).map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_cover_all_units_once() {
        for groups in 1..20 {
            for (seats, tail) in (1..=groups).flat_map(|seats| [(seats, false), (seats, true)]) {
                let shares = shares(groups, 16, (seats, tail));
                assert_eq!((shares.len(), shares[0].end, shares[seats - 1].start), (seats, 16 * groups, 0));
                assert!(shares.windows(2).all(|two| two[0].start == two[1].end));
                assert!(shares.iter().all(|share| !share.is_empty()), "{groups} groups, {seats} seats");
            }
        }
        assert_eq!(shares(7, 16, (2, true)), [48..112, 0..48]);
        assert_eq!(shares(8, 16, (2, true)), [64..128, 0..64]);
        assert_eq!(shares(7, 16, (2, false)), [48..112, 0..48]);
    }

    /// Threads without a core of their own, more of them than most machines of tests have cores.
    #[test]
    fn everybody_gets_everything_of_every_turn() {
        for wait in [Wait::Park, Wait::Spin] {
            let seats = if wait == Wait::Park { 5 } else { 2 };
            let rounds = if wait == Wait::Park { 2000 } else { 200 };
            let shared = Arc::new(Shared::new(shares(7, 16, (seats, false)), (3, 1), wait).unwrap());
            let value = |turn: u64, unit: usize| (turn * 1000) as f32 + unit as f32;
            let work = |index| {
                let mut seat = Seat::new(Arc::clone(&shared), index);
                let share = shared.share(index);
                let (mut row, mut all) = (vec![0.0; 112], vec![0.0; 3 * 112]);
                let mut others = vec![0.0; 3 * 112];
                for _ in 0..rounds {
                    let turn = seat.turn + 1;
                    for unit in share.clone() {
                        row[unit] = value(turn, unit);
                    }
                    seat.exchange(&mut row).unwrap();
                    assert!(row.iter().enumerate().all(|(unit, &x)| x == value(turn, unit)));
                    let turn = turn + 1;
                    let own =
                        |at: usize| value(turn, at / share.len() * 200 + share.start + at % share.len());
                    let own: Vec<f32> = (0..3 * share.len()).map(own).collect();
                    seat.exchange_rows(3, &own, &mut others, &mut all).unwrap();
                    assert!((0..336).all(|at| all[at] == value(turn, at / 112 * 200 + at % 112)));
                }
            };
            std::thread::scope(|scope| (0..seats).for_each(|index| drop(scope.spawn(move || work(index)))));
        }
    }

    #[test]
    fn nobody_waits_for_a_seat_that_ended() {
        let shared = Arc::new(Shared::new(shares(2, 16, (2, false)), (1, 1), Wait::Spin).unwrap());
        let mut seat = Seat::new(Arc::clone(&shared), 0);
        shared.end();
        assert_eq!(seat.exchange(&mut [0.0; 32]), Err(Ended));
        assert_eq!(shared.take_order(1), None);
        assert_eq!(shared.take_row(1, &mut [0.0]), Err(Ended));
        assert_eq!(shared.all_done(1), Err(Ended));
    }
}
