//! From what a graph computes to a stack: one line of layers, and heads that read from it.

use std::collections::HashMap;

use super::error::OnnxError;
use super::flow::{Axis, Flow, Piece, Take, coalesce};
use super::graph::{Computed, Op, Walked};
use crate::op::lstm_stack::{Dense, Head, Layer, Read, Stack, What};

/// A graph as a stack, with what it says about its inputs and outputs.
pub struct Assembled {
    pub stack: Stack<f32>,
    /// The axes of each head's output in the graph.
    pub axes: Vec<Vec<Axis>>,
    /// Whether the lengths of the series are an input.
    pub lengths: bool,
    /// Whether the initial states are inputs.
    pub states: bool,
}

/// Values that something computed gives for each step.
fn width(what: &Computed) -> usize {
    match what {
        Computed::Series(features) => *features,
        Computed::State => 0,
        Computed::Lstm { layer, .. } => layer.output(),
        Computed::Pointwise { from, layer } => layer.output(from.iter().map(|p| p.features.len()).sum()),
    }
}

/// Joins a forward and a reverse LSTM of the same input and form into one of both directions, as exporters write them
/// apart; every piece then names the joined one.
fn join_directions(walked: &mut Walked) {
    let mut moved: HashMap<usize, (usize, [usize; 2])> = HashMap::new();
    for second in 0..walked.ops.len() {
        rename(inputs(&mut walked.ops[second].what), &moved);
        let Some(first) = (0..second).find(|&first| joins(&walked.ops[first].what, &walked.ops[second].what))
        else {
            continue;
        };
        let Computed::Lstm { layer, .. } = walked.ops[second].what.clone() else { continue };
        let shift = [layer.output(), layer.hidden];
        let Computed::Lstm { layer: joined, .. } = &mut walked.ops[first].what else { continue };
        if layer.passes[0].reverse {
            joined.passes.extend(layer.passes);
            moved.insert(second, (first, shift));
        } else {
            joined.passes.splice(0..0, layer.passes);
            moved.insert(second, (first, [0, 0]));
            moved.insert(first, (first, shift));
            for op in &mut walked.ops[first + 1..=second] {
                let only: HashMap<_, _> = [(first, (first, shift))].into();
                rename(inputs(&mut op.what), &only);
            }
        }
    }
    for (_, flow) in &mut walked.outputs {
        rename(vec![&mut flow.pieces], &moved);
    }
}

fn inputs(what: &mut Computed) -> Vec<&mut Vec<Piece>> {
    match what {
        Computed::Series(_) | Computed::State => vec![],
        Computed::Lstm { from, .. } | Computed::Pointwise { from, .. } => vec![from],
    }
}

fn rename(pieces: Vec<&mut Vec<Piece>>, moved: &HashMap<usize, (usize, [usize; 2])>) {
    for pieces in pieces {
        for piece in pieces.iter_mut() {
            if let Some(&(op, [output, cells])) = moved.get(&piece.op) {
                let shift = if piece.take == Take::Cell { cells } else { output };
                piece.op = op;
                piece.features = piece.features.start + shift..piece.features.end + shift;
            }
        }
        *pieces = coalesce(std::mem::take(pieces));
    }
}

fn joins(first: &Computed, second: &Computed) -> bool {
    let (
        Computed::Lstm { from: from_a, layer: a, initial: None, lengths: lengths_a },
        Computed::Lstm { from: from_b, layer: b, initial: None, lengths: lengths_b },
    ) = (first, second)
    else {
        return false;
    };
    let form = |l: &crate::op::lstm_layer::LstmLayer<f32>| (l.hidden, l.projection, l.clip, l.input_forget);
    let opposite = a.passes.len() == 1 && b.passes.len() == 1 && a.passes[0].reverse != b.passes[0].reverse;
    opposite && from_a == from_b && form(a) == form(b) && lengths_a == lengths_b
}

