//! What can go wrong on any device.

use thiserror::Error;

use super::Kind;
use crate::gpu::Precision;
use crate::lstm::{CompileError, ModelError, PredictError, TrainError};

/// A device that is not there, will not do, or stopped.
#[derive(Debug, Error)]
pub enum DeviceError {
    /// The processor has no kernels in this precision.
    #[error("the cpu does not multiply {precision}; compile for f32 or bf16")]
    Precision {
        /// What was asked for.
        precision: Precision,
    },
    /// The model cannot be compiled for the processor.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// Windows that cannot be predicted.
    #[error(transparent)]
    Predict(#[from] PredictError),
    /// Weights that make no model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Training that cannot start or go on.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// No device at all takes this model in this precision.
    #[error("no device takes this model in {precision}: {reasons}")]
    None {
        /// What was asked for.
        precision: Precision,
        /// Why each of them does not.
        reasons: String,
    },
    /// The device of wgpu.
    #[cfg(feature = "wgpu")]
    #[error(transparent)]
    Wgpu(#[from] crate::wgpu::WgpuError),
    /// The device of CUDA.
    #[cfg(feature = "cuda")]
    #[error(transparent)]
    Cuda(#[from] crate::cuda::CudaError),
    /// Training on the device of CUDA.
    #[cfg(feature = "cuda")]
    #[error(transparent)]
    CudaTrain(#[from] crate::cuda::CudaTrainError),
}

impl DeviceError {
    /// Whether this machine is what lacks something, now: a device, its driver or its memory. Otherwise the model, the
    /// options or the windows are at fault.
    #[must_use]
    pub const fn is_environment(&self) -> bool {
        match self {
            Self::Precision { .. }
            | Self::Compile(_)
            | Self::Predict(_)
            | Self::Model(_)
            | Self::Train(_) => false,
            Self::None { .. } => true,
            #[cfg(feature = "wgpu")]
            Self::Wgpu(error) => {
                use crate::wgpu::WgpuError::{Precision, Predict, Range, Train, Untrained, Weight};
                !matches!(
                    error,
                    Precision { .. } | Predict(_) | Range { .. } | Train(_) | Untrained { .. } | Weight(_)
                )
            }
            #[cfg(feature = "cuda")]
            Self::Cuda(error) => of_cuda(error),
            #[cfg(feature = "cuda")]
            Self::CudaTrain(error) => {
                matches!(error, crate::cuda::CudaTrainError::Cuda(error) if of_cuda(error))
            }
        }
    }
}

#[cfg(feature = "cuda")]
const fn of_cuda(error: &crate::cuda::CudaError) -> bool {
    use crate::cuda::CudaError::{FeatureRange, Precision, Predict, Weight, WeightRange};
    !matches!(error, Precision { .. } | Predict(_) | Weight(_) | WeightRange { .. } | FeatureRange { .. })
}

/// A name that is no kind of device.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown device {name:?}; this build knows {}", known())]
pub struct KindError {
    /// The name as given.
    pub name: String,
}

fn known() -> String {
    Kind::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ")
}
