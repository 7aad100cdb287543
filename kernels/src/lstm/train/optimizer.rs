//! Which way a gradient moves the weights, by the names and with the defaults of `torch.optim`.

use serde::{Deserialize, Serialize};

use super::error::TrainError;

/// The optimiser.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Optimizer {
    /// Adam (Kingma and Ba 2015); weight decay is added to the gradient.
    Adam {
        /// Decay of the mean of gradients.
        beta1: f32,
        /// Decay of the mean of squared gradients.
        beta2: f32,
        /// Added to the root of the mean square.
        epsilon: f32,
    },
    /// Adam with decoupled weight decay (Loshchilov and Hutter 2019); without decay the same as Adam.
    #[serde(rename = "adamw")]
    AdamW {
        /// Decay of the mean of gradients.
        beta1: f32,
        /// Decay of the mean of squared gradients.
        beta2: f32,
        /// Added to the root of the mean square.
        epsilon: f32,
    },
    /// Gradient descent; weight decay is added to the gradient.
    Sgd {
        /// What stays of the last step's direction; 0 is none.
        momentum: f32,
        /// The part of the gradient that does not enter the direction, after the first step.
        dampening: f32,
        /// Whether the step looks ahead along the new direction (Nesterov's momentum).
        nesterov: bool,
    },
}

impl Default for Optimizer {
    fn default() -> Self {
        Self::ADAM_W
    }
}

impl Optimizer {
    /// `torch.optim.Adam` as it is by default.
    pub const ADAM: Self = Self::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
    /// `torch.optim.AdamW` as it is by default, save for its weight decay, which is an option beside this one.
    pub const ADAM_W: Self = Self::AdamW { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
    /// `torch.optim.SGD` as it is by default: without momentum.
    pub const SGD: Self = Self::Sgd { momentum: 0.0, dampening: 0.0, nesterov: false };

    /// Its name, as on a command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Adam { .. } => "adam",
            Self::AdamW { .. } => "adamw",
            Self::Sgd { .. } => "sgd",
        }
    }

    /// What it remembers of each weight, by the names in a checkpoint.
    pub(in crate::lstm) fn moments(self) -> &'static [&'static str] {
        match self {
            Self::Adam { .. } | Self::AdamW { .. } => &["adam.mean", ADAM_SQUARE],
            Self::Sgd { momentum, .. } if momentum > 0.0 => &["sgd.momentum"],
            Self::Sgd { .. } => &[],
        }
    }

    pub(super) fn check(self, learning_rate: f32) -> Result<(), TrainError> {
        let above_zero = |x: f32| x > 0.0 && x.is_finite();
        let below_one = |x: f32| (0.0..1.0).contains(&x);
        let name = "learning_rate";
        let checks = match self {
            Self::Adam { beta1, beta2, epsilon } | Self::AdamW { beta1, beta2, epsilon } => {
                let rate = learning_rate > 0.0 && learning_rate <= 1.0;
                vec![
                    // At most 1, as the weight decay: the decoupled decay then never turns a weight's sign.
                    (name, learning_rate, rate, "above 0 and at most 1"),
                    ("beta1", beta1, below_one(beta1), "at least 0 and below 1"),
                    ("beta2", beta2, below_one(beta2), "at least 0 and below 1"),
                    ("epsilon", epsilon, above_zero(epsilon), "above 0"),
                ]
            }
            Self::Sgd { momentum, dampening, nesterov } => vec![
                (name, learning_rate, above_zero(learning_rate), "finite and above 0"),
                ("momentum", momentum, below_one(momentum), "at least 0 and below 1"),
                ("dampening", dampening, (0.0..=1.0).contains(&dampening), "between 0 and 1"),
                ("momentum", momentum, !nesterov || momentum > 0.0, "above 0 with nesterov"),
                ("dampening", dampening, !nesterov || dampening == 0.0, "0 with nesterov"),
            ],
        };
        match checks.into_iter().find(|(_, _, fine, _)| !fine) {
            Some((name, value, _, range)) => Err(TrainError::Option { name, value: f64::from(value), range }),
            None => Ok(()),
        }
    }
}

/// The name of Adam's mean of squares, which are never negative.
pub(in crate::lstm) const ADAM_SQUARE: &str = "adam.square";
