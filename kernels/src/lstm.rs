//! A recurrent model: made by training or read from a file, compiled for this processor, then run.
//!
//!     model -> file -> packed -> compile -> predict -> stream -> train -> checkpoint

pub mod model;

pub mod file;

mod packed;

pub mod compile;

pub mod predict;

pub mod stream;

pub mod train;

pub mod checkpoint;

pub use crate::op::loss::Loss;
pub use crate::op::network::{Head, Spec, SpecError, Weights};
pub use checkpoint::CheckpointError;
pub use compile::{CompileError, CompileOptions, Executable};
pub use file::FileError;
pub use model::{Lstm, ModelError};
pub use predict::PredictError;
pub use stream::{Snapshot, Stream, StreamError, StreamOptions};
pub use train::{Schedule, StepReport, TrainError, TrainOptions, Trainer};
