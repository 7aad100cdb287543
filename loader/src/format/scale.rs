//! Prices as whole numbers and a divisor: what files of ours note at such a column, and what a number in it stands for.
//!
//! 101.37 is stored as 10137 with the divisor 100. A quotient of two whole numbers that f64 holds is rounded to the nearest f64
//! everywhere, so who divides gets the very bits that were written; the writer checks that for each value.

/// The attribute with the divisor.
pub(crate) const DIVISOR: &str = "diapason_divisor";
/// The attribute with the number that stands for NaN, where there are such.
pub(crate) const NAN: &str = "diapason_nan";
/// The attribute, 1, that says that quotients are rounded to f32 in the end, because the source held f32.
pub(crate) const SINGLE: &str = "diapason_single";
/// The attribute with the type of the values, where they are stored as another that holds each of them.
pub(crate) const TYPE: &str = "diapason_type";

/// The bits of the NaN that a number may stand for: the usual one, positive, quiet, with nothing in it.
pub(crate) const NAN_BITS: u64 = 0x7FF8_0000_0000_0000;

/// What the numbers of a column stand for.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// What they are divided by.
    pub divisor: f64,
    /// The one that is NaN; NaN itself where none is.
    pub nan: f64,
    /// Whether the quotient is rounded to f32.
    pub is_single: bool,
}

impl Scale {
    /// The value that the whole number `number` stands for.
    #[inline]
    pub fn value(self, number: f64) -> f64 {
        let quotient = self.quotient(number);
        if number == self.nan { f64::from_bits(NAN_BITS) } else { quotient }
    }

    /// As [`Scale::value`], of a number that is no NaN.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "that is what rounding to f32 means")]
    pub fn quotient(self, number: f64) -> f64 {
        let quotient = number / self.divisor;
        if self.is_single { f64::from(quotient as f32) } else { quotient }
    }
}
