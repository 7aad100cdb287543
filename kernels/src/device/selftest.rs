//! Every exam and every measurement of every device, in one report: what a machine with a GPU is asked to run once.

use std::time::{Duration, Instant};

use ndarray::Array2;
use serde::Serialize;

use super::{Device, DeviceError, Kind};
use crate::gpu::exam::training::{self, LESSONS, STEPS};
use crate::gpu::exam::{self, CASES, Mark, Timing};
use crate::gpu::{Options, Precision};
use crate::lstm::{Head, Lstm, Spec, TrainOptions};

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Every exam, or of each precision the one of the shape that is measured.
    pub every_exam: bool,
    /// After so long a size of batch has been measured enough, and one of which a single batch would take longer is left out.
    pub enough: Duration,
}

impl Default for Plan {
    fn default() -> Self {
        Self { every_exam: true, enough: ENOUGH }
    }
}

/// What was found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Of this crate.
    pub version: &'static str,
    /// Whether every exam that was sat was passed, and at least one was.
    pub passed: bool,
    /// Each kind that this build knows.
    pub devices: Vec<DeviceReport>,
}

/// One device.
#[derive(Debug, Serialize)]
pub struct DeviceReport {
    /// Its kind.
    pub kind: &'static str,
    /// Its name, where there is one.
    pub name: Option<String>,
    /// Why it was left out.
    pub left_out: Option<String>,
    /// Exams.
    pub marks: Vec<Mark>,
    /// Exams that ended in an error.
    pub errors: Vec<String>,
    /// Measurements.
    pub speeds: Vec<Speed>,
    /// Those of steps of a training, of ticks and of features.
    pub timings: Vec<Timing>,
}

/// A measurement: its answer was checked before.
#[derive(Debug, Serialize)]
pub struct Speed {
    /// The model.
    pub model: String,
    /// In what the device multiplied.
    pub precision: &'static str,
    /// Windows in a batch.
    pub batch: usize,
    /// Steps in a window.
    pub time: usize,
    /// Batches measured.
    pub samples: usize,
    /// The median time of a batch.
    pub median_ms: f64,
    /// The shortest.
    pub min_ms: f64,
    /// The longest.
    pub max_ms: f64,
    /// Windows in a second, of the median.
    pub windows_per_second: f64,
    /// 10^9 floating-point operations in a second, of the median.
    pub gflops: f64,
}

/// The workload of the benchmarks: 32 features, 60 steps, two layers of 128 units.
const WORKLOAD: Spec = Spec { input: 32, hidden: 128, layers: 2, output: 1, head: Head::Linear };
const TIME: usize = 60;
/// One window costs what a call costs; the largest is that of the published comparisons.
const BATCHES: [usize; 4] = [1, 100, 1_000, 10_000];
/// From here on a larger batch takes longer in proportion; below, a device that is not full takes as long for more.
const FULL: usize = 100;
/// Batches of one size that are measured at most and at least.
const SAMPLES: (usize, usize) = (50, 3);
/// [`Plan::enough`] unless it is set.
const ENOUGH: Duration = Duration::from_secs(3);

/// Sits the exams of `plan` on every device and measures each. `say` hears what is being done.
pub fn run(kinds: &[Kind], plan: Plan, mut say: impl FnMut(&str)) -> Report {
    let devices: Vec<DeviceReport> = kinds.iter().map(|&kind| device(kind, plan, &mut say)).collect();
    let sat = devices.iter().any(|device| !device.marks.is_empty());
    let well =
        |device: &DeviceReport| device.errors.is_empty() && device.marks.iter().all(|mark| mark.passed);
    Report { version: env!("CARGO_PKG_VERSION"), passed: sat && devices.iter().all(well), devices }
}

