//! The nodes for one row of one series.
//!
//! ```text
//!     lanes  [ columns | constants | results in between | outputs ]      one number each
//! ```
//!
//! Nodes of one kind that could run next stand side by side, so that their kind is looked up once; those for which a long
//! chain waits come early, so that its waiting times are filled. A result that is an output
//! is written in its place among the outputs, all of which then leave in one go.
//!
//! Tried and refused: the kind with the most nodes that could run first (a twentieth slower with 32 features, a fifth with 14);
//! a step for two nodes, such as a quotient less one or the logarithm of a quotient, where only one reads
//! the other (4 % fewer instructions of a plan of 32 features, and no time).

use std::mem::{Discriminant, discriminant};

use super::Program;
use crate::feature::graph::{Node, Register};
use crate::feature::loops::{Job, Loops};
use crate::feature::op::{Op, Step, known, run};

/// Steps in runs of one kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tick {
    steps: Vec<Step>,
    /// Outputs that are not written in their place, and where they are.
    copies: Vec<(u32, u32)>,
    /// Lanes before the outputs.
    inner: usize,
}

impl Tick {
    /// The nodes of `program`.
    pub(super) fn new(program: &Program) -> Self {
        let fixed = program.columns.len() + program.constants.len();
        let (place, inner) = places(program, fixed);
        let heights = heights(program);
        let mut tick = Self { inner, ..Self::default() };
        for (output, register) in program.outputs.iter().enumerate() {
            if place[*register] != inner + output {
                tick.copies.push((place[*register] as u32, (inner + output) as u32));
            }
        }
        let mut there: Vec<bool> = (0..program.registers).map(|register| register < fixed).collect();
        let mut left: Vec<&Node> = program.nodes.iter().collect();
        while let Some(kind) = next_kind(&left, &there, &heights) {
            let next = |node: &&Node| discriminant(&node.op) == kind && is_ready(node, &there);
            let (now, later): (Vec<&Node>, Vec<&Node>) = left.into_iter().partition(next);
            for (node, together) in now.iter().zip((1..=now.len()).rev()) {
                there[node.out..node.out + node.op.outputs()].fill(true);
                let mut inputs = [place[node.inputs[0]]; 3];
                for (slot, input) in inputs.iter_mut().zip(&node.inputs[..node.arity]) {
                    *slot = place[*input];
                }
                tick.steps.push(Step::new(node.op, inputs, place[node.out], node.state, together));
            }
            left = later;
        }
        tick
    }

    /// The lanes before the first row.
    pub(crate) fn lanes(&self, program: &Program) -> Vec<f64> {
        let mut lanes = vec![f64::NAN; self.inner + program.outputs.len()];
        lanes[program.columns.len()..][..program.constants.len()].copy_from_slice(&program.constants);
        lanes
    }
}

/// The lane of each register, and how many come before the outputs.
fn places(program: &Program, fixed: usize) -> (Vec<usize>, usize) {
    const NONE: usize = usize::MAX;
    let mut output_of = vec![NONE; program.registers];
    for node in program.nodes.iter().filter(|node| node.op.outputs() == 1) {
        if let Some(output) = program.outputs.iter().position(|register| *register == node.out) {
            output_of[node.out] = output;
        }
    }
    let mut inner = fixed;
    let mut place: Vec<Register> = (0..program.registers).collect();
    for register in fixed..program.registers {
        if output_of[register] == NONE {
            place[register] = inner;
            inner += 1;
        }
    }
    for (place, output) in place.iter_mut().zip(&output_of).filter(|(_, output)| **output != NONE) {
        *place = inner + output;
    }
    (place, inner)
}

fn is_ready(node: &Node, there: &[bool]) -> bool {
    node.inputs[..node.arity].iter().all(|input| there[*input])
}

/// For each register, how many nodes one after the other wait for it, the one that writes it included.
fn heights(program: &Program) -> Vec<usize> {
    let mut heights = vec![0; program.registers];
    for node in program.nodes.iter().rev() {
        let written = node.out..node.out + node.outputs;
        let height = 1 + heights[written.clone()].iter().max().unwrap_or(&0);
        heights[written].fill(height);
        for input in &node.inputs[..node.arity] {
            heights[*input] = heights[*input].max(height);
        }
    }
    heights
}

