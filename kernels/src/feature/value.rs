//! What an operation computes with: one number, or one number for each symbol of a group.
//!
//! Operations are written once over [`Value`]. A single series runs them on `f64`; a panel of symbols on sixteen
//! numbers side by side, which are vector registers where there is AVX-512 ([`avx512`]) and arrays elsewhere
//! ([`Group`]). Each place sees exactly the operations that a single series would, all of them rounded as IEEE 754
//! says, so equal bits need no proof of their own.
//!
//! Tried and refused: arrays everywhere, left to the compiler's vectoriser (it cuts what a loop carries from row to
//! row into quarters and glues them together again: two to three times slower).

#[cfg(target_arch = "x86_64")]
pub(super) mod avx512;

use std::fmt::Debug;
use std::ops::{Add, BitAnd, BitOr, Div, Mul, Sub};

use num_traits::{Float, Zero};

/// Symbols in a group: a register of AVX-512 in `f32`, two in `f64`.
pub(crate) const WIDTH: usize = 16;

/// A floating-point format: [`f32`] or [`f64`].
#[expect(private_bounds, reason = "which registers hold a group is nobody else's business")]
pub trait Number: Float + Debug + Send + Sync + 'static + Grouped {
    /// The nearest number to `x`.
    fn of(x: f64) -> Self;
    /// The same number as an `f64`.
    fn wide(self) -> f64;
}

/// A number that can stand in the registers of a group.
pub(crate) trait Grouped: Sized {
    /// A group in the widest registers, for code that is compiled for them.
    #[cfg(target_arch = "x86_64")]
    type Registers: Lanes<Number = Self>;
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

/// One number, or a number for each symbol of a group.
pub(crate) trait Value:
    Copy
    + Debug
    + Send
    + Sync
    + 'static
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
{
    /// The format of the numbers.
    type Number: Number;
    /// Yes or no for each place.
    type Mask: Copy + BitAnd<Output = Self::Mask> + BitOr<Output = Self::Mask>;

    /// The same number in every place.
    fn all_of(x: Self::Number) -> Self;
    /// The number in a place.
    fn at(&self, place: usize) -> Self::Number;
    /// self * b + c, rounded once.
    fn fused(self, b: Self, c: Self) -> Self;
    /// The square root.
    fn root(self) -> Self;
    /// The number without its sign.
    fn magnitude(self) -> Self;
    /// The number where it is finite, NaN elsewhere: zero times an infinity is NaN, and a zero added changes nothing. Fused
    /// where that is one instruction.
    #[inline(always)]
    fn known(self) -> Self {
        self * Self::all_of(Self::Number::zero()) + self
    }
    /// Where it is less than `other`; nowhere beside a NaN.
    fn less(self, other: Self) -> Self::Mask;
    /// Where it is a NaN.
    fn unknown(self) -> Self::Mask;
    /// Itself where it is greater than `other`; `other` elsewhere, also beside a NaN. One instruction of a register.
    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        Self::select(other.less(self), self, other)
    }
    /// Itself where it is less than `other`; `other` elsewhere, also beside a NaN.
    #[inline(always)]
    fn smaller(self, other: Self) -> Self {
        Self::select(self.less(other), self, other)
    }
    /// Where it or `other` is a NaN.
    #[inline(always)]
    fn unknown_beside(self, other: Self) -> Self::Mask {
        self.unknown() | other.unknown()
    }
    /// `yes` where the mask holds, `no` elsewhere.
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self;
    /// Whether the mask holds anywhere.
    fn any(mask: Self::Mask) -> bool;

    /// The results of `f` in each place: for what runs seldom, or has no instruction.
    fn map<const N: usize, const M: usize>(
        values: [&Self; N],
        f: impl Fn([Self::Number; N]) -> [Self::Number; M],
    ) -> [Self; M];
}

/// The numbers of a group.
pub(crate) trait Lanes: Value {
    /// Those of an array.
    fn load(from: &[Self::Number; WIDTH]) -> Self;
    /// Writes them as an array.
    fn store(self, to: &mut [Self::Number; WIDTH]);
    /// Writes them past the caches where `to` begins a cache line and the instructions allow it.
    fn stream(self, to: &mut [Self::Number; WIDTH]);
    /// Makes what was streamed visible to other threads.
    fn settle();
    /// The same memory, seen as registers.
    fn of_groups(groups: &mut [Group<Self::Number>]) -> &mut [Self];
    /// Asks for the line of a number, which is going to be read, into the second-level cache: the lines of many series would push
    /// each other out of the first.
    fn fetch(number: &Self::Number);
    /// Turns a square: place p of row r becomes place r of row p.
    fn turn(rows: &mut [Self; WIDTH]);
}

impl<T: Number> Value for T {
    type Number = T;
    type Mask = bool;

    #[inline(always)]
    fn all_of(x: T) -> Self {
        x
    }

    #[inline(always)]
    fn at(&self, _: usize) -> T {
        *self
    }

    #[inline(always)]
    fn fused(self, b: Self, c: Self) -> Self {
        Float::mul_add(self, b, c)
    }

    #[inline(always)]
    fn root(self) -> Self {
        Float::sqrt(self)
    }

    #[inline(always)]
    fn magnitude(self) -> Self {
        Float::abs(self)
    }

    #[inline(always)]
    fn less(self, other: Self) -> bool {
        self < other
    }

    #[inline(always)]
    fn unknown(self) -> bool {
        self.is_nan()
    }

    #[inline(always)]
    fn select(mask: bool, yes: Self, no: Self) -> Self {
        if mask { yes } else { no }
    }

    #[inline(always)]
    fn any(mask: bool) -> bool {
        mask
    }

