//! What follows a gradient, for every kind of model: its norm, the clip, the step size, the optimiser.

use super::StepReport;
use super::adam::Adam;
use super::error::TrainError;
use super::optimizer::Optimizer;
use super::options::TrainOptions;
use super::sgd::Sgd;
use crate::op::network::Tensor;

/// The square root of the largest f32: Adam squares each element of the gradient, and no other optimiser has a use for
/// a longer one either.
const GRADIENT_MAX: f64 = 1.8e19;

/// The optimiser's memory.
#[derive(Debug)]
pub(crate) struct Descent {
    /// Steps taken.
    pub steps: u64,
    /// One for each name of [`Optimizer::moments`], each with a value a weight.
    pub moments: Vec<Vec<f32>>,
}

impl Descent {
    pub fn new(optimizer: Optimizer, parameters: usize) -> Self {
        Self { steps: 0, moments: vec![vec![0.0; parameters]; optimizer.moments().len()] }
    }

    /// One step, or an error that names the tensor and nothing changed. `tensors` say what lies where.
    pub fn step(
        &mut self,
        options: &TrainOptions,
        loss: f64,
        gradient: &mut [f32],
        weights: &mut [f32],
        tensors: impl FnOnce() -> Vec<Tensor>,
    ) -> Result<StepReport, TrainError> {
        let step = self.steps;
        let grad_norm = norm(gradient);
        if grad_norm.is_nan() || grad_norm >= GRADIENT_MAX {
            let largest = |tensor: Tensor| {
                let values = gradient[tensor.range].iter().map(|g| g.abs());
                (tensor.name, values.max_by(f32::total_cmp).unwrap_or(0.0))
            };
            let worst = tensors().into_iter().map(largest).max_by(|a, b| a.1.total_cmp(&b.1));
            let (tensor, value) = worst.unwrap_or_default();
            return Err(TrainError::Gradient { step, tensor, value });
        }
        if let Some(clip) = options.clip_norm {
            // The small number is PyTorch's, against a norm of zero.
            let scale = (f64::from(clip) / (grad_norm + 1e-6)).min(1.0) as f32;
            gradient.iter_mut().for_each(|g| *g *= scale);
        }
        let rate = options.schedule.rate(f64::from(options.learning_rate), step);
        if let Err((index, remedy)) = self.update(options, rate, gradient, weights) {
            let tensor = tensors().into_iter().find(|tensor| tensor.range.contains(&index));
            let (tensor, index) = tensor.map_or_else(Default::default, |t| (t.name, index - t.range.start));
            return Err(TrainError::Weight { step, tensor, index, remedy });
        }
        self.steps += 1;
        Ok(StepReport { loss, grad_norm, learning_rate: rate })
    }

    fn update(
        &mut self,
        options: &TrainOptions,
        rate: f64,
        gradient: &[f32],
        weights: &mut [f32],
    ) -> Result<(), (usize, &'static str)> {
        let (steps, decay, moments) = (self.steps, options.weight_decay, &mut self.moments);
        let decoupled = matches!(options.optimizer, Optimizer::AdamW { .. });
        match options.optimizer {
            Optimizer::Adam { beta1, beta2, epsilon } | Optimizer::AdamW { beta1, beta2, epsilon } => {
                let adam = Adam { beta1, beta2, epsilon, decay, decoupled, rate, steps };
                let remedy = "raise epsilon, or keep the square of beta1 below beta2";
                adam.update(gradient, weights, moments).map_err(|index| (index, remedy))
            }
            Optimizer::Sgd { momentum, dampening, nesterov } => {
                let sgd = Sgd { momentum, dampening, nesterov, decay, rate, first: steps == 0 };
                let remedy = "lower the learning rate or the momentum, or clip the gradient";
                sgd.update(gradient, weights, moments).map_err(|index| (index, remedy))
            }
        }
    }
}

/// The Euclidean norm, in f64 and in order.
fn norm(values: &[f32]) -> f64 {
    values.iter().map(|&g| f64::from(g) * f64::from(g)).sum::<f64>().sqrt()
}
