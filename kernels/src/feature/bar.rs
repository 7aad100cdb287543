//! Shape and range of bars.

use crate::feature::average::wilder;
use crate::feature::entry::{CLOSE, Entry, Family, HIGH, LAST, LOW, OPEN, SINGLE, Stability, Unit, rows};
use crate::feature::graph::{Graph, Register};
use crate::feature::op::Op;
use crate::feature::parts::{halved, scaled};

/// The greatest distance between high, low and the close before.
pub(crate) fn true_range(graph: &mut Graph, bar: &[Register]) -> Register {
    let before = graph.add(Op::Lag { rows: 1 }, &[bar[2]]);
    graph.add(Op::TrueRange, &[bar[0], bar[1], before])
}

/// Mean of high, low and close.
pub(crate) fn typical_price(graph: &mut Graph, bar: &[Register]) -> Register {
    let sum = graph.add(Op::Add, &[bar[0], bar[1]]);
    let sum = graph.add(Op::Add, &[sum, bar[2]]);
    let three = graph.add(Op::Constant(3.0), &[]);
    graph.add(Op::Divide, &[sum, three])
}

pub(crate) static TRANGE: Entry = Entry {
    name: "trange",
    family: Family::Bar,
    summary: "true range: range of the bar, extended to the close before",
    formula: "max(high - low, |close[1] - high|, |close[1] - low|)",
    source: "J. Welles Wilder, New Concepts in Technical Trading Systems, 1978; TA-Lib TRANGE",
    inputs: &[HIGH, LOW, LAST],
    parameters: &[],
    outputs: SINGLE,
    lookback: "1",
    nan: "where one of the four prices is NaN",
    unit: Unit::Price,
    stability: Stability::Exact,
    ta_lib: Some("TRANGE"),
    lower: |graph, bar, _| vec![true_range(graph, bar)],
};

pub(crate) static ATR: Entry = Entry {
    name: "atr",
    family: Family::Bar,
    summary: "average true range",
    formula: "rma(trange(high,low,close),period)",
    source: "J. Welles Wilder, New Concepts in Technical Trading Systems, 1978; TA-Lib ATR",
    inputs: &[HIGH, LOW, LAST],
    parameters: &[rows("period", 14.0, 1.0)],
    outputs: SINGLE,
    lookback: "period",
    nan: "where the true range is NaN, which is left out of the average",
    unit: Unit::Price,
    stability: Stability::Converging,
    ta_lib: Some("ATR"),
    lower: |graph, bar, p| {
        let range = true_range(graph, bar);
        vec![wilder(graph, range, p[0], 0)]
    },
};

pub(crate) static NATR: Entry = Entry {
    name: "natr",
    family: Family::Bar,
    summary: "average true range in percent of the close",
    formula: "100 atr(high,low,close,period) / close",
    source: "J. Forman, Cross-Market Evaluations with Normalized Average True Range, 2006; TA-Lib NATR",
    inputs: &[HIGH, LOW, LAST],
    parameters: &[rows("period", 14.0, 1.0)],
    outputs: SINGLE,
    lookback: "period",
    nan: "where the true range is NaN or the close is zero",
    unit: Unit::Percent,
    stability: Stability::Converging,
    ta_lib: Some("NATR"),
    lower: |graph, bar, p| {
        let range = true_range(graph, bar);
        let average = wilder(graph, range, p[0], 0);
        let ratio = graph.add(Op::Divide, &[average, bar[2]]);
        let hundred = graph.add(Op::Constant(100.0), &[]);
        vec![graph.add(Op::Multiply, &[ratio, hundred])]
    },
};

pub(crate) static TYPPRICE: Entry = Entry {
    name: "typprice",
    family: Family::Bar,
    summary: "typical price",
    formula: "(high + low + close) / 3",
    source: "TA-Lib TYPPRICE",
    inputs: &[HIGH, LOW, LAST],
    parameters: &[],
    outputs: SINGLE,
    lookback: "0",
    nan: "where one of the prices is NaN",
    unit: Unit::Price,
    stability: Stability::Exact,
    ta_lib: Some("TYPPRICE"),
    lower: |graph, bar, _| vec![typical_price(graph, bar)],
};

