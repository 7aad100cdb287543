//! What can go wrong in training.

use diapason_buffer::buffer::OutOfMemory;
use thiserror::Error;

use crate::isa::IsaError;
use crate::lstm::matrix::Precision;
use crate::lstm::model::ModelError;
use crate::op::loss::Loss;
use crate::op::network::Head;

/// A training that cannot start or go on. After an error in [`Trainer::step`](super::Trainer::step) the weights are as before the step.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum TrainError {
    /// An option is out of its range.
    #[error("{name} is {value}; it must be {range}")]
    Option {
        /// The field of [`TrainOptions`](super::TrainOptions).
        name: &'static str,
        /// Its value.
        value: f64,
        /// What it may be.
        range: &'static str,
    },
    /// No training in this precision: its gradients would be rounded away.
    #[error("there is no training in {precision}; train in f32 or bf16, and compile for {precision}")]
    Precision {
        /// What was asked for.
        precision: Precision,
    },
    /// The loss needs another head.
    #[error("the loss {loss:?} does not fit a {head:?} head")]
    Loss {
        /// The loss.
        loss: Loss,
        /// The model's head.
        head: Head,
    },
    /// The model to start from holds a weight that is NaN or infinite.
    #[error("cannot start from this model: {0}")]
    Model(#[from] ModelError),
    /// The instruction set is not to be had.
    #[error(transparent)]
    Isa(#[from] IsaError),
    /// Not enough memory for the batch's intermediate values.
    #[error("no memory to train: {0}; use a smaller batch or shorter windows")]
    Memory(OutOfMemory),
    /// The threads cannot be started.
    #[error("cannot start {threads} threads: {reason}")]
    Threads {
        /// How many.
        threads: usize,
        /// Why, in the words of the thread pool.
        reason: String,
    },
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
    /// The loss overflowed. Only the head can: gates saturate, so hidden states stay within 1.
    #[error(
        "the loss is {loss} in step {step}: an output of the head or a target is too large; scale the targets"
    )]
    Diverged {
        /// Steps taken before this one.
        step: u64,
        /// NaN or an infinity.
        loss: f64,
    },
    /// A gradient overflowed, or is so large that its square would.
    #[error(
        "the gradient of {tensor:?} reaches {value} in step {step}; scale the targets or lower the learning rate"
    )]
    Gradient {
        /// Steps taken before this one.
        step: u64,
        /// The tensor, whose name ends in the layer's number.
        tensor: String,
        /// Its largest element, or NaN.
        value: f32,
    },
    /// The step would carry a weight, or what the optimiser remembers of its gradients, beyond f32.
    #[error("step {step} would carry element {index} of {tensor:?} beyond f32; {remedy}")]
    Weight {
        /// Steps taken before this one.
        step: u64,
        /// The tensor, whose name ends in the layer's number.
        tensor: String,
        /// The element in row-major order.
        index: usize,
        /// What to do, which depends on the optimiser.
        remedy: &'static str,
    },
    /// The states that a segment begins with have another shape.
    #[error("the {what} states have shape {found:?}, not {wanted:?}, which is [layers, batch, hidden]")]
    States {
        /// Hidden or cell.
        what: &'static str,
        /// Their shape.
        found: [usize; 3],
        /// What it must be.
        wanted: [usize; 3],
    },
    /// A state that a segment begins with is NaN or infinite.
    #[error("the {what} state of layer {layer}, window {window}, unit {unit} is {value}")]
    State {
        /// Hidden or cell.
        what: &'static str,
        /// The layer.
        layer: usize,
        /// The window in the batch.
        window: usize,
        /// The unit.
        unit: usize,
        /// NaN or an infinity.
        value: f32,
    },
}

impl From<OutOfMemory> for TrainError {
    fn from(error: OutOfMemory) -> Self {
        Self::Memory(error)
    }
}
