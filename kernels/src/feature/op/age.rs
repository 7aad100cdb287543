//! Rows since the least or greatest value of a window: short windows looked at whole ([`super::history`]), long ones in the
//! blocks of [`super::extremum`].
//!
//! Tried and refused: blocks for every window (which value wins cannot be predicted, and carrying its place along makes
//! the choice a jump: 13 ns a row at a window of 15, against 4 for looking at it whole).

use num_traits::{Float, One, Zero};

use super::history;
use super::window::{HEAD, Stretch, filled_rows};
use crate::feature::value::{Number, Value};

/// The longest window that is looked at whole.
const SHORT: usize = 64;

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

/// Which of two values is the extremum: `newer(newer, older)` says whether it is the newer one, `older(newer, older)`
/// whether it is the older one; neither where one is not known.
#[derive(Clone, Copy)]
pub(super) struct Wins<N, O> {
    pub newer: N,
    pub older: O,
}

#[inline(always)]
pub(super) fn advance<V: Value>(
    n: usize,
    state: &mut [V],
    x: &[V],
    out: &mut [V],
    wins: Wins<impl Fn(V::Number, V::Number) -> bool + Copy, impl Fn(V::Number, V::Number) -> bool + Copy>,
) {
    if n > SHORT {
        return blocks(n, state, x, out, wins.newer);
    }
    history::advance(n, state, x, |windows, first, rows| {
        let target = &mut out[first..first + rows];
        let mut at = 0;
        while rows - at >= 8 {
            together::<V, 8>(n, &windows[at..], &mut target[at..], wins.older);
            at += 8;
        }
        for at in at..rows {
            together::<V, 1>(n, &windows[at..], &mut target[at..], wins.older);
        }
    });
}

/// `R` rows whose windows begin at the first values of `windows`, each from its newest value to its oldest.
#[inline(always)]
fn together<V: Value, const R: usize>(
    n: usize,
    windows: &[V],
    out: &mut [V],
    older_wins: impl Fn(V::Number, V::Number) -> bool + Copy,
) {
    let Some(out) = out.first_chunk_mut::<R>() else { return };
    let Some(newest) = windows[n - 1..].first_chunk::<R>() else { return };
    let (mut best, mut ages) = (*newest, [V::all_of(V::Number::zero()); R]);
    let mut here = V::Number::zero();
    for values in windows[..n + R - 2].windows(R).rev() {
        here = here + V::Number::one();
        for ((best, age), value) in best.iter_mut().zip(&mut ages).zip(values) {
            [*best, *age] = V::map([best, age, value], |[best, age, value]| {
                // A value that is not known beats all others, so that it shows for as long as it is in the window.
                let wins = older_wins(best, value) | value.is_nan();
                [if wins { value } else { best }, if wins { here } else { age }]
            });
        }
    }
    for ((out, best), row_age) in out.iter_mut().zip(&best).zip(&ages) {
        [*out] = V::map([best, row_age], |[best, row_age]| [age(best, row_age)]);
    }
}

/// `newer_wins(newer, older)` says whether the newer of two values is the extremum.
#[inline(always)]
fn blocks<V: Value>(
    n: usize,
    state: &mut [V],
    mut x: &[V],
    mut out: &mut [V],
    newer_wins: impl Fn(V::Number, V::Number) -> bool + Copy,
) {
    // A value that is not known beats all others, so that it shows for as long as it is in the window.
    let wins = |newer: V::Number, older: V::Number| newer_wins(newer, older) | newer.is_nan();
    let of = |x: usize| V::Number::of(x as f64);
    let (head, arrays) = state.split_at_mut(HEAD);
    let (values, suffixes) = arrays.split_at_mut(n);
    let (suffix, places) = suffixes.split_at_mut(n);
    let mut filled = filled_rows(head);
    let (mut best, mut place) = (head[1], head[2]);
    while let Some(Stretch { rows, closing }) = Stretch::next(n, filled, x.len()) {
        let (now, later) = x.split_at(rows);
        let (target, rest) = out.split_at_mut(rows);
        (x, out) = (later, rest);
        values[filled..filled + rows].copy_from_slice(now);
        if closing {
            let (mut tail, mut at) = (now[0], V::all_of(of(n - 1)));
            let mut here = of(n);
            for ((value, suffix), place) in values.iter().zip(suffix.iter_mut()).zip(places.iter_mut()).rev()
            {
                here = here - V::Number::one();
                [tail, at] =
                    V::map(
                        [&tail, &at, value],
                        |[tail, at, value]| {
                            if wins(tail, value) { [tail, at] } else { [value, here] }
                        },
                    );
                (*suffix, *place) = (tail, at);
            }
            [target[0]] = V::map([&tail, &at], |[tail, at]| [age(tail, of(n - 1) - at)]);
            filled = 0;
            continue;
        }
        if filled == 0 {
            (best, place) = (now[0], V::all_of(V::Number::zero()));
        }
        let (mut here, rows_of_block) = (of(filled), of(n));
        let suffixes = suffix[filled + 1..].iter().zip(&places[filled + 1..]);
        for ((x, (suffix, at)), out) in now.iter().zip(suffixes).zip(target) {
            [best, place, *out] = V::map([&best, &place, suffix, at, x], |[best, place, suffix, at, x]| {
                let [best, place] = if wins(x, best) { [x, here] } else { [best, place] };
                let [value, age_of] = if wins(best, suffix) {
                    [best, here - place]
                } else {
                    [suffix, here + (rows_of_block - at)]
                };
                [best, place, age(value, age_of)]
            });
            here = here + V::Number::one();
        }
        filled += rows;
    }
    (head[0], head[1], head[2]) = (V::all_of(of(filled)), best, place);
}

#[inline(always)]
fn age<T: Number>(extremum: T, rows: T) -> T {
    if extremum.is_nan() { extremum } else { rows }
}
