//! A plan ready to run: the live nodes in order, with places for their registers and their state.

mod packed;
mod tick;

mod fused;

use num_traits::{Float, Zero};

use crate::feature::graph::{Graph, Node, Register};
use crate::feature::op::Op;
use crate::feature::value::{Number, Value};
pub(crate) use fused::{Fused, Known};
pub(crate) use packed::Packed;
pub(crate) use tick::{Advance, Leave, Tick};

/// What runs: registers are numbered columns first, then constants, then results.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// Nodes that compute, in order.
    pub nodes: Vec<Node>,
    /// Values of the constant registers, which follow those of the columns.
    pub constants: Vec<f64>,
    /// Register of each output.
    pub outputs: Vec<Register>,
    /// Places in the data of the columns read, in order.
    pub columns: Vec<usize>,
    pub registers: usize,
    pub state_len: usize,
    /// For blocks of one series, whose outputs are taken when the block is complete.
    pub series: Packed,
    /// For blocks of groups, each output of which is taken as soon as it is known.
    pub groups: Fused,
    /// For one row of one series.
    pub tick: Tick,
}

impl Program {
    /// Keeps what `outputs` depend on and numbers it anew.
    pub(crate) fn new(graph: &Graph, outputs: &[Register]) -> Self {
        let (graph, outputs) = shared(graph, outputs);
        let mut live = vec![false; graph.registers()];
        for output in &outputs {
            live[*output] = true;
        }
        for node in graph.nodes.iter().rev() {
            if (node.out..node.out + node.op.outputs()).any(|register| live[register]) {
                node.inputs[..node.arity].iter().for_each(|input| live[*input] = true);
            }
        }
        let alive = |node: &&Node| (node.out..node.out + node.op.outputs()).any(|register| live[register]);
        let mut columns: Vec<(usize, Register)> = Vec::new();
        let mut constants: Vec<(f64, Register)> = Vec::new();
        let mut computed: Vec<&Node> = Vec::new();
        for node in graph.nodes.iter().filter(alive) {
            match node.op {
                Op::Column(place) => columns.push((place, node.out)),
                Op::Constant(value) => constants.push((value, node.out)),
                _ => computed.push(node),
            }
        }
        columns.sort_unstable_by_key(|(place, _)| *place);

        let mut place = vec![0; graph.registers()];
        let mut registers = 0;
        let sources = columns.iter().map(|(_, old)| *old).chain(constants.iter().map(|(_, old)| *old));
        for old in sources {
            place[old] = registers;
            registers += 1;
        }
        let mut state_len = 0;
        let mut nodes = Vec::with_capacity(computed.len());
        for node in computed {
            let mut new = node.clone();
            for input in &mut new.inputs[..node.arity] {
                *input = place[*input];
            }
            for which in 0..node.op.outputs() {
                place[node.out + which] = registers + which;
            }
            (new.out, new.state) = (registers, state_len);
            registers += node.op.outputs();
            state_len += node.op.state_len();
            nodes.push(new);
        }
        let mut program = Self {
            nodes,
            constants: constants.into_iter().map(|(value, _)| value).collect(),
            outputs: outputs.iter().map(|output| place[*output]).collect(),
            columns: columns.into_iter().map(|(place, _)| place).collect(),
            registers,
            state_len,
            series: Packed::default(),
            groups: Fused::default(),
            tick: Tick::default(),
        };
        program.count_uses();
        program.series = Packed::new(&program);
        program.groups = Fused::new(&program);
        program.tick = Tick::new(&program);
        program
    }

    /// How many nodes and outputs read each node.
    fn count_uses(&mut self) {
        let mut readers = vec![0; self.registers];
        let read = self.nodes.iter().flat_map(|node| node.inputs[..node.arity].iter()).chain(&self.outputs);
        read.for_each(|register| readers[*register] += 1);
        for node in &mut self.nodes {
            node.uses = (node.out..node.out + node.op.outputs()).map(|register| readers[register]).sum();
        }
    }

    /// Nodes whose rows wait for the rows before them.
    pub(crate) fn waiting(&self) -> usize {
        let carries = |node: &&Node| node.op.state_len() > 0 && !matches!(node.op, Op::Lag { .. });
        self.nodes.iter().filter(carries).count()
    }

    /// The state before the first row.
    pub(crate) fn initial_state<V: Value>(&self) -> Vec<V> {
        let mut state = vec![V::all_of(V::Number::zero()); self.state_len];
        for node in &self.nodes {
            node.op.reset(&mut state[node.state..node.state + node.op.state_len()]);
        }
        state
    }

    /// `count` empty lanes of blocks of `B` rows, with the constants in place.
    pub(crate) fn lanes<V: Value, const B: usize>(&self, count: usize) -> Vec<[V; B]> {
        let mut lanes = vec![[V::all_of(V::Number::nan()); B]; count];
        for (lane, value) in lanes.iter_mut().skip(self.columns.len()).zip(&self.constants) {
            *lane = [V::all_of(V::Number::of(*value)); B];
        }
        lanes
    }

    /// Advances every node by a row as blocks do, whose column values stand in the first lanes, one lane for each register.
    #[cfg(test)]
    #[inline(always)]
    pub(crate) fn advance<V: Value>(&self, state: &mut [V], lanes: &mut [[V; 1]]) {
        for node in &self.nodes {
            step(node, state, lanes, 1);
        }
    }
}

/// The graph and its outputs where a mean of rows whose moments are taken too is that of the moments: the same
/// operations in the same order, so the same bits.
fn shared(graph: &Graph, outputs: &[Register]) -> (Graph, Vec<Register>) {
    let (mut shared, mut outputs) = (graph.clone(), outputs.to_vec());
    for (at, mean) in graph.nodes.iter().enumerate() {
        let Op::Mean { rows } = mean.op else { continue };
        let same = |node: &Node| node.op == Op::Moments { rows } && node.inputs[0] == mean.inputs[0];
        let Some(moments) = graph.nodes.iter().position(same) else { continue };
        if at < moments {
            // Who reads the mean may come before the moments, which need no more than the mean did.
            shared.nodes.swap(at, moments);
        }
        let with = graph.nodes[moments].out;
        let read =
            shared.nodes.iter_mut().flat_map(|node| &mut node.inputs[..node.arity]).chain(&mut outputs);
        read.filter(|register| **register == mean.out).for_each(|register| *register = with);
    }
    (shared, outputs)
}

/// Advances one node over the first `rows` rows of its lanes.
#[inline(always)]
pub(crate) fn step<V: Value, const B: usize>(
    node: &Node,
    state: &mut [V],
    lanes: &mut [[V; B]],
    rows: usize,
) {
    let (before, rest) = lanes.split_at_mut(node.out);
    let (write, after) = rest.split_at_mut(node.outputs);
    let state = &mut state[node.state..][..node.state_len];
    let [a, b, c] = node.inputs;
    let inputs = [lane(a, before, after, node), lane(b, before, after, node), lane(c, before, after, node)];
    node.op.advance(state, inputs, write, rows);
}

/// A lane that is not among those that `node` writes.
#[inline(always)]
fn lane<'a, V, const B: usize>(
    register: Register,
    before: &'a [[V; B]],
    after: &'a [[V; B]],
    node: &Node,
) -> &'a [V; B] {
    if register < node.out { &before[register] } else { &after[register - node.out - node.outputs] }
}
