//! The forward pass of one window.
//!
//! ```text
//! z = W x + b_ih + R h + b_hh           rows in gate order i, f, g, o
//! i, f, o = sigmoid(z);  g = tanh(z)
//! c' = f c + i g
//! h' = o tanh(c')
//! ```
//!
//! from zero state, layer upon layer, then `head(fc h + b)` on the last hidden state of the top layer.

use super::Weights;
use crate::op::{Real, sigmoid};

/// What one cell computed in one step; each field has `hidden` values.
#[derive(Clone, Debug)]
pub struct Step<R> {
    /// Input gate.
    pub i: Vec<R>,
    /// Forget gate.
    pub f: Vec<R>,
    /// Cell candidate.
    pub g: Vec<R>,
    /// Output gate.
    pub o: Vec<R>,
    /// Cell state after the step.
    pub c: Vec<R>,
    /// Hidden state after the step.
    pub h: Vec<R>,
}

/// Everything the forward pass computed, as the backward pass wants it.
#[derive(Clone, Debug)]
pub struct Trace<R> {
    /// `steps[layer][t]`.
    pub steps: Vec<Vec<Step<R>>>,
    /// The head before its activation.
    pub logits: Vec<R>,
    /// The prediction.
    pub output: Vec<R>,
}

/// Runs one window, `[time, input]` row-major, through the network from zero state.
///
/// # Panics
/// When the weights are not those of a possible shape.
pub fn forward<R: Real>(weights: &Weights<R>, window: &[R]) -> Trace<R> {
    weights.assert_whole();
    let spec = weights.spec;
    let mut sequence: Vec<Vec<R>> = window.chunks_exact(spec.input).map(<[R]>::to_vec).collect();
    let mut steps = Vec::with_capacity(spec.layers);
    for layer in 0..spec.layers {
        let mut state = (vec![R::zero(); spec.hidden], vec![R::zero(); spec.hidden]);
        let mut trace = Vec::with_capacity(sequence.len());
        for x in &mut sequence {
            let step = cell(weights, layer, x, &state.0, &state.1);
            state = (step.h.clone(), step.c.clone());
            x.clone_from(&step.h);
            trace.push(step);
        }
        steps.push(trace);
    }
    let zero = vec![R::zero(); spec.hidden];
    let last = sequence.last().unwrap_or(&zero);
    let (weight, bias) = weights.head();
    let logits: Vec<R> =
        weight.chunks_exact(spec.hidden).zip(bias).map(|(row, &b)| dot(row, last) + b).collect();
    let mut output = vec![R::zero(); spec.output];
    spec.head.apply(&logits, &mut output);
    Trace { steps, logits, output }
}

/// One step of one layer from the state `(h, c)`.
fn cell<R: Real>(weights: &Weights<R>, layer: usize, x: &[R], h: &[R], c: &[R]) -> Step<R> {
    let hidden = weights.spec.hidden;
    let w = weights.layer(layer);
    let z = |row: usize| {
        dot(&w.weight_ih[row * x.len()..][..x.len()], x)
            + w.bias_ih[row]
            + dot(&w.weight_hh[row * hidden..][..hidden], h)
            + w.bias_hh[row]
    };
    let i: Vec<R> = (0..hidden).map(|unit| sigmoid(z(unit))).collect();
    let f: Vec<R> = (0..hidden).map(|unit| sigmoid(z(hidden + unit))).collect();
    let g: Vec<R> = (0..hidden).map(|unit| z(2 * hidden + unit).tanh()).collect();
    let o: Vec<R> = (0..hidden).map(|unit| sigmoid(z(3 * hidden + unit))).collect();
    let c: Vec<R> = (0..hidden).map(|unit| f[unit] * c[unit] + i[unit] * g[unit]).collect();
    let h = (0..hidden).map(|unit| o[unit] * c[unit].tanh()).collect();
    Step { i, f, g, o, c, h }
}

/// The inner product.
fn dot<R: Real>(a: &[R], b: &[R]) -> R {
    a.iter().zip(b).map(|(&a, &b)| a * b).sum()
}
