//! Which nodes become one step.

use super::super::Program;
use super::{Kind, Part, State};
use crate::feature::graph::{Node, Register};
use crate::feature::op::Op;
use crate::feature::op::chain::{Link, links};
use crate::feature::op::smooth::Weights;

/// The nodes of `program` as parts, in an order in which they can be computed.
pub(super) fn parts(program: &Program) -> Vec<Part> {
    let mut search = Search::new(program);
    for at in 0..program.nodes.len() {
        search.bands(at);
        search.convergence(at);
        search.average_range(at);
    }
    search.chains();
    search.others();
    in_order(program, search.parts)
}

struct Search<'a> {
    program: &'a Program,
    /// The nodes that read each register.
    readers: Vec<Vec<usize>>,
    /// The node that writes each register.
    writer: Vec<Option<usize>>,
    taken: Vec<bool>,
    parts: Vec<Part>,
}

fn state(node: &Node) -> State {
    (node.state, node.state_len)
}

fn weights(op: Op) -> Option<Weights> {
    match op {
        Op::Smooth { rows, skip, keep, take } => Some(Weights { rows, skip, keep, take }),
        _ => None,
    }
}

impl<'a> Search<'a> {
    fn new(program: &'a Program) -> Self {
        let mut readers = vec![Vec::new(); program.registers];
        let mut writer = vec![None; program.registers];
        for (at, node) in program.nodes.iter().enumerate() {
            node.inputs[..node.arity].iter().for_each(|input| readers[*input].push(at));
            writer[node.out..node.out + node.outputs].fill(Some(at));
        }
        Self { program, readers, writer, taken: vec![false; program.nodes.len()], parts: Vec::new() }
    }

