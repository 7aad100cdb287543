//! How to train.

use serde::{Deserialize, Serialize};

use super::error::TrainError;
use super::schedule::Schedule;
use crate::isa::Isa;
use crate::lstm::matrix::Precision;
use crate::lstm::threads::THREADS_MAX;
use crate::op::loss::Loss;

const THREADS_RANGE: &str = "at most 1024, or 0 for one for each core";

/// How to train. The defaults are those of `torch.optim.Adam`, with the mean squared error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainOptions {
    /// Adam's step size before the schedule, at most 1.
    pub learning_rate: f32,
    /// Decay of the mean of gradients.
    pub beta1: f32,
    /// Decay of the mean of squared gradients.
    pub beta2: f32,
    /// Added to the root of the mean square.
    pub epsilon: f32,
    /// Decoupled decay, as in `torch.optim.AdamW`, at most 1; 0 is plain Adam.
    pub weight_decay: f32,
    /// Gradients with a larger Euclidean norm are scaled down to it.
    pub clip_norm: Option<f32>,
    /// What is made small.
    pub loss: Loss,
    /// Chance that a value between two layers is dropped in training, as in `torch.nn.LSTM`; 0 drops nothing.
    pub dropout: f32,
    /// Seed of the dropout.
    pub seed: u64,
    /// How the step size changes over the steps.
    pub schedule: Schedule,
    /// In what the matrix products are computed, of [`Precision::TRAINING`]. Weights, sums, activations and the
    /// optimiser are f32 in both.
    #[serde(default)]
    pub precision: Precision,
    /// Threads; 0 is one for each core that this process may use. Any number gives the same bits.
    #[serde(skip)]
    pub threads: usize,
    /// The instruction set; `None` takes `KERNELS_ISA`, else the best. Any gives the same bits.
    #[serde(skip)]
    pub isa: Option<Isa>,
}

impl Default for TrainOptions {
    fn default() -> Self {
        Self {
            learning_rate: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            clip_norm: None,
            loss: Loss::Mse,
            dropout: 0.0,
            seed: 0,
            schedule: Schedule::Constant,
            precision: Precision::F32,
            threads: 0,
            isa: None,
        }
    }
}

impl TrainOptions {
    /// Checks every option against its range.
    ///
    /// # Errors
    /// [`TrainError::Option`] naming the field, its value and its range.
    pub fn check(&self) -> Result<(), TrainError> {
        if !Precision::TRAINING.contains(&self.precision) {
            return Err(TrainError::Precision { precision: self.precision });
        }
        let above_zero = |x: f32| x > 0.0 && x.is_finite();
        let rate = |x: f32| x > 0.0 && x <= 1.0;
        let below_one = |x: f32| (0.0..1.0).contains(&x);
        let delta = if let Loss::Huber { delta } = self.loss { delta } else { 1.0 };
        let clip = self.clip_norm.unwrap_or(1.0);
        if self.threads > THREADS_MAX {
            let (name, range) = ("threads", THREADS_RANGE);
            return Err(TrainError::Option { name, value: self.threads as f64, range });
        }
        let checks = [
            // At most 1 both: the decay then never turns a weight's sign.
            ("learning_rate", self.learning_rate, rate(self.learning_rate), "above 0 and at most 1"),
            ("beta1", self.beta1, below_one(self.beta1), "at least 0 and below 1"),
            ("beta2", self.beta2, below_one(self.beta2), "at least 0 and below 1"),
            ("epsilon", self.epsilon, above_zero(self.epsilon), "above 0"),
            ("weight_decay", self.weight_decay, (0.0..=1.0).contains(&self.weight_decay), "between 0 and 1"),
            ("clip_norm", clip, above_zero(clip), "above 0"),
            ("dropout", self.dropout, below_one(self.dropout), "at least 0 and below 1"),
            ("huber delta", delta, above_zero(delta), "above 0"),
        ];
        match checks.into_iter().find(|(_, _, fine, _)| !fine) {
            Some((name, value, _, range)) => Err(TrainError::Option { name, value: f64::from(value), range }),
            None => self.schedule.check(),
        }
    }
}
