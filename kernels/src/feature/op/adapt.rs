//! An average that follows at a speed given for each row: y = y' + c (x - y').
//!
//! Seeded with the value before the first speed, as TA-Lib's KAMA.

use num_traits::Float;

use crate::feature::value::Value;

/// The value before, the average.
pub(super) const STATE_LEN: usize = 2;

#[inline(always)]
pub(super) fn advance<V: Value>(state: &mut [V], x: &[V], speed: &[V], out: &mut [V]) {
    let (mut before, mut average) = (state[0], state[1]);
    for ((x, speed), out) in x.iter().zip(speed).zip(out) {
        [before, average, *out] = V::map([&before, &average, x, speed], |[before, average, x, speed]| {
            let from = if average.is_nan() { before } else { average };
            let next = super::known((x - from).mul_add(speed, from));
            [
                if x.is_nan() { before } else { x },
                if next.is_nan() { average } else { next },
                if (x + speed).is_nan() { V::Number::nan() } else { next },
            ]
        });
    }
    (state[0], state[1]) = (before, average);
}
