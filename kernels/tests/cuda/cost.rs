//! What our own side of CUDA costs the processor: with a driver whose launches do nothing, at once.
//!
//! ```text
//! cargo test -p diapason-kernels --features cuda --test cuda cost -- --ignored --nocapture
//! ```
//!
//! A real driver's own time comes on top, some microseconds a launch. Models are as small as can be, so that calls are timed and not
//! copies. The calls are counted as well, which is what a change of the code changes first.

use std::path::Path;
use std::time::{Duration, Instant};

use diapason_kernels::cuda::{CudaStreamOptions, CudaTrainer, Gpu};
use diapason_kernels::gpu::{Options, exam};
use diapason_kernels::lstm::{Head, Lstm, Spec, TrainOptions};
use diapason_tests::require;
use ndarray::Array2;

use crate::child::{Host, run};

const SPEC: Spec = Spec { input: 2, hidden: 4, layers: 2, output: 1, head: Head::Linear };
const WARM: usize = 100;
const SAMPLES: usize = 3_000;

fn time(what: &str, mut work: impl FnMut()) {
    (0..WARM).for_each(|_| work());
    let mut times: Vec<Duration> = (0..SAMPLES)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    let at = |place: usize| times[place].as_secs_f64() * 1e6;
    println!("{what}: least {:.2} us, median {:.2} us", at(0), at(SAMPLES / 2));
}

#[test]
#[ignore = "a measurement, on a quiet machine"]
fn what_the_host_does_for_each() {
    require!(Cxx);
    let file = std::env::temp_dir().join(format!("diapason-cost-{}", std::process::id()));
    let settings = format!("empty,report={}", file.display());
    let each: [(&str, Work); 3] = [
        ("a batch of one window", |gpu| {
            let mut executable = model().compile_cuda(gpu, &Options::default()).unwrap();
            let (x, mut out) = (exam::windows(1, 1, SPEC.input), Array2::zeros((1, 1)));
            time("a batch of one window, 3 launches", || {
                executable.predict(x.view(), out.view_mut()).unwrap();
            });
        }),
        ("a tick by a launch", |gpu| {
            let options = CudaStreamOptions { persistent: false, ..CudaStreamOptions::default() };
            let mut stream = model().stream_cuda(gpu, &options).unwrap();
            let mut out = [0.0];
            time("a tick by a launch", || stream.push(&[0.5, 0.5], &mut out).unwrap());
        }),
        ("a training step", |gpu| {
            let mut trainer = CudaTrainer::new(gpu, model(), TrainOptions::default(), 1).unwrap();
            let (x, y) = (exam::windows(1, 1, SPEC.input), Array2::zeros((1, 1)));
            time("a training step", || {
                trainer.step(x.view(), y.view()).unwrap();
            });
        }),
    ];
    for (part, work) in each {
        run("cost::what_the_host_does_for_each", part, &Host::with(&settings), || {
            work(&Gpu::open(0).unwrap());
        });
        show(&file, part);
    }
}

/// What is done on a device.
type Work = fn(&Gpu);

fn model() -> Lstm {
    Lstm::new(SPEC, 1).unwrap()
}

/// Calls of the driver for each of the things that were timed; those of the start are lost in the division.
fn show(report: &Path, part: &str) {
    let Ok(text) = std::fs::read_to_string(report) else { return };
    println!("{part}: calls of the driver for each");
    for line in text.lines().filter(|line| line.starts_with("cu")) {
        let (name, calls) = line.split_once(' ').unwrap();
        let each = calls.parse::<f64>().unwrap() / (WARM + SAMPLES) as f64;
        if each > 0.5 {
            println!("  {name} {each:.1}");
        }
    }
    let _ = std::fs::remove_file(report);
}
