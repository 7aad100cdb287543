use diapason_tests::require;
use ndarray::{Array2, Array3, ArrayView2, ArrayView3, s};

use super::*;
use crate::cuda::engine::{Engine, host::HostEngine};
use crate::cuda::shape::Machine;
use crate::gpu::exam::distance;
use crate::lstm::{Head, Loss, Optimizer, Schedule, Spec, Trainer};
use crate::op::network::{backward, forward};
use crate::random;

/// A device with four multiprocessors, so that small batches take several blocks.
const MACHINE: Machine = Machine { capability: 90, shared_bytes: 40_000, processors: 4 };
/// How far gradients may lie from the reference in f64, in the Euclidean norm over all of them: sums in f32 in another order,
/// through time. The predictions' own bound is 5e-6; the way back has twice their length.
const TOLERANCE: f64 = 1e-5;

fn shim(models: Vec<(Lstm, TrainOptions)>, batch: usize) -> CudaSweep {
    CudaSweep::on(models, MACHINE, batch, |kernels, buffers| {
        Ok(Engine::Host(HostEngine::new(kernels, buffers)))
    })
    .unwrap()
}

fn values(key: u64, shape: (usize, usize, usize)) -> Array3<f32> {
    let mut index = 0;
    Array3::from_shape_simple_fn(shape, || {
        index += 1;
        2.0 * random::unit(key, index) - 1.0
    })
}

fn targets(spec: &Spec, rows: usize) -> Array2<f32> {
    let raw = values(3, (1, rows, spec.output)).index_axis_move(ndarray::Axis(0), 0);
    match spec.head {
        Head::Linear => raw,
        Head::Sigmoid => raw.mapv(|x| f32::from(u8::from(x > 0.0))),
        Head::Softmax => {
            let mut hot = Array2::zeros(raw.dim());
            (0..rows).for_each(|row| hot[[row, row % spec.output]] = 1.0);
            hot
        }
    }
}

/// Loss and gradient of the reference in f64, of the last `kept` steps.
fn exact(model: &Lstm, loss: Loss, x: &ArrayView3<f32>, y: &ArrayView2<f32>) -> (f64, Vec<f64>) {
    let spec = model.spec();
    let values = model.weights().values.iter().map(|&w| f64::from(w)).collect();
    let weights = Weights { spec, values };
    let mut gradient = Weights::zeros(spec);
    let divisor = loss.divisor(x.dim().0, spec.output) as f64;
    let mut sum = 0.0;
    for (window, target) in x.outer_iter().zip(y.outer_iter()) {
        let window: Vec<f64> = window.iter().map(|&x| f64::from(x)).collect();
        let target: Vec<f64> = target.iter().map(|&y| f64::from(y)).collect();
        let trace = forward::forward(&weights, &window);
        let mut d_logits = vec![0.0; spec.output];
        sum += loss.row(spec.head, &trace.logits, &trace.output, &target, 1.0 / divisor, &mut d_logits);
        backward::backward(&weights, &window, &trace, &d_logits, &mut gradient);
    }
    (sum / divisor, gradient.values)
}

fn model(spec: Spec, seed: u64) -> Lstm {
    Lstm::new(spec, seed).unwrap()
}

