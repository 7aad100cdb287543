//! Reduced precision and work ahead of time: equal bits on every instruction set, thread count and path, and a distance from
//! the reference that the model itself reports.

#![expect(clippy::unwrap_used, reason = "the functions that tests share are tests too")]

use diapason_kernels::Isa;
use diapason_kernels::lstm::{
    Activations, CompileError, CompileOptions, Executable, Head, Lstm, Precision, PredictError, Spec, Stream,
    StreamOptions,
};
use diapason_kernels::random;
use ndarray::{Array2, Array3, s};

const SPECS: [Spec; 5] = [
    Spec { input: 1, hidden: 1, layers: 1, output: 1, head: Head::Linear },
    Spec { input: 3, hidden: 5, layers: 2, output: 2, head: Head::Sigmoid },
    Spec { input: 12, hidden: 32, layers: 1, output: 1, head: Head::Linear },
    Spec { input: 7, hidden: 65, layers: 3, output: 3, head: Head::Softmax },
    Spec { input: 18, hidden: 100, layers: 2, output: 4, head: Head::Linear },
];

fn windows(batch: usize, time: usize, input: usize) -> Array3<f32> {
    let mut index = 0;
    Array3::from_shape_simple_fn((batch, time, input), || {
        index += 1;
        4.0 * random::unit(9, index) - 2.0
    })
}

fn compiled(model: &Lstm, isa: Isa, threads: usize, precision: Precision) -> Executable {
    classed(model, isa, threads, precision, Activations::Accurate)
}

fn classed(
    model: &Lstm,
    isa: Isa,
    threads: usize,
    precision: Precision,
    activations: Activations,
) -> Executable {
    model
        .compile(&CompileOptions {
            isa: Some(isa),
            threads,
            precision,
            activations,
            ..CompileOptions::default()
        })
        .unwrap()
}

fn predict(executable: &mut Executable, output: usize, x: &Array3<f32>) -> Vec<u32> {
    let mut out = Array2::zeros((x.dim().0, output));
    executable.predict(x.view(), out.view_mut()).unwrap();
    out.iter().map(|x: &f32| x.to_bits()).collect()
}

#[test]
fn every_instruction_set_and_thread_count_gives_the_same_bits() {
    for spec in SPECS {
        let model = Lstm::new(spec, 4).unwrap();
        let x = windows(70, 9, spec.input);
        for precision in Precision::ALL {
            let mut classes = Vec::new();
            for class in Activations::ALL {
                let wanted = predict(&mut classed(&model, Isa::Scalar, 1, precision, class), spec.output, &x);
                for isa in Isa::available() {
                    for threads in [1, 3] {
                        let mut executable = classed(&model, isa, threads, precision, class);
                        let got = predict(&mut executable, spec.output, &x);
                        assert_eq!(got, wanted, "{spec}, {precision}, {class}, {isa}, {threads} threads");
                    }
                }
                classes.push(wanted);
            }
            assert_ne!(classes[0], classes[1], "{spec}, {precision}");
        }
    }
}

/// Pushes every row of every instance. `prepare` says after which ticks the work ahead is done.
fn ticks(stream: &mut Stream, x: &Array3<f32>, prepare: impl Fn(usize) -> bool) -> Vec<Option<Vec<u32>>> {
    let mut all = Vec::new();
    for t in 0..x.dim().1 {
        for instance in 0..x.dim().0 {
            let row = x.slice(s![instance, t, ..]).to_vec();
            let out = stream.push(instance, &row).unwrap();
            all.push(out.map(|out| out.iter().map(|x| x.to_bits()).collect()));
            if prepare(t + instance) {
                stream.prepare(instance).unwrap();
            }
        }
    }
    all
}