/// Orders what was computed.
pub fn assemble(mut walked: Walked) -> Result<Assembled, OnnxError> {
    join_directions(&mut walked);
    let Walked { ops, outputs } = walked;
    let used = used(&ops, &outputs);
    let chain = chain(&ops, &used)?;
    let places: HashMap<usize, usize> = chain.iter().enumerate().map(|(place, &op)| (op, place)).collect();
    let stray =
        |op: &usize| used[*op] && matches!(ops[*op].what, Computed::Lstm { .. }) && !places.contains_key(op);
    if let Some(op) = (0..ops.len()).find(stray) {
        let reason =
            "is beside the other LSTM layers, not above or below them; a model is one stack of layers";
        return Err(OnnxError::Structure { node: ops[op].node.clone(), reason });
    }
    let (lengths, states) = (agreed_lengths(&ops, &chain)?, agreed_states(&ops, &chain)?);
    let layers = chain.iter().filter_map(|&op| match &ops[op].what {
        Computed::Lstm { layer, .. } => Some(Layer::Lstm(layer.clone())),
        Computed::Pointwise { layer, .. } => Some(layer.clone()),
        Computed::Series(_) | Computed::State => None,
    });
    let input = ops.iter().find_map(|op| match op.what {
        Computed::Series(features) => Some(features),
        _ => None,
    });
    let mut stack = Stack { input: input.unwrap_or_default(), layers: layers.collect(), heads: Vec::new() };
    let mut axes = Vec::new();
    for (name, flow) in outputs {
        axes.push(flow.axes.clone());
        stack.heads.push(head(&ops, &places, name, flow)?);
    }
    stack.check()?;
    Ok(Assembled { stack, axes, lengths, states })
}

/// Which of the computed values lead to an output.
fn used(ops: &[Op], outputs: &[(String, Flow)]) -> Vec<bool> {
    let mut used = vec![false; ops.len()];
    outputs.iter().flat_map(|(_, flow)| &flow.pieces).for_each(|piece| used[piece.op] = true);
    for at in (0..ops.len()).rev().filter(|&at| !matches!(ops[at].what, Computed::Series(_))) {
        if let (true, Computed::Lstm { from, .. } | Computed::Pointwise { from, .. }) =
            (used[at], &ops[at].what)
        {
            from.iter().for_each(|piece| used[piece.op] = true);
        }
    }
    used
}

/// The line from the series to the last LSTM.
fn chain(ops: &[Op], used: &[bool]) -> Result<Vec<usize>, OnnxError> {
    let last = (0..ops.len()).rev().find(|&op| used[op] && matches!(ops[op].what, Computed::Lstm { .. }));
    let mut at = last.ok_or(OnnxError::NoLstm)?;
    let mut chain = Vec::new();
    while let Computed::Lstm { from, .. } | Computed::Pointwise { from, .. } = &ops[at].what {
        chain.push(at);
        let reason = "reads something else than all that one layer gives for each step";
        let refused = OnnxError::Structure { node: ops[at].node.clone(), reason };
        let [Piece { op, take: Take::Sequence, features }] = &from[..] else { return Err(refused) };
        if *features != (0..width(&ops[*op].what)) {
            return Err(refused);
        }
        at = *op;
    }
    chain.reverse();
    Ok(chain)
}

fn agreed_lengths(ops: &[Op], chain: &[usize]) -> Result<bool, OnnxError> {
    let mut agreed = None;
    for &at in chain {
        let Computed::Lstm { lengths, .. } = ops[at].what else { continue };
        if *agreed.get_or_insert(lengths) != lengths {
            let reason = "has the lengths of the series as input or not, unlike another LSTM";
            return Err(OnnxError::Structure { node: ops[at].node.clone(), reason });
        }
    }
    Ok(agreed.unwrap_or(false))
}

