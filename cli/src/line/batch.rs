//! Windows gathered into batches, ahead of the model, on a thread of their own.
//!
//! Two full batches wait at most, and the memory of a used one goes back to the producer, so the line needs the same
//! memory for a thousand rows and for a thousand million.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, ScopedJoinHandle};

use diapason_loader::sampler::Epoch;
use ndarray::{Array2, Array3};

use super::block::{Block, Blocks};
use super::feed::{Feed, FeedError};
use super::recipe::Recipe;
use super::scan::Scan;

/// Batches that wait for the model; one more is being filled.
const WAITING: usize = 2;

/// Windows in a batch that stays within `BATCH_BYTES`, at most `most`.
#[must_use]
pub fn windows_of(window: u64, features: usize, most: usize) -> usize {
    const BATCH_BYTES: u64 = 16 << 20;
    let one = window.saturating_mul(features as u64).saturating_mul(4).max(1);
    usize::try_from(BATCH_BYTES / one).unwrap_or(most).clamp(1, most)
}

/// Windows, and what came after each.
pub struct Batch {
    /// `[window][row][feature]`.
    pub x: Array3<f32>,
    /// `[window][1]`: the log return over the horizon, in units of [`Recipe::target_unit`]; NaN where it is not known yet.
    pub y: Array2<f32>,
    /// The time of the last row of each window.
    pub times: Vec<i64>,
    /// Windows in this batch; the arrays may have room for more.
    pub count: usize,
}

/// What became of the values on the way.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Feature values computed.
    pub values: u64,
    /// Of those, not finite, and so taken as the mean.
    pub missing: u64,
}

/// Walks `epoch` once in batches of `size` windows that are filled ahead; `take` returns whether to go on.
///
/// # Errors
/// When the file is broken, or `take` fails.
pub fn walk<E: From<FeedError>>(
    feed: &Feed,
    scan: &Scan,
    recipe: &Recipe,
    epoch: Epoch<'_>,
    size: usize,
    mut take: impl FnMut(&Batch) -> Result<bool, E>,
) -> Result<Tally, E> {
    thread::scope(|scope| {
        let batches = Batches::start(scope, feed, scan, recipe, epoch, size);
        let mut taken = Ok(true);
        while let (Ok(true), Some(full)) = (&taken, batches.next()) {
            taken = take(&full);
            batches.recycle(full);
        }
        let tally = batches.finish()?;
        taken.map(|_| tally)
    })
}

/// Batches of one epoch, filled ahead on another thread.
struct Batches<'scope> {
    full: Receiver<Batch>,
    empty: SyncSender<Batch>,
    worker: Option<ScopedJoinHandle<'scope, Result<Tally, FeedError>>>,
}

impl<'scope> Batches<'scope> {
    /// Starts to fill batches of `size` windows of `epoch`.
    fn start<'env>(
        scope: &'scope thread::Scope<'scope, 'env>,
        feed: &'env Feed,
        scan: &'env Scan,
        recipe: &'env Recipe,
        epoch: Epoch<'env>,
        size: usize,
    ) -> Self {
        let (send_full, full) = sync_channel(WAITING);
        let (empty, take_empty) = sync_channel(WAITING + 2);
        let worker = scope.spawn(move || {
            let width = feed.plan.names().len();
            let filler = Filler { size, width, scan, recipe, full: send_full, empty: take_empty };
            filler.run(Blocks::new(feed, scan, recipe), epoch)
        });
        Self { full, empty, worker: Some(worker) }
    }

    /// The next batch, or `None` at the end of the epoch or after a failure that [`Batches::finish`] tells.
    #[must_use]
    fn next(&self) -> Option<Batch> {
        self.full.recv().ok()
    }

    /// Gives a batch's memory back.
    fn recycle(&self, batch: Batch) {
        // A full return queue only means that the producer has enough memory of its own.
        let _ = self.empty.try_send(batch);
    }

    /// Stops the filling and says how it went.
    ///
    /// # Errors
    /// What stopped the producer.
    fn finish(self) -> Result<Tally, FeedError> {
        let Self { full, empty, worker } = self;
        drop((full, empty));
        match worker.map(ScopedJoinHandle::join) {
            Some(Ok(done)) => done,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Ok(Tally::default()),
        }
    }
}

struct Filler<'a> {
    size: usize,
    width: usize,
    scan: &'a Scan,
    recipe: &'a Recipe,
    full: SyncSender<Batch>,
    empty: Receiver<Batch>,
}

impl Filler<'_> {
    fn run(&self, mut blocks: Blocks<'_>, epoch: Epoch<'_>) -> Result<Tally, FeedError> {
        let length = usize::try_from(self.recipe.window).unwrap_or(usize::MAX);
        let mut block = Block::default();
        let mut batch = self.blank();
        'blocks: for windows in epoch {
            // Windows without a target still get to know what came next, where the file has it.
            let end = windows.rows.end.saturating_add(self.recipe.horizon).min(self.scan.rows);
            blocks.load(windows.rows.start..end, &mut block)?;
            for start in windows.starts {
                self.gather(&block, start, length, &mut batch);
                if batch.count == self.size {
                    let ready = std::mem::replace(&mut batch, self.blank());
                    if self.full.send(ready).is_err() {
                        break 'blocks;
                    }
                }
            }
        }
        if batch.count > 0 {
            // The consumer may have had enough; that is its affair.
            let _ = self.full.send(batch);
        }
        Ok(Tally { values: blocks.values, missing: blocks.missing })
    }

    fn blank(&self) -> Batch {
        if let Ok(mut used) = self.empty.try_recv() {
            used.count = 0;
            return used;
        }
        let length = usize::try_from(self.recipe.window).unwrap_or(usize::MAX);
        Batch {
            x: Array3::zeros((self.size, length, self.width)),
            y: Array2::zeros((self.size, 1)),
            times: vec![0; self.size],
            count: 0,
        }
    }

    fn gather(&self, block: &Block, start: u64, length: usize, batch: &mut Batch) {
        let index = batch.count;
        let tile = length * self.width;
        if let Some(x) = batch.x.as_slice_mut() {
            x[index * tile..(index + 1) * tile].copy_from_slice(block.window(start, length, self.width));
        }
        let last = start + self.recipe.window - 1;
        let to = last + self.recipe.horizon;
        let change = match block.log_return(last, to) {
            Some(change) if !self.scan.has_gap(last, to) => change,
            _ => f64::NAN,
        };
        batch.y[[index, 0]] = (change / self.recipe.target_unit) as f32;
        batch.times[index] = block.times[block.place(last)];
        batch.count += 1;
    }
}
