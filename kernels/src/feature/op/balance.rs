//! The running balance of a volume: added where a value rises, subtracted where it falls (on-balance volume).
//!
//! The first row's volume counts as added, as in TA-Lib. The sum carries the compensation of [`super::accumulate`].

use num_traits::{Float, Zero};

use crate::feature::value::{Number, Value};

/// The value before, the sum, its compensation.
pub(super) const STATE_LEN: usize = 3;

pub(super) fn reset<V: Value>(state: &mut [V]) {
    state.copy_from_slice(&[f64::NAN, 0.0, 0.0].map(|x| V::all_of(V::Number::of(x))));
}

#[inline(always)]
pub(super) fn advance<V: Value>(state: &mut [V], x: &[V], volume: &[V], out: &mut [V]) {
    let (mut before, mut sum, mut lost) = (state[0], state[1], state[2]);
    for ((x, volume), out) in x.iter().zip(volume).zip(out) {
        [before, sum, lost, *out] =
            V::map([&before, &sum, &lost, x, volume], |[before, sum, lost, x, volume]| {
                if x.is_nan() | volume.is_nan() {
                    return [before, sum, lost, V::Number::nan()];
                }
                let zero = V::Number::zero();
                let flow = if x < before { -volume } else { volume };
                let flow = if x == before { zero } else { flow };
                let next = sum + flow;
                let rest = if sum.abs() >= flow.abs() { (sum - next) + flow } else { (flow - next) + sum };
                let (total, lost_now) = (next + (lost + rest), lost + rest);
                // A volume too large for a number is left out, like a gap.
                if total.is_finite() { [x, next, lost_now, total] } else { [x, sum, lost, V::Number::nan()] }
            });
    }
    (state[0], state[1], state[2]) = (before, sum, lost);
}
