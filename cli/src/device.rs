//! Where a model runs, as a user names it: this processor, a GPU, or whichever is measured to be fastest.
//!
//! The words are the same in a build without GPUs, so that such a build can say what it lacks. Nothing here tries
//! another device when the one that was named is not to be had.

use std::fmt;

use clap::ValueEnum;
#[cfg(feature = "gpu")]
use diapason_kernels::device::{Device, Kind, Workload};
use diapason_kernels::lstm::{
    self, CompileOptions, Lstm, Network, NetworkExecutable, StepReport, TrainOptions, Trainer,
};
use ndarray::{ArrayView2, ArrayView3, ArrayViewMut2};

use crate::failure::Failure;

/// A device, by the word for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Choice {
    /// This processor
    #[default]
    Cpu,
    /// A GPU through Vulkan, Metal or DX12
    Wgpu,
    /// An NVIDIA GPU
    Cuda,
    /// Whichever is fastest, each measured first
    Best,
}

/// In what a device multiplies, by the word for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Precision {
    /// 24 bits of significand
    #[default]
    F32,
    /// 11 bits, on GPUs
    F16,
    /// 8 bits
    Bf16,
    /// Whole numbers of 8 bits, on the processor
    Int8,
}

/// The word for a value on the command line.
fn word(value: &impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&word(self))
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&word(self))
    }
}

impl Precision {
    /// The processor's.
    ///
    /// # Errors
    /// When it does not multiply so.
    pub const fn of_processor(self) -> Result<lstm::Precision, Failure> {
        match self {
            Self::F32 => Ok(lstm::Precision::F32),
            Self::Bf16 => Ok(lstm::Precision::Bf16),
            Self::Int8 => Ok(lstm::Precision::Int8),
            Self::F16 => Err(Failure::Precision {
                device: Choice::Cpu,
                precision: self,
                remedy: "give --precision f32, bf16 or int8, or --device wgpu, cuda or best",
            }),
        }
    }

    #[cfg(feature = "gpu")]
    const fn of_gpu(self) -> Option<diapason_kernels::gpu::Precision> {
        use diapason_kernels::gpu::Precision::{Bf16, F16, F32};
        match self {
            Self::F32 => Some(F32),
            Self::F16 => Some(F16),
            Self::Bf16 => Some(Bf16),
            Self::Int8 => None,
        }
    }
}

impl Choice {
    /// Refuses what this device cannot do, or what this build cannot, before anything is read.
    ///
    /// # Errors
    /// [`Failure`] naming both and the remedy.
    pub fn check(self, precision: Precision) -> Result<(), Failure> {
        match self {
            Self::Cpu => precision.of_processor().map(|_| ()),
            Self::Best => Ok(()),
            Self::Wgpu | Self::Cuda if precision == Precision::Int8 => Err(Failure::Precision {
                device: self,
                precision,
                remedy: "give --precision f32 or f16, or --device cpu",
            }),
            #[cfg(feature = "gpu")]
            Self::Wgpu | Self::Cuda => Ok(()),
            #[cfg(not(feature = "gpu"))]
            Self::Wgpu | Self::Cuda => Err(Failure::NoGpus { asked: format!("--device {self}") }),
        }
    }

    /// The kind that was named, if it was one.
    #[cfg(feature = "gpu")]
    pub const fn kind(self) -> Option<Kind> {
        match self {
            Self::Cpu => Some(Kind::Cpu),
            Self::Wgpu => Some(Kind::Wgpu),
            Self::Cuda => Some(Kind::Cuda),
            Self::Best => None,
        }
    }
}

/// A model made ready where it is to run.
#[derive(Debug)]
pub struct Engine {
    executable: Executable,
    /// The kind of device.
    pub device: String,
    /// The instruction set, or the name of the GPU.
    pub hardware: String,
    /// In what products are computed.
    pub precision: String,
    /// Why this device, where it was chosen by measuring.
    pub why: Option<String>,
}

#[derive(Debug)]
enum Executable {
    Processor(Box<NetworkExecutable>),
    #[cfg(feature = "gpu")]
    Device(diapason_kernels::device::DeviceExecutable),
}

/// What is to run.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    /// Where.
    pub device: Choice,
    /// In what products are computed.
    pub precision: Precision,
    /// Threads of the processor; 0 for all.
    pub threads: usize,
    /// Windows in a batch, and steps in a window.
    #[cfg_attr(
        not(feature = "gpu"),
        expect(dead_code, reason = "only the choice among devices asks for it")
    )]
    pub shape: (usize, usize),
}

impl Engine {
    /// Compiles `network` for the device of `job`.
    ///
    /// # Errors
    /// [`Failure`] when the device is not there, or does not take this model or precision.
    pub fn new(network: &Network, job: &Job) -> Result<Self, Failure> {
        match job.device {
            Choice::Cpu => Self::processor(network, job, None),
            #[cfg(not(feature = "gpu"))]
            Choice::Best => {
                let why =
                    "cpu, since this build has no kernels for GPUs; the released package has".to_owned();
                Self::processor(network, job, Some(why))
            }
            #[cfg(not(feature = "gpu"))]
            Choice::Wgpu | Choice::Cuda => Err(Failure::NoGpus { asked: format!("--device {}", job.device) }),
            #[cfg(feature = "gpu")]
            Choice::Best => Self::best(network, job),
            #[cfg(feature = "gpu")]
            Choice::Wgpu => Self::on(&Device::open(Kind::Wgpu)?, network, job, None),
            #[cfg(feature = "gpu")]
            Choice::Cuda => Self::on(&Device::open(Kind::Cuda)?, network, job, None),
        }
    }

