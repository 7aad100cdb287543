//! The last known value, for at most some rows in a gap.

use num_traits::{Float, One, Zero};

use crate::feature::value::{Number, Value};

/// The last known value, rows since then.
pub(super) const STATE_LEN: usize = 2;

pub(super) fn reset<V: Value>(state: &mut [V]) {
    state.copy_from_slice(&[f64::NAN, 0.0].map(|x| V::all_of(V::Number::of(x))));
}

#[inline(always)]
pub(super) fn advance<V: Value>(rows: usize, state: &mut [V], x: &[V], out: &mut [V]) {
    let limit = V::Number::of(rows as f64);
    let (mut last, mut missing) = (state[0], state[1]);
    for (x, out) in x.iter().zip(out) {
        [last, missing, *out] = V::map([&last, &missing, x], |[last, missing, x]| {
            if !x.is_nan() {
                return [x, V::Number::zero(), x];
            }
            let missing = missing + V::Number::one();
            // A value too old is forgotten, so that the count needs no end.
            if missing > limit { [x, V::Number::zero(), x] } else { [last, missing, last] }
        });
    }
    (state[0], state[1]) = (last, missing);
}
