//! The messages of an ONNX file, as far as an LSTM model needs them.
//!
//! Field numbers are those of ONNX's `onnx.proto` (IR version 3 to 13). Subgraphs are not among the fields, so no
//! message holds itself and no file can nest without end; an operator with a subgraph is refused by its name. Before a
//! file is decoded its fields are counted, as a field of two bytes may become a message of hundreds in memory.

use prost::bytes::Buf;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

/// The version of the file format that is written: the one of ONNX 1.10 to 1.12, which carries opset 15 to 17 and is
/// read by everything since.
pub const IR_VERSION: i64 = 8;

#[derive(Clone, PartialEq, prost::Message)]
pub struct Model {
    #[prost(int64, tag = "1")]
    pub ir_version: i64,
    #[prost(string, tag = "2")]
    pub producer_name: String,
    #[prost(string, tag = "3")]
    pub producer_version: String,
    #[prost(message, optional, tag = "7")]
    pub graph: Option<Graph>,
    #[prost(message, repeated, tag = "8")]
    pub opset_import: Vec<Opset>,
    #[prost(message, repeated, tag = "14")]
    pub metadata_props: Vec<Entry>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Opset {
    #[prost(string, tag = "1")]
    pub domain: String,
    #[prost(int64, tag = "2")]
    pub version: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Entry {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(string, tag = "2")]
    pub value: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Graph {
    #[prost(message, repeated, tag = "1")]
    pub node: Vec<Node>,
    #[prost(string, tag = "2")]
    pub name: String,
    #[prost(message, repeated, tag = "5")]
    pub initializer: Vec<Tensor>,
    #[prost(message, repeated, tag = "11")]
    pub input: Vec<ValueInfo>,
    #[prost(message, repeated, tag = "12")]
    pub output: Vec<ValueInfo>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Node {
    #[prost(string, repeated, tag = "1")]
    pub input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub output: Vec<String>,
    #[prost(string, tag = "3")]
    pub name: String,
    #[prost(string, tag = "4")]
    pub op_type: String,
    #[prost(message, repeated, tag = "5")]
    pub attribute: Vec<Attribute>,
    #[prost(string, tag = "7")]
    pub domain: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Attribute {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(float, tag = "2")]
    pub f: f32,
    #[prost(int64, tag = "3")]
    pub i: i64,
    #[prost(bytes = "vec", tag = "4")]
    pub s: Vec<u8>,
    #[prost(message, optional, tag = "5")]
    pub t: Option<Tensor>,
    #[prost(float, repeated, packed = "false", tag = "7")]
    pub floats: Vec<f32>,
    #[prost(int64, repeated, packed = "false", tag = "8")]
    pub ints: Vec<i64>,
    #[prost(bytes = "vec", repeated, tag = "9")]
    pub strings: Vec<Vec<u8>>,
    #[prost(int32, tag = "20")]
    pub r#type: i32,
}

/// Values of [`Attribute::type`].
pub mod kind {
    pub const FLOAT: i32 = 1;
    pub const INT: i32 = 2;
    pub const STRING: i32 = 3;
    pub const FLOATS: i32 = 6;
    pub const INTS: i32 = 7;
    pub const STRINGS: i32 = 8;
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Tensor {
    #[prost(int64, repeated, packed = "false", tag = "1")]
    pub dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    pub data_type: i32,
    #[prost(float, repeated, tag = "4")]
    pub float_data: Vec<f32>,
    #[prost(int32, repeated, tag = "5")]
    pub int32_data: Vec<i32>,
    #[prost(int64, repeated, tag = "7")]
    pub int64_data: Vec<i64>,
    #[prost(string, tag = "8")]
    pub name: String,
    #[prost(bytes = "vec", tag = "9")]
    pub raw_data: Vec<u8>,
    #[prost(message, repeated, tag = "13")]
    pub external_data: Vec<Entry>,
    #[prost(int32, tag = "14")]
    pub data_location: i32,
}

/// Values of [`Tensor::data_type`].
pub mod element {
    pub const FLOAT: i32 = 1;
    pub const INT32: i32 = 6;
    pub const INT64: i32 = 7;
    pub const BOOL: i32 = 9;
}

/// [`Tensor::data_location`] of values in another file.
pub const EXTERNAL: i32 = 1;

#[derive(Clone, PartialEq, prost::Message)]
pub struct ValueInfo {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(message, optional, tag = "2")]
    pub r#type: Option<Type>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Type {
    #[prost(message, optional, tag = "1")]
    pub tensor_type: Option<TensorType>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct TensorType {
    #[prost(int32, tag = "1")]
    pub elem_type: i32,
    #[prost(message, optional, tag = "2")]
    pub shape: Option<Shape>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Shape {
    #[prost(message, repeated, tag = "1")]
    pub dim: Vec<Dimension>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Dimension {
    #[prost(int64, optional, tag = "1")]
    pub dim_value: Option<i64>,
    #[prost(string, optional, tag = "2")]
    pub dim_param: Option<String>,
}

/// Most fields of a file: a graph of a hundred thousand nodes has fewer.
const FIELDS_MAX: usize = 1 << 20;

/// The messages among the fields of a message.
#[derive(Clone, Copy)]
enum Kind {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    ValueInfo,
    Type,
    TensorType,
    Shape,
    Leaf,
}

const fn child(kind: Kind, tag: u32) -> Option<Kind> {
    match (kind, tag) {
        (Kind::Model, 7) => Some(Kind::Graph),
        (Kind::Model, 8 | 14) | (Kind::Tensor, 13) | (Kind::Shape, 1) => Some(Kind::Leaf),
        (Kind::Graph, 1) => Some(Kind::Node),
        (Kind::Graph, 5) | (Kind::Attribute, 5) => Some(Kind::Tensor),
        (Kind::Graph, 11 | 12) => Some(Kind::ValueInfo),
        (Kind::Node, 5) => Some(Kind::Attribute),
        (Kind::ValueInfo, 2) => Some(Kind::Type),
        (Kind::Type, 1) => Some(Kind::TensorType),
        (Kind::TensorType, 2) => Some(Kind::Shape),
        _ => None,
    }
}

/// Whether a file has few enough fields to be decoded; `None` when it breaks off or is no protobuf at all.
pub fn is_bounded(bytes: &[u8]) -> Option<bool> {
    let mut left = FIELDS_MAX;
    count(bytes, Kind::Model, &mut left)?;
    Some(left > 0)
}

/// Counts down for every field. The messages nest no deeper than [`child`] does.
fn count(mut bytes: &[u8], kind: Kind, left: &mut usize) -> Option<()> {
    while bytes.has_remaining() && *left > 0 {
        *left -= 1;
        let (tag, wire) = decode_key(&mut bytes).ok()?;
        match (wire, child(kind, tag)) {
            (WireType::LengthDelimited, Some(kind)) => {
                let len = usize::try_from(decode_varint(&mut bytes).ok()?).ok()?;
                count(bytes.get(..len)?, kind, left)?;
                bytes.advance(len);
            }
            _ => skip_field(wire, tag, &mut bytes, DecodeContext::default()).ok()?,
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    #[test]
    fn a_file_of_a_million_empty_nodes_is_not_decoded() {
        let model = |nodes| Model {
            graph: Some(Graph { node: vec![Node::default(); nodes], ..Graph::default() }),
            ..Model::default()
        };
        assert_eq!(is_bounded(&model(1000).encode_to_vec()), Some(true));
        assert_eq!(is_bounded(&model(FIELDS_MAX).encode_to_vec()), Some(false));
        assert_eq!(is_bounded(&model(3).encode_to_vec()[..3]), None);
        assert_eq!(is_bounded(b"PK\x03\x04 no protobuf"), None);
    }
}
