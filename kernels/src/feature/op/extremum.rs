//! Least or greatest value of a window, in the blocks of [`super::window`]: about three comparisons a row
//! whatever the window's length and the data (M. van Herk, 1992; J. Gil and M. Werman, 1993).

use num_traits::Float;

use super::window::{HEAD, Stretch, filled_rows};
use crate::feature::value::{Number, Value};

/// Head (rows in the open block, their extremum), the open block's values, the closed block's suffixes.
pub(super) const fn state_len(rows: usize) -> usize {
    HEAD + 2 * rows
}

#[inline(always)]
pub(super) fn advance<V: Value>(
    n: usize,
    state: &mut [V],
    x: &[V],
    out: &mut [V],
    beats: impl Fn(V::Number, V::Number) -> bool + Copy,
) {
    // NaN beats everything, so that it shows for as long as it is in the window. No short circuit: which of two
    // prices is greater cannot be predicted.
    let pick = |a: V::Number, b: V::Number| if beats(a, b) | a.is_nan() { a } else { b };
    let (head, arrays) = state.split_at_mut(HEAD);
    let (values, suffix) = arrays.split_at_mut(n);
    let mut filled = filled_rows(head);
    let mut open = head[1];
    let (mut x, mut out) = (x, out);
    while let Some(Stretch { rows, closing }) = Stretch::next(n, filled, x.len()) {
        let (now, later) = x.split_at(rows);
        let (target, rest) = out.split_at_mut(rows);
        (x, out) = (later, rest);
        values[filled..filled + rows].copy_from_slice(now);
        if !closing {
            open = if filled == 0 { now[0] } else { open };
            for ((x, suffix), out) in now.iter().zip(&suffix[filled + 1..]).zip(target) {
                [open, *out] = V::map([&open, suffix, x], |[open, suffix, x]| {
                    let open = pick(open, x);
                    [open, super::known(pick(open, suffix))]
                });
            }
            filled += rows;
        } else {
            let mut tail = now[0];
            for (value, suffix) in values.iter().zip(suffix.iter_mut()).rev() {
                [tail] = V::map([value, &tail], |[value, tail]| [pick(value, tail)]);
                *suffix = tail;
            }
            [target[0]] = V::map([&tail], |[tail]| [super::known(tail)]);
            filled = 0;
        }
    }
    (head[0], head[1]) = (V::all_of(V::Number::of(filled as f64)), open);
}
