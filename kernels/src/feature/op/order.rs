//! Order statistics of a window: quantiles, the rank of the newest value, the median distance from the median.
//!
//! The window is kept twice: as a ring, to know which value leaves, and sorted. In a short window, and in groups of
//! symbols, every place of the sorted window is computed anew from itself and its neighbours, without a search and in
//! all lanes alike; in a long window of a single series both places are found by halving, and the values between them
//! move in one copy. The result depends only on the values in the window, so both give the same bits.
//!
//! A value that is not known is kept as infinity, which sorts last: as long as the greatest value is infinite, there
//! is a gap in the window.
//!
//! Absent: two heaps, or a balanced tree, which would bound a row by the logarithm of the window instead of by one copy
//! of it (40 KB on average at the limit of 10,000 rows, TA-Lib's own). Neither gives ranks and medians of distances
//! from one structure.

use num_traits::{Float, Zero};

use super::window::{HEAD, filled_rows};
use crate::feature::value::{Number, Value};

/// Head (place in the ring), the ring, the sorted window.
pub(super) const fn state_len(rows: usize) -> usize {
    HEAD + 2 * rows
}

/// Up to this many rows every place is computed anew.
const SHORT: usize = 64;

pub(super) fn reset<V: Value>(state: &mut [V]) {
    state.fill(V::all_of(V::Number::infinity()));
    state[..HEAD].fill(V::all_of(V::Number::zero()));
}

/// What is read from a sorted window.
#[derive(Clone, Copy)]
pub(super) enum Reading {
    /// The quantile at a share.
    Quantile(f64),
    /// The rank of the newest value.
    Rank,
    /// The median distance from the median.
    MedianDeviation,
}

/// Advances over `x` and writes what is read from each sorted window.
#[inline(always)]
pub(super) fn advance<V: Value>(rows: usize, state: &mut [V], x: &[V], out: &mut [V], reading: Reading) {
    let (head, arrays) = state.split_at_mut(HEAD);
    let (ring, sorted) = arrays.split_at_mut(rows);
    let mut place = filled_rows(head);
    for (x, out) in x.iter().zip(out) {
        let new = V::select(x.unknown(), V::all_of(V::Number::infinity()), *x);
        let old = ring[place];
        ring[place] = new;
        place = if place + 1 == rows { 0 } else { place + 1 };
        match (is_single::<V>(), rows > SHORT) {
            (true, true) => exchange(sorted, old.at(0), new.at(0)),
            (true, false) => exchange_short(sorted, old, new),
            (false, _) => exchange_groups(sorted, old, new),
        }
        let found = match reading {
            Reading::Quantile(share) => quantile(sorted, share),
            Reading::Rank => rank(sorted, &new),
            Reading::MedianDeviation => median_deviation(sorted),
        };
        let greatest = sorted[rows - 1];
        let gap = super::known(greatest).unknown();
        *out = V::select(gap, V::all_of(V::Number::nan()), super::known(found));
    }
    head[0] = V::all_of(V::Number::of(place as f64));
}

/// Whether a value is one number, known to the compiler.
#[inline(always)]
const fn is_single<V: Value>() -> bool {
    size_of::<V>() == size_of::<V::Number>()
}

/// Takes `old` out of the sorted window of a single series and puts `new` in.
#[inline(always)]
fn exchange<V: Value>(sorted: &mut [V], old: V::Number, new: V::Number) {
    let last = sorted.len() - 1;
    // The bounds hold for every sorted window that contains `old`, and keep a forged snapshot from more than nonsense.
    let from = below(sorted, old).min(last);
    let to = below(sorted, new).saturating_sub(usize::from(old < new)).min(last);
    if from <= to {
        sorted.copy_within(from + 1..to + 1, from);
    } else {
        sorted.copy_within(to..from, to + 1);
    }
    sorted[to] = V::all_of(new);
}

/// How many values of a single series' sorted window are below `x`.
#[inline(always)]
fn below<V: Value>(sorted: &[V], x: V::Number) -> usize {
    sorted.partition_point(|value| value.at(0) < x)
}

/// The same, place by place. Where the new value is the greater, values below the old one stay, and all others but those
/// above the new one move down by a place; the new value stops between its neighbours, as the median of three does.
#[inline(always)]
fn exchange_short<V: Value>(sorted: &mut [V], old: V, new: V) {
    let last = sorted.len() - 1;
    if new.at(0) >= old.at(0) {
        for at in 0..last {
            sorted[at] = moved_down(sorted[at], sorted[at + 1], old, new);
        }
        sorted[last] = moved_down(sorted[last], V::all_of(V::Number::infinity()), old, new);
    } else {
        for at in (1..=last).rev() {
            sorted[at] = moved_up(sorted[at], sorted[at - 1], old, new);
        }
        sorted[0] = moved_up(sorted[0], V::all_of(V::Number::neg_infinity()), old, new);
    }
}

#[inline(always)]
fn moved_down<V: Value>(now: V, after: V, old: V, new: V) -> V {
    let at_least = V::select(new.less(now), now, new);
    let place = V::select(after.less(at_least), after, at_least);
    V::select(now.less(old), now, place)
}

#[inline(always)]
fn moved_up<V: Value>(now: V, before: V, old: V, new: V) -> V {
    let at_most = V::select(now.less(new), now, new);
    let place = V::select(at_most.less(before), before, at_most);
    V::select(old.less(now), now, place)
}

