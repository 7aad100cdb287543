//! What may lack: a driver, a new one, a device, one that will do, memory, the compiler.

use diapason_kernels::cuda::{Ahead, CudaError, Gpu};
use diapason_kernels::gpu::exam::{self, CASES};
use diapason_kernels::gpu::{Options, Precision};
use diapason_kernels::lstm::{Head, Lstm, Spec};
use diapason_tests::require;
use ndarray::Array2;

use crate::child::{Host, run};

/// What opening a device says.
fn refusal(settings: &str, wanted: &str) {
    run("lacks::a_device_that_will_not_do_is_refused", settings, &Host::with(settings), || {
        let message = Gpu::open(0).unwrap_err().to_string();
        assert!(message.contains(wanted), "{message}");
    });
}

#[test]
fn a_device_that_will_not_do_is_refused() {
    require!(Cxx);
    refusal("version=11080", "the CUDA driver is of version 11.8, older than 12.0");
    refusal("devices=0", "there is no CUDA device 0, the driver shows 0");
    refusal("capability=70", "test driver on the processor has compute capability 7.0, below 7.5");
    refusal("fail=cuDriverGetVersion:1:999", "asking for its version failed: CUDA_ERROR_UNKNOWN");
    refusal("fail=cuInit:1:999", "the CUDA driver: starting failed: CUDA_ERROR_UNKNOWN");
    refusal("fail=cuDevicePrimaryCtxRetain:1:46", "opening a device failed: CUDA_ERROR_DEVICE_UNAVAILABLE");
    refusal("fail=cuStreamCreate:2:2", "making a stream failed: CUDA_ERROR_OUT_OF_MEMORY");
    let settings = "capability=75,shared=65536";
    run("lacks::a_device_that_will_not_do_is_refused", settings, &Host::with(settings), || {
        let (gpu, model) = (Gpu::open(0).unwrap(), Lstm::new(SPEC, 1).unwrap());
        let options = Options { precision: Precision::Bf16, ..Options::default() };
        let message = model.compile_cuda(&gpu, &options).unwrap_err().to_string();
        assert!(message.contains("does not multiply bf16"), "{message}");
        assert!(
            Gpu::open(1).unwrap_err().to_string().contains("there is no CUDA device 1, the driver shows 1")
        );
    });
}

const SPEC: Spec = Spec { input: 8, hidden: 16, layers: 2, output: 1, head: Head::Linear };

/// A batch, its answer, and what the executable says of itself.
fn predict(gpu: &Gpu, (batch, time): (usize, usize)) -> Result<(Vec<f32>, String), CudaError> {
    let model = Lstm::new(SPEC, 1).unwrap();
    let mut executable = model.compile_cuda(gpu, &Options::default())?;
    let x = exam::windows(batch, time, SPEC.input);
    let mut out = Array2::zeros((batch, 1));
    executable.predict(x.view(), out.view_mut())?;
    let off = exam::distance(&out, &exam::exact(&model, &x.view()));
    assert!(off <= Precision::F32.tolerance(), "{off:e}");
    Ok((out.into_raw_vec_and_offset().0, executable.explain()))
}

#[test]
fn a_batch_is_cut_where_memory_lacks() {
    require!(Cxx);
    let test = "lacks::a_batch_is_cut_where_memory_lacks";
    // The features alone are 600 x 400 x 8 x 4 bytes, 7.7 MB, twice.
    run(test, "memory=8000000,processors=8", &Host::with("memory=8000000,processors=8"), || {
        let gpu = Gpu::open(0).unwrap();
        let (_, text) = predict(&gpu, (600, 400)).unwrap();
        assert!(text.contains("cut smaller since the device had no memory for more"), "{text}");
    });
    run(test, "memory=60000,processors=8", &Host::with("memory=60000,processors=8"), || {
        let error = predict(&Gpu::open(0).unwrap(), (600, 400)).unwrap_err();
        let CudaError::Memory { wanted, free, total, .. } = &error else { panic!("{error}") };
        assert!(wanted > free && free < total && *total == 60_000, "{error}");
    });
}

/// One without a compiler takes what one with it compiled: machine code for its kind, otherwise PTX.
#[test]
fn kernels_may_be_made_ahead() {
    require!(Cxx);
    let test = "lacks::kernels_may_be_made_ahead";
    let ahead = tempfile::tempdir().unwrap();
    let cache = ahead.path().join("cache");
    let with =
        |settings: &str, nvrtc: bool| Host { settings: settings.into(), cache: Some(cache.clone()), nvrtc };
    run(test, "without anything", &with("processors=4", false), || {
        let error = predict(&Gpu::open(0).unwrap(), (20, 5)).unwrap_err();
        assert!(matches!(error, CudaError::NoNvrtc { .. }), "{error}");
        assert!(
            error.to_string().starts_with("NVRTC cannot be loaded from /nonexistent/libnvrtc.so"),
            "{error}"
        );
    });
    run(test, "made ahead", &with("devices=0", true), || {
        let mut ahead = Ahead::new("sm_90:4".parse().unwrap(), None).unwrap();
        ahead.model(&SPEC, Precision::F32).unwrap();
        assert!(ahead.written() > 0);
    });
    run(test, "machine code", &with("processors=4", false), || {
        let (_, text) = predict(&Gpu::open(0).unwrap(), (20, 5)).unwrap();
        assert!(!text.contains("PTX"), "{text}");
    });
    run(test, "PTX", &with("processors=9,capability=89,shared=101376", false), || {
        let (_, text) = predict(&Gpu::open(0).unwrap(), (20, 5)).unwrap();
        assert!(text.contains("compiled by the driver from PTX"), "{text}");
    });
    // What is damaged is not loaded: it is compiled again, or the compiler is missed.
    if let Ok(files) = std::fs::read_dir(cache.join("diapason/cuda")) {
        for file in files {
            let path = file.unwrap().path();
            let mut bytes = std::fs::read(&path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x10;
            std::fs::write(&path, bytes).unwrap();
        }
    }
    run(test, "damaged, without a compiler", &with("processors=4", false), || {
        let error = predict(&Gpu::open(0).unwrap(), (20, 5)).unwrap_err();
        assert!(matches!(error, CudaError::NoNvrtc { .. }), "{error}");
    });
    run(test, "damaged, with a compiler", &with("processors=4", true), || {
        predict(&Gpu::open(0).unwrap(), (20, 5)).unwrap();
    });
    run(test, "mended", &with("processors=4", false), || {
        predict(&Gpu::open(0).unwrap(), (20, 5)).unwrap();
    });
}

/// A kernel that keeps something outside of registers is cut smaller.
#[test]
fn what_spills_is_relaxed() {
    require!(Cxx);
    let settings = "processors=4,spills=lstm_layer:2";
    run("lacks::what_spills_is_relaxed", settings, &Host::with(settings), || {
        let gpu = Gpu::open(0).unwrap();
        let mark = exam::sit(&CASES[4], Precision::F16, |model, x, out| {
            let options = Options { precision: Precision::F16, ..Options::default() };
            let mut executable = model.compile_cuda(&gpu, &options)?;
            println!("{}", executable.explain());
            executable.predict(x, out)
        });
        assert!(mark.unwrap().passed);
    });
}
