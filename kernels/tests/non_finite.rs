//! Features and weights that are NaN or infinite: refused by name, or NaN in exactly the predictions that hold them.

#![expect(clippy::unwrap_used, reason = "the functions that tests share are tests too")]

use diapason_kernels::Isa;
use diapason_kernels::lstm::{
    CompileError, CompileOptions, Executable, Head, Lstm, ModelError, Network, NonFinite, Precision, Spec,
    StreamOptions, TrainOptions, Trainer, Weights,
};
use diapason_kernels::random;
use ndarray::{Array2, Array3, s};

const SPEC: Spec = Spec { input: 5, hidden: 19, layers: 2, output: 2, head: Head::Softmax };
/// Window, step, feature, value: two in one window, one in a last step, several in one block.
const BAD: [(usize, usize, usize, f32); 4] =
    [(60, 8, 4, f32::NAN), (3, 2, 1, f32::INFINITY), (3, 5, 0, f32::NAN), (4, 0, 0, f32::NEG_INFINITY)];

fn windows(batch: usize, time: usize) -> Array3<f32> {
    let mut index = 0;
    Array3::from_shape_simple_fn((batch, time, SPEC.input), || {
        index += 1;
        2.0 * random::unit(5, index) - 1.0
    })
}

fn spoiled(mut x: Array3<f32>) -> Array3<f32> {
    for (window, step, feature, value) in BAD {
        x[[window, step, feature]] = value;
    }
    x
}

fn compiled(
    model: &Lstm,
    isa: Isa,
    threads: usize,
    precision: Precision,
    non_finite: NonFinite,
) -> Executable {
    model
        .compile(&CompileOptions {
            isa: Some(isa),
            threads,
            precision,
            non_finite,
            ..CompileOptions::default()
        })
        .unwrap()
}

fn bits(values: &Array2<f32>) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

#[test]
fn a_feature_that_is_not_finite_is_named_and_nothing_is_written() {
    let model = Lstm::new(SPEC, 1).unwrap();
    let x = spoiled(windows(70, 9));
    for threads in [1, 3] {
        let mut executable = compiled(&model, Isa::Scalar, threads, Precision::F32, NonFinite::Error);
        let mut out = Array2::from_elem((70, 2), 7.0);
        let message = executable.predict(x.view(), out.view_mut()).unwrap_err().to_string();
        assert!(
            message.starts_with("window 3, step 2, feature 1 is inf; mend the data, or compile"),
            "{message}"
        );
        assert!(out.iter().all(|x| *x == 7.0));
    }
}

#[test]
fn only_the_windows_that_hold_one_are_nan() {
    let model = Lstm::new(SPEC, 1).unwrap();
    let (whole, x) = (windows(70, 9), spoiled(windows(70, 9)));
    for precision in Precision::ALL {
        for isa in Isa::available() {
            for threads in [1, 3] {
                let mut executable = compiled(&model, isa, threads, precision, NonFinite::Propagate);
                let (mut wanted, mut out) = (Array2::zeros((70, 2)), Array2::zeros((70, 2)));
                executable.predict(whole.view(), wanted.view_mut()).unwrap();
                executable.predict(x.view(), out.view_mut()).unwrap();
                for (window, mut row) in wanted.outer_iter_mut().enumerate() {
                    if BAD.iter().any(|bad| bad.0 == window) {
                        row.fill(f32::NAN);
                    }
                }
                assert_eq!(bits(&out), bits(&wanted), "{precision}, {isa}, {threads} threads");
            }
        }
    }
}

