//! Rows since the least or greatest value of a window, in the blocks of [`super::extremum`].

use num_traits::{Float, One, Zero};

use super::window::{HEAD, Stretch, filled_rows};
use crate::feature::value::{Number, Value};

/// Head (filled, the open block's extremum, its place), the open block's values, the closed block's suffixes and
/// their places.
pub(super) const fn state_len(rows: usize) -> usize {
    HEAD + 3 * rows
}

/// `newer_wins(newer, older)` says whether the newer of two values is the extremum.
#[inline(always)]
pub(super) fn advance<V: Value>(
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
