//! The nodes of a plan: operations over registers, each distinct one held once.
//!
//! A register is a column of values, one lane in a block. Nodes are kept in the order in which they were
//! added, which is an order in which they can be computed, because a node can only name registers that exist.

use crate::feature::op::Op;

/// A column of intermediate values.
pub(crate) type Register = usize;

/// One operation, the registers it reads and the first register it writes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub op: Op,
    /// Registers read; the first [`Node::arity`] count.
    pub inputs: [Register; 3],
    pub arity: usize,
    pub out: Register,
    /// Registers written.
    pub outputs: usize,
    /// First number of this node's state.
    pub state: usize,
    /// Numbers of it.
    pub state_len: usize,
    /// How often other nodes and outputs of the program name it; 0 in a graph.
    pub uses: usize,
}

/// A growing list of nodes without repetition.
#[derive(Clone, Debug, Default)]
pub(crate) struct Graph {
    pub nodes: Vec<Node>,
    /// For each register, the rows before its first value.
    lookbacks: Vec<usize>,
    /// For each register, the node that writes it.
    writers: Vec<usize>,
    /// Numbers of state of all nodes.
    pub state_len: usize,
}

impl Graph {
    /// The register of `op` over `inputs`, adding the node unless an equal one exists. Further outputs follow
    /// in the next registers.
    pub(crate) fn add(&mut self, op: Op, inputs: &[Register]) -> Register {
        let mut padded = [0; 3];
        for (slot, input) in padded.iter_mut().zip(inputs) {
            *slot = *input;
        }
        if let Some(node) = self.nodes.iter().find(|node| same(node.op, op) && node.inputs == padded) {
            return node.out;
        }
        if let Some(value) = self.folded(op, inputs) {
            return self.add(Op::Constant(value), &[]);
        }
        let out = self.lookbacks.len();
        let before = inputs.iter().map(|input| self.lookbacks[*input]).max().unwrap_or(0);
        for _ in 0..op.outputs() {
            self.lookbacks.push(before + op.lookback());
            self.writers.push(self.nodes.len());
        }
        self.nodes.push(Node {
            op,
            inputs: padded,
            arity: inputs.len(),
            out,
            outputs: op.outputs(),
            state: self.state_len,
            state_len: op.state_len(),
            uses: 0,
        });
        self.state_len = self.state_len.saturating_add(op.state_len());
        out
    }

    /// Rows before the first value of `register`.
    pub(crate) fn lookback(&self, register: Register) -> usize {
        self.lookbacks[register]
    }

    /// Number of registers.
    pub(crate) fn registers(&self) -> usize {
        self.lookbacks.len()
    }

    /// The value of `register` where it is the same on every row.
    pub(crate) fn constant(&self, register: Register) -> Option<f64> {
        match self.nodes[self.writers[register]].op {
            Op::Constant(value) => Some(value),
            _ => None,
        }
    }

    /// The result of an operation on constants, computed by the operation itself.
    fn folded(&self, op: Op, inputs: &[Register]) -> Option<f64> {
        if inputs.is_empty() || op.state_len() > 0 || op.outputs() > 1 {
            return None;
        }
        let mut values = [[0.0]; 3];
        for (slot, input) in values.iter_mut().zip(inputs) {
            *slot = [self.constant(*input)?];
        }
        let mut out = [[0.0]];
        op.advance::<f64, 1>(&mut [], values.each_ref(), &mut out, 1);
        Some(out[0][0])
    }
}

/// Equality under which a NaN constant equals itself, and zero does not equal minus zero.
fn same(a: Op, b: Op) -> bool {
    match (a, b) {
        (Op::Constant(a), Op::Constant(b))
        | (Op::Quotient { otherwise: a }, Op::Quotient { otherwise: b }) => a.to_bits() == b.to_bits(),
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_nodes_are_held_once_and_constants_are_folded() {
        let mut graph = Graph::default();
        let close = graph.add(Op::Column(0), &[]);
        let first = graph.add(Op::Mean { rows: 20 }, &[close]);
        let second = graph.add(Op::Mean { rows: 20 }, &[close]);
        assert_eq!(first, second);
        assert_eq!(graph.lookback(first), 19);
        let two = graph.add(Op::Constant(2.0), &[]);
        let three = graph.add(Op::Constant(3.0), &[]);
        let six = graph.add(Op::Multiply, &[two, three]);
        assert_eq!(graph.constant(six), Some(6.0));
        assert_eq!(graph.constant(first), None);
    }

    #[test]
    fn lookbacks_add_along_a_chain() {
        let mut graph = Graph::default();
        let close = graph.add(Op::Column(0), &[]);
        let rsi = graph.add(Op::Rsi { rows: 14 }, &[close]);
        let lag = graph.add(Op::Lag { rows: 3 }, &[rsi]);
        let mean = graph.add(Op::Mean { rows: 5 }, &[lag]);
        let both = graph.add(Op::Subtract, &[mean, rsi]);
        assert_eq!(graph.lookback(both), 14 + 3 + 4);
    }
}
