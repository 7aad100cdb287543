//! The LSTM operator: its attributes and constants as a layer.
//!
//! ONNX orders gates i, o, f, c and peepholes i, o, f; a layer has i, f, c, o and i, f, o.

use super::error::NodeError;
use super::node::{Node, Value};
use super::tensor::{Dim, Floats, misfit};
use crate::op::lstm_function::Function;
use crate::op::lstm_layer::{GATES, LstmLayer, ORDINARY, Pass, State};
use crate::op::network::DIMENSION_MAX;

/// What a node says.
pub struct Parsed {
    pub layer: LstmLayer<f32>,
    /// Whether the batch is the first axis: attribute `layout`.
    pub batch_first: bool,
}

/// Reads attributes and weights for an input of `input` values. Initial states that are constants become the layer's.
pub fn parse(node: &Node, input: usize) -> Result<Parsed, NodeError> {
    let weights = node.floats(1)?;
    let directions = directions(node)?;
    let hidden = match weights.shape[..] {
        [_, Dim::Known(gates), _] if gates > 0 && gates % 4 == 0 => gates / 4,
        _ => return Err(shape("W", weights, &[directions.len(), 0, input])),
    };
    let named = node.int("hidden_size", hidden)?;
    if named != hidden {
        let value = named.to_string();
        return Err(NodeError::Attribute {
            name: "hidden_size",
            value,
            wanted: "a quarter of the rows of W",
        });
    }
    let hidden = usize::try_from(hidden).ok().filter(|&hidden| hidden <= DIMENSION_MAX);
    let hidden = hidden.ok_or_else(|| shape("W", weights, &[directions.len(), 0, input]))?;
    let gates = GATES * hidden;
    let functions = functions(node, directions.len())?;
    let w = blocks(node, 1, "W", &directions, &[gates, input])?.ok_or(NodeError::Absent { place: 1 })?;
    let r = blocks(node, 2, "R", &directions, &[gates, hidden])?.ok_or(NodeError::Absent { place: 2 })?;
    let b = blocks(node, 3, "B", &directions, &[2 * gates])?;
    let p = blocks(node, 7, "P", &directions, &[3 * hidden])?;
    let batch_first = flag(node, "layout")?;
    let h = initial(node, 5, batch_first, directions.len(), hidden)?;
    let c = initial(node, 6, batch_first, directions.len(), hidden)?;
    let zeros = || vec![0.0; directions.len() * hidden];
    let initial = if h.is_none() && c.is_none() {
        None
    } else {
        Some((h.unwrap_or_else(zeros), c.unwrap_or_else(zeros)))
    };
    let pass = |place: usize| Pass {
        reverse: directions[place],
        functions: functions[place],
        weight_ih: gates_in_order(w[place], hidden * input),
        weight_hh: gates_in_order(r[place], hidden * hidden),
        bias: b.as_ref().map(|b| {
            let (input, recurrent) = b[place].split_at(gates);
            [gates_in_order(input, hidden), gates_in_order(recurrent, hidden)]
        }),
        peepholes: p.as_ref().map(|p| {
            let part = |which: usize| &p[place][which * hidden..][..hidden];
            [part(0), part(2), part(1)].concat()
        }),
        weight_hr: None,
        initial: initial.as_ref().map(|(h, c)| {
            let part = |values: &[f32]| values[place * hidden..][..hidden].to_vec();
            State { h: part(h), c: part(c) }
        }),
    };
    let passes = (0..directions.len()).map(pass).collect();
    let clip = match node.float("clip")? {
        Some(clip) if !clip.is_finite() || clip < 0.0 => {
            let value = clip.to_string();
            return Err(NodeError::Attribute { name: "clip", value, wanted: "a number of at least 0" });
        }
        clip => clip,
    };
    let input_forget = flag(node, "input_forget")?;
    let layer = LstmLayer { input, hidden, projection: None, passes, clip, input_forget };
    Ok(Parsed { layer, batch_first })
}

/// For each pass whether it goes backwards.
fn directions(node: &Node) -> Result<Vec<bool>, NodeError> {
    match node.string("direction")?.as_deref() {
        None | Some("forward") => Ok(vec![false]),
        Some("reverse") => Ok(vec![true]),
        Some("bidirectional") => Ok(vec![false, true]),
        Some(other) => Err(NodeError::Attribute {
            name: "direction",
            value: format!("{other:?}"),
            wanted: "forward, reverse or bidirectional",
        }),
    }
}

fn flag(node: &Node, name: &'static str) -> Result<bool, NodeError> {
    match node.int(name, 0)? {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(NodeError::Attribute { name, value: other.to_string(), wanted: "0 or 1" }),
    }
}

/// An input `[directions, ..]` of the node, cut into its directions; `None` where it is left out.
fn blocks<'a>(
    node: &Node<'a>,
    place: usize,
    what: &'static str,
    directions: &[bool],
    rest: &[usize],
) -> Result<Option<Vec<&'a [f32]>>, NodeError> {
    if node.input(place).is_none() {
        return Ok(None);
    }
    let floats = node.floats(place)?;
    let wanted: Vec<usize> = [&[directions.len()], rest].concat();
    let dims: Vec<Dim> = wanted.iter().map(|&size| Dim::Known(size as i64)).collect();
    if floats.shape != dims {
        return Err(misfit(what, &floats.shape, &dims));
    }
    let len = floats.values.len() / directions.len();
    Ok(Some((0..directions.len()).map(|pass| &floats.values[pass * len..][..len]).collect()))
}

