//! Training on an NVIDIA GPU: forward with what the way back needs, back through time, weights' gradients as products, a step
//! of the optimiser, all on the device.
//!
//! `error -> buffers -> kernels -> launches, numbers -> sweep -> CudaTrainer`: what can go wrong, the memory that a training
//! takes, its kernels cut for a device, the order in which they run, the scalars of the optimiser, several models of one shape
//! side by side, and one alone.
//!
//! ```text
//! pack -> [forward, dropout] each layer -> dense -> loss -> spread -> [backward, outer, gather] each layer from the top -> norm -> descent
//! ```
//!
//! Nothing is added up by atomics, so a training gives the same bits every time on one kind of device. The optimiser's operations
//! are those of the processor, one by one; sums are in another order.

mod error;

mod buffers;

mod kernels;

mod launches;

mod numbers;

mod sweep;

pub use error::CudaTrainError;
#[cfg(test)]
pub(in crate::cuda) use kernels::kernels as kernels_of_training;
pub use sweep::CudaSweep;

use ndarray::{ArrayView2, ArrayView3};

use super::gpu::Gpu;
use crate::lstm::{Lstm, States, StepReport, TrainOptions, Weights};

/// A model in training on a GPU; [`Trainer`](crate::lstm::Trainer) does the same on the processor.
#[derive(Debug)]
pub struct CudaTrainer(CudaSweep);

impl CudaTrainer {
    /// Starts training `model` at step 0. Kernels are cut for batches of about `batch` windows and take any.
    ///
    /// # Errors
    /// [`CudaTrainError`] as [`Trainer::new`](crate::lstm::Trainer::new) has it, or when the device lacks the precision or the
    /// memory, a layer is too wide, or NVRTC is missing.
    pub fn new(gpu: &Gpu, model: Lstm, options: TrainOptions, batch: usize) -> Result<Self, CudaTrainError> {
        Ok(Self(CudaSweep::new(gpu, vec![(model, options)], batch)?))
    }

    /// One step of the optimiser on a batch: windows `[batch, time, input]` and targets `[batch, output]`, from zero state.
    ///
    /// # Errors
    /// [`CudaTrainError`] when the batch does not fit, something is not finite, or the device fails. Save for the last, the weights
    /// are then unchanged.
    #[expect(clippy::needless_pass_by_value, reason = "views go by value, as references do")]
    pub fn step(&mut self, x: ArrayView3<f32>, y: ArrayView2<f32>) -> Result<StepReport, CudaTrainError> {
        let (losses, _) = self.0.slope(&x, &y, None)?;
        self.0.descend(&losses)?.remove(0)
    }

    /// The same on a segment of longer series, as [`Trainer::step_from`](crate::lstm::Trainer::step_from) has it.
    ///
    /// # Errors
    /// [`CudaTrainError`] as for [`step`](Self::step), or when the states do not fit; they are then unchanged, too.
    #[expect(clippy::needless_pass_by_value, reason = "views go by value, as references do")]
    pub fn step_from(
        &mut self,
        x: ArrayView3<f32>,
        y: ArrayView2<f32>,
        states: &mut States,
    ) -> Result<StepReport, CudaTrainError> {
        let (losses, after) = self.0.slope(&x, &y, Some(states))?;
        let report = self.0.descend(&losses)?.remove(0)?;
        after.into_iter().for_each(|after| *states = after);
        Ok(report)
    }

    /// The mean loss of a batch and its gradient by every weight, without a step; dropout as the next step has it.
    ///
    /// # Errors
    /// [`CudaTrainError`] when the batch does not fit, the loss is not finite, or the device fails.
    #[expect(clippy::needless_pass_by_value, reason = "views go by value, as references do")]
    pub fn gradients(
        &mut self,
        x: ArrayView3<f32>,
        y: ArrayView2<f32>,
    ) -> Result<(f64, Weights<f32>), CudaTrainError> {
        let (losses, _) = self.0.slope(&x, &y, None)?;
        Ok((losses.into_iter().next().unwrap_or(Ok(0.0))?, self.0.gradient(0)?))
    }

    /// The mean loss of a batch, without dropout and without a step.
    ///
    /// # Errors
    /// [`CudaTrainError`] as for [`gradients`](Self::gradients).
    #[expect(clippy::needless_pass_by_value, reason = "views go by value, as references do")]
    pub fn evaluate(&mut self, x: ArrayView3<f32>, y: ArrayView2<f32>) -> Result<f64, CudaTrainError> {
        Ok(self.0.forward(&x, &y, None)?.0.into_iter().next().unwrap_or(Ok(0.0))?)
    }

    /// The same on a segment of longer series, whose states go on.
    ///
    /// # Errors
    /// [`CudaTrainError`] as for [`step_from`](Self::step_from).
    #[expect(clippy::needless_pass_by_value, reason = "views go by value, as references do")]
    pub fn evaluate_from(
        &mut self,
        x: ArrayView3<f32>,
        y: ArrayView2<f32>,
        states: &mut States,
    ) -> Result<f64, CudaTrainError> {
        let (losses, after) = self.0.forward(&x, &y, Some(states))?;
        let loss = losses.into_iter().next().unwrap_or(Ok(0.0))?;
        after.into_iter().for_each(|after| *states = after);
        Ok(loss)
    }

    /// The model as it is now, brought from the device.
    ///
    /// # Errors
    /// [`CudaTrainError::Cuda`] when the device fails.
    pub fn model(&mut self) -> Result<Lstm, CudaTrainError> {
        Ok(self.0.models()?.remove(0))
    }

    /// How it is trained.
    #[must_use]
    pub fn options(&self) -> &TrainOptions {
        self.0.options(0)
    }

    /// Steps taken.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.0.steps(0)
    }

    /// Where and how it is trained, as text for a person.
    #[must_use]
    pub fn explain(&self) -> String {
        self.0.explain()
    }
}

#[cfg(test)]
mod tests;
