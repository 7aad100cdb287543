//! Choices on one row: the lesser or greater of two values, comparisons, ratios with a stated limiting value.

use num_traits::{Float, One, Zero};

use super::known;
use crate::feature::value::Value;

#[inline(always)]
fn nan<V: Value>() -> V {
    V::all_of(V::Number::nan())
}

#[inline(always)]
fn zero<V: Value>() -> V {
    V::all_of(V::Number::zero())
}

/// a / b, and `otherwise` where b is zero and a is known.
#[inline(always)]
pub(super) fn quotient<V: Value>(a: V, b: V, otherwise: V) -> V {
    let divides = b.less(zero()) | zero::<V>().less(b) | b.unknown() | a.unknown();
    V::select(divides, a / b, otherwise)
}

#[inline(always)]
pub(super) fn lesser<V: Value>(a: V, b: V) -> V {
    V::select(a.less(b) | a.unknown(), a, b)
}

#[inline(always)]
pub(super) fn greater<V: Value>(a: V, b: V) -> V {
    V::select(b.less(a) | a.unknown(), a, b)
}

/// One where a is above b, else zero.
#[inline(always)]
pub(super) fn above<V: Value>(a: V, b: V) -> V {
    let holds = V::select(b.less(a), V::all_of(V::Number::one()), zero());
    V::select(a.unknown() | b.unknown(), nan(), holds)
}

/// `amount` where `change` is above zero, and `amount` where it is below; zero elsewhere.
#[inline(always)]
pub(super) fn split<V: Value>(change: &[V], amount: &[V], risen: &mut [V], fallen: &mut [V]) {
    for (((change, amount), risen), fallen) in change.iter().zip(amount).zip(risen).zip(fallen) {
        let unknown = change.unknown() | amount.unknown();
        let up = V::select(zero::<V>().less(*change), *amount, zero());
        let down = V::select(change.less(zero()), *amount, zero());
        (*risen, *fallen) = (V::select(unknown, nan(), known(up)), V::select(unknown, nan(), known(down)));
    }
}

/// What an event at a queue adds to it: the whole size where the price came nearer, minus the size before where it
/// went away, and the difference where it stayed. `nearer` is the change of the price towards the other side.
#[inline(always)]
pub(super) fn queue_change<V: Value>(nearer: V, size: V, before: V) -> V {
    let arrived = V::select(nearer.less(zero()), zero(), size);
    let gone = V::select(zero::<V>().less(nearer), zero(), before);
    V::select(nearer.unknown() | size.unknown() | before.unknown(), nan(), arrived - gone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_not_known_decides_nothing() {
        let nan = f64::NAN;
        for f in [lesser::<f64>, greater, above] {
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