/// The same in every place of a group.
#[inline(always)]
fn exchange_groups<V: Value>(sorted: &mut [V], old: V, new: V) {
    let mut before = V::all_of(V::Number::neg_infinity());
    let falls = new.less(old);
    for at in 0..sorted.len() {
        let now = sorted[at];
        let after = sorted.get(at + 1).copied().unwrap_or(V::all_of(V::Number::infinity()));
        sorted[at] = V::select(falls, moved_up(now, before, old, new), moved_down(now, after, old, new));
        before = now;
    }
}

/// The quantile at `share` of the way from the least to the greatest value, between two values in proportion.
#[inline(always)]
fn quantile<V: Value>(sorted: &[V], share: f64) -> V {
    let place = share * (sorted.len() - 1) as f64;
    let lower = (place as usize).min(sorted.len() - 1);
    let upper = (lower + 1).min(sorted.len() - 1);
    let part = V::all_of(V::Number::of(place - lower as f64));
    sorted[lower] + (sorted[upper] - sorted[lower]) * part
}

/// The share of the window that is not above the newest value; of values equal to it, half count, and itself half.
#[inline(always)]
fn rank<V: Value>(sorted: &[V], newest: &V) -> V {
    let of = |x: f64| V::all_of(V::Number::of(x));
    let (zero, one, half, rows) = (of(0.0), of(1.0), of(0.5), of(sorted.len() as f64));
    if is_single::<V>() && sorted.len() > SHORT {
        let less = below(sorted, newest.at(0));
        let equal = sorted[less..].partition_point(|value| value.at(0) <= newest.at(0));
        return (of((2 * less + equal) as f64) + one) * half / rows;
    }
    let (mut less, mut not_above) = (zero, zero);
    for value in sorted {
        less = less + V::select(value.less(*newest), one, zero);
        not_above = not_above + V::select(newest.less(*value), zero, one);
    }
    (less + not_above + one) * half / rows
}

/// The median of the distances from the median.
///
/// The k values nearest to the median m are neighbours in the sorted window, so the k-th least distance is the least
/// over all i of max(m - s[i], s[i + k - 1] - m).
#[inline(always)]
fn median_deviation<V: Value>(sorted: &[V]) -> V {
    let median = quantile(sorted, 0.5);
    let rows = sorted.len();
    let (lower, upper) = (nearest(sorted, median, rows.div_ceil(2)), nearest(sorted, median, rows / 2 + 1));
    lower + (upper - lower) * V::all_of(V::Number::of(0.5))
}

/// The `count`-th least distance from the median.
#[inline(always)]
fn nearest<V: Value>(sorted: &[V], median: V, count: usize) -> V {
    let rows = sorted.len();
    if is_single::<V>() && rows > SHORT {
        // Of the two distances one falls and the other rises with i: the least is where they cross.
        let middle = median.at(0);
        let reach = |first: usize| {
            let (below, above) = (middle - sorted[first].at(0), sorted[first + count - 1].at(0) - middle);
            if below > above { below } else { above }
        };
        let (mut from, mut to) = (0, rows - count);
        while from < to {
            let first = from + (to - from) / 2;
            let crossed = sorted[first + count - 1].at(0) - middle >= middle - sorted[first].at(0);
            (from, to) = if crossed { (from, first) } else { (first + 1, to) };
        }
        let (here, before) = (reach(from), reach(from.saturating_sub(1)));
        return V::all_of(if before < here { before } else { here });
    }
    let mut least = V::all_of(V::Number::infinity());
    for (first, last) in sorted.iter().zip(&sorted[count - 1..]) {
        let (below, above) = (median - *first, *last - median);
        let reach = V::select(above.less(below), below, above);
        least = V::select(reach.less(least), reach, least);
    }
    least
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feature::value::Group;

    #[test]
    fn a_series_and_a_group_keep_the_window_sorted() {
        for rows in [1, 2, 3, 7, 64, 65, 130] {
            let mut single = vec![0.0_f64; state_len(rows)];
            let mut groups = vec![Group([0.0_f64; 16]); state_len(rows)];
            reset(&mut single);
            reset(&mut groups);
            let mut seed = 3_u64;
            let mut seen = Vec::new();
            for row in 0..400 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let value = if row % 90 == 50 { f64::NAN } else { (seed >> 58) as f64 };
                seen.push(value);
                let mut out = [0.0];
                advance(rows, &mut single, &[value], &mut out, Reading::Quantile(0.25));
                let mut outs = [Group([0.0; 16])];
                advance(rows, &mut groups, &[Group([value; 16])], &mut outs, Reading::Quantile(0.25));
                assert_eq!(out[0].to_bits(), outs[0].0[2].to_bits(), "{rows} rows, row {row}");
                let group: Vec<_> = single[HEAD + rows..].iter().map(|value| Group([*value; 16])).collect();
                let sorted = &single[HEAD + rows..];
                if sorted.iter().all(|value| value.is_finite()) {
                    let (one, many) = (rank(sorted, &value), rank(&group, &Group([value; 16])));
                    assert_eq!(one.to_bits(), many.0[2].to_bits(), "rank of {rows} rows, row {row}");
                    let (one, many) = (median_deviation(sorted), median_deviation(&group));
                    assert_eq!(one.to_bits(), many.0[2].to_bits(), "deviation of {rows} rows, row {row}");
                }
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
                advance(70, &mut state, &[x; 90], &mut [0.0; 90], Reading::Rank);
            }
        }
    }
}
