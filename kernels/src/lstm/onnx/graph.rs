//! Walks a graph from its inputs to its outputs: constants are folded, and what depends on the series becomes a list
//! of computed values with names for their axes.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use super::error::{NodeError, OnnxError};
use super::flow::{Axis, Fixed, Flow, Piece, Take, coalesce, group};
use super::fold::{self, Budget};
use super::lstm_node;
use super::node::{Node, Value, axis};
use super::proto;
use super::tensor::{Constant, Dim, Floats, Ints, elements};
use crate::op::lstm_layer::LstmLayer;
use crate::op::lstm_stack::{Dense, Layer};
use crate::op::network::DIMENSION_MAX;

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

/// What an input of the graph is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Series,
    State { batch_first: bool },
    Lengths,
}

/// Values that may be told apart at once: more is no LSTM model, and would take quadratic time.
const PIECES_MAX: usize = 1024;
const PICKS_MAX: usize = 1 << 16;
/// Features to which an elementwise constant is applied as a diagonal matrix.
const DIAGONAL_MAX: usize = 1024;

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
    /// Gives every input of the graph its meaning.
    fn inputs(&mut self, order: Order) -> Result<(), OnnxError> {
        let roles = self.roles();
        let mut found = false;
        for input in &self.graph.input {
            let name = input.name.as_str();
            if self.values.contains_key(name) {
                continue;
            }
            let shape = input.r#type.as_ref().and_then(|t| t.tensor_type.as_ref()?.shape.as_ref());
            let dims: Vec<Option<i64>> = shape.map_or_else(Vec::new, |shape| {
                shape.dim.iter().map(|d| d.dim_value.filter(|&n| n > 0)).collect()
            });
            let size = |place: usize| {
                dims.get(place)
                    .copied()
                    .flatten()
                    .and_then(|n| usize::try_from(n).ok())
                    .filter(|&n| n <= DIMENSION_MAX)
            };
            let bad = |wanted| OnnxError::InputShape { input: name.to_owned(), rank: dims.len(), wanted };
            let value = match roles.get(name) {
                Some(Role::Series) if found => return Err(OnnxError::Input { input: name.to_owned() }),
                Some(Role::Series) => {
                    found = true;
                    let rank = dims.len();
                    let wanted =
                        "[batch, time, features] or [time, batch, features], with the number of features";
                    let features =
                        (rank >= 2).then(|| size(rank - 1)).flatten().ok_or_else(|| bad(wanted))?;
                    let (time, batch) = match (rank, order) {
                        (2, _) => (0, None),
                        (3, Order::BatchFirst) => (1, Some(0)),
                        (3, Order::TimeFirst) => (0, Some(1)),
                        _ => return Err(bad(wanted)),
                    };
                    self.fixed = Fixed { time: dims[time], batch: batch.and_then(|place| dims[place]) };
                    let mut axes = vec![Axis::Time; rank];
                    batch.into_iter().for_each(|place: usize| axes[place] = Axis::Batch);
                    axes[rank - 1] = Axis::Feature(features);
                    let op = self.op(name.to_owned(), Computed::Series(features));
                    flow(axes, op, Take::Sequence, features)
                }
                Some(&Role::State { batch_first }) => {
                    let wanted = "[directions, batch, hidden], with the sizes of all but the batch";
                    let place = usize::from(batch_first);
                    let (groups, hidden) =
                        size(place).zip(size(2)).filter(|_| dims.len() == 3).ok_or_else(|| bad(wanted))?;
                    let mut axes = vec![group(groups), Axis::Batch, Axis::Feature(hidden)];
                    if batch_first {
                        axes.swap(0, 1);
                    }
                    let op = self.op(name.to_owned(), Computed::State);
                    flow(axes, op, Take::Row, elements(&[groups, hidden]).ok_or_else(|| bad(wanted))?)
                }
                Some(Role::Lengths) => Value::Lengths,
                None => Value::Unbound,
            };
            self.values.insert(name, value);
        }
        if found { Ok(()) } else { Err(OnnxError::NoLstm) }
    }

    /// The roles of inputs without a value: what the LSTM nodes' inputs come from.
    fn roles(&self) -> HashMap<&'a str, Role> {
        let graph = self.graph;
        let makers: HashMap<&str, &proto::Node> = graph
            .node
            .iter()
            .flat_map(|node| node.output.iter().map(move |name| (name.as_str(), node)))
            .collect();
        let open: Vec<&str> = graph
            .input
            .iter()
            .map(|i| i.name.as_str())
            .filter(|name| !self.values.contains_key(name))
            .collect();
        let mut roles = HashMap::new();
        let mut assign = |name: &'a str, role: Role| {
            let (mut ahead, mut seen) = (vec![name], std::collections::HashSet::new());
            while let Some(name) = ahead.pop() {
                if !seen.insert(name) {
                    continue;
                }
                if open.contains(&name) {
                    roles.entry(name).or_insert(role);
                }
                let Some(maker) = makers.get(name) else { continue };
                // Through an LSTM only the series counts, and no value comes through a shape.
                match maker.op_type.as_str() {
                    "LSTM" => ahead.extend(maker.input.first().map(String::as_str)),
                    "Shape" => {}
                    _ => ahead.extend(maker.input.iter().map(String::as_str)),
                }
            }
        };
        let lstms = || graph.node.iter().filter(|node| node.op_type == "LSTM");
        for node in lstms() {
            node.input.first().into_iter().for_each(|name| assign(name, Role::Series));
        }
        for node in lstms() {
            let batch_first = node.attribute.iter().any(|a| a.name == "layout" && a.i == 1);
            for name in node.input.iter().skip(5).take(2) {
                assign(name, Role::State { batch_first });
            }
            node.input.get(4).into_iter().for_each(|name| assign(name, Role::Lengths));
        }
        roles
    }

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

    /// An LSTM: its sequence, hidden state and cell state.
    fn lstm(&mut self, node: &Node) -> Result<Vec<Value>, NodeError> {
        let x = node.flow(0)?;
        let weights = node.floats(1)?;
        self.budget.spend(2 * weights.values.len())?;
        let lstm_node::Parsed { mut layer, batch_first } = lstm_node::parse(node, x.width())?;
        let features = Axis::Feature(x.width());
        let series = if batch_first { [0, 1] } else { [1, 0] };
        let batch = x.axes.get(series[0]).copied().unwrap_or(Axis::Time);
        if x.axes.len() != 3
            || x.axes[2] != features
            || x.axes[series[1]] != Axis::Time
            || !matches!(batch, Axis::Batch | Axis::One)
        {
            return Err(NodeError::Refused("the axes of its input are not those of a series of steps"));
        }
        let lengths = match node.input(4) {
            None => false,
            Some(Value::Lengths) => true,
            Some(Value::Constant(Constant::Ints(Ints { values, .. }))) => {
                // Lengths that are those of the whole series say nothing.
                let all =
                    self.fixed.time.is_some_and(|time| values.iter().all(|&dim| dim == Dim::Known(time)));
                if !all && !values.iter().all(|&dim| dim == Dim::Time) {
                    return Err(NodeError::Refused(
                        "its sequence_lens are fixed; make them an input of the graph",
                    ));
                }
                false
            }
            Some(_) => return Err(NodeError::Refused("its sequence_lens are no integers")),
        };
        if x.reversed {
            if layer.passes.len() != 1 || lengths {
                return Err(NodeError::Refused(
                    "it reads a reversed series in both directions or with lengths",
                ));
            }
            layer.passes[0].reverse = !layer.passes[0].reverse;
        }
        let initial = initial_pieces(node)?;
        let (passes, hidden) = (layer.passes.len(), layer.hidden);
        let what = Computed::Lstm { from: x.pieces.clone(), layer, initial, lengths };
        let op = self.op(Node::name(node.proto), what);
        let width = passes * hidden;
        let (g, f) = (group(passes), Axis::Feature(hidden));
        let (y, state) = if batch_first {
            (vec![batch, Axis::Time, g, f], vec![batch, g, f])
        } else {
            (vec![Axis::Time, g, batch, f], vec![g, batch, f])
        };
        let mut sequence = flow(y, op, Take::Sequence, width);
        if let Value::Flow(flow) = &mut sequence {
            flow.reversed = x.reversed;
        }
        Ok(vec![sequence, flow(state.clone(), op, Take::Hidden, width), flow(state, op, Take::Cell, width)])
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
            "Squeeze" => squeeze(node),
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
            "Gather" => self.gather(node),
            "Concat" => concat(node),
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

    /// A layer on a flow; the axes stay.
    fn pointwise(&mut self, node: &Node, from: Flow, layer: Layer<f32>) -> Result<Flow, NodeError> {
        let width = layer.output(from.width());
        let take = if from.is_sequence() { Take::Sequence } else { Take::Row };
        let what = Computed::Pointwise { from: from.pieces.clone(), layer };
        let op = self.op(Node::name(node.proto), what);
        Ok(Flow { pieces: vec![Piece { op, take, features: 0..width }], ..from })
    }

    /// A matrix on the features, which must be the last axis.
    fn dense(
        &mut self,
        node: &Node,
        from: &Flow,
        (input, output): (i64, i64),
        weight: Vec<f32>,
        bias: Option<Vec<f32>>,
    ) -> Result<Flow, NodeError> {
        let width = from.width();
        let size = |size: i64| usize::try_from(size).ok().filter(|size| (1..=DIMENSION_MAX).contains(size));
        let Some((input, output)) = size(input).zip(size(output)).filter(|&(input, _)| input == width) else {
            let (found, wanted) = (format!("[{input}, {output}]"), format!("[{width}, outputs]"));
            return Err(NodeError::Shape { what: "its matrix", found, wanted });
        };
        if from.axes.last() != Some(&Axis::Feature(width)) {
            return Err(NodeError::Refused("the last axis of its input is not all the features of a step"));
        }
        self.budget.spend(weight.len())?;
        let layer = Layer::Dense(Dense { input, output, weight, bias });
        let mut flow = self.pointwise(node, from.clone(), layer)?;
        flow.axes.pop();
        flow.axes.push(Axis::Feature(output));
        Ok(flow)
    }

    fn gemm(&mut self, node: &Node) -> Result<Flow, NodeError> {
        let from = node.flow(0)?;
        let weight = node.floats(1)?;
        let [Dim::Known(rows), Dim::Known(cols)] = weight.shape[..] else {
            return Err(NodeError::Refused("its second input is no matrix"));
        };
        if node.int("transA", 0)? != 0 || from.axes.len() != 2 {
            return Err(NodeError::Refused("its first input is not [rows, features]"));
        }
        self.budget.spend(weight.values.len())?;
        let (shape, mut values) = match node.int("transB", 0)? {
            0 => ((rows, cols), super::tensor::transpose(weight, &[1, 0]).values),
            _ => ((cols, rows), weight.values.clone()),
        };
        let (alpha, beta) = (node.float("alpha")?.unwrap_or(1.0), node.float("beta")?.unwrap_or(1.0));
        values.iter_mut().for_each(|w| *w *= alpha);
        let bias = match node.input(2) {
            None => None,
            Some(_) => {
                let c = node.floats(2)?;
                let wide = [Dim::Known(1), Dim::Known(shape.1)];
                let fits = super::tensor::broadcast(&c.shape, &wide).is_some_and(|shape| shape == wide);
                if !fits || usize::try_from(shape.1).is_ok_and(|output| output > DIMENSION_MAX) {
                    return Err(super::tensor::misfit("C", &c.shape, &wide));
                }
                Some(c.expand(&wide).values.iter().map(|b| b * beta).collect())
            }
        };
        self.dense(node, from, shape, values, bias)
    }

    /// A constant added to or multiplied with each feature: the bias of a matrix, or a diagonal one.
    fn elementwise(&mut self, node: &Node) -> Result<Flow, NodeError> {
        let operator = node.proto.op_type.as_str();
        let (flow, constant) = match (node.flow(0), operator) {
            (Ok(flow), _) => (flow, node.floats(1)?),
            (Err(_), "Add" | "Mul") => (node.flow(1)?, node.floats(0)?),
            (Err(error), _) => return Err(error),
        };
        let width = flow.width();
        let refused = NodeError::Refused("its constant is not one number for each feature, or one for all");
        let features = flow.axes.iter().position(|&axis| axis == Axis::Feature(width));
        let single = constant.values.len() == 1 && constant.shape.len() <= flow.axes.len();
        let lead = flow.axes.len().checked_sub(constant.shape.len());
        let per_feature = features.zip(lead).is_some_and(|(place, lead)| {
            let reaches = lead <= place;
            reaches
                && constant.shape.iter().enumerate().all(|(at, dim)| match at + lead == place {
                    true => *dim == Dim::Known(width as i64),
                    false => *dim == Dim::Known(1),
                })
        });
        let values = match (single, per_feature) {
            (_, true) => constant.values.clone(),
            (true, _) if width <= DIAGONAL_MAX => vec![constant.values[0]; width],
            _ => return Err(refused),
        };
        if let ("Add" | "Sub", Some(dense)) = (operator, self.open_dense(flow)) {
            let sign = if operator == "Sub" { -1.0 } else { 1.0 };
            let mut dense = dense;
            self.budget.spend(dense.1.weight.len())?;
            dense.1.bias = Some(values.iter().map(|x| sign * x).collect());
            let what = Computed::Pointwise { from: dense.0, layer: Layer::Dense(dense.1) };
            let op = self.op(Node::name(node.proto), what);
            let pieces = flow.pieces.iter().map(|piece| Piece { op, ..piece.clone() }).collect();
            return Ok(Flow { pieces, ..flow.clone() });
        }
        if width > DIAGONAL_MAX {
            return Err(NodeError::Refused(
                "it changes each of more than 1024 features, which is read only after a MatMul",
            ));
        }
        self.budget.spend(width * width)?;
        let (factors, bias) = match operator {
            "Add" => (vec![1.0; width], Some(values)),
            "Sub" => (vec![1.0; width], Some(values.iter().map(|x| -x).collect())),
            "Mul" => (values, None),
            _ => (values.iter().map(|x| 1.0 / x).collect(), None),
        };
        let mut weight = vec![0.0; width * width];
        factors.into_iter().enumerate().for_each(|(at, factor)| weight[at * (width + 1)] = factor);
        self.pointwise(node, flow.clone(), Layer::Dense(Dense { input: width, output: width, weight, bias }))
    }

    /// The dense layer without a bias that a flow is all of.
    fn open_dense(&self, flow: &Flow) -> Option<(Vec<Piece>, Dense<f32>)> {
        let [Piece { op, take: Take::Sequence | Take::Row, features }] = &flow.pieces[..] else {
            return None;
        };
        match &self.ops[*op].what {
            Computed::Pointwise { from, layer: Layer::Dense(dense) }
                if dense.bias.is_none() && *features == (0..dense.output) =>
            {
                Some((from.clone(), dense.clone()))
            }
            _ => None,
        }
    }

    fn slice(&mut self, node: &Node) -> Result<Flow, NodeError> {
        let mut flow = node.flow(0)?.clone();
        for (place, [start, end, step]) in fold::slices(node, flow.axes.len())? {
            let whole_end = i64::from(i32::MAX);
            match (flow.axes[place], self.fixed.dim(flow.axes[place])) {
                (Axis::Time | Axis::Batch | Axis::Rows { .. }, size) => {
                    let size = match size {
                        Some(Dim::Known(size)) => Some(size),
                        _ => None,
                    };
                    let to_end = end >= whole_end || size.is_some_and(|size| end >= size);
                    let from_end =
                        start == -1 || start >= whole_end || size.is_some_and(|size| start >= size - 1);
                    let to_start = end <= -whole_end || size.is_some_and(|size| end < -size);
                    let time = flow.axes[place] == Axis::Time;
                    match step {
                        1 if to_end && start == 0 => {}
                        -1 if time && from_end && to_start => flow.reversed = !flow.reversed,
                        1 if time && to_end && start == -1 => {
                            flow = flow.step(place, -1, false);
                        }
                        1 if time && start.checked_add(1) == Some(end) && end != 0 => {
                            flow = flow.step(place, isize::try_from(start).unwrap_or(isize::MAX), false);
                        }
                        1 if time && to_end && size.is_some_and(|size| start == size - 1) => {
                            flow = flow.step(place, -1, false);
                        }
                        _ => {
                            return Err(NodeError::Refused(
                                "it takes some series of a batch, or several steps; only one step or all can be taken",
                            ));
                        }
                    }
                }
                (_, Some(Dim::Known(size))) => {
                    let size = usize::try_from(size).unwrap_or(0);
                    let (first, step, count) = super::node::range(start, end, step, size)?;
                    let picked: Vec<usize> =
                        (0..count).filter_map(|at| first.checked_add_signed(at as isize * step)).collect();
                    flow = self.picked(&flow, place, &picked, false)?;
                }
                _ => return Err(NodeError::Refused("it slices an axis of unknown size")),
            }
        }
        Ok(flow)
    }

    fn picked(&self, flow: &Flow, place: usize, picked: &[usize], scalar: bool) -> Result<Flow, NodeError> {
        if picked.is_empty() || picked.len() * flow.pieces.len() > PICKS_MAX {
            return Err(NodeError::Refused("it takes nothing, or too many values one by one"));
        }
        let size = match self.fixed.dim(flow.axes[place]) {
            Some(Dim::Known(size)) => usize::try_from(size).unwrap_or(0),
            _ => 0,
        };
        if picked.iter().copied().eq(0..size) && !scalar {
            return Ok(flow.clone());
        }
        let flow = flow.pick(place, picked, scalar)?;
        if flow.pieces.len() > PIECES_MAX {
            return Err(NodeError::Refused("it takes too many values one by one"));
        }
        Ok(flow)
    }

    fn gather(&mut self, node: &Node) -> Result<Flow, NodeError> {
        let flow = node.flow(0)?;
        let place = axis(node.int("axis", 0)?, flow.axes.len())?;
        if flow.axes[place] == Axis::Time {
            let indices = node.ints(1)?;
            return match (&node.numbers(1)?[..], indices.shape.len()) {
                (&[index], rank @ (0 | 1)) => {
                    Ok(flow.step(place, isize::try_from(index).unwrap_or(isize::MAX), rank == 0))
                }
                _ => Err(NodeError::Refused("it takes several steps; only one step or all can be taken")),
            };
        }
        let Some(Dim::Known(size)) = self.fixed.dim(flow.axes[place]) else {
            return Err(NodeError::Refused("it takes some series of a batch"));
        };
        let (places, scalar) = fold::places(node, usize::try_from(size).unwrap_or(0))?;
        self.picked(flow, place, &places, scalar)
    }
}

