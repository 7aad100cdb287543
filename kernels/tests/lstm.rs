//! Predictions: against the reference, against themselves on every instruction set, thread count and path.

#![expect(clippy::unwrap_used, reason = "the functions that tests share are tests too")]

use diapason_kernels::Isa;
use diapason_kernels::lstm::{
    CompileOptions, Head, Lstm, PredictError, Snapshot, Spec, StreamError, StreamOptions,
};
use diapason_kernels::op::network::Weights;
use diapason_kernels::op::network::forward::forward;
use diapason_kernels::random;
use ndarray::{Array2, Array3, s};

const SPECS: [Spec; 6] = [
    Spec { input: 1, hidden: 1, layers: 1, output: 1, head: Head::Linear },
    Spec { input: 3, hidden: 5, layers: 2, output: 2, head: Head::Sigmoid },
    Spec { input: 12, hidden: 32, layers: 1, output: 1, head: Head::Linear },
    Spec { input: 7, hidden: 33, layers: 3, output: 3, head: Head::Softmax },
    Spec { input: 20, hidden: 64, layers: 2, output: 1, head: Head::Linear },
    Spec { input: 17, hidden: 100, layers: 1, output: 4, head: Head::Linear },
];

fn windows(batch: usize, time: usize, input: usize) -> Array3<f32> {
    let mut index = 0;
    Array3::from_shape_simple_fn((batch, time, input), || {
        index += 1;
        4.0 * random::unit(9, index) - 2.0
    })
}

fn predict(model: &Lstm, isa: Isa, threads: usize, x: &Array3<f32>) -> Array2<f32> {
    let mut executable =
        model.compile(&CompileOptions { isa: Some(isa), threads, ..CompileOptions::default() }).unwrap();
    let mut out = Array2::zeros((x.dim().0, model.spec().output));
    executable.predict(x.view(), out.view_mut()).unwrap();
    out
}

fn bits(out: &Array2<f32>) -> Vec<u32> {
    out.iter().map(|x| x.to_bits()).collect()
}

/// The reference in f64.
fn exact(model: &Lstm, x: &Array3<f32>) -> Vec<f64> {
    let weights = model.weights();
    let weights =
        Weights { spec: weights.spec, values: weights.values.iter().map(|&w| f64::from(w)).collect() };
    let window = |w: ndarray::ArrayView2<f32>| w.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
    x.outer_iter().flat_map(|w| forward(&weights, &window(w)).output).collect()
}

/// `|got - wanted| / |wanted|` in the Euclidean norm over all predictions.
fn distance(got: &Array2<f32>, wanted: &[f64]) -> f64 {
    let off: f64 = got.iter().zip(wanted).map(|(&g, &w)| (f64::from(g) - w).powi(2)).sum();
    (off / wanted.iter().map(|w| w * w).sum::<f64>()).sqrt()
}

#[test]
fn predictions_are_the_references() {
    for spec in SPECS {
        let model = Lstm::new(spec, 3).unwrap();
        for (batch, time) in [(1, 1), (3, 20), (50, 7)] {
            let x = windows(batch, time, spec.input);
            let off = distance(&predict(&model, Isa::choose(None).unwrap(), 1, &x), &exact(&model, &x));
            assert!(off < 2e-6, "{spec}, batch {batch}, time {time}: {off:e}");
        }
    }
}

#[test]
fn every_instruction_set_thread_count_and_block_gives_the_same_bits() {
    for spec in SPECS {
        let model = Lstm::new(spec, 4).unwrap();
        let x = windows(101, 35, spec.input);
        let wanted = bits(&predict(&model, Isa::choose(None).unwrap(), 1, &x));
        for isa in Isa::available() {
            let batch = if isa == Isa::Scalar { 20 } else { 101 };
            for threads in [1, 2, 3] {
                let got = bits(&predict(&model, isa, threads, &x.slice(s![..batch, .., ..]).to_owned()));
                assert_eq!(got, wanted[..batch * spec.output], "{spec}, {isa}, {threads} threads");
            }
        }
    }
}

#[test]
fn any_strides_will_do() {
    let spec = SPECS[1];
    let model = Lstm::new(spec, 5).unwrap();
    let x = windows(6, 8, spec.input);
    let mut executable = model.compile(&CompileOptions::default()).unwrap();
    let mut wanted = Array2::zeros((6, spec.output));
    executable.predict(x.view(), wanted.view_mut()).unwrap();
    // time-major memory, reversed rows, and a place for the predictions with strides of its own
    let mut time_major = Array3::zeros((8, 6, spec.input));
    time_major.assign(&x.view().permuted_axes([1, 0, 2]));
    let mut out = Array2::zeros((spec.output, 6));
    let view = time_major.view().permuted_axes([1, 0, 2]);
    executable.predict(view.slice(s![..;-1, .., ..]), out.view_mut().reversed_axes()).unwrap();
    assert_eq!(out.reversed_axes().slice(s![..;-1, ..]), wanted);
}

