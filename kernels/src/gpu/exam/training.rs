//! The exam of training: gradients held against the reference in f64, and a short training held against the processor's.

use ndarray::{Array2, Array3, ArrayView2, ArrayView3, Axis};

use super::{Mark, windows};
use crate::gpu::Precision;
use crate::lstm::{Head, Loss, Lstm, Spec, TrainError, TrainOptions, Trainer, Weights};
use crate::op::network::{backward::backward, forward::forward};
use crate::random;

/// A model, the batch that it learns from, and what is made small.
#[derive(Clone, Copy, Debug)]
pub struct Lesson {
    /// The model's shape.
    pub spec: Spec,
    /// What is made small.
    pub loss: Loss,
    /// Windows.
    pub batch: usize,
    /// Steps of a window.
    pub time: usize,
}

const fn lesson(sizes: [usize; 4], head: Head, loss: Loss, batch: usize, time: usize) -> Lesson {
    let [input, hidden, layers, output] = sizes;
    Lesson { spec: Spec { input, hidden, layers, output, head }, loss, batch, time }
}

/// Every loss and every head, one layer and three, batches and layers on both sides of a tile, one step and many, and a layer
/// that is wider than what is fused.
pub const LESSONS: &[Lesson] = &[
    lesson([1, 1, 1, 1], Head::Linear, Loss::Mse, 1, 1),
    lesson([3, 5, 2, 2], Head::Sigmoid, Loss::BinaryCrossEntropy, 3, 20),
    lesson([12, 32, 1, 1], Head::Linear, Loss::Mse, 50, 7),
    lesson([7, 33, 3, 3], Head::Softmax, Loss::CrossEntropy, 65, 9),
    lesson([20, 64, 2, 1], Head::Linear, Loss::Huber { delta: 0.5 }, 130, 12),
    lesson([17, 100, 1, 4], Head::Sigmoid, Loss::Mse, 33, 5),
    lesson([32, 128, 2, 1], Head::Linear, Loss::Mae, 70, 30),
    lesson([9, 256, 1, 2], Head::Softmax, Loss::Mse, 20, 8),
    lesson([5, 300, 2, 3], Head::Linear, Loss::Mse, 12, 5),
    lesson([80, 16, 1, 1], Head::Linear, Loss::Mse, 700, 3),
];

/// Targets in 0..1 that suit every loss; those of a softmax are chances that add up to 1.
#[must_use]
pub fn targets(batch: usize, spec: &Spec) -> Array2<f32> {
    let mut index = 0;
    let mut y = Array2::from_shape_simple_fn((batch, spec.output), || {
        index += 1;
        random::unit(11, index)
    });
    if spec.head == Head::Softmax {
        for mut row in y.outer_iter_mut() {
            let sum = row.sum();
            row.iter_mut().for_each(|y| *y /= sum);
        }
    }
    y
}

/// How far a gradient may lie from the reference in f64, `|got - wanted| / |wanted|` in the Euclidean norm of each tensor.
///
/// Predictions in f32 are off by up to 5e-6 of their norm (see [`Precision::tolerance`]). A gradient goes through the same
/// products twice, forward and back, and a sum over all steps and windows of the batch, which may cancel to a tenth of its
/// terms: 1e-4. In halves what is rounded is that of the predictions, with the same two passes and the same
/// cancellation: 16 roundings of 2^-11 or 2^-8 at most.
#[must_use]
pub const fn tolerance(precision: Precision) -> f64 {
    match precision {
        Precision::F32 => 1e-4,
        Precision::F16 => 16.0 / 2048.0,
        Precision::Bf16 => 16.0 / 256.0,
    }
}

