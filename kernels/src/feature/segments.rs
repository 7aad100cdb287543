//! One long series as a panel of its own segments: sixteen places of a vector register, sixteen stretches of time.
//!
//! ```text
//!     rows  [ one by one | segment 0 | segment 1 | ... | segment 15 | one by one ]
//!                    [warm-up, hidden]                                                segment 0 from the initial state
//!                            [warm-up, hidden]                                        segment 1 from the initial state
//! ```
//!
//! **Speculate, then compare.** A segment starts from the initial state some rows before its first, as many as the
//! operations of the plan need to forget what was before ([`Op::forgets`](crate::feature::op::Op::forgets), added up along the
//! deepest path). The state in which its warm-up ends is compared with the state in which the rows before really end: by
//! rows taken one by one for the first segment, by the segment before for the others. Where all bits are equal, the rows of the
//! segment are those that a stream gives, by construction and not by argument. Where they are not, the segment is
//! computed again row by row from the true state; where that happens often, the rest is. So the bits of a batch never depend
//! on this module, nor on the number of threads.
//!
//! Operations over windows take their rows in blocks counted from the first row of the stream, so segments begin at multiples of
//! all their lengths. Plans that never forget (a balance since the first row), that forget late for the rows given, or whose
//! windows have no small common multiple run one by one.
//!
//! Sixteen segments gain where a group is in registers, with AVX-512, and where rows wait for the rows before them.
//!
//! Tried and refused: writing the rows of a tile a few runs after each node, so that writing and computing overlap (lines that
//! leave past the caches between other stores leave in parts: a sixth slower); asking for lines in runs of eight (no gain);
//! four segments in turn, each block along its rows and only their averages in one loop, for plans that wait little (the waiting
//! went, from four cycles a row to one, but so many runs to read and write cost as much: `atr` 2.5 ms instead of 2.2).

mod lap;

use std::num::NonZero;
use std::sync::Mutex;

use ndarray::{ArrayViewMut2, Axis};

use crate::feature::destination::{Cell, Destination};
use crate::feature::graph::Node;
use crate::feature::loops::Loops;
use crate::feature::program::Program;
use crate::feature::value::{Group, WIDTH};
use lap::Lap;

/// Rows of a segment that cost less than cutting does.
pub(crate) const SEGMENT_ROWS_MIN: usize = 256;
/// More rows of a segment gain nothing, and are lost where a comparison fails.
const SEGMENT_ROWS_MAX: usize = 1 << 17;
/// The rows that begin a line in every column of `f64`.
const LINE_ROWS: usize = 8;
/// Bytes written by one call that are better sent past the caches. Two hundred runs at a time keep the last-level cache
/// from taking them as fast as memory does: even 8 MiB, which would fit, took two thirds of the time (one run, Zen 4).
const PAST_CACHES_BYTES_MIN: usize = 4 << 20;
/// One in so many segments may be computed again before the rest runs one by one.
const REPAIRED_SHARE: usize = 4;

/// How rows are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// The row at which the first segment begins.
    pub first: usize,
    pub warm_up: usize,
    /// Rows of a segment.
    pub rows: usize,
    /// Groups of sixteen segments, one after the other.
    pub laps: usize,
}

impl Cut {
    /// For the next `rows` of a stream that has `seen` some; none where one by one is as good. Segments have at least
    /// `rows_min` rows.
    pub(crate) fn new(
        program: &Program,
        loops: Loops,
        (seen, rows): (u64, usize),
        threads: NonZero<usize>,
        rows_min: usize,
    ) -> Option<Self> {
        if rows / WIDTH < rows_min || !loops.has_registers() || (threads.get() == 1 && !waits(program)) {
            return None;
        }
        let blocks = program.nodes.iter().try_fold(LINE_ROWS, |all, node| {
            let multiple = least_common_multiple(all, node.op.phases());
            (multiple <= rows / WIDTH).then_some(multiple)
        })?;
        let warm_up = remembered(program).filter(|memory| *memory <= rows)?.next_multiple_of(blocks);
        let phase = usize::try_from(seen % blocks as u64).unwrap_or(0);
        let first = (warm_up + phase).next_multiple_of(blocks) - phase;
        let left = rows.checked_sub(first)?;
        let laps = left.div_ceil(WIDTH * SEGMENT_ROWS_MAX).max(1).next_multiple_of(threads.get().min(rows));
        let rows = apart(left / (WIDTH * laps) / blocks, blocks)?;
        (rows >= rows_min && rows >= 2 * warm_up).then_some(Self { first, warm_up, rows, laps })
    }

