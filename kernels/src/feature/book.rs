//! The order book: imbalance over several levels, order flow, slope.
//!
//! The best level is in the columns bid, ask, bid_size and ask_size, level k in bid_k, ask_k, bid_size_k and ask_size_k.

use crate::feature::entry::{Entry, Family, Input, SINGLE, Stability, Unit, real, rows};
use crate::feature::graph::{Graph, Register};
use crate::feature::op::Op;
use crate::feature::parts::{change, halved, lag, sum, weighted_sum};

/// Bid, ask and their sizes at ten levels, level by level.
const LEVELS: [[Input; 4]; 10] = [
    level("bid", "ask", "bid_size", "ask_size"),
    level("bid_2", "ask_2", "bid_size_2", "ask_size_2"),
    level("bid_3", "ask_3", "bid_size_3", "ask_size_3"),
    level("bid_4", "ask_4", "bid_size_4", "ask_size_4"),
    level("bid_5", "ask_5", "bid_size_5", "ask_size_5"),
    level("bid_6", "ask_6", "bid_size_6", "ask_size_6"),
    level("bid_7", "ask_7", "bid_size_7", "ask_size_7"),
    level("bid_8", "ask_8", "bid_size_8", "ask_size_8"),
    level("bid_9", "ask_9", "bid_size_9", "ask_size_9"),
    level("bid_10", "ask_10", "bid_size_10", "ask_size_10"),
];

const fn level(
    bid: &'static str,
    ask: &'static str,
    bid_size: &'static str,
    ask_size: &'static str,
) -> [Input; 4] {
    [
        Input { name: bid, column: bid },
        Input { name: ask, column: ask },
        Input { name: bid_size, column: bid_size },
        Input { name: ask_size, column: ask_size },
    ]
}

/// The fields from `first` on of the first levels, as many as make `N`.
const fn fields<const N: usize>(first: usize) -> [Input; N] {
    let mut inputs = [const { Input { name: "", column: "" } }; N];
    let (mut at, width) = (0, 4 - first);
    while at < N {
        let field = &LEVELS[at / width][first + at % width];
        inputs[at] = Input { name: field.name, column: field.column };
        at += 1;
    }
    inputs
}

static BEST: [Input; 4] = fields(0);
static FIVE: [Input; 20] = fields(0);
static TEN: [Input; 40] = fields(0);
static FIVE_SIZES: [Input; 10] = fields(2);
static TEN_SIZES: [Input; 20] = fields(2);

/// Signed change of the queues of a level, for each row its own.
fn flow(graph: &mut Graph, level: &[Register]) -> Register {
    let higher = change(graph, level[0], 1.0);
    let higher_ask = change(graph, level[1], 1.0);
    let lower = graph.add(Op::Negate, &[higher_ask]);
    let [bid, ask] = [(higher, level[2]), (lower, level[3])].map(|(nearer, size)| {
        let before = lag(graph, size, 1.0);
        graph.add(Op::QueueChange, &[nearer, size, before])
    });
    graph.add(Op::Subtract, &[bid, ask])
}

fn flows(graph: &mut Graph, book: &[Register], p: &[f64]) -> Vec<Register> {
    let mut flow_of = |level: &[Register]| {
        let flow = flow(graph, level);
        sum(graph, flow, p[0])
    };
    book.chunks_exact(4).map(&mut flow_of).collect()
}

/// Excess of the sizes bid over those asked, each level weighing exp(-decay) of the one before.
fn imbalance(graph: &mut Graph, sizes: &[Register], p: &[f64]) -> Vec<Register> {
    let side = |graph: &mut Graph, which: usize| {
        let terms: Vec<(Register, f64)> = (sizes.chunks_exact(2).enumerate())
            .map(|(level, sizes)| (sizes[which], (-p[0] * level as f64).exp()))
            .collect();
        weighted_sum(graph, &terms)
    };
    let sides = [side(graph, 0), side(graph, 1)];
    let (excess, total) = (graph.add(Op::Subtract, &sides), graph.add(Op::Add, &sides));
    vec![graph.add(Op::Divide, &[excess, total])]
}

/// Elasticity of the depth of one side: `prices` and `sizes` from the best level on.
fn elasticity(graph: &mut Graph, middle: Register, prices: &[Register], sizes: &[Register]) -> Register {
    let (mut price, mut depth, mut volume) = (middle, None, None);
    let mut terms = Vec::new();
    for (next, size) in prices.iter().zip(sizes) {
        let total = volume.map_or(*size, |volume| graph.add(Op::Add, &[volume, *size]));
        let logarithm = graph.add(Op::Logarithm, &[total]);
        let growth = depth.map_or(logarithm, |depth| {
            let grown = graph.add(Op::Subtract, &[logarithm, depth]);
            graph.add(Op::Divide, &[grown, depth])
        });
        let away = graph.add(Op::Subtract, &[*next, price]);
        let away = graph.add(Op::Divide, &[away, price]);
        let distance = graph.add(Op::Absolute, &[away]);
        terms.push((graph.add(Op::Divide, &[growth, distance]), 1.0 / prices.len() as f64));
        (price, depth, volume) = (*next, Some(logarithm), Some(total));
    }
    weighted_sum(graph, &terms)
}

fn slope(graph: &mut Graph, book: &[Register]) -> Vec<Register> {
    let field = |which: usize| book.chunks_exact(4).map(|level| level[which]).collect::<Vec<_>>();
    let middle = halved(graph, book[0], book[1]);
    let [bid, ask] = [0, 1].map(|side| elasticity(graph, middle, &field(side), &field(side + 2)));
    vec![halved(graph, bid, ask)]
}

