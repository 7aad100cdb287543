//! Operations that look at one row only.

use super::known;
use crate::feature::value::{Number, Value};

#[inline(always)]
pub(super) fn unary<V: Value>(a: &[V], out: &mut [V], f: impl Fn(V::Number) -> V::Number) {
    for (out, a) in out.iter_mut().zip(a) {
        [*out] = V::map([a], |[a]| [known(f(a))]);
    }
}

#[inline(always)]
pub(super) fn binary<V: Value>(
    a: &[V],
    b: &[V],
    out: &mut [V],
    f: impl Fn(V::Number, V::Number) -> V::Number,
) {
    for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
        [*out] = V::map([a, b], |[a, b]| [known(f(a, b))]);
    }
}

#[inline(always)]
pub(super) fn ternary<V: Value>(
    a: &[V],
    b: &[V],
    c: &[V],
    out: &mut [V],
    f: impl Fn(V::Number, V::Number, V::Number) -> V::Number,
) {
    for (((out, a), b), c) in out.iter_mut().zip(a).zip(b).zip(c) {
        [*out] = V::map([a, b, c], |[a, b, c]| [known(f(a, b, c))]);
    }
}

/// The greatest distance between a bar's high, its low and the close before it.
#[inline(always)]
pub(super) fn true_range<T: Number>(high: T, low: T, before: T) -> T {
    let greater = |a: T, b: T| if a > b { a } else { b };
    let range = greater(greater(high - low, (before - high).abs()), (before - low).abs());
    // Comparisons lose a NaN.
    if high.is_nan() | low.is_nan() | before.is_nan() { T::nan() } else { range }
}

/// `a` within bounds, neither of which is NaN.
#[inline(always)]
pub(super) fn clip<T: Number>(a: T, low: T, high: T) -> T {
    let raised = if a < low { low } else { a };
    if raised > high { high } else { raised }
}

#[inline(always)]
pub(super) fn keep_where<T: Number>(a: T, b: T) -> T {
    if b.is_nan() { T::nan() } else { a }
}

/// Place of `a` between `low` (0) and `high` (1); one half, the middle, where there is no room between them.
#[inline(always)]
pub(super) fn position<T: Number>(a: T, low: T, high: T) -> T {
    let room = high - low;
    let place = (a - low) / room;
    if (room <= T::zero()) & !a.is_nan() { T::of(0.5) } else { place }
}

/// Distance from the mean in standard deviations; zero in a window of equal values, where `a` is the mean.
#[inline(always)]
pub(super) fn standardise<T: Number>(a: T, mean: T, variance: T) -> T {
    let score = (a - mean) / variance.sqrt();
    if (variance <= T::zero()) & !(a - mean).is_nan() { T::zero() } else { score }
}
