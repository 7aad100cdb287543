//! The one pass over a file before anything is shuffled.
//!
//! It leaves what later passes need to start anywhere: the state of the feature stream at the head of each block,
//! the gaps in time, and, over the training rows alone, the mean and deviation of each feature and the size of the
//! target. Times and prices are checked on the way, so that a file that somebody else made cannot run backwards unnoticed.
//! Where an earlier run kept the features, they are read instead of computed, and looked at in the same way.

use std::ops::Range;
use std::time::{Duration, Instant};

use diapason_kernels::feature::{Fit, Normaliser, ShapeError, Stream};

use diapason_loader::cache::{Outcome, Sink};

use super::clock::Clock;
use super::feed::{Feed, FeedError, Rows};
use super::keep::{self, Cache, Cached, Panel, Row};
use super::piece::Piece;
use super::recipe::{Price, Recipe};

/// Rows that are loaded and computed together: the rows of one chunk of our own files.
pub const BLOCK_ROWS_MIN: u64 = 65_536;
/// The most stream states that are kept; blocks grow instead ...
pub const BLOCKS_MAX: u64 = 1024;
/// ... and the most memory for them.
const STATES_BYTES_MAX: u64 = 64 << 20;
/// The most gaps that are kept: 32 MiB of row numbers.
pub const GAPS_MAX: usize = 4 << 20;
/// A gap is this many times the median step between rows, unless the caller says otherwise ...
pub const GAP_STEPS: f64 = 10.0;
/// ... but never less than this: quotes a second apart still belong together.
pub const GAP_SECONDS_MIN: f64 = 600.0;

/// Why a scan failed.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The file.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// Rows that are not those of the plan.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// Too many gaps.
    #[error(
        "more than {GAPS_MAX} gaps wider than {seconds} s up to row {row}; give a wider one with --gap SECONDS"
    )]
    Gaps {
        /// The width of a gap.
        seconds: f64,
        /// Where the count ran over.
        row: u64,
    },
    /// A feature that says nothing.
    #[error("feature {name} has no finite value in training rows {} to {}; leave it out with --features", rows.start, rows.end)]
    NoValue {
        /// The feature.
        name: String,
        /// The rows looked at.
        rows: Range<u64>,
    },
    /// No target at all.
    #[error("no two training rows lie {horizon} rows apart without a gap in rows {} to {}; give a larger --gap or a shorter --horizon", rows.start, rows.end)]
    NoTarget {
        /// The horizon in rows.
        horizon: u64,
        /// The rows looked at.
        rows: Range<u64>,
    },
    /// Nothing to predict.
    #[error("the price {price} never moves over {horizon} rows in training rows {} to {}; there is nothing to learn, give other rows or a longer --horizon", rows.start, rows.end)]
    NoMove {
        /// The price.
        price: Price,
        /// The horizon in rows.
        horizon: u64,
        /// The rows looked at.
        rows: Range<u64>,
    },
}

/// What one pass found.
pub struct Scan {
    /// Rows in a block.
    pub block_rows: u64,
    /// The features of every row, where they are kept.
    pub panel: Option<Panel>,
    /// The feature stream just before the first row of each block, where they are not.
    pub states: Vec<Stream>,
    /// What became of the features.
    pub cached: Cached,
    /// Why they could not be kept.
    pub problem: Option<String>,
    /// The first row after each gap.
    pub gaps: Vec<u64>,
    /// The seconds that make a gap.
    pub gap_seconds: f64,
    /// Mean and deviation of each feature over the training rows.
    pub normaliser: Normaliser,
    /// Root mean square of the log return over the horizon, over the training rows.
    pub target_unit: f64,
    /// Rows seen.
    pub rows: u64,
    /// How long it took.
    pub elapsed: Duration,
}

/// What a scan is asked for.
pub struct Question {
    /// The rows that means and target may be taken from; empty for a model that has its own.
    pub train: Range<u64>,
    /// Rows ahead that the target lies.
    pub horizon: u64,
    /// Seconds that make a gap, or `None` to take them from the file.
    pub gap_seconds: Option<f64>,
}

/// What is called for each row: its number and what it holds.
pub type Each<'a> = dyn FnMut(u64, Row<'_>) + 'a;

/// Words that are gathered before they are written.
const WORDS: usize = 32 << 10;

impl Scan {
    /// Looks at every row of `feed` from end to end, computed or, where `cache` has them, read; `progress` gets the rows
    /// done.
    ///
    /// # Errors
    /// [`ScanError`] names the row and the remedy.
    pub fn new(
        feed: &Feed,
        question: &Question,
        cache: &Cache,
        mut progress: impl FnMut(u64),
    ) -> Result<Self, ScanError> {
        Self::with(feed, question, cache, &mut |row, _| {
            if row.is_multiple_of(BLOCK_ROWS_MIN) {
                progress(row);
            }
        })
    }

