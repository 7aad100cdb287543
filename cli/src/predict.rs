//! `diapason predict`: a model over a file, in batches of windows or one row per tick.

mod foreign;
mod sink;
mod truth;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use diapason_kernels::lstm::{CompileOptions, Network, NetworkExecutable, Precision, StreamOptions};
use diapason_loader::sampler::{Order, Shape, Windows};
use ndarray::{Array2, s};
use serde::Serialize;

use crate::console::{self, Console};
use crate::failure::Failure;
use crate::fit::settings::threads;
use crate::latency::{Figures, Latency};
use crate::line::batch;
use crate::line::feed::{Feed, Rows};
use crate::line::recipe::{KEY, Recipe, RecipeError};
use crate::line::scan::{BLOCK_ROWS_MIN, Question, Scan};
use crate::line::{Cache, Cached, PlanText};
use crate::memory;
use crate::score::Verdict;
use crate::write;

pub use foreign::Foreign;
use sink::Sink;
use truth::{Scores, Truth};

/// Windows in a batch: large enough to fill the micro-kernels, small enough for the cache.
const BATCH: usize = 1024;

/// What to predict.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The model, safetensors or .onnx: one that `diapason train` wrote, or with --features and --window one of another program
    pub model: PathBuf,
    /// The file to predict on: HDF5, or CSV, Parquet, Arrow and NumPy, which are imported for this run
    pub data: PathBuf,
    /// Write every prediction to this CSV file: time in nanoseconds since 1970 UTC, predicted log return
    #[arg(short, long)]
    pub out: Option<PathBuf>,
    /// One row per tick with a latency histogram, as a live feed would
    #[arg(long)]
    pub stream: bool,
    /// With --stream: carry the state on, up to the next gap in time, instead of starting each window from zero
    #[arg(long, requires = "stream")]
    pub carry: bool,
    /// With --stream: ticks at most, warm-up included
    #[arg(long, requires = "stream")]
    pub ticks: Option<u64>,
    /// With --stream: leave what a prediction does not wait for until it is out; the latency is then that of the rest
    #[arg(long, requires = "stream")]
    pub ahead: bool,
    /// In what matrix products are computed: f32, bf16 or int8
    #[arg(long, default_value_t = Precision::F32)]
    pub precision: Precision,
    /// The plan that the model is expected to have, another one is an error; of a model without a recipe the plan that it
    /// reads
    #[arg(long)]
    pub features: Option<PlanText>,
    /// What the file of a model does not say
    #[command(flatten)]
    pub foreign: Foreign,
    /// Threads; 0 takes every processor this process may run on (batches only)
    #[arg(long, default_value_t = 0, value_parser = threads)]
    pub threads: usize,
    /// MiB of decoded chunks held at once
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    pub budget: u64,
    /// Whether computed features are kept (batches only).
    #[command(flatten)]
    pub cache: Cache,
}

/// What came out.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Predictions made.
    pub predictions: u64,
    /// Seconds from the first window to the last prediction, loading and features included.
    pub seconds: f64,
    /// Predictions a second, likewise.
    pub per_second: f64,
    /// Against the truth, in log returns, on rows later than everything that training saw. Those of the file it was
    /// trained on hold the validation, which chose the epoch.
    pub later: Option<Verdict>,
    /// Likewise on the other rows: what a model gets right that it has seen is no evidence.
    pub earlier: Option<Verdict>,
    /// Feature values that were not finite and were taken as their mean.
    pub missing_values: u64,
    /// From the row to its prediction, features and normalisation included; with `--stream`.
    pub latency: Option<Figures>,
    /// Whether the features were found, or made and kept; `off` with `--stream`, which computes them tick by tick.
    pub cache: Cached,
    /// Why they could not be kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_problem: Option<String>,
    /// The instruction set that ran.
    pub isa: String,
    /// In what the matrix products were computed.
    pub precision: String,
    /// The largest resident set of the process, in bytes.
    pub peak_bytes: u64,
    /// The file written.
    pub out: Option<PathBuf>,
}

/// A model with what it must be fed.
pub struct Ready {
    /// The model.
    pub network: Network,
    /// What it learnt from.
    pub recipe: Recipe,
    /// Which value of its first head is the prediction.
    pub output: usize,
    /// Whether its predictions can be held against the price.
    pub is_judged: bool,
    /// What a prediction is called in a file.
    pub column: &'static str,
}

