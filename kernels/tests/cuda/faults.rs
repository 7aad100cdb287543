//! What may break while it runs: a launch, a kernel, the device, and a kernel that never ends.

use std::time::{Duration, Instant};

use diapason_kernels::cuda::{CudaError, CudaStreamOptions, CudaTrainer, Gpu};
use diapason_kernels::feature::Plan;
use diapason_kernels::gpu::{Options, exam};
use diapason_kernels::lstm::{Head, Lstm, Spec, TrainOptions};
use diapason_tests::require;
use ndarray::{Array2, Array3};

use crate::child::{Host, run};

const SPEC: Spec = Spec { input: 3, hidden: 5, layers: 1, output: 1, head: Head::Linear };
const WAIT: Duration = Duration::from_millis(300);

/// What is done on a device, and what it says against it.
type Work = fn(&Gpu) -> Result<(), String>;

fn model() -> Lstm {
    Lstm::new(SPEC, 1).unwrap()
}

fn predict(gpu: &Gpu) -> Result<(), String> {
    let x = exam::windows(4, 3, SPEC.input);
    let options = Options { wait_max: WAIT, ..Options::default() };
    let mut executable = model().compile_cuda(gpu, &options).map_err(|error| error.to_string())?;
    let mut out = Array2::from_elem((4, 1), 7.0);
    let done = executable.predict(x.view(), out.view_mut()).map_err(|error| error.to_string());
    assert!(done.is_ok() || out.iter().all(|&x| x == 7.0), "an output was touched");
    done
}

fn train(gpu: &Gpu) -> Result<(), String> {
    let (x, y) = (exam::windows(4, 3, SPEC.input), Array2::zeros((4, 1)));
    let mut trainer =
        CudaTrainer::new(gpu, model(), TrainOptions::default(), 4).map_err(|error| error.to_string())?;
    trainer.step(x.view(), y.view()).map_err(|error| error.to_string())?;
    trainer.model().map(|_| ()).map_err(|error| error.to_string())
}

fn panel(gpu: &Gpu) -> Result<(), String> {
    let plan = Plan::parse("ema(close,5)", &["close"]).unwrap();
    let (x, mut out) = (Array2::<f64>::zeros((3, 4)), Array3::zeros((1, 3, 4)));
    let mut panel = plan.panel_cuda::<f64>(gpu, 4).map_err(|error| error.to_string())?;
    panel.extend(&[x.view()], out.view_mut()).map_err(|error| error.to_string())
}

fn ticks(gpu: &Gpu, persistent: bool) -> Result<(), String> {
    let options = CudaStreamOptions { persistent, wait_max: WAIT, ..CudaStreamOptions::default() };
    let mut stream = model().stream_cuda(gpu, &options).map_err(|error| error.to_string())?;
    let mut out = [0.0];
    (0..3).try_for_each(|_| stream.push(&[0.1; 3], &mut out)).map_err(|error| error.to_string())
}

#[test]
fn a_launch_that_fails_is_an_error() {
    require!(Cxx);
    for (settings, code) in [
        ("fail=cuLaunchKernel:2:701", "LAUNCH_OUT_OF_RESOURCES"),
        ("breaks=lstm_layer:1:700", "ILLEGAL_ADDRESS"),
    ] {
        run("faults::a_launch_that_fails_is_an_error", settings, &Host::with(settings), || {
            let message = predict(&Gpu::open(0).unwrap()).unwrap_err();
            assert!(
                message.starts_with("test driver on the processor: ") && message.contains(code),
                "{message}"
            );
        });
    }
}

/// The device is lost in its first call, then in its second when it is opened again, and so on until all is done before.
#[test]
fn a_device_may_be_lost_in_any_call() {
    require!(Cxx);
    let each: [(&str, Work); 5] = [
        ("predict", predict),
        ("train", train),
        ("panel", panel),
        ("a kernel that stays", |gpu| ticks(gpu, true)),
        ("a launch a tick", |gpu| ticks(gpu, false)),
    ];
    for (part, work) in each {
        let host = Host::with("processors=4,lost=each:719");
        run("faults::a_device_may_be_lost_in_any_call", part, &host, || {
            let mut lost = 0;
            while let Err(message) =
                Gpu::open(0).map_err(|error| error.to_string()).and_then(|gpu| work(&gpu))
            {
                assert!(message.contains("CUDA_ERROR_LAUNCH_FAILED"), "call {lost}: {message}");
                lost += 1;
                assert!(lost < 2_000, "no end: {message}");
            }
            println!("{part}: lost in each of {lost} calls");
            assert!(lost > 30, "{lost}");
        });
    }
}

/// No wait is without an end, neither for the answer nor for what is freed afterwards, with pools of memory and without.
#[test]
fn a_kernel_that_never_ends_is_given_up() {
    require!(Cxx);
    let each: [(&str, Work); 3] = [
        ("lstm_layer", predict),
        ("lstm_stream", |gpu| ticks(gpu, true)),
        ("lstm_stream", |gpu| ticks(gpu, false)),
    ];
    for (index, (kernel, work)) in each.into_iter().enumerate() {
        for pools in [1, 0] {
            let part = format!("{index}, pools {pools}");
            let host = Host::with(&format!("hangs={kernel}:1,pools={pools}"));
            run("faults::a_kernel_that_never_ends_is_given_up", &part, &host, || {
                let begin = Instant::now();
                let gpu = Gpu::open(0).unwrap();
                let message = work(&gpu).unwrap_err();
                assert!(message.contains("did not finish") && message.contains("within 0.3 s"), "{message}");
                drop(gpu);
                // Far beyond any wait above, so that only one without an end fails here.
                assert!(begin.elapsed() < Duration::from_secs(60));
            });
        }
    }
}

/// What was given up says so from then on.
#[test]
fn what_was_given_up_stays_so() {
    require!(Cxx);
    run("faults::what_was_given_up_stays_so", "all", &Host::with("hangs=lstm_layer:1"), || {
        let gpu = Gpu::open(0).unwrap();
        let options = Options { wait_max: WAIT, ..Options::default() };
        let mut executable = model().compile_cuda(&gpu, &options).unwrap();
        let (x, mut out) = (exam::windows(4, 3, SPEC.input), Array2::zeros((4, 1)));
        for _ in 0..2 {
            let error = executable.predict(x.view(), out.view_mut()).unwrap_err();
            assert!(matches!(error, CudaError::Timeout { .. }), "{error}");
        }
    });
}
