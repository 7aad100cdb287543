//! Windows of a table in shuffled batches, at the speed of memory, within a budget of bytes.
//!
//! ```text
//! mixes of blocks -> chunks read and decoded -> blocks of rows -> windows gathered -> batches in order
//! ```
//!
//! Each row stands in as many windows as a window has rows, so a chunk is decoded once for all windows that start in
//! it, and what bounds the stream is the copying of windows. Blocks of rows are decoded ahead while the windows of
//! the blocks before are given out. Where a consumer can gather by itself, [`Loader::references`] lends it the windows
//! in place and copies nothing.
//!
//! The order depends on the seed, the epoch, the rank, the batch and the budget, never on threads or timing. All memory is
//! planned before it is taken ([`Explanation`]) and used again from batch to batch.

use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use diapason_buffer::{Alignment, Buffer, buffer::OutOfMemory};
use ndarray::{ArrayView2, ArrayView3};

mod memory;

mod schedule;

mod tally;

/// The locks of [`handover`], which a test replaces.
mod sync {
    pub use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
}

mod handover;

mod gather;

mod worker;

use crate::dataset::{Dataset, Selections};
use crate::parallel;
use crate::sampler::{self, Cursor, Order, Shard, Windows};
use crate::source::account::{Account, Ways};
use crate::table::{self, Damaged};
use gather::{Form, Slab};
use handover::{Handover, Next};
pub use memory::Explanation;
use memory::Sizes;
use schedule::{Output, Portion, Schedule};
pub use tally::Metrics;
use worker::{Run, Work, lock};

/// Why there is no stream, or none any more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The table cannot be read.
    #[error(transparent)]
    Table(#[from] table::Error),
    /// The epoch cannot be walked or resumed.
    #[error(transparent)]
    Epoch(#[from] sampler::epoch::Error),
    /// The budget does not hold one block twice.
    #[error(
        "a budget of {budget_bytes} bytes is too small, these windows need at least {needed_bytes}; give more, fewer threads or smaller batches"
    )]
    Budget {
        /// The budget.
        budget_bytes: u64,
        /// The least that would do.
        needed_bytes: u64,
    },
    /// Nothing to give.
    #[error("{what} is 0; it must be at least 1")]
    Zero {
        /// What is 0.
        what: &'static str,
    },
    /// Windows that reach past the table.
    #[error("the windows lie in rows up to {needed}, the table has {rows}; make them of this table")]
    OutOfRange {
        /// The end of the rows of the windows.
        needed: u64,
        /// The rows of the table.
        rows: u64,
    },
    /// A window that would reach from one table into the next.
    #[error(
        "a window reaches over row {border}, where another table begins; give the borders of the data set as gaps (Dataset::with_borders)"
    )]
    Crosses {
        /// The first row of the other table.
        border: u64,
    },
    /// The consumer holds everything.
    #[error(
        "all {held} batches are held by the caller, so none can be filled; drop one before asking for the next"
    )]
    Held {
        /// How many it holds.
        held: usize,
    },
    /// The system gives no memory or no thread.
    #[error("{what}: {error}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// What the system said.
        error: std::io::Error,
    },
}

impl From<OutOfMemory> for Error {
    fn from(error: OutOfMemory) -> Self {
        Self::System { what: "memory of the stream", error: std::io::Error::other(error.to_string()) }
    }
}

/// What becomes of windows that lie in a damaged chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDamage {
    /// The stream ends with the error.
    #[default]
    Fail,
    /// They are left out, so a batch may be shorter.
    Skip,
    /// Their missing values are NaN.
    Fill,
}

