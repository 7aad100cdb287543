//! Back-propagation through time of one window: the derivatives of `forward.rs`, read from its end to its start.
//!
//! ```text
//! dc += dh o (1 - tanh(c')^2)
//! dz_i = dc g i (1 - i)      dz_f = dc c f (1 - f)
//! dz_g = dc i (1 - g^2)      dz_o = dh tanh(c') o (1 - o)
//! dW += dz x^T   dR += dz h^T   db += dz      dx = W^T dz   dh = R^T dz   dc = dc f
//! ```

use super::Weights;
use super::forward::Trace;
use crate::op::Real;

/// Adds the gradient of one window to `gradient`, from the gradient by the logits. Returns the gradient by the
/// window itself, `[time, input]` row-major.
///
/// # Panics
/// When weights or gradient are not those of a possible shape, or `trace` is not [`forward`](super::forward::forward)
/// of this window.
pub fn backward<R: Real>(
    weights: &Weights<R>,
    window: &[R],
    trace: &Trace<R>,
    d_logits: &[R],
    gradient: &mut Weights<R>,
) -> Vec<R> {
    weights.assert_whole();
    gradient.assert_whole();
    let spec = weights.spec;
    let time = window.len() / spec.input;
    let zero = vec![R::zero(); spec.hidden];
    let mut d_above = vec![zero.clone(); time];

    let last = trace.steps[spec.layers - 1].last().map_or(&zero, |step| &step.h);
    let (weight, _) = weights.head();
    let (start, bias) = (spec.layer_start(spec.layers), spec.output * spec.hidden);
    for (row, &d) in d_logits.iter().enumerate() {
        for unit in 0..spec.hidden {
            add(&mut gradient.values[start + row * spec.hidden + unit], d * last[unit]);
            if let Some(top) = d_above.last_mut() {
                add(&mut top[unit], d * weight[row * spec.hidden + unit]);
            }
        }
        add(&mut gradient.values[start + bias + row], d);
    }

    for layer in (0..spec.layers).rev() {
        let inputs = spec.layer_input(layer);
        let steps = &trace.steps[layer];
        let (mut d_h_next, mut d_c) = (zero.clone(), zero.clone());
        let mut d_below = vec![vec![R::zero(); inputs]; time];
        for t in (0..time).rev() {
            let (h, c) = if t == 0 { (&zero, &zero) } else { (&steps[t - 1].h, &steps[t - 1].c) };
            let d_h: Vec<R> = d_above[t].iter().zip(&d_h_next).map(|(&a, &b)| a + b).collect();
            let d_z = cell(&steps[t], c, &d_h, &mut d_c);
            let x: &[R] = match layer.checked_sub(1) {
                None => &window[t * inputs..][..inputs],
                Some(below) => &trace.steps[below][t].h,
            };
            accumulate(gradient, layer, &d_z, x, h);
            let w = weights.layer(layer);
            d_below[t] = transposed(w.weight_ih, &d_z, inputs);
            d_h_next = transposed(w.weight_hh, &d_z, spec.hidden);
        }
        d_above = d_below;
    }
    d_above.concat()
}

/// The gradient by the pre-activations `z`, in gate order; `d_c` goes from this step's to the one before.
fn cell<R: Real>(step: &super::forward::Step<R>, c_before: &[R], d_h: &[R], d_c: &mut [R]) -> Vec<R> {
    let hidden = d_h.len();
    let one = R::one();
    let mut d_z = vec![R::zero(); 4 * hidden];
    for unit in 0..hidden {
        let (i, f, g, o) = (step.i[unit], step.f[unit], step.g[unit], step.o[unit]);
        let tanh_c = step.c[unit].tanh();
        let dc = d_c[unit] + d_h[unit] * o * (one - tanh_c * tanh_c);
        d_z[unit] = dc * g * i * (one - i);
        d_z[hidden + unit] = dc * c_before[unit] * f * (one - f);
        d_z[2 * hidden + unit] = dc * i * (one - g * g);
        d_z[3 * hidden + unit] = d_h[unit] * tanh_c * o * (one - o);
        d_c[unit] = dc * f;
    }
    d_z
}

/// Adds the outer products with `d_z` to one layer's gradient.
fn accumulate<R: Real>(gradient: &mut Weights<R>, layer: usize, d_z: &[R], x: &[R], h: &[R]) {
    let start = gradient.spec.layer_start(layer);
    let (weight_ih, rest) = gradient.values[start..].split_at_mut(d_z.len() * x.len());
    let (weight_hh, rest) = rest.split_at_mut(d_z.len() * h.len());
    for (row, &d) in d_z.iter().enumerate() {
        for (k, &x_k) in x.iter().enumerate() {
            add(&mut weight_ih[row * x.len() + k], d * x_k);
        }
        for (k, &h_k) in h.iter().enumerate() {
            add(&mut weight_hh[row * h.len() + k], d * h_k);
        }
        add(&mut rest[row], d);
        add(&mut rest[d_z.len() + row], d);
    }
}

/// `matrix^T d`, where `matrix` has `columns` columns.
fn transposed<R: Real>(matrix: &[R], d: &[R], columns: usize) -> Vec<R> {
    let mut out = vec![R::zero(); columns];
    for (row, &d) in matrix.chunks_exact(columns).zip(d) {
        for (sum, &w) in out.iter_mut().zip(row) {
            add(sum, d * w);
        }
    }
    out
}

fn add<R: Real>(sum: &mut R, x: R) {
    *sum = *sum + x;
}
