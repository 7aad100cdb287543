//! Choices on one row: the lesser or greater of two values, comparisons, ratios with a stated limiting value.

use num_traits::{Float, Zero};

use super::known;
use crate::feature::value::{Number, Value};

/// a / b, and `otherwise` where b is zero and a is known.
#[inline(always)]
pub(super) fn quotient<T: Number>(a: T, b: T, otherwise: T) -> T {
    let ratio = a / b;
    if (b == T::zero()) & !a.is_nan() { otherwise } else { ratio }
}

#[inline(always)]
pub(super) fn lesser<T: Number>(a: T, b: T) -> T {
    if (a < b) | a.is_nan() { a } else { b }
}

#[inline(always)]
pub(super) fn greater<T: Number>(a: T, b: T) -> T {
    if (a > b) | a.is_nan() { a } else { b }
}

/// One where a is above b, else zero.
#[inline(always)]
pub(super) fn above<T: Number>(a: T, b: T) -> T {
    let holds = if a > b { T::one() } else { T::zero() };
    if a.is_nan() | b.is_nan() { T::nan() } else { holds }
}

/// `amount` where `change` is above zero, and `amount` where it is below; zero elsewhere.
#[inline(always)]
pub(super) fn split<V: Value>(change: &[V], amount: &[V], risen: &mut [V], fallen: &mut [V]) {
    let zero = V::Number::zero();
    for (((change, amount), risen), fallen) in change.iter().zip(amount).zip(risen).zip(fallen) {
        [*risen, *fallen] = V::map([change, amount], |[change, amount]| {
            let unknown = change.is_nan() | amount.is_nan();
            let up = if change > zero { amount } else { zero };
            let down = if change < zero { amount } else { zero };
            if unknown { [V::Number::nan(); 2] } else { [known(up), known(down)] }
        });
    }
}

/// What an event at a queue adds to it: the whole size where the price came nearer, minus the size before where it
/// went away, and the difference where it stayed. `nearer` is the change of the price towards the other side.
#[inline(always)]
pub(super) fn queue_change<T: Number>(nearer: T, size: T, before: T) -> T {
    let arrived = if nearer >= T::zero() { size } else { T::zero() };
    let gone = if nearer <= T::zero() { before } else { T::zero() };
    if nearer.is_nan() | size.is_nan() | before.is_nan() { T::nan() } else { arrived - gone }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_not_known_decides_nothing() {
        let nan = f64::NAN;
        for f in [lesser, greater, above] {
            assert!(f(nan, 1.0).is_nan() && f(1.0, nan).is_nan());
        }
        assert_eq!(
            (lesser(1.0, 2.0), greater(1.0, 2.0), above(2.0, 1.0), above(1.0, 1.0)),
            (1.0, 2.0, 1.0, 0.0)
        );
        assert_eq!(quotient(0.0, 0.0, 7.0), 7.0);
        assert!(quotient(nan, 0.0, 7.0).is_nan() && quotient(0.0, nan, 7.0).is_nan());
    }

    #[test]
    fn a_queue_changes_as_in_cont_kukanov_and_stoikov() {
        assert_eq!(queue_change(0.0, 5.0, 3.0), 2.0);
        assert_eq!(queue_change(0.01, 5.0, 3.0), 5.0);
        assert_eq!(queue_change(-0.01, 5.0, 3.0), -3.0);
        assert!(queue_change(f64::NAN, 5.0, 3.0).is_nan());
    }
}