    /// As [`Scan::new`], and hands each row to `each`.
    ///
    /// # Errors
    /// As [`Scan::new`].
    pub fn with(
        feed: &Feed,
        question: &Question,
        cache: &Cache,
        each: &mut Each<'_>,
    ) -> Result<Self, ScanError> {
        let width = feed.plan.names().len();
        let cache = if feed.is_import() { &Cache::OFF } else { cache };
        let (mut problem, store) = match cache.store().transpose() {
            Ok(store) => (None, store),
            Err(error) => (Some(error.to_string()), None),
        };
        let Some(store) = store else {
            let cached = if problem.is_some() { Cached::Bypassed } else { Cached::Off };
            let pass = Pass::start(feed, question)?.compute(None, each)?;
            return pass.finish((None, cached, problem));
        };
        let key = keep::key(feed);
        // What was kept and is damaged is made again.
        if let Some(kept) = store.get(key)
            && Panel::new(kept, width, feed.table.rows()).is_none()
        {
            store.remove(key);
        }
        let mut computed = None;
        let outcome = store.get_or_make(key, |sink| -> Result<(), ScanError> {
            sink.expect(feed.table.rows().saturating_mul(Row::bytes(width)));
            computed = Some(Pass::start(feed, question)?.compute(Some(sink), each)?);
            if let Some(doubt) = keep::doubt(feed) {
                sink.refuse(doubt);
            }
            Ok(())
        })?;
        let (cached, panel) = match outcome {
            Outcome::Hit(mapped) => (Cached::Hit, Panel::new(mapped, width, feed.table.rows())),
            Outcome::Made(mapped) => (Cached::Made, Panel::new(mapped, width, feed.table.rows())),
            Outcome::Bypassed(error) => {
                problem = Some(error.to_string());
                (Cached::Bypassed, None)
            }
        };
        let (pass, cached) = match (computed, &panel) {
            (Some(pass), _) => (pass, cached),
            (None, Some(panel)) => (Pass::start(feed, question)?.replay(panel, each)?, cached),
            // It was damaged in the moment since it was looked at.
            (None, None) => {
                problem = Some("what was kept is damaged".to_owned());
                (Pass::start(feed, question)?.compute(None, each)?, Cached::Bypassed)
            }
        };
        pass.finish((panel, cached, problem))
    }

    /// Whether time has a gap between table rows `from` and `to`.
    #[must_use]
    pub fn has_gap(&self, from: u64, to: u64) -> bool {
        let next = self.gaps.partition_point(|&row| row <= from);
        self.gaps.get(next).is_some_and(|&row| row <= to)
    }

    /// The recipe of a model that is trained on this scan.
    #[must_use]
    pub fn recipe(&self, feed: &Feed, window: u64, horizon: u64, trained_before_ns: i64) -> Recipe {
        Recipe {
            features: feed.plan.canonical().to_owned(),
            features_hash: feed.plan.hash().to_owned(),
            price: feed.price.clone(),
            window,
            horizon,
            gap_seconds: self.gap_seconds,
            normaliser: self.normaliser.clone(),
            target_unit: self.target_unit,
            trained_before_ns,
            is_raw: false,
        }
    }
}

/// One pass on its way.
struct Pass<'a> {
    feed: &'a Feed,
    question: &'a Question,
    block_rows: u64,
    gap_seconds: f64,
    clock: Clock,
    gaps: Vec<u64>,
    fit: Fit,
    target: Target,
    states: Vec<Stream>,
    started: Instant,
}

impl<'a> Pass<'a> {
    fn start(feed: &'a Feed, question: &'a Question) -> Result<Self, ScanError> {
        let started = Instant::now();
        let blocks = (STATES_BYTES_MAX / (feed.plan.state_bytes() as u64).max(1)).clamp(8, BLOCKS_MAX);
        let gap_seconds = match question.gap_seconds {
            Some(seconds) => seconds,
            None => usual_gap(feed, &question.train)?,
        };
        Ok(Self {
            feed,
            question,
            block_rows: feed.table.rows().div_ceil(blocks).next_power_of_two().max(BLOCK_ROWS_MIN),
            gap_seconds,
            clock: feed.clock(gap_seconds),
            gaps: Vec::new(),
            fit: Fit::new(feed.plan.names().len()),
            target: Target::new(question),
            states: Vec::new(),
            started,
        })
    }

    /// The rows of each block of the file.
    fn blocks(&self) -> impl Iterator<Item = Range<u64>> + use<> {
        let (total, block_rows) = (self.feed.table.rows(), self.block_rows);
        let step = usize::try_from(block_rows).unwrap_or(usize::MAX);
        (0..total).step_by(step).map(move |first| first..total.min(first + block_rows))
    }

    /// Whether the next row may follow, and what it adds.
    fn row(&mut self, row: u64, found: Row<'_>) -> Result<(), ScanError> {
        let after_gap = self.feed.check(&mut self.clock, row, found.time, found.price)?;
        if after_gap {
            if self.gaps.len() == GAPS_MAX {
                return Err(ScanError::Gaps { seconds: self.gap_seconds, row });
            }
            self.gaps.push(row);
        }
        self.target.push(row, found.price, after_gap);
        if self.question.train.contains(&row) {
            self.fit.push(found.features);
        }
        Ok(())
    }

