//! Least or greatest value of a window, in the blocks of [`super::window`]: about three comparisons a row
//! whatever the window's length and the data (M. van Herk, 1992; J. Gil and M. Werman, 1993).

use super::window::{HEAD, Stretch, count, filled_rows, open_row};
use crate::feature::value::Value;

/// Head (rows in the open block, their extremum), the open block's values, the closed block's suffixes.
pub(super) const fn state_len(rows: usize) -> usize {
    HEAD + 2 * rows
}

/// The extremum of two values. NaN beats everything, so that it shows for as long as it is in the window. No short
/// circuit: which of two prices is greater cannot be predicted.
#[inline(always)]
fn pick<V: Value, const GREATEST: bool>(a: V, b: V) -> V {
    V::select(ahead::<V, GREATEST>(a, b) | a.unknown(), a, b)
}

/// Where `a` is beyond `b`.
#[inline(always)]
pub(super) fn ahead<V: Value, const GREATEST: bool>(a: V, b: V) -> V::Mask {
    if GREATEST { b.less(a) } else { a.less(b) }
}

#[inline(always)]
pub(super) fn advance<V: Value, const GREATEST: bool>(n: usize, state: &mut [V], x: &[V], out: &mut [V]) {
    let (head, arrays) = state.split_at_mut(HEAD);
    let (values, suffix) = arrays.split_at_mut(n);
    let mut filled = filled_rows(head);
    let mut open = head[1];
    let (mut x, mut out) = (x, out);
    while let Some(Stretch { rows, closing }) = Stretch::next(n, filled, x.len()) {
        let (now, later) = x.split_at(rows);
        let (target, rest) = out.split_at_mut(rows);
        (x, out) = (later, rest);
        if !closing {
            open = if filled == 0 { now[0] } else { open };
            let kept = values[filled..].iter_mut();
            for (((x, kept), suffix), out) in now.iter().zip(kept).zip(&suffix[filled + 1..]).zip(target) {
                *kept = *x;
                open = pick::<V, GREATEST>(open, *x);
                *out = pick::<V, GREATEST>(open, *suffix);
            }
            filled += rows;
        } else {
            values[n - 1] = now[0];
            let mut tail = now[0];
            for (value, suffix) in values.iter().zip(suffix.iter_mut()).rev() {
                tail = pick::<V, GREATEST>(*value, tail);
                *suffix = tail;
            }
            target[0] = tail;
            filled = 0;
        }
    }
    (head[0], head[1]) = (count(filled), open);
}

/// One row of [`advance`].
#[inline(always)]
pub(super) fn row<V: Value, const GREATEST: bool>(n: usize, state: &mut [V], x: V) -> V {
    let first = filled_rows(state) == 0;
    let Some([suffix]) = open_row(n, state, x) else {
        let mut out = [x];
        advance::<V, GREATEST>(n, state, &[x], &mut out);
        return out[0];
    };
    let open = if first { x } else { state[1] };
    state[1] = pick::<V, GREATEST>(open, x);
    pick::<V, GREATEST>(state[1], suffix)
}
