//! The same nodes for groups of symbols, with neighbours joined into steps that keep in registers what only the next of them reads.
//!
//! ```text
//!     nodes     lag -> subtract -> divide        moments -> root -> multiply -> add, subtract
//!     steps     lag -> [subtract, divide]        [moments, root, multiply, add, subtract]
//! ```
//!
//! A step does the operations of its nodes in their order on their own states, so its bits are theirs. What it saves is a lane
//! written and read, and a loop, for each value in between. Lanes are used again as in [`super::packed`].
//!
//! Steps against nodes one by one, 14 outputs of the benchmark on Zen 4, minima of interleaved runs: in cache 0.87 of the time in
//! both formats, to memory 0.84 (copies of the same output varied as much).
//!
//! Tried and refused: outputs written by the step that computes them to where they belong instead of to a lane from which they
//! are copied. With the place of each result described anew for each step: an eighth slower in `f64`, three fifths in `f32`, than
//! nodes one by one; with the places as offsets into one slice: as fast as lanes in `f64`, an eighth slower in `f32` (finding and checking the place of each row
//! costs more than the lane's store; what is left of writing is the way from the first cache to the second).

mod search;

use super::Program;
use super::packed::take;
use super::step;
use crate::feature::graph::{Node, Register};
use crate::feature::op::bands;
use crate::feature::op::chain::{self, Lent, Link};
use crate::feature::op::sink::Nowhere;
use crate::feature::op::smooth::{self, Convergence, Weights};
use crate::feature::value::Value;

/// Steps whose registers are lanes, of which the first hold the columns and the next the constants.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fused {
    /// Steps in order.
    pub steps: Vec<Step>,
    /// The outputs in the order in which they are known.
    pub known: Vec<Known>,
    /// Lanes in all.
    pub lanes: usize,
}

/// Where and when an output is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    /// Steps that have run by then.
    pub after: usize,
    pub lane: Register,
    pub output: usize,
}

/// Some nodes.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    kind: Kind,
    /// The first lane written.
    out: Register,
    /// Lanes written.
    lanes: usize,
}

/// First number of a state, and its numbers.
type State = (usize, usize);

/// What a step computes.
#[derive(Clone, Debug)]
enum Kind {
    Node(Node),
    Chain { first: Register, links: Vec<Link> },
    AverageRange { weights: Weights, state: State, bar: [Register; 3] },
    Bands { rows: usize, width: Option<Register>, state: State, x: Register },
    Convergence { weights: [Weights; 3], states: [State; 3], x: Register },
}

/// A step with registers instead of lanes.
#[derive(Clone, Debug)]
struct Part {
    kind: Kind,
    /// Registers written, in the order of their lanes.
    writes: Vec<Register>,
}

impl Kind {
    /// The registers that it reads.
    fn reads(&mut self) -> Vec<&mut Register> {
        match self {
            Self::Node(node) => node.inputs[..node.arity].iter_mut().collect(),
            Self::Chain { first, links } => {
                std::iter::once(first).chain(links.iter_mut().map(|link| &mut link.other)).collect()
            }
            Self::AverageRange { bar, .. } => bar.iter_mut().collect(),
            Self::Bands { width, x, .. } => std::iter::once(x).chain(width).collect(),
            Self::Convergence { x, .. } => vec![x],
        }
    }
}

impl Part {
    fn reads(&self) -> Vec<Register> {
        self.kind.clone().reads().into_iter().map(|register| *register).collect()
    }
}

impl Fused {
    pub(super) fn new(program: &Program) -> Self {
        let parts = search::parts(program);
        // When each register is written and last read, in steps that have run.
        let (mut written, mut read) = (vec![0; program.registers], vec![0; program.registers]);
        for (part, after) in parts.iter().zip(1..) {
            part.reads().into_iter().for_each(|register| read[register] = after);
            part.writes.iter().for_each(|register| written[*register] = after);
        }
        let fixed = program.columns.len() + program.constants.len();
        let never = parts.len() + 1;
        read[program.columns.len()..fixed].fill(never);
        // Registers by when they are no longer needed; one that nobody reads is not once it has been written.
        let mut ending = vec![Vec::new(); never + 1];
        let lasting = parts.iter().flat_map(|part| part.writes.iter().copied()).chain(0..fixed);
        for register in lasting {
            ending[read[register].max(written[register])].push(register);
        }

        let mut lane_of: Vec<Register> = (0..program.registers).collect();
        let mut free = vec![false; fixed];
        let mut steps = Vec::with_capacity(parts.len());
        for (part, ended) in parts.into_iter().zip(&ending) {
            ended.iter().for_each(|register| free[lane_of[*register]] = true);
            steps.push(part.step(&mut lane_of, |count| take(&mut free, count)));
        }
        let of = |(output, register): (usize, &Register)| Known {
            after: written[*register],
            lane: lane_of[*register],
            output,
        };
        let mut known: Vec<Known> = program.outputs.iter().enumerate().map(of).collect();
        known.sort_by_key(|known| known.after);
        Self { steps, known, lanes: free.len() }
    }
}

