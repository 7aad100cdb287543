//! Training: forward, back-propagation through time, Adam.

mod adam;
pub mod schedule;

use ndarray::{ArrayView2, ArrayView3};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::model::Lstm;
use crate::isa::{Isa, IsaError};
use crate::op::loss::Loss;
use crate::op::network::backward::backward;
use crate::op::network::forward::forward;
use crate::op::network::{Head, Weights};
use adam::Adam;
pub use schedule::Schedule;

/// How to train. The defaults are those of `torch.optim.Adam`, with the mean squared error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainOptions {
    /// Adam's step size before the schedule.
    pub learning_rate: f32,
    /// Decay of the mean of gradients.
    pub beta1: f32,
    /// Decay of the mean of squared gradients.
    pub beta2: f32,
    /// Added to the root of the mean square.
    pub epsilon: f32,
    /// Decoupled decay, as in `torch.optim.AdamW`; 0 is plain Adam.
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
            threads: 0,
            isa: None,
        }
    }
}

/// A training that cannot start or go on. After an error in [`Trainer::step`] the weights are as before the step.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum TrainError {
    /// An option is out of its range.
    #[error("{name} is {value}; it must be {range}")]
    Option {
        /// The field of [`TrainOptions`].
        name: &'static str,
        /// Its value.
        value: f64,
        /// What it may be.
        range: &'static str,
    },
    /// The loss needs another head.
    #[error("the loss {loss:?} does not fit a {head:?} head")]
    Loss {
        /// The loss.
        loss: Loss,
        /// The model's head.
        head: Head,
    },
    /// The instruction set is not to be had.
    #[error(transparent)]
    Isa(#[from] IsaError),
    /// The batch does not fit the model.
    #[error(
        "a batch of windows {windows:?} and targets {targets:?} does not fit [batch, time, {input}] and [batch, {output}], batch and time at least 1"
    )]
    Shape {
        /// Shape of the windows.
        windows: [usize; 3],
        /// Shape of the targets.
        targets: [usize; 2],
        /// Features that the model reads.
        input: usize,
        /// Values that it gives.
        output: usize,
    },
    /// A feature is NaN or infinite.
    #[error("window {window}, time {time}, feature {feature} is {value}")]
    Feature {
        /// The window in the batch.
        window: usize,
        /// The time step in the window.
        time: usize,
        /// The feature.
        feature: usize,
        /// NaN or an infinity.
        value: f32,
    },
    /// A target is NaN or infinite.
    #[error("target {output} of window {window} is {value}")]
    Target {
        /// The window in the batch.
        window: usize,
        /// The output.
        output: usize,
        /// NaN or an infinity.
        value: f32,
    },
    /// The loss overflowed or became NaN.
    #[error(
        "the loss is {loss} in step {step}; the first values that are not finite come from {place}; lower the learning rate or clip the gradient"
    )]
    Diverged {
        /// Steps taken before this one.
        step: u64,
        /// `layer N` or `the head`.
        place: String,
        /// NaN or an infinity.
        loss: f64,
    },
    /// A gradient overflowed or became NaN.
    #[error(
        "the gradient of {tensor:?} is not finite in step {step}; lower the learning rate or scale the targets"
    )]
    Gradient {
        /// Steps taken before this one.
        step: u64,
        /// The tensor, whose name ends in the layer's number.
        tensor: String,
    },
}

/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// The mean loss of the batch before the step.
    pub loss: f64,
    /// The Euclidean norm of the gradient before clipping.
    pub grad_norm: f64,
    /// The step size that the schedule gave.
    pub learning_rate: f64,
}

/// A model in training.
#[derive(Debug)]
pub struct Trainer {
    model: Lstm,
    options: TrainOptions,
    adam: Adam,
}

impl Trainer {
    /// Starts training `model` at step 0.
    ///
    /// # Errors
    /// [`TrainError`] when an option is out of its range or the loss does not fit the model's head.
    pub fn new(model: Lstm, options: TrainOptions) -> Result<Self, TrainError> {
        options.check()?;
        let head = model.spec().head;
        if !options.loss.fits(head) {
            return Err(TrainError::Loss { loss: options.loss, head });
        }
        Isa::choose(options.isa)?;
        let adam = Adam::new(model.spec().parameters());
        Ok(Self { model, options, adam })
    }

    /// One step of the optimiser on a batch: windows `[batch, time, input]` and targets `[batch, output]`.
    ///
    /// # Errors
    /// [`TrainError`] when the batch does not fit or something is not finite; the weights are then unchanged.
    pub fn step(&mut self, x: ArrayView3<f32>, y: ArrayView2<f32>) -> Result<StepReport, TrainError> {
        let (loss, mut gradient) = self.gradients(x, y)?;
        let grad_norm = gradient.values.iter().map(|&g| f64::from(g) * f64::from(g)).sum::<f64>().sqrt();
        if !grad_norm.is_finite() {
            return Err(self.bad_gradient(&gradient));
        }
        if let Some(clip) = self.options.clip_norm {
            let scale = (f64::from(clip) / (grad_norm + 1e-6)).min(1.0);
            gradient.values.iter_mut().for_each(|g| *g = (f64::from(*g) * scale) as f32);
        }
        let learning_rate =
            self.options.schedule.rate(f64::from(self.options.learning_rate), self.adam.step());
        self.adam.update(&self.options, learning_rate, &gradient.values, self.model.values_mut());
        Ok(StepReport { loss, grad_norm, learning_rate })
    }

