//! LSTM inference and training on any GPU with a driver for Vulkan, Metal or DX12, and on the processor through Mesa's lavapipe.
//!
//! `error -> gpu -> kernel, transfer -> shape -> source -> executable, train`: what can go wrong, an adapter opened, one kernel and
//! the copies, which kernel suits a shape, the WGSL for that shape, and the model made of them, to predict or to learn.
//!
//! ```text
//! windows -> upload -> [product: input projection -> recurrence: all steps] each layer -> dense -> read back
//! ```
//!
//! The `.wgsl` files are the kernels; constants of the shape are written before them, so that the driver's compiler unrolls
//! and sizes for exactly this model. This path is for throughput: wgpu has no memory that the host and a running kernel
//! share, so a stream of single ticks is the processor's or CUDA's.

mod error;

mod gpu;

mod kernel;

mod transfer;

mod shape;

mod source;

mod executable;

mod train;

mod feature;

pub use error::WgpuError;
pub use executable::WgpuExecutable;
pub use feature::{WgpuPanel, WgpuPanelError};
pub use gpu::Gpu;
pub use train::WgpuTrainer;
