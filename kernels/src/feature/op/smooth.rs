//! Exponential smoothing with TA-Lib's seed, the mean of the first `rows` values, and its order of operations:
//! one fused multiplication and addition a row (equal bits, and half the latency on which the loop waits).
//!
//! The exponential moving average keeps (rows - 1)/(rows + 1), Wilder's average (rows - 1)/rows. `skip` delays
//! the seed: the fast average of MACD is seeded on the window that ends where the slow one's does.

use num_traits::Float;

use super::rowwise::{Formula, KeptWhere, Minus, TrueRange};
use super::sink::Sink;
use super::window::count;
use crate::feature::value::{Number, Value};

/// Values seen (up to skip + rows), then the running seed sum or the average.
pub(super) const STATE_LEN: usize = 2;

/// How to smooth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Weights {
    pub rows: usize,
    pub skip: usize,
    pub keep: f64,
    pub take: f64,
}

#[inline(always)]
fn number<V: Value>(x: f64) -> V {
    V::all_of(V::Number::of(x))
}

/// An average on its way.
#[derive(Clone, Copy)]
pub(super) struct Average<V> {
    weights: Weights,
    keep: V,
    take: V,
    seeded: V,
    seen: V,
    pub value: V,
}

impl<V: Value> Average<V> {
    #[inline(always)]
    pub(super) fn new(weights: Weights, state: &[V]) -> Self {
        let seeded = count(weights.skip + weights.rows);
        let (keep, take) = (number(weights.keep), number(weights.take));
        Self { weights, keep, take, seeded, seen: state[0], value: state[1] }
    }

    #[inline(always)]
    pub(super) fn save(self, state: &mut [V]) {
        (state[0], state[1]) = (self.seen, self.value);
    }

    /// Whether any place waits for its seed.
    #[inline(always)]
    pub(super) fn warms_up(&self) -> bool {
        V::any(self.seen.less(self.seeded))
    }

    /// A row after the warm-up. A gap stays in the average.
    #[inline(always)]
    pub(super) fn step(&mut self, x: V) -> V {
        self.value = next(self.keep, self.take, self.value, x);
        self.value
    }

    /// A row after the warm-up, which may be a gap.
    #[inline(always)]
    fn step_over(&mut self, x: V) -> V {
        let next = next(self.keep, self.take, self.value, x);
        self.value = V::select(x.unknown(), self.value, next);
        next
    }

    /// A row during the warm-up of some places.
    #[inline(always)]
    fn step_warming(&mut self, x: V) -> V {
        let warming = self.seen.less(self.seeded);
        let next = next(self.keep, self.take, self.value, x);
        let [seed_seen, seed_value, seed_out] = seed(self.weights, self.seeded, [self.seen, self.value, x]);
        self.value = V::select(x.unknown(), self.value, V::select(warming, seed_value, next));
        self.seen = V::select(x.unknown(), self.seen, V::select(warming, seed_seen, self.seen));
        V::select(warming, seed_out, next)
    }

    /// Any row.
    #[inline(always)]
    pub(super) fn step_any(&mut self, x: V) -> V {
        if self.warms_up() { self.step_warming(x) } else { self.step_over(x) }
    }
}

#[inline(always)]
pub(super) fn advance<V: Value>(weights: Weights, state: &mut [V], x: &[V], out: &mut [V]) {
    let mut average = Average::new(weights, state);
    let mut passed = 0;
    for (x, out) in x.iter().zip(out.iter_mut()) {
        if !average.warms_up() {
            break;
        }
        passed += 1;
        *out = average.step_warming(*x);
    }
    let (x, out) = (&x[passed..], &mut out[passed..]);
    let before = average.value;
    for (x, out) in x.iter().zip(out.iter_mut()) {
        *out = average.step(*x);
    }
    // A gap stays in the average to the end of the block: then the rows are taken again, without those of the gap. So the
    // choice is in nobody's way from row to row.
    if V::any(average.value.unknown()) {
        average.value = before;
        for (x, out) in x.iter().zip(out) {
            *out = average.step_over(*x);
        }
    }
    average.save(state);
}