#[test]
fn streams_have_the_bits_of_a_batch_however_much_is_done_ahead() {
    for spec in SPECS {
        let model = Lstm::new(spec, 6).unwrap();
        let (instances, time) = (2, 11);
        let x = windows(instances, time, spec.input);
        for (precision, class) in Precision::ALL
            .into_iter()
            .zip([Activations::Fast; 3])
            .chain(Precision::ALL.into_iter().zip([Activations::Accurate; 3]))
        {
            for isa in Isa::available() {
                let mut executable = classed(&model, isa, 1, precision, class);
                for window in [None, Some(1), Some(2), Some(5)] {
                    let wanted: Vec<_> = (0..time)
                        .flat_map(|t| (0..instances).map(move |instance| (t, instance)))
                        .map(|(t, instance)| {
                            let first = window.map_or(Some(0), |window| (t + 1).checked_sub(window))?;
                            let part = x.slice(s![instance..=instance, first..=t, ..]).to_owned();
                            Some(predict(&mut executable, spec.output, &part))
                        })
                        .collect();
                    for ahead in [false, true] {
                        let options = StreamOptions { instances, window, ahead, ..StreamOptions::default() };
                        let place =
                            format!("{spec}, {precision}, {class}, {isa}, {window:?}, ahead: {ahead}");
                        let modes: [&dyn Fn(usize) -> bool; 3] = [&|_| false, &|_| true, &|t| t % 3 == 0];
                        for prepare in modes {
                            let mut stream = executable.stream(&options).unwrap();
                            assert_eq!(ticks(&mut stream, &x, prepare), wanted, "{place}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn a_snapshot_is_the_same_whether_work_was_left_or_not() {
    let spec = SPECS[3];
    let model = Lstm::new(spec, 8).unwrap();
    let x = windows(1, 13, spec.input);
    for window in [None, Some(4)] {
        let executable = compiled(&model, Isa::choose(None).unwrap(), 1, Precision::Bf16);
        let run = |ahead| {
            let mut stream =
                executable.stream(&StreamOptions { window, ahead, ..StreamOptions::default() }).unwrap();
            ticks(&mut stream, &x, |t| t % 2 == 0);
            stream
        };
        let (mut at_once, mut left) = (run(false), run(true));
        let snapshot = at_once.snapshot(0).unwrap();
        assert_eq!(left.snapshot(0).unwrap(), snapshot);
        // Sums that were made for another state must not survive.
        left.prepare(0).unwrap();
        left.reset(0).unwrap();
        at_once.reset(0).unwrap();
        assert_eq!(ticks(&mut left, &x, |_| true), ticks(&mut at_once, &x, |_| false));
        left.prepare(0).unwrap();
        left.restore(0, &snapshot).unwrap();
        at_once.restore(0, &snapshot).unwrap();
        assert_eq!(ticks(&mut left, &x, |_| true), ticks(&mut at_once, &x, |_| false));
    }
}

#[test]
fn the_deviation_is_that_of_the_precision() {
    for spec in SPECS {
        let model = Lstm::new(spec, 5).unwrap();
        let x = windows(40, 20, spec.input);
        let rms = Precision::ALL.map(|precision| {
            let mut executable = compiled(&model, Isa::choose(None).unwrap(), 1, precision);
            let deviation = model.deviation(&mut executable, x.view()).unwrap();
            assert!(deviation.rms <= deviation.max, "{deviation:?}");
            deviation.rms / deviation.scale
        });
        assert!(rms[0] < 1e-6 && rms[1] < 1e-2 && rms[2] < 3e-2, "{spec}: {rms:?}");
        assert!(rms[0] < rms[1] && rms[0] < rms[2], "{spec}: {rms:?}");
    }
    let model = Lstm::new(SPECS[0], 5).unwrap();
    let mut executable = compiled(&model, Isa::Scalar, 1, Precision::F32);
    let error = model.deviation(&mut executable, windows(0, 3, 1).view()).unwrap_err();
    assert!(matches!(error, PredictError::Windows { found: [0, 3, 1], input: 1 }));
}

#[test]
fn a_sum_that_would_overflow_is_refused() {
    let spec = Spec { input: (1 << 16) + 1, hidden: 1, layers: 1, output: 1, head: Head::Linear };
    let options = CompileOptions { precision: Precision::Int8, ..CompileOptions::default() };
    let error = Lstm::new(spec, 0).unwrap().compile(&options).unwrap_err();
    assert!(matches!(error, CompileError::Depth { depth: 65_537 }));
    assert_eq!(
        error.to_string(),
        "int8 takes at most 65536 inputs and units, not 65537; compile for bf16 instead"
    );
}

/// What the fast class adds to the distance from the reference, beside the size of the outputs: in f32 nearly all of it.
#[test]
fn the_fast_class_stays_near_the_reference() {
    for spec in SPECS {
        let model = Lstm::new(spec, 5).unwrap();
        let x = windows(30, 40, spec.input);
        let mut executable =
            classed(&model, Isa::choose(None).unwrap(), 2, Precision::F32, Activations::Fast);
        let deviation = model.deviation(&mut executable, x.view()).unwrap();
        assert!(deviation.rms <= 1e-5 * deviation.scale, "{spec}: {deviation:?}");
    }
}
