//! Where a model runs: this processor, or one of the GPUs that the build knows.
//!
//! `error -> executable -> trainer -> choice -> selftest`: what can go wrong, a model compiled for any device and one in training
//! there, the device that suits a model and a batch best, and every exam and measurement in one report.

mod error;

mod executable;

mod trainer;

mod choice;

pub mod selftest;

use std::fmt;
use std::str::FromStr;

pub use choice::{Candidate, Choice, Workload};
pub use error::{DeviceError, KindError};
pub use executable::DeviceExecutable;
pub use trainer::DeviceTrainer;

use crate::gpu::{Options, Precision};
use crate::lstm::{Lstm, TrainOptions};

/// A kind of device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// This processor.
    Cpu,
    /// A GPU through Vulkan, Metal or DX12.
    #[cfg(feature = "wgpu")]
    Wgpu,
    /// An NVIDIA GPU.
    #[cfg(feature = "cuda")]
    Cuda,
}

impl Kind {
    /// The kinds that this build knows.
    pub const ALL: &[Self] = &[
        Self::Cpu,
        #[cfg(feature = "wgpu")]
        Self::Wgpu,
        #[cfg(feature = "cuda")]
        Self::Cuda,
    ];

    /// The name in options and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            #[cfg(feature = "wgpu")]
            Self::Wgpu => "wgpu",
            #[cfg(feature = "cuda")]
            Self::Cuda => "cuda",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = KindError;

    fn from_str(name: &str) -> Result<Self, KindError> {
        let known = Self::ALL.iter().copied().find(|kind| kind.name() == name);
        known.ok_or_else(|| KindError { name: name.to_owned() })
    }
}

/// A device, open.
#[derive(Clone, Debug)]
pub enum Device {
    /// This processor.
    Cpu,
    /// A GPU through Vulkan, Metal or DX12.
    #[cfg(feature = "wgpu")]
    Wgpu(crate::wgpu::Gpu),
    /// An NVIDIA GPU.
    #[cfg(feature = "cuda")]
    Cuda(crate::cuda::Gpu),
}

impl Device {
    /// Opens the first device of a kind.
    ///
    /// # Errors
    /// [`DeviceError`] when there is none, or it will not do.
    pub fn open(kind: Kind) -> Result<Self, DeviceError> {
        Ok(match kind {
            Kind::Cpu => Self::Cpu,
            #[cfg(feature = "wgpu")]
            Kind::Wgpu => Self::Wgpu(crate::wgpu::Gpu::open(None)?),
            #[cfg(feature = "cuda")]
            Kind::Cuda => Self::Cuda(crate::cuda::Gpu::open(0)?),
        })
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Cpu => Kind::Cpu,
            #[cfg(feature = "wgpu")]
            Self::Wgpu(_) => Kind::Wgpu,
            #[cfg(feature = "cuda")]
            Self::Cuda(_) => Kind::Cuda,
        }
    }

    /// Its name; that of a processor is its best instruction set.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Cpu => {
                let isa = crate::Isa::choose(None).map_or("unknown", crate::Isa::name);
                let threads = std::thread::available_parallelism().map_or(1, usize::from);
                format!("{isa}, {threads} threads")
            }
            #[cfg(feature = "wgpu")]
            Self::Wgpu(gpu) => gpu.name(),
            #[cfg(feature = "cuda")]
            Self::Cuda(gpu) => gpu.name().to_owned(),
        }
    }

    /// Whether it multiplies in `precision`.
    #[must_use]
    pub const fn offers(&self, precision: Precision) -> bool {
        match self {
            Self::Cpu => matches!(precision, Precision::F32 | Precision::Bf16),
            #[cfg(feature = "wgpu")]
            Self::Wgpu(gpu) => gpu.offers(precision),
            #[cfg(feature = "cuda")]
            Self::Cuda(gpu) => gpu.offers(precision),
        }
    }

    /// Compiles a model for this device.
    ///
    /// # Errors
    /// [`DeviceError`] as the device's own `compile` has it; nothing else is tried instead.
    pub fn compile(&self, model: &Lstm, options: &Options) -> Result<DeviceExecutable, DeviceError> {
        executable::compile(self, model, options)
    }

    /// Starts training a model on this device, on batches of about `batch` windows; any size is taken.
    ///
    /// # Errors
    /// [`DeviceError`] as the device's own trainer has it; nothing else is tried instead.
    pub fn trainer(
        &self,
        model: Lstm,
        options: TrainOptions,
        batch: usize,
    ) -> Result<DeviceTrainer, DeviceError> {
        trainer::trainer(self, model, options, batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for &kind in Kind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
        }
        let message = "tpu".parse::<Kind>().unwrap_err().to_string();
        assert!(message.starts_with("unknown device \"tpu\"; this build knows cpu"), "{message}");
    }
}
