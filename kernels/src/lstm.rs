//! A recurrent model: made by training or read from a file, compiled for this processor, then run.
//!
//!     random -> model -> file -> compile -> stream -> train -> checkpoint

pub mod random;

pub mod model;

pub mod file;

pub mod compile;

pub mod stream;

pub mod train;

pub mod checkpoint;

pub use crate::op::loss::Loss;
pub use crate::op::network::{Head, Spec, SpecError, Weights};
pub use checkpoint::CheckpointError;
pub use compile::{CompileError, CompileOptions, Executable, PredictError};
pub use file::FileError;
pub use model::{Lstm, ModelError};
pub use stream::{Snapshot, Stream, StreamError, StreamOptions};
pub use train::{Schedule, StepReport, TrainError, TrainOptions, Trainer};
