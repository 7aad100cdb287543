//! The threads of a stream: each takes the next job, does it without the lock, and reports.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use diapason_buffer::{Alignment, Buffer};

use super::Error;
use super::gather::{Form, Slab};
use super::handover::{Done, Handover};
use super::schedule::Job;
use super::tally::{BlockDone, Tally};
use crate::dataset::{Dataset, Selections};
use crate::sampler::{self, Cursor, Order, Shard, Windows};
use crate::table::{self, Damage, Damaged, Scratch};

/// What is read, and how; the same for every epoch.
#[derive(Debug)]
pub(super) struct Work {
    pub dataset: Dataset,
    pub selections: Selections,
    pub windows: Windows,
    pub form: Form,
    /// Windows in a batch.
    pub batch: usize,
    /// Threads that work.
    pub threads: usize,
    pub order: Order,
    pub shard: Shard,
    pub blocks_mixed: u64,
    pub hides_damage: bool,
    pub damage: Damage,
    /// The first rows of each block that was decoded, if they are kept.
    pub heads: Option<Mutex<HashMap<u64, Arc<[f32]>>>>,
    pub damaged: Mutex<Vec<Damaged>>,
    pub tally: Tally,
}

/// One epoch under way.
pub(super) struct Run {
    pub work: Arc<Work>,
    pub handover: Handover<Buffer<f32>, Slab, Error>,
    /// Where the next mix starts; `None` after the last one.
    pub next: Mutex<Option<Cursor>>,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Work {
    /// The mixes of `epoch`.
    pub fn mixes(&self, epoch: u64) -> Result<sampler::Mixes<'_>, sampler::epoch::Error> {
        let epoch = self.windows.epoch(self.order, epoch, u64::from(self.form.block_rows))?;
        epoch.mixed(self.blocks_mixed, self.shard)
    }

    /// Values of a block.
    pub fn block_values(&self) -> usize {
        (self.form.block_rows as usize + self.form.shape.span() as usize - 1) * self.form.width
    }

    /// Fills `block` with `rows`, on so many threads; returns the damaged ones among them.
    fn decode(
        &self,
        (rows, threads): (&Range<u64>, usize),
        block: &mut Buffer<f32>,
        scratch: &mut Scratch,
    ) -> Result<Vec<Range<u64>>, Error> {
        let width = self.form.width;
        // Taken when it is needed first, so that the first batch does not wait for all blocks.
        if block.is_empty() {
            *block = Buffer::zeroed(self.block_values(), Alignment::PAGE)?;
        }
        let block_rows = u64::from(self.form.block_rows);
        let border = (rows.start / block_rows + 1) * block_rows;
        let head_rows = self.form.shape.span() - 1;
        let mut end = rows.end;
        // Rows behind the border belong to the next block; its first ones may be known from there.
        if let Some(heads) = &self.heads
            && border < rows.end
            && let Some(head) = lock(heads).get(&border).cloned()
            && (rows.end - border) as usize * width <= head.len()
        {
            let from = (border - rows.start) as usize * width;
            let count = (rows.end - border) as usize * width;
            block[from..from + count].copy_from_slice(&head[..count]);
            end = border;
        }
        let values = (end - rows.start) as usize * width;
        let read = rows.start..end;
        let damaged = self.fill(read.clone(), threads, &mut block[..values], scratch)?;
        if let Some(heads) = &self.heads
            && damaged.is_empty()
        {
            let first = rows.start / block_rows * block_rows;
            for start in [first, border] {
                let whole = start..start.saturating_add(head_rows).min(self.dataset.rows());
                if read.start <= whole.start && whole.end <= read.end && !whole.is_empty() {
                    let from = (whole.start - rows.start) as usize * width;
                    let count = (whole.end - whole.start) as usize * width;
                    lock(heads).entry(start).or_insert_with(|| Arc::from(&block[from..from + count]));
                }
            }
        }
        let hidden = if self.hides_damage {
            damaged.iter().map(|chunk| chunk.rows.clone()).collect()
        } else {
            Vec::new()
        };
        let mut list = lock(&self.damaged);
        for chunk in damaged {
            if !list.contains(&chunk) {
                list.push(chunk);
            }
        }
        Ok(hidden)
    }
}