#[test]
fn gradients_are_the_references() {
    require!(Cxx);
    let cases = [
        (Spec { input: 3, hidden: 5, layers: 2, output: 2, head: Head::Linear }, Loss::Mse, 7, 4),
        (
            Spec { input: 9, hidden: 33, layers: 1, output: 1, head: Head::Sigmoid },
            Loss::BinaryCrossEntropy,
            21,
            3,
        ),
        (Spec { input: 4, hidden: 40, layers: 3, output: 3, head: Head::Softmax }, Loss::CrossEntropy, 6, 5),
        (
            Spec { input: 2, hidden: 8, layers: 1, output: 2, head: Head::Softmax },
            Loss::Huber { delta: 0.3 },
            300,
            2,
        ),
        (Spec { input: 2, hidden: 6, layers: 1, output: 2, head: Head::Sigmoid }, Loss::Mae, 5, 1),
    ];
    for (spec, loss, rows, steps) in cases {
        let options = TrainOptions { loss, ..TrainOptions::default() };
        let first = model(spec, 5);
        let (x, y) = (values(1, (rows, steps, spec.input)), targets(&spec, rows));
        let mut trainer = CudaTrainer(shim(vec![(first.clone(), options)], rows));
        let (got_loss, gradient) = trainer.gradients(x.view(), y.view()).unwrap();
        let (wanted_loss, wanted) = exact(&first, loss, &x.view(), &y.view());
        let off = distance(&gradient.values, &wanted);
        assert!(off <= TOLERANCE, "{spec}, {loss:?}: {off:e}");
        assert!((got_loss - wanted_loss).abs() <= 1e-6 * wanted_loss, "{spec}: {got_loss} {wanted_loss}");
        assert!((trainer.evaluate(x.view(), y.view()).unwrap() - got_loss).abs() <= 1e-12);
        // A smaller batch in the room of a larger one.
        let (x, y) = (x.slice(s![..rows / 2 + 1, .., ..]), y.slice(s![..rows / 2 + 1, ..]));
        let off = distance(&trainer.gradients(x, y).unwrap().1.values, &exact(&first, loss, &x, &y).1);
        assert!(off <= TOLERANCE, "{spec}, {loss:?}, half: {off:e}");
        println!("{spec}, {loss:?}: {off:e}");
    }
}

const SPEC: Spec = Spec { input: 3, hidden: 10, layers: 2, output: 1, head: Head::Linear };

/// Trains on the shim and on the processor; the losses of each step.
fn beside_the_processor(options: &TrainOptions, carried: bool) {
    let (rows, steps) = (9, 6);
    let (x, y) = (values(1, (rows, steps, SPEC.input)), targets(&SPEC, rows));
    let mut device = CudaTrainer(shim(vec![(model(SPEC, 5), options.clone())], rows));
    let mut cpu = Trainer::new(model(SPEC, 5), TrainOptions { threads: 1, ..options.clone() }).unwrap();
    let (mut ours, mut theirs) = (States::zeros(SPEC, rows), States::zeros(SPEC, rows));
    for step in 0..8 {
        let (got, wanted) = if carried {
            let got = device.step_from(x.view(), y.view(), &mut ours).unwrap();
            (got, cpu.step_from(x.view(), y.view(), &mut theirs).unwrap())
        } else {
            (device.step(x.view(), y.view()).unwrap(), cpu.step(x.view(), y.view()).unwrap())
        };
        let near = |a: f64, b: f64, within: f64| (a - b).abs() <= within * b.abs();
        assert!(near(got.loss, wanted.loss, 1e-4), "step {step}: {got:?} {wanted:?}, {options:?}");
        assert!(near(got.grad_norm, wanted.grad_norm, 1e-3), "step {step}: {got:?} {wanted:?}, {options:?}");
        assert_eq!(got.learning_rate.to_bits(), wanted.learning_rate.to_bits());
    }
    let got = device.model().unwrap();
    let wanted: Vec<f64> = cpu.model().weights().values.iter().map(|&w| f64::from(w)).collect();
    let off = distance(&got.weights().values, &wanted);
    assert!(off <= 1e-4, "{options:?}: {off:e}");
    let wanted: Vec<f64> = theirs.h.iter().chain(&theirs.c).map(|&x| f64::from(x)).collect();
    if carried {
        assert!(distance(ours.h.iter().chain(&ours.c), &wanted) <= 1e-4);
    }
    assert_eq!(device.steps(), 8);
}

#[test]
fn steps_are_the_processors() {
    require!(Cxx);
    let rate = TrainOptions { learning_rate: 1e-2, ..TrainOptions::default() };
    let sgd = Optimizer::Sgd { momentum: 0.9, dampening: 0.1, nesterov: false };
    beside_the_processor(&TrainOptions { weight_decay: 0.1, clip_norm: Some(0.05), ..rate.clone() }, true);
    beside_the_processor(
        &TrainOptions { optimizer: Optimizer::ADAM, weight_decay: 0.1, ..rate.clone() },
        false,
    );
    let schedule = Schedule::Step { every: 2, factor: 0.5 };
    beside_the_processor(&TrainOptions { dropout: 0.4, seed: 9, schedule, ..rate.clone() }, false);
    beside_the_processor(&TrainOptions { truncation: Some(2), optimizer: sgd, ..rate.clone() }, true);
    beside_the_processor(&TrainOptions { optimizer: Optimizer::SGD, weight_decay: 0.1, ..rate }, false);
}

