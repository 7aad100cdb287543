//! Exponential smoothing with TA-Lib's seed, the mean of the first `rows` values, and its order of operations:
//! one fused multiplication and addition a row (equal bits, and half the latency on which the loop waits).
//!
//! The exponential moving average keeps (rows - 1)/(rows + 1), Wilder's average (rows - 1)/rows. `skip` delays
//! the seed: the fast average of MACD is seeded on the window that ends where the slow one's does.

use num_traits::Float;

use crate::feature::value::{Number, Value};

/// Values seen (up to skip + rows), then the running seed sum or the average.
pub(super) const STATE_LEN: usize = 2;

/// How to smooth.
#[derive(Clone, Copy)]
pub(super) struct Weights {
    pub rows: usize,
    pub skip: usize,
    pub keep: f64,
    pub take: f64,
}

#[inline(always)]
pub(super) fn advance<V: Value>(weights: Weights, state: &mut [V], x: &[V], out: &mut [V]) {
    let (keep, take) = (V::Number::of(weights.keep), V::Number::of(weights.take));
    let seeded = V::Number::of((weights.skip + weights.rows) as f64);
    let (mut seen, mut value) = (state[0], state[1]);
    let mut pairs = x.iter().zip(out);
    while !V::hold([&seen], |[seen]| seen == seeded) {
        let Some((x, out)) = pairs.next() else { break };
        [seen, value, *out] = V::map([&seen, &value, x], |[seen, value, x]| {
            if seen != seeded {
                seed(weights, seen, value, x)
            } else if x.is_nan() {
                [seen, value, x]
            } else {
                let next = keep.mul_add(value, take * x);
                [seen, next, next]
            }
        });
    }
    for (x, out) in pairs {
        [value, *out] = V::map([&value, x], |[value, x]| {
            let next = keep.mul_add(value, take * x);
            if x.is_nan() { [value, V::Number::nan()] } else { [next, next] }
        });
    }
    (state[0], state[1]) = (seen, value);
}

/// One row of warming up: the new count and sum, and the output.
#[cold]
#[inline(never)]
fn seed<T: Number>(weights: Weights, seen: T, sum: T, x: T) -> [T; 3] {
    let Weights { rows, skip, .. } = weights;
    if x.is_nan() {
        return [seen, sum, T::nan()];
    }
    let seen = seen + T::one();
    if seen <= T::of(skip as f64) {
        return [seen, sum, T::nan()];
    }
    let sum = sum + x;
    if seen < T::of((skip + rows) as f64) {
        return [seen, sum, T::nan()];
    }
    let mean = sum / T::of(rows as f64);
    // A seed that overflows would poison every later value; the warm-up starts over instead.
    if mean.is_finite() { [seen, mean, mean] } else { [T::zero(), T::zero(), T::nan()] }
}