fn flow(axes: Vec<Axis>, op: usize, take: Take, width: usize) -> Value {
    Value::Flow(Flow { axes, reversed: false, pieces: vec![Piece { op, take, features: 0..width }] })
}

fn initial_pieces(node: &Node) -> Result<Option<[Vec<Piece>; 2]>, NodeError> {
    match (node.input(5), node.input(6)) {
        (Some(Value::Flow(h)), Some(Value::Flow(c))) => Ok(Some([h.pieces.clone(), c.pieces.clone()])),
        (None | Some(Value::Constant(_)), None | Some(Value::Constant(_))) => Ok(None),
        _ => {
            Err(NodeError::Refused("one of its initial states is an input of the graph and the other is not"))
        }
    }
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

fn squeeze(node: &Node) -> Result<Flow, NodeError> {
    let flow = node.flow(0)?;
    let ones: Vec<bool> = flow.axes.iter().map(|axis| matches!(axis, Axis::One | Axis::Feature(1))).collect();
    let gone = fold::squeezed(node, &ones)?;
    let kept = flow.axes.iter().enumerate().filter(|(place, _)| !gone.contains(place));
    Ok(Flow { axes: kept.map(|(_, &axis)| axis).collect(), ..flow.clone() })
}

fn concat(node: &Node) -> Result<Flow, NodeError> {
    let parts: Vec<&Flow> = (0..node.inputs.len()).map(|at| node.flow(at)).collect::<Result<_, _>>()?;
    let first = *parts.first().ok_or(NodeError::Absent { place: 0 })?;
    let place = axis(node.int("axis", 0)?, first.axes.len())?;
    let refused =
        NodeError::Refused("it joins values that are not of the same steps and series, feature by feature");
    let grouped = first.axes.iter().any(|axis| matches!(axis, Axis::Group(_)));
    let mut total = 0;
    for part in &parts {
        let mut same = part.axes.clone();
        if same.len() != first.axes.len() {
            return Err(refused);
        }
        total += match (first.axes[place], same[place]) {
            (Axis::Feature(_), Axis::Feature(n)) if !grouped => n,
            (Axis::Group(_) | Axis::One, Axis::Group(n)) => n,
            (Axis::Group(_) | Axis::One, Axis::One) => 1,
            _ => return Err(refused),
        };
        same[place] = first.axes[place];
        if same != first.axes || part.reversed != first.reversed || part.is_sequence() != first.is_sequence()
        {
            return Err(refused);
        }
    }
    if parts.iter().map(|part| part.pieces.len()).sum::<usize>() > PIECES_MAX || total > DIMENSION_MAX {
        return Err(NodeError::Refused("it joins more values than a model can have"));
    }
    let mut axes = first.axes.clone();
    axes[place] = if matches!(axes[place], Axis::Feature(_)) { Axis::Feature(total) } else { group(total) };
    let pieces = coalesce(parts.iter().flat_map(|part| part.pieces.clone()));
    Ok(Flow { axes, reversed: first.reversed, pieces })
}
