//! Exponential smoothing with TA-Lib's seed, the mean of the first `rows` values, and its order of operations:
//! one fused multiplication and addition a row (equal bits, and half the latency on which the loop waits).
//!
//! The exponential moving average keeps (rows - 1)/(rows + 1), Wilder's average (rows - 1)/rows. `skip` delays
//! the seed: the fast average of MACD is seeded on the window that ends where the slow one's does.

use num_traits::Float;

use super::window::count;
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
fn number<V: Value>(x: f64) -> V {
    V::all_of(V::Number::of(x))
}

#[inline(always)]
pub(super) fn advance<V: Value>(weights: Weights, state: &mut [V], x: &[V], out: &mut [V]) {
    let (keep, take): (V, V) = (number(weights.keep), number(weights.take));
    let seeded = count(weights.skip + weights.rows);
    let (mut seen, mut value) = (state[0], state[1]);
    let mut passed = 0;
    for (x, out) in x.iter().zip(out.iter_mut()) {
        let warming = seen.less(seeded);
        if !V::any(warming) {
            break;
        }
        passed += 1;
        let followed = next(keep, take, value, *x);
        let [seed_seen, seed_value, seed_out] = seed(weights, seeded, [seen, value, *x]);
        *out = V::select(warming, seed_out, followed);
        value = V::select(x.unknown(), value, V::select(warming, seed_value, followed));
        seen = V::select(x.unknown(), seen, V::select(warming, seed_seen, seen));
    }
    let (x, out) = (&x[passed..], &mut out[passed..]);
    let before = value;
    for (x, out) in x.iter().zip(out.iter_mut()) {
        value = next(keep, take, value, *x);
        *out = value;
    }
    // A gap stays in the average to the end of the block: then the rows are taken again, without those of the gap. So the
    // choice is in nobody's way from row to row.
    if V::any(value.unknown()) {
        value = before;
        for (x, out) in x.iter().zip(out) {
            let followed = next(keep, take, value, *x);
            value = V::select(x.unknown(), value, followed);
            *out = followed;
        }
    }
    (state[0], state[1]) = (seen, value);
}

/// One row of [`advance`], where the seed is complete after `seeded` values.
#[inline(always)]
pub(super) fn row<V: Value>(weights: Weights, seeded: V, state: &mut [V], x: V) -> V {
    let followed = next(number(weights.keep), number(weights.take), state[1], x);
    if V::any(state[0].less(seeded) | followed.unknown()) {
        let mut out = [x];
        advance(weights, state, &[x], &mut out);
        return out[0];
    }
    state[1] = followed;
    followed
}

#[inline(always)]
fn next<V: Value>(keep: V, take: V, value: V, x: V) -> V {
    keep.fused(value, take * x)
}

/// One row of warming up: the new count, the new sum or mean, and the output.
#[inline(always)]
fn seed<V: Value>(weights: Weights, seeded: V, [seen, sum, x]: [V; 3]) -> [V; 3] {
    let seen = seen + number(1.0);
    let sum = V::select(count::<V>(weights.skip).less(seen), sum + x, sum);
    let mean = super::known(sum / count::<V>(weights.rows));
    // A seed that overflows would poison every later value; the warm-up starts over instead.
    let (restart, pending) = (mean.unknown(), seen.less(seeded));
    [
        V::select(pending, seen, V::select(restart, number(0.0), seen)),
        V::select(pending, sum, V::select(restart, number(0.0), mean)),
        V::select(pending, V::all_of(V::Number::nan()), mean),
    ]
}
