//! Seconds since an event: the last row on which a value was not zero.

use num_traits::Zero;

use crate::feature::value::{Number, Value};

/// The time of the last event in nanoseconds.
pub(super) const STATE_LEN: usize = 1;

#[inline(always)]
pub(super) fn advance<V: Value>(state: &mut [V], event: &[V], time: &[V], out: &mut [V]) {
    let (zero, second) = (V::all_of(V::Number::zero()), V::all_of(V::Number::of(1e9)));
    let mut last = state[0];
    for ((event, time), out) in event.iter().zip(time).zip(out) {
        let happened = event.less(zero) | zero.less(*event);
        last = V::select(happened, V::select(time.unknown(), last, *time), last);
        *out = V::select(event.unknown(), *event, super::known((*time - last) / second));
    }
    state[0] = last;
}
