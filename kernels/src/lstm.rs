//! A recurrent model: made by training or read from a file, compiled for this processor, then run.
//!
//! ```text
//! non_finite, model -> onnx, plain -> file -> matrix -> packed, threads -> cut -> block -> compile -> predict -> floor, tuning -> deviation, stream
//!       -> train -> checkpoint
//!       -> network: any other form of model, run layer by layer
//! ```

pub mod non_finite;

pub mod model;

pub mod onnx;

mod plain;

pub mod file;

mod matrix;

mod packed;

mod threads;

pub mod cut;

mod block;

pub mod compile;

pub mod predict;

pub mod floor;

pub mod tuning;

pub mod deviation;

pub mod stream;

pub mod train;

pub mod network;

pub mod checkpoint;

pub use crate::op::activation::Activations;
pub use crate::op::loss::Loss;
pub use crate::op::network::{Head, Spec, SpecError, Weights};
pub use block::PredictError;
pub use checkpoint::CheckpointError;
pub use compile::{CompileError, CompileOptions, Executable};
pub use cut::Tuning;
pub use deviation::Deviation;
pub use file::{FileError, ForeignError};
pub use floor::Floor;
pub use matrix::{Precision, PrecisionError};
pub use model::{Lstm, ModelError};
pub use network::{
    Network, NetworkError, NetworkExecutable, NetworkStream, NetworkTrainError, NetworkTrainer,
};
pub use non_finite::{NonFinite, NonFiniteError};
pub use onnx::OnnxError;
pub use plain::NotPlain;
pub use stream::{Snapshot, Stream, StreamError, StreamOptions, Wait};
pub use train::{Optimizer, Schedule, States, StepReport, TrainError, TrainOptions, Trainer};
pub use tuning::{Tuned, TuningError};
