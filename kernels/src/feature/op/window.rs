//! Sums, means and variances over the last `n` rows, without drift and without negative variances.
//!
//! The rows are cut into blocks of `n`, counted from the first row. A window then is the end of the last closed
//! block plus the beginning of the open one:
//!
//! ```text
//!     closed block            open block
//!     . . . [ x x x x x x ]   [ x x ] . . . .
//!            suffix sums       running sums
//! ```
//!
//! The sums of the suffixes are computed once, when a block closes, from the values themselves; the open
//! block's sums only grow. Nothing is ever subtracted from a sum, so a spike or a NaN is forgotten completely
//! as soon as it leaves the window, and errors do not pile up with the length of the series. Each row costs a
//! constant number of operations plus, once in `n` rows, `n` more: constant on average.
//!
//! Means and variances are sums of the distances to an anchor: the last value of the closed block, which is in
//! every window that the two blocks share. An anchor inside the window is at most sqrt(n) standard deviations
//! from its mean, so var = (S2 - S1^2/n)/n cancels at most a factor n, whatever the offset of the data. With the
//! rounding of sums of n terms, the relative error is under n^2 * 2^-53 in the worst case, which needs an
//! anchor that is a spike (n = 100: 1e-12, and 5e-13 is the worst that the exams find), and about n * 2^-53
//! otherwise. Equal values give exactly their mean and exactly zero variance.
//!
//! Tried and refused: adding and removing with Welford's recurrence (a spike of 1e12 leaves its rounding in the
//! sums for ever, TA-Lib issue 118); the same with a triggered restart (right, but the result then depends on
//! when the trigger fired); Welford within the blocks (a division a row, and no better than the bound above).

use num_traits::{One, Zero};

use crate::feature::value::{Number, Value};

/// Numbers at the start of each window's state: rows in the open block, then partial sums.
pub(super) const HEAD: usize = 4;

/// Head (filled, sum), the open block's values, the suffix sums.
pub(super) const fn sum_state_len(rows: usize) -> usize {
    HEAD + 2 * rows
}

/// Head (filled, anchor, sum), the open block's values, the suffix sums.
pub(super) const fn mean_state_len(rows: usize) -> usize {
    HEAD + 2 * rows
}

/// Head (filled, anchor, sum, sum of squares), the open block's values, the suffix sums, those of the squares.
pub(super) const fn moments_state_len(rows: usize) -> usize {
    HEAD + 3 * rows
}

/// Rows that are treated alike: some that leave the block open, or the one that closes it.
pub(super) struct Stretch {
    pub rows: usize,
    pub closing: bool,
}

impl Stretch {
    /// The next stretch of `left` rows in a block of `n` that has `filled`; none when no row is left.
    #[inline(always)]
    pub(super) fn next(n: usize, filled: usize, left: usize) -> Option<Self> {
        let open = n - 1 - filled;
        match (left, open) {
            (0, _) => None,
            (_, 0) => Some(Self { rows: 1, closing: true }),
            _ => Some(Self { rows: left.min(open), closing: false }),
        }
    }
}

/// The count at the head of a window's state, which is the same for every symbol.
#[inline(always)]
pub(super) fn filled_rows<V: Value>(head: &[V]) -> usize {
    // Windows are short, and the way to 32 bits and back is one instruction; to 64 without sign it is many.
    head[0].at(0).wide() as u32 as usize
}

/// A number of rows as a value.
#[inline(always)]
pub(super) fn count<V: Value>(rows: usize) -> V {
    V::all_of(V::Number::of(f64::from(rows as u32)))
}

/// One divided by a number of rows, in the format of the values.
#[inline(always)]
pub(super) fn inverse<V: Value>(rows: usize) -> V {
    V::all_of(V::Number::of(1.0 / f64::from(rows as u32)))
}

