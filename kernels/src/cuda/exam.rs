//! What a device sits beside the exam of predictions: training, features and streams, each held against the processor or the
//! reference in f64, and how long each takes.

use std::time::{Duration, Instant};

use ndarray::{Array2, Array3};

use super::feature::CudaPanelError;
use super::gpu::Gpu;
use super::stream::CudaStreamOptions;
use super::train::{CudaSweep, CudaTrainError, CudaTrainer};
use crate::feature::{Number, Plan};
use crate::gpu::Precision;
use crate::gpu::exam::training::{self, LESSONS, Lesson, STEPS};
use crate::gpu::exam::{Mark, Timing, distance, windows};
use crate::lstm::{Head, Lstm, Precision as Kept, Spec, TrainError, TrainOptions, Weights};
use crate::op::network::forward;
use crate::random;

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// Exams.
    pub marks: Vec<Mark>,
    /// Those that ended in an error.
    pub errors: Vec<String>,
    /// How long things took.
    pub timings: Vec<Timing>,
}

/// The workload of the benchmarks.
const WORKLOAD: Spec = Spec { input: 32, hidden: 128, layers: 2, output: 1, head: Head::Linear };
const TIME: usize = 60;
/// Windows of a step of the training that is measured.
const STEP_BATCHES: [usize; 3] = [8, 128, 1_024];
/// Steps, ticks and panels that are measured at most, and at least where there is little time.
const SAMPLES: (usize, usize) = (50, 3);
const TICKS: (usize, usize) = (20_000, 50);
const PANELS: usize = 4;
/// Ticks that are held against the reference.
const CHECKED: usize = 40;
/// Symbols and rows of a panel.
const PANEL: (usize, usize) = (4_000, 500);

impl Found {
    fn take<E: std::fmt::Display>(&mut self, what: &str, mark: Result<Mark, E>) {
        match mark {
            Ok(mark) => self.marks.push(mark),
            Err(error) => self.errors.push(format!("{what}: {error}")),
        }
    }
}

/// Sits everything on `gpu`, and measures each thing for about as long as is `enough`. `say` hears what is being done.
pub fn sit(gpu: &Gpu, enough: Duration, say: &mut impl FnMut(&str)) -> Found {
    let mut found = Found::default();
    let precisions = [(Precision::F32, Kept::F32), (Precision::Bf16, Kept::Bf16)];
    for both in precisions.into_iter().filter(|(precision, _)| gpu.offers(*precision)) {
        trainings(gpu, both, enough, &mut found, say);
    }
    say("cuda: models side by side");
    found.take("models side by side", side_by_side(gpu));
    say("cuda: features");
    panels::<f32>(gpu, enough, &mut found);
    panels::<f64>(gpu, enough, &mut found);
    for precision in Precision::ALL.into_iter().filter(|&precision| gpu.offers(precision)) {
        for persistent in [true, false] {
            say(&format!("cuda: a stream in {precision}, persistent: {persistent}"));
            let options = CudaStreamOptions { precision, persistent, ..CudaStreamOptions::default() };
            match ticks(gpu, &options, enough) {
                Ok((mark, timing)) => {
                    found.marks.push(mark);
                    found.timings.push(timing);
                }
                Err(error) => found.errors.push(format!("a stream in {precision}: {error}")),
            }
        }
    }
    found
}

/// Gradients, a short training, and steps that are measured.
fn trainings(
    gpu: &Gpu,
    (precision, kept): (Precision, Kept),
    enough: Duration,
    found: &mut Found,
    say: &mut impl FnMut(&str),
) {
    // The kernels in halves take up to 256 units, and say so of more.
    let fits = |lesson: &&Lesson| kept == Kept::F32 || lesson.spec.hidden <= 256;
    for lesson in LESSONS.iter().filter(fits) {
        say(&format!("cuda: gradient of {:?} in {precision}, {}", lesson.loss, lesson.spec));
        let mark = training::sit_gradient(lesson, precision, |model, x, y| {
            let options = TrainOptions { loss: lesson.loss, precision: kept, ..TrainOptions::default() };
            let mut trainer = CudaTrainer::new(gpu, model.clone(), options, lesson.batch)?;
            let (loss, gradient) = trainer.gradients(x, y)?;
            Ok::<_, CudaTrainError>((loss, gradient.values))
        });
        found.take("a gradient", mark);
    }
    say("cuda: a short training");
    let mark = training::sit_training(precision, |model, options, x, y| {
        let options = TrainOptions { precision: kept, ..options };
        let mut trainer = CudaTrainer::new(gpu, model, options, training::SHORT.batch)?;
        (0..STEPS).map(|_| Ok(trainer.step(x, y)?.loss)).collect::<Result<_, CudaTrainError>>()
    });
    found.take("a short training", mark);
    let mut last: Option<(usize, f64)> = None;
    for batch in STEP_BATCHES {
        // A batch takes at most as much longer as it is larger.
        let expected_us = last.map_or(0.0, |(before, us)| us * batch as f64 / before as f64);
        if expected_us > enough.as_secs_f64() * 1e6 {
            break;
        }
        say(&format!("cuda: steps of a training in {precision}, {batch} windows"));
        match steps(gpu, kept, batch, enough) {
            Ok(timing) => {
                last = Some((batch, timing.p50_us));
                found.timings.push(timing);
            }
            Err(error) => found.errors.push(format!("training on batches of {batch}: {error}")),
        }
    }
}