fn device(kind: Kind, plan: Plan, say: &mut impl FnMut(&str)) -> DeviceReport {
    let mut report = DeviceReport {
        kind: kind.name(),
        name: None,
        left_out: None,
        marks: Vec::new(),
        errors: Vec::new(),
        speeds: Vec::new(),
        timings: Vec::new(),
    };
    let device = match Device::open(kind) {
        Ok(device) => device,
        Err(error) => {
            report.left_out = Some(error.to_string());
            return report;
        }
    };
    report.name = Some(device.name());
    for precision in Precision::ALL.into_iter().filter(|&precision| device.offers(precision)) {
        let options = Options { precision, ..Options::default() };
        for case in CASES.iter().filter(|case| plan.every_exam || case.spec == WORKLOAD) {
            say(&format!("{kind}, {precision}: {}, {} windows", case.spec, case.batch));
            let mark =
                exam::sit(case, precision, |model, x, out| device.compile(model, &options)?.predict(x, out));
            match mark {
                Ok(mark) => report.marks.push(mark),
                Err(error) => report.errors.push(format!("{}: {error}", case.spec)),
            }
        }
        say(&format!("{kind}, {precision}: speed"));
        match speeds(&device, &options, plan.enough) {
            Ok(speeds) => report.speeds.extend(speeds),
            Err(error) => report.errors.push(format!("speed in {precision}: {error}")),
        }
    }
    // CUDA's own exam has these.
    if plan.every_exam && matches!(kind.name(), "cpu" | "wgpu") {
        learn(&device, &mut report, say);
    }
    #[cfg(feature = "cuda")]
    if plan.every_exam
        && let Device::Cuda(gpu) = &device
    {
        let found = crate::cuda::exam::sit(gpu, plan.enough, say);
        report.marks.extend(found.marks);
        report.errors.extend(found.errors);
        report.timings.extend(found.timings);
    }
    report
}

/// The exams of training, in f32.
fn learn(device: &Device, report: &mut DeviceReport, say: &mut impl FnMut(&str)) {
    let kind = device.kind();
    for lesson in LESSONS {
        say(&format!("{kind}: gradient of {:?}, {}", lesson.loss, lesson.spec));
        let mut kept = None;
        let mark = training::sit_gradient(lesson, Precision::F32, |model, x, y| {
            let options = TrainOptions { loss: lesson.loss, ..TrainOptions::default() };
            let trainer = match &mut kept {
                Some(trainer) => trainer,
                None => kept.insert(device.trainer(model.clone(), options, lesson.batch)?),
            };
            trainer.gradients(x, y)
        });
        match mark {
            Ok(mark) => report.marks.push(mark),
            Err(error) => report.errors.push(format!("gradient of {}: {error}", lesson.spec)),
        }
    }
    say(&format!("{kind}: training"));
    let mark = training::sit_training(Precision::F32, |model, options, x, y| {
        let mut trainer = device.trainer(model, options, training::SHORT.batch)?;
        (0..STEPS).map(|_| Ok(trainer.step(x, y)?.loss)).collect::<Result<_, DeviceError>>()
    });
    match mark {
        Ok(mark) => report.marks.push(mark),
        Err(error) => report.errors.push(format!("training: {error}")),
    }
}

#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^53 operations")]
fn speeds(device: &Device, options: &Options, enough: Duration) -> Result<Vec<Speed>, DeviceError> {
    let model = Lstm::new(WORKLOAD, 1)?;
    let mut executable = device.compile(&model, options)?;
    let mut speeds: Vec<Speed> = Vec::new();
    for batch in BATCHES {
        if let Some(last) = speeds.last() {
            let more = if last.batch >= FULL { batch as f64 / last.batch as f64 } else { 1.0 };
            if last.median_ms * more > enough.as_secs_f64() * 1e3 {
                break;
            }
        }
        let windows = exam::windows(batch, TIME, WORKLOAD.input);
        let mut out = Array2::zeros((batch, WORKLOAD.output));
        // Warm, and made room for.
        executable.predict(windows.view(), out.view_mut())?;
        let (begin, mut times) = (Instant::now(), Vec::new());
        while times.len() < SAMPLES.0 && (times.len() < SAMPLES.1 || begin.elapsed() < enough) {
            let start = Instant::now();
            executable.predict(windows.view(), out.view_mut())?;
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        let median_ms = times[times.len() / 2];
        let windows_per_second = batch as f64 / median_ms * 1e3;
        let per_step: usize = (0..WORKLOAD.layers)
            .map(|layer| 8 * WORKLOAD.hidden * (WORKLOAD.layer_input(layer) + WORKLOAD.hidden))
            .sum();
        speeds.push(Speed {
            model: WORKLOAD.to_string(),
            precision: options.precision.name(),
            batch,
            time: TIME,
            samples: times.len(),
            median_ms,
            min_ms: times[0],
            max_ms: times[times.len() - 1],
            windows_per_second,
            gflops: windows_per_second * (per_step * TIME) as f64 / 1e9,
        });
    }
    Ok(speeds)
}
