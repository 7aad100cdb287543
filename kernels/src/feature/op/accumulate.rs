//! The sum of a value since another value last changed: volume since midnight, for one.
//!
//! The sum grows without end, so it carries Neumaier's compensation (A. Neumaier, ZAMM 54, 1974): its error is
//! one rounding, whatever the number of rows.

use num_traits::{Float, Zero};

use crate::feature::value::{Number, Value};

/// The value that marks the stretch, the sum, its compensation.
pub(super) const STATE_LEN: usize = 3;

pub(super) fn reset<V: Value>(state: &mut [V]) {
    state.copy_from_slice(&[f64::NAN, 0.0, 0.0].map(|x| V::all_of(V::Number::of(x))));
}

#[inline(always)]
pub(super) fn advance<V: Value>(state: &mut [V], x: &[V], mark: &[V], out: &mut [V]) {
    let (mut current, mut sum, mut lost) = (state[0], state[1], state[2]);
    for ((x, mark), out) in x.iter().zip(mark).zip(out) {
        [current, sum, lost, *out] =
            V::map([&current, &sum, &lost, x, mark], |[current, sum, lost, x, mark]| {
                if x.is_nan() | mark.is_nan() {
                    return [current, sum, lost, V::Number::nan()];
                }
                let (sum, lost) =
                    if mark == current { (sum, lost) } else { (V::Number::zero(), V::Number::zero()) };
                let next = sum + x;
                let rest = if sum.abs() >= x.abs() { (sum - next) + x } else { (x - next) + sum };
                let lost = lost + rest;
                // A sum that overflows stays unknown until the next stretch.
                [mark, next, lost, super::known(next + lost)]
            });
    }
    (state[0], state[1], state[2]) = (current, sum, lost);
}
