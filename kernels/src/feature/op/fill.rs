//! The last known value, for at most some rows in a gap.

use crate::feature::value::{Number, Value};

/// The last known value, rows since then.
pub(super) const STATE_LEN: usize = 2;

pub(super) fn reset<V: Value>(state: &mut [V]) {
    state.copy_from_slice(&[f64::NAN, 0.0].map(|x| V::all_of(V::Number::of(x))));
}

#[inline(always)]
pub(super) fn advance<V: Value>(rows: usize, state: &mut [V], x: &[V], out: &mut [V]) {
    let [limit, zero, one, nan] = [rows as f64, 0.0, 1.0, f64::NAN].map(|x| V::all_of(V::Number::of(x)));
    let (mut last, mut missing) = (state[0], state[1]);
    for (x, out) in x.iter().zip(out) {
        let more = missing + one;
        // A value too old is forgotten, so that the count needs no end.
        let old = limit.less(more);
        last = V::select(x.unknown(), V::select(old, nan, last), *x);
        missing = V::select(x.unknown(), V::select(old, zero, more), zero);
        *out = last;
    }
    (state[0], state[1]) = (last, missing);
}
