//! Choices on one row: the lesser or greater of two values, comparisons, ratios with a stated limiting value.

use num_traits::{Float, One, Zero};

use super::known;
use super::rowwise::{Formula, formula};
use crate::feature::value::{Number, Value};

#[inline(always)]
fn nan<V: Value>() -> V {
    V::all_of(V::Number::nan())
}

#[inline(always)]
fn zero<V: Value>() -> V {
    V::all_of(V::Number::zero())
}

/// a / b, and `otherwise` where b is zero and a is known.
#[derive(Clone, Copy)]
pub(super) struct Quotient {
    pub otherwise: f64,
}

impl<V: Value> Formula<V, 2> for Quotient {
    #[inline(always)]
    fn of(self, [a, b]: [V; 2]) -> V {
        let divides = b.less(zero()) | zero::<V>().less(b) | b.unknown() | a.unknown();
        V::select(divides, a / b, V::all_of(V::Number::of(self.otherwise)))
    }
}

formula!(Lesser, 2, |[a, b]| V::select(a.less(b) | a.unknown(), a, b));
formula!(Greater, 2, |[a, b]| V::select(b.less(a) | a.unknown(), a, b));
formula!(
    /// One where a is above b, else zero.
    Above,
    2,
    |[a, b]| {
        let holds = V::select(b.less(a), V::all_of(V::Number::one()), zero());
        V::select(a.unknown() | b.unknown(), nan(), holds)
    }
);

/// What rounding alone can make of the difference of two equal values: in `f64` TA-Lib's 1e-14 of the sum of both, in
/// `f32` four roundings.
#[inline(always)]
fn rounding<N: Number>() -> N {
    let four = N::of(4.0) * N::epsilon();
    if four < N::of(1e-14) { N::of(1e-14) } else { four }
}

formula!(
    /// a - b, and zero where they differ by no more than rounding: the typical prices of two bars may be the same number
    /// rounded in two ways.
    Departure,
    2,
    |[a, b]| {
        let distance = a - b;
        // Summed after scaling, so that the largest numbers do not overflow.
        let share = V::all_of(rounding());
        let bound = a.magnitude() * share + b.magnitude() * share;
        V::select(bound.less(distance.magnitude()) | distance.unknown(), distance, zero())
    }
);

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

formula!(
    /// What an event at a queue adds to it: the whole size where the price came nearer, minus the size before where it
    /// went away, and the difference where it stayed. The first input is the change of the price towards the other side.
    QueueChange,
    3,
    |[nearer, size, before]| {
        let arrived = V::select(nearer.less(zero()), zero(), size);
        let gone = V::select(zero::<V>().less(nearer), zero(), before);
        V::select(nearer.unknown() | size.unknown() | before.unknown(), nan(), arrived - gone)
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_not_known_decides_nothing() {
        let nan = f64::NAN;
        for pair in [[nan, 1.0], [1.0, nan]] {
            assert!(Lesser.of(pair).is_nan() && Greater.of(pair).is_nan() && Above.of(pair).is_nan());
        }
        assert_eq!([Lesser.of([1.0, 2.0]), Greater.of([1.0, 2.0])], [1.0, 2.0]);
        assert_eq!([Above.of([2.0, 1.0]), Above.of([1.0, 1.0])], [1.0, 0.0]);
        let ratio = Quotient { otherwise: 7.0 };
        assert_eq!(ratio.of([0.0, 0.0]), 7.0);
        assert!(ratio.of([nan, 0.0]).is_nan() && ratio.of([0.0, nan]).is_nan());
    }

    #[test]
    fn a_sum_in_another_order_is_no_departure() {
        let (one, other) = (0.1 + 0.2 + 0.3, 0.3 + 0.2 + 0.1);
        assert!(one != other);
        assert_eq!(Departure.of([one, other]), 0.0);
        assert_eq!(Departure.of([100.01, 100.0]), 100.01 - 100.0);
        assert_eq!(Departure.of([1e-300, 0.0]), 1e-300);
        assert_eq!(Departure.of([0.0, 0.0]), 0.0);
        assert_eq!(Departure.of([1.7e308, 1.6e308]), 1.7e308 - 1.6e308);
        assert_eq!(Departure.of([0.6_f32, 0.6_f32 + f32::EPSILON]), 0.0);
        assert!(Departure.of([f64::NAN, 1.0]).is_nan() && Departure.of([1.0, f64::NAN]).is_nan());
    }

    #[test]
    fn a_queue_changes_as_in_cont_kukanov_and_stoikov() {
        assert_eq!(QueueChange.of([0.0, 5.0, 3.0]), 2.0);
        assert_eq!(QueueChange.of([0.01, 5.0, 3.0]), 5.0);
        assert_eq!(QueueChange.of([-0.01, 5.0, 3.0]), -3.0);
        assert!(QueueChange.of([f64::NAN, 5.0, 3.0]).is_nan());
    }
}
