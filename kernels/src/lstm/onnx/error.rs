//! What can be wrong with an ONNX model.

use std::io;
use std::path::PathBuf;

use prost::DecodeError;
use thiserror::Error;

use crate::op::lstm_stack::StackError;

/// An ONNX model that cannot be read or written.
#[derive(Debug, Error)]
pub enum OnnxError {
    /// Not protobuf, or a damaged file.
    #[error("it is not a whole ONNX file: {0}")]
    Decode(#[from] DecodeError),
    /// The file breaks off, or is something else altogether.
    #[error("it is not a whole ONNX file: a field runs beyond the end, or it is no protobuf")]
    Broken,
    /// So many fields that the decoded file could fill the memory.
    #[error("it has more than a million fields, which no LSTM model has")]
    Fields,
    /// No graph.
    #[error("it holds no graph; it is not an ONNX model")]
    NoGraph,
    /// A version of the operators that is not known.
    #[error(
        "it uses version {version} of the operators; versions {min} to {max} are read: export with `opset_version=17`"
    )]
    Opset {
        /// The file's.
        version: i64,
        /// The oldest that is read.
        min: i64,
        /// The newest.
        max: i64,
    },
    /// A tensor of constants that cannot be read.
    #[error("tensor {tensor:?}: {source}")]
    Tensor {
        /// Its name.
        tensor: String,
        /// Why.
        source: TensorError,
    },
    /// A node that cannot be read as part of a stack of LSTM and dense layers.
    #[error("node {node:?} ({operator}): {source}")]
    Node {
        /// Its name, or that of its first output.
        node: String,
        /// Its operator.
        operator: String,
        /// Why.
        source: NodeError,
    },
    /// No LSTM.
    #[error("there is no LSTM node whose input comes from an input of the graph")]
    NoLstm,
    /// An input of the graph without a value.
    #[error(
        "input {input:?} of the graph has no meaning here: it is neither the series, an initial state nor the lengths; give it a value or make it an initializer"
    )]
    Input {
        /// Its name.
        input: String,
    },
    /// An input of the graph has the wrong shape.
    #[error(
        "input {input:?} has {rank} dimensions, or one whose size must be known and is not; it must be {wanted}"
    )]
    InputShape {
        /// Its name.
        input: String,
        /// Its dimensions.
        rank: usize,
        /// What it must be.
        wanted: &'static str,
    },
    /// An output of the graph that is no value of the model.
    #[error("output {output:?} {reason}")]
    Output {
        /// Its name.
        output: String,
        /// Why.
        reason: &'static str,
    },
    /// Layers that do not follow each other.
    #[error("node {node:?} {reason}")]
    Structure {
        /// The node.
        node: String,
        /// Why it has no place in a stack.
        reason: &'static str,
    },
    /// The model that came out cannot run.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// ONNX has no place for a part of the model.
    #[error("ONNX has no {what}; {remedy}")]
    NotInOnnx {
        /// The part.
        what: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// More than protobuf can hold.
    #[error("the model has {bytes} bytes, more than the {max} of an ONNX file; save it as safetensors")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
}

/// Constants that cannot be read.
#[derive(Debug, Error)]
pub enum TensorError {
    /// A type that is not read.
    #[error(
        "its elements have type {found}, in ONNX's numbering; only FLOAT (1), INT32 (6), INT64 (7) and BOOL (9) are read: convert the model to float32"
    )]
    Type {
        /// The type's number.
        found: i32,
    },
    /// A dimension is negative, or their product too large.
    #[error("its shape {dims:?} is impossible")]
    Dims {
        /// The dimensions.
        dims: Vec<i64>,
    },
    /// Another number of values than the shape says.
    #[error("it has {found} values, but its shape needs {wanted}")]
    Length {
        /// How many there are.
        found: usize,
        /// How many there must be.
        wanted: usize,
    },
    /// A value is NaN or infinite.
    #[error("element {index} is {value}")]
    NotFinite {
        /// The element.
        index: usize,
        /// NaN or an infinity.
        value: f32,
    },
    /// The values lie in another file, but this model came without a folder.
    #[error("its values are in another file, {location:?}, and a model in memory has no folder")]
    NoFolder {
        /// The other file.
        location: String,
    },
    /// A name that leaves the model's folder.
    #[error(
        "its values are in {location:?}; they must be in a file beneath the model's folder, named by a path without `..`, a root or a link"
    )]
    Outside {
        /// The name.
        location: String,
    },
    /// Offset or length is no number, or beyond the file.
    #[error("its values are said to be at {offset} with length {length} in {}, which has {bytes} bytes", path.display())]
    Range {
        /// The file.
        path: PathBuf,
        /// As the model says.
        offset: String,
        /// As the model says.
        length: String,
        /// The size of the file.
        bytes: u64,
    },
    /// The operating system refused.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
}

/// Why a node has no place in a model.
#[derive(Debug, Error)]
pub enum NodeError {
    /// An operator that is not read.
    #[error(
        "this operator is not read; a model is made of LSTM, dense layers, activations and reshaping around them"
    )]
    Unsupported,
    /// An operator of somebody's own.
    #[error("operators of domain {domain:?} are not read; only those of ONNX itself")]
    Domain {
        /// The domain.
        domain: String,
    },
    /// An input that nothing gives.
    #[error(
        "it reads {name:?}, which no node before it gives: the graph has a cycle, or is not sorted or whole"
    )]
    Missing {
        /// The value.
        name: String,
    },
    /// An input is left out.
    #[error("its input {place} is missing")]
    Absent {
        /// Counted from 0.
        place: usize,
    },
    /// An input of the wrong kind.
    #[error("its input {place} must be {wanted}, but is {found}")]
    Kind {
        /// Counted from 0.
        place: usize,
        /// What it must be.
        wanted: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// An attribute with an unusable value.
    #[error("its attribute {name:?} is {value}; it must be {wanted}")]
    Attribute {
        /// Its name.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it must be.
        wanted: &'static str,
    },
    /// An axis that is not there.
    #[error("axis {axis} is beyond the {rank} dimensions")]
    Axis {
        /// The axis.
        axis: i64,
        /// How many there are.
        rank: usize,
    },
    /// A shape that does not fit.
    #[error("{what} has shape {found}, not {wanted}")]
    Shape {
        /// Of what.
        what: &'static str,
        /// As it is.
        found: String,
        /// As it must be.
        wanted: String,
    },
    /// Something that would be another model than a stack of layers.
    #[error("{0}")]
    Refused(&'static str),
    /// Folded constants beyond what a model needs.
    #[error("its constants have {elements} elements, more than a model of this size can need")]
    Budget {
        /// How many.
        elements: usize,
    },
}
