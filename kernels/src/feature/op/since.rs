//! Seconds since an event: the last row on which a value was not zero.

use num_traits::{Float, Zero};

use crate::feature::value::{Number, Value};

/// The time of the last event in nanoseconds.
pub(super) const STATE_LEN: usize = 1;

#[inline(always)]
pub(super) fn advance<V: Value>(state: &mut [V], event: &[V], time: &[V], out: &mut [V]) {
    let second = V::Number::of(1e9);
    for ((event, time), out) in event.iter().zip(time).zip(out) {
        [state[0], *out] = V::map([&state[0], event, time], |[last, event, time]| {
            let happened = (event != V::Number::zero()) & !event.is_nan() & !time.is_nan();
            let last = if happened { time } else { last };
            let passed = super::known((time - last) / second);
            [last, if event.is_nan() { event } else { passed }]
        });
    }
}