/// A kind and its nodes that are left.
struct Candidate {
    kind: Discriminant<Op>,
    nodes: usize,
    /// How many of them could run.
    ready: usize,
    /// The greatest height of those.
    height: usize,
}

/// The kind whose nodes run next: one for which much waits and of which a great share could run. None when no node is left.
fn next_kind(left: &[&Node], there: &[bool], heights: &[usize]) -> Option<Discriminant<Op>> {
    let mut candidates: Vec<Candidate> = Vec::new();
    for node in left {
        let kind = discriminant(&node.op);
        let (ready, height) = if is_ready(node, there) { (1, heights[node.out]) } else { (0, 0) };
        match candidates.iter_mut().find(|candidate| candidate.kind == kind) {
            Some(candidate) => {
                candidate.nodes += 1;
                candidate.ready += ready;
                candidate.height = candidate.height.max(height);
            }
            None => candidates.push(Candidate { kind, nodes: 1, ready, height }),
        }
    }
    let rank = |candidate: &Candidate| {
        let Candidate { nodes, ready, height, .. } = candidate;
        (height * ready / nodes, *height, *ready)
    };
    let runs = candidates.into_iter().filter(|candidate| candidate.ready > 0);
    runs.max_by_key(rank).map(|candidate| candidate.kind)
}

/// What to make of the outputs of a row.
pub(crate) trait Leave {
    /// Takes all outputs, whose NaN may have any bits.
    fn leave(self, outputs: &[f64]);
}

/// A row of one series through all nodes.
pub(crate) struct Advance<'a, L> {
    pub program: &'a Program,
    pub loops: Loops,
    pub state: &'a mut [f64],
    pub lanes: &'a mut [f64],
    pub row: &'a [f64],
    pub leave: L,
}

impl<L: Leave> Job for Advance<'_, L> {
    #[inline(always)]
    fn run(self) {
        let Self { program, loops, state, lanes, row, leave } = self;
        for (lane, value) in lanes.iter_mut().zip(row) {
            *lane = known(*value);
        }
        let tick = &program.tick;
        let mut steps = &tick.steps[..];
        while let Some(first) = steps.first() {
            let (now, later) = steps.split_at(first.together as usize);
            if !run::advance(now, state, lanes) {
                loops.narrow(Alone { steps: now, state, lanes });
            }
            steps = later;
        }
        for (from, to) in &tick.copies {
            lanes[*to as usize] = lanes[*from as usize];
        }
        leave.leave(&lanes[tick.inner..]);
    }
}

/// Steps of a kind that seldom runs.
struct Alone<'a> {
    steps: &'a [Step],
    state: &'a mut [f64],
    lanes: &'a mut [f64],
}

impl Job for Alone<'_> {
    #[inline(always)]
    fn run(self) {
        for step in self.steps {
            run::alone(step, self.state, self.lanes);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::feature::plan::Plan;

    #[test]
    fn nodes_of_a_kind_stand_together_after_all_that_they_read() {
        let plan = Plan::parse(
            "ema(8)/close-1, ema(20)/close-1, rsi(7), rsi(9), sma(20), bbands(20), close, close/2",
            &["close"],
        );
        let program = plan.unwrap().stream().program;
        let tick = &program.tick;
        assert_eq!(tick.steps.len(), program.nodes.len());
        let last = tick.steps.iter().filter(|step| step.together == 1).count();
        assert!(last <= program.nodes.len() * 2 / 3, "{last} runs");
        let mut written = vec![false; tick.inner + program.outputs.len()];
        written[..program.columns.len() + program.constants.len()].fill(true);
        for step in &tick.steps {
            assert!(step.reads().iter().all(|lane| written[*lane]), "{step:?}");
            for lane in step.writes() {
                assert!(!std::mem::replace(&mut written[lane], true), "{step:?}");
            }
        }
        for (from, to) in &tick.copies {
            assert!(written[*from as usize] && !std::mem::replace(&mut written[*to as usize], true));
        }
        assert!(written.iter().all(|written| *written));
    }
}