    #[inline(always)]
    fn map<const N: usize, const M: usize>(values: [&Self; N], f: impl Fn([T; N]) -> [T; M]) -> [Self; M] {
        f(values.map(|value| *value))
    }
}

/// A number for each symbol of a group, in whole cache lines.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(64))]
pub(crate) struct Group<T>(pub [T; WIDTH]);

/// Yes or no for each place of a [`Group`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places([bool; WIDTH]);

impl<T: Number> Group<T> {
    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(T, T) -> T) -> Self {
        Self(std::array::from_fn(|place| f(self.0[place], other.0[place])))
    }
}

impl<T: Number> Add for Group<T> {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
}

impl<T: Number> Sub for Group<T> {
    type Output = Self;

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }
}

impl<T: Number> Mul for Group<T> {
    type Output = Self;

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }
}

impl<T: Number> Div for Group<T> {
    type Output = Self;

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        self.zip(other, |a, b| a / b)
    }
}

impl BitAnd for Places {
    type Output = Self;

    #[inline(always)]
    fn bitand(self, other: Self) -> Self {
        Self(std::array::from_fn(|place| self.0[place] & other.0[place]))
    }
}

impl BitOr for Places {
    type Output = Self;

    #[inline(always)]
    fn bitor(self, other: Self) -> Self {
        Self(std::array::from_fn(|place| self.0[place] | other.0[place]))
    }
}

impl<T: Number> Value for Group<T> {
    type Number = T;
    type Mask = Places;

    #[inline(always)]
    fn all_of(x: T) -> Self {
        Self([x; WIDTH])
    }

    #[inline(always)]
    fn at(&self, place: usize) -> T {
        self.0[place]
    }

    #[inline(always)]
    fn fused(self, b: Self, c: Self) -> Self {
        Self(std::array::from_fn(|place| Float::mul_add(self.0[place], b.0[place], c.0[place])))
    }

    #[inline(always)]
    fn root(self) -> Self {
        Self(self.0.map(Float::sqrt))
    }

    #[inline(always)]
    fn magnitude(self) -> Self {
        Self(self.0.map(Float::abs))
    }

    #[inline(always)]
    fn less(self, other: Self) -> Places {
        Places(std::array::from_fn(|place| self.0[place] < other.0[place]))
    }

    #[inline(always)]
    fn unknown(self) -> Places {
        Places(self.0.map(Float::is_nan))
    }

    #[inline(always)]
    fn select(mask: Places, yes: Self, no: Self) -> Self {
        Self(std::array::from_fn(|place| if mask.0[place] { yes.0[place] } else { no.0[place] }))
    }

    #[inline(always)]
    fn any(mask: Places) -> bool {
        mask.0.iter().fold(false, |any, place| any | place)
    }

    #[inline(always)]
    fn map<const N: usize, const M: usize>(values: [&Self; N], f: impl Fn([T; N]) -> [T; M]) -> [Self; M] {
        let mut out = [Self([T::zero(); WIDTH]); M];
        for place in 0..WIDTH {
            let results = f(std::array::from_fn(|which| values[which].0[place]));
            for (out, result) in out.iter_mut().zip(results) {
                out.0[place] = result;
            }
        }
        out
    }
}

impl<T: Number> Lanes for Group<T> {
    #[inline(always)]
    fn load(from: &[T; WIDTH]) -> Self {
        Self(*from)
    }

    #[inline(always)]
    fn store(self, to: &mut [T; WIDTH]) {
        *to = self.0;
    }

    #[inline(always)]
    fn stream(self, to: &mut [T; WIDTH]) {
        *to = self.0;
    }

    #[inline(always)]
    fn settle() {}

    #[inline(always)]
    fn of_groups(groups: &mut [Group<T>]) -> &mut [Self] {
        groups
    }

    #[inline(always)]
    fn fetch(_: &T) {}

    #[inline(always)]
    fn turn(rows: &mut [Self; WIDTH]) {
        for row in 1..WIDTH {
            let (before, after) = rows.split_at_mut(row);
            for (place, other) in before.iter_mut().enumerate() {
                std::mem::swap(&mut other.0[row], &mut after[0].0[place]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_computes_in_each_place_what_a_number_does() {
        let numbers = [1.0_f32, -2.0, 0.0, 0.5, f32::NAN, 3e38, -1e-40, 7.0];
        let group = |shift: usize| Group(std::array::from_fn(|place| numbers[(place * shift + shift) % 8]));
        let (a, b, c) = (group(1), group(3), group(5));
        for place in 0..WIDTH {
            let [x, y, z] = [a, b, c].map(|group: Group<f32>| group.at(place));
            let same = |group: Group<f32>, number: f32| {
                let ours = group.at(place);
                assert!(
                    ours.to_bits() == number.to_bits() || (ours.is_nan() && number.is_nan()),
                    "{x} {y} {z}"
                );
            };
            same(a + b, x + y);
            same(a - b, x - y);
            same(a * b, x * y);
            same(a / b, x / y);
            same(a.fused(b, c), x.fused(y, z));
            same(a.root(), x.root());
            same(a.magnitude(), x.magnitude());
            same(a.larger(b), x.larger(y));
            same(a.smaller(b), x.smaller(y));
            same(Group::select(a.less(b), a, b), f32::select(x.less(y), x, y));
            same(
                Group::select(a.unknown() | b.unknown(), c, a),
                f32::select(x.unknown() | y.unknown(), z, x),
            );
            same(Group::map([&a, &b], |[a, b]| [a.max(b)])[0], x.max(y));
        }
        assert!(Group::<f32>::any(a.unknown()) && !Group::<f32>::any(Group::all_of(1.0_f32).unknown()));
    }
}