/// Three models in the same launches have the bits of each alone, step after step.
fn side_by_side(gpu: &Gpu) -> Result<Mark, CudaTrainError> {
    let spec = Spec { input: 6, hidden: 24, layers: 2, output: 1, head: Head::Linear };
    let (batch, steps) = (40, 3);
    let (x, y) = (windows(batch, 9, spec.input), training::targets(batch, &spec));
    let one = |seed: u16| {
        let learning_rate = 1e-3 * f32::from(seed + 1);
        let options =
            TrainOptions { learning_rate, seed: seed.into(), dropout: 0.2, ..TrainOptions::default() };
        Ok::<_, CudaTrainError>((Lstm::new(spec, seed.into()).map_err(TrainError::Model)?, options))
    };
    let models = (0..3).map(one).collect::<Result<Vec<_>, _>>()?;
    let run = |models: Vec<(Lstm, TrainOptions)>| {
        let mut sweep = CudaSweep::new(gpu, models, batch)?;
        for _ in 0..steps {
            sweep.step(x.view(), y.view())?.into_iter().collect::<Result<Vec<_>, _>>()?;
        }
        sweep.models()
    };
    let together = run(models.clone())?;
    let mut differing = 0_u32;
    for (model, own) in together.iter().zip(models) {
        differing += u32::from(run(vec![own])?.first() != Some(model));
    }
    let case =
        format!("3 models of {spec} side by side for {steps} steps, beside each alone: those that differ");
    let (distance, passed) = (f64::from(differing), differing == 0);
    Ok(Mark { case, precision: "f32", distance, tolerance: 0.0, passed })
}

/// How long a step of the training of the workload takes.
fn steps(gpu: &Gpu, precision: Kept, batch: usize, enough: Duration) -> Result<Timing, CudaTrainError> {
    let model = Lstm::new(WORKLOAD, 1).map_err(TrainError::Model)?;
    let options = TrainOptions { precision, ..TrainOptions::default() };
    let mut trainer = CudaTrainer::new(gpu, model, options, batch)?;
    let (x, y) = (windows(batch, TIME, WORKLOAD.input), training::targets(batch, &WORKLOAD));
    trainer.step(x.view(), y.view())?;
    let (begin, mut times) = (Instant::now(), Vec::with_capacity(SAMPLES.0));
    while times.len() < SAMPLES.0 && (times.len() < SAMPLES.1 || begin.elapsed() < enough) {
        let start = Instant::now();
        trainer.step(x.view(), y.view())?;
        times.push(start.elapsed());
    }
    let what = format!("a training step in {precision}: {WORKLOAD}, {batch} windows of {TIME} steps");
    Ok(Timing::new(what, times))
}

/// Ticks held against the reference, a pause in which a kernel leaves, and then many that are measured.
fn ticks(
    gpu: &Gpu,
    options: &CudaStreamOptions,
    enough: Duration,
) -> Result<(Mark, Timing), super::CudaError> {
    let model = Lstm::new(WORKLOAD, 1)?;
    // Soon bored, so that the pause below is one.
    let bored = CudaStreamOptions { looks_max: 2_000, ..options.clone() };
    let mut stream = model.stream_cuda(gpu, &bored)?;
    let x: Vec<f32> =
        (0..(CHECKED * WORKLOAD.input) as u64).map(|k| 4.0 * random::unit(9, k) - 2.0).collect();
    let weights = model.weights().values.iter().map(|&w| f64::from(w)).collect();
    let weights = Weights { spec: WORKLOAD, values: weights };
    let (mut got, mut wanted, mut out) = (Vec::new(), Vec::new(), [0.0]);
    for (tick, row) in x.chunks_exact(WORKLOAD.input).enumerate() {
        if tick == CHECKED / 2 {
            std::thread::sleep(Duration::from_millis(200));
        }
        stream.push(row, &mut out)?;
        got.extend(out);
        let window: Vec<f64> = x[..(tick + 1) * WORKLOAD.input].iter().map(|&x| f64::from(x)).collect();
        wanted.extend(forward::forward(&weights, &window).output);
    }
    drop(stream);
    let kind = if options.persistent { "a kernel that stays" } else { "a launch a tick" };
    let (distance, tolerance) = (distance(&got, &wanted), options.precision.tolerance());
    let case = format!("{CHECKED} ticks by {kind}, {WORKLOAD}");
    let passed = distance <= tolerance;
    let mark = Mark { case, precision: options.precision.name(), distance, tolerance, passed };
    let mut stream = model.stream_cuda(gpu, options)?;
    let row = &x[..WORKLOAD.input];
    for _ in 0..TICKS.1 {
        stream.push(row, &mut out)?;
    }
    let (begin, mut times) = (Instant::now(), Vec::with_capacity(TICKS.0));
    while times.len() < TICKS.0 && (times.len() < TICKS.1 || begin.elapsed() < enough) {
        let start = Instant::now();
        stream.push(row, &mut out)?;
        times.push(start.elapsed());
    }
    let what = format!("a tick by {kind} in {}: {WORKLOAD}", options.precision);
    Ok((mark, Timing::new(what, times)))
}