pub(crate) static HL_RANGE: Entry = Entry {
    name: "hl_range",
    family: Family::Bar,
    summary: "range of the bar relative to its close",
    formula: "(high - low) / close",
    source: "KLEN of Qlib's Alpha158, over the close instead of the open",
    inputs: &[HIGH, LOW, LAST],
    parameters: &[],
    outputs: SINGLE,
    lookback: "0",
    nan: "where one of the prices is NaN or the close is zero",
    unit: Unit::Ratio,
    stability: Stability::Exact,
    ta_lib: None,
    lower: |graph, bar, _| {
        let range = graph.add(Op::Subtract, &[bar[0], bar[1]]);
        vec![graph.add(Op::Divide, &[range, bar[2]])]
    },
};

pub(crate) static IBS: Entry = Entry {
    name: "ibs",
    family: Family::Bar,
    summary: "internal bar strength: place of the close in the bar, 0 at the low, 1 at the high",
    formula: "(close - low) / (high - low)",
    source: "TA-Lib IBS",
    inputs: &[HIGH, LOW, LAST],
    parameters: &[],
    outputs: SINGLE,
    lookback: "0",
    nan: "where one of the prices is NaN; 0.5 in a bar without range",
    unit: Unit::Ratio,
    stability: Stability::Exact,
    ta_lib: Some("IBS"),
    lower: |graph, bar, _| vec![graph.add(Op::Position, &[bar[2], bar[1], bar[0]])],
};

pub(crate) static MIN: Entry = Entry {
    name: "min",
    family: Family::Bar,
    summary: "least value of the last period rows",
    formula: "min(x, x[1], ..., x[period - 1])",
    source: "TA-Lib MIN",
    inputs: CLOSE,
    parameters: &[rows("period", 30.0, 2.0)],
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "while a NaN is in the window",
    unit: Unit::Input,
    stability: Stability::Exact,
    ta_lib: Some("MIN"),
    lower: |graph, x, p| vec![graph.add(Op::Minimum { rows: p[0] as usize }, x)],
};

pub(crate) static MAX: Entry = Entry {
    name: "max",
    family: Family::Bar,
    summary: "greatest value of the last period rows",
    formula: "max(x, x[1], ..., x[period - 1])",
    source: "TA-Lib MAX",
    inputs: CLOSE,
    parameters: &[rows("period", 30.0, 2.0)],
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "while a NaN is in the window",
    unit: Unit::Input,
    stability: Stability::Exact,
    ta_lib: Some("MAX"),
    lower: |graph, x, p| vec![graph.add(Op::Maximum { rows: p[0] as usize }, x)],
};

pub(crate) static MEDPRICE: Entry = Entry {
    name: "medprice",
    family: Family::Bar,
    summary: "middle of the bar",
    formula: "(high + low) / 2",
    source: "TA-Lib MEDPRICE",
    inputs: &[HIGH, LOW],
    parameters: &[],
    outputs: SINGLE,
    lookback: "0",
    nan: "where an input is NaN",
    unit: Unit::Price,
    stability: Stability::Exact,
    ta_lib: Some("MEDPRICE"),
    lower: |graph, bar, _| vec![halved(graph, bar[0], bar[1])],
};

pub(crate) static WCLPRICE: Entry = Entry {
    name: "wclprice",
    family: Family::Bar,
    summary: "middle of the bar, with the close counted twice",
    formula: "(high + low + 2 close) / 4",
    source: "TA-Lib WCLPRICE",
    inputs: &[HIGH, LOW, LAST],
    parameters: &[],
    outputs: SINGLE,
    lookback: "0",
    nan: "where an input is NaN",
    unit: Unit::Price,
    stability: Stability::Exact,
    ta_lib: Some("WCLPRICE"),
    lower: |graph, bar, _| {
        let double = scaled(graph, bar[2], 2.0);
        let sum = graph.add(Op::Add, &[bar[0], bar[1]]);
        let sum = graph.add(Op::Add, &[sum, double]);
        vec![scaled(graph, sum, 0.25)]
    },
};

pub(crate) static AVGPRICE: Entry = Entry {
    name: "avgprice",
    family: Family::Bar,
    summary: "mean of the four prices of a bar",
    formula: "(open + high + low + close) / 4",
    source: "TA-Lib AVGPRICE",
    inputs: &[OPEN, HIGH, LOW, LAST],
    parameters: &[],
    outputs: SINGLE,
    lookback: "0",
    nan: "where an input is NaN",
    unit: Unit::Price,
    stability: Stability::Exact,
    ta_lib: Some("AVGPRICE"),
    lower: |graph, bar, _| {
        let sum = bar[1..].iter().fold(bar[0], |sum, price| graph.add(Op::Add, &[sum, *price]));
        vec![scaled(graph, sum, 0.25)]
    },
};