fn shape(what: &'static str, found: &Floats, wanted: &[usize]) -> NodeError {
    let dims: Vec<Dim> = wanted.iter().map(|&size| Dim::Known(size as i64)).collect();
    let name = super::tensor::show(&dims).replace("0,", "4 hidden,");
    NodeError::Shape { what, found: super::tensor::show(&found.shape), wanted: name }
}

/// Four blocks i, o, f, c as i, f, c, o.
fn gates_in_order(values: &[f32], block: usize) -> Vec<f32> {
    [0, 2, 3, 1].map(|gate| &values[gate * block..][..block]).concat()
}

/// A constant initial state `[directions, hidden]`: the same for every series. `None` where it is left out, zero, or
/// an input of the graph.
fn initial(
    node: &Node,
    place: usize,
    batch_first: bool,
    directions: usize,
    hidden: usize,
) -> Result<Option<Vec<f32>>, NodeError> {
    if !matches!(node.input(place), Some(Value::Constant(_))) {
        return Ok(None);
    }
    let what = if place == 5 { "initial_h" } else { "initial_c" };
    let floats = node.floats(place)?;
    let (batch_axis, pass_axis) = if batch_first { (0, 1) } else { (1, 0) };
    let dim = |axis: usize| floats.shape.get(axis).map_or(0, |dim| dim.extent());
    if floats.shape.len() != 3 || dim(pass_axis) != directions || dim(2) != hidden {
        let mut wanted = vec![Dim::Known(directions as i64), Dim::Batch, Dim::Known(hidden as i64)];
        if batch_first {
            wanted.swap(0, 1);
        }
        return Err(misfit(what, &floats.shape, &wanted));
    }
    let batch = dim(batch_axis);
    let at = |row: usize, pass: usize| {
        let place = if batch_first { row * directions + pass } else { pass * batch + row };
        &floats.values[place * hidden..][..hidden]
    };
    let differs = (0..directions).any(|pass| (1..batch).any(|row| at(row, pass) != at(0, pass)));
    if differs || batch == 0 {
        return Err(NodeError::Refused(
            "its initial state differs from series to series; make it an input of the graph",
        ));
    }
    let state: Vec<f32> = (0..directions).flat_map(|pass| at(0, pass).to_vec()).collect();
    Ok(state.iter().any(|&x| x != 0.0).then_some(state))
}

/// Functions f, g, h of each direction. The parameters alpha and beta are in the order of the functions that have
/// them, which is how onnxruntime reads them.
fn functions(node: &Node, directions: usize) -> Result<Vec<[Function; 3]>, NodeError> {
    let Some(names) = node.strings("activations")? else { return Ok(vec![ORDINARY; directions]) };
    let wanted = "three functions for each direction, out of Sigmoid, Tanh, Relu, Affine, LeakyRelu, \
                  ThresholdedRelu, ScaledTanh, HardSigmoid, Elu, Softsign, Softplus";
    let bad = || NodeError::Attribute { name: "activations", value: format!("{names:?}"), wanted };
    if names.len() != 3 * directions {
        return Err(bad());
    }
    let (mut alphas, mut betas) =
        (node.floats_attribute("activation_alpha")?.iter(), node.floats_attribute("activation_beta")?.iter());
    let mut all = Vec::with_capacity(names.len());
    for name in &names {
        let mut alpha = |absent: f32| alphas.next().copied().unwrap_or(absent);
        let mut beta = |absent: f32| betas.next().copied().unwrap_or(absent);
        all.push(match name.to_ascii_lowercase().as_str() {
            "sigmoid" => Function::Sigmoid,
            "tanh" => Function::Tanh,
            "relu" => Function::Relu,
            "affine" => Function::Affine { alpha: alpha(1.0), beta: beta(0.0) },
            "leakyrelu" => Function::LeakyRelu { alpha: alpha(0.01) },
            "thresholdedrelu" => Function::ThresholdedRelu { alpha: alpha(1.0) },
            "scaledtanh" => Function::ScaledTanh { alpha: alpha(1.0), beta: beta(1.0) },
            "hardsigmoid" => Function::HardSigmoid { alpha: alpha(0.2), beta: beta(0.5) },
            "elu" => Function::Elu { alpha: alpha(1.0) },
            "softsign" => Function::Softsign,
            "softplus" => Function::Softplus,
            _ => return Err(bad()),
        });
    }
    if alphas.next().is_some() || betas.next().is_some() {
        let value = "longer than the functions have parameters".to_owned();
        let wanted = "in the order of the functions that have an alpha or a beta";
        return Err(NodeError::Attribute { name: "activation_alpha", value, wanted });
    }
    Ok(all.chunks_exact(3).map(|three| [three[0], three[1], three[2]]).collect())
}