impl Part {
    /// The step, with the lanes of what it writes entered in `lane_of`.
    fn step(mut self, lane_of: &mut [Register], take: impl FnOnce(usize) -> Register) -> Step {
        let lanes = self.writes.len();
        let out = take(lanes);
        for (register, lane) in self.writes.iter().zip(out..) {
            lane_of[*register] = lane;
        }
        for register in self.kind.reads() {
            *register = lane_of[*register];
        }
        if let Kind::Node(node) = &mut self.kind {
            let first = node.inputs[0];
            node.inputs[node.arity..].fill(first);
            node.out = out;
        }
        Step { kind: self.kind, out, lanes }
    }
}

impl Step {
    /// Advances over the first `rows` rows of `lanes`.
    #[inline(always)]
    pub(crate) fn advance<V: Value, const B: usize>(
        &self,
        state: &mut [V],
        lanes: &mut [[V; B]],
        rows: usize,
    ) {
        if let Kind::Node(node) = &self.kind {
            return step(node, state, lanes, rows);
        }
        let (before, rest) = lanes.split_at_mut(self.out);
        let (write, after) = rest.split_at_mut(self.lanes);
        let lent = Lent { before, after, hidden: self.lanes };
        match &self.kind {
            Kind::Node(_) => {}
            Kind::Chain { first, links } => {
                if let [out] = write {
                    chain::advance(*first, links, lent, rows, out);
                }
            }
            Kind::AverageRange { weights, state: (from, len), bar: [high, low, close] } => {
                let bar = [&lent.lane(*high)[..rows], &lent.lane(*low)[..rows], &lent.lane(*close)[..rows]];
                let state = &mut state[*from..][..*len];
                match write {
                    [out] => smooth::average_range(*weights, state, bar, Nowhere, &mut out[..rows]),
                    [range, out] => {
                        smooth::average_range(*weights, state, bar, &mut range[..rows], &mut out[..rows]);
                    }
                    _ => {}
                }
            }
            Kind::Bands { rows: n, width, state: (from, len), x } => {
                let (state, x) = (&mut state[*from..][..*len], &lent.lane(*x)[..rows]);
                match (width, write) {
                    (None, [mean, deviation]) => bands::deviation(*n, state, x, [mean, deviation], Nowhere),
                    (None, [mean, deviation, variance]) => {
                        bands::deviation(*n, state, x, [mean, deviation], &mut variance[..]);
                    }
                    (Some(width), [mean, deviation, above, below]) => {
                        let out: [&mut [V]; 4] = [mean, deviation, above, below];
                        bands::bands((*n, lent.lane(*width)[0]), state, x, out, Nowhere);
                    }
                    (Some(width), [mean, deviation, above, below, variance]) => {
                        let out: [&mut [V]; 4] = [mean, deviation, above, below];
                        bands::bands((*n, lent.lane(*width)[0]), state, x, out, &mut variance[..]);
                    }
                    _ => {}
                }
            }
            Kind::Convergence { weights, states, x } => {
                let ranges = states.map(|(from, len)| from..from + len);
                let Ok(states) = state.get_disjoint_mut(ranges) else { return };
                let x = &lent.lane(*x)[..rows];
                match write {
                    [signal, shown, left] => {
                        let out =
                            Convergence { fast: Nowhere, slow: Nowhere, line: Nowhere, signal, shown, left };
                        smooth::convergence(*weights, states, x, out);
                    }
                    [signal, shown, left, slow] => {
                        let slow = &mut slow[..];
                        let out = Convergence { fast: Nowhere, slow, line: Nowhere, signal, shown, left };
                        smooth::convergence(*weights, states, x, out);
                    }
                    [signal, shown, left, slow, fast, line] => {
                        let (fast, slow, line) = (&mut fast[..], &mut slow[..], &mut line[..]);
                        let out = Convergence { fast, slow, line, signal, shown, left };
                        smooth::convergence(*weights, states, x, out);
                    }
                    _ => {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