/// The mean loss in f64 and its gradient by every weight.
#[must_use]
pub fn exact(lesson: &Lesson, model: &Lstm, x: &ArrayView3<f32>, y: &ArrayView2<f32>) -> (f64, Weights<f64>) {
    let (spec, loss) = (lesson.spec, lesson.loss);
    let values = model.weights().values.iter().map(|&w| f64::from(w)).collect();
    let weights = Weights { spec, values };
    let mut gradient = Weights::zeros(spec);
    let divisor = loss.divisor(lesson.batch, spec.output) as f64;
    let mut sum = 0.0;
    for (window, target) in x.outer_iter().zip(y.outer_iter()) {
        let window: Vec<f64> = window.iter().map(|&x| f64::from(x)).collect();
        let target: Vec<f64> = target.iter().map(|&y| f64::from(y)).collect();
        let trace = forward(&weights, &window);
        let mut d_logits = vec![0.0; spec.output];
        sum += loss.row(spec.head, &trace.logits, &trace.output, &target, 1.0 / divisor, &mut d_logits);
        backward(&weights, &window, &trace, &d_logits, &mut gradient);
    }
    (sum / divisor, gradient)
}

/// Sits the gradients of one lesson: `run` gives the mean loss and its gradient by every weight, in the order of
/// [`Spec::tensors`], and is called twice; both times must give the same bits, or the distance is infinite.
///
/// # Errors
/// Those of the device, and [`ModelError`](crate::lstm::ModelError) as [`TrainError`] through them.
pub fn sit_gradient<E: From<TrainError>>(
    lesson: &Lesson,
    precision: Precision,
    mut run: impl FnMut(&Lstm, ArrayView3<f32>, ArrayView2<f32>) -> Result<(f64, Vec<f32>), E>,
) -> Result<Mark, E> {
    let Lesson { spec, loss, batch, time } = *lesson;
    let model = Lstm::new(spec, 3).map_err(TrainError::Model)?;
    let (x, y) = (windows(batch, time, spec.input), targets(batch, &spec));
    let (found, gradient) = run(&model, x.view(), y.view())?;
    let again = run(&model, x.view(), y.view())?;
    let same = found.to_bits() == again.0.to_bits()
        && gradient.iter().map(|g| g.to_bits()).eq(again.1.iter().map(|g| g.to_bits()));
    let (wanted, exact) = exact(lesson, &model, &x.view(), &y.view());
    let of_tensors = spec.tensors().into_iter().map(|tensor| {
        let (got, wanted) = (&gradient[tensor.range.clone()], &exact.values[tensor.range]);
        super::distance(got, wanted)
    });
    let distance =
        if same { worst(of_tensors.chain([(found - wanted).abs() / wanted])) } else { f64::INFINITY };
    let tolerance = tolerance(precision);
    let case = format!("gradient of {loss:?}, {spec}, {batch} windows of {time} steps");
    let passed = distance <= tolerance;
    Ok(Mark { case, precision: precision.name(), distance, tolerance, passed })
}

/// What is learnt in the short training.
pub const SHORT: Lesson = lesson([6, 40, 2, 1], Head::Linear, Loss::Mse, 96, 16);
/// Its steps.
pub const STEPS: usize = 60;

/// How the short training goes: Adam, its norm clipped, one batch over and over.
#[must_use]
pub fn options() -> TrainOptions {
    TrainOptions { learning_rate: 5e-3, clip_norm: Some(1.0), weight_decay: 0.01, ..TrainOptions::default() }
}

/// The batch of the short training: the target is the mean of the first feature over the last steps.
#[must_use]
pub fn short() -> (Array3<f32>, Array2<f32>) {
    let x = windows(SHORT.batch, SHORT.time, SHORT.spec.input);
    let mean = |window: ArrayView2<f32>| window.column(0).iter().skip(SHORT.time - 4).sum::<f32>() / 4.0;
    let y = Array2::from_shape_fn((SHORT.batch, 1), |(row, _)| mean(x.index_axis(Axis(0), row)));
    (x, y)
}