impl Ready {
    /// Reads a model file that `diapason train` wrote.
    ///
    /// # Errors
    /// When the file is no model, or has no recipe.
    pub fn load(path: &Path) -> Result<Self, Failure> {
        let network = Self::network(path)?;
        let missing = || RecipeError::NoRecipe { reason: "it is missing".to_owned() };
        let text = network.metadata().get(KEY).ok_or_else(missing);
        let text = text.map_err(|error| Failure::Model { file: path.to_path_buf(), error })?;
        let recipe = Self::recipe(path, text)?;
        Ok(Self { network, recipe, output: 0, is_judged: true, column: "predicted_log_return" })
    }

    fn network(path: &Path) -> Result<Network, Failure> {
        Network::load(path).map_err(Failure::NoModel)
    }

    /// The recipe in a text of `path`.
    fn recipe(path: &Path, text: &str) -> Result<Recipe, Failure> {
        let of_file = |error| Failure::Model { file: path.to_path_buf(), error };
        let bad = |error: serde_json::Error| of_file(RecipeError::NoRecipe { reason: error.to_string() });
        let recipe: Recipe = serde_json::from_str(text).map_err(bad)?;
        recipe.validate().map_err(of_file)?;
        Ok(recipe)
    }

    /// Opens `data` for this model.
    ///
    /// # Errors
    /// When the file lacks a column, or `features` or this version's plan is not what the model learnt from.
    pub fn feed(
        &self,
        model: &Path,
        data: &Path,
        features: Option<&PlanText>,
        budget_mib: u64,
        console: &Console,
    ) -> Result<Feed, Failure> {
        let own = PlanText::of(&self.recipe.features);
        let mut feed = Feed::open(data, Some(features.unwrap_or(&own)), budget_mib << 20, console)?;
        self.recipe
            .check(&feed.plan, self.network.widths())
            .map_err(|error| Failure::Model { file: model.to_path_buf(), error })?;
        feed.price = self.recipe.price.clone();
        Ok(feed)
    }
}

/// One prediction: nanoseconds since 1970 UTC of the last row of the window, the predicted log return over the
/// horizon, and the true one, NaN where it is not known at that moment.
pub type Take<'a> = dyn FnMut(i64, f64, f64) -> Result<(), Failure> + 'a;

/// How batches are predicted.
#[derive(Clone, Copy, Debug)]
pub struct How<'a> {
    /// Threads; 0 for all processors.
    pub threads: usize,
    /// In what matrix products are computed.
    pub precision: Precision,
    /// Whether computed features are kept.
    pub cache: &'a Cache,
}

/// How a stream takes its rows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ticks {
    /// State goes on up to the next gap, instead of starting each window from zero.
    pub carry: bool,
    /// What a prediction does not wait for is done after it.
    pub ahead: bool,
    /// In what matrix products are computed.
    pub precision: Precision,
    /// Ticks at most.
    pub most: u64,
}

/// Runs the command.
///
/// # Errors
/// [`Failure`]; an output file appears only when it is complete.
pub fn run(arguments: &Arguments, console: &Console) -> Result<(), Failure> {
    let inputs: [&Path; 2] = [&arguments.model, &arguments.data];
    arguments.out.as_deref().map(|out| write::ready(out, &inputs)).transpose()?;
    arguments.cache.settle(&arguments.data);
    let Arguments { model, data, features, foreign, budget, .. } = arguments;
    let (ready, feed) = foreign.open(model, data, features.as_ref(), *budget, console)?;
    let mut sink = arguments.out.as_deref().map(|out| Sink::create(out, ready.column)).transpose()?;
    let mut take = |time, value, _| sink.as_mut().map_or(Ok(()), |sink| sink.write(time, value));
    let mut report = if arguments.stream {
        let Arguments { carry, ahead, precision, .. } = *arguments;
        let most = arguments.ticks.unwrap_or(u64::MAX);
        tick(&ready, &feed, &Ticks { carry, ahead, precision, most }, console, &mut take)?.0
    } else {
        let how = How { threads: arguments.threads, precision: arguments.precision, cache: &arguments.cache };
        batch(&ready, &feed, &how, console, &mut take)?
    };
    if let Some(sink) = sink {
        report.out = Some(sink.finish()?);
    }
    report.peak_bytes = memory::peak_bytes();
    Ok(console.show(&report, |_, report| text(report))?)
}

