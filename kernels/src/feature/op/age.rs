//! Rows since the least or greatest value of a window: short windows looked at whole ([`super::history`]), long ones in the
//! blocks of [`super::extremum`].
//!
//! Tried and refused: blocks for every window (which value wins cannot be predicted, and carrying its place along made the
//! choice a jump: 13 ns a row at a window of 15, on Zen 4).

use num_traits::{Float, One, Zero};

use super::extremum::ahead;
use super::history;
use super::history::History;
use super::window::{HEAD, Stretch, filled_rows};
use crate::feature::value::{Number, Value};

/// The longest window that is looked at whole.
const SHORT: usize = 64;

/// Whether a window is looked at whole.
pub(super) const fn is_short(rows: usize) -> bool {
    rows <= SHORT
}

/// A buffer, or head (filled, the open block's extremum, its place), the open block's values, the closed block's suffixes
/// and their places.
pub(super) const fn state_len(rows: usize) -> usize {
    if rows <= SHORT { history::state_len(rows) } else { HEAD + 3 * rows }
}

pub(super) fn reset<V: Value>(rows: usize, state: &mut [V]) {
    if rows <= SHORT {
        return history::reset(rows, state);
    }
    state.fill(V::all_of(V::Number::nan()));
    state[..HEAD].fill(V::all_of(V::Number::zero()));
}

/// Whether restored numbers can be a state.
pub(super) fn accepts(rows: usize, state: &[f64]) -> bool {
    if rows <= SHORT {
        return history::accepts(rows, state);
    }
    state[0] >= 0.0 && state[0] < rows as f64 && state[0].fract() == 0.0
}

/// Of an older and a newer value, each with a place, the extremum. Of equal values it is the `oldest`
/// or the newest. A value that is not known beats all others, so that it shows for as long as it is in
/// the window.
#[inline(always)]
fn pick<V: Value, const GREATEST: bool>(older: [V; 2], newer: [V; 2], oldest: bool) -> [V; 2] {
    let (first, second) = if oldest { (newer, older) } else { (older, newer) };
    let mask = ahead::<V, GREATEST>(first[0], second[0]) | first[0].unknown();
    [V::select(mask, first[0], second[0]), V::select(mask, first[1], second[1])]
}

#[inline(always)]
pub(super) fn advance<V: Value, const GREATEST: bool>(
    n: usize,
    oldest: bool,
    state: &mut [V],
    x: &[V],
    out: &mut [V],
) {
    if n > SHORT {
        return blocks::<V, GREATEST>(n, oldest, state, x, out);
    }
    let mut history = History::new(n, state, x);
    while let Some((windows, first, rows)) = history.next() {
        let target = &mut out[first..first + rows];
        let mut at = 0;
        while rows - at >= 8 {
            together::<V, 8, GREATEST>(n, oldest, &windows[at..], &mut target[at..]);
            at += 8;
        }
        for at in at..rows {
            together::<V, 1, GREATEST>(n, oldest, &windows[at..], &mut target[at..]);
        }
    }
}

/// `R` rows whose windows begin at the first values of `windows`, each from its newest value to its oldest.
#[inline(always)]
fn together<V: Value, const R: usize, const GREATEST: bool>(
    n: usize,
    oldest: bool,
    windows: &[V],
    out: &mut [V],
) {
    let Some(out) = out.first_chunk_mut::<R>() else { return };
    let Some(newest) = windows[n - 1..].first_chunk::<R>() else { return };
    let (mut best, mut ages) = (*newest, [V::all_of(V::Number::zero()); R]);
    let (mut here, one) = (V::all_of(V::Number::zero()), V::all_of(V::Number::one()));
    for values in windows[..n + R - 2].windows(R).rev() {
        here = here + one;
        for ((best, age), value) in best.iter_mut().zip(&mut ages).zip(values) {
            [*best, *age] = pick::<V, GREATEST>([*value, here], [*best, *age], oldest);
        }
    }
    for ((out, best), age) in out.iter_mut().zip(&best).zip(&ages) {
        *out = V::select(best.unknown(), *best, *age);
    }
}

#[inline(always)]
fn blocks<V: Value, const GREATEST: bool>(
    n: usize,
    oldest: bool,
    state: &mut [V],
    mut x: &[V],
    mut out: &mut [V],
) {
    let of = |x: usize| V::all_of(V::Number::of(x as f64));
    let (rows_of_block, one) = (of(n), of(1));
    let (head, arrays) = state.split_at_mut(HEAD);
    let (values, suffixes) = arrays.split_at_mut(n);
    let (suffix, places) = suffixes.split_at_mut(n);
    let mut filled = filled_rows(head);
    let mut best = [head[1], head[2]];
    while let Some(Stretch { rows, closing }) = Stretch::next(n, filled, x.len()) {
        let (now, later) = x.split_at(rows);
        let (target, rest) = out.split_at_mut(rows);
        (x, out) = (later, rest);
        values[filled..filled + rows].copy_from_slice(now);
        if closing {
            let mut here = of(n - 1);
            let mut tail = [now[0], here];
            for (at, value) in values.iter().enumerate().rev() {
                if at + 1 < n {
                    here = here - one;
                    tail = pick::<V, GREATEST>([*value, here], tail, oldest);
                }
                (suffix[at], places[at]) = (tail[0], tail[1]);
            }
            target[0] = V::select(tail[0].unknown(), tail[0], of(n - 1) - tail[1]);
            filled = 0;
            continue;
        }
        let mut here = of(filled);
        let suffixes = suffix[filled + 1..].iter().zip(&places[filled + 1..]);
        for (row, ((x, (suffix, place)), out)) in now.iter().zip(suffixes).zip(target).enumerate() {
            best = if filled + row == 0 { [*x, here] } else { pick::<V, GREATEST>(best, [*x, here], oldest) };
            // The closed block counts its places from a block before.
            let [value, place] = pick::<V, GREATEST>([*suffix, *place - rows_of_block], best, oldest);
            *out = V::select(value.unknown(), value, here - place);
            here = here + one;
        }
        filled += rows;
    }
    (head[0], head[1], head[2]) = (of(filled), best[0], best[1]);
}
