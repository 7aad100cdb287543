//! Trades: their direction, the volume behind it, and the time between them.

use crate::feature::entry::{CLOSE, Entry, Family, Input, LAST, SINGLE, Stability, TIME, Unit, VOLUME, rows};
use crate::feature::graph::{Graph, Register};
use crate::feature::op::Op;
use crate::feature::parts::{change, halved, quotient, shifted, sum};

/// The volume, with the sign of the last change of the price.
fn signed(graph: &mut Graph, x: &[Register]) -> Register {
    let sign = graph.add(Op::Tick, &[x[0]]);
    graph.add(Op::Multiply, &[sign, x[1]])
}

const PRICED: &[Input] = &[LAST, VOLUME];

pub(crate) static TRADE_SIGN: Entry = Entry {
    name: "trade_sign",
    family: Family::Trade,
    summary: "direction of a trade by the tick rule: 1 after a rise, -1 after a fall",
    formula: "sign of x - x[1], and where that is zero the sign before",
    source: "C. M. C. Lee and M. J. Ready, Inferring trade direction from intraday data, 1991",
    inputs: CLOSE,
    parameters: &[],
    outputs: SINGLE,
    lookback: "1",
    nan: "until x has changed, and on the row of a NaN, which is left out",
    unit: Unit::Ratio,
    stability: Stability::PathDependent,
    ta_lib: None,
    lower: |graph, x, _| vec![graph.add(Op::Tick, x)],
};

pub(crate) static LEE_READY: Entry = Entry {
    name: "lee_ready",
    family: Family::Trade,
    summary: "direction of a trade: by the middle of the quotes, and at the middle by the tick rule",
    formula: "1 above (bid + ask)/2, -1 below it, trade_sign(x) at it",
    source: "C. M. C. Lee and M. J. Ready, Inferring trade direction from intraday data, 1991",
    inputs: &[LAST, Input { name: "bid", column: "bid" }, Input { name: "ask", column: "ask" }],
    parameters: &[],
    outputs: SINGLE,
    lookback: "1",
    nan: "where an input is NaN and until x has changed",
    unit: Unit::Ratio,
    stability: Stability::PathDependent,
    ta_lib: None,
    lower: |graph, x, _| {
        let middle = halved(graph, x[1], x[2]);
        let sides = [graph.add(Op::Above, &[x[0], middle]), graph.add(Op::Above, &[middle, x[0]])];
        let side = graph.add(Op::Subtract, &sides);
        let tick = graph.add(Op::Tick, &[x[0]]);
        let off = graph.add(Op::Add, &sides);
        let off = graph.add(Op::Negate, &[off]);
        let at = shifted(graph, off, 1.0);
        let tick = graph.add(Op::Multiply, &[tick, at]);
        vec![graph.add(Op::Add, &[side, tick])]
    },
};

pub(crate) static SIGNED_VOLUME: Entry = Entry {
    name: "signed_volume",
    family: Family::Trade,
    summary: "volume bought less volume sold, by the tick rule",
    formula: "sum of trade_sign(close) volume over the last period rows",
    source: "tick rule of Lee and Ready, 1991",
    inputs: PRICED,
    parameters: &[rows("period", 20.0, 1.0)],
    outputs: SINGLE,
    lookback: "period",
    nan: "while a NaN is in the window",
    unit: Unit::Volume,
    stability: Stability::PathDependent,
    ta_lib: None,
    lower: |graph, x, p| {
        let signed = signed(graph, x);
        vec![sum(graph, signed, p[0])]
    },
};

pub(crate) static TRADE_IMBALANCE: Entry = Entry {
    name: "trade_imbalance",
    family: Family::Trade,
    summary: "volume bought less volume sold as a share of the volume, -1 to 1",
    formula: "sum of trade_sign(close) volume / sum of volume over the last period rows",
    source: "tick rule of Lee and Ready, 1991",
    inputs: PRICED,
    parameters: &[rows("period", 20.0, 1.0)],
    outputs: SINGLE,
    lookback: "period",
    nan: "while a NaN is in the window; 0 without volume",
    unit: Unit::Ratio,
    stability: Stability::PathDependent,
    ta_lib: None,
    lower: |graph, x, p| {
        let signed = signed(graph, x);
        let volume = graph.add(Op::Where, &[x[1], signed]);
        let sums = [sum(graph, signed, p[0]), sum(graph, volume, p[0])];
        vec![quotient(graph, sums[0], sums[1], 0.0)]
    },
};

pub(crate) static CANCEL_RATE: Entry = Entry {
    name: "cancel_rate",
    family: Family::Trade,
    summary: "size of the orders cancelled as a share of the size of those added",
    formula: "sum of cancelled / sum of added over the last period rows",
    source: "J. Hasbrouck and G. Saar, Technology and liquidity provision, 2009 (cancelled limit orders as a share of those submitted)",
    inputs: &[Input { name: "cancelled", column: "cancelled" }, Input { name: "added", column: "added" }],
    parameters: &[rows("period", 20.0, 1.0)],
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "while a NaN is in the window, and where nothing was added in it",
    unit: Unit::Ratio,
    stability: Stability::Exact,
    ta_lib: None,
    lower: |graph, x, p| {
        let sums = [sum(graph, x[0], p[0]), sum(graph, x[1], p[0])];
        vec![graph.add(Op::Divide, &sums)]
    },
};

pub(crate) static SINCE_CHANGE: Entry = Entry {
    name: "since_change",
    family: Family::Trade,
    summary: "seconds since a value last changed",
    formula: "timestamp less that of the last row with x not x[1]",
    source: "the usual definition",
    inputs: &[LAST, TIME],
    parameters: &[],
    outputs: SINGLE,
    lookback: "1",
    nan: "until x has changed, and where x, x[1] or the timestamp is NaN",
    unit: Unit::Seconds,
    stability: Stability::PathDependent,
    ta_lib: None,
    lower: |graph, x, _| {
        let moved = change(graph, x[0], 1.0);
        vec![graph.add(Op::Since, &[moved, x[1]])]
    },
};

pub(crate) static SINCE_TRADE: Entry = Entry {
    name: "since_trade",
    family: Family::Trade,
    summary: "seconds since volume was last traded",
    formula: "timestamp less that of the last row with a volume not zero",
    source: "the usual definition",
    inputs: &[VOLUME, TIME],
    parameters: &[],
    outputs: SINGLE,
    lookback: "0",
    nan: "until volume has been traded, and where an input is NaN",
    unit: Unit::Seconds,
    stability: Stability::PathDependent,
    ta_lib: None,
    lower: |graph, x, _| vec![graph.add(Op::Since, x)],
};
