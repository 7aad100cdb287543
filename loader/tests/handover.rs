//! The hand-over between the threads of a stream and its consumer, in the orders of execution that loom finds.
//!
//! `handover.rs`, `schedule.rs` and `tally.rs` are the product's own files, the first with loom's locks in the place of the standard
//! library's. A wait that nobody ends is a deadlock to loom; blocks and slabs are counted when all have come home.
#![expect(dead_code, reason = "files of the product are compiled for what is tested of them")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod sync {
    pub use std::sync::PoisonError;

    pub use loom::sync::{Condvar, Mutex, MutexGuard};
}

/// What the files name of the rest of the crate.
mod sampler {
    pub use diapason_loader::sampler::*;
}

mod memory {
    pub const MIXES: u64 = 2;
}

#[path = "../src/stream/schedule.rs"]
mod schedule;

#[path = "../src/stream/tally.rs"]
mod tally;

#[path = "../src/stream/handover.rs"]
mod handover;

use std::ops::Range;
use std::sync::Arc;

use handover::{Done, Handover, Next};
use sampler::{Mix, Order, Shape, Shard, Windows};
use schedule::{Job, Output, Portion, Schedule};
use tally::Tally;

/// A block is the rows it was filled with, a slab the start rows of its windows.
type Model = Handover<Range<u64>, Vec<u64>, u64>;

const BLOCK_ROWS: u32 = 4;

fn mixes(rows: u64) -> Vec<Mix> {
    let windows = Windows::new(0..rows, &[], Shape { length: 1, stride: 1, horizon: 0 }).unwrap();
    let epoch = windows.epoch(Order::Shuffled { seed: 1 }, 0, BLOCK_ROWS.into()).unwrap();
    epoch.mixed(1, Shard::WHOLE).unwrap().collect()
}

fn starts(portions: &[Portion<Range<u64>>]) -> Vec<u64> {
    let of = |portion: &Portion<Range<u64>>| -> Vec<u64> {
        let group = &portion.group;
        let start = |place: &sampler::mix::Place| {
            let (block, row) = place.split(BLOCK_ROWS);
            assert_eq!(group.blocks[block], group.mix.blocks[block], "the block holds other rows");
            group.blocks[block].start + row as u64
        };
        group.mix.order[portion.range.clone()].iter().map(start).collect()
    };
    portions.iter().flat_map(of).collect()
}

/// Does a job as a thread of a stream would.
fn run(
    job: Job<Range<u64>, Vec<u64>>,
    mixes: &std::sync::Mutex<std::vec::IntoIter<Mix>>,
    broken: Option<u64>,
) -> Done<Range<u64>, Vec<u64>, u64> {
    match job {
        Job::Plan => Done::Planned(mixes.lock().unwrap().next()),
        Job::Decode { group, number, rows, .. } => {
            let outcome = match broken.filter(|row| rows.contains(row)) {
                Some(row) => Err((rows, row)),
                None => Ok((rows, Vec::new())),
            };
            Done::Decoded { group, number, outcome }
        }
        Job::Assemble { batch, portions, .. } => {
            let slab = starts(&portions);
            Done::Assembled { batch, portions, slab, outcome: Ok(()) }
        }
    }
}

struct Case {
    rows: u64,
    batch: usize,
    threads: usize,
    slabs: usize,
    broken: Option<u64>,
    /// Outputs that the consumer takes before it goes away; all without.
    taken: Option<usize>,
}

fn model(case: &'static Case) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(move || {
        const BLOCKS: usize = 2;
        let blocks = vec![0..0; BLOCKS];
        let slabs = vec![Vec::new(); case.slabs];
        let shared = Arc::new((
            Model::new(Schedule::new(case.batch, blocks, slabs)),
            Tally::default(),
            std::sync::Mutex::new(mixes(case.rows).into_iter()),
        ));
        let threads: Vec<_> = (0..case.threads)
            .map(|_| {
                let shared = Arc::clone(&shared);
                loom::thread::spawn(move || {
                    let (handover, tally, mixes) = &*shared;
                    handover.work(tally, |job| run(job, mixes, case.broken));
                })
            })
            .collect();
        let (handover, tally, _) = &*shared;
        let (mut found, mut failed) = (Vec::new(), None);
        while case.taken.is_none_or(|taken| found.len() < taken) {
            match handover.next(tally) {
                Next::Output(Output::Batch { slab, .. }) => {
                    found.push(slab.clone());
                    handover.returned(slab);
                }
                Next::Output(Output::Portions { portions, .. }) => {
                    found.push(starts(&portions));
                    handover.unreferenced(portions);
                }
                Next::Output(Output::Failed(row)) => failed = Some(row),
                Next::End => break,
                Next::Held(held) => panic!("nothing is held, {held} are said to be"),
            }
        }
        handover.stop();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let (blocks, slabs) = handover.take();
        assert_eq!((blocks.len(), slabs.len()), (BLOCKS, case.slabs), "blocks and slabs come home");
        if case.taken.is_none() {
            assert_eq!(failed, case.broken);
        }
        let whole: Vec<u64> = mixes(case.rows)
            .into_iter()
            .take_while(|mix| {
                !case.broken.is_some_and(|row| mix.blocks.iter().any(|rows| rows.contains(&row)))
            })
            .flat_map(|mix| {
                let first = mix.blocks[0].start;
                mix.order.into_iter().map(move |place| first + place.split(BLOCK_ROWS).1 as u64)
            })
            .collect();
        let found = found.concat();
        assert!(whole.starts_with(&found));
        assert!(case.taken.is_some() || found == whole, "{found:?}, not {whole:?}");
    });
}

#[test]
fn copies_arrive_in_order_from_two_threads() {
    model(&Case { rows: 8, batch: 4, threads: 2, slabs: 1, broken: None, taken: None });
}

#[test]
fn references_arrive_and_go_back() {
    model(&Case { rows: 12, batch: 4, threads: 1, slabs: 0, broken: None, taken: None });
}

#[test]
fn an_error_comes_out_after_what_stood_before_it() {
    model(&Case { rows: 12, batch: 4, threads: 1, slabs: 2, broken: Some(9), taken: None });
}

#[test]
fn a_consumer_may_go_away() {
    model(&Case { rows: 12, batch: 3, threads: 2, slabs: 1, broken: None, taken: Some(1) });
}
