//! Operations that look at one row only.

use num_traits::{Float, Zero};

use super::known;
use crate::feature::value::{Number, Value};

#[inline(always)]
pub(super) fn unary<V: Value>(a: &[V], out: &mut [V], f: impl Fn(V) -> V) {
    for (out, a) in out.iter_mut().zip(a) {
        *out = known(f(*a));
    }
}

#[inline(always)]
pub(super) fn binary<V: Value>(a: &[V], b: &[V], out: &mut [V], f: impl Fn(V, V) -> V) {
    for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
        *out = known(f(*a, *b));
    }
}

#[inline(always)]
pub(super) fn ternary<V: Value>(a: &[V], b: &[V], c: &[V], out: &mut [V], f: impl Fn(V, V, V) -> V) {
    for (((out, a), b), c) in out.iter_mut().zip(a).zip(b).zip(c) {
        *out = known(f(*a, *b, *c));
    }
}

/// The greatest distance between a bar's high, its low and the close before it.
#[inline(always)]
pub(super) fn true_range<V: Value>(high: V, low: V, before: V) -> V {
    let greater = |a: V, b: V| V::select(b.less(a), a, b);
    let range = greater(greater(high - low, (before - high).magnitude()), (before - low).magnitude());
    // Comparisons lose a NaN.
    V::select(high.unknown() | low.unknown() | before.unknown(), V::all_of(V::Number::nan()), range)
}

/// `a` within bounds, neither of which is NaN.
#[inline(always)]
pub(super) fn clip<V: Value>(a: V, low: V, high: V) -> V {
    let raised = V::select(a.less(low), low, a);
    V::select(high.less(raised), high, raised)
}

#[inline(always)]
pub(super) fn keep_where<V: Value>(a: V, b: V) -> V {
    V::select(b.unknown(), b, a)
}

/// Place of `a` between `low` (0) and `high` (1); one half, the middle, where there is no room between them.
#[inline(always)]
pub(super) fn position<V: Value>(a: V, low: V, high: V) -> V {
    let zero = V::all_of(V::Number::zero());
    let room = high - low;
    let place = (a - low) / room;
    // Adding nothing of `a` keeps its NaN.
    let half = V::all_of(V::Number::of(0.5)) + a * zero;
    V::select(zero.less(room) | room.unknown(), place, half)
}

/// Distance from the mean in standard deviations; zero in a window of equal values, where `a` is the mean.
#[inline(always)]
pub(super) fn standardise<V: Value>(a: V, mean: V, variance: V) -> V {
    let zero = V::all_of(V::Number::zero());
    let distance = a - mean;
    let score = distance / variance.root();
    // Zero, of one sign, or the NaN of `a`.
    let nothing = (distance * zero).magnitude();
    V::select(zero.less(variance) | variance.unknown(), score, nothing)
}
