//! Models as ONNX files, read and written without another library than a protobuf decoder.
//!
//! ```text
//! bytes -> proto -> graph: constants fold, values made from the series get names for their axes -> assemble: a stack
//! ```
//!
//! What is read are LSTM layers with every attribute, dense layers and activations, and whatever reshaping exporters
//! write around them, version 11 to 22 of the operators. An operator outside that set is an error that names node and
//! operator. A graph does not say which axis of its input is the batch and which is time; both are tried, and only one
//! fits the LSTM.
//!
//! `proto, error, tensor, flow -> node -> fold, lstm_node -> graph -> assemble, write`

mod assemble;
mod error;
mod flow;
mod fold;
mod graph;
mod lstm_node;
mod node;
mod proto;
mod tensor;
mod write;

#[cfg(test)]
mod hostile;

use std::collections::BTreeMap;
use std::path::Path;

use prost::Message;

use crate::op::lstm_stack::Stack;
pub use error::{NodeError, OnnxError, TensorError};
pub use flow::Axis;
use graph::Order;
use tensor::{Constant, Dim, Floats};

/// The oldest and the newest version of the operators that is read.
const OPSETS: [i64; 2] = [11, 22];
/// The version that is written; [`encode`] takes any from 14 to 22.
pub const OPSET: i64 = 17;
/// Protobuf counts bytes in 31 bits.
pub(super) const FILE_BYTES_MAX: usize = i32::MAX as usize;

/// What a graph says beside the layers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The axes of each head's output in the graph. A network gives `[batch, time, features]` whatever they were.
    pub axes: Vec<Vec<Axis>>,
    /// Whether the lengths of the series are an input.
    pub lengths: bool,
    /// Whether the initial states are inputs.
    pub states: bool,
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The layers, which passed their check.
    pub stack: Stack<f32>,
    /// The file's own strings.
    pub metadata: BTreeMap<String, String>,
    /// What else the graph says.
    pub origin: Origin,
}

/// Values for inputs of a graph that are neither the series, nor its states or lengths: shape and elements by name.
pub type Given = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Reads a model from the bytes of a file. Tensors outside of it are looked for beneath `folder`, if there is one;
/// `given` are values for inputs of the graph.
///
/// # Errors
/// [`OnnxError`] naming the node, tensor, input or output that cannot be read.
pub fn decode(bytes: &[u8], folder: Option<&Path>, given: &Given) -> Result<Model, OnnxError> {
    match proto::is_bounded(bytes) {
        None => return Err(OnnxError::Broken),
        Some(false) => return Err(OnnxError::Fields),
        Some(true) => {}
    }
    let model = proto::Model::decode(bytes)?;
    let ours = |opset: &&proto::Opset| matches!(opset.domain.as_str(), "" | "ai.onnx");
    let version = model.opset_import.iter().find(ours).map_or(0, |opset| opset.version);
    let graph = model.graph.as_ref().ok_or(OnnxError::NoGraph)?;
    let [min, max] = OPSETS;
    if !(min..=max).contains(&version) {
        return Err(OnnxError::Opset { version, min, max });
    }
    let constants = constants(given)?;
    let read = |order| graph::walk(graph, version, folder, &constants, order).and_then(assemble::assemble);
    // An error of either order may be only that it is the wrong one: the one that went further is told.
    let read = match read(Order::BatchFirst) {
        Ok(read) => read,
        Err(first) => read(Order::TimeFirst).map_err(|second| further(graph, first, second))?,
    };
    let metadata = model.metadata_props.into_iter().map(|entry| (entry.key, entry.value)).collect();
    let assemble::Assembled { stack, axes, lengths, states } = read;
    Ok(Model { stack, metadata, origin: Origin { axes, lengths, states } })
}

fn constants(given: &Given) -> Result<BTreeMap<String, Constant>, OnnxError> {
    let constant = |(name, (dims, values)): (&String, &(Vec<usize>, Vec<f32>))| {
        let wanted = tensor::elements(dims).unwrap_or(usize::MAX);
        if wanted != values.len() {
            let source = TensorError::Length { found: values.len(), wanted };
            return Err(OnnxError::Tensor { tensor: name.clone(), source });
        }
        let shape = dims.iter().map(|&size| Dim::Known(i64::try_from(size).unwrap_or(i64::MAX))).collect();
        Ok((name.clone(), Constant::Floats(Floats { shape, values: values.clone() })))
    };
    given.iter().map(constant).collect()
}

