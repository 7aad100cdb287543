//! How to train.

use serde::{Deserialize, Serialize};

use super::error::TrainError;
use super::optimizer::Optimizer;
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
    /// Which way a gradient moves the weights.
    pub optimizer: Optimizer,
    /// The step size before the schedule; for Adam at most 1.
    pub learning_rate: f32,
    /// Decay of the weights, at most 1; the optimiser says what it acts on.
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
    /// Truncated back-propagation through time: gradients go back this many steps at most. The steps of a window before
    /// only carry their state on, and take no memory for the way back. `None` goes back to the start.
    #[serde(default)]
    pub truncation: Option<usize>,
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
            optimizer: Optimizer::ADAM_W,
            learning_rate: 1e-3,
            weight_decay: 0.0,
            clip_norm: None,
            loss: Loss::Mse,
            dropout: 0.0,
            seed: 0,
            schedule: Schedule::Constant,
            truncation: None,
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
        let below_one = |x: f32| (0.0..1.0).contains(&x);
        let delta = if let Loss::Huber { delta } = self.loss { delta } else { 1.0 };
        let clip = self.clip_norm.unwrap_or(1.0);
        if self.threads > THREADS_MAX {
            let (name, range) = ("threads", THREADS_RANGE);
            return Err(TrainError::Option { name, value: self.threads as f64, range });
        }
        self.optimizer.check(self.learning_rate)?;
        if self.truncation == Some(0) {
            return Err(TrainError::Option { name: "truncation", value: 0.0, range: "at least 1 step" });
        }
        let checks = [
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