/// How windows are streamed.
#[derive(Clone, Debug)]
pub struct Options {
    /// The columns of a window, in order.
    pub features: Vec<String>,
    /// The columns that are given of the row of the target.
    pub targets: Vec<String>,
    /// Windows in a batch.
    pub batch: usize,
    /// Shuffled or in time.
    pub order: Order,
    /// Which of the processes that share the epoch this is.
    pub shard: Shard,
    /// Bytes of memory that the stream takes at most.
    pub budget_bytes: u64,
    /// Threads that decode and gather, if the budget has room for them; 0 for as many as there are processors.
    pub threads: usize,
    /// What becomes of windows in damaged chunks.
    pub on_damage: OnDamage,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            features: Vec::new(),
            targets: Vec::new(),
            batch: 1024,
            order: Order::Shuffled { seed: 0 },
            shard: Shard::WHOLE,
            budget_bytes: Loader::BUDGET_BYTES,
            threads: 0,
            on_damage: OnDamage::Fail,
        }
    }
}

/// Memory that waits for the next epoch.
#[derive(Debug, Default)]
struct Pool {
    blocks: Vec<Buffer<f32>>,
    slabs: Vec<Slab>,
}

/// Epochs of windows of one table, or of several.
#[derive(Debug)]
pub struct Loader {
    work: Arc<Work>,
    explanation: Explanation,
    /// How reads were answered before this was planned.
    ways: Ways,
    batch: usize,
    pool: Arc<Mutex<Pool>>,
}

/// Blocks that a mix should have at least before blocks are made longer.
const BLOCKS_WANTED: u64 = 16;
/// Chunks in a block at most: of that many a ninth one, of the block behind, costs little in the first epoch.
const BLOCK_CHUNKS_MAX: u64 = 8;
/// Bytes of a decompressor's own state, a thread.
const DECODER_BYTES: u64 = 256 << 10;

impl Loader {
    /// Bytes that a stream takes when nothing else is said.
    pub const BUDGET_BYTES: u64 = 256 << 20;

    /// Plans the epochs of `windows` over a table or a data set of several.
    ///
    /// # Errors
    /// [`Error`] when a column or row is not there, a window reaches from one table into the next, or the budget is too
    /// small.
    pub fn new(data: impl Into<Dataset>, windows: Windows, options: &Options) -> Result<Self, Error> {
        let dataset = data.into();
        for (what, is_zero) in
            [("batch", options.batch == 0), ("the number of features", options.features.is_empty())]
        {
            if is_zero {
                return Err(Error::Zero { what });
            }
        }
        if windows.rows().end > dataset.rows() {
            return Err(Error::OutOfRange { needed: windows.rows().end, rows: dataset.rows() });
        }
        let reach = windows.shape().span() - 1;
        let crosses = |border: &&u64| !windows.starting_in(border.saturating_sub(reach)..**border).is_empty();
        if let Some(&border) = dataset.borders().iter().find(crosses) {
            return Err(Error::Crosses { border });
        }
        let mut names: Vec<&str> = options.features.iter().map(String::as_str).collect();
        let mut targets = Vec::new();
        for target in &options.targets {
            let at = names.iter().position(|name| name == target).unwrap_or_else(|| {
                names.push(target);
                names.len() - 1
            });
            targets.push(at);
        }
        let selections = dataset.select(&names)?;
        dataset.check::<f32>(&selections)?;
        let threads = parallel::threads(options.threads);
        let (width, features, shape) = (names.len(), options.features.len(), windows.shape());
        let form = Form { shape, block_rows: 1, width, features, targets };
        let needs = Needs { dataset: &dataset, selections: &selections, form: &form, options, threads };
        let (block_rows, explanation) = needs.plan(&windows)?;
        let account = dataset.account();
        let (explanation, ways) = (Explanation { source: account.choice, ..explanation }, account.ways);
        let form = Form { block_rows: u32::try_from(block_rows).unwrap_or(u32::MAX), ..form };
        let work = Work {
            dataset,
            selections,
            windows,
            form,
            batch: options.batch,
            threads: explanation.threads as usize,
            order: options.order,
            shard: options.shard,
            blocks_mixed: explanation.blocks_mixed,
            hides_damage: options.on_damage == OnDamage::Skip,
            damage: match options.on_damage {
                OnDamage::Fail => table::Damage::Fail,
                OnDamage::Skip | OnDamage::Fill => table::Damage::Fill,
            },
            heads: explanation.keeps_heads.then(Mutex::default),
            damaged: Mutex::default(),
            tally: tally::Tally::default(),
        };
        work.mixes(0)?;
        let (work, pool) = (Arc::new(work), Arc::default());
        Ok(Self { work, explanation, ways, batch: options.batch, pool })
    }

