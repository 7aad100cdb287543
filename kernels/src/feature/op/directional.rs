//! Wilder's directional movement and true range, each as his moving sum: s = s' - s'/rows + x.
//!
//! Source: J. Welles Wilder, New Concepts in Technical Trading Systems, 1978. As in TA-Lib the sums are seeded with
//! the first `rows` - 1 bars. The three sums advance in one loop, whose waiting times overlap.

use num_traits::Float;

use super::rowwise::true_range;
use crate::feature::value::{Number, Value};

/// Changes seen (up to `rows`), high, low and close before, the three sums.
pub(super) const STATE_LEN: usize = 7;

pub(super) fn reset<V: Value>(state: &mut [V]) {
    let (nan, zero) = (f64::NAN, 0.0);
    state.copy_from_slice(&[zero, nan, nan, nan, zero, zero, zero].map(|x| V::all_of(V::Number::of(x))));
}

/// The changes of a bar: movement up, movement down, true range.
#[inline(always)]
fn changes<T: Number>([high, low, high_before, low_before, close_before]: [T; 5]) -> [T; 3] {
    let (up, down) = (high - high_before, low_before - low);
    let zero = T::zero();
    let plus = if (up > down) & (up > zero) { up } else { zero };
    let minus = if (down > up) & (down > zero) { down } else { zero };
    [plus, minus, true_range(high, low, close_before)]
}

/// The sums of the bars from the one that has seen `first` changes; `out` holds plus, minus and range.
#[inline(always)]
pub(super) fn advance<V: Value>(
    (rows, first): (usize, usize),
    state: &mut [V],
    [high, low, close]: [&[V]; 3],
    [plus, minus, range]: [&mut [V]; 3],
) {
    let Some(last) = high.len().checked_sub(1) else { return };
    let before = [state[1], state[2], state[3]];
    [plus[0], minus[0], range[0]] = V::map([&high[0], &low[0], &before[0], &before[1], &before[2]], changes);
    for row in 1..=last {
        [plus[row], minus[row], range[row]] =
            V::map([&high[row], &low[row], &high[row - 1], &low[row - 1], &close[row - 1]], changes);
    }
    (state[1], state[2], state[3]) = (high[last], low[last], close[last]);

    let keep = V::Number::of(1.0 - 1.0 / rows as f64);
    let (full, first, one) = (V::Number::of(rows as f64), V::Number::of(first as f64), V::Number::of(1.0));
    let (mut seen, mut a, mut b, mut c) = (state[0], state[4], state[5], state[6]);
    for ((plus, minus), range) in plus.iter_mut().zip(minus).zip(range) {
        [seen, a, b, c, *plus, *minus, *range] =
            V::map([&seen, &a, &b, &c, plus, minus, range], |[seen, a, b, c, plus, minus, range]| {
                let count = if seen < full { seen + one } else { seen };
                let keep = if count < full { one } else { keep };
                let next = [keep.mul_add(a, plus), keep.mul_add(b, minus), keep.mul_add(c, range)];
                // A gap, and a bar too large for a number, leave the sums as they are.
                let sound = (next[0] + next[1] + next[2]).is_finite();
                let [count, a, b, c] =
                    if sound { [count, next[0], next[1], next[2]] } else { [seen, a, b, c] };
                let nan = V::Number::nan();
                let shown = if sound & (count >= first) { [a, b, c] } else { [nan; 3] };
                [count, a, b, c, shown[0], shown[1], shown[2]]
            });
    }
    (state[0], state[4], state[5], state[6]) = (seen, a, b, c);
}
