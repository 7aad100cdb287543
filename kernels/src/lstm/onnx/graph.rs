//! Walks a graph from its inputs to its outputs: constants are folded, and what depends on the series becomes a list
//! of computed values with names for their axes.
//!
//! `inputs -> recurrent, dense, parts`: what the inputs are for, then the operators by what they do to a series.

mod dense;
mod inputs;
mod parts;
mod recurrent;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use super::error::{NodeError, OnnxError};
use super::flow::{Axis, Fixed, Flow, Piece, Take};
use super::fold::{self, Budget};
use super::node::{Node, Value, axis};
use super::proto;
use super::tensor::{Constant, Dim, Floats, Ints};
use crate::op::lstm_layer::LstmLayer;
use crate::op::lstm_stack::Layer;

/// Something computed from the series.
#[derive(Clone, Debug)]
pub struct Op {
    /// The node.
    pub node: String,
    pub what: Computed,
}

/// What is computed.
#[derive(Clone, Debug)]
pub enum Computed {
    /// The series itself, with this many features.
    Series(usize),
    /// An input of the graph with initial states, hidden or cell.
    State,
    /// An LSTM, whose initial states may come from inputs: hidden, cell.
    Lstm { from: Vec<Piece>, layer: LstmLayer<f32>, initial: Option<[Vec<Piece>; 2]>, lengths: bool },
    /// A layer that looks at each step alone.
    Pointwise { from: Vec<Piece>, layer: Layer<f32> },
}

/// A graph walked to its end.
pub struct Walked {
    pub ops: Vec<Op>,
    pub outputs: Vec<(String, Flow)>,
}

/// Which axis of the series is which, where the graph does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    BatchFirst,
    TimeFirst,
}

struct Walk<'a> {
    graph: &'a proto::Graph,
    opset: i64,
    values: HashMap<&'a str, Value>,
    ops: Vec<Op>,
    fixed: Fixed,
    budget: Budget,
}

/// Walks `graph`, whose tensors may lie in `folder`; `given` are values for inputs of the graph.
pub fn walk(
    graph: &proto::Graph,
    opset: i64,
    folder: Option<&Path>,
    given: &BTreeMap<String, Constant>,
    order: Order,
) -> Result<Walked, OnnxError> {
    let mut values: HashMap<&str, Value> = HashMap::new();
    let mut elements = 1 << 20;
    for tensor in &graph.initializer {
        let constant = Constant::read(tensor, folder)
            .map_err(|source| OnnxError::Tensor { tensor: tensor.name.clone(), source })?;
        elements += 4 * constant.len();
        values.insert(&tensor.name, Value::Constant(constant));
    }
    for (name, constant) in given {
        elements += 4 * constant.len();
        values.insert(name, Value::Constant(constant.clone()));
    }
    // Weights may be the values of Constant nodes as well.
    for tensor in graph.node.iter().flat_map(|node| &node.attribute).filter_map(|a| a.t.as_ref()) {
        elements += tensor.raw_data.len() + 4 * tensor.float_data.len();
    }
    let mut walk =
        Walk { graph, opset, values, ops: Vec::new(), fixed: Fixed::default(), budget: Budget(elements) };
    walk.inputs(order)?;
    for node in &graph.node {
        walk.node(node, folder).map_err(|source| OnnxError::Node {
            node: Node::name(node),
            operator: node.op_type.clone(),
            source,
        })?;
    }
    let mut outputs = Vec::with_capacity(graph.output.len());
    for proto::ValueInfo { name, .. } in &graph.output {
        let reason = match walk.values.get(name.as_str()) {
            Some(Value::Flow(flow)) => {
                outputs.push((name.clone(), flow.clone()));
                continue;
            }
            Some(_) => "does not depend on the series",
            None => "is given by no node",
        };
        return Err(OnnxError::Output { output: name.clone(), reason });
    }
    Ok(Walked { ops: walk.ops, outputs })
}

impl<'a> Walk<'a> {
    fn op(&mut self, node: String, what: Computed) -> usize {
        self.ops.push(Op { node, what });
        self.ops.len() - 1
    }

    fn node(&mut self, proto: &'a proto::Node, folder: Option<&Path>) -> Result<(), NodeError> {
        if !matches!(proto.domain.as_str(), "" | "ai.onnx") {
            return Err(NodeError::Domain { domain: proto.domain.clone() });
        }
        // Values are taken out while the node is looked at, as it adds to the lists that hold them.
        let values = std::mem::take(&mut self.values);
        let result = self.outputs(proto, &values, folder);
        self.values = values;
        for (name, value) in proto.output.iter().zip(result?) {
            if !name.is_empty() {
                self.values.insert(name, value);
            }
        }
        Ok(())
    }

    fn outputs(
        &mut self,
        proto: &'a proto::Node,
        values: &HashMap<&str, Value>,
        folder: Option<&Path>,
    ) -> Result<Vec<Value>, NodeError> {
        let find = |name: &String| match values.get(name.as_str()) {
            _ if name.is_empty() => Ok(None),
            Some(value) => Ok(Some(value)),
            None => Err(NodeError::Missing { name: name.clone() }),
        };
        let inputs = proto.input.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        let node = Node { proto, inputs, opset: self.opset };
        let operator = proto.op_type.as_str();
        if operator == "Constant" {
            return constant(&node, folder).map(|constant| vec![Value::Constant(constant)]);
        }
        if operator == "LSTM" {
            return self.lstm(&node);
        }
        if operator == "Shape" && !fold::is_constant(&node) {
            let shape = node.flow(0)?.shape(self.fixed);
            let shape = shape.ok_or(NodeError::Refused("it asks for the product of batch and time"))?;
            return fold::sizes(&node, &shape).map(|sizes| vec![Value::Constant(sizes)]);
        }
        let constant = if fold::is_constant(&node) { fold::fold(&node, &mut self.budget)? } else { None };
        match constant {
            Some(constant) => Ok(vec![Value::Constant(constant)]),
            None => self.flow_node(&node).map(|flow| vec![Value::Flow(flow)]),
        }
    }