/// Whether the initial states are inputs, which must hold the layers' one after the other.
fn agreed_states(ops: &[Op], chain: &[usize]) -> Result<bool, OnnxError> {
    let mut places = [0, 0];
    let (mut with, mut without) = (0, 0);
    let mut inputs: [Option<usize>; 2] = [None, None];
    for &at in chain {
        let Computed::Lstm { layer, initial, .. } = &ops[at].what else { continue };
        let Some(initial) = initial else {
            without += 1;
            continue;
        };
        with += 1;
        for (which, pieces) in initial.iter().enumerate() {
            let here = places[which]..places[which] + layer.output();
            places[which] = here.end;
            let whole = match &pieces[..] {
                [Piece { op, take: Take::Row, features }] => {
                    matches!(ops[*op].what, Computed::State)
                        && *inputs[which].get_or_insert(*op) == *op
                        && *features == here
                }
                _ => false,
            };
            if !whole {
                let reason =
                    "starts from something else than its part, in the order of the layers, of one input";
                return Err(OnnxError::Structure { node: ops[at].node.clone(), reason });
            }
        }
    }
    if with > 0 && without > 0 {
        let node = chain.iter().map(|&at| ops[at].node.clone()).next_back().unwrap_or_default();
        let reason = "is in a stack of which some layers start from an input and others do not";
        return Err(OnnxError::Structure { node, reason });
    }
    Ok(with > 0)
}

/// A head: from an output back to the layers that it reads.
fn head(
    ops: &[Op],
    places: &HashMap<usize, usize>,
    name: String,
    flow: Flow,
) -> Result<Head<f32>, OnnxError> {
    let bad = |reason| OnnxError::Output { output: name.clone(), reason };
    if flow.reversed && flow.is_sequence() {
        return Err(bad("has its last step first; reverse it once more"));
    }
    let mut pieces = flow.pieces;
    let mut layers = Vec::new();
    loop {
        if pieces.iter().all(|piece| places.contains_key(&piece.op)) {
            break;
        }
        let [Piece { op, take, features }] = &pieces[..] else {
            return Err(bad("joins values of several dense layers, or these with those of a layer"));
        };
        let Computed::Pointwise { from, layer } = &ops[*op].what else {
            return Err(bad("is the series or a state that was put in, not something the layers gave"));
        };
        let (layer, from) = part(layer, from, features.clone())
            .ok_or_else(|| bad("is a part of a softmax, which needs all its values"))?;
        layers.push(layer);
        let step = |piece: Piece| match (*take, piece.take) {
            (Take::Step(step), Take::Sequence) => Piece { take: Take::Step(step), ..piece },
            _ => piece,
        };
        pieces = from.into_iter().map(step).collect();
    }
    layers.reverse();
    let read = |piece: Piece| Read {
        layer: places[&piece.op],
        what: match piece.take {
            Take::Sequence | Take::Row => What::Sequence,
            Take::Step(step) => What::Step(step),
            Take::Hidden => What::Hidden,
            Take::Cell => What::Cell,
        },
        features: piece.features,
    };
    Ok(Head { read: pieces.into_iter().map(read).collect(), name, layers })
}

/// The part of a layer that gives these features, and what that reads.
fn part(
    layer: &Layer<f32>,
    from: &[Piece],
    features: std::ops::Range<usize>,
) -> Option<(Layer<f32>, Vec<Piece>)> {
    match layer {
        Layer::Dense(Dense { input, output, weight, bias }) => {
            let layer = Dense {
                input: *input,
                output: features.len(),
                weight: weight[features.start * input..features.end * input].to_vec(),
                bias: bias.as_ref().map(|bias| bias[features.clone()].to_vec()),
            };
            debug_assert!(features.end <= *output, "a piece is within what it is a piece of");
            Some((Layer::Dense(layer), from.to_vec()))
        }
        Layer::Each(function) => {
            let all = Flow { axes: vec![], reversed: false, pieces: from.to_vec() };
            Some((Layer::Each(*function), all.cut(features)))
        }
        Layer::Softmax => {
            let width = from.iter().map(|piece| piece.features.len()).sum();
            (features == (0..width)).then(|| (Layer::Softmax, from.to_vec()))
        }
        Layer::Lstm(_) => None,
    }
}
