//! What can go wrong on the way to a GPU and on it.

use std::time::Duration;

use thiserror::Error;

use crate::gpu::Precision;
use crate::lstm::{ModelError, PredictError, TrainError};

/// A GPU that is not there, will not do, or stopped.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum WgpuError {
    /// No driver offers a device.
    #[error(
        "no GPU adapter: no driver for Vulkan, Metal or DX12 offers one; install the GPU's driver, or Mesa's \
         lavapipe, which runs on the processor (Debian: mesa-vulkan-drivers), or predict on the cpu"
    )]
    NoAdapter,
    /// No adapter has this in its name.
    #[error("no adapter's name contains {wanted:?}; there are: {found}")]
    NoSuchAdapter {
        /// What was asked for.
        wanted: String,
        /// The names of all adapters.
        found: String,
    },
    /// The adapter is there but gives no device.
    #[error("{adapter} gives no device: {reason}; update its driver")]
    Refused {
        /// The adapter.
        adapter: String,
        /// The driver's words.
        reason: String,
    },
    /// The adapter does not compute in this precision.
    #[error("{adapter} does not offer {precision}; compile for {offered}")]
    Precision {
        /// The adapter.
        adapter: String,
        /// What was asked for.
        precision: Precision,
        /// What there is.
        offered: &'static str,
    },
    /// The model is beyond one of the adapter's limits.
    #[error("{what} takes {wanted} bytes in one buffer, and {adapter} allows {allowed}; predict on the cpu")]
    Limit {
        /// The adapter.
        adapter: String,
        /// What is too large.
        what: String,
        /// Bytes that it takes.
        wanted: u64,
        /// Bytes that are allowed.
        allowed: u64,
    },
    /// No memory on the device, however small the batch is cut.
    #[error(
        "no memory on {adapter} for {wanted} bytes of {what}, the batch cut to {rows} windows at a time; free memory of the \
         device (wgpu does not tell how much is left) or predict on the cpu"
    )]
    Memory {
        /// The adapter.
        adapter: String,
        /// What it was for.
        what: &'static str,
        /// Bytes asked for.
        wanted: u64,
        /// Windows in flight.
        rows: usize,
    },
    /// A weight is NaN or infinite.
    #[error("{0}; mend the model, since WGSL promises nothing for such numbers, or predict on the cpu")]
    Weight(#[from] ModelError),
    /// A weight is beyond the precision's range.
    #[error("weight {index} of the model is {value}, beyond the range of {precision}; compile for f32")]
    Range {
        /// The element of the flat vector of weights.
        index: usize,
        /// Its value.
        value: f32,
        /// What was asked for.
        precision: Precision,
    },
    /// The driver's compiler refused a kernel, or a call was wrong.
    #[error(
        "{adapter} refused {what}: {reason}; please report this with the driver's version, and predict on the cpu"
    )]
    Call {
        /// The adapter and its driver.
        adapter: String,
        /// What was done.
        what: &'static str,
        /// The words of wgpu or of the driver.
        reason: String,
    },
    /// The device is gone: unplugged, reset, or a driver that crashed.
    #[error("{adapter} was lost: {reason}; open it again and compile anew, or predict on the cpu")]
    Lost {
        /// The adapter.
        adapter: String,
        /// The driver's words.
        reason: String,
    },
    /// The device did not answer in time.
    #[error(
        "{adapter} did not finish {what} within {} s; it may hang or serve others: wait longer (wait_max), open it again, or \
         predict on the cpu",
        wait_max.as_secs_f64()
    )]
    Timeout {
        /// The adapter.
        adapter: String,
        /// What was waited for.
        what: &'static str,
        /// How long.
        wait_max: Duration,
    },
    /// Windows that cannot be predicted.
    #[error(transparent)]
    Predict(#[from] PredictError),
    /// Training that cannot start or go on, as on the processor.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// Training as only the processor does it.
    #[error("there is no training with {what} on wgpu; {remedy}, or train on the cpu")]
    Untrained {
        /// The option.
        what: &'static str,
        /// What to do.
        remedy: &'static str,
    },
}
