//! The same nodes with their results in lanes that are used again as soon as nobody reads them.
//!
//! What a block works on then stays in the first-level cache however long the plan: a lane of 16 rows of a group in `f64`
//! has 2 KiB, and a plan of ten indicators has thirty registers.

use super::Program;
use crate::feature::graph::{Node, Register};

/// Nodes whose registers are lanes, of which the first hold the columns and the next the constants.
#[derive(Clone, Debug, Default)]
pub(crate) struct Packed {
    /// Nodes in order.
    pub nodes: Vec<Node>,
    /// The lane of each output.
    pub outputs: Vec<Register>,
    /// Lanes in all.
    pub lanes: usize,
}

impl Packed {
    /// The nodes of `program`. Outputs stay in their lanes to the end of the block.
    pub(super) fn new(program: &Program) -> Self {
        // When each register is written and last read, in nodes that have run.
        let (mut written, mut read) = (vec![0; program.registers], vec![0; program.registers]);
        for (node, after) in program.nodes.iter().zip(1..) {
            node.inputs[..node.arity].iter().for_each(|input| read[*input] = after);
            written[node.out..node.out + node.op.outputs()].fill(after);
        }
        let fixed = program.columns.len() + program.constants.len();
        let never = program.nodes.len() + 1;
        read[program.columns.len()..fixed].fill(never);
        program.outputs.iter().for_each(|output| read[*output] = never);

        // Registers by when they are no longer needed; one that nobody reads is not once it has been written.
        let mut ending = vec![Vec::new(); never + 1];
        for register in 0..program.registers {
            ending[read[register].max(written[register])].push(register);
        }

        let mut lane_of: Vec<Register> = (0..program.registers).collect();
        let mut free = vec![false; fixed];
        let mut nodes = Vec::with_capacity(program.nodes.len());
        for (node, ended) in program.nodes.iter().zip(&ending) {
            ended.iter().for_each(|register| free[lane_of[*register]] = true);
            let out = take(&mut free, node.op.outputs());
            for (which, lane) in lane_of[node.out..][..node.op.outputs()].iter_mut().enumerate() {
                *lane = out + which;
            }
            let mut packed = node.clone();
            packed.out = out;
            packed.inputs = node.inputs.map(|input| lane_of[input]);
            let first = packed.inputs[0];
            packed.inputs[node.arity..].fill(first);
            nodes.push(packed);
        }
        let outputs: Vec<Register> = program.outputs.iter().map(|output| lane_of[*output]).collect();
        Self { nodes, outputs, lanes: free.len() }
    }
}

/// The first of `count` lanes side by side that were free, and are no more.
pub(super) fn take(free: &mut Vec<bool>, count: usize) -> Register {
    let place = (0..free.len()).find(|place| {
        let run = &free[*place..free.len().min(place + count)];
        run.iter().all(|free| *free)
    });
    let place = place.unwrap_or(free.len());
    if free.len() < place + count {
        free.resize(place + count, true);
    }
    free[place..place + count].fill(false);
    place
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feature::catalogue::CATALOGUE;
    use crate::feature::graph::Graph;
    use crate::feature::op::Op;

    /// Every feature of the catalogue in one plan.
    fn everything() -> Program {
        let (mut graph, mut outputs) = (Graph::default(), Vec::new());
        for entry in CATALOGUE {
            let inputs: Vec<Register> =
                (0..entry.inputs.len()).map(|place| graph.add(Op::Column(place), &[])).collect();
            let defaults: Vec<f64> = entry.parameters.iter().map(|parameter| parameter.default).collect();
            outputs.extend((entry.lower)(&mut graph, &inputs, &defaults));
        }
        Program::new(&graph, &outputs)
    }

    #[test]
    fn every_node_and_output_reads_what_was_last_written_there() {
        let program = everything();
        let packed = Packed::new(&program);
        let mut holds: Vec<Option<Register>> = vec![None; packed.lanes];
        let fixed = program.columns.len() + program.constants.len();
        (0..fixed).for_each(|register| holds[register] = Some(register));
        for (node, plain) in packed.nodes.iter().zip(&program.nodes) {
            for (lane, register) in node.inputs[..node.arity].iter().zip(&plain.inputs) {
                assert_eq!(holds[*lane], Some(*register));
            }
            let outputs = node.op.outputs();
            assert!(node.inputs.iter().all(|lane| !(node.out..node.out + outputs).contains(lane)));
            (0..outputs).for_each(|which| holds[node.out + which] = Some(plain.out + which));
        }
        for (lane, register) in packed.outputs.iter().zip(&program.outputs) {
            assert_eq!(holds[*lane], Some(*register));
        }
        (0..program.constants.len()).map(|at| program.columns.len() + at).for_each(|register| {
            assert_eq!(holds[register], Some(register));
        });
        assert!(packed.lanes < program.registers, "{} lanes", packed.lanes);
    }
}
