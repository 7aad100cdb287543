//! Wilder's directional movement and true range, each as his moving sum: s = s' - s'/rows + x.
//!
//! Source: J. Welles Wilder, New Concepts in Technical Trading Systems, 1978. As in TA-Lib the sums are seeded with
//! the first `rows` - 1 bars. The three sums advance in one loop, whose waiting times overlap.

use num_traits::Zero;

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
fn changes<V: Value>(high: V, low: V, [high_before, low_before, close_before]: [V; 3]) -> [V; 3] {
    let (up, down) = (high - high_before, low_before - low);
    let zero = V::all_of(V::Number::zero());
    let plus = V::select(down.less(up) & zero.less(up), up, zero);
    let minus = V::select(up.less(down) & zero.less(down), down, zero);
    // Comparisons lose a NaN: zero where both changes are known.
    let gap = up * zero + down * zero;
    [plus + gap, minus + gap, true_range(high, low, close_before)]
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
    [plus[0], minus[0], range[0]] = changes(high[0], low[0], before);
    for row in 1..=last {
        let before = [high[row - 1], low[row - 1], close[row - 1]];
        [plus[row], minus[row], range[row]] = changes(high[row], low[row], before);
    }
    (state[1], state[2], state[3]) = (high[last], low[last], close[last]);

    let of = |x: f64| V::all_of(V::Number::of(x));
    let (keep, nan) = (of(1.0 - 1.0 / rows as f64), of(f64::NAN));
    let (full, first, one) = (of(rows as f64), of(first as f64), of(1.0));
    let (mut seen, mut a, mut b, mut c) = (state[0], state[4], state[5], state[6]);
    for ((plus, minus), range) in plus.iter_mut().zip(minus).zip(range) {
        let count = V::select(seen.less(full), seen + one, seen);
        let keep = V::select(count.less(full), one, keep);
        let next = [keep.fused(a, *plus), keep.fused(b, *minus), keep.fused(c, *range)];
        // A gap, and a bar too large for a number, leave the sums as they are.
        let total = next[0] + next[1] + next[2];
        let lost = super::known(total).unknown();
        let hidden = lost | count.less(first);
        *plus = V::select(hidden, nan, next[0]);
        *minus = V::select(hidden, nan, next[1]);
        *range = V::select(hidden, nan, next[2]);
        seen = V::select(lost, seen, count);
        (a, b, c) = (V::select(lost, a, next[0]), V::select(lost, b, next[1]), V::select(lost, c, next[2]));
    }
    (state[0], state[4], state[5], state[6]) = (seen, a, b, c);
}
