//! A node of a graph with what its inputs hold, and its attributes by name and type.

use super::error::NodeError;
use super::flow::Flow;
use super::proto::{self, kind};
use super::tensor::{Constant, Dim, Floats, Ints};

/// A value of the graph.
#[derive(Clone, Debug)]
pub enum Value {
    /// Known before a series is.
    Constant(Constant),
    /// Made from the series.
    Flow(Flow),
    /// The graph's input of the lengths of the series.
    Lengths,
    /// An input of the graph without a meaning.
    Unbound,
}

impl Value {
    const fn name(&self) -> &'static str {
        match self {
            Self::Constant(Constant::Floats(_)) => "a constant of floats",
            Self::Constant(Constant::Ints(_)) => "a constant of integers",
            Self::Flow(_) => "made from the series",
            Self::Lengths => "the lengths of the series",
            Self::Unbound => "an input of the graph without a value",
        }
    }
}

/// A node and its inputs.
pub struct Node<'a> {
    pub proto: &'a proto::Node,
    pub inputs: Vec<Option<&'a Value>>,
    pub opset: i64,
}

impl<'a> Node<'a> {
    /// The name to tell a person.
    pub fn name(proto: &proto::Node) -> String {
        if proto.name.is_empty() {
            proto.output.first().cloned().unwrap_or_default()
        } else {
            proto.name.clone()
        }
    }

    pub fn input(&self, place: usize) -> Option<&'a Value> {
        self.inputs.get(place).copied().flatten()
    }

    fn kind(&self, place: usize, wanted: &'static str) -> NodeError {
        match self.input(place) {
            Some(value) => NodeError::Kind { place, wanted, found: value.name() },
            None => NodeError::Absent { place },
        }
    }

    pub fn flow(&self, place: usize) -> Result<&'a Flow, NodeError> {
        match self.input(place) {
            Some(Value::Flow(flow)) => Ok(flow),
            _ => Err(self.kind(place, "made from the series")),
        }
    }

    pub fn constant(&self, place: usize) -> Result<&'a Constant, NodeError> {
        match self.input(place) {
            Some(Value::Constant(constant)) => Ok(constant),
            _ => Err(self.kind(place, "a constant")),
        }
    }

    pub fn floats(&self, place: usize) -> Result<&'a Floats, NodeError> {
        match self.input(place) {
            Some(Value::Constant(Constant::Floats(floats))) => Ok(floats),
            _ => Err(self.kind(place, "a constant of floats")),
        }
    }

    pub fn ints(&self, place: usize) -> Result<&'a Ints, NodeError> {
        match self.input(place) {
            Some(Value::Constant(Constant::Ints(ints))) => Ok(ints),
            _ => Err(self.kind(place, "a constant of integers")),
        }
    }

    /// Integers none of which is a symbol.
    pub fn numbers(&self, place: usize) -> Result<Vec<i64>, NodeError> {
        let known = |dim: &Dim| match dim {
            Dim::Known(number) => Ok(*number),
            Dim::Batch | Dim::Time => Err(NodeError::Refused(
                "it needs a number where the graph has the size of a batch or a series",
            )),
        };
        self.ints(place)?.values.iter().map(known).collect()
    }

    pub fn attribute(&self, name: &str) -> Option<&'a proto::Attribute> {
        self.proto.attribute.iter().find(|attribute| attribute.name == name)
    }

    fn typed(
        &self,
        name: &'static str,
        kind: i32,
        wanted: &'static str,
    ) -> Result<Option<&'a proto::Attribute>, NodeError> {
        match self.attribute(name) {
            Some(found) if found.r#type != kind => {
                let value = format!("of type {}, in ONNX's numbering", found.r#type);
                Err(NodeError::Attribute { name, value, wanted })
            }
            found => Ok(found),
        }
    }

    pub fn int(&self, name: &'static str, absent: i64) -> Result<i64, NodeError> {
        Ok(self.typed(name, kind::INT, "an integer")?.map_or(absent, |found| found.i))
    }

    pub fn float(&self, name: &'static str) -> Result<Option<f32>, NodeError> {
        Ok(self.typed(name, kind::FLOAT, "a float")?.map(|found| found.f))
    }

    pub fn floats_attribute(&self, name: &'static str) -> Result<&'a [f32], NodeError> {
        Ok(self.typed(name, kind::FLOATS, "floats")?.map_or(&[], |found| &found.floats))
    }

    pub fn ints_attribute(&self, name: &'static str) -> Result<Option<&'a [i64]>, NodeError> {
        Ok(self.typed(name, kind::INTS, "integers")?.map(|found| found.ints.as_slice()))
    }

    pub fn string(&self, name: &'static str) -> Result<Option<String>, NodeError> {
        Ok(self.typed(name, kind::STRING, "a string")?.map(|found| text(&found.s)))
    }

    pub fn strings(&self, name: &'static str) -> Result<Option<Vec<String>>, NodeError> {
        Ok(self
            .typed(name, kind::STRINGS, "strings")?
            .map(|found| found.strings.iter().map(|s| text(s)).collect()))
    }

    /// The axes of Squeeze and Unsqueeze: an input since version 13, an attribute before.
    pub fn axes(&self) -> Result<Option<Vec<i64>>, NodeError> {
        match self.input(1) {
            Some(_) => Ok(Some(self.numbers(1)?)),
            None => Ok(self.ints_attribute("axes")?.map(<[i64]>::to_vec)),
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The axis that a number means, which may count from the end.
pub fn axis(axis: i64, rank: usize) -> Result<usize, NodeError> {
    let place = if axis < 0 { axis + rank as i64 } else { axis };
    usize::try_from(place).ok().filter(|&place| place < rank).ok_or(NodeError::Axis { axis, rank })
}

/// The steps of Slice along an axis of `size`: first place, step, count.
pub fn range(start: i64, end: i64, step: i64, size: usize) -> Result<(usize, isize, usize), NodeError> {
    let size = size as i64;
    let bounded = |place: i64, low: i64, high: i64| {
        let place = if place < 0 { place.saturating_add(size) } else { place };
        place.clamp(low, high)
    };
    let (first, count) = match step {
        0 => return Err(NodeError::Refused("it slices with a step of 0")),
        1.. => {
            let (start, end) = (bounded(start, 0, size), bounded(end, 0, size));
            (start, (end - start).max(0).unsigned_abs().div_ceil(step.unsigned_abs()))
        }
        _ => {
            let (start, end) = (bounded(start, -1, size - 1), bounded(end, -1, size - 1));
            (start, (start - end).max(0).unsigned_abs().div_ceil(step.unsigned_abs()))
        }
    };
    let step = isize::try_from(step).unwrap_or(isize::MAX);
    Ok((usize::try_from(first).unwrap_or(0), step, usize::try_from(count).unwrap_or(0)))
}