pub(crate) static DEPTH_IMBALANCE5: Entry = Entry {
    name: "depth_imbalance5",
    family: Family::Book,
    summary: "excess of the size bid over the size asked in 5 levels, -1 to 1, the best weighing most",
    formula: "sum of w_k (bid_size_k - ask_size_k) / sum of w_k (bid_size_k + ask_size_k), w_k = exp(-decay (k - 1))",
    source: "A. Cartea, R. Donnelly and S. Jaimungal, Enhancing trading strategies with order book signals, 2018",
    inputs: &FIVE_SIZES,
    parameters: &[real("decay", 0.5, 0.0, 100.0)],
    outputs: SINGLE,
    lookback: "0",
    nan: "where a size is NaN or all are zero",
    unit: Unit::Ratio,
    stability: Stability::Exact,
    ta_lib: None,
    lower: imbalance,
};

pub(crate) static MLOFI5: Entry = Entry {
    name: "mlofi5",
    family: Family::Book,
    summary: "order flow imbalance at each of 5 levels",
    formula: "of each level as ofi",
    source: "K. Xu, M. D. Gould and S. D. Howison, Multi-level order-flow imbalance in a limit order book, 2018",
    inputs: &FIVE,
    parameters: &[rows("period", 1.0, 1.0)],
    outputs: &["level1", "level2", "level3", "level4", "level5"],
    lookback: "period",
    nan: "while a NaN is in the window",
    unit: Unit::Volume,
    stability: Stability::Epsilon,
    ta_lib: None,
    lower: flows,
};

pub(crate) static BOOK_SLOPE5: Entry = Entry {
    name: "book_slope5",
    family: Family::Book,
    summary: "slope of the book over 5 levels: how fast depth grows with the distance from the middle",
    formula: "mean of both sides; of a side (v_1/|p_1/m - 1| + sum of (v_k/v_(k-1) - 1)/|p_k/p_(k-1) - 1|)/levels, v_k the logarithm of the size up to level k, m the middle",
    source: "R. Naes and J. A. Skjeltorp, Order book characteristics and the volume-volatility relation, 2006",
    inputs: &FIVE,
    parameters: &[],
    outputs: SINGLE,
    lookback: "0",
    nan: "where an input is NaN, a size up to a level is not above zero or its logarithm is zero, or two prices are equal",
    unit: Unit::Ratio,
    stability: Stability::Exact,
    ta_lib: None,
    lower: |graph, book, _| slope(graph, book),
};

pub(crate) static DEPTH_IMBALANCE10: Entry = Entry {
    name: "depth_imbalance10",
    family: Family::Book,
    summary: "excess of the size bid over the size asked in 10 levels, -1 to 1, the best weighing most",
    formula: "sum of w_k (bid_size_k - ask_size_k) / sum of w_k (bid_size_k + ask_size_k), w_k = exp(-decay (k - 1))",
    source: "A. Cartea, R. Donnelly and S. Jaimungal, Enhancing trading strategies with order book signals, 2018",
    inputs: &TEN_SIZES,
    parameters: &[real("decay", 0.5, 0.0, 100.0)],
    outputs: SINGLE,
    lookback: "0",
    nan: "where a size is NaN or all are zero",
    unit: Unit::Ratio,
    stability: Stability::Exact,
    ta_lib: None,
    lower: imbalance,
};

pub(crate) static MLOFI10: Entry = Entry {
    name: "mlofi10",
    family: Family::Book,
    summary: "order flow imbalance at each of 10 levels",
    formula: "of each level as ofi",
    source: "K. Xu, M. D. Gould and S. D. Howison, Multi-level order-flow imbalance in a limit order book, 2018",
    inputs: &TEN,
    parameters: &[rows("period", 1.0, 1.0)],
    outputs: &[
        "level1", "level2", "level3", "level4", "level5", "level6", "level7", "level8", "level9", "level10",
    ],
    lookback: "period",
    nan: "while a NaN is in the window",
    unit: Unit::Volume,
    stability: Stability::Epsilon,
    ta_lib: None,
    lower: flows,
};

pub(crate) static BOOK_SLOPE10: Entry = Entry {
    name: "book_slope10",
    family: Family::Book,
    summary: "slope of the book over 10 levels: how fast depth grows with the distance from the middle",
    formula: "mean of both sides; of a side (v_1/|p_1/m - 1| + sum of (v_k/v_(k-1) - 1)/|p_k/p_(k-1) - 1|)/levels, v_k the logarithm of the size up to level k, m the middle",
    source: "R. Naes and J. A. Skjeltorp, Order book characteristics and the volume-volatility relation, 2006",
    inputs: &TEN,
    parameters: &[],
    outputs: SINGLE,
    lookback: "0",
    nan: "where an input is NaN, a size up to a level is not above zero or its logarithm is zero, or two prices are equal",
    unit: Unit::Ratio,
    stability: Stability::Exact,
    ta_lib: None,
    lower: |graph, book, _| slope(graph, book),
};

pub(crate) static OFI: Entry = Entry {
    name: "ofi",
    family: Family::Book,
    summary: "order flow imbalance: what came to the bid less what came to the ask",
    formula: "sum over the last period rows of e = [bid >= bid[1]] bid_size - [bid <= bid[1]] bid_size[1] - [ask <= ask[1]] ask_size + [ask >= ask[1]] ask_size[1]",
    source: "R. Cont, A. Kukanov and S. Stoikov, The price impact of order book events, 2014",
    inputs: &BEST,
    parameters: &[rows("period", 1.0, 1.0)],
    outputs: SINGLE,
    lookback: "period",
    nan: "while a NaN is in the window",
    unit: Unit::Volume,
    stability: Stability::Epsilon,
    ta_lib: None,
    lower: flows,
};
