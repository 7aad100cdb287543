//! What can go wrong on the way to NVIDIA's GPU and on it.

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::gpu::Precision;
use crate::lstm::{ModelError, PredictError, StreamError};

/// A device that is not there, will not do, or stopped.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum CudaError {
    /// The driver's library is not to be had.
    #[error(
        "no CUDA driver: libcuda cannot be loaded; install NVIDIA's driver (Debian: nvidia-driver, libcuda1), or predict on \
         the cpu"
    )]
    NoDriver,
    /// A driver from before the interface that is used.
    #[error(
        "the CUDA driver is of version {found}, older than {needed}; update NVIDIA's driver to 525 or newer, or predict on the \
         cpu"
    )]
    DriverTooOld {
        /// As the driver says.
        found: String,
        /// The first that will do.
        needed: &'static str,
    },
    /// The driver drives no such device.
    #[error(
        "there is no CUDA device {ordinal}, the driver shows {count}; check nvidia-smi and CUDA_VISIBLE_DEVICES"
    )]
    NoDevice {
        /// What was asked for.
        ordinal: usize,
        /// How many there are.
        count: usize,
    },
    /// A device from before the instructions that are used.
    #[error("{device} has compute capability {}.{}, below 7.5; predict on the cpu", capability.0, capability.1)]
    Capability {
        /// Its name.
        device: String,
        /// Major and minor.
        capability: (u32, u32),
    },
    /// The device does not compute in this precision.
    #[error(
        "{device} does not multiply {precision} (that needs compute capability 8.0); compile for f16 or f32"
    )]
    Precision {
        /// Its name.
        device: String,
        /// What was asked for.
        precision: Precision,
    },
    /// The run-time compiler is not to be had.
    #[error(
        "NVRTC cannot be loaded{}; install it (pip install nvidia-cuda-nvrtc-cu12, or CUDA's nvrtc package) and name its library \
         in DIAPASON_NVRTC if it lies outside the loader's path",
        tried.as_ref().map(|path| format!(" from {}", path.display())).unwrap_or_default()
    )]
    NoNvrtc {
        /// The file that `DIAPASON_NVRTC` names.
        tried: Option<PathBuf>,
    },
    /// The run-time compiler refused a kernel.
    #[error("NVRTC {version} refused {kernel} for {architecture}: {log}")]
    Compile {
        /// Of NVRTC.
        version: String,
        /// The kernel's file.
        kernel: &'static str,
        /// The architecture.
        architecture: String,
        /// What it said.
        log: String,
    },
    /// A layer beyond what a multiprocessor holds.
    #[error("{what} is {value}, and {precision} kernels take at most {max}; {remedy}")]
    Limit {
        /// The size.
        what: &'static str,
        /// Its value.
        value: usize,
        /// The limit.
        max: usize,
        /// In what.
        precision: Precision,
        /// What to do.
        remedy: &'static str,
    },
    /// No memory on the device, however small the batch is cut.
    #[error(
        "{device} has {free} of {total} bytes free, and {what} takes {wanted}; end what else uses the device, or predict on the \
         cpu"
    )]
    Memory {
        /// Its name.
        device: String,
        /// What it was for.
        what: &'static str,
        /// Bytes asked for.
        wanted: usize,
        /// Bytes free.
        free: usize,
        /// Bytes in all.
        total: usize,
    },
    /// A weight is NaN or infinite.
    #[error("{0}; mend the model, or predict on the cpu")]
    Weight(#[from] ModelError),
    /// A weight is beyond the precision's range.
    #[error(
        "weight {index} of the model is {value}, beyond the range of {precision}; compile for bf16 or f32"
    )]
    WeightRange {
        /// The element of the flat vector of weights.
        index: usize,
        /// Its value.
        value: f32,
        /// What was asked for.
        precision: Precision,
    },
    /// A feature is beyond the precision's range.
    #[error(
        "window {window} holds a feature beyond the range of {precision}; normalise the features, or compile for bf16 or f32"
    )]
    FeatureRange {
        /// The window in the batch.
        window: usize,
        /// What was asked for.
        precision: Precision,
    },
    /// A call of the driver failed.
    #[error("{device}: {what} failed: {code}; see dmesg for an Xid of the driver, and open the device again")]
    Driver {
        /// Its name.
        device: String,
        /// What was done.
        what: &'static str,
        /// The driver's error.
        code: String,
    },
    /// The device did not answer in time.
    #[error(
        "{device} did not finish {what} within {} s; it may hang or serve others: wait longer (wait_max), open it again, or \
         predict on the cpu",
        wait_max.as_secs_f64()
    )]
    Timeout {
        /// Its name.
        device: String,
        /// What was waited for.
        what: &'static str,
        /// How long.
        wait_max: Duration,
    },
    /// Windows that cannot be predicted.
    #[error(transparent)]
    Predict(#[from] PredictError),
    /// A row that a stream cannot take.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// A folder that takes no kernels.
    #[error("cannot keep a kernel in {}: {reason}; name a folder that can be written", folder.display())]
    Keep {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        reason: String,
    },
}
