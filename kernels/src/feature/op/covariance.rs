//! Population covariance of two values over a window, in the blocks of [`super::window`] and with an anchor for each.

use num_traits::Zero;

use super::window::{Stretch, count, filled_rows, inverse};
use crate::feature::value::Value;

/// Filled, the two anchors, the sums of both distances and of their product, and two places of padding.
pub(super) const HEAD: usize = 8;

/// Head, the open block's values of both, the suffix sums of both distances and of their product.
pub(super) const fn state_len(rows: usize) -> usize {
    HEAD + 5 * rows
}

#[inline(always)]
fn covariance<V: Value>([a, b, products]: [V; 3], inverse: V) -> V {
    super::known((products - a * (b * inverse)) * inverse)
}

#[inline(always)]
pub(super) fn advance<V: Value>(n: usize, state: &mut [V], mut a: &[V], mut b: &[V], mut out: &mut [V]) {
    let inverse = inverse(n);
    let zero = V::all_of(V::Number::zero());
    let (head, arrays) = state.split_at_mut(HEAD);
    let (values, suffixes) = arrays.split_at_mut(2 * n);
    let (values_a, values_b) = values.split_at_mut(n);
    let (suffix_a, suffixes) = suffixes.split_at_mut(n);
    let (suffix_b, suffix_ab) = suffixes.split_at_mut(n);
    let mut filled = filled_rows(head);
    let mut anchors = [head[1], head[2]];
    let mut open = [head[3], head[4], head[5]];
    while let Some(Stretch { rows, closing }) = Stretch::next(n, filled, a.len()) {
        let (now_a, later_a) = a.split_at(rows);
        let (now_b, later_b) = b.split_at(rows);
        let (target, rest) = out.split_at_mut(rows);
        (a, b, out) = (later_a, later_b, rest);
        values_a[filled..filled + rows].copy_from_slice(now_a);
        values_b[filled..filled + rows].copy_from_slice(now_b);
        if closing {
            anchors = [now_a[0], now_b[0]];
            let mut sums = [zero; 3];
            for at in (0..n).rev() {
                sums = step(&sums, &anchors, &values_a[at], &values_b[at]);
                [suffix_a[at], suffix_b[at], suffix_ab[at]] = sums;
            }
            target[0] = covariance(sums, inverse);
            (filled, open) = (0, [zero; 3]);
            continue;
        }
        let suffixes =
            suffix_a[filled + 1..].iter().zip(&suffix_b[filled + 1..]).zip(&suffix_ab[filled + 1..]);
        for (((a, b), ((tail_a, tail_b), tail_ab)), out) in now_a.iter().zip(now_b).zip(suffixes).zip(target)
        {
            open = step(&open, &anchors, a, b);
            *out = covariance([open[0] + *tail_a, open[1] + *tail_b, open[2] + *tail_ab], inverse);
        }
        filled += rows;
    }
    head[0] = count(filled);
    [head[1], head[2]] = anchors;
    [head[3], head[4], head[5]] = open;
}

/// The sums with one more pair.
#[inline(always)]
fn step<V: Value>(sums: &[V; 3], anchors: &[V; 2], a: &V, b: &V) -> [V; 3] {
    let (a, b) = (*a - anchors[0], *b - anchors[1]);
    [sums[0] + a, sums[1] + b, sums[2] + a * b]
}
