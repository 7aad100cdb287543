//! How good predictions are, against the honest rival: predicting that nothing will change.

use serde::Serialize;

/// Sums over pairs of prediction and truth.
#[derive(Clone, Copy, Debug, Default)]
pub struct Score {
    count: u64,
    squared_error: f64,
    truth: f64,
    truth_squared: f64,
    predicted: f64,
    predicted_squared: f64,
    product: f64,
    signs: u64,
    signs_right: u64,
    overlap: f64,
}

/// What the sums say.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// Pairs of prediction and truth.
    pub count: u64,
    /// Mean squared error of the predictions.
    pub mse: f64,
    /// Mean squared error of predicting zero return.
    pub mse_of_zero: f64,
    /// One minus their ratio: above 0 is better than predicting zero, 1 is perfect.
    pub skill: f64,
    /// Two standard errors of the skill; targets that overlap count as one.
    pub skill_error: f64,
    /// Pearson correlation of prediction and truth; 0 where either is constant.
    pub correlation: f64,
    /// Share of the moves whose sign was predicted.
    pub hit_rate: f64,
}

impl Score {
    /// No pair yet; each target shares its rows with `overlap` - 1 others.
    #[must_use]
    pub fn overlapping(overlap: u64) -> Self {
        Self { overlap: overlap as f64, ..Self::default() }
    }

    /// Counts one pair; a truth that is not finite is not known yet and is left out.
    pub fn push(&mut self, predicted: f64, truth: f64) {
        if !truth.is_finite() {
            return;
        }
        self.count += 1;
        self.squared_error += (predicted - truth).powi(2);
        self.truth += truth;
        self.truth_squared += truth * truth;
        self.predicted += predicted;
        self.predicted_squared += predicted * predicted;
        self.product += predicted * truth;
        if truth != 0.0 {
            self.signs += 1;
            self.signs_right += u64::from((predicted > 0.0) == (truth > 0.0) && predicted != 0.0);
        }
    }

    /// The verdict, or `None` before the first pair.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        if self.count == 0 {
            return None;
        }
        let n = self.count as f64;
        let (mse, mse_of_zero) = (self.squared_error / n, self.truth_squared / n);
        let skill = if mse_of_zero > 0.0 { 1.0 - mse / mse_of_zero } else { 0.0 };
        let covariance = self.product / n - self.predicted / n * (self.truth / n);
        let spread = |squares: f64, sum: f64| (squares / n - (sum / n).powi(2)).max(0.0).sqrt();
        let deviations =
            spread(self.predicted_squared, self.predicted) * spread(self.truth_squared, self.truth);
        // The error is a difference of two squares, p (p - 2 t); its spread is about 2 |p| |t|.
        let skill_error = if mse_of_zero > 0.0 {
            let independent = n / self.overlap.max(1.0);
            2.0 * 2.0 * (self.predicted_squared / n * mse_of_zero).sqrt() / independent.sqrt() / mse_of_zero
        } else {
            0.0
        };
        Some(Verdict {
            count: self.count,
            mse,
            mse_of_zero,
            skill,
            skill_error,
            correlation: if deviations > 0.0 { covariance / deviations } else { 0.0 },
            hit_rate: self.signs_right as f64 / (self.signs as f64).max(1.0),
        })
    }
}

impl Verdict {
    /// Whether the predictions are better than predicting zero return.
    #[must_use]
    pub fn beats_zero(&self) -> bool {
        self.mse < self.mse_of_zero
    }

    /// The verdict in one plain sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let (percent, error) = (100.0 * self.skill, 100.0 * self.skill_error);
        if !self.beats_zero() {
            format!("does NOT beat predicting zero return: its squared error is {:.3} % larger", -percent)
        } else if self.skill > self.skill_error {
            format!(
                "beats predicting zero return: its squared error is {percent:.3} % smaller (two standard errors: {error:.3} %)"
            )
        } else {
            format!(
                "is {percent:.3} % better than predicting zero return, which is within two standard errors ({error:.3} %): take it as no better"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(pairs: &[(f64, f64)]) -> Verdict {
        let mut score = Score::default();
        pairs.iter().for_each(|(p, t)| score.push(*p, *t));
        score.verdict().unwrap()
    }

    #[test]
    fn perfect_zero_and_worse() {
        let truth = [1.0, -2.0, 0.5, 0.0];
        let perfect = verdict(&truth.map(|t| (t, t)));
        assert_eq!((perfect.mse, perfect.skill, perfect.hit_rate), (0.0, 1.0, 1.0));
        assert!((perfect.correlation - 1.0).abs() < 1e-12);
        let zero = verdict(&truth.map(|t| (0.0, t)));
        assert_eq!((zero.skill, zero.correlation, zero.hit_rate), (0.0, 0.0, 0.0));
        assert!(!zero.beats_zero());
        let worse = verdict(&truth.map(|t| (-t, t)));
        assert!(worse.sentence().contains("NOT") && worse.skill < -2.9);
    }

    #[test]
    fn an_unknown_truth_is_left_out() {
        let mut score = Score::default();
        score.push(1.0, f64::NAN);
        assert!(score.verdict().is_none());
    }
}