#[inline(always)]
pub(super) fn sum<V: Value>(n: usize, state: &mut [V], mut x: &[V], mut out: &mut [V]) {
    let zero = V::all_of(V::Number::zero());
    let (head, arrays) = state.split_at_mut(HEAD);
    let (values, suffix) = arrays.split_at_mut(n);
    let mut filled = filled_rows(head);
    let mut open = head[1];
    while let Some(Stretch { rows, closing }) = Stretch::next(n, filled, x.len()) {
        let (now, later) = x.split_at(rows);
        let (target, rest) = out.split_at_mut(rows);
        (x, out) = (later, rest);
        if closing {
            values[n - 1] = now[0];
            let total = close_sums(values, suffix, zero);
            target[0] = super::known(total);
            (filled, open) = (0, zero);
            continue;
        }
        let kept = values[filled..].iter_mut();
        for (((x, kept), suffix), out) in now.iter().zip(kept).zip(&suffix[filled + 1..]).zip(target) {
            *kept = *x;
            open = open + *x;
            *out = super::known(open + *suffix);
        }
        filled += rows;
    }
    (head[0], head[1]) = (count(filled), open);
}

/// One row of [`sum`].
#[inline(always)]
pub(super) fn sum_row<V: Value>(n: usize, state: &mut [V], x: V) -> V {
    let Some([suffix]) = open_row(n, state, x) else {
        let mut out = [x];
        sum(n, state, &[x], &mut out);
        return out[0];
    };
    state[1] = state[1] + x;
    super::known(state[1] + suffix)
}

#[inline(always)]
pub(super) fn mean<V: Value>(n: usize, state: &mut [V], mut x: &[V], mut out: &mut [V]) {
    let inverse = inverse(n);
    let (head, arrays) = state.split_at_mut(HEAD);
    let (values, suffix) = arrays.split_at_mut(n);
    let mut filled = filled_rows(head);
    let (mut anchor, mut open) = (head[1], head[2]);
    while let Some(Stretch { rows, closing }) = Stretch::next(n, filled, x.len()) {
        let (now, later) = x.split_at(rows);
        let (target, rest) = out.split_at_mut(rows);
        (x, out) = (later, rest);
        if closing {
            values[n - 1] = now[0];
            anchor = now[0];
            let total = close_sums(values, suffix, anchor);
            target[0] = centre(anchor, total, inverse);
            (filled, open) = (0, V::all_of(V::Number::zero()));
            continue;
        }
        let kept = values[filled..].iter_mut();
        for (((x, kept), suffix), out) in now.iter().zip(kept).zip(&suffix[filled + 1..]).zip(target) {
            *kept = *x;
            open = open + (*x - anchor);
            *out = centre(anchor, open + *suffix, inverse);
        }
        filled += rows;
    }
    (head[0], head[1], head[2]) = (count(filled), anchor, open);
}

/// One row of [`mean`], whose `inverse` is that of `n`.
#[inline(always)]
pub(super) fn mean_row<V: Value>(n: usize, inverse: V, state: &mut [V], x: V) -> V {
    let Some([suffix]) = open_row(n, state, x) else {
        let mut out = [x];
        mean(n, state, &[x], &mut out);
        return out[0];
    };
    state[2] = state[2] + (x - state[1]);
    centre(state[1], state[2] + suffix, inverse)
}

/// Mean from the sum of the distances to `anchor`.
#[inline(always)]
fn centre<V: Value>(anchor: V, total: V, inverse: V) -> V {
    super::known(anchor + total * inverse)
}

/// Takes the next row of the open block of `n`, unless it closes the block, and gives what the closed block adds to it from
/// each of its `S` arrays of suffixes: the state is a head, the values, then those arrays.
#[inline(always)]
pub(super) fn open_row<V: Value, const S: usize>(n: usize, state: &mut [V], x: V) -> Option<[V; S]> {
    let filled = filled_rows(state);
    if filled + 1 >= n || state.len() != HEAD + (S + 1) * n {
        return None;
    }
    let place = HEAD + filled;
    state[place] = x;
    state[0] = state[0] + V::all_of(V::Number::one());
    Some(std::array::from_fn(|which| state[place + (which + 1) * n + 1]))
}

/// Who takes mean and variance of each row.
pub(super) trait Spreads<V> {
    /// Those of a row.
    fn take(&mut self, row: usize, spread: [V; 2]);
}

/// Two lanes.
pub(super) struct MeanAndVariance<'a, V>(pub &'a mut [V], pub &'a mut [V]);

impl<V: Value> Spreads<V> for MeanAndVariance<'_, V> {
    #[inline(always)]
    fn take(&mut self, row: usize, spread: [V; 2]) {
        [self.0[row], self.1[row]] = spread;
    }
}

