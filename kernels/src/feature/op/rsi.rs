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
    let period = Period::<V>::new(rows);
    let [seen, mut before, mut gain, mut loss] = [state[0], state[1], state[2], state[3]];
    if !V::any(seen.unknown() | seen.less(V::all_of(full))) {
        for (x, out) in x.iter().zip(out.iter_mut()) {
            [before, gain, loss, *out] = period.step([before, gain, loss, *x]);
        }
        // A gap, and a change that is no number, stay in the averages to the end of the block: then the rows are taken
        // again. So the choice is in nobody's way from row to row.
        if !V::any((gain + loss).unknown()) {
            (state[1], state[2], state[3]) = (before, gain, loss);
            return;
        }
    }
    let one = Period::<V::Number>::new(rows);
    for (x, out) in x.iter().zip(out) {
        let row = [&state[0], &state[1], &state[2], &state[3], x];
        [state[0], state[1], state[2], state[3], *out] = V::map(row, |[seen, before, gain, loss, x]| {
            if (seen == full) & (x - before).is_finite() {
                let [before, gain, loss, out] = one.step([before, gain, loss, x]);
                [seen, before, gain, loss, out]
            } else {
                warm_up(rows, [seen, before, gain, loss], x)
            }
        });
    }
}

/// One row of [`advance`], whose `inverse` is that of `rows`.
#[inline(always)]
pub(super) fn row<V: Value>(rows: usize, inverse: V, state: &mut [V], x: V) -> V {
    let period = Period { older: number((rows - 1) as f64), inverse, half: number(0.5) };
    let [seen, before, gain, loss] = [state[0], state[1], state[2], state[3]];
    let [before, gain, loss, out] = period.step([before, gain, loss, x]);
    let warming = seen.unknown() | seen.less(number((rows + 1) as f64));
    if V::any(warming | (gain + loss).unknown()) {
        let mut out = [x];
        advance(rows, state, &[x], &mut out);
        return out[0];
    }
    (state[1], state[2], state[3]) = (before, gain, loss);
    out
}

#[inline(always)]
fn number<V: Value>(x: f64) -> V {
    V::all_of(V::Number::of(x))
}

/// The constants of a period.
#[derive(Clone, Copy)]
struct Period<V> {
    older: V,
    inverse: V,
    half: V,
}

impl<V: Value> Period<V> {
    #[inline(always)]
    fn new(rows: usize) -> Self {
        Self { older: number((rows - 1) as f64), inverse: number(1.0 / rows as f64), half: number(0.5) }
    }

    /// An ordinary row: value, averages and index.
    #[inline(always)]
    fn step(self, [before, gain, loss, x]: [V; 4]) -> [V; 4] {
        let change = x - before;
        // The gain or zero, without a branch: which way a price goes cannot be predicted. Both steps are exact.
        let risen = (change + change.magnitude()) * self.half;
        let gain = (gain * self.older + risen) * self.inverse;
        let loss = (loss * self.older + (risen - change)) * self.inverse;
        [x, gain, loss, index(gain, loss)]
    }
}

#[inline(always)]
fn index<V: Value>(gain: V, loss: V) -> V {
    let total = gain + loss;
    let share = number::<V>(100.0) * (gain / total);
    V::select(number::<V>(0.0).less(total), share, number(50.0))
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