#[test]
fn models_side_by_side_are_those_alone_bit_for_bit() {
    require!(Cxx);
    let (rows, steps) = (9, 5);
    let (x, y) = (values(1, (rows, steps, SPEC.input)), targets(&SPEC, rows));
    let options = |k: u16| TrainOptions {
        learning_rate: 1e-3 * f32::from(k + 1),
        clip_norm: (k == 1).then_some(0.1),
        dropout: 0.3,
        seed: u64::from(k),
        ..TrainOptions::default()
    };
    let models: Vec<_> = (0..3).map(|k| (model(SPEC, u64::from(k)), options(k))).collect();
    let mut sweep = shim(models.clone(), rows);
    let mut alone: Vec<_> = models.into_iter().map(|one| shim(vec![one], 3 * rows)).collect();
    let mut twice = Vec::new();
    for _ in 0..3 {
        let reports = sweep.step(x.view(), y.view()).unwrap();
        for (report, alone) in reports.into_iter().zip(&mut alone) {
            assert_eq!(report.unwrap(), alone.step(x.view(), y.view()).unwrap().remove(0).unwrap());
        }
        twice.push(sweep.models().unwrap());
    }
    for (model, alone) in sweep.models().unwrap().iter().zip(&mut alone) {
        assert_eq!(*model, alone.models().unwrap().remove(0));
    }
    assert_ne!(twice[0], twice[2]);
}

#[test]
fn a_step_that_cannot_be_taken_changes_nothing() {
    require!(Cxx);
    let (x, y) = (values(1, (4, 3, SPEC.input)), targets(&SPEC, 4));
    let far = TrainOptions { optimizer: Optimizer::SGD, learning_rate: 3e38, ..TrainOptions::default() };
    let usual = TrainOptions { optimizer: Optimizer::SGD, ..TrainOptions::default() };
    let first = model(SPEC, 5);
    let mut sweep = shim(vec![(first.clone(), far), (first.clone(), usual.clone())], 4);
    let large = y.mapv(|y| 1e6 * (y + 2.0));
    let reports = sweep.step(x.view(), large.view()).unwrap();
    let message = reports[0].as_ref().unwrap_err().to_string();
    assert!(message.starts_with("step 0 would carry element "), "{message}");
    assert!(reports[1].is_ok());
    let after = sweep.models().unwrap();
    assert_eq!(after[0], first);
    assert_ne!(after[1], first);
    let mut trainer = CudaTrainer(sweep);
    let message = |y: f32, trainer: &mut CudaTrainer| {
        trainer.step(x.view(), Array2::from_elem((4, 1), y).view()).unwrap_err().to_string()
    };
    assert!(message(1e30, &mut trainer).contains("the loss is inf in step 0"));
    assert!(message(1.5e19, &mut trainer).contains("the gradient of \"fc"));
    assert!(message(f32::NAN, &mut trainer).starts_with("target 0 of window 0 is NaN"));
    let mut bad = x.clone();
    bad[[2, 1, 0]] = f32::INFINITY;
    let message = trainer.step(bad.view(), y.view()).unwrap_err().to_string();
    assert_eq!(message, "window 2, time 1, feature 0 is inf");
    assert_eq!(trainer.model().unwrap(), first);
    let refused =
        |models| CudaSweep::on(models, MACHINE, 1, |_, _| Err(CudaTrainError::None)).unwrap_err().to_string();
    let halves = TrainOptions { precision: crate::lstm::Precision::Bf16, ..usual.clone() };
    assert!(
        refused(vec![(first.clone(), halves)]).starts_with("there is no training in bf16 on a CUDA device")
    );
    let other = TrainOptions { dropout: 0.5, ..usual.clone() };
    assert!(
        refused(vec![(first.clone(), usual), (first, other)])
            .contains("model 1 of the sweep has another dropout")
    );
}
