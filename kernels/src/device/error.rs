//! What can go wrong on any device.

use thiserror::Error;

use super::Kind;
use crate::gpu::Precision;
use crate::lstm::{CompileError, ModelError, PredictError};

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
