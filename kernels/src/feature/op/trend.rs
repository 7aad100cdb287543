//! Mean and slope of the least-squares line through a window, over the row number.
//!
//! In the blocks of [`super::window`], with sums of the distances to its anchor: S of the distances and W of the
//! distances times their age (0 for the newest). The line's slope is then 12 ((n - 1)/2 S - W) / (n (n^2 - 1)).
//! W of the open block ages by S with each row; W of the closed block's suffixes was summed when the block closed,
//! and all its terms age alike by the rows of the open block. Nothing is subtracted from a sum.

use num_traits::{One, Zero};

use super::window::{HEAD, Stretch, filled_rows};
use crate::feature::value::{Number, Value};

/// Head (filled, anchor, sum, aged sum), the open block's values, the suffix sums, the aged suffix sums.
pub(super) const fn state_len(rows: usize) -> usize {
    HEAD + 3 * rows
}

/// What turns the two sums into mean and slope.
#[derive(Clone, Copy)]
struct Line<T> {
    inverse: T,
    half: T,
    scale: T,
}

impl<T: Number> Line<T> {
    fn new(n: usize) -> Self {
        let rows = n as f64;
        Self {
            inverse: T::of(1.0 / rows),
            half: T::of((rows - 1.0) / 2.0),
            scale: T::of(12.0 / (rows * (rows * rows - 1.0))),
        }
    }

    #[inline(always)]
    fn through(self, anchor: T, sum: T, aged: T) -> [T; 2] {
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
    let line = Line::<V::Number>::new(n);
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
        values[filled..filled + rows].copy_from_slice(now);
        if closing {
            anchor = now[0];
            let [sum, aged] = close(values, suffix, suffix_aged, anchor);
            [means[0], slopes[0]] =
                V::map([&anchor, &sum, &aged], |[anchor, sum, aged]| line.through(anchor, sum, aged));
            (filled, open, open_aged) = (0, zero, zero);
            continue;
        }
        let suffixes = suffix[filled + 1..].iter().zip(&suffix_aged[filled + 1..]);
        let mut passed = V::Number::of(filled as f64);
        for (((x, (suffix, aged)), mean), slope) in now.iter().zip(suffixes).zip(means).zip(slopes) {
            passed = passed + V::Number::one();
            [open, open_aged, *mean, *slope] = V::map(
                [&open, &open_aged, &anchor, suffix, aged, x],
                |[open, older, anchor, suffix, aged, x]| {
                    let older = older + open;
                    let open = open + (x - anchor);
                    let aged = older + (aged + passed * suffix);
                    let [mean, slope] = line.through(anchor, open + suffix, aged);
                    [open, older, mean, slope]
                },
            );
        }
        filled += rows;
    }
    (head[0], head[1], head[2], head[3]) = (V::all_of(V::Number::of(filled as f64)), anchor, open, open_aged);
}

/// Fills the sums of the suffixes of `values`, plain and aged to the end of the block, and returns those of the whole.
#[inline(always)]
fn close<V: Value>(values: &[V], suffix: &mut [V], suffix_aged: &mut [V], anchor: V) -> [V; 2] {
    let mut sums = [V::all_of(V::Number::zero()); 2];
    let mut age = V::Number::zero();
    for ((value, suffix), aged) in values.iter().zip(suffix).zip(suffix_aged).rev() {
        sums = V::map([&sums[0], &sums[1], value, &anchor], |[sum, aged, value, anchor]| {
            let distance = value - anchor;
            [sum + distance, aged + age * distance]
        });
        [*suffix, *aged] = sums;
        age = age + V::Number::one();
    }
    sums
}
