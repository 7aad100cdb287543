//! Mean absolute distance of the values of a window from a given value, such as their mean.
//!
//! The distances change with the value that they are measured from, so nothing can be carried from row to row, and a
//! row costs as many steps as its window has. The rows of a block are independent, though: sixteen of them advance
//! together through vector registers, each in the order of its own window, from a buffer that holds the rows before
//! as well. At a window of 20 that is about a nanosecond and a half a row.

use num_traits::{Float, Zero};

use super::window::{HEAD, filled_rows};
use crate::feature::value::{Number, Value};

/// Rows that the buffer takes before its history is moved to the front.
const MARGIN: usize = 64;
/// Rows that advance together.
const TOGETHER: usize = 16;

/// Head (rows in the buffer), then the buffer: the history of a window less one row, and a margin.
pub(super) const fn state_len(rows: usize) -> usize {
    HEAD + rows - 1 + MARGIN
}

/// The rows in the buffer before the first.
pub(super) const fn first_fill(rows: usize) -> usize {
    rows - 1
}

/// Whether a restored buffer can be so full.
pub(super) const fn fill_is_possible(rows: usize, filled: usize) -> bool {
    filled >= first_fill(rows) && filled < rows - 1 + MARGIN
}

#[inline(always)]
pub(super) fn advance<V: Value>(n: usize, state: &mut [V], x: &[V], centre: &[V], out: &mut [V]) {
    let inverse = V::Number::of(1.0 / n as f64);
    let (head, buffer) = state.split_at_mut(HEAD);
    let mut filled = filled_rows(head);
    let (mut x, mut centre, mut out) = (x, centre, out);
    while !x.is_empty() {
        let rows = x.len().min(buffer.len() - filled);
        let (now, later) = x.split_at(rows);
        let (centres, others) = centre.split_at(rows);
        let (target, rest) = out.split_at_mut(rows);
        (x, centre, out) = (later, others, rest);
        buffer[filled..filled + rows].copy_from_slice(now);
        let windows = &buffer[filled + 1 - n..filled + rows];
        let mut at = 0;
        while rows - at >= TOGETHER {
            together::<V, TOGETHER>(n, &windows[at..], &centres[at..], &mut target[at..], inverse);
            at += TOGETHER;
        }
        while rows - at >= 4 {
            together::<V, 4>(n, &windows[at..], &centres[at..], &mut target[at..], inverse);
            at += 4;
        }
        for at in at..rows {
            together::<V, 1>(n, &windows[at..], &centres[at..], &mut target[at..], inverse);
        }
        filled += rows;
        if filled == buffer.len() {
            buffer.copy_within(filled + 1 - n.., 0);
            filled = n - 1;
        }
    }
    head[0] = V::all_of(V::Number::of(filled as f64));
}

/// `R` rows whose windows begin at the first values of `windows`.
#[inline(always)]
fn together<V: Value, const R: usize>(
    n: usize,
    windows: &[V],
    centre: &[V],
    out: &mut [V],
    inverse: V::Number,
) {
    let Some(centre) = centre.first_chunk::<R>() else { return };
    let Some(out) = out.first_chunk_mut::<R>() else { return };
    let mut sums = [V::all_of(V::Number::zero()); R];
    for values in windows[..n + R - 1].windows(R) {
        for ((sum, value), centre) in sums.iter_mut().zip(values).zip(centre) {
            [*sum] = V::map([sum, value, centre], |[sum, value, centre]| [sum + (value - centre).abs()]);
        }
    }
    for (out, sum) in out.iter_mut().zip(&sums) {
        [*out] = V::map([sum], |[sum]| [super::known(sum * inverse)]);
    }
}
