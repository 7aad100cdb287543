//! An LSTM node whose input is made from the series.

use super::super::error::NodeError;
use super::super::flow::{Axis, Piece, Take, group};
use super::super::lstm_node;
use super::super::node::{Node, Value};
use super::super::tensor::{Constant, Dim, Ints};
use super::{Computed, Walk, flow};

/// Most LSTM nodes: more than a stack may have layers, apart in both directions.
const LSTMS_MAX: usize = 2 * crate::op::network::LAYERS_MAX;

impl Walk<'_> {
    /// An LSTM: its sequence, hidden state and cell state.
    pub(super) fn lstm(&mut self, node: &Node) -> Result<Vec<Value>, NodeError> {
        let x = node.flow(0)?;
        if self.ops.iter().filter(|op| matches!(op.what, Computed::Lstm { .. })).count() >= LSTMS_MAX {
            return Err(NodeError::Refused("it is one LSTM more than a model can have"));
        }
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
