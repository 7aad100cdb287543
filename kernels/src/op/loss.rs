//! The losses, as PyTorch defines them with `reduction="mean"`, and their gradients.
//!
//! A loss is computed from the *logits* (the head before its activation) and the targets, because the gradient of
//! a sigmoid under binary cross-entropy, or of a softmax under cross-entropy, is stable only when both are taken
//! together.

use serde::{Deserialize, Serialize};

use super::network::Head;
use super::{Real, sigmoid};

/// What training makes small. Means run over batch and outputs, save for cross-entropy: over the batch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// Mean of squared differences (`MSELoss`).
    Mse,
    /// Mean of absolute differences (`L1Loss`); its gradient at zero is zero.
    Mae,
    /// Squared within `delta` of the target and linear outside (`HuberLoss`).
    Huber {
        /// Where the two halves meet, above 0; PyTorch's default is 1.
        delta: f32,
    },
    /// Binary cross-entropy of a sigmoid head (`BCEWithLogitsLoss`); targets in 0..=1.
    BinaryCrossEntropy,
    /// Cross-entropy of a softmax head with class probabilities as targets (`CrossEntropyLoss`).
    CrossEntropy,
}

impl Loss {
    /// Whether the loss has a meaning for this head: the two cross-entropies need their own.
    #[must_use]
    pub fn fits(self, head: Head) -> bool {
        match self {
            Self::BinaryCrossEntropy => head == Head::Sigmoid,
            Self::CrossEntropy => head == Head::Softmax,
            Self::Mse | Self::Mae | Self::Huber { .. } => true,
        }
    }

    /// The loss of one row *before* the mean, and its gradient by the logits times `scale` into `gradient`.
    /// `output` is `head.apply(logits)`. The mean divides by [`Loss::divisor`].
    pub fn row<R: Real>(
        self,
        head: Head,
        logits: &[R],
        output: &[R],
        target: &[R],
        scale: R,
        gradient: &mut [R],
    ) -> R {
        let mut sum = R::zero();
        match self {
            Self::BinaryCrossEntropy => {
                for (((&z, &p), &y), g) in logits.iter().zip(output).zip(target).zip(gradient) {
                    // log(1 + exp(-|z|)) + max(z, 0) - z y, which overflows nowhere
                    sum = sum + (-z.abs()).exp().ln_1p() + z.max(R::zero()) - z * y;
                    *g = scale * (p - y);
                }
                return sum;
            }
            Self::CrossEntropy => {
                let top = logits.iter().fold(R::neg_infinity(), |a, &b| a.max(b));
                let log_sum = top + logits.iter().map(|&z| (z - top).exp()).sum::<R>().ln();
                let mass = target.iter().copied().sum::<R>();
                for (((&z, &p), &y), g) in logits.iter().zip(output).zip(target).zip(gradient) {
                    sum = sum + y * (log_sum - z);
                    *g = scale * (p * mass - y);
                }
                return sum;
            }
            Self::Mse => {
                for ((&p, &y), g) in output.iter().zip(target).zip(gradient.iter_mut()) {
                    sum = sum + (p - y) * (p - y);
                    *g = scale * R::of(2.0) * (p - y);
                }
            }
            Self::Mae => {
                for ((&p, &y), g) in output.iter().zip(target).zip(gradient.iter_mut()) {
                    sum = sum + (p - y).abs();
                    *g = scale * sign(p - y);
                }
            }
            Self::Huber { delta } => {
                let delta = R::of(f64::from(delta));
                for ((&p, &y), g) in output.iter().zip(target).zip(gradient.iter_mut()) {
                    let d = p - y;
                    let inside = d.abs() <= delta;
                    sum = sum
                        + if inside { R::of(0.5) * d * d } else { delta * (d.abs() - R::of(0.5) * delta) };
                    *g = scale * if inside { d } else { delta * sign(d) };
                }
            }
        }
        head.backward(output, gradient);
        sum
    }

    /// What the sum of all rows is divided by.
    #[must_use]
    pub fn divisor(self, batch: usize, outputs: usize) -> usize {
        match self {
            Self::CrossEntropy => batch,
            Self::Mse | Self::Mae | Self::Huber { .. } | Self::BinaryCrossEntropy => batch * outputs,
        }
    }
}

fn sign<R: Real>(x: R) -> R {
    if x > R::zero() {
        R::one()
    } else if x < R::zero() {
        -R::one()
    } else {
        // zero, and NaN stays NaN
        x
    }
}

impl Head {
    /// The head's activation, from logits to output.
    ///
    /// # Panics
    /// When the slices differ in length.
    pub fn apply<R: Real>(self, logits: &[R], output: &mut [R]) {
        output.copy_from_slice(logits);
        self.apply_in_place(output);
    }

    /// The same in place.
    pub fn apply_in_place<R: Real>(self, values: &mut [R]) {
        match self {
            Self::Linear => {}
            Self::Sigmoid => values.iter_mut().for_each(|z| *z = sigmoid(*z)),
            Self::Softmax => {
                let top = values.iter().fold(R::neg_infinity(), |a, &b| a.max(b));
                values.iter_mut().for_each(|z| *z = (*z - top).exp());
                let sum = values.iter().copied().sum::<R>();
                values.iter_mut().for_each(|z| *z = *z / sum);
            }
        }
    }

    /// Turns the gradient by the output, in place, into the gradient by the logits.
    pub fn backward<R: Real>(self, output: &[R], gradient: &mut [R]) {
        match self {
            Self::Linear => {}
            Self::Sigmoid => {
                for (g, &p) in gradient.iter_mut().zip(output) {
                    *g = *g * p * (R::one() - p);
                }
            }
            Self::Softmax => {
                let mean = output.iter().zip(gradient.iter()).map(|(&p, &g)| p * g).sum::<R>();
                for (g, &p) in gradient.iter_mut().zip(output) {
                    *g = p * (*g - mean);
                }
            }
        }
    }
}