/// How far the losses of the short training may lie from the processor's in f32, as a part of the first loss: gradients differ by a
/// part in 10^4 at most, Adam's step by as much, and 60 steps go the same way down.
#[must_use]
pub const fn training_tolerance(precision: Precision) -> f64 {
    match precision {
        Precision::F32 => 1e-3,
        Precision::F16 => 2e-2,
        Precision::Bf16 => 5e-2,
    }
}

/// Sits the short training: `run` gives the loss before each of [`STEPS`] steps on one batch. It must come down as the
/// processor's does, and by half at least.
///
/// # Errors
/// Those of the device, and [`TrainError`] through them.
pub fn sit_training<E: From<TrainError>>(
    precision: Precision,
    run: impl FnOnce(Lstm, TrainOptions, ArrayView3<f32>, ArrayView2<f32>) -> Result<Vec<f64>, E>,
) -> Result<Mark, E> {
    let model = Lstm::new(SHORT.spec, 3).map_err(TrainError::Model)?;
    let (x, y) = short();
    let mut trainer = Trainer::new(model.clone(), options())?;
    let step = |_| trainer.step(x.view(), y.view()).map(|report| report.loss);
    let wanted: Vec<f64> = (0..STEPS).map(step).collect::<Result<_, _>>()?;
    let got = run(model, options(), x.view(), y.view())?;
    let off = got.iter().zip(&wanted).map(|(got, other)| (got - other).abs() / wanted[0]);
    let fell = got.len() == STEPS && got[STEPS - 1] <= got[0] / 2.0;
    let distance = if fell { worst(off) } else { f64::INFINITY };
    let tolerance = training_tolerance(precision);
    let case = format!("{STEPS} steps of Adam on {}", SHORT.spec);
    Ok(Mark { case, precision: precision.name(), distance, tolerance, passed: distance <= tolerance })
}

/// The greatest distance, or not a number where one is not: `f64::max` would pass over it.
fn worst(distances: impl Iterator<Item = f64>) -> f64 {
    distances.fold(0.0, |a, b| if a.is_nan() || a >= b { a } else { b })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The processor's trainer sits the exam as well: what it cannot pass no device can.
    #[test]
    fn the_processor_passes() {
        for lesson in LESSONS {
            let mark = sit_gradient(lesson, Precision::F32, |model, x, y| {
                let options = TrainOptions { loss: lesson.loss, ..TrainOptions::default() };
                let mut trainer = Trainer::new(model.clone(), options)?;
                let (loss, gradient) = trainer.gradients(x, y)?;
                Ok::<_, TrainError>((loss, gradient.values.clone()))
            })
            .unwrap();
            println!("{mark:?}");
            assert!(mark.passed, "{mark:?}");
        }
        let mark = sit_training(Precision::F32, |model, options, x, y| {
            let mut trainer = Trainer::new(model, options)?;
            (0..STEPS).map(|_| Ok(trainer.step(x, y)?.loss)).collect::<Result<_, TrainError>>()
        })
        .unwrap();
        assert!(mark.passed && mark.distance == 0.0, "{mark:?}");
    }

    #[test]
    fn a_wrong_gradient_fails() {
        let calls = std::cell::Cell::new(0);
        let run = |noise: f32, flip: bool| {
            calls.set(0);
            sit_gradient(&LESSONS[2], Precision::F32, |model, x, y| {
                let (loss, gradient) = exact(&LESSONS[2], model, &x, &y);
                calls.set(calls.get() + 1);
                let mut values: Vec<f32> = gradient.values.iter().map(|&g| g as f32).collect();
                values[700] *= 1.0 + noise;
                values[0] += if flip && calls.get() == 2 { 1e-7 } else { 0.0 };
                Ok::<_, TrainError>((loss, values))
            })
            .unwrap()
        };
        assert!(run(0.0, false).passed);
        assert!(!run(1.0, false).passed);
        assert!(!run(f32::NAN, false).passed);
        assert_eq!(run(0.0, true).distance, f64::INFINITY);
    }
}