#[test]
fn a_stream_gives_nan_as_long_as_the_row_is_in_its_window() {
    let model = Lstm::new(SPEC, 1).unwrap();
    let mut x = windows(1, 30);
    let (bad, window) = (11, 6);
    x[[0, bad, 2]] = f32::NEG_INFINITY;
    for precision in Precision::ALL {
        for isa in Isa::available() {
            let mut executable = compiled(&model, isa, 1, precision, NonFinite::Propagate);
            for ahead in [false, true] {
                let options =
                    StreamOptions { instances: 1, window: Some(window), ahead, ..StreamOptions::default() };
                let mut stream = executable.stream(&options).unwrap();
                let mut other = executable.stream(&options).unwrap();
                for tick in 0..30 {
                    // From here another stream goes on, from a snapshot that a file held.
                    if tick == bad + 2 {
                        let text = serde_json::to_string(&stream.snapshot(0).unwrap()).unwrap();
                        other.restore(0, &serde_json::from_str(&text).unwrap()).unwrap();
                        std::mem::swap(&mut stream, &mut other);
                    }
                    let row = x.slice(s![0, tick, ..]).to_vec();
                    let got = stream.push(0, &row).unwrap().map(<[f32]>::to_vec);
                    stream.prepare(0).unwrap();
                    let Some(got) = got else { continue };
                    let mut wanted = Array2::zeros((1, 2));
                    let rows = x.slice(s![.., tick + 1 - window..=tick, ..]);
                    executable.predict(rows, wanted.view_mut()).unwrap();
                    let got = Array2::from_shape_vec((1, 2), got).unwrap();
                    assert_eq!(bits(&got), bits(&wanted), "{precision}, {isa}, tick {tick}");
                    let holds = (bad..bad + window).contains(&tick);
                    assert_eq!(got.iter().all(|x| x.is_nan()), holds, "tick {tick}");
                }
            }
        }
    }
}

#[test]
fn a_carried_state_stays_spoiled_until_it_is_reset() {
    let model = Lstm::new(SPEC, 1).unwrap();
    let x = windows(1, 8);
    let row = |tick: usize| x.slice(s![0, tick, ..]).to_vec();
    for precision in Precision::ALL {
        let executable = compiled(&model, Isa::Scalar, 1, precision, NonFinite::Propagate);
        let mut stream = executable
            .stream(&StreamOptions { instances: 2, window: None, ahead: false, ..StreamOptions::default() })
            .unwrap();
        let first = stream.push(0, &row(0)).unwrap().unwrap().to_vec();
        let nan = vec![f32::NAN; SPEC.input];
        assert!(stream.push(0, &nan).unwrap().unwrap().iter().all(|x| x.is_nan()));
        assert!(stream.push(0, &row(1)).unwrap().unwrap().iter().all(|x| x.is_nan()));
        let snapshot = stream.snapshot(0).unwrap();
        assert_eq!(stream.push(1, &row(0)).unwrap().unwrap(), first, "the other instance knows nothing");
        stream.restore(1, &snapshot).unwrap();
        assert!(stream.push(1, &row(0)).unwrap().unwrap().iter().all(|x| x.is_nan()));
        stream.reset(0).unwrap();
        assert_eq!(stream.push(0, &row(0)).unwrap().unwrap(), first);
        let strict = compiled(&model, Isa::Scalar, 1, precision, NonFinite::Error);
        let mut strict = strict.stream(&StreamOptions::default()).unwrap();
        strict.push(0, &row(0)).unwrap();
        let message = strict.push(0, &nan).unwrap_err().to_string();
        assert!(message.starts_with("instance 0, tick 1, feature 0 is NaN; mend the row"), "{message}");
    }
}

