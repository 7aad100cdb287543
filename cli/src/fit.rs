//! Training: from a file to a model and an honest account of it.
//!
//! The newest share of the rows is the validation; no window of the training and no target of it reaches into
//! that. Means, deviations, the unit of the target and the width of a gap come from training rows alone. The weights
//! kept are those of the epoch with the least validation loss: the validation chooses the epoch and nothing else, and
//! whatever quotes its loss says that it did.

pub mod settings;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use diapason_kernels::Isa;
use diapason_kernels::lstm::{CompileOptions, Head, Loss, Lstm, Spec, TrainOptions, Trainer};
use diapason_loader::sampler::{Order, Shape, Split, Windows};
use ndarray::{Array2, s};
use serde::Serialize;

use crate::console::{self, Console};
use crate::failure::Failure;
use crate::line::feed::{Feed, TIME};
use crate::line::scan::{Question, Scan};
use crate::line::{Batch, Cached, Recipe, batch};
use crate::score::{Score, Verdict};

pub use settings::Settings;

/// Windows that a validation looks at, at most; beyond that it takes every k-th, and says so.
const VALIDATION_WINDOWS_MAX: u64 = 200_000;

/// One epoch, as it went.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct EpochLine {
    /// Counted from 1.
    pub epoch: u64,
    /// Mean squared error over the batches of the epoch, in units of the target.
    pub train_loss: f64,
    /// Mean squared error on the validation after the epoch.
    pub validation_loss: f64,
    /// Seconds of the epoch without its validation.
    pub seconds: f64,
}

/// Why training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// All epochs were done.
    Epochs,
    /// The validation got no better for the epochs of the patience.
    Patience,
    /// The seconds were over.
    Seconds,
}

/// What came out.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Every epoch.
    pub epochs: Vec<EpochLine>,
    /// The epoch whose weights were kept.
    pub best_epoch: u64,
    /// Why it ended.
    pub ending: Ending,
    /// The kept weights on the validation, in units of the target.
    pub validation: Verdict,
    /// Windows of the training part.
    pub train_windows: u64,
    /// Windows that each validation looked at.
    pub validation_windows: u64,
    /// One of how many validation windows was looked at.
    pub validation_stride: u64,
    /// Windows that the trainer has seen, repeats included.
    pub samples: u64,
    /// Seconds of training without validation.
    pub train_seconds: f64,
    /// Rows of the file.
    pub rows: u64,
    /// Gaps in time that no window crosses.
    pub gaps: usize,
    /// Seconds of the pass over the file before the first epoch.
    pub scan_seconds: f64,
    /// Whether the features were found, or made and kept.
    pub cache: Cached,
    /// Why they could not be kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_problem: Option<String>,
    /// Values that were not finite and became the mean, of all values computed in training.
    pub missing_values: u64,
    /// All values computed in training.
    pub values: u64,
    /// What the model must be fed.
    pub recipe: Recipe,
    /// The instruction set that ran.
    pub isa: String,
    /// In what the matrix products of training were computed.
    pub precision: String,
    /// Trainable numbers of the model.
    pub parameters: usize,
}

impl Outcome {
    /// Windows trained on in a second.
    #[must_use]
    pub fn samples_per_second(&self) -> f64 {
        self.samples as f64 / self.train_seconds.max(1e-9)
    }
}

/// The open file with everything that training and validation need.
pub struct Lesson {
    /// The file and its plan.
    pub feed: Feed,
    /// What the first pass found.
    pub scan: Scan,
    /// What the model must be fed.
    pub recipe: Recipe,
    /// The windows to learn from.
    pub train: Windows,
    /// The windows to be examined on.
    pub validation: Windows,
    stride: u64,
}

