//! Third and fourth central moments of a window, in the blocks of [`super::window`] and with its anchor.
//!
//! The sums of the first four powers of the distances to the anchor are moved to the mean. An anchor is at most
//! sqrt(n) standard deviations from the mean, so the fourth moment cancels at most a factor n^2: 1e-12 of it for
//! 100 rows in the worst case, and about n roundings for data without a spike at the anchor.

use num_traits::Zero;

use super::window::{Stretch, count, filled_rows, inverse};
use crate::feature::value::{Number, Value};

/// Filled, the anchor, the open block's sums of four powers, and two places of padding.
pub(super) const HEAD: usize = 8;

/// Head, the open block's values, the suffix sums of four powers.
pub(super) const fn state_len(rows: usize) -> usize {
    HEAD + 5 * rows
}

#[inline(always)]
fn central<V: Value>(sums: [V; 4], inverse: V) -> [V; 2] {
    let [first, second, third, fourth] = sums;
    let (first, second) = (first * inverse, second * inverse);
    let (third, fourth) = (third * inverse, fourth * inverse);
    let [two, three, four, six] = [2.0, 3.0, 4.0, 6.0].map(|x| V::all_of(V::Number::of(x)));
    let square = first * first;
    let skew = third - three * first * second + two * first * square;
    let tails = fourth - four * first * third + six * square * second - three * square * square;
    [super::known(skew), super::known(tails)]
}

#[inline(always)]
pub(super) fn advance<V: Value>(
    n: usize,
    state: &mut [V],
    mut x: &[V],
    mut third: &mut [V],
    mut fourth: &mut [V],
) {
    let inverse = inverse(n);
    let zero = V::all_of(V::Number::zero());
    let (head, arrays) = state.split_at_mut(HEAD);
    let (values, suffixes) = arrays.split_at_mut(n);
    let (suffixes, _) = suffixes.as_chunks_mut::<4>();
    let mut filled = filled_rows(head);
    let mut anchor = head[1];
    let mut open = [head[2], head[3], head[4], head[5]];
    while let Some(Stretch { rows, closing }) = Stretch::next(n, filled, x.len()) {
        let (now, later) = x.split_at(rows);
        let (thirds, rest) = third.split_at_mut(rows);
        let (fourths, others) = fourth.split_at_mut(rows);
        (x, third, fourth) = (later, rest, others);
        values[filled..filled + rows].copy_from_slice(now);
        if closing {
            anchor = now[0];
            let mut sums = [zero; 4];
            for (value, suffix) in values.iter().zip(suffixes.iter_mut()).rev() {
                sums = step(&sums, &anchor, value);
                *suffix = sums;
            }
            [thirds[0], fourths[0]] = moved(&sums, &[zero; 4], inverse);
            (filled, open) = (0, [zero; 4]);
            continue;
        }
        for (((x, suffix), third), fourth) in now.iter().zip(&suffixes[filled + 1..]).zip(thirds).zip(fourths)
        {
            open = step(&open, &anchor, x);
            [*third, *fourth] = moved(&open, suffix, inverse);
        }
        filled += rows;
    }
    (head[0], head[1]) = (count(filled), anchor);
    [head[2], head[3], head[4], head[5]] = open;
}

/// The sums of the powers with one more value.
#[inline(always)]
fn step<V: Value>(sums: &[V; 4], anchor: &V, x: &V) -> [V; 4] {
    let distance = *x - *anchor;
    let square = distance * distance;
    [sums[0] + distance, sums[1] + square, sums[2] + square * distance, sums[3] + square * square]
}

#[inline(always)]
fn moved<V: Value>(a: &[V; 4], b: &[V; 4], inverse: V) -> [V; 2] {
    central([a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]], inverse)
}