    /// The rows of a segment, counted through all laps.
    pub(crate) fn segment(&self, number: usize) -> (usize, usize) {
        let start = self.first + number * self.rows;
        (start, start + self.rows)
    }
}

/// `number` times `unit` rows, or a little fewer, so that sixteen such distances fall on sixteen sets of a cache.
fn apart(number: usize, unit: usize) -> Option<usize> {
    const SPREAD_LINES: usize = 8;
    let is_spread = |rows: &usize| !(rows / LINE_ROWS).is_multiple_of(SPREAD_LINES);
    let candidates = || (1..=number).rev().take(SPREAD_LINES).map(|number| number * unit);
    candidates().find(is_spread).or_else(|| candidates().next())
}

/// Whether rows wait for the rows before them often enough. Where they hardly do, one by one runs at the speed of memory already,
/// and sixteen runs of each column are slower to read than one: an average of one column takes half the time in segments, the
/// average of the true range, which reads three columns, as long as before (Zen 4).
fn waits(program: &Program) -> bool {
    let waiting = program.waiting();
    waiting > 0 && 2 * waiting >= program.columns.len()
}

/// Rows after which every node has most likely forgotten.
fn remembered(program: &Program) -> Option<usize> {
    let mut rows = vec![0; program.registers];
    for Node { op, inputs, arity, out, .. } in &program.nodes {
        let before = inputs[..*arity].iter().map(|input| rows[*input]).max().unwrap_or(0);
        rows[*out..out + op.outputs()].fill(op.forgets()?.saturating_add(before));
    }
    rows.into_iter().max()
}

fn least_common_multiple(a: usize, b: usize) -> usize {
    let (mut divisor, mut rest) = (a, b);
    while rest > 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    (a / divisor.max(1)).saturating_mul(b)
}

/// The states of sixteen segments: after their warm-up, and after their last row.
struct Run {
    joint: Vec<Group<f64>>,
    end: Vec<Group<f64>>,
}

/// A series that is cut.
pub(crate) struct Segments<'a, F> {
    pub program: &'a Program,
    pub loops: Loops,
    pub threads: NonZero<usize>,
    pub columns: &'a [&'a [f64]],
    pub convert: &'a F,
}

