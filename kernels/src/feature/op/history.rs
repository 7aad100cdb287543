//! The rows of a block together with the rows before them, for windows that are looked at row by row.
//!
//! Where nothing can be carried from row to row, a row costs as many steps as its window has. The rows of a block are
//! independent, though: several advance together through vector registers, each in the order of its own window.

use super::window::{HEAD, filled_rows};
use crate::feature::value::{Number, Value};

/// Rows that the buffer takes before its history is moved to the front.
const MARGIN: usize = 64;

/// Head (rows in the buffer), then the buffer: the history of a window less one row, and a margin.
pub(super) const fn state_len(rows: usize) -> usize {
    HEAD + rows - 1 + MARGIN
}

/// Before the first row the history is not known.
pub(super) fn reset<V: Value>(rows: usize, state: &mut [V]) {
    state.fill(V::all_of(V::Number::of(f64::NAN)));
    state[0] = V::all_of(V::Number::of((rows - 1) as f64));
}

/// Moves the history to the front and forgets what is behind it.
pub(super) fn settle(rows: usize, state: &mut [f64]) {
    let (head, buffer) = state.split_at_mut(HEAD);
    let filled = (head[0] as usize).clamp(rows - 1, buffer.len());
    buffer.copy_within(filled + 1 - rows..filled, 0);
    buffer[rows - 1..].fill(f64::NAN);
    head[0] = (rows - 1) as f64;
}

/// Whether a restored buffer can be so full.
pub(super) fn accepts(rows: usize, state: &[f64]) -> bool {
    let filled = state[0];
    filled.fract() == 0.0 && filled >= (rows - 1) as f64 && filled < (rows - 1 + MARGIN) as f64
}

/// Takes the rows of `x` and calls `look(windows, first, rows)` for stretches of them: the window of row `first + k`
/// is `windows[k..k + n]`.
#[inline(always)]
pub(super) fn advance<V: Value>(
    n: usize,
    state: &mut [V],
    x: &[V],
    mut look: impl FnMut(&[V], usize, usize),
) {
    let (head, buffer) = state.split_at_mut(HEAD);
    let mut filled = filled_rows(head);
    let mut first = 0;
    while first < x.len() {
        let rows = (x.len() - first).min(buffer.len() - filled);
        buffer[filled..filled + rows].copy_from_slice(&x[first..first + rows]);
        look(&buffer[filled + 1 - n..filled + rows], first, rows);
        (filled, first) = (filled + rows, first + rows);
        if filled == buffer.len() {
            buffer.copy_within(filled + 1 - n.., 0);
            filled = n - 1;
        }
    }
    head[0] = V::all_of(V::Number::of(filled as f64));
}
