//! A model in training on any device.

use ndarray::{ArrayView2, ArrayView3};

use super::{Device, DeviceError};
use crate::lstm::{Lstm, StepReport, TrainOptions, Trainer};

/// A model in training on one device.
#[derive(Debug)]
pub enum DeviceTrainer {
    /// This processor.
    Cpu(Box<Trainer>),
    /// A GPU through Vulkan, Metal or DX12.
    #[cfg(feature = "wgpu")]
    Wgpu(Box<crate::wgpu::WgpuTrainer>),
    /// An NVIDIA GPU.
    #[cfg(feature = "cuda")]
    Cuda(Box<crate::cuda::CudaTrainer>),
}

#[cfg_attr(
    not(feature = "cuda"),
    expect(unused_variables, reason = "only CUDA's kernels are cut for a batch")
)]
pub fn trainer(
    device: &Device,
    model: Lstm,
    options: TrainOptions,
    batch: usize,
) -> Result<DeviceTrainer, DeviceError> {
    Ok(match device {
        Device::Cpu => DeviceTrainer::Cpu(Box::new(Trainer::new(model, options)?)),
        #[cfg(feature = "wgpu")]
        Device::Wgpu(gpu) => {
            DeviceTrainer::Wgpu(Box::new(crate::wgpu::WgpuTrainer::new(gpu, model, options)?))
        }
        #[cfg(feature = "cuda")]
        Device::Cuda(gpu) => {
            DeviceTrainer::Cuda(Box::new(crate::cuda::CudaTrainer::new(gpu, model, options, batch)?))
        }
    })
}

impl DeviceTrainer {
    /// One step of the optimiser on a batch: windows `[batch, time, input]` and targets `[batch, output]`, from zero state.
    ///
    /// # Errors
    /// [`DeviceError`] when the batch does not fit, something is not finite, or the device fails; the weights are then
    /// unchanged, and nothing else is tried instead.
    pub fn step(&mut self, x: ArrayView3<f32>, y: ArrayView2<f32>) -> Result<StepReport, DeviceError> {
        Ok(match self {
            Self::Cpu(trainer) => trainer.step(x, y)?,
            #[cfg(feature = "wgpu")]
            Self::Wgpu(trainer) => trainer.step(x, y)?,
            #[cfg(feature = "cuda")]
            Self::Cuda(trainer) => trainer.step(x, y)?,
        })
    }

    /// The mean loss of a batch and its gradient by every weight in the order of
    /// [`Spec::tensors`](crate::lstm::Spec::tensors), without a step.
    ///
    /// # Errors
    /// [`DeviceError`] as for [`step`](Self::step).
    pub fn gradients(
        &mut self,
        x: ArrayView3<f32>,
        y: ArrayView2<f32>,
    ) -> Result<(f64, Vec<f32>), DeviceError> {
        Ok(match self {
            Self::Cpu(trainer) => {
                let (loss, gradient) = trainer.gradients(x, y)?;
                (loss, gradient.values.clone())
            }
            #[cfg(feature = "wgpu")]
            Self::Wgpu(trainer) => {
                let (loss, gradient) = trainer.gradients(x, y)?;
                (loss, gradient.values.clone())
            }
            #[cfg(feature = "cuda")]
            Self::Cuda(trainer) => {
                let (loss, gradient) = trainer.gradients(x, y)?;
                (loss, gradient.values)
            }
        })
    }

    /// The model as it is now.
    ///
    /// # Errors
    /// [`DeviceError`] when the weights are on a device that fails.
    pub fn model(&mut self) -> Result<Lstm, DeviceError> {
        Ok(match self {
            Self::Cpu(trainer) => trainer.model().clone(),
            #[cfg(feature = "wgpu")]
            Self::Wgpu(trainer) => trainer.model().clone(),
            #[cfg(feature = "cuda")]
            Self::Cuda(trainer) => trainer.model()?,
        })
    }
}
