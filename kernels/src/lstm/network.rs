//! Any recurrent model that a file may hold: a stack of layers with heads, from ONNX or PyTorch, to be run here.
//!
//! A network that is a plain [`Lstm`] is compiled as one. Any other one is run layer by layer, with its matrix products
//! on the same kernels, and [`explain`](NetworkExecutable::explain) says which of the two it is and why.
//!
//! `layers -> run -> stream, state_dict -> train`

mod layers;
mod run;
mod state_dict;
mod stream;
mod train;

use std::collections::BTreeMap;
use std::path::Path;

use diapason_buffer::buffer::OutOfMemory;
use thiserror::Error;

use super::block::PredictError;
use super::compile::CompileError;
use super::file::{self, FileError};
use super::matrix::Precision;
use super::model::{Lstm, ModelError};
use super::onnx::{self, Given, OPSET, Origin};
use super::plain::{self, NotPlain};
use crate::op::lstm_stack::{Stack, StackError};
pub use run::{Inputs, NetworkExecutable};
pub use state_dict::{Module, StateDict};
pub(super) use state_dict::{decode_checkpoint, encode_checkpoint};
pub use stream::NetworkStream;
pub use train::{NetworkTrainError, NetworkTrainer};

/// A model of any form, in f32.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    stack: Stack<f32>,
    metadata: BTreeMap<String, String>,
    origin: Origin,
}

/// Something that a network cannot do.
#[derive(Debug, Error)]
pub enum NetworkError {
    /// It cannot be compiled.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// It was to be run in a precision in which only plain models run.
    #[error("{precision} was asked for, but this model runs in f32 only: {reason}")]
    Precision {
        /// What was asked for.
        precision: Precision,
        /// Why it is no plain one.
        reason: NotPlain,
    },
    /// A stream of it was to run on several cores, as only plain models do.
    #[error("cores were given for a stream, but this model runs on one: {reason}")]
    Cores {
        /// Why it is no plain one.
        reason: NotPlain,
    },
    /// Not enough memory for the packed weights.
    #[error("no memory for the packed weights of a network: {0}")]
    Memory(OutOfMemory),
    /// The windows or the place for predictions do not fit.
    #[error(transparent)]
    Predict(#[from] PredictError),
    /// Its first head gives a value for each step.
    #[error("head {head:?} gives a value for each step; use `run`, which gives them all")]
    Sequence {
        /// The head.
        head: String,
    },
    /// The lengths do not fit the windows.
    #[error(
        "{found} lengths, of which the longest is {longest}, do not fit {batch} windows of {time} steps; each must be from 1 to {time}"
    )]
    Lengths {
        /// How many were given.
        found: usize,
        /// The longest.
        longest: usize,
        /// Windows.
        batch: usize,
        /// Steps of each.
        time: usize,
    },
    /// The lengths are needed.
    #[error("the graph that this model came from takes the lengths of the series; give them")]
    NoLengths,
    /// The states do not fit the model.
    #[error(
        "initial states of window {window} do not fit: layer {layer} needs {h} hidden and {c} cell values"
    )]
    States {
        /// The window.
        window: usize,
        /// The LSTM layer, counted among these.
        layer: usize,
        /// Hidden values.
        h: usize,
        /// Cell values.
        c: usize,
    },
    /// A head reads a step that the windows do not have.
    #[error("head {head:?} reads step {step}, which windows of {time} steps do not have")]
    Step {
        /// The head.
        head: String,
        /// The step.
        step: isize,
        /// Steps of a window.
        time: usize,
    },
    /// It cannot go on from tick to tick.
    #[error(
        "layer {layer} reads the series from its end, so its state cannot be carried from tick to tick; give a window"
    )]
    Reverse {
        /// The layer.
        layer: usize,
    },
    /// A stream without an instance or a step.
    #[error("a stream needs at least one {what}")]
    Empty {
        /// What is lacking.
        what: &'static str,
    },
    /// The stream on the kernels cannot be had.
    #[error(transparent)]
    Stream(#[from] super::stream::StreamError),
}

