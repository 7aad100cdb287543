//! Best bid and ask.

use crate::feature::entry::{Entry, Family, Input, SINGLE, Stability, Unit};
use crate::feature::graph::{Graph, Register};
use crate::feature::op::Op;

const BID: Input = Input { name: "bid", column: "bid" };
const ASK: Input = Input { name: "ask", column: "ask" };
const BID_SIZE: Input = Input { name: "bid_size", column: "bid_size" };
const ASK_SIZE: Input = Input { name: "ask_size", column: "ask_size" };

fn mid(graph: &mut Graph, quote: &[Register]) -> Register {
    let sum = graph.add(Op::Add, &[quote[0], quote[1]]);
    let two = graph.add(Op::Constant(2.0), &[]);
    graph.add(Op::Divide, &[sum, two])
}

fn spread(graph: &mut Graph, quote: &[Register]) -> Register {
    graph.add(Op::Subtract, &[quote[1], quote[0]])
}

pub(crate) static MID: Entry = Entry {
    name: "mid",
    family: Family::Quote,
    summary: "middle of bid and ask",
    formula: "(bid + ask) / 2",
    source: "the usual definition",
    inputs: &[BID, ASK],
    parameters: &[],
    outputs: SINGLE,
    lookback: "0",
    nan: "where bid or ask is NaN",
    unit: Unit::Price,
    stability: Stability::Exact,
    ta_lib: None,
    lower: |graph, quote, _| vec![mid(graph, quote)],
};

pub(crate) static SPREAD: Entry = Entry {
    name: "spread",
    family: Family::Quote,
    summary: "distance of bid and ask",
    formula: "ask - bid",
    source: "the usual definition",
    inputs: &[BID, ASK],
    parameters: &[],
    outputs: SINGLE,
    lookback: "0",
    nan: "where bid or ask is NaN",
    unit: Unit::Price,
    stability: Stability::Exact,
    ta_lib: None,
    lower: |graph, quote, _| vec![spread(graph, quote)],
};

pub(crate) static RELATIVE_SPREAD: Entry = Entry {
    name: "relative_spread",
    family: Family::Quote,
    summary: "distance of bid and ask relative to their middle",
    formula: "(ask - bid) / mid(bid,ask)",
    source: "the usual definition",
    inputs: &[BID, ASK],
    parameters: &[],
    outputs: SINGLE,
    lookback: "0",
    nan: "where bid or ask is NaN or their middle is zero",
    unit: Unit::Ratio,
    stability: Stability::Exact,
    ta_lib: None,
    lower: |graph, quote, _| {
        let parts = [spread(graph, quote), mid(graph, quote)];
        vec![graph.add(Op::Divide, &parts)]
    },
};

pub(crate) static MICROPRICE: Entry = Entry {
    name: "microprice",
    family: Family::Quote,
    summary: "middle of bid and ask weighted by the size on the other side",
    formula: "(ask bid_size + bid ask_size) / (bid_size + ask_size)",
    source: "J. Gatheral and R. Oomen, Zero-intelligence realized variance estimation, 2010",
    inputs: &[BID, ASK, BID_SIZE, ASK_SIZE],
    parameters: &[],
    outputs: SINGLE,
    lookback: "0",
    nan: "where an input is NaN or both sizes are zero",
    unit: Unit::Price,
    stability: Stability::Exact,
    ta_lib: None,
    lower: |graph, book, _| {
        let ask = graph.add(Op::Multiply, &[book[1], book[2]]);
        let bid = graph.add(Op::Multiply, &[book[0], book[3]]);
        let value = graph.add(Op::Add, &[ask, bid]);
        let size = graph.add(Op::Add, &[book[2], book[3]]);
        vec![graph.add(Op::Divide, &[value, size])]
    },
};

pub(crate) static QUEUE_IMBALANCE: Entry = Entry {
    name: "queue_imbalance",
    family: Family::Quote,
    summary: "excess of the size bid over the size asked, -1 to 1",
    formula: "(bid_size - ask_size) / (bid_size + ask_size)",
    source: "M. Gould and J. Bonart, Queue imbalance as a one-tick-ahead price predictor, 2016",
    inputs: &[BID_SIZE, ASK_SIZE],
    parameters: &[],
    outputs: SINGLE,
    lookback: "0",
    nan: "where a size is NaN or both are zero",
    unit: Unit::Ratio,
    stability: Stability::Exact,
    ta_lib: None,
    lower: |graph, sizes, _| {
        let excess = graph.add(Op::Subtract, sizes);
        let total = graph.add(Op::Add, sizes);
        vec![graph.add(Op::Divide, &[excess, total])]
    },
};
