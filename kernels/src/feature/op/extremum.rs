//! Least or greatest value of a window, in the blocks of [`super::window`]: about three comparisons a row
//! whatever the window's length and the data (M. van Herk, 1992; J. Gil and M. Werman, 1993).

use super::window::HEAD;

/// Head (rows in the open block, their extremum), the open block's values, the closed block's suffixes.
pub(super) const fn state_len(rows: usize) -> usize {
    HEAD + 2 * rows
}

#[inline(always)]
pub(super) fn advance(
    n: usize,
    state: &mut [f64],
    x: &[f64],
    out: &mut [f64],
    beats: impl Fn(f64, f64) -> bool + Copy,
) {
    // NaN beats everything, so that it shows for as long as it is in the window.
    let pick = |a: f64, b: f64| if beats(a, b) || a.is_nan() { a } else { b };
    let (head, arrays) = state.split_at_mut(HEAD);
    let (values, suffix) = arrays.split_at_mut(n);
    let mut filled = head[0] as usize;
    let mut open = head[1];
    for (x, out) in x.iter().zip(out) {
        values[filled] = *x;
        open = if filled == 0 { *x } else { pick(open, *x) };
        filled += 1;
        if filled < n {
            *out = super::known(pick(open, suffix[filled]));
        } else {
            let mut tail = *x;
            for (value, suffix) in values.iter().zip(suffix.iter_mut()).rev() {
                tail = pick(*value, tail);
                *suffix = tail;
            }
            *out = super::known(tail);
            filled = 0;
        }
    }
    (head[0], head[1]) = (filled as f64, open);
}
