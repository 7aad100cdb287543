//! A value as it was some rows ago: a ring of the last `rows` values.

use num_traits::{One, Zero};

use super::window::{count, filled_rows};
use crate::feature::value::Value;

/// Place in the ring (head, padded like the other windows), then the ring.
pub(super) const fn state_len(rows: usize) -> usize {
    super::window::HEAD + rows
}

#[inline(always)]
pub(super) fn advance<V: Value>(state: &mut [V], x: &[V], out: &mut [V]) {
    // A tick: the copies below are calls.
    if let ([x], [out]) = (x, &mut *out) {
        *out = row(state, *x);
        return;
    }
    let (head, ring) = state.split_at_mut(super::window::HEAD);
    let place = filled_rows(head);
    let (newer, older) = ring.split_at_mut(place);
    let rows = older.len() + newer.len();
    if x.len() < rows {
        let (before, after) = x.split_at(x.len().min(older.len()));
        let (first, second) = out.split_at_mut(before.len());
        first.copy_from_slice(&older[..before.len()]);
        second.copy_from_slice(&newer[..after.len()]);
        older[..before.len()].copy_from_slice(before);
        newer[..after.len()].copy_from_slice(after);
        let next = place + x.len();
        let place = if next < rows { next } else { next - rows };
        head[0] = count(place);
    } else {
        // The whole ring comes out, then the first of the new values; the last of them stay.
        out[..older.len()].copy_from_slice(older);
        out[older.len()..rows].copy_from_slice(newer);
        let (gone, kept) = x.split_at(x.len() - rows);
        out[rows..].copy_from_slice(gone);
        ring.copy_from_slice(kept);
        head[0] = V::all_of(V::Number::zero());
    }
}

/// One row of [`advance`].
#[inline(always)]
pub(super) fn row<V: Value>(state: &mut [V], x: V) -> V {
    let place = super::window::HEAD + filled_rows(state);
    let out = std::mem::replace(&mut state[place], x);
    let last = place + 1 >= state.len();
    state[0] = if last { V::all_of(V::Number::zero()) } else { state[0] + V::all_of(V::Number::one()) };
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn pieces_of_any_length_come_out_late_by_the_rows() {
        let x: Vec<f64> = (0..200).map(f64::from).collect();
        for rows in [1, 2, 5, 64] {
            let mut state = vec![-1.0; super::state_len(rows)];
            state[0] = 0.0;
            let mut out = vec![0.0; x.len()];
            let (mut at, mut piece) = (0, 1);
            while at < x.len() {
                let end = (at + piece).min(x.len());
                super::advance(&mut state, &x[at..end], &mut out[at..end]);
                (at, piece) = (end, piece * 7 % 71);
            }
            for (row, value) in out.iter().enumerate() {
                assert_eq!(
                    *value,
                    if row < rows { -1.0 } else { (row - rows) as f64 },
                    "{rows} rows, row {row}"
                );
            }
        }
    }
}
