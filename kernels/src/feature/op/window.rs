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
//! from its mean, so var = (S2 - S1^2/n)/n loses at most a factor n of the precision: its relative error stays
//! under about n * 2^-52 whatever the offset of the data (n = 100: 2e-14). Equal values give exactly their
//! mean and exactly zero variance.
//!
//! Tried and refused: adding and removing with Welford's recurrence (a spike of 1e12 leaves its rounding in the
//! sums for ever, TA-Lib issue 118); the same with a triggered restart (right, but the result then depends on
//! when the trigger fired); Welford within the blocks (a division a row, and no better than the bound above).

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

#[inline(always)]
pub(super) fn sum(n: usize, state: &mut [f64], x: &[f64], out: &mut [f64]) {
    let (head, arrays) = state.split_at_mut(HEAD);
    let (values, suffix) = arrays.split_at_mut(n);
    let mut filled = head[0] as usize;
    let mut open = head[1];
    for (x, out) in x.iter().zip(out) {
        values[filled] = *x;
        filled += 1;
        if filled < n {
            open += x;
            *out = super::known(open + suffix[filled]);
        } else {
            *out = super::known(close_sums(values, suffix, 0.0));
            (filled, open) = (0, 0.0);
        }
    }
    (head[0], head[1]) = (filled as f64, open);
}

#[inline(always)]
pub(super) fn mean(n: usize, state: &mut [f64], x: &[f64], out: &mut [f64]) {
    let inverse = 1.0 / n as f64;
    let (head, arrays) = state.split_at_mut(HEAD);
    let (values, suffix) = arrays.split_at_mut(n);
    let mut filled = head[0] as usize;
    let (mut anchor, mut open) = (head[1], head[2]);
    for (x, out) in x.iter().zip(out) {
        values[filled] = *x;
        filled += 1;
        if filled < n {
            open += x - anchor;
            *out = super::known(anchor + (open + suffix[filled]) * inverse);
        } else {
            anchor = *x;
            *out = super::known(anchor + close_sums(values, suffix, anchor) * inverse);
            (filled, open) = (0, 0.0);
        }
    }
    (head[0], head[1], head[2]) = (filled as f64, anchor, open);
}

#[inline(always)]
pub(super) fn moments(n: usize, state: &mut [f64], x: &[f64], mean: &mut [f64], variance: &mut [f64]) {
    let inverse = 1.0 / n as f64;
    let (head, arrays) = state.split_at_mut(HEAD);
    let (values, suffixes) = arrays.split_at_mut(n);
    let (suffix, suffix_squares) = suffixes.split_at_mut(n);
    let mut filled = head[0] as usize;
    let (mut anchor, mut open, mut open_squares) = (head[1], head[2], head[3]);
    for ((x, mean), variance) in x.iter().zip(mean).zip(variance) {
        values[filled] = *x;
        filled += 1;
        let (total, squares);
        if filled < n {
            let distance = x - anchor;
            open += distance;
            open_squares += distance * distance;
            total = open + suffix[filled];
            squares = open_squares + suffix_squares[filled];
        } else {
            anchor = *x;
            total = close_sums(values, suffix, anchor);
            squares = close_squares(values, suffix_squares, anchor);
            (filled, open, open_squares) = (0, 0.0, 0.0);
        }
        let shift = total * inverse;
        *mean = super::known(anchor + shift);
        let spread = (squares - total * shift) * inverse;
        // Rounding can leave a spread of zero a hair below it; a comparison keeps NaN, as max would not.
        *variance = super::known(if spread < 0.0 { 0.0 } else { spread });
    }
    (head[0], head[1], head[2], head[3]) = (filled as f64, anchor, open, open_squares);
}

/// Fills `suffix[j]` with the sum of `values[j..] - anchor` and returns the sum over the whole block.
#[inline(always)]
fn close_sums(values: &[f64], suffix: &mut [f64], anchor: f64) -> f64 {
    let mut sum = 0.0;
    for (value, suffix) in values.iter().zip(suffix).rev() {
        sum += value - anchor;
        *suffix = sum;
    }
    sum
}

/// Fills `suffix[j]` with the sum of the squares of `values[j..] - anchor` and returns that of the block.
#[inline(always)]
fn close_squares(values: &[f64], suffix: &mut [f64], anchor: f64) -> f64 {
    let mut sum = 0.0;
    for (value, suffix) in values.iter().zip(suffix).rev() {
        sum += (value - anchor) * (value - anchor);
        *suffix = sum;
    }
    sum
}
