//! A plan ready to run: the live nodes in order, with places for their registers and their state.

use num_traits::{Float, Zero};

use crate::feature::graph::{Graph, Node, Register};
use crate::feature::loops::Job;
use crate::feature::op::Op;
use crate::feature::value::{Number, Value};

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
}

impl Program {
    /// Keeps what `outputs` depend on and numbers it anew.
    pub(crate) fn new(graph: &Graph, outputs: &[Register]) -> Self {
        let mut live = vec![false; graph.registers()];
        for output in outputs {
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
        };
        program.count_uses();
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

    /// The state before the first row.
    pub(crate) fn initial_state<V: Value>(&self) -> Vec<V> {
        let mut state = vec![V::all_of(V::Number::zero()); self.state_len];
        for node in &self.nodes {
            node.op.reset(&mut state[node.state..node.state + node.op.state_len()]);
        }
        state
    }

    /// Empty registers of blocks of `B` rows, with the constants in place.
    pub(crate) fn lanes<V: Value, const B: usize>(&self) -> Vec<[V; B]> {
        let mut lanes = vec![[V::all_of(V::Number::nan()); B]; self.registers];
        for (lane, value) in lanes[self.columns.len()..].iter_mut().zip(&self.constants) {
            *lane = [V::all_of(V::Number::of(*value)); B];
        }
        lanes
    }

    /// Advances every node over the `rows` rows whose column values stand in the first lanes. Inlined, so that it is compiled for each set of instructions.
    #[inline(always)]
    pub(crate) fn advance<V: Value, const B: usize>(
        &self,
        state: &mut [V],
        lanes: &mut [[V; B]],
        rows: usize,
    ) {
        for node in &self.nodes {
            let (read, write) = lanes.split_at_mut(node.out);
            let state = &mut state[node.state..node.state + node.op.state_len()];
            node.op.advance(state, read, node.inputs, write, rows);
        }
    }
}

/// [`Program::advance`] as a job of its own: one series.
pub(crate) struct Advance<'a, V, const B: usize> {
    pub program: &'a Program,
    pub state: &'a mut [V],
    pub lanes: &'a mut [[V; B]],
    pub rows: usize,
}

impl<V: Value, const B: usize> Job for Advance<'_, V, B> {
    #[inline(always)]
    fn run(self) {
        self.program.advance(self.state, self.lanes, self.rows);
    }
}
