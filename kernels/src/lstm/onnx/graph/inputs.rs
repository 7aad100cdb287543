//! What the inputs of a graph are for, which their names do not say: the LSTM nodes that they lead to do.

use std::collections::{HashMap, HashSet};

use super::super::error::OnnxError;
use super::super::flow::{Axis, Fixed, Take, group};
use super::super::node::Value;
use super::super::proto;
use super::super::tensor::elements;
use super::{Computed, Order, Walk, flow};
use crate::op::network::DIMENSION_MAX;

/// What an input of the graph is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Series,
    State { batch_first: bool },
    Lengths,
}

impl<'a> Walk<'a> {
    /// Gives every input of the graph its meaning.
    pub(super) fn inputs(&mut self, order: Order) -> Result<(), OnnxError> {
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
            let (mut ahead, mut seen) = (vec![name], HashSet::new());
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
}
