//! Wilder's relative strength index, in TA-Lib's order of operations (equal bits).
//!
//! Source: J. Welles Wilder, New Concepts in Technical Trading Systems, 1978; value 50 where neither a gain nor
//! a loss has been seen, as TA-Lib 0.8.3.

use num_traits::Float;

use crate::feature::value::{Number, Value};

/// Values seen (up to rows + 1), the value before, average gain, average loss.
pub(super) const STATE_LEN: usize = 4;

#[inline(always)]
pub(super) fn advance<V: Value>(rows: usize, state: &mut [V], x: &[V], out: &mut [V]) {
    let full = V::Number::of((rows + 1) as f64);
    let inverse = V::Number::of(1.0 / rows as f64);
    let older = V::Number::of((rows - 1) as f64);
    let half = V::Number::of(0.5);
    let ordinary = |[seen, before, x]: [V::Number; 3]| (seen == full) & (x - before).is_finite();
    let (mut x, mut out) = (x, out);
    loop {
        // A loop of its own, whose averages nothing else can touch: they stay in registers.
        let (seen, mut before, mut gain, mut loss) = (state[0], state[1], state[2], state[3]);
        let mut passed = 0;
        for (x, out) in x.iter().zip(out.iter_mut()) {
            if !V::hold([&seen, &before, x], |row| ordinary(row) | (row[0] == full) & row[2].is_nan()) {
                break;
            }
            [before, gain, loss, *out] = V::map([&before, &gain, &loss, x], |[before, gain, loss, x]| {
                let next = step([before, gain, loss, x], older, inverse, half);
                if x.is_nan() { [before, gain, loss, x] } else { next }
            });
            passed += 1;
        }
        (state[1], state[2], state[3]) = (before, gain, loss);
        let Some((now, later)) = x[passed..].split_first() else { return };
        let Some((target, rest)) = out[passed..].split_first_mut() else { return };
        let row = [&state[0], &state[1], &state[2], &state[3], now];
        [state[0], state[1], state[2], state[3], *target] = V::map(row, |[seen, before, gain, loss, x]| {
            if ordinary([seen, before, x]) {
                let [before, gain, loss, out] = step([before, gain, loss, x], older, inverse, half);
                [seen, before, gain, loss, out]
            } else {
                warm_up(rows, [seen, before, gain, loss], x)
            }
        });
        (x, out) = (later, rest);
    }
}

/// An ordinary row: value, averages and index.
#[inline(always)]
fn step<T: Number>([before, gain, loss, x]: [T; 4], older: T, inverse: T, half: T) -> [T; 4] {
    let change = x - before;
    // The gain or zero, without a branch: which way a price goes cannot be predicted. Both steps are exact.
    let risen = (change + change.abs()) * half;
    let gain = (gain * older + risen) * inverse;
    let loss = (loss * older + (risen - change)) * inverse;
    [x, gain, loss, index(gain, loss)]
}

#[inline(always)]
fn index<T: Number>(gain: T, loss: T) -> T {
    let total = gain + loss;
    let share = super::known(T::of(100.0) * (gain / total));
    if total == T::zero() { T::of(50.0) } else { share }
}

/// A row that is not an ordinary one: a gap, the warm-up, or a change too large for a number, which would
/// poison every later value and starts the warm-up over instead.
#[cold]
#[inline(never)]
fn warm_up<T: Number>(rows: usize, state: [T; 4], x: T) -> [T; 5] {
    let [seen, before, gain, loss] = state;
    if x.is_nan() {
        return [seen, before, gain, loss, x];
    }
    let period = T::of(rows as f64);
    let change = if seen == T::zero() { T::zero() } else { x - before };
    let risen = (change + change.abs()) * T::of(0.5);
    let (gain, loss) = (gain + risen, loss + (risen - change));
    if !(gain + loss).is_finite() || seen > period {
        return [T::one(), x, T::zero(), T::zero(), T::nan()];
    }
    if seen < period {
        return [seen + T::one(), x, gain, loss, T::nan()];
    }
    let inverse = T::of(1.0 / rows as f64);
    let (gain, loss) = (gain * inverse, loss * inverse);
    [seen + T::one(), x, gain, loss, index(gain, loss)]
}