    /// The mean loss of a batch and its gradient by every weight, without a step; dropout as the next step has it.
    ///
    /// # Errors
    /// [`TrainError`] when the batch does not fit or the loss is not finite.
    pub fn gradients(
        &mut self,
        x: ArrayView3<f32>,
        y: ArrayView2<f32>,
    ) -> Result<(f64, Weights<f32>), TrainError> {
        let spec = self.model.spec();
        let (batch, time, input) = x.dim();
        if batch == 0 || time == 0 || input != spec.input || y.dim() != (batch, spec.output) {
            return Err(TrainError::Shape {
                windows: [batch, time, input],
                targets: y.dim().into(),
                input: spec.input,
                output: spec.output,
            });
        }
        if let Some(((window, time, feature), &value)) = x.indexed_iter().find(|(_, x)| !x.is_finite()) {
            return Err(TrainError::Feature { window, time, feature, value });
        }
        if let Some(((window, output), &value)) = y.indexed_iter().find(|(_, y)| !y.is_finite()) {
            return Err(TrainError::Target { window, output, value });
        }
        let mut gradient = Weights::zeros(spec);
        let divisor = self.options.loss.divisor(batch, spec.output) as f64;
        let (mut loss, mut d_logits) = (0.0, vec![0.0; spec.output]);
        for (window, target) in x.outer_iter().zip(y.outer_iter()) {
            let window: Vec<f32> = window.iter().copied().collect();
            let target: Vec<f32> = target.iter().copied().collect();
            let trace = forward(self.model.weights(), &window);
            let scale = (1.0 / divisor) as f32;
            let row =
                self.options.loss.row(spec.head, &trace.logits, &trace.output, &target, scale, &mut d_logits);
            loss += f64::from(row);
            backward(self.model.weights(), &window, &trace, &d_logits, &mut gradient);
        }
        let loss = loss / divisor;
        if !loss.is_finite() {
            return Err(TrainError::Diverged { step: self.adam.step(), place: "the head".to_owned(), loss });
        }
        Ok((loss, gradient))
    }

    /// The mean loss of a batch, without dropout and without a step.
    ///
    /// # Errors
    /// [`TrainError`] as for [`Trainer::step`].
    pub fn evaluate(&mut self, x: ArrayView3<f32>, y: ArrayView2<f32>) -> Result<f64, TrainError> {
        Ok(self.gradients(x, y)?.0)
    }

    /// The model as it is now.
    #[must_use]
    pub const fn model(&self) -> &Lstm {
        &self.model
    }

    /// The model, to attach metadata to; its weights cannot be changed through it.
    #[must_use]
    pub fn into_model(self) -> Lstm {
        self.model
    }

    /// How it is trained.
    #[must_use]
    pub const fn options(&self) -> &TrainOptions {
        &self.options
    }

    /// Steps taken.
    #[must_use]
    pub const fn steps(&self) -> u64 {
        self.adam.step()
    }

    pub(super) const fn adam(&self) -> &Adam {
        &self.adam
    }

    pub(super) const fn adam_mut(&mut self) -> &mut Adam {
        &mut self.adam
    }

    fn bad_gradient(&self, gradient: &Weights<f32>) -> TrainError {
        let bad = |range: std::ops::Range<usize>| gradient.values[range].iter().any(|g| !g.is_finite());
        let tensor = gradient.spec.tensors().into_iter().find(|t| bad(t.range.clone()));
        TrainError::Gradient { step: self.adam.step(), tensor: tensor.map_or_else(String::new, |t| t.name) }
    }
}

impl TrainOptions {
    /// Checks every option against its range.
    ///
    /// # Errors
    /// [`TrainError::Option`] naming the field, its value and its range.
    pub fn check(&self) -> Result<(), TrainError> {
        let above_zero = |x: f32| x > 0.0 && x.is_finite();
        let below_one = |x: f32| (0.0..1.0).contains(&x);
        let delta = if let Loss::Huber { delta } = self.loss { delta } else { 1.0 };
        let clip = self.clip_norm.unwrap_or(1.0);
        let checks = [
            ("learning_rate", self.learning_rate, above_zero(self.learning_rate), "above 0"),
            ("beta1", self.beta1, below_one(self.beta1), "at least 0 and below 1"),
            ("beta2", self.beta2, below_one(self.beta2), "at least 0 and below 1"),
            ("epsilon", self.epsilon, above_zero(self.epsilon), "above 0"),
            (
                "weight_decay",
                self.weight_decay,
                self.weight_decay >= 0.0 && self.weight_decay.is_finite(),
                "at least 0",
            ),
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