#[test]
fn a_stream_has_the_bits_of_a_batch() {
    for spec in SPECS {
        let model = Lstm::new(spec, 6).unwrap();
        let x = windows(3, 25, spec.input);
        for isa in Isa::available() {
            let executable = model
                .compile(&CompileOptions { isa: Some(isa), threads: 1, ..CompileOptions::default() })
                .unwrap();
            let mut stream = executable
                .stream(&StreamOptions { instances: 3, window: None, ..StreamOptions::default() })
                .unwrap();
            for t in 0..25 {
                let so_far = x.slice(s![.., ..=t, ..]).to_owned();
                let wanted = predict(&model, isa, 1, &so_far);
                for instance in 0..3 {
                    let row = x.slice(s![instance, t, ..]).to_vec();
                    let got = stream.push(instance, &row).unwrap().unwrap();
                    assert_eq!(got, wanted.row(instance).as_slice().unwrap(), "{spec}, {isa}, tick {t}");
                }
            }
        }
    }
}

#[test]
fn a_sliding_window_has_the_bits_of_a_batch() {
    for spec in SPECS {
        let model = Lstm::new(spec, 7).unwrap();
        let x = windows(2, 23, spec.input);
        for isa in Isa::available() {
            for window in [1, 2, 7, 23] {
                let executable = model
                    .compile(&CompileOptions { isa: Some(isa), threads: 1, ..CompileOptions::default() })
                    .unwrap();
                let options =
                    StreamOptions { instances: 2, window: Some(window), ..StreamOptions::default() };
                let mut stream = executable.stream(&options).unwrap();
                for t in 0..23 {
                    for instance in 0..2 {
                        let row = x.slice(s![instance, t, ..]).to_vec();
                        let got = stream.push(instance, &row).unwrap();
                        assert_eq!(got.is_some(), t + 1 >= window);
                        if let Some(got) = got {
                            let last = s![instance..=instance, t + 1 - window..=t, ..];
                            let wanted = predict(&model, isa, 1, &x.slice(last).to_owned());
                            assert_eq!(got, wanted.as_slice().unwrap(), "{spec}, {isa}, {window}, tick {t}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn a_snapshot_goes_on_with_the_same_bits_on_every_instruction_set() {
    let spec = SPECS[3];
    let model = Lstm::new(spec, 8).unwrap();
    let x = windows(1, 30, spec.input);
    let row = |t: usize| x.slice(s![0, t, ..]).to_vec();
    for window in [None, Some(6)] {
        let options = StreamOptions { instances: 2, window, ahead: false, ..StreamOptions::default() };
        let start = model.compile(&CompileOptions::default()).unwrap();
        let mut first = start.stream(&options).unwrap();
        for t in 0..15 {
            first.push(0, &row(t)).unwrap();
        }
        let snapshot = first.snapshot(0).unwrap();
        for isa in Isa::available() {
            let executable = model
                .compile(&CompileOptions { isa: Some(isa), threads: 1, ..CompileOptions::default() })
                .unwrap();
            let mut again = executable.stream(&options).unwrap();
            again.push(1, &row(3)).unwrap();
            again.restore(1, &snapshot).unwrap();
            assert_eq!(again.snapshot(1).unwrap(), snapshot);
            first.restore(0, &snapshot).unwrap();
            for t in 15..30 {
                let wanted = first.push(0, &row(t)).unwrap().map(<[f32]>::to_vec);
                assert_eq!(again.push(1, &row(t)).unwrap().map(<[f32]>::to_vec), wanted, "{isa}, tick {t}");
            }
            again.reset(1).unwrap();
            assert_eq!(again.ticks(1).unwrap(), 0);
            let wanted = executable.stream(&options).unwrap().push(0, &row(0)).unwrap().map(<[f32]>::to_vec);
            assert_eq!(again.push(1, &row(0)).unwrap().map(<[f32]>::to_vec), wanted);
        }
    }
}

#[test]
fn bad_windows_are_named_and_leave_the_predictions_alone() {
    let spec = SPECS[2];
    let mut executable = Lstm::new(spec, 0)
        .unwrap()
        .compile(&CompileOptions { isa: None, threads: 2, ..CompileOptions::default() })
        .unwrap();
    let mut x = windows(120, 4, 12);
    let mut out = Array2::from_elem((120, 1), 7.0);
    x[[117, 0, 0]] = f32::NAN;
    x[[60, 3, 11]] = f32::INFINITY;
    let error = executable.predict(x.view(), out.view_mut()).unwrap_err();
    let message = error.to_string();
    assert!(message.starts_with("window 60, step 3, feature 11 is inf; mend the data"), "{message}");
    assert!(out.iter().all(|x| *x == 7.0));
    let error = executable.predict(windows(2, 0, 12).view(), out.view_mut()).unwrap_err();
    assert!(matches!(error, PredictError::Windows { found: [2, 0, 12], input: 12 }));
    let error = executable.predict(windows(2, 4, 12).view(), out.view_mut()).unwrap_err();
    assert_eq!(error.to_string(), "predictions of shape [120, 1] cannot hold [2, 1]");
    executable.predict(windows(0, 4, 12).view(), Array2::zeros((0, 1)).view_mut()).unwrap();
    executable.predict(windows(120, 4, 12).view(), out.view_mut()).unwrap();
    assert!(out.iter().all(|x| *x != 7.0));
}

#[test]
fn a_bad_row_leaves_the_state_alone() {
    let spec = SPECS[2];
    let executable = Lstm::new(spec, 0).unwrap().compile(&CompileOptions::default()).unwrap();
    let mut stream =
        executable.stream(&StreamOptions { instances: 2, window: None, ..StreamOptions::default() }).unwrap();
    stream.push(1, &[0.5; 12]).unwrap();
    let before = stream.snapshot(1).unwrap();
    let mut row = [0.5; 12];
    row[7] = f32::NEG_INFINITY;
    let message = stream.push(1, &row).unwrap_err().to_string();
    assert!(message.starts_with("instance 1, tick 1, feature 7 is -inf; mend the row"), "{message}");
    assert_eq!(stream.push(1, &[0.0; 11]), Err(StreamError::Row { found: 11, input: 12 }));
    assert_eq!(stream.push(2, &[0.0; 12]), Err(StreamError::Instance { instance: 2, instances: 2 }));
    assert_eq!(stream.snapshot(1).unwrap(), before);
    let short = Snapshot { values: vec![0.0; 3], ..before };
    assert!(matches!(stream.restore(1, &short), Err(StreamError::Snapshot { found: 3, wanted: 64 })));
    assert!(
        executable.stream(&StreamOptions { instances: 0, window: None, ..StreamOptions::default() }).is_err()
    );
    assert!(
        executable
            .stream(&StreamOptions { instances: 1, window: Some(0), ..StreamOptions::default() })
            .is_err()
    );
}

#[test]
fn a_snapshot_is_refused_by_another_stream_or_when_damaged() {
    let windowed = Spec { input: 3, hidden: 8, layers: 2, output: 1, head: Head::Linear };
    // As many values as a window of 4 with 8 units.
    let carried = Spec { hidden: 32, ..windowed };
    let stream = |spec, seed, window| {
        let executable = Lstm::new(spec, seed).unwrap().compile(&CompileOptions::default()).unwrap();
        executable
            .stream(&StreamOptions { instances: 1, window, ahead: false, ..StreamOptions::default() })
            .unwrap()
    };
    let mut here = stream(windowed, 0, Some(4));
    here.push(0, &[0.5; 3]).unwrap();
    let snapshot = here.snapshot(0).unwrap();
    let restore = |mut stream: diapason_kernels::lstm::Stream, snapshot: &Snapshot| {
        let before = stream.snapshot(0).unwrap();
        let result = stream.restore(0, snapshot);
        assert_eq!(stream.snapshot(0).unwrap() == before, result.is_err());
        result
    };
    restore(stream(windowed, 0, Some(4)), &snapshot).unwrap();
    let error = restore(stream(carried, 0, None), &snapshot);
    assert!(matches!(error, Err(StreamError::SnapshotShape { .. })), "{error:?}");
    let message = restore(stream(windowed, 0, None), &snapshot).unwrap_err().to_string();
    assert_eq!(message, "a snapshot with a window of 4 ticks does not fit a stream with carried state");
    let error = restore(stream(windowed, 1, Some(4)), &snapshot);
    assert!(matches!(error, Err(StreamError::SnapshotModel { .. })), "{error:?}");
    let mut values = snapshot.values.clone();
    values[5] = f32::NAN;
    let error = restore(stream(windowed, 0, Some(4)), &Snapshot { values, ..snapshot.clone() });
    assert!(matches!(error, Err(StreamError::SnapshotNotFinite { index: 5, .. })), "{error:?}");
    let error = restore(stream(windowed, 0, Some(4)), &Snapshot { ticks: u64::MAX, ..snapshot });
    assert!(matches!(error, Err(StreamError::SnapshotTicks { ticks: u64::MAX })), "{error:?}");
}

#[test]
fn the_first_bad_window_is_named_on_any_thread_count() {
    let model = Lstm::new(SPECS[2], 0).unwrap();
    let mut x = windows(100, 40, 12);
    // The later window has the earlier step, and on some thread counts the same block.
    x[[0, 30, 3]] = f32::NAN;
    x[[1, 0, 5]] = f32::NAN;
    for threads in [1, 2, 3, 7] {
        let mut executable =
            model.compile(&CompileOptions { isa: None, threads, ..CompileOptions::default() }).unwrap();
        let error = executable.predict(x.view(), Array2::zeros((100, 1)).view_mut()).unwrap_err();
        let message = error.to_string();
        assert!(message.starts_with("window 0, step 30, feature 3 is NaN;"), "{threads} threads: {message}");
    }
}
