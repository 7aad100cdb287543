//! The tick rule: +1 after a rise, -1 after a fall, and what it was before where the value has not changed.
//!
//! Source: C. M. C. Lee and M. J. Ready, Inferring trade direction from intraday data, 1991, section I.

use num_traits::Float;

use crate::feature::value::{Number, Value};

/// The value before, the sign.
pub(super) const STATE_LEN: usize = 2;

#[inline(always)]
pub(super) fn advance<V: Value>(state: &mut [V], x: &[V], out: &mut [V]) {
    let (mut before, mut sign) = (state[0], state[1]);
    for (x, out) in x.iter().zip(out) {
        [before, sign, *out] = V::map([&before, &sign, x], |[before, sign, x]| {
            let risen = if x > before { V::Number::of(1.0) } else { sign };
            let sign = if x < before { V::Number::of(-1.0) } else { risen };
            if x.is_nan() { [before, sign, x] } else { [x, sign, sign] }
        });
    }
    (state[0], state[1]) = (before, sign);
}
