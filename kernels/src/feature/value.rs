//! What an operation computes with: one number, or one number for each symbol of a group.
//!
//! Operations are written once over [`Value`]. A single series runs them on `f64`; a panel of symbols on a [`Group`]
//! of `f64` or `f32`, whose loops over the places become vector instructions. Each place of a group sees exactly the
//! operations that a single series would, so equal bits need no proof of their own.

use std::fmt::Debug;

use num_traits::Float;

/// A floating-point format: [`f32`] or [`f64`].
pub trait Number: Float + Debug + Send + Sync + 'static {
    /// The nearest number to `x`.
    fn of(x: f64) -> Self;
    /// The same number as an `f64`.
    fn wide(self) -> f64;
}

impl Number for f64 {
    #[inline(always)]
    fn of(x: f64) -> Self {
        x
    }

    #[inline(always)]
    fn wide(self) -> f64 {
        self
    }
}

impl Number for f32 {
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "rounding is what it is for")]
    fn of(x: f64) -> Self {
        x as Self
    }

    #[inline(always)]
    fn wide(self) -> f64 {
        f64::from(self)
    }
}

/// A number for each symbol of a group, in whole cache lines.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(align(64))]
pub(crate) struct Group<T, const W: usize>(pub [T; W]);

/// One number, or a number for each symbol of a group.
pub(crate) trait Value: Copy + Debug + Send + Sync + 'static {
    /// The format of the numbers.
    type Number: Number;
    /// The same number in every place.
    fn all_of(x: Self::Number) -> Self;

    /// The number in a place.
    fn at(&self, place: usize) -> Self::Number;

    /// The results of `f` in each place.
    fn map<const N: usize, const M: usize>(
        values: [&Self; N],
        f: impl Fn([Self::Number; N]) -> [Self::Number; M],
    ) -> [Self; M];

    /// Whether `f` holds in every place.
    fn hold<const N: usize>(values: [&Self; N], f: impl Fn([Self::Number; N]) -> bool) -> bool;

    /// The numbers themselves, where each value is one.
    fn numbers(values: &mut [Self]) -> Option<&mut [Self::Number]>;
}

impl<T: Number> Value for T {
    type Number = T;

    #[inline(always)]
    fn all_of(x: T) -> Self {
        x
    }

    #[inline(always)]
    fn at(&self, _: usize) -> T {
        *self
    }

    #[inline(always)]
    fn map<const N: usize, const M: usize>(values: [&Self; N], f: impl Fn([T; N]) -> [T; M]) -> [Self; M] {
        f(values.map(|value| *value))
    }

    #[inline(always)]
    fn hold<const N: usize>(values: [&Self; N], f: impl Fn([T; N]) -> bool) -> bool {
        f(values.map(|value| *value))
    }

    #[inline(always)]
    fn numbers(values: &mut [T]) -> Option<&mut [T]> {
        Some(values)
    }
}

impl<T: Number, const W: usize> Value for Group<T, W> {
    type Number = T;

    #[inline(always)]
    fn all_of(x: T) -> Self {
        Self([x; W])
    }

    #[inline(always)]
    fn at(&self, place: usize) -> T {
        self.0[place]
    }

    #[inline(always)]
    fn map<const N: usize, const M: usize>(values: [&Self; N], f: impl Fn([T; N]) -> [T; M]) -> [Self; M] {
        let mut out = [Self([T::zero(); W]); M];
        for place in 0..W {
            let results = f(std::array::from_fn(|which| values[which].0[place]));
            for (out, result) in out.iter_mut().zip(results) {
                out.0[place] = result;
            }
        }
        out
    }

    #[inline(always)]
    fn hold<const N: usize>(values: [&Self; N], f: impl Fn([T; N]) -> bool) -> bool {
        let mut holds = true;
        for place in 0..W {
            holds &= f(std::array::from_fn(|which| values[which].0[place]));
        }
        holds
    }

    #[inline(always)]
    fn numbers(_: &mut [Self]) -> Option<&mut [T]> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_computes_in_each_place_what_a_number_does() {
        let (a, b) = (Group([1.0_f32, 2.0, 3.0]), Group([0.5_f32, -4.0, 0.25]));
        let f = |[a, b]: [f32; 2]| [a * b, a - b];
        let [products, differences] = Value::map([&a, &b], f);
        for place in 0..3 {
            assert_eq!(f([a.at(place), b.at(place)]), [products.at(place), differences.at(place)]);
        }
        assert!(Value::hold([&a], |[a]| a > 0.0) && !Value::hold([&b], |[b]| b > 0.0));
    }
}
