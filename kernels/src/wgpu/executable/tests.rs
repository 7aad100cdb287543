use std::time::Duration;

use diapason_tests::{Need, need};
use ndarray::{Array2, Array3, s};

use super::*;
use crate::gpu::Precision;
use crate::gpu::exam::{CASES, sit, windows as random_windows};
use crate::lstm::{Head, NonFinite};

/// The adapter of these tests: any, or none where the machine has none.
fn gpu() -> Option<Gpu> {
    let gpu = Gpu::open(None);
    let lack = gpu.as_ref().err().map(ToString::to_string);
    need::met(Need::Wgpu, lack).then(|| gpu.unwrap())
}

fn predict(executable: &mut WgpuExecutable, x: &Array3<f32>) -> Result<Array2<f32>, WgpuError> {
    let mut out = Array2::zeros((x.dim().0, executable.spec.output));
    executable.predict(x.view(), out.view_mut()).map(|()| out)
}

const SPEC: Spec = Spec { input: 7, hidden: 33, layers: 2, output: 2, head: Head::Linear };

fn model() -> Lstm {
    Lstm::new(SPEC, 5).unwrap()
}

#[test]
fn every_shape_is_the_references() {
    let Some(gpu) = gpu() else { return };
    println!("{}", gpu.explain());
    for precision in Precision::ALL.into_iter().filter(|&precision| gpu.offers(precision)) {
        for case in CASES {
            let start = std::time::Instant::now();
            let mark = sit(case, precision, |model, x, out| {
                let options = Options { precision, ..Options::default() };
                model.compile_wgpu(&gpu, &options)?.predict(x, out)
            })
            .unwrap();
            println!("{mark:?} {:?}", start.elapsed());
            assert!(mark.passed, "{mark:?}");
        }
    }
}

#[test]
fn a_windows_numbers_do_not_depend_on_its_batch_or_the_cut() {
    let Some(gpu) = gpu() else { return };
    let wide = Spec { hidden: 260, layers: 2, ..SPEC };
    for spec in [SPEC, wide] {
        let model = Lstm::new(spec, 5).unwrap();
        let x = random_windows(70, 9, spec.input);
        let mut executable = model.compile_wgpu(&gpu, &Options::default()).unwrap();
        let whole = predict(&mut executable, &x).unwrap();
        for (first, rows) in [(0, 1), (13, 20), (69, 1)] {
            let part = x.slice(s![first..first + rows, .., ..]).to_owned();
            let got = predict(&mut executable, &part).unwrap();
            assert_eq!(got, whole.slice(s![first..first + rows, ..]));
        }
        // Room for 20 windows of one step, then for three windows of two: several pieces, chunks and read-backs.
        for bytes in [20 * step_bytes(&spec), 7 * step_bytes(&spec)] {
            let mut executable = model.compile_wgpu(&gpu, &Options::default()).unwrap();
            executable.chunk_bytes = bytes as u64;
            assert_eq!(predict(&mut executable, &x).unwrap(), whole);
        }
        // Any strides will do.
        let reversed = x.slice(s![..;-1, .., ..]);
        let mut out = Array2::zeros((70, spec.output));
        executable.predict(reversed, out.view_mut()).unwrap();
        assert_eq!(out, whole.slice(s![..;-1, ..]));
        assert!(executable.explain().contains("windows by"), "{}", executable.explain());
    }
}

#[test]
fn what_is_not_finite_is_refused_or_marked() {
    let Some(gpu) = gpu() else { return };
    let mut x = random_windows(5, 4, SPEC.input);
    let mut executable = model().compile_wgpu(&gpu, &Options::default()).unwrap();
    let clean = predict(&mut executable, &x).unwrap();
    x[[3, 2, 1]] = f32::NAN;
    x[[4, 0, 0]] = f32::INFINITY;
    let mut out = Array2::from_elem((5, 2), 7.0);
    let error = executable.predict(x.view(), out.view_mut()).unwrap_err().to_string();
    assert!(error.starts_with("window 3, step 2, feature 1 is NaN"), "{error}");
    assert!(out.iter().all(|&x| x == 7.0));
    let options = Options { non_finite: NonFinite::Propagate, ..Options::default() };
    let marked = predict(&mut model().compile_wgpu(&gpu, &options).unwrap(), &x).unwrap();
    assert_eq!(marked.slice(s![..3, ..]), clean.slice(s![..3, ..]));
    assert!(marked.slice(s![3.., ..]).iter().all(|x| x.is_nan()));
    let wrong = random_windows(5, 4, 3);
    let error = predict(&mut executable, &wrong).unwrap_err();
    assert!(error.to_string().contains("do not fit [batch, time of at least 1, 7 features]"), "{error}");
    assert_eq!(predict(&mut executable, &random_windows(0, 4, 7)).unwrap().dim(), (0, 2));
}

#[test]
fn weights_that_the_device_cannot_take_are_named() {
    let Some(gpu) = gpu() else { return };
    let mut weights = model().weights().clone();
    weights.values[3] = 1e6;
    let large = Lstm::from_weights(weights.clone()).unwrap();
    let options = |precision| Options { precision, ..Options::default() };
    if gpu.offers(Precision::F16) {
        let error = large.compile_wgpu(&gpu, &options(Precision::F16)).unwrap_err().to_string();
        assert_eq!(error, "weight 3 of the model is 1000000, beyond the range of f16; compile for f32");
    }
    let error = large.compile_wgpu(&gpu, &options(Precision::Bf16)).unwrap_err();
    assert!(error.to_string().contains("does not offer bf16; compile for f32"), "{error}");
}

#[test]
fn waits_end_and_a_lost_device_says_so() {
    let Some(gpu) = gpu() else { return };
    let x = random_windows(200, 30, SPEC.input);
    // A driver may have done the work before it is waited for, as lavapipe has, which computes in the submission.
    let hurried = Options { wait_max: Duration::ZERO, ..Options::default() };
    let mut executable = model().compile_wgpu(&gpu, &hurried).unwrap();
    if let Err(error) = predict(&mut executable, &x) {
        assert!(matches!(error, WgpuError::Timeout { .. }), "{error}");
        assert!(error.to_string().contains("within 0 s"), "{error}");
    }
    let mut executable = model().compile_wgpu(&gpu, &Options::default()).unwrap();
    predict(&mut executable, &x).unwrap();
    gpu.lose();
    for _ in 0..2 {
        let error = predict(&mut executable, &x).unwrap_err();
        assert!(matches!(error, WgpuError::Lost { .. }), "{error}");
        assert!(error.to_string().contains("open it again"), "{error}");
    }
    assert!(matches!(model().compile_wgpu(&gpu, &Options::default()), Err(WgpuError::Lost { .. })));
}

#[test]
fn an_adapter_that_is_not_there_is_named() {
    if gpu().is_none() {
        return;
    }
    let error = Gpu::open(Some("no such card")).unwrap_err().to_string();
    assert!(error.starts_with("no adapter's name contains \"no such card\"; there are: "), "{error}");
    let software = Gpu::open(None).unwrap();
    assert!(software.explain().contains("bytes of workgroup memory"));
}