impl Work {
    /// Reads `rows` into `values`, cut at chunks for so many threads: this one, and others that end with it.
    ///
    /// The others are instead of workers that have nothing to do, so their memory is planned.
    fn fill(
        &self,
        rows: Range<u64>,
        threads: usize,
        values: &mut [f32],
        scratch: &mut Scratch,
    ) -> Result<Vec<Damaged>, Error> {
        let chunk_rows = self.dataset.chunk_rows(&self.selections);
        let step = (rows.end - rows.start).div_ceil(threads as u64).next_multiple_of(chunk_rows).max(1);
        let mut parts = Vec::new();
        let (mut from, mut rest) = (rows.start, values);
        while from < rows.end {
            let end = rows.end.min((from / chunk_rows).saturating_mul(chunk_rows).saturating_add(step));
            let (now, later) =
                std::mem::take(&mut rest).split_at_mut((end - from) as usize * self.form.width);
            parts.push((from..end, now));
            (from, rest) = (end, later);
        }
        let one = |rows: Range<u64>, values: &mut [f32], scratch: &mut Scratch| {
            self.dataset.fill(&self.selections, rows, values, (scratch, self.damage)).map_err(Error::from)
        };
        let mut parts = parts.into_iter();
        let Some((rows, values)) = parts.next() else { return Ok(Vec::new()) };
        std::thread::scope(|scope| {
            let others: Vec<_> = parts
                .map(|(rows, values)| {
                    scope.spawn(move || {
                        let mut scratch = Scratch::default();
                        one(rows, values, &mut scratch).map(|damaged| (damaged, scratch.done))
                    })
                })
                .collect();
            // Of several errors the one in the first rows.
            let mut damaged = one(rows, values, scratch)?;
            for other in others {
                let (more, done) = match other.join() {
                    Ok(outcome) => outcome?,
                    Err(panic) => std::panic::resume_unwind(panic),
                };
                damaged.extend(more);
                scratch.done.add(&done);
            }
            Ok(damaged)
        })
    }
}

impl Run {
    /// Works until the epoch is over.
    pub fn work(&self) {
        let mut scratch = Scratch::default();
        self.handover.work(&self.work.tally, |job| self.run(job, &mut scratch));
    }

    fn run(&self, job: Job<Buffer<f32>, Slab>, scratch: &mut Scratch) -> Done<Buffer<f32>, Slab, Error> {
        let (begun, tally) = (Instant::now(), &self.work.tally);
        match job {
            Job::Plan => {
                let _span = tracing::debug_span!("plan").entered();
                let mut next = lock(&self.next);
                // The plan was made once when the stream was; that it can be made again is certain.
                let mixes = next.and_then(|cursor| self.work.mixes(cursor.epoch()).ok()?.resume(cursor).ok());
                let mix = mixes.and_then(|mut mixes| {
                    let mix = mixes.next();
                    *next = Some(mixes.cursor());
                    mix
                });
                tally.planned(begun.elapsed());
                Done::Planned(mix)
            }
            Job::Decode { group, number, rows, mut block, is_alone } => {
                let (first, count) = (rows.start, rows.end - rows.start);
                let span = tracing::debug_span!(
                    "decode",
                    group,
                    number,
                    first,
                    count,
                    bytes_read = tracing::field::Empty
                );
                let _entered = span.enter();
                scratch.done = table::Done::default();
                // The first rows are waited for by all; their memory for decoding is not in use yet.
                let threads = if group == 0 && is_alone { self.work.threads } else { 1 };
                let outcome = match self.work.decode((&rows, threads), &mut block, scratch) {
                    Ok(hidden) => Ok((block, hidden)),
                    Err(error) => Err((block, error)),
                };
                let done = scratch.done;
                span.record("bytes_read", done.bytes_read);
                tally.decoded(&BlockDone {
                    bytes_read: done.bytes_read,
                    chunks: done.chunks,
                    bytes_decoded: count * (self.work.form.width * size_of::<f32>()) as u64,
                    reading: done.reading,
                    decoding: done.decoding,
                    took: begun.elapsed(),
                });
                Done::Decoded { group, number, outcome }
            }
            Job::Assemble { batch, portions, mut slab } => {
                let _span = tracing::debug_span!("gather", batch).entered();
                let outcome = slab.take_memory(&self.work.form, self.work.batch).map_err(Error::from);
                if outcome.is_ok() {
                    slab.fill(&self.work.form, &portions);
                }
                let windows = slab.starts.len() as u64;
                let bytes = windows * (self.work.form.window() * size_of::<f32>()) as u64;
                tally.gathered(windows, bytes, begun.elapsed());
                Done::Assembled { batch, portions, slab, outcome }
            }
        }
    }
}
