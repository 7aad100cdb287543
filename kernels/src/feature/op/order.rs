//! Order statistics of a window: quantiles, the rank of the newest value, the median distance from the median.
//!
//! The window is kept twice: as a ring, to know which value leaves, and sorted. A single series finds both places by
//! halving (by counting in a short window, where that is quicker) and moves the values between them, one copy within
//! a few cache lines; groups of symbols compute every place of the sorted window anew from the two places, in all
//! lanes alike. The result depends only on the values in the window, so both give the same bits.
//!
//! A value that is not known is kept as infinity, which sorts last: as long as the greatest value is infinite, there
//! is a gap in the window.
//!
//! Tried and refused: two heaps and a balanced tree (no faster below about 5,000 rows, where one move is 40 KB, and
//! neither gives ranks and medians of distances from one structure). The periods are limited to 10,000 as in TA-Lib.

use num_traits::{Float, One, Zero};

use super::window::{HEAD, filled_rows};
use crate::feature::value::{Number, Value};

/// Head (place in the ring), the ring, the sorted window.
pub(super) const fn state_len(rows: usize) -> usize {
    HEAD + 2 * rows
}

/// Below this many rows counting all of them is quicker than halving.
const COUNTED: usize = 64;

pub(super) fn reset<V: Value>(state: &mut [V]) {
    state.fill(V::all_of(V::Number::infinity()));
    state[..HEAD].fill(V::all_of(V::Number::zero()));
}

/// Advances over `x` and writes what `read` finds in each sorted window, given the newest value.
#[inline(always)]
pub(super) fn advance<V: Value>(
    rows: usize,
    state: &mut [V],
    x: &[V],
    out: &mut [V],
    read: impl Fn(&[V], &V) -> V,
) {
    let (head, arrays) = state.split_at_mut(HEAD);
    let (ring, sorted) = arrays.split_at_mut(rows);
    let mut place = filled_rows(head);
    for (x, out) in x.iter().zip(out) {
        let [new] = V::map([x], |[x]| [if x.is_nan() { V::Number::infinity() } else { x }]);
        let old = ring[place];
        ring[place] = new;
        place = if place + 1 == rows { 0 } else { place + 1 };
        match V::numbers(sorted) {
            Some(numbers) => exchange(numbers, old.at(0), new.at(0)),
            None => exchange_groups(sorted, &old, &new),
        }
        let found = read(sorted, &new);
        [*out] = V::map([&found, &sorted[rows - 1]], |[found, greatest]| {
            [if greatest.is_finite() { super::known(found) } else { V::Number::nan() }]
        });
    }
    head[0] = V::all_of(V::Number::of(place as f64));
}

/// How many numbers of a sorted window are below `x`.
#[inline(always)]
fn below<T: Number>(sorted: &[T], x: T) -> usize {
    if sorted.len() <= COUNTED {
        sorted.iter().map(|value| usize::from(*value < x)).sum()
    } else {
        sorted.partition_point(|value| *value < x)
    }
}

/// Takes `old` out of a sorted window and puts `new` in.
#[inline(always)]
fn exchange<T: Number>(sorted: &mut [T], old: T, new: T) {
    let last = sorted.len() - 1;
    // The bounds hold for every sorted window that contains `old`, and keep a forged snapshot from more than nonsense.
    let from = below(sorted, old).min(last);
    let to = below(sorted, new).saturating_sub(usize::from(old < new)).min(last);
    if from <= to {
        sorted.copy_within(from + 1..to + 1, from);
    } else {
        sorted.copy_within(to..from, to + 1);
    }
    sorted[to] = new;
}

/// The same in every place of a group, from the places that `old` leaves and `new` takes.
#[inline(always)]
fn exchange_groups<V: Value>(sorted: &mut [V], old: &V, new: &V) {
    let (one, zero) = (V::Number::one(), V::Number::zero());
    let mut places = [V::all_of(zero); 2];
    for value in &*sorted {
        places = V::map([&places[0], &places[1], value, old, new], |[from, to, value, old, new]| {
            [if value < old { from + one } else { from }, if value < new { to + one } else { to }]
        });
    }
    let [from, to] = V::map([&places[0], &places[1], old, new], |[from, to, old, new]| {
        [from, if old < new { to - one } else { to }]
    });
    let mut before = *new;
    let mut here = zero;
    for at in 0..sorted.len() {
        let (now, after) = (sorted[at], sorted[(at + 1).min(sorted.len() - 1)]);
        [sorted[at]] =
            V::map([&before, &now, &after, &from, &to, new], |[before, now, after, from, to, new]| {
                let up = if (here >= from) & (here < to) { after } else { now };
                let down = if (here > to) & (here <= from) { before } else { up };
                [if here == to { new } else { down }]
            });
        before = now;
        here = here + one;
    }
}

