//! Dropout between layers: which values stay is a hash of seed, step and place, so it depends on no thread.

use crate::random;

/// One step's dropout.
#[derive(Clone, Copy, Debug)]
pub(in crate::lstm) struct Dropout {
    /// The chance that a value is dropped, above 0 and below 1.
    pub rate: f32,
    /// Drawn from the seed and the step.
    pub key: u64,
}

impl Dropout {
    /// `None` when nothing is dropped.
    pub fn new(rate: f32, seed: u64, step: u64) -> Option<Self> {
        (rate > 0.0).then(|| Self { rate, key: random::bits(seed, step) })
    }

    /// What the value at `place` is multiplied by: 0, or what keeps the mean.
    pub fn factor(self, place: u64) -> f32 {
        if random::unit(self.key, place) < self.rate { 0.0 } else { 1.0 / (1.0 - self.rate) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_its_share_and_keeps_the_mean() {
        assert!(Dropout::new(0.0, 1, 1).is_none());
        let dropout = Dropout::new(0.3, 1, 1).unwrap();
        let factors: Vec<f32> = (0..100_000).map(|place| dropout.factor(place)).collect();
        let dropped = factors.iter().filter(|f| **f == 0.0).count();
        assert!((29_000..31_000).contains(&dropped), "{dropped}");
        let mean = factors.iter().sum::<f32>() / 100_000.0;
        assert!((mean - 1.0).abs() < 0.02, "{mean}");
        assert_ne!(Dropout::new(0.3, 1, 2).unwrap().key, dropout.key);
    }
}
