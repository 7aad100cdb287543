//! Features brought to a common scale: `(x - mean) / deviation`, one mean and one deviation for each output.
//!
//! They are fitted on the rows that a model trains on, and on those only, and are stored with the model.
//! Written as `f32`, the result is what the model reads.

use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use crate::feature::op::shown;

/// Means and deviations of the outputs of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Normaliser {
    /// Mean of each output.
    pub mean: Vec<f64>,
    /// Reciprocal of the standard deviation of each output; one for an output that never changed.
    pub inverse_deviation: Vec<f64>,
}

impl Normaliser {
    /// One that changes nothing.
    #[must_use]
    pub fn identity(outputs: usize) -> Self {
        Self { mean: vec![0.0; outputs], inverse_deviation: vec![1.0; outputs] }
    }

    /// Number of outputs.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.mean.len()
    }

    /// The normalised value of output number `output`; NaN stays NaN.
    ///
    /// # Panics
    /// When there is no such output.
    #[must_use]
    #[inline]
    pub fn apply(&self, output: usize, x: f64) -> f32 {
        normalised(x, self.mean[output], self.inverse_deviation[output])
    }

    /// [`Normaliser::apply`] to a row of all outputs, whose NaN may have any bits.
    #[inline(always)]
    pub(crate) fn apply_row(&self, row: &[f64], out: &mut [f32]) {
        assert_eq!(self.inverse_deviation.len(), self.mean.len(), "deviations of the normaliser");
        let moments = self.mean.iter().zip(&self.inverse_deviation);
        for ((slot, x), (mean, inverse)) in out.iter_mut().zip(row).zip(moments) {
            *slot = normalised(shown(*x), *mean, *inverse);
        }
    }
}

#[inline(always)]
fn normalised(x: f64, mean: f64, inverse_deviation: f64) -> f32 {
    ((x - mean) * inverse_deviation) as f32
}

/// Count, mean and spread of numbers as they come, by Welford's recurrence (B. P. Welford, Technometrics 4, 1962). The
/// result depends on their order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    /// Takes one more number; what is not finite is left out.
    pub fn push(&mut self, x: f64) {
        if x.is_finite() {
            self.count += 1.0;
            let distance = x - self.mean;
            self.mean += distance / self.count;
            self.squares += distance * (x - self.mean);
        }
    }

    /// How many numbers.
    #[must_use]
    pub const fn count(&self) -> f64 {
        self.count
    }

    /// Their mean; zero of none.
    #[must_use]
    pub const fn mean(&self) -> f64 {
        self.mean
    }

    /// Their population standard deviation; zero of none.
    #[must_use]
    pub fn deviation(&self) -> f64 {
        (self.squares / self.count.max(1.0)).sqrt()
    }

    /// Whether they are all equal, as far as roundings of the mean can tell.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        self.deviation() <= 1e-12 * self.mean.abs()
    }
}

/// Means and deviations in the making: rows come in any number of pieces. The result depends on the order of the rows,
/// and not on how they were cut.
#[derive(Clone, Debug)]
pub struct Fit {
    outputs: Vec<Moments>,
}

impl Fit {
    /// Over no rows yet.
    #[must_use]
    pub fn new(outputs: usize) -> Self {
        Self { outputs: vec![Moments::default(); outputs] }
    }

    /// Takes more rows, `features[row, output]`. What is not finite is left out.
    pub fn extend(&mut self, features: &ArrayView2<'_, f64>) {
        for row in features.rows() {
            self.outputs.iter_mut().zip(row).for_each(|(moments, x)| moments.push(*x));
        }
    }

    /// Takes one more row.
    pub fn push(&mut self, features: &[f64]) {
        self.outputs.iter_mut().zip(features).for_each(|(moments, x)| moments.push(*x));
    }

    /// The first output of which no value was known, if there is one.
    #[must_use]
    pub fn silent(&self) -> Option<usize> {
        self.outputs.iter().position(|moments| moments.count == 0.0)
    }

    /// The mean and the population deviation of what was seen; an output never seen is left as it is.
    #[must_use]
    pub fn finish(&self) -> Normaliser {
        let inverse = |moments: &Moments| {
            let inverse = 1.0 / moments.deviation();
            // Dividing by the deviation of a constant makes noise.
            if inverse.is_finite() && !moments.is_constant() { inverse } else { 1.0 }
        };
        Normaliser {
            mean: self.outputs.iter().map(Moments::mean).collect(),
            inverse_deviation: self.outputs.iter().map(inverse).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn known_values_come_out_with_mean_zero_and_deviation_one() {
        let features =
            array![[1.0, f64::NAN, 7.0], [3.0, f64::NAN, 7.0], [5.0, f64::NAN, 7.0], [f64::NAN; 3]];
        let mut fit = Fit::new(3);
        fit.extend(&features.view());
        let normaliser = fit.finish();
        assert_eq!(normaliser.mean, [3.0, 0.0, 7.0]);
        assert_eq!(normaliser.inverse_deviation[1..], [1.0, 1.0]);
        let deviation = (8.0_f64 / 3.0).sqrt();
        assert_eq!(normaliser.apply(0, 5.0), (2.0 / deviation) as f32);
        assert_eq!(normaliser.apply(2, 7.0), 0.0);
        assert!(normaliser.apply(0, f64::NAN).is_nan());
        let json = serde_json::to_string(&normaliser).unwrap();
        assert_eq!(serde_json::from_str::<Normaliser>(&json).unwrap(), normaliser);
    }

    #[test]
    fn pieces_fit_like_the_whole() {
        let features =
            ndarray::Array2::from_shape_fn((50, 2), |(row, output)| ((row * 37 + output) % 11) as f64);
        let mut whole = Fit::new(2);
        whole.extend(&features.view());
        let mut pieces = Fit::new(2);
        pieces.extend(&features.slice(ndarray::s![..17, ..]));
        pieces.extend(&features.slice(ndarray::s![17.., ..]));
        assert_eq!(whole.finish(), pieces.finish());
    }
}