impl<F> Segments<'_, F> {
    /// Advances `state` over the segments of `cut`, of which `state` stands before the first, and writes them to
    /// `out[row, output]`, which holds all rows. Returns the row reached.
    pub(crate) fn run<T: Cell>(
        &self,
        cut: Cut,
        state: &mut [f64],
        mut out: ArrayViewMut2<'_, T>,
        mut one_by_one: impl FnMut(&mut [f64], (usize, usize), ArrayViewMut2<'_, T>),
    ) -> usize
    where
        F: Fn(usize, f64) -> T + Sync,
    {
        let mut lap = 0;
        while lap < cut.laps {
            let laps = lap..cut.laps.min(lap.saturating_add(self.threads.get()));
            let (from, to) = (cut.segment(lap * WIDTH).0, cut.segment(laps.end * WIDTH).0);
            let (_, tail) = out.view_mut().split_at(Axis(0), from);
            let (target, _) = tail.split_at(Axis(0), to - from);
            let runs = self.side_by_side(cut, lap, target);
            let mut repaired = 0;
            for (number, (run, place)) in
                runs.iter().flat_map(|run| (0..WIDTH).map(move |place| (run, place))).enumerate()
            {
                if self.is_same(state, &run.joint, place) {
                    state.iter_mut().zip(&run.end).for_each(|(slot, group)| *slot = group.0[place]);
                    continue;
                }
                let (from, to) = cut.segment(lap * WIDTH + number);
                let (_, tail) = out.view_mut().split_at(Axis(0), from);
                one_by_one(state, (from, to), tail.split_at(Axis(0), to - from).0);
                repaired += 1;
            }
            lap = laps.end;
            if repaired * REPAIRED_SHARE > runs.len() * WIDTH {
                break;
            }
        }
        cut.segment(lap * WIDTH).0
    }

    /// The laps of `target` from number `first` on, each on a thread of its own where there are several.
    fn side_by_side<T: Cell>(&self, cut: Cut, first: usize, target: ArrayViewMut2<'_, T>) -> Vec<Run>
    where
        F: Fn(usize, f64) -> T + Sync,
    {
        let past = size_of::<T>() * target.len() >= PAST_CACHES_BYTES_MIN;
        let (mut work, mut rest) = (Vec::new(), target);
        while rest.dim().0 > 0 {
            let (lap, later) = rest.split_at(Axis(0), WIDTH * cut.rows);
            work.push((first + work.len(), lap));
            rest = later;
        }
        let threads = work.len();
        let (work, runs) = (Mutex::new(work), Mutex::new(Vec::new()));
        let labour = || {
            while let Some((lap, out)) = locked(&work, Vec::pop) {
                let run = self.lap(cut, lap, out, past);
                locked(&runs, |runs| runs.push((lap, run)));
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..threads {
                // Where a thread cannot be had, this one does its work.
                let named = std::thread::Builder::new().name("diapason-segments".to_owned());
                if named.spawn_scoped(scope, labour).is_err() {
                    break;
                }
            }
            labour();
        });
        let mut runs = locked(&runs, std::mem::take);
        runs.sort_unstable_by_key(|(lap, _)| *lap);
        runs.into_iter().map(|(_, run)| run).collect()
    }

    fn lap<T: Cell>(&self, cut: Cut, lap: usize, out: ArrayViewMut2<'_, T>, past: bool) -> Run
    where
        F: Fn(usize, f64) -> T,
    {
        let segment = |column: &[f64], place: usize| {
            let (from, to) = cut.segment(lap * WIDTH + place);
            from - cut.warm_up..to.min(column.len())
        };
        let columns: Vec<[&[f64]; WIDTH]> = self
            .columns
            .iter()
            .map(|column| std::array::from_fn(|place| &column[segment(column, place)]))
            .collect();
        let (mut targets, mut rest) = (Vec::with_capacity(WIDTH), out);
        while rest.dim().0 > 0 {
            let (target, later) = rest.split_at(Axis(0), cut.rows);
            targets.push(Destination::new(target));
            rest = later;
        }
        let mut end = self.program.initial_state::<Group<f64>>();
        let mut joint = end.clone();
        self.loops.wide(Lap {
            program: self.program,
            columns: &columns,
            warm_up: cut.warm_up,
            rows: cut.rows,
            state: &mut end,
            joint: &mut joint,
            out: &mut targets,
            past,
            convert: self.convert,
        });
        Run { joint, end }
    }

    /// Whether a state is that of a place of a group.
    fn is_same(&self, state: &[f64], group: &[Group<f64>], place: usize) -> bool {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        self.program.nodes.iter().all(|node| {
            let numbers = node.state..node.state + node.op.state_len();
            ours.clear();
            theirs.clear();
            ours.extend_from_slice(&state[numbers.clone()]);
            theirs.extend(group[numbers].iter().map(|group| group.0[place]));
            node.op.settle(&mut ours);
            node.op.settle(&mut theirs);
            // NaN may have any bits within a plan.
            ours.iter().zip(&theirs).all(|(a, b)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()))
        })
    }
}

/// What `work` makes of what a mutex holds; a thread that panicked held none for long.
fn locked<T, R>(mutex: &Mutex<T>, work: impl FnOnce(&mut T) -> R) -> R {
    work(&mut mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
}

#[cfg(test)]
mod tests;
