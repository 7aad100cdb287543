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
    let zero = V::all_of(V::Number::zero());
    let (mut before, mut sum, mut lost) = (state[0], state[1], state[2]);
    for ((x, volume), out) in x.iter().zip(volume).zip(out) {
        let gap = x.unknown() | volume.unknown();
        let same_or_up = V::select(before.less(*x) | before.unknown(), *volume, zero);
        let flow = V::select(x.less(before), zero - *volume, same_or_up);
        let next = sum + flow;
        let smaller = sum.magnitude().less(flow.magnitude());
        let rest = V::select(smaller, (flow - next) + sum, (sum - next) + flow);
        let (lost_now, total) = (lost + rest, next + (lost + rest));
        // A volume too large for a number is left out, like a gap.
        let left_out = gap | super::known(total).unknown();
        before = V::select(gap, before, *x);
        (sum, lost) = (V::select(left_out, sum, next), V::select(left_out, lost, lost_now));
        *out = V::select(left_out, V::all_of(V::Number::nan()), total);
    }
    (state[0], state[1], state[2]) = (before, sum, lost);
}