impl Lesson {
    /// Opens and scans `path`.
    ///
    /// # Errors
    /// [`Failure`] when the file is unusable or too short for one window in each part.
    pub fn open(path: &Path, settings: &Settings, console: &Console) -> Result<Self, Failure> {
        settings.check()?;
        settings.cache.settle(path);
        let feed = Feed::open(path, settings.features.as_ref(), settings.budget << 20, console)?;
        let of_rows = |error| Failure::Rows { file: path.to_path_buf(), reason: error };
        let shape = Shape { length: settings.window, stride: 1, horizon: settings.horizon };
        settings.check_memory(feed.plan.names().len())?;
        let lookback = feed.plan.lookback() as u64;
        let needed = shape.span();
        let split = Split::in_time(feed.table.rows(), settings.validation, 0.0, settings.horizon, needed)
            .map_err(|error| of_rows(error.to_string()))?;
        let train = lookback.min(split.train.end)..split.train.end;
        if train.end - train.start < needed {
            return Err(of_rows(format!(
                "{} training rows after {lookback} rows of feature warm-up, one window with its target needs {needed}; \
                 give more rows, a shorter --window or features with a shorter lookback",
                train.end - train.start
            )));
        }
        let bar = console.progress("scan", feed.table.rows());
        let question =
            Question { train: train.clone(), horizon: settings.horizon, gap_seconds: settings.gap };
        let scan = Scan::new(&feed, &question, &settings.cache, |rows| bar.set_position(rows))?;
        bar.finish_and_clear();
        let cut =
            |rows, shape| Windows::new(rows, &scan.gaps, shape).map_err(|error| of_rows(error.to_string()));
        let train = cut(train, shape)?;
        let every = cut(split.validation.clone(), shape)?;
        let stride = every.count().div_ceil(VALIDATION_WINDOWS_MAX);
        let validation = cut(split.validation, Shape { stride, ..shape })?;
        let mut border = [0];
        feed.table.read_i64(TIME, split.train.end..split.train.end + 1, &mut border)?;
        let recipe = scan.recipe(&feed, settings.window, settings.horizon, border[0]);
        Ok(Self { feed, scan, recipe, train, validation, stride })
    }

    /// The time of the first validation row, in nanoseconds since 1970-01-01 UTC.
    ///
    /// # Errors
    /// When the file is broken there.
    pub fn time_of_validation(&self) -> Result<i64, Failure> {
        let first = self.validation.rows().start;
        let mut time = [0];
        self.feed.table.read_i64(TIME, first..first + 1, &mut time)?;
        Ok(time[0])
    }

    /// Walks `windows` once in batches.
    ///
    /// # Errors
    /// When the file is broken, or `take` fails; `take` returns whether to go on.
    pub fn walk(
        &self,
        windows: &Windows,
        order: Order,
        epoch: u64,
        size: usize,
        take: impl FnMut(&Batch) -> Result<bool, Failure>,
    ) -> Result<batch::Tally, Failure> {
        let walk = windows.epoch(order, epoch, self.scan.block_rows)?;
        batch::walk(&self.feed, &self.scan, &self.recipe, walk, size, take)
    }
}

