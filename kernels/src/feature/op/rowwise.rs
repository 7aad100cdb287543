//! Operations that look at one row only.
//!
//! A formula is a type whose one method is always inlined. Tried and refused: closures. A closure is compiled before its
//! caller and without the instructions of AVX-512 that the caller has, so that whether it ended up inside was luck: in a
//! build where two loops used it, a true range cost 792 cycles a row of a group in `f64`, and costs 19 so.

use num_traits::{Float, Zero};

use super::known;
use crate::feature::value::{Number, Value};

/// What an output is of `N` inputs of its row.
pub(super) trait Formula<V, const N: usize>: Copy {
    /// The output, before it is held to be a number or NaN.
    fn of(self, inputs: [V; N]) -> V;
}

#[inline(always)]
pub(super) fn unary<V: Value>(a: &[V], out: &mut [V], formula: impl Formula<V, 1>) {
    for (out, a) in out.iter_mut().zip(a) {
        *out = known(formula.of([*a]));
    }
}

#[inline(always)]
pub(super) fn binary<V: Value>(a: &[V], b: &[V], out: &mut [V], formula: impl Formula<V, 2>) {
    for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
        *out = known(formula.of([*a, *b]));
    }
}

#[inline(always)]
pub(super) fn ternary<V: Value>(a: &[V], b: &[V], c: &[V], out: &mut [V], formula: impl Formula<V, 3>) {
    for (((out, a), b), c) in out.iter_mut().zip(a).zip(b).zip(c) {
        *out = known(formula.of([*a, *b, *c]));
    }
}

/// A formula that needs no constants: its name, its inputs and what it is of them.
macro_rules! formula {
    ($(#[$doc:meta])* $name:ident, $count:literal, |$inputs:pat_param| $value:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub(super) struct $name;

        impl<V: Value> Formula<V, $count> for $name {
            #[inline(always)]
            fn of(self, $inputs: [V; $count]) -> V {
                $value
            }
        }
    };
}
pub(super) use formula;

formula!(Plus, 2, |[a, b]| a + b);
formula!(Minus, 2, |[a, b]| a - b);
formula!(Times, 2, |[a, b]| a * b);
formula!(Over, 2, |[a, b]| a / b);
formula!(Negated, 1, |[a]| a * V::all_of(V::Number::of(-1.0)));
formula!(Magnitude, 1, |[a]| a.magnitude());
formula!(Root, 1, |[a]| a.root());
formula!(Logarithm, 1, |[a]| V::map([&a], |[a]| [a.ln()])[0]);
formula!(LogarithmOfOneMore, 1, |[a]| V::map([&a], |[a]| [a.ln_1p()])[0]);
formula!(Arctangent, 1, |[a]| V::map([&a], |[a]| [a.atan()])[0]);
formula!(
    /// a on the rows where b is known.
    KeptWhere,
    2,
    |[a, b]| V::select(b.unknown(), b, a)
);
formula!(
    /// The greatest distance between a bar's high, its low and the close before it.
    TrueRange,
    3,
    |[high, low, before]| true_range(high, low, before)
);

#[inline(always)]
pub(super) fn true_range<V: Value>(high: V, low: V, before: V) -> V {
    let range = (high - low).larger((before - high).magnitude()).larger((before - low).magnitude());
    // Comparisons lose a NaN.
    V::select(high.unknown_beside(low) | before.unknown(), V::all_of(V::Number::nan()), range)
}

/// The input within bounds, neither of which is NaN.
#[derive(Clone, Copy)]
pub(super) struct Clipped {
    pub low: f64,
    pub high: f64,
}

impl<V: Value> Formula<V, 1> for Clipped {
    #[inline(always)]
    fn of(self, [a]: [V; 1]) -> V {
        let (low, high) = (V::all_of(V::Number::of(self.low)), V::all_of(V::Number::of(self.high)));
        let raised = V::select(a.less(low), low, a);
        V::select(high.less(raised), high, raised)
    }
}

formula!(
    /// Place of `a` between `low` (0) and `high` (1); one half, the middle, where there is no room between them.
    Position,
    3,
    |[a, low, high]| {
        let zero = V::all_of(V::Number::zero());
        let room = high - low;
        let place = (a - low) / room;
        // Adding nothing of `a` keeps its NaN.
        let half = V::all_of(V::Number::of(0.5)) + a * zero;
        V::select(zero.less(room) | room.unknown(), place, half)
    }
);
formula!(
    /// Distance from the mean in standard deviations; zero in a window of equal values, where `a` is the mean.
    Standardised,
    3,
    |[a, mean, variance]| {
        let zero = V::all_of(V::Number::zero());
        let distance = a - mean;
        let score = distance / variance.root();
        // Zero, of one sign, or the NaN of `a`.
        let nothing = (distance * zero).magnitude();
        V::select(zero.less(variance) | variance.unknown(), score, nothing)
    }
);
