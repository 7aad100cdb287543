//! Operations that look at one row only.

use super::known;

#[inline(always)]
pub(super) fn unary(a: &[f64], out: &mut [f64], f: impl Fn(f64) -> f64) {
    for (out, a) in out.iter_mut().zip(a) {
        *out = known(f(*a));
    }
}

#[inline(always)]
pub(super) fn binary(a: &[f64], b: &[f64], out: &mut [f64], f: impl Fn(f64, f64) -> f64) {
    for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
        *out = known(f(*a, *b));
    }
}

#[inline(always)]
pub(super) fn ternary(a: &[f64], b: &[f64], c: &[f64], out: &mut [f64], f: impl Fn(f64, f64, f64) -> f64) {
    for (((out, a), b), c) in out.iter_mut().zip(a).zip(b).zip(c) {
        *out = known(f(*a, *b, *c));
    }
}

/// The greatest distance between a bar's high, its low and the close before it.
#[inline(always)]
pub(super) fn true_range(high: f64, low: f64, before: f64) -> f64 {
    let greater = |a: f64, b: f64| if a > b { a } else { b };
    let range = greater(greater(high - low, (before - high).abs()), (before - low).abs());
    // Comparisons lose a NaN.
    if high.is_nan() | low.is_nan() | before.is_nan() { f64::NAN } else { range }
}

#[inline(always)]
pub(super) fn keep_where(a: f64, b: f64) -> f64 {
    if b.is_nan() { f64::NAN } else { a }
}

/// Place of `a` between `low` (0) and `high` (1); one half, the middle, where there is no room between them.
#[inline(always)]
pub(super) fn position(a: f64, low: f64, high: f64) -> f64 {
    let room = high - low;
    let place = (a - low) / room;
    if room <= 0.0 && !a.is_nan() { 0.5 } else { place }
}

/// Distance from the mean in standard deviations; zero in a window of equal values, where `a` is the mean.
#[inline(always)]
pub(super) fn standardise(a: f64, mean: f64, variance: f64) -> f64 {
    let score = (a - mean) / variance.sqrt();
    if variance <= 0.0 && !(a - mean).is_nan() { 0.0 } else { score }
}