/// The quantile at `share` of the way from the least to the greatest value, between two values in proportion.
#[inline(always)]
pub(super) fn quantile<V: Value>(sorted: &[V], share: f64) -> V {
    let place = share * (sorted.len() - 1) as f64;
    let lower = (place as usize).min(sorted.len() - 1);
    let upper = (lower + 1).min(sorted.len() - 1);
    let part = V::Number::of(place - lower as f64);
    let [value] = V::map([&sorted[lower], &sorted[upper]], |[lower, upper]| [lower + (upper - lower) * part]);
    value
}

/// The share of the window that is not above the newest value; of values equal to it, half count, and itself half.
#[inline(always)]
pub(super) fn rank<V: Value>(sorted: &[V], newest: &V) -> V {
    let (one, half) = (V::Number::one(), V::Number::of(0.5));
    let mut less_and_not_above = [V::all_of(V::Number::zero()); 2];
    for value in sorted {
        less_and_not_above = V::map(
            [&less_and_not_above[0], &less_and_not_above[1], value, newest],
            |[less, not_above, value, x]| {
                [
                    if value < x { less + one } else { less },
                    if value <= x { not_above + one } else { not_above },
                ]
            },
        );
    }
    let rows = V::Number::of(sorted.len() as f64);
    let [rank] = V::map([&less_and_not_above[0], &less_and_not_above[1]], |[less, not_above]| {
        [(less + not_above + one) * half / rows]
    });
    rank
}

/// The median of the distances from the median.
///
/// The k values nearest to the median m are neighbours in the sorted window, so the k-th least distance is the least
/// over all i of max(m - s[i], s[i + k - 1] - m).
#[inline(always)]
pub(super) fn median_deviation<V: Value>(sorted: &[V]) -> V {
    let median = quantile(sorted, 0.5);
    let rows = sorted.len();
    let nearest = |count: usize| {
        let mut least = V::all_of(V::Number::infinity());
        for (first, last) in sorted.iter().zip(&sorted[count - 1..]) {
            [least] = V::map([&least, first, last, &median], |[least, first, last, median]| {
                let (below, above) = (median - first, last - median);
                let reach = if below > above { below } else { above };
                [if reach < least { reach } else { least }]
            });
        }
        least
    };
    let (lower, upper) = (nearest(rows.div_ceil(2)), nearest(rows / 2 + 1));
    let [value] = V::map([&lower, &upper], |[lower, upper]| [lower + (upper - lower) * V::Number::of(0.5)]);
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feature::value::Group;

    #[test]
    fn a_series_and_a_group_keep_the_window_sorted() {
        for rows in [1, 2, 3, 7, 64, 65, 130] {
            let mut single = vec![0.0_f64; state_len(rows)];
            let mut group = vec![Group([0.0_f64; 3]); state_len(rows)];
            reset(&mut single);
            reset(&mut group);
            let mut seed = 3_u64;
            let mut seen = Vec::new();
            for row in 0..400 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let value = if row % 90 == 50 { f64::NAN } else { (seed >> 58) as f64 };
                seen.push(value);
                let mut out = [0.0];
                advance(rows, &mut single, &[value], &mut out, |sorted, _| quantile(sorted, 0.25));
                let mut outs = [Group([0.0; 3])];
                advance(rows, &mut group, &[Group([value; 3])], &mut outs, |sorted, _| {
                    quantile(sorted, 0.25)
                });
                assert_eq!(out[0].to_bits(), outs[0].0[2].to_bits(), "{rows} rows, row {row}");
                if row + 1 < rows {
                    assert!(out[0].is_nan());
                    continue;
                }
                let mut window = seen[row + 1 - rows..].to_vec();
                window.sort_by(f64::total_cmp);
                let gap = window.iter().any(|value| value.is_nan());
                assert_eq!(out[0].is_nan(), gap, "{rows} rows, row {row}");
                assert!(gap || window == single[HEAD + rows..], "{rows} rows, row {row}");
            }
        }
    }

    #[test]
    fn a_forged_window_gives_nonsense_and_no_panic() {
        for forged in [f64::NAN, f64::INFINITY, 5.0, -1e300] {
            let mut state = vec![forged; state_len(70)];
            state[..HEAD].fill(0.0);
            for x in [1.0, f64::NAN, -7.0] {
                advance(70, &mut state, &[x; 90], &mut [0.0; 90], rank);
            }
        }
    }
}
