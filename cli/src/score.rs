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
    gain: f64,
    gain_squared: f64,
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
    /// Two standard errors of the skill, from the spread of the gain of each window; targets that overlap count as one.
    pub skill_error: f64,
    /// Pearson correlation of prediction and truth; 0 where either is constant.
    pub correlation: f64,
    /// Truths that are not zero.
    pub moves: u64,
    /// Share of those whose sign was predicted.
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
        let gain = truth * truth - (predicted - truth).powi(2);
        self.gain += gain;
        self.gain_squared += gain * gain;
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
        // The spread of the gain itself, t^2 - (p - t)^2, and not of its parts: where large predictions meet large
        // moves, as they do when volatility clusters, the parts would make it look several times smaller.
        let independent = n / self.overlap.max(1.0);
        let skill_error = if mse_of_zero > 0.0 {
            2.0 * spread(self.gain_squared, self.gain) / independent.sqrt() / mse_of_zero
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
            moves: self.signs,
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

    /// Whether they are better by more than two standard errors.
    #[must_use]
    pub fn is_evidence(&self) -> bool {
        self.beats_zero() && self.skill > self.skill_error
    }

    /// The verdict in one plain sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let (percent, error) = (100.0 * self.skill, 100.0 * self.skill_error);
        if self.mse_of_zero == 0.0 {
            "cannot be judged: the price did not move".to_owned()
        } else if !self.beats_zero() {
            format!("does NOT beat predicting zero return: its squared error is {:.3} % larger", -percent)
        } else if self.is_evidence() {
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

    /// Pseudo-random pairs whose truth and prediction are large together, as volatility makes them.
    fn clustered(count: u64) -> Vec<(f64, f64)> {
        let mut state = 7u64;
        let mut draw = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f64 / (1u64 << 30) as f64 - 1.0
        };
        (0..count)
            .map(|row| if row % 10 == 0 { (2.0 * draw(), 9.0 * draw()) } else { (0.1 * draw(), draw()) })
            .collect()
    }

    #[test]
    fn the_error_is_the_spread_of_the_skill_over_halves_of_the_rows() {
        // Skills of many independent parts: their spread is what `skill_error` of one part must say.
        let pairs = clustered(400_000);
        let parts: Vec<Verdict> = pairs.chunks(4000).map(verdict).collect();
        let mean = parts.iter().map(|part| part.skill).sum::<f64>() / parts.len() as f64;
        let variance = parts.iter().map(|part| (part.skill - mean).powi(2)).sum::<f64>() / parts.len() as f64;
        let quoted = parts.iter().map(|part| part.skill_error).sum::<f64>() / parts.len() as f64;
        let ratio = quoted / (2.0 * variance.sqrt());
        assert!((0.8..1.25).contains(&ratio), "quoted {quoted}, seen {}", 2.0 * variance.sqrt());
    }

    #[test]
    fn the_sentence_follows_the_error() {
        let mut verdict = verdict(&clustered(1000));
        (verdict.mse, verdict.mse_of_zero, verdict.skill) = (0.9, 1.0, 0.1);
        verdict.skill_error = 0.2;
        assert!(verdict.sentence().contains("no better") && !verdict.is_evidence());
        verdict.skill_error = 0.05;
        assert!(verdict.sentence().starts_with("beats") && verdict.is_evidence());
        verdict.mse_of_zero = 0.0;
        assert!(verdict.sentence().contains("cannot be judged"));
    }

    #[test]
    fn an_unknown_truth_is_left_out() {
        let mut score = Score::default();
        score.push(1.0, f64::NAN);
        assert!(score.verdict().is_none());
    }
}