/// Predicts every window of the file, in order of time.
///
/// # Errors
/// [`Failure`] when no window fits or the file is broken.
pub fn batch(
    ready: &Ready,
    feed: &Feed,
    how: &How<'_>,
    console: &Console,
    take: &mut Take<'_>,
) -> Result<Report, Failure> {
    let recipe = &ready.recipe;
    let How { threads, precision, cache } = *how;
    let question = Question { train: 0..0, horizon: recipe.horizon, gap_seconds: Some(recipe.gap_seconds) };
    let bar = console.progress("scan", feed.table.rows());
    let scan = Scan::new(feed, &question, cache, |rows| bar.set_position(rows))?;
    bar.finish_and_clear();
    let rows = feed.table.rows();
    let shape = Shape { length: recipe.window, stride: 1, horizon: 0 };
    let first = (feed.plan.lookback() as u64).min(rows);
    let windows = Windows::new(first..rows, &scan.gaps, shape)
        .map_err(|error| Failure::Rows { file: feed.path.clone(), reason: error.to_string() })?;
    let mut executable =
        ready.network.compile(&CompileOptions { threads, precision, ..CompileOptions::default() })?;
    let size = batch::windows_of(recipe.window, feed.plan.names().len(), BATCH);
    let mut out = Array2::zeros((size, ready.network.widths().1));
    let mut score = Scores::new(recipe);
    let (started, mut done) = (Instant::now(), 0u64);
    let bar = console.progress("predict", windows.count());
    let walk = windows.epoch(Order::Sequential, 0, scan.block_rows)?;
    let tally = batch::walk(feed, &scan, recipe, walk, size, |full| -> Result<bool, Failure> {
        let count = full.count;
        executable.predict(full.x.slice(s![..count, .., ..]), out.slice_mut(s![..count, ..]))?;
        for index in 0..count {
            let value = f64::from(out[[index, ready.output]]) * recipe.target_unit;
            let truth = f64::from(full.y[[index, 0]]) * recipe.target_unit;
            if ready.is_judged {
                score.push(full.times[index], value, truth);
            }
            take(full.times[index], value, truth)?;
        }
        done += count as u64;
        bar.set_position(done);
        Ok(true)
    })?;
    bar.finish_and_clear();
    let report = report(done, started.elapsed(), &score, None, &executable);
    let (cache, cache_problem) = (scan.cached.clone(), scan.problem.clone());
    Ok(Report { missing_values: tally.missing, cache, cache_problem, ..report })
}

