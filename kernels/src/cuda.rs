//! LSTM inference and training on NVIDIA GPUs: CUDA C++ compiled at run time for exactly this model and device.
//!
//! `error, shape, fragments -> source -> nvrtc -> cache -> gpu -> executable`: what can go wrong, how a layer is cut for a
//! device, the order of weights on tensor cores, the text of a kernel, its compilation, the cubins kept on disk, the open
//! device, and the model made of them.
//!
//! `plan -> engine -> train, feature`: launches as values, where they run, and a training and a panel of features made of them.
//!
//! ```text
//! windows -> pinned memory -> upload -> [lstm_layer: all steps, input projection included] each layer -> dense -> read back
//! ```
//!
//! NVIDIA's libraries are loaded when a device is opened, and a host without them loses nothing but this device.

mod error;

mod shape;

mod fragments;

mod source;

pub mod nvrtc;

mod cache;

mod gpu;

mod executable;

mod plan;

mod engine;

mod train;

mod feature;

#[cfg(test)]
mod host;

pub use error::CudaError;
pub use executable::CudaExecutable;
pub use feature::{CudaPanel, CudaPanelError};
pub use gpu::Gpu;
pub use train::{CudaSweep, CudaTrainError, CudaTrainer};
