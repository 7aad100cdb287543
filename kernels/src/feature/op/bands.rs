//! Mean, variance and deviation of a window and the bands around its mean in one loop: the square root, which takes as long as
//! everything else, runs beside the rest.

use super::rowwise::{Formula, Minus, Plus, Root, Times};
use super::sink::Sink;
use super::{known, window};
use crate::feature::value::Value;

/// Mean and deviation, and the variance for who reads it.
struct Deviation<'a, V, S> {
    mean: &'a mut [V],
    deviation: &'a mut [V],
    variance: S,
}

impl<V: Value, S: Sink<V>> window::Spreads<V> for Deviation<'_, V, S> {
    #[inline(always)]
    fn take(&mut self, row: usize, [mean, variance]: [V; 2]) {
        self.mean[row] = mean;
        self.variance.put(row, variance);
        self.deviation[row] = known(Root.of([variance]));
    }
}

/// The same, and the mean plus and minus `width` deviations.
struct Bands<'a, V, S> {
    inner: Deviation<'a, V, S>,
    width: V,
    above: &'a mut [V],
    below: &'a mut [V],
}

impl<V: Value, S: Sink<V>> window::Spreads<V> for Bands<'_, V, S> {
    #[inline(always)]
    fn take(&mut self, row: usize, [mean, variance]: [V; 2]) {
        let Deviation { mean: mean_out, variance: variance_out, deviation: deviation_out } = &mut self.inner;
        let deviation = known(Root.of([variance]));
        let way = known(Times.of([deviation, self.width]));
        mean_out[row] = mean;
        variance_out.put(row, variance);
        deviation_out[row] = deviation;
        self.above[row] = known(Plus.of([mean, way]));
        self.below[row] = known(Minus.of([mean, way]));
    }
}

/// Mean and deviation of a window of `n` rows, whose state is that of its moments.
#[inline(always)]
pub(crate) fn deviation<V: Value>(
    n: usize,
    state: &mut [V],
    x: &[V],
    [mean, deviation]: [&mut [V]; 2],
    variance: impl Sink<V>,
) {
    window::moments(n, state, x, &mut Deviation { mean, deviation, variance });
}

/// The same with bands of `width` deviations.
#[inline(always)]
pub(crate) fn bands<V: Value>(
    (n, width): (usize, V),
    state: &mut [V],
    x: &[V],
    [mean, deviation, above, below]: [&mut [V]; 4],
    variance: impl Sink<V>,
) {
    let inner = Deviation { mean, deviation, variance };
    window::moments(n, state, x, &mut Bands { inner, width, above, below });
}
