//! Parts that features of several families are made of.

use crate::feature::graph::{Graph, Register};
use crate::feature::op::Op;

/// x times a constant.
pub(crate) fn scaled(graph: &mut Graph, x: Register, factor: f64) -> Register {
    let factor = graph.add(Op::Constant(factor), &[]);
    graph.add(Op::Multiply, &[x, factor])
}

/// x plus a constant.
pub(crate) fn shifted(graph: &mut Graph, x: Register, by: f64) -> Register {
    let by = graph.add(Op::Constant(by), &[]);
    graph.add(Op::Add, &[x, by])
}

/// The sum of the terms, each a value and its weight.
pub(crate) fn weighted_sum(graph: &mut Graph, terms: &[(Register, f64)]) -> Register {
    let products: Vec<Register> = terms.iter().map(|(x, weight)| scaled(graph, *x, *weight)).collect();
    let first = products.first().copied().unwrap_or_default();
    products.iter().skip(1).fold(first, |sum, product| graph.add(Op::Add, &[sum, *product]))
}

/// Half of the sum of two values.
pub(crate) fn halved(graph: &mut Graph, a: Register, b: Register) -> Register {
    let sum = graph.add(Op::Add, &[a, b]);
    scaled(graph, sum, 0.5)
}

/// a / b, `otherwise` where b is zero.
pub(crate) fn quotient(graph: &mut Graph, a: Register, b: Register, otherwise: f64) -> Register {
    graph.add(Op::Quotient { otherwise }, &[a, b])
}

/// x as it was `rows` rows ago.
pub(crate) fn lag(graph: &mut Graph, x: Register, rows: f64) -> Register {
    graph.add(Op::Lag { rows: rows as usize }, &[x])
}

/// The change of x over `rows` rows.
pub(crate) fn change(graph: &mut Graph, x: Register, rows: f64) -> Register {
    let before = lag(graph, x, rows);
    graph.add(Op::Subtract, &[x, before])
}

/// The change of x over `rows` rows as a share of what it was.
pub(crate) fn rate(graph: &mut Graph, x: Register, rows: f64) -> Register {
    let before = lag(graph, x, rows);
    let change = graph.add(Op::Subtract, &[x, before]);
    graph.add(Op::Divide, &[change, before])
}

/// x from where `from`, whose lookback may be shorter, has been known for `rows` rows.
pub(crate) fn from_row(graph: &mut Graph, x: Register, from: Register, rows: f64) -> Register {
    let known = lag(graph, from, rows);
    graph.add(Op::Where, &[x, known])
}

/// Sum over a window.
pub(crate) fn sum(graph: &mut Graph, x: Register, period: f64) -> Register {
    graph.add(Op::Sum { rows: period as usize }, &[x])
}

/// Mean over a window.
pub(crate) fn mean(graph: &mut Graph, x: Register, period: f64) -> Register {
    graph.add(Op::Mean { rows: period as usize }, &[x])
}

/// Mean and population variance over a window.
pub(crate) fn moments(graph: &mut Graph, x: Register, period: f64) -> [Register; 2] {
    let mean = graph.add(Op::Moments { rows: period as usize }, &[x]);
    [mean, mean + 1]
}

/// Population variance over a window.
pub(crate) fn variance(graph: &mut Graph, x: Register, period: f64) -> Register {
    moments(graph, x, period)[1]
}

/// Greatest value of a window.
pub(crate) fn greatest(graph: &mut Graph, x: Register, period: f64) -> Register {
    graph.add(Op::Maximum { rows: period as usize }, &[x])
}

/// Least value of a window.
pub(crate) fn least(graph: &mut Graph, x: Register, period: f64) -> Register {
    graph.add(Op::Minimum { rows: period as usize }, &[x])
}
