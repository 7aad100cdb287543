//! The scalars of one step of the optimiser, rounded to f32 once as on the processor.

use crate::cuda::source::train::NUMBERS;
use crate::lstm::{Optimizer, TrainOptions};

/// What `descent.cu` reads of a model, when `steps` were taken before at the rate `rate`.
#[expect(clippy::cast_possible_truncation, reason = "the scalars are rounded to f32 once, on purpose")]
pub fn numbers(options: &TrainOptions, rate: f64, steps: u64) -> [f32; NUMBERS] {
    let mut numbers = [0.0; NUMBERS];
    let decay = options.weight_decay;
    numbers[..2].copy_from_slice(&[options.clip_norm.unwrap_or(0.0), decay]);
    match options.optimizer {
        Optimizer::Adam { beta1, beta2, epsilon } | Optimizer::AdamW { beta1, beta2, epsilon } => {
            let power = i32::try_from(steps.saturating_add(1)).unwrap_or(i32::MAX);
            let (b1, b2) = (f64::from(beta1), f64::from(beta2));
            let decoupled = matches!(options.optimizer, Optimizer::AdamW { .. });
            let keep = if decoupled { (1.0 - rate * f64::from(decay)) as f32 } else { 1.0 };
            let size = (rate / (1.0 - b1.powi(power))) as f32;
            let root = (1.0 - b2.powi(power)).sqrt() as f32;
            let (a1, a2) = ((1.0 - b1) as f32, (1.0 - b2) as f32);
            numbers[2..10].copy_from_slice(&[beta1, a1, beta2, a2, epsilon, keep, size, root]);
        }
        Optimizer::Sgd { momentum, dampening, nesterov } => {
            let first = f32::from(u8::from(steps == 0));
            let ahead = f32::from(u8::from(nesterov));
            numbers[2..7].copy_from_slice(&[momentum, 1.0 - dampening, rate as f32, first, ahead]);
        }
    }
    numbers
}

/// What to do about a weight that the step would carry beyond f32.
pub const fn remedy(optimizer: Optimizer) -> &'static str {
    match optimizer {
        Optimizer::Adam { .. } | Optimizer::AdamW { .. } => {
            "raise epsilon, or keep the square of beta1 below beta2"
        }
        Optimizer::Sgd { .. } => "lower the learning rate or the momentum, or clip the gradient",
    }
}
