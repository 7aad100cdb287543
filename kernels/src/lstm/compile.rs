//! From a model to something that runs.

use ndarray::{ArrayView3, ArrayViewMut2};
use thiserror::Error;

use super::model::Lstm;
use crate::isa::{Isa, IsaError};
use crate::op::network::forward::forward;

/// How to compile a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CompileOptions {
    /// The instruction set; `None` takes `KERNELS_ISA`, else the best that this processor has.
    pub isa: Option<Isa>,
    /// Threads of [`Executable::predict`]; 0 is one for each core that this process may use.
    pub threads: usize,
}

/// A model that cannot be compiled here.
#[derive(Debug, Error)]
pub enum CompileError {
    /// The instruction set is not to be had.
    #[error(transparent)]
    Isa(#[from] IsaError),
}

/// Windows that cannot be predicted.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum PredictError {
    /// The windows have another number of features than the model, or none of a dimension that needs one.
    #[error("windows of shape {found:?} do not fit [batch, time of at least 1, {input} features]")]
    Windows {
        /// The shape given.
        found: [usize; 3],
        /// The features that the model reads.
        input: usize,
    },
    /// The place for the predictions has the wrong shape.
    #[error("predictions of shape {found:?} cannot hold {wanted:?}")]
    Output {
        /// The shape given.
        found: [usize; 2],
        /// The shape needed: windows and outputs.
        wanted: [usize; 2],
    },
    /// A feature is NaN or infinite.
    #[error("window {window}, step {step}, feature {feature} is {value}")]
    NotFinite {
        /// The window in the batch.
        window: usize,
        /// The step in the window.
        step: usize,
        /// The feature in the step.
        feature: usize,
        /// NaN or an infinity.
        value: f32,
    },
}

/// A model made ready for this processor.
#[derive(Debug)]
pub struct Executable {
    model: Lstm,
    isa: Isa,
}

impl Lstm {
    /// Packs the weights for this processor.
    ///
    /// # Errors
    /// [`CompileError`] when the instruction set is not to be had.
    pub fn compile(&self, options: &CompileOptions) -> Result<Executable, CompileError> {
        Ok(Executable { model: self.clone(), isa: Isa::choose(options.isa)? })
    }
}

impl Executable {
    /// Predicts a batch of windows `[batch, time, input]`, each from zero state, into `[batch, output]`.
    ///
    /// # Errors
    /// [`PredictError`] when a shape does not fit or a feature is not finite; the output is then unspecified.
    pub fn predict(
        &mut self,
        windows: ArrayView3<f32>,
        mut out: ArrayViewMut2<f32>,
    ) -> Result<(), PredictError> {
        let (batch, time, input) = windows.dim();
        let spec = self.model.spec();
        if input != spec.input || time == 0 {
            return Err(PredictError::Windows { found: [batch, time, input], input: spec.input });
        }
        if out.dim() != (batch, spec.output) {
            return Err(PredictError::Output { found: out.dim().into(), wanted: [batch, spec.output] });
        }
        if let Some(((window, step, feature), &value)) = windows.indexed_iter().find(|(_, x)| !x.is_finite())
        {
            return Err(PredictError::NotFinite { window, step, feature, value });
        }
        for (window, mut out) in windows.outer_iter().zip(out.outer_iter_mut()) {
            let window: Vec<f32> = window.iter().copied().collect();
            out.iter_mut().zip(forward(self.model.weights(), &window).output).for_each(|(a, b)| *a = b);
        }
        Ok(())
    }

    /// What was chosen, and what one step costs.
    #[must_use]
    pub fn explain(&self) -> String {
        format!("{}; {}", self.model.spec(), self.isa)
    }

    pub(super) const fn model(&self) -> &Lstm {
        &self.model
    }
}
