//! How the step size changes over the steps.

use serde::{Deserialize, Serialize};

use super::error::TrainError;

/// The step size as a function of the step's number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Schedule {
    /// Always the same.
    #[default]
    Constant,
    /// Linear from 0 over `warmup_steps`, then half a cosine down to `floor` times the start at `total_steps`.
    Cosine {
        /// Steps of the linear rise; 0 for none.
        warmup_steps: u64,
        /// The step at which the floor is reached; later steps stay there.
        total_steps: u64,
        /// The last step size as a part of the first, 0..=1.
        floor: f32,
    },
    /// Times `factor` after each `every` steps.
    Step {
        /// Steps between two falls, at least 1.
        every: u64,
        /// The factor, above 0 and at most 1.
        factor: f32,
    },
}

impl Schedule {
    /// The step size for step `step` (the first is 0), when the start is `start`. An `every` of 0, which training
    /// refuses, counts as 1.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a step count beyond 2^53 is out of reach")]
    pub fn rate(self, start: f64, step: u64) -> f64 {
        match self {
            Self::Constant => start,
            Self::Cosine { warmup_steps, .. } if step < warmup_steps => {
                start * (step + 1) as f64 / warmup_steps as f64
            }
            Self::Cosine { warmup_steps, total_steps, floor } => {
                let done =
                    (step - warmup_steps) as f64 / total_steps.saturating_sub(warmup_steps).max(1) as f64;
                let floor = f64::from(floor);
                start * (floor + (1.0 - floor) * 0.5 * (1.0 + (std::f64::consts::PI * done.min(1.0)).cos()))
            }
            Self::Step { every, factor } => {
                let falls = i32::try_from(step / every.max(1)).unwrap_or(i32::MAX);
                start * f64::from(factor).powi(falls)
            }
        }
    }

    pub(super) fn check(self) -> Result<(), TrainError> {
        let refuse = |name, value, range| Err(TrainError::Option { name, value, range });
        match self {
            Self::Cosine { floor, .. } if !(0.0..=1.0).contains(&floor) => {
                refuse("schedule floor", f64::from(floor), "between 0 and 1")
            }
            Self::Step { every: 0, .. } => refuse("schedule every", 0.0, "at least 1"),
            Self::Step { factor, .. } if !(factor > 0.0 && factor <= 1.0) => {
                refuse("schedule factor", f64::from(factor), "above 0 and at most 1")
            }
            Self::Constant | Self::Cosine { .. } | Self::Step { .. } => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosine_rises_then_falls_to_its_floor() {
        let cosine = Schedule::Cosine { warmup_steps: 4, total_steps: 14, floor: 0.1 };
        let rates: Vec<f64> = (0..20).map(|step| cosine.rate(2.0, step)).collect();
        assert_eq!(rates[..4], [0.5, 1.0, 1.5, 2.0]);
        assert_eq!(rates[4], 2.0);
        assert!((rates[9] - 1.1).abs() < 1e-6);
        assert!(rates[14..].iter().all(|rate| (rate - 0.2).abs() < 1e-8));
    }

    #[test]
    fn steps_fall_by_the_factor() {
        let steps = Schedule::Step { every: 3, factor: 0.5 };
        assert_eq!([0, 2, 3, 8, 9].map(|step| steps.rate(8.0, step)), [8.0, 8.0, 4.0, 2.0, 1.0]);
        assert!(Schedule::Step { every: 0, factor: 0.5 }.check().is_err());
        assert_eq!(Schedule::Step { every: 0, factor: 0.5 }.rate(8.0, 2), 2.0);
        assert!(Schedule::Cosine { warmup_steps: 0, total_steps: 0, floor: 0.0 }.rate(1.0, 5).is_finite());
    }
}