/// Trains on `lesson`.
///
/// # Errors
/// [`Failure`] when the file breaks on the way, or the loss is no longer finite.
pub fn fit(lesson: &Lesson, settings: &Settings, console: &Console) -> Result<(Lstm, Outcome), Failure> {
    let inputs = lesson.feed.plan.names().len();
    let spec = Spec {
        input: inputs,
        hidden: settings.size(settings.hidden),
        layers: settings.size(settings.layers),
        output: 1,
        head: Head::Linear,
    };
    let (optimizer, learning_rate) = settings.descent();
    let options = TrainOptions {
        optimizer,
        learning_rate,
        weight_decay: settings.weight_decay as f32,
        truncation: settings.truncation.map(|rows| settings.size(rows)),
        loss: Loss::Mse,
        clip_norm: Some(1.0),
        threads: settings.threads,
        precision: settings.precision,
        seed: settings.seed,
        ..TrainOptions::default()
    };
    let mut trainer = Trainer::new(Lstm::new(spec, settings.seed)?, options)?;
    let started = Instant::now();
    let limit = settings.seconds.map(Duration::from_secs_f64);
    let order = Order::Shuffled { seed: settings.seed };
    let (mut epochs, mut best): (Vec<EpochLine>, Option<(Lstm, Verdict, u64)>) = (Vec::new(), None);
    let (mut samples, mut tally) = (0u64, batch::Tally::default());
    let mut ending = Ending::Epochs;
    for epoch in 1..=settings.epochs {
        let bar = console.progress("train", lesson.train.count());
        let (begun, mut loss, mut seen) = (Instant::now(), 0.0, 0u64);
        let over = || limit.is_some_and(|limit| started.elapsed() >= limit);
        let walked = lesson.walk(&lesson.train, order, epoch, settings.size(settings.batch), |batch| {
            let report = trainer
                .step(batch.x.slice(s![..batch.count, .., ..]), batch.y.slice(s![..batch.count, ..]))?;
            loss += report.loss * batch.count as f64;
            seen += batch.count as u64;
            bar.set_position(seen);
            let speed = console::rate(seen, begun.elapsed(), "windows");
            bar.set_message(format!("epoch {epoch}, loss {:.5}, {speed}", loss / seen as f64));
            Ok(!over())
        })?;
        bar.finish_and_clear();
        tally.values += walked.values;
        tally.missing += walked.missing;
        samples += seen;
        let seconds = begun.elapsed().as_secs_f64();
        let verdict = examine(lesson, trainer.model(), settings)?;
        let line =
            EpochLine { epoch, train_loss: loss / seen.max(1) as f64, validation_loss: verdict.mse, seconds };
        console.say(&format!(
            "  epoch {epoch:>3}  train {:.6}  validation {:.6}  (zero {:.6})  {}",
            line.train_loss,
            line.validation_loss,
            verdict.mse_of_zero,
            console::rate(seen, begun.elapsed(), "windows"),
        ))?;
        epochs.push(line);
        if best.as_ref().is_none_or(|(_, kept, _)| verdict.mse < kept.mse || kept.mse.is_nan()) {
            best = Some((trainer.model().clone(), verdict, epoch));
        }
        let best_epoch = best.as_ref().map_or(0, |kept| kept.2);
        if epoch - best_epoch >= settings.patience {
            ending = Ending::Patience;
            break;
        }
        if over() {
            ending = Ending::Seconds;
            break;
        }
    }
    let Some((model, validation, best_epoch)) = best else {
        return Err(Failure::OutOfRange { name: "--epochs", value: 0.0, range: "at least 1" });
    };
    let train_seconds = epochs.iter().map(|line| line.seconds).sum();
    let outcome = Outcome {
        epochs,
        best_epoch,
        ending,
        validation,
        train_windows: lesson.train.count(),
        validation_windows: lesson.validation.count(),
        validation_stride: lesson.stride,
        samples,
        train_seconds,
        rows: lesson.scan.rows,
        gaps: lesson.scan.gaps.len(),
        scan_seconds: lesson.scan.elapsed.as_secs_f64(),
        cache: lesson.scan.cached.clone(),
        cache_problem: lesson.scan.problem.clone(),
        missing_values: tally.missing,
        values: tally.values,
        recipe: lesson.recipe.clone(),
        isa: Isa::choose(None)?.to_string(),
        precision: settings.precision.to_string(),
        parameters: model.spec().parameters(),
    };
    Ok((model, outcome))
}

/// The verdict on the validation windows.
fn examine(lesson: &Lesson, model: &Lstm, settings: &Settings) -> Result<Verdict, Failure> {
    let compile = CompileOptions { threads: settings.threads, ..CompileOptions::default() };
    let mut executable = model.compile(&compile)?;
    let batch = batch::windows_of(settings.window, lesson.feed.plan.names().len(), 1024);
    let mut out = Array2::zeros((batch, 1));
    let mut score = Score::overlapping(settings.horizon.div_ceil(lesson.stride));
    lesson.walk(&lesson.validation, Order::Sequential, 0, batch, |batch| {
        executable.predict(batch.x.slice(s![..batch.count, .., ..]), out.slice_mut(s![..batch.count, ..]))?;
        for index in 0..batch.count {
            score.push(f64::from(out[[index, 0]]), f64::from(batch.y[[index, 0]]));
        }
        Ok(true)
    })?;
    score.verdict().ok_or(Failure::Rows {
        file: PathBuf::from("validation"),
        reason: "no validation window has a known target; give a larger --validation".to_owned(),
    })
}