/// The error of the later node; an error behind all nodes is later still.
fn further(graph: &proto::Graph, a: OnnxError, b: OnnxError) -> OnnxError {
    let place = |error: &OnnxError| match error {
        OnnxError::Node { node, .. } => {
            graph.node.iter().position(|here| node::Node::name(here) == *node).unwrap_or(0)
        }
        _ => usize::MAX,
    };
    if place(&b) > place(&a) { b } else { a }
}

/// The bytes of a file with a model: one input `input` `[batch, time, features]`, an output for each head, and the
/// strings of `metadata`. `opset` is from 14 to 22.
///
/// # Errors
/// [`OnnxError`] when the stack cannot run, or ONNX has no place for a part of it.
pub fn encode(
    stack: &Stack<f32>,
    metadata: &BTreeMap<String, String>,
    opset: i64,
) -> Result<Vec<u8>, OnnxError> {
    stack.check()?;
    let [min, max] = [14, OPSETS[1]];
    if !(min..=max).contains(&opset) {
        return Err(OnnxError::Opset { version: opset, min, max });
    }
    let model = proto::Model {
        ir_version: proto::IR_VERSION,
        producer_name: "diapason".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        graph: Some(write::graph(stack)?),
        opset_import: vec![proto::Opset { domain: String::new(), version: opset }],
        metadata_props: metadata
            .iter()
            .map(|(key, value)| proto::Entry { key: key.clone(), value: value.clone() })
            .collect(),
    };
    let bytes = model.encoded_len();
    if bytes > FILE_BYTES_MAX {
        return Err(OnnxError::TooLarge { bytes, max: FILE_BYTES_MAX });
    }
    Ok(model.encode_to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::lstm_layer::LstmLayer;
    use crate::op::lstm_stack::{Dense, Head, Layer, Read, What};

    fn stack() -> Stack<f32> {
        let dense = |input, output| Dense { input, output, weight: vec![0.5; input * output], bias: None };
        let read = |layer, what, features| Read { layer, what, features };
        let head = |name: &str, read, layers| Head { name: name.to_owned(), read, layers };
        Stack {
            input: 3,
            layers: vec![
                Layer::Dense(dense(3, 2)),
                Layer::Lstm(LstmLayer::zeros(2, 4, None, 2)),
                Layer::Lstm(LstmLayer::zeros(8, 3, None, 1)),
            ],
            heads: vec![
                head(
                    "last",
                    vec![read(2, What::Step(-1), 0..3)],
                    vec![Layer::Dense(dense(3, 5)), Layer::Softmax],
                ),
                head("all", vec![read(1, What::Sequence, 1..5)], vec![]),
                head("states", vec![read(1, What::Hidden, 4..8), read(2, What::Cell, 0..3)], vec![]),
            ],
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for opset in 14..=22 {
            let metadata: BTreeMap<String, String> = [("features".to_owned(), "sma(20)".to_owned())].into();
            let bytes = encode(&stack(), &metadata, opset).unwrap();
            let model = decode(&bytes, None, &Given::new()).unwrap();
            assert_eq!(model.stack, stack());
            assert_eq!(model.metadata, metadata);
        }
    }

    #[test]
    fn every_truncation_and_flip_of_a_byte_is_an_error_or_a_model() {
        let bytes = encode(&stack(), &BTreeMap::new(), OPSET).unwrap();
        for len in 0..bytes.len() {
            let _ = decode(&bytes[..len], None, &Given::new()).map(|model| model.stack.check().unwrap());
        }
        for place in 0..bytes.len() {
            for flip in [1, 0x10, 0x80, 0xff] {
                let mut bytes = bytes.clone();
                bytes[place] ^= flip;
                let _ = decode(&bytes, None, &Given::new()).map(|model| model.stack.check().unwrap());
            }
        }
    }
}