impl Network {
    /// A model of these layers.
    ///
    /// # Errors
    /// [`StackError`] when they do not fit together.
    pub fn new(stack: Stack<f32>) -> Result<Self, StackError> {
        stack.check()?;
        Ok(Self { stack, metadata: BTreeMap::new(), origin: Origin::default() })
    }

    /// A model that an ONNX file held.
    #[must_use]
    pub fn from_onnx(onnx::Model { stack, metadata, origin }: onnx::Model) -> Self {
        Self { stack, metadata, origin }
    }

    /// Reads a model: ONNX from a path that ends in `.onnx`, else safetensors, ours or a `state_dict` that leaves no
    /// doubt (see [`StateDict`] for those that do).
    ///
    /// # Errors
    /// [`FileError`] naming the file and what is wrong in it.
    pub fn load(path: &Path) -> Result<Self, FileError> {
        if file::is_onnx(path) { Self::load_onnx(path, &Given::new()) } else { state_dict::load(path, None) }
    }

    /// Reads an ONNX model some of whose inputs are given.
    ///
    /// # Errors
    /// [`FileError`] naming the file and what is wrong in it.
    pub fn load_onnx(path: &Path, given: &Given) -> Result<Self, FileError> {
        Ok(Self::from_onnx(file::load_onnx(path, given)?))
    }

    /// Reads a `state_dict` in which the tensors alone do not say what the model is.
    ///
    /// # Errors
    /// [`FileError`] naming the file and the tensor.
    pub fn load_state_dict(path: &Path, described: &StateDict) -> Result<Self, FileError> {
        state_dict::load(path, Some(described))
    }

    /// Writes the model: ONNX to a path that ends in `.onnx`, else safetensors. First whole to a temporary name
    /// beside it, then renamed.
    ///
    /// # Errors
    /// [`FileError`] when the format has no place for a part of the model or the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), FileError> {
        let bytes = if file::is_onnx(path) {
            onnx::encode(&self.stack, &self.metadata, OPSET)
                .map_err(|source| file::onnx_error(path, source))?
        } else {
            state_dict::encode(self)?
        };
        file::write_bytes(path, &bytes)
    }

    /// The layers and heads.
    #[must_use]
    pub const fn stack(&self) -> &Stack<f32> {
        &self.stack
    }

    pub(super) const fn stack_mut(&mut self) -> &mut Stack<f32> {
        &mut self.stack
    }

    /// What the graph said that it was read from; of a model from elsewhere nothing.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Strings that are saved with the model and mean nothing to it.
    #[must_use]
    pub const fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// The same, to change. Keys that start with `diapason.` are the file format's own: saving refuses them.
    pub const fn metadata_mut(&mut self) -> &mut BTreeMap<String, String> {
        &mut self.metadata
    }

    /// The same model for the fast kernels and for training.
    ///
    /// # Errors
    /// [`NotPlain`] naming the layer or head that keeps it from being one.
    pub fn to_lstm(&self) -> Result<Lstm, NotPlain> {
        if self.origin.lengths {
            return Err(NotPlain::Lengths);
        }
        let mut lstm = plain::lstm(&self.stack)?;
        lstm.metadata_mut().clone_from(&self.metadata);
        Ok(lstm)
    }
}

impl From<&Lstm> for Network {
    fn from(lstm: &Lstm) -> Self {
        let (stack, metadata) = (plain::stack(lstm), lstm.metadata().clone());
        Self { stack, metadata, origin: Origin::default() }
    }
}

#[cfg(any(test, fuzzing))]
impl Network {
    /// The bytes of a safetensors file.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, FileError> {
        state_dict::encode(self)
    }
}

/// A network from the bytes of a safetensors file.
#[cfg(any(test, fuzzing))]
pub(crate) fn decode(path: &Path, bytes: &[u8]) -> Result<Network, FileError> {
    state_dict::decode(path, bytes, None)
}

/// The error of weights that no model has, as a file's.
fn model_error(path: &Path, source: ModelError) -> FileError {
    FileError::Model { path: path.to_path_buf(), source }
}
