//! The tick rule: +1 after a rise, -1 after a fall, and what it was before where the value has not changed.
//!
//! Source: C. M. C. Lee and M. J. Ready, Inferring trade direction from intraday data, 1991, section I.

use crate::feature::value::{Number, Value};

/// The value before, the sign.
pub(super) const STATE_LEN: usize = 2;

#[inline(always)]
pub(super) fn advance<V: Value>(state: &mut [V], x: &[V], out: &mut [V]) {
    let [up, down] = [1.0, -1.0].map(|sign| V::all_of(V::Number::of(sign)));
    let (mut before, mut sign) = (state[0], state[1]);
    for (x, out) in x.iter().zip(out) {
        let risen = V::select(before.less(*x), up, sign);
        sign = V::select(x.less(before), down, risen);
        before = V::select(x.unknown(), before, *x);
        *out = V::select(x.unknown(), *x, sign);
    }
    (state[0], state[1]) = (before, sign);
}
