//! Channels and extrema of a window.

use crate::feature::average::{exponential, wilder};
use crate::feature::bar::{true_range, typical_price};
use crate::feature::entry::{CLOSE, Entry, Family, HIGH, LAST, LOW, SINGLE, Stability, Unit, real, rows};
use crate::feature::graph::{Graph, Register};
use crate::feature::op::Op;
use crate::feature::parts::{greatest, halved, least, scaled, shifted};

/// Place of the oldest extremum, counted from 1 at the oldest row.
fn place(graph: &mut Graph, x: Register, period: f64, greatest: bool) -> Register {
    let age = graph.add(Op::Age { rows: period as usize, greatest, oldest: true }, &[x]);
    let back = graph.add(Op::Negate, &[age]);
    shifted(graph, back, period)
}

pub(crate) static DONCHIAN: Entry = Entry {
    name: "donchian",
    family: Family::Channel,
    summary: "Donchian channel: highest high, lowest low and their middle",
    formula: "upper = max(high,period); lower = min(low,period); middle = (upper + lower)/2",
    source: "R. Donchian, 1960; TA-Lib DONCHIAN",
    inputs: &[HIGH, LOW],
    parameters: &[rows("period", 20.0, 2.0)],
    outputs: &["upper", "middle", "lower"],
    lookback: "period - 1",
    nan: "while a NaN is in the window",
    unit: Unit::Price,
    stability: Stability::Exact,
    ta_lib: Some("DONCHIAN"),
    lower: |graph, bar, p| {
        let (upper, lower) = (greatest(graph, bar[0], p[0]), least(graph, bar[1], p[0]));
        vec![upper, halved(graph, upper, lower), lower]
    },
};

pub(crate) static KC: Entry = Entry {
    name: "kc",
    family: Family::Channel,
    summary: "Keltner channel: an average of the typical price, and bands some average true ranges away",
    formula: "middle = ema(typprice(high,low,close),period); upper, lower = middle +- deviations atr(high,low,close,atr); both seeded where both can be known",
    source: "C. W. Keltner, How to Make Money in Commodities, 1960, as revised by L. Raschke; TA-Lib KC",
    inputs: &[HIGH, LOW, LAST],
    parameters: &[rows("period", 20.0, 1.0), rows("atr", 10.0, 1.0), real("deviations", 2.0, 0.0, 100.0)],
    outputs: &["upper", "middle", "lower"],
    lookback: "max(period - 1, atr)",
    nan: "on the row of a NaN, which is left out",
    unit: Unit::Price,
    stability: Stability::Converging,
    ta_lib: Some("KC"),
    lower: |graph, bar, p| {
        let price = typical_price(graph, bar);
        // Both are seeded with the rows up to the first on which both can be known, as in TA-Lib.
        let (periods, first) = ([p[0] as usize, p[1] as usize], (p[0] - 1.0).max(p[1]) as usize);
        let middle = exponential(graph, price, p[0], first + 1 - periods[0]);
        let range = true_range(graph, bar);
        let average = wilder(graph, range, p[1], first - periods[1]);
        let reach = scaled(graph, average, p[2]);
        let upper = graph.add(Op::Add, &[middle, reach]);
        vec![upper, graph.add(Op::Where, &[middle, upper]), graph.add(Op::Subtract, &[middle, reach])]
    },
};

pub(crate) static MIDPOINT: Entry = Entry {
    name: "midpoint",
    family: Family::Channel,
    summary: "middle of the greatest and the least value",
    formula: "(max(x,period) + min(x,period))/2",
    source: "TA-Lib MIDPOINT",
    inputs: CLOSE,
    parameters: &[rows("period", 14.0, 2.0)],
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "while a NaN is in the window",
    unit: Unit::Input,
    stability: Stability::Exact,
    ta_lib: Some("MIDPOINT"),
    lower: |graph, x, p| {
        let (upper, lower) = (greatest(graph, x[0], p[0]), least(graph, x[0], p[0]));
        vec![halved(graph, upper, lower)]
    },
};

pub(crate) static MIDPRICE: Entry = Entry {
    name: "midprice",
    family: Family::Channel,
    summary: "middle of the highest high and the lowest low",
    formula: "(max(high,period) + min(low,period))/2",
    source: "TA-Lib MIDPRICE",
    inputs: &[HIGH, LOW],
    parameters: &[rows("period", 14.0, 2.0)],
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "while a NaN is in the window",
    unit: Unit::Price,
    stability: Stability::Exact,
    ta_lib: Some("MIDPRICE"),
    lower: |graph, bar, p| {
        let (upper, lower) = (greatest(graph, bar[0], p[0]), least(graph, bar[1], p[0]));
        vec![halved(graph, upper, lower)]
    },
};

pub(crate) static SINCE_MIN: Entry = Entry {
    name: "since_min",
    family: Family::Channel,
    summary: "rows since the least value of the window; of equal ones the newest",
    formula: "i where x[i] = min(x,period), the least such i",
    source: "row number less TA-Lib MININDEX",
    inputs: CLOSE,
    parameters: &[rows("period", 30.0, 2.0)],
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "while a NaN is in the window",
    unit: Unit::Rows,
    stability: Stability::Exact,
    ta_lib: None,
    lower: |graph, x, p| vec![graph.add(Op::Age { rows: p[0] as usize, greatest: false, oldest: false }, x)],
};

pub(crate) static SINCE_MAX: Entry = Entry {
    name: "since_max",
    family: Family::Channel,
    summary: "rows since the greatest value of the window; of equal ones the newest",
    formula: "i where x[i] = max(x,period), the least such i",
    source: "row number less TA-Lib MAXINDEX",
    inputs: CLOSE,
    parameters: &[rows("period", 30.0, 2.0)],
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "while a NaN is in the window",
    unit: Unit::Rows,
    stability: Stability::Exact,
    ta_lib: None,
    lower: |graph, x, p| vec![graph.add(Op::Age { rows: p[0] as usize, greatest: true, oldest: false }, x)],
};

pub(crate) static ARGMIN: Entry = Entry {
    name: "argmin",
    family: Family::Channel,
    summary: "place of the least value in the window, 1 for the oldest row; of equal ones the oldest",
    formula: "period - i where x[i] = min(x,period), the greatest such i",
    source: "IMIN of Qlib's Alpha158 (times its window)",
    inputs: CLOSE,
    parameters: &[rows("period", 30.0, 2.0)],
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "while a NaN is in the window",
    unit: Unit::Rows,
    stability: Stability::Exact,
    ta_lib: None,
    lower: |graph, x, p| vec![place(graph, x[0], p[0], false)],
};

pub(crate) static ARGMAX: Entry = Entry {
    name: "argmax",
    family: Family::Channel,
    summary: "place of the greatest value in the window, 1 for the oldest row; of equal ones the oldest",
    formula: "period - i where x[i] = max(x,period), the greatest such i",
    source: "IMAX of Qlib's Alpha158 (times its window)",
    inputs: CLOSE,
    parameters: &[rows("period", 30.0, 2.0)],
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "while a NaN is in the window",
    unit: Unit::Rows,
    stability: Stability::Exact,
    ta_lib: None,
    lower: |graph, x, p| vec![place(graph, x[0], p[0], true)],
};
