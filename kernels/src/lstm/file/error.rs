//! What can be wrong with a model file.

use std::io;
use std::path::PathBuf;

use safetensors::{Dtype, SafeTensorError};
use thiserror::Error;

use super::foreign::ForeignError;
use super::{RESERVED, SPEC_KEY};
use crate::lstm::model::ModelError;
use crate::lstm::onnx::OnnxError;
use crate::lstm::plain::NotPlain;
use crate::op::lstm_stack::StackError;
use crate::op::network::{Spec, SpecError};

/// A model file that cannot be read or written.
#[derive(Debug, Error)]
pub enum FileError {
    /// The operating system refused.
    #[error("cannot {verb} {}: {source}", path.display())]
    Io {
        /// What was tried.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A folder, a pipe or a device, which might never end.
    #[error("{} is not a regular file; give the path of a model file", path.display())]
    NotAFile {
        /// What was given.
        path: PathBuf,
    },
    /// The file is written, but the folder that names it could not be synced.
    #[error(
        "{} is written whole, but after a power cut its folder may name the old file: cannot sync the folder: {source}",
        path.display()
    )]
    NotSynced {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The file is larger than any model.
    #[error("{} has {bytes} bytes, more than the {max} that a model can have", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The limit.
        max: u64,
    },
    /// Not a safetensors file, or a damaged one.
    #[error("{} is not a whole safetensors file: {source}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: SafeTensorError,
    },
    /// No shape in the metadata, though the file has other keys of ours.
    #[error("{} has no {SPEC_KEY:?} in its metadata, but {key:?}; it is damaged", path.display())]
    NoSpec {
        /// The file.
        path: PathBuf,
        /// The metadata key that it has.
        key: String,
    },
    /// Another program's file, whose tensors are no model of ours.
    #[error(
        "{} was not saved by this project (it has no {SPEC_KEY:?} in its metadata), and its tensors are not one torch.nn.LSTM with one torch.nn.Linear: {source}",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ForeignError,
    },
    /// The shape in the metadata does not parse.
    #[error("{} has a bad {key:?} in its metadata: {source}", path.display())]
    BadSpec {
        /// The file.
        path: PathBuf,
        /// The metadata key.
        key: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// The shape in the metadata is impossible.
    #[error("{}: {source}", path.display())]
    Spec {
        /// The file.
        path: PathBuf,
        /// Why.
        source: SpecError,
    },
    /// A tensor that the shape asks for is not there.
    #[error("{} has no tensor {tensor:?}, which {spec} needs", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// The shape of the model.
        spec: Spec,
    },
    /// A tensor that the shape has no place for.
    #[error("{} has a tensor {tensor:?}, which {spec} has no place for", path.display())]
    Unexpected {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// The shape of the model.
        spec: Spec,
    },
    /// A tensor of another shape.
    #[error("{}: tensor {tensor:?} has shape {found:?}, not {wanted:?}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// Its shape in the file.
        found: Vec<usize>,
        /// The shape that the model needs.
        wanted: Vec<usize>,
    },
    /// A tensor of another type.
    #[error("{}: tensor {tensor:?} is {found}, not F32; convert it with `tensor.float()`", path.display())]
    Type {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// Its type in the file.
        found: Dtype,
    },
    /// The weights make no model, such as a NaN among them.
    #[error("{}: {source}", path.display())]
    Model {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ModelError,
    },
    /// The caller's metadata uses a key of ours.
    #[error("metadata key {key:?} is reserved; use one that does not start with {RESERVED:?}")]
    Reserved {
        /// The key.
        key: String,
    },
    /// An ONNX model that cannot be read or written.
    #[error("{}: {source}", path.display())]
    Onnx {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<OnnxError>,
    },
    /// An ONNX model of another form than a plain LSTM with a dense head.
    #[error("{} is no plain LSTM with a dense head: {source}; read it as a network", path.display())]
    NotPlain {
        /// The file.
        path: PathBuf,
        /// Why.
        source: NotPlain,
    },
    /// Layers that do not fit together.
    #[error("{}: {source}", path.display())]
    Stack {
        /// The file.
        path: PathBuf,
        /// Why.
        source: StackError,
    },
    /// A tensor that a network needs is not there.
    #[error("{} has no tensor {tensor:?}, which its layers need", path.display())]
    NoTensor {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
    },
    /// A tensor that a network has no place for.
    #[error("{} has a tensor {tensor:?}, which its layers have no place for", path.display())]
    Stranger {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
    },
}
