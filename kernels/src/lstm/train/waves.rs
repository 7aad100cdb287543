//! How a batch is divided: into shards whose number depends only on its size, which threads take in waves.
//!
//! What comes of a shard is taken over in the order of the shards after each wave, so memory does not grow with the
//! batch and any number of threads gives the same bits.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use rayon_core::{ThreadPool, ThreadPoolBuildError};

use super::error::TrainError;
use crate::lstm::threads::{on_each, pool, threads};

/// Rows of a shard of a large batch: enough that every load of a weight serves many rows.
const SHARD: usize = 32;
/// Rows below which a shard is not cut further, and into how many a small batch is cut for the sake of threads.
const SHARD_MIN: usize = 8;
const SHARDS_MIN: usize = 8;
/// Shards in a wave for each thread: enough that threads seldom wait for the last of a wave.
const WAVE: usize = 4;

/// A batch in shards.
#[derive(Clone, Copy, Debug)]
pub(in crate::lstm) struct Waves {
    batch: usize,
    shards: usize,
}

impl Waves {
    pub fn new(batch: usize) -> Self {
        Self { batch, shards: batch.div_ceil(SHARD).max(SHARDS_MIN.min(batch / SHARD_MIN)).max(1) }
    }

    /// Most rows of a shard.
    pub const fn rows_max(self) -> usize {
        self.batch.div_ceil(self.shards)
    }

    /// Shards under way at once among so many threads.
    pub fn wave(self, threads: usize) -> usize {
        self.shards.min(WAVE * threads)
    }

    const fn rows(self, shard: usize) -> Range<usize> {
        shard * self.batch / self.shards..(shard + 1) * self.batch / self.shards
    }

    /// Does `work` for the rows of every shard, with a workspace for each thread and a place for each shard of a wave,
    /// then `take`s each place in order; the first is called with `true`.
    pub fn run<W: Send, S: Send, E>(
        self,
        pool: Option<&ThreadPool>,
        workspaces: &[Mutex<W>],
        places: &mut [Mutex<S>],
        work: impl Fn(&mut W, &mut S, Range<usize>) + Sync,
        mut take: impl FnMut(&mut S, Range<usize>, bool) -> Result<(), E>,
    ) -> Result<(), E> {
        let wave = places.len().min(self.shards).max(1);
        for first in (0..self.shards).step_by(wave) {
            let (count, next) = (wave.min(self.shards - first), AtomicUsize::new(0));
            let shared = &places[..count];
            on_each(pool, |thread| {
                let mut workspace = workspaces[thread].lock().unwrap_or_else(PoisonError::into_inner);
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(shard) = shared.get(place) else { return };
                    let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
                    work(&mut workspace, &mut shard, self.rows(first + place));
                }
            });
            for (place, shard) in places[..count].iter_mut().enumerate() {
                let shard = shard.get_mut().unwrap_or_else(PoisonError::into_inner);
                take(shard, self.rows(first + place), first + place == 0)?;
            }
        }
        Ok(())
    }
}

/// Adds the gradient of a shard to the sum, which the first one begins.
pub(in crate::lstm) fn add(sum: &mut [f32], part: &[f32], first: bool) {
    if first {
        sum.copy_from_slice(part);
    } else {
        sum.iter_mut().zip(part).for_each(|(sum, &part)| *sum += part);
    }
}

/// The number of threads meant by an option, and those beside the caller's own.
pub(in crate::lstm) fn team(option: usize) -> Result<(usize, Option<ThreadPool>), TrainError> {
    let threads = threads(option);
    let refused = |error: ThreadPoolBuildError| TrainError::Threads { threads, reason: error.to_string() };
    Ok((threads, pool(threads).map_err(refused)?))
}