/// Operations that IEEE 754 rounds must have the processor's bits; with logarithms the distance counts.
fn panels<T: Number>(gpu: &Gpu, enough: Duration, found: &mut Found) {
    let exact = "rsi(close,14), ema(close,20)/close-1, zscore(close,60), atr(14), percentb(close,20), \
                 macd(close,12,26,9).hist, willr(14), adx(14), median(close,9)";
    let logs = "log_return(close,1), volatility(close,20)";
    let (precision, rounding) = if size_of::<T>() == 8 { ("f64", 1e-13) } else { ("f32", 1e-5) };
    for (text, tolerance) in [(exact, 0.0), (logs, rounding)] {
        match panel::<T>(gpu, text, enough) {
            Ok((distance, timing)) => {
                let passed = distance <= tolerance;
                let case = format!("a panel of {} symbols, {text}", PANEL.0);
                found.marks.push(Mark { case, precision, distance, tolerance, passed });
                found.timings.push(timing);
            }
            Err(error) => found.errors.push(format!("a panel in {precision}: {error}")),
        }
    }
}

/// The distance from the processor's panel; infinite where one is known and the other not, and the share of numbers that differ
/// is at least it where any does.
fn panel<T: Number>(gpu: &Gpu, text: &str, enough: Duration) -> Result<(f64, Timing), CudaPanelError> {
    const COLUMNS: [&str; 3] = ["high", "low", "close"];
    // The texts are this file's own; a plan that this build does not know is a mistake in it, and shows as a failed exam.
    let Ok(plan) = Plan::parse(text, &COLUMNS) else {
        return Ok((f64::INFINITY, Timing::new(format!("no such plan: {text}"), Vec::new())));
    };
    let (symbols, rows) = PANEL;
    let close = Array2::from_shape_fn((rows, symbols), |(row, symbol)| {
        let draw = f64::from(random::unit(3, (row * symbols + symbol) as u64));
        if symbol % 7 == 3 && row % 90 == 50 { f64::NAN } else { 100.0 + (row as f64 / 9.0).sin() + draw }
    });
    let column = |name: &String| {
        let shift = match name.as_str() {
            "high" => 1.0,
            "low" => -1.0,
            _ => 0.0,
        };
        close.mapv(|x| T::of(x + shift))
    };
    let columns: Vec<Array2<T>> = plan.inputs().iter().map(column).collect();
    let views: Vec<_> = columns.iter().map(|column| column.view()).collect();
    let mut wanted = Array3::from_elem((plan.names().len(), rows, symbols), T::zero());
    plan.panel::<T>(symbols)?.extend(&views, wanted.view_mut())?;
    let mut got = wanted.clone();
    let (begin, mut times) = (Instant::now(), Vec::new());
    while times.len() < PANELS && (times.is_empty() || begin.elapsed() < enough) {
        let mut panel = plan.panel_cuda::<T>(gpu, symbols)?;
        let start = Instant::now();
        panel.extend(&views, got.view_mut())?;
        times.push(start.elapsed());
    }
    let (mut off, mut norm, mut odd) = (0.0, 0.0, false);
    for (got, wanted) in got.iter().zip(&wanted).map(|(got, wanted)| (got.wide(), wanted.wide())) {
        odd |= got.is_nan() != wanted.is_nan();
        if !wanted.is_nan() {
            off += (got - wanted).powi(2);
            norm += wanted.powi(2);
        }
    }
    let distance = if odd { f64::INFINITY } else { (off / norm).sqrt() };
    let what = format!("features of {symbols} symbols x {rows} rows, copies included: {text}");
    Ok((distance, Timing::new(what, times)))
}