    /// Where the memory goes.
    #[must_use]
    pub const fn explain(&self) -> &Explanation {
        &self.explanation
    }

    /// What was done so far, in all epochs.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.work.tally.metrics()
    }

    /// How the files are read, and how their reads were answered since the stream was planned, those of others that read through
    /// the same tables included.
    #[must_use]
    pub fn account(&self) -> Account {
        let now = self.work.dataset.account();
        Account { ways: now.ways.since(&self.ways), ..now }
    }

    /// The chunks that could not be had so far.
    #[must_use]
    pub fn damaged(&self) -> Vec<Damaged> {
        lock(&self.work.damaged).clone()
    }

    /// The batches of `epoch`.
    ///
    /// # Errors
    /// [`Error::System`] when there is no memory or no thread.
    pub fn batches(&self, epoch: u64) -> Result<Batches, Error> {
        let cursor = self.work.mixes(epoch)?.cursor();
        Ok(Batches { stream: self.start(cursor, true)? })
    }

    /// The batches from `cursor` on, which may come from another process.
    ///
    /// # Errors
    /// [`Error::Epoch`] when the cursor is of another plan, and as [`Loader::batches`].
    pub fn resume(&self, cursor: Cursor) -> Result<Batches, Error> {
        self.work.mixes(0)?.resume(cursor)?;
        Ok(Batches { stream: self.start(cursor, true)? })
    }

    /// The windows of `epoch` where they are, as many at a time as a batch has.
    ///
    /// # Errors
    /// As [`Loader::batches`].
    pub fn references(&self, epoch: u64) -> Result<References, Error> {
        let cursor = self.work.mixes(epoch)?.cursor();
        Ok(References { stream: self.start(cursor, false)? })
    }

    /// Batches that exist at once.
    fn slabs(&self) -> usize {
        (self.explanation.threads + memory::SLABS_BESIDE) as usize
    }

    fn start(&self, cursor: Cursor, copies: bool) -> Result<Stream, Error> {
        let mut pool = lock(&self.pool);
        let Pool { mut blocks, mut slabs } = std::mem::take(&mut *pool);
        drop(pool);
        let count = (memory::MIXES * self.explanation.blocks_mixed) as usize;
        while blocks.len() < count {
            blocks.push(Buffer::zeroed(0, Alignment::PAGE)?);
        }
        while copies && slabs.len() < self.slabs() {
            slabs.push(Slab::empty()?);
        }
        let spare = if copies { Vec::new() } else { std::mem::take(&mut slabs) };
        lock(&self.pool).slabs = spare;
        let run = Arc::new(Run {
            work: Arc::clone(&self.work),
            handover: Handover::new(Schedule::new(self.batch, blocks, slabs)),
            next: Mutex::new(Some(cursor)),
        });
        let mut stream = Stream { run, threads: Vec::new(), pool: Arc::clone(&self.pool) };
        for number in 0..self.explanation.threads {
            let run = Arc::clone(&stream.run);
            let thread = thread::Builder::new().name(format!("loader-{number}")).spawn(move || run.work());
            stream.threads.push(thread.map_err(|error| Error::System { what: "a thread", error })?);
        }
        Ok(stream)
    }
}

/// What a stream needs, before its blocks are sized.
struct Needs<'a> {
    dataset: &'a Dataset,
    selections: &'a Selections,
    form: &'a Form,
    options: &'a Options,
    threads: usize,
}

