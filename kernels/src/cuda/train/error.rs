//! What can go wrong in training on a GPU.

use thiserror::Error;

use crate::cuda::error::CudaError;
use crate::lstm::TrainError;

/// A training that cannot start or go on.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum CudaTrainError {
    /// As on the processor: an option, a batch, a loss or a gradient will not do.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The device.
    #[error(transparent)]
    Cuda(#[from] CudaError),
    /// A sweep without a model.
    #[error("a sweep needs at least one model")]
    None,
    /// Models that cannot be trained side by side.
    #[error("model {model} of the sweep has another {field} than model 0; sweep over each {field} by itself")]
    Differs {
        /// Its place.
        model: usize,
        /// What must be equal.
        field: &'static str,
    },
    /// No kernels for this yet.
    #[error("there is no training in {0} on a CUDA device yet; train in f32 there, or in {0} on the cpu")]
    Precision(crate::lstm::Precision),
}
