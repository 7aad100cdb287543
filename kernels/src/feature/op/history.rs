//! The rows of a block together with the rows before them, for windows that are looked at row by row.
//!
//! Where nothing can be carried from row to row, a row costs as many steps as its window has. The rows of a block are
//! independent, though: several advance together through vector registers, each in the order of its own window.

use super::window::{HEAD, count, filled_rows};
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

/// The rows of a block on their way into the buffer.
pub(super) struct History<'a, V> {
    n: usize,
    x: &'a [V],
    head: &'a mut [V],
    buffer: &'a mut [V],
    filled: usize,
    first: usize,
}

impl<'a, V: Value> History<'a, V> {
    /// Before the rows of `x`, for windows of `n`.
    #[inline(always)]
    pub(super) fn new(n: usize, state: &'a mut [V], x: &'a [V]) -> Self {
        let (head, buffer) = state.split_at_mut(HEAD);
        let filled = filled_rows(head);
        Self { n, x, head, buffer, filled, first: 0 }
    }

    /// Takes some rows, `(windows, first, rows)`: the window of row `first + k` is `windows[k..k + n]`. None, and the state is
    /// complete, when there are no more.
    #[inline(always)]
    pub(super) fn next(&mut self) -> Option<(&[V], usize, usize)> {
        let (n, len) = (self.n, self.buffer.len());
        if self.filled == len {
            self.buffer.copy_within(len + 1 - n.., 0);
            self.filled = n - 1;
        }
        let (first, filled) = (self.first, self.filled);
        let rows = (self.x.len() - first).min(len - filled);
        if rows == 0 {
            self.head[0] = count(filled);
            return None;
        }
        self.buffer[filled..filled + rows].copy_from_slice(&self.x[first..first + rows]);
        (self.filled, self.first) = (filled + rows, first + rows);
        Some((&self.buffer[filled + 1 - n..filled + rows], first, rows))
    }
}