impl Needs<'_> {
    /// Rows of a block, and where the memory goes: blocks as long as they can be while a mix still has enough of them.
    fn plan(&self, windows: &Windows) -> Result<(u64, Explanation), Error> {
        let (batch, shape) = (self.options.batch as u64, self.form.shape);
        let chunk_rows = self.dataset.chunk_rows(self.selections);
        // A batch reaches over two mixes at most, so a block should hold one.
        let least = batch.saturating_mul(shape.stride).div_ceil(chunk_rows).max(1);
        let planned = |chunks: u64| {
            let block_rows = chunks.saturating_mul(chunk_rows);
            let block_rows = block_rows.min(windows.rows().end.next_multiple_of(chunk_rows.min(1 << 32)));
            (
                block_rows,
                memory::plan(&self.sizes(block_rows, windows), block_rows, self.options.budget_bytes),
            )
        };
        let (mut best, mut outcome) = planned(least);
        for chunks in least + 1..=BLOCK_CHUNKS_MAX.max(least) {
            let (block_rows, longer) = planned(chunks);
            let is_enough =
                |e: &Explanation| e.blocks_mixed >= BLOCKS_WANTED.min(windows.rows().end / block_rows);
            if !longer.as_ref().is_ok_and(is_enough) {
                break;
            }
            (best, outcome) = (block_rows, longer);
        }
        let explanation = outcome.map_err(|needed_bytes| Error::Budget {
            budget_bytes: self.options.budget_bytes,
            needed_bytes,
        })?;
        Ok((best, explanation))
    }

    fn sizes(&self, block_rows: u64, windows: &Windows) -> Sizes {
        let row_bytes = (self.form.width * size_of::<f32>()) as u64;
        let span = self.form.shape.span();
        let blocks = windows.rows().end.div_ceil(block_rows) - windows.rows().start / block_rows;
        let heads = blocks.saturating_mul(span - 1).saturating_mul(row_bytes).saturating_add(blocks * 64);
        // Heads are of one block; longer windows reach over more.
        let heads = if span - 1 > block_rows { u64::MAX } else { heads };
        Sizes {
            index: self.dataset.index_bytes().saturating_add(windows.bytes()),
            threads: self.threads as u64,
            scratch: self.dataset.scratch_bytes(self.selections).saturating_add(DECODER_BYTES),
            slab: self.form.slab_bytes(self.options.batch),
            block: block_rows.saturating_add(span - 1).saturating_mul(row_bytes).saturating_add(64),
            order: (block_rows.div_ceil(self.form.shape.stride)).saturating_mul(4 * windows.times_max()),
            heads,
            blocks_max: blocks
                .div_ceil(self.options.shard.world.max(1))
                .min(u64::from(u32::MAX) / block_rows.max(1)),
        }
    }
}

/// One epoch with its threads.
struct Stream {
    run: Arc<Run>,
    threads: Vec<JoinHandle<()>>,
    pool: Arc<Mutex<Pool>>,
}

/// What a stream gives out.
type Found = Output<Buffer<f32>, Slab, Error>;

impl Stream {
    fn next(&self) -> Option<Result<Found, Error>> {
        match self.run.handover.next(&self.run.work.tally) {
            Next::Output(Output::Failed(error)) => Some(Err(error)),
            Next::Output(output) => Some(Ok(output)),
            Next::End => None,
            Next::Held(held) => Some(Err(Error::Held { held })),
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.run.handover.stop();
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so; its memory is gone and is taken anew.
            let _ = thread.join();
        }
        let (blocks, slabs) = self.run.handover.take();
        let mut pool = lock(&self.pool);
        pool.blocks.extend(blocks);
        pool.slabs.extend(slabs);
    }
}

/// The batches of an epoch.
pub struct Batches {
    stream: Stream,
}

impl Iterator for Batches {
    type Item = Result<Batch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let output = match self.stream.next()? {
            Ok(output) => output,
            Err(error) => return Some(Err(error)),
        };
        let Output::Batch { slab, end } = output else { return None };
        Some(Ok(Batch { slab: Some(slab), cursor: end.cursor, run: Arc::clone(&self.stream.run) }))
    }
}