/// The average of the true range, and the range for who reads it.
#[inline(always)]
pub(crate) fn average_range<V: Value>(
    weights: Weights,
    state: &mut [V],
    [high, low, before_close]: [&[V]; 3],
    mut range: impl Sink<V>,
    out: &mut [V],
) {
    let mut average = Average::new(weights, state);
    let before = average.value;
    let bars = || high.iter().zip(low).zip(before_close).enumerate();
    let mut done = false;
    if !average.warms_up() {
        for (row, ((high, low), close)) in bars() {
            let x = super::known(TrueRange.of([*high, *low, *close]));
            range.put(row, x);
            out[row] = average.step(x);
        }
        done = !V::any(average.value.unknown());
    }
    if !done {
        average.value = before;
        for (row, ((high, low), close)) in bars() {
            let x = super::known(TrueRange.of([*high, *low, *close]));
            range.put(row, x);
            out[row] = average.step_any(x);
        }
    }
    average.save(state);
}

/// What MACD makes of a fast and a slow average, and the averages and their difference for who reads them.
pub(crate) struct Convergence<'a, V, F, S, L> {
    pub fast: F,
    pub slow: S,
    /// Fast less slow.
    pub line: L,
    /// The average of the line.
    pub signal: &'a mut [V],
    /// The line from where its average is known.
    pub shown: &'a mut [V],
    /// The line less its average.
    pub left: &'a mut [V],
}

impl<V: Value, F: Sink<V>, S: Sink<V>, L: Sink<V>> Convergence<'_, V, F, S, L> {
    #[inline(always)]
    fn put(&mut self, row: usize, [fast, slow]: [V; 2], [line, signal]: [V; 2]) {
        self.fast.put(row, fast);
        self.slow.put(row, slow);
        self.line.put(row, line);
        self.signal[row] = signal;
        self.shown[row] = super::known(KeptWhere.of([line, signal]));
        self.left[row] = super::known(Minus.of([line, signal]));
    }
}

/// A fast average less a slow one and the average of that in one loop, so that the three recursions wait beside each other.
#[inline(always)]
pub(crate) fn convergence<V: Value, F: Sink<V>, S: Sink<V>, L: Sink<V>>(
    weights: [Weights; 3],
    [fast_state, slow_state, signal_state]: [&mut [V]; 3],
    x: &[V],
    mut out: Convergence<'_, V, F, S, L>,
) {
    let mut fast = Average::new(weights[0], fast_state);
    let mut slow = Average::new(weights[1], slow_state);
    let mut signal = Average::new(weights[2], signal_state);
    let before = [fast.value, slow.value, signal.value];
    let mut done = false;
    if !fast.warms_up() && !slow.warms_up() && !signal.warms_up() {
        for (row, x) in x.iter().enumerate() {
            let pair = [fast.step(*x), slow.step(*x)];
            let line = super::known(Minus.of(pair));
            out.put(row, pair, [line, signal.step(line)]);
        }
        done = !V::any((fast.value + slow.value + signal.value).unknown());
    }
    if !done {
        [fast.value, slow.value, signal.value] = before;
        for (row, x) in x.iter().enumerate() {
            let pair = [fast.step_any(*x), slow.step_any(*x)];
            let line = super::known(Minus.of(pair));
            let average = signal.step_any(line);
            out.put(row, pair, [line, average]);
        }
    }
    fast.save(fast_state);
    slow.save(slow_state);
    signal.save(signal_state);
}

/// One row of [`advance`], where the seed is complete after `seeded` values.
#[inline(always)]
pub(super) fn row<V: Value>(weights: Weights, seeded: V, state: &mut [V], x: V) -> V {
    let followed = next(number(weights.keep), number(weights.take), state[1], x);
    if V::any(state[0].less(seeded) | followed.unknown()) {
        let mut out = [x];
        advance(weights, state, &[x], &mut out);
        return out[0];
    }
    state[1] = followed;
    followed
}

#[inline(always)]
fn next<V: Value>(keep: V, take: V, value: V, x: V) -> V {
    keep.fused(value, take * x)
}

/// One row of warming up: the new count, the new sum or mean, and the output.
#[inline(always)]
fn seed<V: Value>(weights: Weights, seeded: V, [seen, sum, x]: [V; 3]) -> [V; 3] {
    let seen = seen + number(1.0);
    let sum = V::select(count::<V>(weights.skip).less(seen), sum + x, sum);
    let mean = super::known(sum / count::<V>(weights.rows));
    // A seed that overflows would poison every later value; the warm-up starts over instead.
    let (restart, pending) = (mean.unknown(), seen.less(seeded));
    [
        V::select(pending, seen, V::select(restart, number(0.0), seen)),
        V::select(pending, sum, V::select(restart, number(0.0), mean)),
        V::select(pending, V::all_of(V::Number::nan()), mean),
    ]
}
