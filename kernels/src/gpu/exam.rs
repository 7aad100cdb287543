//! The exam that every device sits: whole predictions of models of many shapes, held against the reference in f64.
//!
//! It is part of the library and not of the tests, so that one binary can sit it on a machine that has a GPU and no
//! toolchain. Distances are `|got - wanted| / |wanted|` in the Euclidean norm over all predictions of a case: a single output
//! near zero may have lost all its digits to cancellation without harm.

pub mod training;

use ndarray::{Array2, Array3, ArrayView2, ArrayView3, ArrayViewMut2};
use serde::Serialize;

use super::precision::Precision;
use crate::lstm::{Head, Lstm, ModelError, Spec};
use crate::op::network::{Weights, forward};
use crate::random;

/// A model and the windows that it predicts.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// The model's shape.
    pub spec: Spec,
    /// Windows.
    pub batch: usize,
    /// Steps of a window.
    pub time: usize,
}

/// How a device did in one case.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mark {
    /// The case in words.
    pub case: String,
    /// In what the device multiplied.
    pub precision: &'static str,
    /// From the reference in f64.
    pub distance: f64,
    /// What it may be.
    pub tolerance: f64,
    /// Whether it is.
    pub passed: bool,
}

const fn case(sizes: [usize; 4], head: Head, batch: usize, time: usize) -> Case {
    let [input, hidden, layers, output] = sizes;
    Case { spec: Spec { input, hidden, layers, output, head }, batch, time }
}

/// Shapes on both sides of every choice that the devices make: below and past a subgroup, a tile, a workgroup's memory and
/// the widest layer that is fused; batches below a tile, past several, and of one.
pub const CASES: &[Case] = &[
    case([1, 1, 1, 1], Head::Linear, 1, 1),
    case([3, 5, 2, 2], Head::Sigmoid, 3, 20),
    case([12, 32, 1, 1], Head::Linear, 50, 7),
    case([7, 33, 3, 3], Head::Softmax, 65, 9),
    case([20, 64, 2, 1], Head::Linear, 130, 12),
    case([17, 100, 1, 4], Head::Linear, 33, 5),
    case([32, 128, 2, 1], Head::Linear, 70, 30),
    case([40, 200, 2, 2], Head::Sigmoid, 17, 6),
    case([9, 256, 1, 1], Head::Linear, 20, 8),
    case([5, 300, 2, 3], Head::Softmax, 12, 5),
    case([600, 16, 1, 1], Head::Linear, 9, 4),
];

/// Windows with values in -2..2, the same everywhere.
#[must_use]
pub fn windows(batch: usize, time: usize, input: usize) -> Array3<f32> {
    let mut index = 0;
    Array3::from_shape_simple_fn((batch, time, input), || {
        index += 1;
        4.0 * random::unit(9, index) - 2.0
    })
}

/// The reference's predictions in f64, window after window.
#[must_use]
pub fn exact(model: &Lstm, windows: &ArrayView3<f32>) -> Vec<f64> {
    let weights = model.weights();
    let weights =
        Weights { spec: weights.spec, values: weights.values.iter().map(|&w| f64::from(w)).collect() };
    let window = |window: ArrayView2<f32>| window.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
    windows.outer_iter().flat_map(|w| forward::forward(&weights, &window(w)).output).collect()
}

/// `|got - wanted| / |wanted|` in the Euclidean norm; not a number where `got` holds one.
#[must_use]
pub fn distance<'a>(got: impl IntoIterator<Item = &'a f32>, wanted: &[f64]) -> f64 {
    let off: f64 = got.into_iter().zip(wanted).map(|(&g, &w)| (f64::from(g) - w).powi(2)).sum();
    (off / wanted.iter().map(|w| w * w).sum::<f64>()).sqrt()
}

/// Sits one case: `run` compiles the model and predicts.
///
/// # Errors
/// Those of the device, and [`ModelError`] through them.
pub fn sit<E: From<ModelError>>(
    case: &Case,
    precision: Precision,
    run: impl FnOnce(&Lstm, ArrayView3<f32>, ArrayViewMut2<f32>) -> Result<(), E>,
) -> Result<Mark, E> {
    let Case { spec, batch, time } = *case;
    let model = Lstm::new(spec, 3)?;
    let x = windows(batch, time, spec.input);
    let mut out = Array2::zeros((batch, spec.output));
    run(&model, x.view(), out.view_mut())?;
    let distance = distance(&out, &exact(&model, &x.view()));
    let tolerance = precision.tolerance();
    let passed = distance <= tolerance;
    let case = format!("{spec}, {batch} windows of {time} steps");
    Ok(Mark { case, precision: precision.name(), distance, tolerance, passed })
}