/// Windows copied side by side; dropping it gives the memory back to the stream.
pub struct Batch {
    slab: Option<Slab>,
    cursor: Cursor,
    run: Arc<Run>,
}

impl Batch {
    fn slab(&self) -> (&[f32], &[f32], &[u64]) {
        let parts = self.slab.as_ref().map(|slab| (&slab.windows[..], &slab.targets[..], &slab.starts[..]));
        parts.unwrap_or_default()
    }

    /// `[window][row][feature]`.
    #[must_use]
    #[expect(clippy::expect_used, reason = "the values are cut to the product of the shape just before")]
    pub fn windows(&self) -> ArrayView3<'_, f32> {
        let (windows, _, starts) = self.slab();
        let form = &self.run.work.form;
        let shape = (starts.len(), form.shape.length as usize, form.features);
        let values = &windows[..starts.len() * form.window()];
        ArrayView3::from_shape(shape, values).expect("as many values as the shape has")
    }

    /// `[window][target]`: the values in the row of each window's target.
    #[must_use]
    #[expect(clippy::expect_used, reason = "the values are cut to the product of the shape just before")]
    pub fn targets(&self) -> ArrayView2<'_, f32> {
        let (_, targets, starts) = self.slab();
        let count = self.run.work.form.targets.len();
        let values = &targets[..starts.len() * count];
        ArrayView2::from_shape((starts.len(), count), values).expect("as many values as the shape has")
    }

    /// The row of the table, or of the data set, that each window starts in.
    #[must_use]
    pub fn starts(&self) -> &[u64] {
        self.slab().2
    }

    /// The place after this batch, to go on from in another process.
    #[must_use]
    pub const fn cursor(&self) -> Cursor {
        self.cursor
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        if let Some(slab) = self.slab.take() {
            self.run.handover.returned(slab);
        }
    }
}

/// The windows of an epoch where they are.
pub struct References {
    stream: Stream,
}

impl Iterator for References {
    type Item = Result<Referenced, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let output = match self.stream.next()? {
            Ok(output) => output,
            Err(error) => return Some(Err(error)),
        };
        let Output::Portions { portions, end } = output else { return None };
        Some(Ok(Referenced { portions, cursor: end.cursor, run: Arc::clone(&self.stream.run) }))
    }
}

/// Windows that stay where they were decoded as long as this lives.
pub struct Referenced {
    portions: Vec<Portion<Buffer<f32>>>,
    cursor: Cursor,
    run: Arc<Run>,
}

/// A window in place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window<'a> {
    /// The row of the table that it starts in.
    pub start: u64,
    /// Its rows and those up to its target's, one after the other, each of [`Referenced::width`] values: the features
    /// in order, then the targets that are no features.
    pub rows: &'a [f32],
}

impl Referenced {
    /// Values in a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.run.work.form.width
    }

    /// The place after these windows, to go on from in another process.
    #[must_use]
    pub const fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// The windows in the order of the epoch, without those in damaged chunks if these are left out.
    pub fn iter(&self) -> impl Iterator<Item = Window<'_>> {
        let form = &self.run.work.form;
        let span = form.shape.span();
        self.portions.iter().flat_map(move |Portion { group, range }| {
            group.mix.order[range.clone()].iter().filter_map(move |place| {
                let (number, row) = place.split(form.block_rows);
                let start = group.mix.blocks[number].start + row as u64;
                let is_hidden = |rows: &std::ops::Range<u64>| rows.start < start + span && start < rows.end;
                let rows = &group.blocks[number][row * form.width..(row + span as usize) * form.width];
                (!group.hidden.iter().any(is_hidden)).then_some(Window { start, rows })
            })
        })
    }
}

impl Drop for Referenced {
    fn drop(&mut self) {
        self.run.handover.unreferenced(std::mem::take(&mut self.portions));
    }
}
