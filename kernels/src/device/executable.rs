//! A model compiled for any device.

use ndarray::{ArrayView3, ArrayViewMut2};

use super::{Device, DeviceError};
use crate::gpu::{Options, Precision};
use crate::lstm::{self, CompileOptions, Executable, Lstm};

/// A model made ready for one device.
#[derive(Debug)]
pub enum DeviceExecutable {
    /// This processor.
    Cpu(Box<Executable>),
    /// A GPU through Vulkan, Metal or DX12.
    #[cfg(feature = "wgpu")]
    Wgpu(Box<crate::wgpu::WgpuExecutable>),
    /// An NVIDIA GPU.
    #[cfg(feature = "cuda")]
    Cuda(Box<crate::cuda::CudaExecutable>),
}

pub fn compile(device: &Device, model: &Lstm, options: &Options) -> Result<DeviceExecutable, DeviceError> {
    Ok(match device {
        Device::Cpu => {
            let precision = match options.precision {
                Precision::F32 => lstm::Precision::F32,
                Precision::Bf16 => lstm::Precision::Bf16,
                Precision::F16 => return Err(DeviceError::Precision { precision: options.precision }),
            };
            let non_finite = options.non_finite;
            let options = CompileOptions { precision, non_finite, ..CompileOptions::default() };
            DeviceExecutable::Cpu(Box::new(model.compile(&options)?))
        }
        #[cfg(feature = "wgpu")]
        Device::Wgpu(gpu) => DeviceExecutable::Wgpu(Box::new(model.compile_wgpu(gpu, options)?)),
        #[cfg(feature = "cuda")]
        Device::Cuda(gpu) => DeviceExecutable::Cuda(Box::new(model.compile_cuda(gpu, options)?)),
    })
}

impl DeviceExecutable {
    /// Predicts a batch of windows `[batch, time, input]`, each from zero state, into `[batch, output]`.
    ///
    /// # Errors
    /// [`DeviceError`] when a shape does not fit, a feature is not finite and may not be, or the device fails; `out` is then
    /// untouched, and nothing else is tried instead.
    pub fn predict(&mut self, windows: ArrayView3<f32>, out: ArrayViewMut2<f32>) -> Result<(), DeviceError> {
        match self {
            Self::Cpu(executable) => executable.predict(windows, out)?,
            #[cfg(feature = "wgpu")]
            Self::Wgpu(executable) => executable.predict(windows, out)?,
            #[cfg(feature = "cuda")]
            Self::Cuda(executable) => executable.predict(windows, out)?,
        }
        Ok(())
    }

    /// What was chosen, as text for a person.
    #[must_use]
    pub fn explain(&self) -> String {
        match self {
            Self::Cpu(executable) => executable.explain(),
            #[cfg(feature = "wgpu")]
            Self::Wgpu(executable) => executable.explain(),
            #[cfg(feature = "cuda")]
            Self::Cuda(executable) => executable.explain(),
        }
    }
}