#[inline(always)]
pub(super) fn moments<V: Value>(n: usize, state: &mut [V], mut x: &[V], out: &mut impl Spreads<V>) {
    let inverse = inverse(n);
    let zero = V::all_of(V::Number::zero());
    let (head, arrays) = state.split_at_mut(HEAD);
    let (values, suffixes) = arrays.split_at_mut(n);
    let (suffix, suffix_squares) = suffixes.split_at_mut(n);
    let mut filled = filled_rows(head);
    let (mut anchor, mut open, mut open_squares) = (head[1], head[2], head[3]);
    let mut first = 0;
    while let Some(Stretch { rows, closing }) = Stretch::next(n, filled, x.len()) {
        let (now, later) = x.split_at(rows);
        x = later;
        if closing {
            values[n - 1] = now[0];
            anchor = now[0];
            let [total, squares] = close_moments(values, suffix, suffix_squares, anchor);
            out.take(first, spread(anchor, total, squares, inverse));
            (filled, open, open_squares) = (0, zero, zero);
            first += 1;
            continue;
        }
        let suffixes = suffix[filled + 1..].iter().zip(&suffix_squares[filled + 1..]);
        let kept = values[filled..].iter_mut();
        for (row, ((x, kept), (suffix, squares))) in (first..).zip(now.iter().zip(kept).zip(suffixes)) {
            *kept = *x;
            [open, open_squares] = grown([open, open_squares], *x - anchor);
            out.take(row, spread(anchor, open + *suffix, open_squares + *squares, inverse));
        }
        filled += now.len();
        first += now.len();
    }
    (head[0], head[1], head[2], head[3]) = (count(filled), anchor, open, open_squares);
}

/// One row of [`moments`], whose `inverse` is that of `n`.
#[inline(always)]
pub(super) fn moments_row<V: Value>(n: usize, inverse: V, state: &mut [V], x: V) -> [V; 2] {
    let Some([suffix, squares]) = open_row(n, state, x) else {
        let (mut mean, mut variance) = ([x], [x]);
        moments(n, state, &[x], &mut MeanAndVariance(&mut mean, &mut variance));
        return [mean[0], variance[0]];
    };
    let anchor = state[1];
    [state[2], state[3]] = grown([state[2], state[3]], x - anchor);
    spread(anchor, state[2] + suffix, state[3] + squares, inverse)
}

/// The sums of distances and of their squares with one more.
#[inline(always)]
fn grown<V: Value>([sum, squares]: [V; 2], distance: V) -> [V; 2] {
    [sum + distance, squares + distance * distance]
}

/// Mean and variance from the sum of the distances to `anchor` and the sum of their squares.
#[inline(always)]
fn spread<V: Value>(anchor: V, total: V, squares: V, inverse: V) -> [V; 2] {
    let shift = total * inverse;
    let variance = (squares - total * shift) * inverse;
    // Rounding can leave a variance of zero a hair below it; a comparison keeps NaN, as max would not.
    let zero = V::all_of(V::Number::zero());
    let variance = V::select(variance.less(zero), zero, variance);
    [super::known(anchor + shift), super::known(variance)]
}

/// Fills `suffix[j]` with the sum of `values[j..] - anchor` and returns the sum over the whole block.
#[inline(always)]
fn close_sums<V: Value>(values: &[V], suffix: &mut [V], anchor: V) -> V {
    let mut sum = V::all_of(V::Number::zero());
    for (value, suffix) in values.iter().zip(suffix).rev() {
        sum = sum + (*value - anchor);
        *suffix = sum;
    }
    sum
}

/// Fills `suffix[j]` with the sum of `values[j..] - anchor` and `suffix_squares[j]` with that of the squares, and
/// returns those of the whole block.
#[inline(always)]
fn close_moments<V: Value>(values: &[V], suffix: &mut [V], suffix_squares: &mut [V], anchor: V) -> [V; 2] {
    let (mut sum, mut squares) = (V::all_of(V::Number::zero()), V::all_of(V::Number::zero()));
    for ((value, suffix), suffix_squares) in values.iter().zip(suffix).zip(suffix_squares).rev() {
        [sum, squares] = grown([sum, squares], *value - anchor);
        (*suffix, *suffix_squares) = (sum, squares);
    }
    [sum, squares]
}
