//! An average that follows at a speed given for each row: y = y' + c (x - y').
//!
//! Seeded with the value before the first speed, as TA-Lib's KAMA.

use crate::feature::value::Value;

/// The value before, the average.
pub(super) const STATE_LEN: usize = 2;

#[inline(always)]
pub(super) fn advance<V: Value>(state: &mut [V], x: &[V], speed: &[V], out: &mut [V]) {
    let (mut before, mut average) = (state[0], state[1]);
    for ((x, speed), out) in x.iter().zip(speed).zip(out) {
        let from = V::select(average.unknown(), before, average);
        let next = super::known((*x - from).fused(*speed, from));
        before = V::select(x.unknown(), before, *x);
        average = V::select(next.unknown(), average, next);
        *out = next;
    }
    (state[0], state[1]) = (before, average);
}