/// A projected model, which runs layer by layer, and a plain one behind the same door.
#[test]
fn networks_keep_the_policy() {
    let plain = Network::from(&Lstm::new(SPEC, 1).unwrap());
    let mut stack = plain.stack().clone();
    if let diapason_kernels::op::lstm_stack::Layer::Lstm(lstm) = &mut stack.layers[0] {
        lstm.clip = Some(2.5);
    }
    let clipped = Network::new(stack).unwrap();
    let (whole, x) = (windows(70, 9), spoiled(windows(70, 9)));
    for network in [plain, clipped] {
        let options = CompileOptions { non_finite: NonFinite::Propagate, ..CompileOptions::default() };
        let mut executable = network.compile(&options).unwrap();
        let (mut wanted, mut out) = (Array2::zeros((70, 2)), Array2::zeros((70, 2)));
        executable.predict(whole.view(), wanted.view_mut()).unwrap();
        executable.predict(x.view(), out.view_mut()).unwrap();
        for (window, mut row) in wanted.outer_iter_mut().enumerate() {
            if BAD.iter().any(|bad| bad.0 == window) {
                row.fill(f32::NAN);
            }
        }
        assert_eq!(bits(&out), bits(&wanted));
        for window in [None, Some(2)] {
            let mut stream = executable
                .stream(&StreamOptions { instances: 1, window, ahead: false, ..StreamOptions::default() })
                .unwrap();
            let mut nan = Vec::new();
            for tick in 0..9 {
                let row = x.slice(s![4, tick, ..]).to_vec();
                nan.push(stream.push(0, &row).unwrap().is_none_or(|out| out.iter().any(|x| x.is_nan())));
            }
            assert_eq!(nan.iter().filter(|nan| **nan).count(), window.unwrap_or(9), "{window:?}");
        }
        let mut strict = network.compile(&CompileOptions::default()).unwrap();
        let message = strict.predict(x.view(), out.view_mut()).unwrap_err().to_string();
        assert!(message.starts_with("window 3, step 2, feature 1 is inf"), "{message}");
    }
}

#[test]
fn a_weight_that_is_not_finite_is_named_or_propagates() {
    let whole = Lstm::new(SPEC, 1).unwrap();
    for (tensor, value, bits) in [
        ("weight_hh_l0", f32::NAN, 0xffff_ffff_u32),
        ("weight_ih_l1", f32::INFINITY, 0),
        ("fc.bias", f32::NAN, 1),
    ] {
        let mut weights: Weights<f32> = whole.weights().clone();
        let range = SPEC.tensors().into_iter().find(|t| t.name == tensor).unwrap().range;
        // Also a NaN whose bits rounding would carry over.
        weights.values[range.start + 1] =
            if value.is_nan() { f32::from_bits(bits | 0x7f80_0000) } else { value };
        let error = Lstm::from_weights(weights.clone()).unwrap_err();
        assert!(matches!(error, ModelError::NotFinite { index: 1, .. }), "{error}");
        assert!(error.to_string().contains(tensor), "{error}");
        let model = Lstm::from_weights_as(weights, NonFinite::Propagate).unwrap();
        let compile = |precision, non_finite| {
            model.compile(&CompileOptions { precision, non_finite, ..CompileOptions::default() })
        };
        for precision in Precision::ALL {
            let error = compile(precision, NonFinite::Error).unwrap_err();
            assert!(matches!(error, CompileError::Weight { .. }), "{error}");
            assert!(error.to_string().contains(tensor), "{error}");
        }
        let error = compile(Precision::Int8, NonFinite::Propagate).unwrap_err().to_string();
        assert!(error.ends_with("mend the model, since 8-bit integers have no NaN"), "{error}");
        if value.is_nan() {
            for precision in [Precision::F32, Precision::Bf16] {
                let mut out = Array2::zeros((3, 2));
                let mut executable = compile(precision, NonFinite::Propagate).unwrap();
                executable.predict(windows(3, 4).view(), out.view_mut()).unwrap();
                assert!(out.iter().all(|x| x.is_nan()), "{tensor}, {precision}: {out}");
            }
        }
        let error = Trainer::new(
            model.clone(),
            TrainOptions { loss: diapason_kernels::lstm::Loss::CrossEntropy, ..TrainOptions::default() },
        )
        .unwrap_err();
        assert!(error.to_string().contains(tensor), "{error}");
        let folder = tempfile::tempdir().unwrap();
        for name in ["model.safetensors", "model.onnx"] {
            let error = model.save(&folder.path().join(name)).unwrap_err().to_string();
            assert!(error.contains(tensor) && !folder.path().join(name).exists(), "{error}");
        }
    }
}