/// Predicts row by row, as the rows of a live feed would come in.
///
/// # Errors
/// [`Failure`] when the file is broken or has no row to predict on.
pub fn tick(
    ready: &Ready,
    feed: &Feed,
    ticks: &Ticks,
    console: &Console,
    take: &mut Take<'_>,
) -> Result<(Report, Latency), Failure> {
    let recipe = &ready.recipe;
    let executable = ready.network.compile(&CompileOptions {
        threads: 1,
        precision: ticks.precision,
        ..CompileOptions::default()
    })?;
    let window = (!ticks.carry).then(|| usize::try_from(recipe.window).unwrap_or(usize::MAX));
    let mut model =
        executable.stream(&StreamOptions { window, ahead: ticks.ahead, ..StreamOptions::default() })?;
    let mut features = feed.plan.stream();
    let mut latency = Latency::new().ok_or(Failure::OutOfRange {
        name: "latency",
        value: 0.0,
        range: "a histogram of 1 ns to 10 s",
    })?;
    let (lookback, width, inputs) =
        (feed.plan.lookback() as u64, feed.plan.names().len(), feed.plan.inputs().len());
    let (mut raw, mut normal, mut rows) = (vec![0.0; width], vec![0.0; width], Rows::default());
    let total = feed.table.rows().min(ticks.most);
    let bar = console.progress("stream", total);
    let mut truth = Truth::new(recipe);
    let mut clock = feed.clock(recipe.gap_seconds);
    let (started, mut done, mut missing) = (Instant::now(), 0u64, 0u64);
    for first in (0..total).step_by(usize::try_from(BLOCK_ROWS_MIN).unwrap_or(usize::MAX)) {
        let range = first..total.min(first + BLOCK_ROWS_MIN);
        feed.read(range.clone(), &mut rows)?;
        for (index, row) in range.clone().enumerate() {
            let after_gap = feed.check(&mut clock, row, rows.times[index], rows.prices[index])?;
            truth.row(rows.times[index], rows.prices[index], after_gap);
            if after_gap {
                model.reset(0)?;
            }
            let begun = Instant::now();
            features.push(&rows.inputs[index * inputs..(index + 1) * inputs], &mut raw);
            if row < lookback {
                continue;
            }
            missing += recipe.normalise(&raw, &mut normal);
            let predicted =
                model.push(0, &normal)?.map(|out| f64::from(out[ready.output]) * recipe.target_unit);
            let elapsed = begun.elapsed();
            model.prepare(0)?;
            if let Some(value) = predicted {
                latency.record(elapsed);
                if ready.is_judged {
                    truth.predicted(value);
                }
                take(rows.times[index], value, f64::NAN)?;
                done += 1;
            }
        }
        bar.set_position(range.end);
    }
    bar.finish_and_clear();
    if done == 0 {
        let reason = format!(
            "{total} rows give no prediction: {lookback} rows of feature warm-up and a window of {} without a gap are needed",
            recipe.window
        );
        return Err(Failure::Rows { file: feed.path.clone(), reason });
    }
    let figures = latency.figures();
    let report = report(done, started.elapsed(), &truth.scores, Some(figures), &executable);
    Ok((Report { missing_values: missing, ..report }, latency))
}

fn report(
    predictions: u64,
    elapsed: Duration,
    scores: &Scores,
    latency: Option<Figures>,
    executable: &NetworkExecutable,
) -> Report {
    let seconds = elapsed.as_secs_f64();
    Report {
        predictions,
        seconds,
        per_second: predictions as f64 / seconds.max(1e-9),
        later: scores.later.verdict(),
        earlier: scores.earlier.verdict(),
        missing_values: 0,
        latency,
        cache: Cached::Off,
        cache_problem: None,
        isa: executable.product_isa().to_string(),
        precision: executable.precision().to_string(),
        peak_bytes: memory::peak_bytes(),
        out: None,
    }
}

fn text(report: &Report) -> String {
    let mut lines = vec![format!(
        "{} predictions in {:.2} s ({}, {} on {})",
        console::count(report.predictions),
        report.seconds,
        console::per_second(report.per_second, "predictions"),
        report.precision,
        report.isa
    )];
    if let Some(latency) = &report.latency {
        lines.push(format!("  latency        {}", latency.text()));
    }
    let judged = [("after training", &report.later), ("seen before", &report.earlier)];
    for (name, verdict) in judged.iter().filter_map(|(name, verdict)| verdict.as_ref().map(|v| (name, v))) {
        let (moves, rate) = (console::count(verdict.moves), 100.0 * verdict.hit_rate);
        lines.push(format!("  {name:<14} this model {}", verdict.sentence()));
        lines.push(format!(
            "  {:<14} correlation {:+.4}, sign right in {rate:.2} % of {moves} moves",
            "", verdict.correlation
        ));
    }
    match (&report.later, &report.earlier) {
        (None, Some(_)) => {
            lines.push(
                "  no row is known to be later than the training: these figures are no evidence".to_owned(),
            );
        }
        (Some(_), Some(_)) => lines.push("  rows that training may have seen are no evidence".to_owned()),
        _ => {}
    }
    if report.missing_values > 0 {
        let count = console::count(report.missing_values);
        lines.push(format!("  not finite     {count} feature values were taken as their mean"));
    }
    if let Some(problem) = &report.cache_problem {
        lines.push(format!("  not kept       the features: {problem}"));
    }
    lines.push(format!("  peak memory    {}", console::bytes(report.peak_bytes)));
    if let Some(out) = &report.out {
        lines.push(format!("  written        {}", out.display()));
    }
    lines.join("\n")
}
