//! Mean and slope of the least-squares line through a window, over the row number.
//!
//! In the blocks of [`super::window`], with sums of the distances to its anchor: S of the distances and W of the
//! distances times their age (0 for the newest). The line's slope is then 12 ((n - 1)/2 S - W) / (n (n^2 - 1)).
//! W of the open block ages by S with each row; W of the closed block's suffixes was summed when the block closed,
//! and all its terms age alike by the rows of the open block. Nothing is subtracted from a sum.

use num_traits::{One, Zero};

use super::window::{HEAD, Stretch, count, filled_rows};
use crate::feature::value::{Number, Value};

/// Head (filled, anchor, sum, aged sum), the open block's values, the suffix sums, the aged suffix sums.
pub(super) const fn state_len(rows: usize) -> usize {
    HEAD + 3 * rows
}

/// What turns the two sums into mean and slope.
#[derive(Clone, Copy)]
struct Line<V> {
    inverse: V,
    half: V,
    scale: V,
}

impl<V: Value> Line<V> {
    fn new(n: usize) -> Self {
        let rows = n as f64;
        let of = |x: f64| V::all_of(V::Number::of(x));
        Self {
            inverse: of(1.0 / rows),
            half: of((rows - 1.0) / 2.0),
            scale: of(12.0 / (rows * (rows * rows - 1.0))),
        }
    }

    #[inline(always)]
    fn through(self, anchor: V, sum: V, aged: V) -> [V; 2] {
        let slope = (self.half * sum - aged) * self.scale;
        [super::known(anchor + sum * self.inverse), super::known(slope)]
    }
}

#[inline(always)]
pub(super) fn advance<V: Value>(
    n: usize,
    state: &mut [V],
    mut x: &[V],
    mut mean: &mut [V],
    mut slope: &mut [V],
) {
    let line = Line::<V>::new(n);
    let zero = V::all_of(V::Number::zero());
    let (head, arrays) = state.split_at_mut(HEAD);
    let (values, suffixes) = arrays.split_at_mut(n);
    let (suffix, suffix_aged) = suffixes.split_at_mut(n);
    let mut filled = filled_rows(head);
    let (mut anchor, mut open, mut open_aged) = (head[1], head[2], head[3]);
    while let Some(Stretch { rows, closing }) = Stretch::next(n, filled, x.len()) {
        let (now, later) = x.split_at(rows);
        let (means, rest) = mean.split_at_mut(rows);
        let (slopes, others) = slope.split_at_mut(rows);
        (x, mean, slope) = (later, rest, others);
        if closing {
            values[n - 1] = now[0];
            anchor = now[0];
            let [sum, aged] = close(values, suffix, suffix_aged, anchor);
            [means[0], slopes[0]] = line.through(anchor, sum, aged);
            (filled, open, open_aged) = (0, zero, zero);
            continue;
        }
        let suffixes = suffix[filled + 1..].iter().zip(&suffix_aged[filled + 1..]);
        let (mut passed, one): (V, V) = (count(filled), V::all_of(V::Number::one()));
        let kept = values[filled..].iter_mut();
        let rows = now.iter().zip(kept).zip(suffixes).zip(means).zip(slopes);
        for ((((x, kept), (suffix, aged)), mean), slope) in rows {
            *kept = *x;
            passed = passed + one;
            open_aged = open_aged + open;
            open = open + (*x - anchor);
            [*mean, *slope] = line.through(anchor, open + *suffix, open_aged + (*aged + passed * *suffix));
        }
        filled += now.len();
    }
    (head[0], head[1], head[2], head[3]) = (count(filled), anchor, open, open_aged);
}

/// Fills the sums of the suffixes of `values`, plain and aged to the end of the block, and returns those of the whole.
#[inline(always)]
fn close<V: Value>(values: &[V], suffix: &mut [V], suffix_aged: &mut [V], anchor: V) -> [V; 2] {
    let (zero, one) = (V::all_of(V::Number::zero()), V::all_of(V::Number::one()));
    let (mut sum, mut aged_sum, mut age) = (zero, zero, zero);
    for ((value, suffix), aged) in values.iter().zip(suffix).zip(suffix_aged).rev() {
        let distance = *value - anchor;
        (sum, aged_sum) = (sum + distance, aged_sum + age * distance);
        (*suffix, *aged) = (sum, aged_sum);
        age = age + one;
    }
    [sum, aged_sum]
}