    /// Any other node that depends on the series.
    fn flow_node(&mut self, node: &Node) -> Result<Flow, NodeError> {
        if let Some(function) = fold::function(node)? {
            return self.pointwise(node, node.flow(0)?.clone(), Layer::Each(function));
        }
        match node.proto.op_type.as_str() {
            "Identity" => Ok(node.flow(0)?.clone()),
            "Dropout" => match node.input(2) {
                Some(Value::Constant(Constant::Ints(ints)))
                    if ints.values.iter().any(|&b| b != Dim::Known(0)) =>
                {
                    Err(NodeError::Refused("it is in training mode; export the model after `.eval()`"))
                }
                None | Some(Value::Constant(_)) => Ok(node.flow(0)?.clone()),
                Some(_) => Err(NodeError::Refused("its training mode is no constant")),
            },
            "Cast" => match node.int("to", 0)? {
                1 => Ok(node.flow(0)?.clone()),
                to => Err(NodeError::Attribute { name: "to", value: to.to_string(), wanted: "FLOAT (1)" }),
            },
            "Transpose" => {
                let flow = node.flow(0)?;
                let order = fold::order(node, flow.axes.len())?;
                Ok(Flow { axes: order.into_iter().map(|place| flow.axes[place]).collect(), ..flow.clone() })
            }
            "Squeeze" => parts::squeeze(node),
            "Unsqueeze" => {
                let mut flow = node.flow(0)?.clone();
                for place in fold::unsqueezed(node, flow.axes.len())? {
                    flow.axes.insert(place, Axis::One);
                }
                Ok(flow)
            }
            "Reshape" => node.flow(0)?.reshape(&node.ints(1)?.values, self.fixed),
            "Flatten" => {
                let flow = node.flow(0)?;
                let kept = flow.axes.len().min(1);
                let shape =
                    flow.axes[..kept].iter().map(|&axis| self.fixed.dim(axis)).collect::<Option<Vec<_>>>();
                match (node.int("axis", 1)?, shape) {
                    (1, Some(shape)) => flow.reshape(&[shape, vec![Dim::Known(-1)]].concat(), self.fixed),
                    _ => Err(NodeError::Refused("it does not flatten everything but the first axis")),
                }
            }
            "Slice" => self.slice(node),
            "ReverseSequence" => self.reverse(node),
            "Gather" => self.gather(node),
            "Concat" => parts::concat(node),
            "Gemm" => self.gemm(node),
            "MatMul" => {
                let weight = node.floats(1)?;
                let [Dim::Known(input), Dim::Known(output)] = weight.shape[..] else {
                    return Err(NodeError::Refused("its second input is no matrix"));
                };
                let transposed = super::tensor::transpose(weight, &[1, 0]);
                self.dense(node, node.flow(0)?, (input, output), transposed.values, None)
            }
            "Add" | "Sub" | "Mul" | "Div" => self.elementwise(node),
            "Softmax" => {
                let flow = node.flow(0)?;
                let place = axis(node.int("axis", if node.opset < 13 { 1 } else { -1 })?, flow.axes.len())?;
                if !matches!(flow.axes[place], Axis::Feature(_)) || place + 1 != flow.axes.len() {
                    return Err(NodeError::Refused("it is not over the features of each step"));
                }
                self.pointwise(node, flow.clone(), Layer::Softmax)
            }
            _ => Err(NodeError::Unsupported),
        }
    }
}

fn flow(axes: Vec<Axis>, op: usize, take: Take, width: usize) -> Value {
    Value::Flow(Flow { axes, reversed: false, pieces: vec![Piece { op, take, features: 0..width }] })
}

fn constant(node: &Node, folder: Option<&Path>) -> Result<Constant, NodeError> {
    let refused = || NodeError::Refused("its value is no tensor, float or integer that can be read");
    let [attribute] = &node.proto.attribute[..] else { return Err(refused()) };
    let known = |ints: &[i64]| ints.iter().map(|&n| Dim::Known(n)).collect::<Vec<_>>();
    let len = |len: usize| vec![Dim::Known(len as i64)];
    Ok(match attribute.name.as_str() {
        "value" => {
            let tensor = attribute.t.as_ref().ok_or_else(refused)?;
            Constant::read(tensor, folder).map_err(|_| refused())?
        }
        "value_float" => Constant::Floats(Floats { shape: vec![], values: vec![attribute.f] }),
        "value_int" => Constant::Ints(Ints { shape: vec![], values: known(&[attribute.i]) }),
        "value_floats" => {
            Constant::Floats(Floats { shape: len(attribute.floats.len()), values: attribute.floats.clone() })
        }
        "value_ints" => {
            Constant::Ints(Ints { shape: vec![attribute.ints.len()], values: known(&attribute.ints) })
        }
        _ => return Err(refused()),
    })
}