    fn node(&self, at: usize) -> &'a Node {
        &self.program.nodes[at]
    }

    fn is_output(&self, register: Register) -> bool {
        self.program.outputs.contains(&register)
    }

    fn is_constant(&self, register: Register) -> bool {
        let columns = self.program.columns.len();
        (columns..columns + self.program.constants.len()).contains(&register)
    }

    /// A node that reads `register` and is `wanted`.
    fn reader(&self, register: Register, wanted: impl Fn(&Node) -> bool) -> Option<usize> {
        self.readers[register].iter().copied().find(|at| !self.taken[*at] && wanted(self.node(*at)))
    }

    /// Whether anybody but `members` needs `register`.
    fn is_wanted(&self, register: Register, members: &[usize]) -> bool {
        self.is_output(register) || self.readers[register].iter().any(|at| !members.contains(at))
    }

    /// Joins `members`, which write `writes`.
    fn join(&mut self, kind: Kind, members: &[usize], writes: Vec<Register>) {
        members.iter().for_each(|at| self.taken[*at] = true);
        self.parts.push(Part { kind, writes });
    }

    /// Moments and their root, and the bands around the mean.
    fn bands(&mut self, at: usize) {
        let node = self.node(at);
        let (Op::Moments { rows }, false) = (node.op, self.taken[at]) else { return };
        let (mean, variance, x) = (node.out, node.out + 1, node.inputs[0]);
        let Some(root) = self.reader(variance, |node| node.op == Op::SquareRoot) else { return };
        let deviation = self.node(root).out;
        let mut members = vec![at, root];
        let (mut width, mut writes) = (None, vec![mean, deviation]);
        let scales = |node: &Node| node.op == Op::Multiply && self.is_constant(node.inputs[1]);
        if let Some(way) = self.reader(deviation, scales) {
            let (register, factor) = (self.node(way).out, self.node(way).inputs[1]);
            let beside =
                |op: Op| self.reader(register, |node| node.op == op && node.inputs[..2] == [mean, register]);
            if let (Some(above), Some(below)) = (beside(Op::Add), beside(Op::Subtract))
                && !self.is_wanted(register, &[above, below])
            {
                members.extend([way, above, below]);
                width = Some(factor);
                writes.extend([self.node(above).out, self.node(below).out]);
            }
        }
        if self.is_wanted(variance, &members) {
            writes.push(variance);
        }
        self.join(Kind::Bands { rows, width, state: state(node), x }, &members, writes);
    }

    /// The averages of MACD and what is made of them.
    fn convergence(&mut self, at: usize) {
        let node = self.node(at);
        if node.op != Op::Subtract || self.taken[at] {
            return;
        }
        let (line, [fast, slow, _]) = (node.out, node.inputs);
        let average = |register: Register| {
            let at = self.writer[register].filter(|at| !self.taken[*at])?;
            Some((at, self.node(at), weights(self.node(at).op)?))
        };
        let (Some((fast_at, fast_node, a)), Some((slow_at, slow_node, b))) = (average(fast), average(slow))
        else {
            return;
        };
        let Some(signal_at) = self.reader(line, |node| weights(node.op).is_some()) else { return };
        let signal_node = self.node(signal_at);
        let Some(c) = weights(signal_node.op) else { return };
        if fast_at == slow_at || fast_node.inputs[0] != slow_node.inputs[0] {
            return;
        }
        let signal = signal_node.out;
        let both = |op: Op| self.reader(line, |node| node.op == op && node.inputs[..2] == [line, signal]);
        let (Some(shown), Some(left)) = (both(Op::Where), both(Op::Subtract)) else { return };
        let members = [fast_at, slow_at, at, signal_at, shown, left];
        let mut writes = vec![signal, self.node(shown).out, self.node(left).out];
        let [fast_wanted, slow_wanted, line_wanted] =
            [fast, slow, line].map(|register| self.is_wanted(register, &members));
        if fast_wanted || line_wanted {
            writes.extend([slow, fast, line]);
        } else if slow_wanted {
            writes.push(slow);
        }
        let kind = Kind::Convergence {
            weights: [a, b, c],
            states: [state(fast_node), state(slow_node), state(signal_node)],
            x: fast_node.inputs[0],
        };
        self.join(kind, &members, writes);
    }

    fn average_range(&mut self, at: usize) {
        let node = self.node(at);
        if node.op != Op::TrueRange || self.taken[at] {
            return;
        }
        let Some(average) = self.reader(node.out, |node| weights(node.op).is_some()) else { return };
        let Some(weights) = weights(self.node(average).op) else { return };
        let kind = Kind::AverageRange { weights, state: state(self.node(average)), bar: node.inputs };
        let out = self.node(average).out;
        let writes = if self.is_wanted(node.out, &[average]) { vec![node.out, out] } else { vec![out] };
        self.join(kind, &[at, average], writes);
    }

    /// Operations on single rows, one after the other as long as only the next needs the one before.
    fn chains(&mut self) {
        let mut chains: Vec<(Register, Register, Vec<usize>, Vec<Link>)> = Vec::new();
        for at in 0..self.program.nodes.len() {
            let node = self.node(at);
            if self.taken[at] || !links(node.op) {
                continue;
            }
            let [a, b] = [node.inputs[0], if node.arity > 1 { node.inputs[1] } else { node.inputs[0] }];
            let goes_on = |(_, end, ..): &&mut (Register, Register, Vec<usize>, Vec<Link>)| {
                (*end == a || *end == b) && !self.is_output(*end) && self.readers[*end].len() == 1
            };
            if let Some((first, end, members, chain)) = chains.iter_mut().find(goes_on) {
                let swapped = *end != a;
                let other = if node.arity == 1 {
                    *first
                } else if swapped {
                    a
                } else {
                    b
                };
                chain.push(Link { op: node.op, other, swapped });
                members.push(at);
                *end = node.out;
            } else {
                chains.push((a, node.out, vec![at], vec![Link { op: node.op, other: b, swapped: false }]));
            }
        }
        for (first, end, members, links) in chains {
            if links.len() > 1 {
                self.join(Kind::Chain { first, links }, &members, vec![end]);
            }
        }
    }

    /// What is left stays as it is.
    fn others(&mut self) {
        for (node, taken) in self.program.nodes.iter().zip(&self.taken) {
            if !taken {
                let writes = (node.out..node.out + node.outputs).collect();
                self.parts.push(Part { kind: Kind::Node(node.clone()), writes });
            }
        }
    }
}

/// The parts, each after those whose results it reads.
fn in_order(program: &Program, parts: Vec<Part>) -> Vec<Part> {
    let mut known = vec![false; program.registers];
    known[..program.columns.len() + program.constants.len()].fill(true);
    // As close to the order of the plan as can be: what is read again soon stays in the first-level cache.
    let mut waiting: Vec<Part> = parts;
    waiting.sort_by_key(|part| part.writes.iter().copied().max());
    let mut ordered = Vec::with_capacity(waiting.len());
    while let Some(next) =
        waiting.iter().position(|part| part.reads().iter().all(|register| known[*register]))
    {
        let part = waiting.remove(next);
        part.writes.iter().for_each(|register| known[*register] = true);
        ordered.push(part);
    }
    ordered
}
