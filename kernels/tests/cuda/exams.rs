//! What must be right: every exam, under every way in which a driver may go about its work.

use diapason_kernels::cuda::{CudaStreamOptions, CudaTrainer, Gpu};
use diapason_kernels::device::{Kind, selftest};
use diapason_kernels::feature::Plan;
use diapason_kernels::gpu::exam::{self, CASES, training};
use diapason_kernels::gpu::{Options, Precision};
use diapason_kernels::lstm::{Head, Lstm, Precision as Kept, Spec, TrainOptions};
use diapason_tests::require;
use ndarray::{Array2, Array3};

use crate::child::{Host, run};

/// The very exams of `diapason bench gpu --selftest`.
#[test]
fn every_exam_is_passed() {
    require!(Cxx);
    let host = Host::with("processors=4");
    run("exams::every_exam_is_passed", "all", &host, || {
        let plan = selftest::Plan { every_exam: true, enough: std::time::Duration::from_millis(1) };
        let report = selftest::run(&[Kind::Cuda], plan, |what| println!("{what}"));
        let device = &report.devices[0];
        assert_eq!(device.name.as_deref(), Some("test driver on the processor"));
        for mark in &device.marks {
            println!("{mark:?}");
        }
        for timing in &device.timings {
            println!("{timing:?}");
        }
        assert_eq!(device.errors, Vec::<String>::new());
        assert!(device.marks.iter().all(|mark| mark.passed));
        assert!(report.passed && device.marks.len() >= 60, "{}", device.marks.len());
    });
}

/// A prediction in two precisions, gradients, a panel and two streams, each beside the reference or the processor.
pub fn sit_some(gpu: &Gpu) -> Result<(), String> {
    let said = |error: &dyn std::fmt::Display| error.to_string();
    for precision in [Precision::F32, Precision::F16] {
        let mark = exam::sit(&CASES[3], precision, |model, x, out| {
            model.compile_cuda(gpu, &Options { precision, ..Options::default() })?.predict(x, out)
        });
        let mark = mark.map_err(|error| said(&error))?;
        assert!(mark.passed, "{mark:?}");
    }
    let lesson = &training::LESSONS[3];
    for (precision, kept) in [(Precision::F32, Kept::F32), (Precision::Bf16, Kept::Bf16)] {
        let mark = training::sit_gradient(lesson, precision, |model, x, y| {
            let options = TrainOptions { loss: lesson.loss, precision: kept, ..TrainOptions::default() };
            let mut trainer = CudaTrainer::new(gpu, model.clone(), options, lesson.batch)?;
            let (loss, gradient) = trainer.gradients(x, y)?;
            trainer.step(x, y)?;
            Ok::<_, diapason_kernels::cuda::CudaTrainError>((loss, gradient.values))
        });
        let mark = mark.map_err(|error| said(&error))?;
        assert!(mark.passed, "{mark:?}");
    }
    panel(gpu)?;
    [true, false].into_iter().try_for_each(|persistent| stream(gpu, persistent, 12))
}

fn panel(gpu: &Gpu) -> Result<(), String> {
    let plan = Plan::parse("rsi(close,14), ema(close,20)/close-1", &["close"]).unwrap();
    let close = Array2::from_shape_fn((90, 300), |(row, symbol)| 100.0 + ((row * 7 + symbol) % 23) as f64);
    let mut wanted = Array3::zeros((2, 90, 300));
    plan.panel::<f64>(300).unwrap().extend(&[close.view()], wanted.view_mut()).unwrap();
    let mut got = Array3::zeros(wanted.dim());
    let mut panel = plan.panel_cuda::<f64>(gpu, 300).map_err(|error| error.to_string())?;
    panel.extend(&[close.view()], got.view_mut()).map_err(|error| error.to_string())?;
    let bits = |all: &Array3<f64>| all.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert!(bits(&got) == bits(&wanted));
    Ok(())
}

/// Ticks beside the processor's own stream.
pub fn stream(gpu: &Gpu, persistent: bool, ticks: usize) -> Result<(), String> {
    let spec = Spec { input: 5, hidden: 20, layers: 2, output: 2, head: Head::Linear };
    let model = Lstm::new(spec, 1).unwrap();
    let options = CudaStreamOptions { persistent, ..CudaStreamOptions::default() };
    let mut stream = model.stream_cuda(gpu, &options).map_err(|error| error.to_string())?;
    let windows = exam::windows(1, ticks, spec.input);
    for tick in 0..ticks {
        let mut out = [0.0; 2];
        let row = windows.slice(ndarray::s![0, tick, ..]).to_vec();
        stream.push(&row, &mut out).map_err(|error| error.to_string())?;
        let so_far = windows.slice(ndarray::s![.., ..=tick, ..]);
        let off = exam::distance(&out, &exam::exact(&model, &so_far));
        assert!(off <= 5e-6, "tick {tick}: {off:e}");
    }
    assert_eq!(stream.ticks() as usize, ticks);
    Ok(())
}

/// Streams that begin each thing late, memory without pools, and another device.
#[test]
fn the_drivers_ways_do_not_matter() {
    require!(Cxx);
    for settings in
        ["processors=4,late=300", "processors=4,pools=0", "processors=3,capability=80,shared=166912"]
    {
        run("exams::the_drivers_ways_do_not_matter", settings, &Host::with(settings), || {
            sit_some(&Gpu::open(0).unwrap()).unwrap();
        });
    }
}

/// Everything that was taken is given back, and a kernel that stays is launched once.
#[test]
fn nothing_is_left_behind() {
    require!(Cxx);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report");
    let report = |part: &str, inside: fn()| {
        let host = Host::with(&format!("processors=4,report={}", file.display()));
        run("exams::nothing_is_left_behind", part, &host, inside);
        std::fs::read_to_string(&file).unwrap_or_default()
    };
    let all = report("everything", || sit_some(&Gpu::open(0).unwrap()).unwrap());
    let ticks = report("ticks", || stream(&Gpu::open(0).unwrap(), true, 200).unwrap());
    if all.is_empty() {
        // A child.
        return;
    }
    let of = |text: &str, name: &str| -> usize {
        let line = text.lines().find(|line| line.starts_with(&format!("{name} ")));
        line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
    };
    for what in ["device memory", "pinned memory", "streams", "events", "modules"] {
        assert_eq!(of(&all, &format!("living {what}")), 0, "{all}");
    }
    for call in ["cuDevicePrimaryCtxRelease_v2", "cuMemFreeAsync", "cuStreamDestroy_v2", "cuModuleUnload"] {
        assert!(of(&all, call) > 0, "{all}");
    }
    assert_eq!(of(&ticks, "cuLaunchKernel"), 1, "{ticks}");
    assert!(of(&ticks, "cuMemcpyHtoDAsync_v2") < 20, "{ticks}");
}