    fn processor(network: &Network, job: &Job, why: Option<String>) -> Result<Self, Failure> {
        let (threads, precision) = (job.threads, job.precision.of_processor()?);
        let options = CompileOptions { threads, precision, ..CompileOptions::default() };
        let executable = network.compile(&options)?;
        Ok(Self {
            device: "cpu".to_owned(),
            hardware: executable.product_isa().to_string(),
            precision: executable.precision().to_string(),
            executable: Executable::Processor(Box::new(executable)),
            why,
        })
    }

    #[cfg(feature = "gpu")]
    fn best(network: &Network, job: &Job) -> Result<Self, Failure> {
        let Some(precision) = job.precision.of_gpu() else {
            let why = format!("cpu, since nothing else multiplies {}", job.precision);
            return Self::processor(network, job, Some(why));
        };
        let plain = match network.to_lstm() {
            Ok(plain) => plain,
            Err(reason) => {
                let why = format!("cpu, since GPUs run plain LSTM models and {reason}");
                return Self::processor(network, job, Some(why));
            }
        };
        let (batch, time) = job.shape;
        let choice = Device::best_for(&plain, Workload { batch, time, precision })?;
        Self::on(&choice.device, network, job, Some(choice.explain()))
    }

    #[cfg(feature = "gpu")]
    fn on(device: &Device, network: &Network, job: &Job, why: Option<String>) -> Result<Self, Failure> {
        let kind = device.kind();
        let Some(precision) = job.precision.of_gpu().filter(|_| kind != Kind::Cpu) else {
            return Self::processor(network, job, why);
        };
        let plain = network.to_lstm().map_err(|reason| Failure::NotForGpus { reason })?;
        let options = diapason_kernels::gpu::Options { precision, ..Default::default() };
        Ok(Self {
            executable: Executable::Device(device.compile(&plain, &options)?),
            device: kind.to_string(),
            hardware: device.name(),
            precision: precision.to_string(),
            why,
        })
    }

    /// Predicts a batch of windows `[batch, time, input]` into `[batch, output]`.
    ///
    /// # Errors
    /// [`Failure`] when the device fails or a window is not as it must be.
    pub fn predict(&mut self, windows: ArrayView3<f32>, out: ArrayViewMut2<f32>) -> Result<(), Failure> {
        match &mut self.executable {
            Executable::Processor(executable) => executable.predict(windows, out)?,
            #[cfg(feature = "gpu")]
            Executable::Device(executable) => executable.predict(windows, out)?,
        }
        Ok(())
    }
}

/// A plain model in training.
#[derive(Debug)]
pub enum Teacher {
    /// On this processor.
    Processor(Box<Trainer>),
    /// On a GPU.
    #[cfg(feature = "gpu")]
    Device(Box<diapason_kernels::device::DeviceTrainer>),
}

impl Teacher {
    /// Starts training `model` on `device`, and tells what that is.
    ///
    /// # Errors
    /// [`Failure`] when the device is not there, or does not train so.
    pub fn new(
        device: Choice,
        model: Lstm,
        options: TrainOptions,
        batch: usize,
    ) -> Result<(Self, String), Failure> {
        #[cfg(feature = "gpu")]
        if let Some(kind) = device.kind().filter(|kind| *kind != Kind::Cpu) {
            let device = Device::open(kind)?;
            let trainer = device.trainer(model, options, batch)?;
            return Ok((Self::Device(Box::new(trainer)), device.name()));
        }
        match device {
            Choice::Best => Err(Failure::Named {
                option: "--device",
                value: "best",
                remedy: "cpu, wgpu or cuda, since only predictions are measured",
            }),
            #[cfg(not(feature = "gpu"))]
            Choice::Wgpu | Choice::Cuda => Err(Failure::NoGpus { asked: format!("--device {device}") }),
            _ => {
                // Only the kernels of a GPU are cut for a batch.
                let _ = batch;
                let isa = diapason_kernels::Isa::choose(None)?.to_string();
                Ok((Self::Processor(Box::new(Trainer::new(model, options)?)), isa))
            }
        }
    }

    /// One step on a batch.
    ///
    /// # Errors
    /// [`Failure`] when the batch or the device is not as it must be; the weights are then unchanged.
    pub fn step(&mut self, x: ArrayView3<f32>, y: ArrayView2<f32>) -> Result<StepReport, Failure> {
        Ok(match self {
            Self::Processor(trainer) => trainer.step(x, y)?,
            #[cfg(feature = "gpu")]
            Self::Device(trainer) => trainer.step(x, y)?,
        })
    }

    /// The model as it is now.
    ///
    /// # Errors
    /// [`Failure`] when it is on a device that fails.
    pub fn model(&mut self) -> Result<Lstm, Failure> {
        Ok(match self {
            Self::Processor(trainer) => trainer.model().clone(),
            #[cfg(feature = "gpu")]
            Self::Device(trainer) => trainer.model()?,
        })
    }
}