    /// Computes every row, into `sink` where there is one.
    fn compute(mut self, mut sink: Option<&mut Sink>, each: &mut Each<'_>) -> Result<Self, ScanError> {
        let (mut rows, mut piece) = (Rows::default(), Piece::default());
        let (mut stream, mut words) = (self.feed.plan.stream(), Vec::new());
        let (inputs, width) = (self.feed.plan.inputs().len(), self.feed.plan.names().len());
        for range in self.blocks() {
            self.states.push(stream.clone());
            self.feed.read(range.clone(), &mut rows)?;
            piece.run(&mut stream, (&rows.inputs, inputs), width, |index, features| {
                let row = range.start + index as u64;
                let found = Row { time: rows.times[index], price: rows.prices[index], features };
                self.row(row, found)?;
                each(row, found);
                if let Some(sink) = sink.as_deref_mut().filter(|sink| sink.is_kept()) {
                    found.write(&mut words);
                    if words.len() >= WORDS {
                        sink.push(&words);
                        words.clear();
                    }
                }
                Ok::<_, ScanError>(())
            })?;
        }
        if let Some(sink) = sink {
            sink.push(&words);
        }
        Ok(self)
    }

    /// Looks at rows that were kept.
    fn replay(mut self, panel: &Panel, each: &mut Each<'_>) -> Result<Self, ScanError> {
        for range in self.blocks() {
            for (row, found) in range.clone().zip(panel.rows(range.clone())) {
                self.row(row, found)?;
                each(row, found);
            }
            panel.release(range);
        }
        Ok(self)
    }

    fn finish(
        self,
        (panel, cached, problem): (Option<Panel>, Cached, Option<String>),
    ) -> Result<Scan, ScanError> {
        let Self { feed, question, fit, .. } = self;
        if let Some(silent) = fit.silent().filter(|_| !question.train.is_empty()) {
            let name = feed.plan.names()[silent].clone();
            return Err(ScanError::NoValue { name, rows: question.train.clone() });
        }
        Ok(Scan {
            block_rows: self.block_rows,
            states: if panel.is_some() { Vec::new() } else { self.states },
            panel,
            cached,
            problem,
            gaps: self.gaps,
            gap_seconds: self.gap_seconds,
            normaliser: fit.finish(),
            target_unit: self.target.unit(question, &feed.price)?,
            rows: feed.table.rows(),
            elapsed: self.started.elapsed(),
        })
    }
}

/// Ten times the median step of the first training rows, at least ten minutes.
pub fn usual_gap(feed: &Feed, train: &Range<u64>) -> Result<f64, FeedError> {
    let mut rows = Rows::default();
    feed.read_unchecked(train.start..train.end.min(train.start + BLOCK_ROWS_MIN), &mut rows)?;
    let mut steps: Vec<i64> = rows.times.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
    steps.sort_unstable();
    let median = steps.get(steps.len() / 2).copied().unwrap_or(0);
    Ok((median as f64 * 1e-9 * GAP_STEPS).max(GAP_SECONDS_MIN))
}

/// The mean square of the log return over the horizon, with the last prices kept in a ring.
struct Target {
    train: Range<u64>,
    horizon: u64,
    /// The first row of the run without a gap: a return over a gap is no window's target.
    run: u64,
    logs: Vec<f64>,
    squares: f64,
    count: f64,
}

impl Target {
    fn new(question: &Question) -> Self {
        let places = usize::try_from(question.horizon).unwrap_or(0).max(1);
        let run = question.train.start;
        let logs = vec![0.0; places];
        Self { train: question.train.clone(), horizon: question.horizon, run, logs, squares: 0.0, count: 0.0 }
    }

    fn push(&mut self, row: u64, price: f64, after_gap: bool) {
        if !self.train.contains(&row) {
            return;
        }
        let log = price.ln();
        let place = usize::try_from(row % self.horizon.max(1)).unwrap_or(0);
        if after_gap {
            self.run = row;
        }
        if row >= self.run + self.horizon {
            let change = log - self.logs[place];
            self.squares += change * change;
            self.count += 1.0;
        }
        self.logs[place] = log;
    }

    fn unit(&self, question: &Question, price: &Price) -> Result<f64, ScanError> {
        if question.train.is_empty() {
            return Ok(1.0);
        }
        let unit = (self.squares / self.count.max(1.0)).sqrt();
        if unit > 0.0 {
            return Ok(unit);
        }
        let rows = question.train.clone();
        if self.count == 0.0 {
            return Err(ScanError::NoTarget { horizon: question.horizon, rows });
        }
        Err(ScanError::NoMove { price: price.clone(), horizon: question.horizon, rows })
    }
}
