//! Volume by the direction of the price.

use crate::feature::average::exponential;
use crate::feature::bar::typical_price;
use crate::feature::entry::{Entry, Family, HIGH, Input, LAST, LOW, SINGLE, Stability, Unit, VOLUME, rows};
use crate::feature::graph::{Graph, Register};
use crate::feature::op::Op;
use crate::feature::parts::{change, from_row, lag, quotient, scaled, sum};

const BAR: &[Input] = &[HIGH, LOW, LAST, VOLUME];

/// Volume times the place of the close in the bar, from -1 at the low to 1 at the high; zero in a bar without range.
fn money_flow(graph: &mut Graph, bar: &[Register]) -> Register {
    let up = graph.add(Op::Subtract, &[bar[2], bar[1]]);
    let down = graph.add(Op::Subtract, &[bar[0], bar[2]]);
    let excess = graph.add(Op::Subtract, &[up, down]);
    let range = graph.add(Op::Subtract, &[bar[0], bar[1]]);
    let place = quotient(graph, excess, range, 0.0);
    graph.add(Op::Multiply, &[place, bar[3]])
}

/// The sum of the money flow since the first row.
fn line(graph: &mut Graph, bar: &[Register]) -> Register {
    let flow = money_flow(graph, bar);
    let mark = graph.add(Op::Constant(0.0), &[]);
    graph.add(Op::Accumulate, &[flow, mark])
}

/// An exponential average seeded with the first value alone.
fn from_first(graph: &mut Graph, x: Register, period: f64) -> Register {
    let take = 2.0 / (period + 1.0);
    graph.add(Op::Smooth { rows: 1, skip: 0, keep: 1.0 - take, take }, &[x])
}

pub(crate) static OBV: Entry = Entry {
    name: "obv",
    family: Family::Flow,
    summary: "on-balance volume: volume added on a rise, subtracted on a fall",
    formula: "y = y[1] + volume sign(close - close[1]); the first row's volume counts as added",
    source: "J. Granville, New Key to Stock Market Profits, 1963; TA-Lib OBV",
    inputs: &[LAST, VOLUME],
    parameters: &[],
    outputs: SINGLE,
    lookback: "0",
    nan: "on the row of a NaN, which is left out",
    unit: Unit::Volume,
    stability: Stability::PathDependent,
    ta_lib: Some("OBV"),
    lower: |graph, x, _| vec![graph.add(Op::Balance, x)],
};

pub(crate) static AD: Entry = Entry {
    name: "ad",
    family: Family::Flow,
    summary: "accumulation/distribution line: volume weighted with the place of the close in the bar",
    formula: "sum of volume ((close - low) - (high - close))/(high - low) over all rows so far",
    source: "M. Chaikin; TA-Lib AD",
    inputs: BAR,
    parameters: &[],
    outputs: SINGLE,
    lookback: "0",
    nan: "on the row of a NaN, which is left out; a bar without range adds 0",
    unit: Unit::Volume,
    stability: Stability::PathDependent,
    ta_lib: Some("AD"),
    lower: |graph, bar, _| vec![line(graph, bar)],
};

pub(crate) static ADOSC: Entry = Entry {
    name: "adosc",
    family: Family::Flow,
    summary: "Chaikin oscillator: a fast average of the accumulation/distribution line less a slow one",
    formula: "ema(ad,fast) - ema(ad,slow), both seeded with the first value",
    source: "M. Chaikin; TA-Lib ADOSC",
    inputs: BAR,
    parameters: &[rows("fast", 3.0, 2.0), rows("slow", 10.0, 2.0).rising()],
    outputs: SINGLE,
    lookback: "slow - 1",
    nan: "where the row slow - 1 rows ago or this one has a NaN; NaN is left out of the sums",
    unit: Unit::Volume,
    stability: Stability::PathDependent,
    ta_lib: Some("ADOSC"),
    lower: |graph, bar, p| {
        let line = line(graph, bar);
        let averages = [p[0], p[1]].map(|period| from_first(graph, line, period));
        let difference = graph.add(Op::Subtract, &averages);
        vec![from_row(graph, difference, line, p[1] - 1.0)]
    },
};

pub(crate) static CMF: Entry = Entry {
    name: "cmf",
    family: Family::Flow,
    summary: "Chaikin money flow: the share of the volume that closed in the upper half of its bar, -1 to 1",
    formula: "sum(volume ((close - low) - (high - close))/(high - low),period) / sum(volume,period)",
    source: "M. Chaikin; TA-Lib CMF",
    inputs: BAR,
    parameters: &[rows("period", 20.0, 2.0)],
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "while a NaN is in the window; 0 without volume",
    unit: Unit::Ratio,
    stability: Stability::Epsilon,
    ta_lib: Some("CMF"),
    lower: |graph, bar, p| {
        let flow = money_flow(graph, bar);
        let sums = [sum(graph, flow, p[0]), sum(graph, bar[3], p[0])];
        vec![quotient(graph, sums[0], sums[1], 0.0)]
    },
};

pub(crate) static MFI: Entry = Entry {
    name: "mfi",
    family: Family::Flow,
    summary: "money flow index: share of traded value on rises of the typical price, 0 to 100",
    formula: "100 U/(U + D), U and D the sums of t volume over the last period rows where t = typprice(high,low,close) rose and fell by more than rounding",
    source: "G. Quong and A. Soudack, Volume-weighted RSI: money flow, 1989; TA-Lib MFI",
    inputs: BAR,
    parameters: &[rows("period", 14.0, 2.0)],
    outputs: SINGLE,
    lookback: "period",
    nan: "while a NaN is in the window; 0 where no row rose or fell",
    unit: Unit::Percent,
    stability: Stability::Epsilon,
    ta_lib: Some("MFI"),
    lower: |graph, bar, p| {
        let price = typical_price(graph, bar);
        let before = lag(graph, price, 1.0);
        let risen = graph.add(Op::Departure, &[price, before]);
        let value = graph.add(Op::Multiply, &[price, bar[3]]);
        let up = graph.add(Op::Split, &[risen, value]);
        let (up, down) = (sum(graph, up, p[0]), sum(graph, up + 1, p[0]));
        let total = graph.add(Op::Add, &[up, down]);
        let share = quotient(graph, up, total, 0.0);
        vec![scaled(graph, share, 100.0)]
    },
};

pub(crate) static EFI: Entry = Entry {
    name: "efi",
    family: Family::Flow,
    summary: "force index: change of the close times the volume, smoothed",
    formula: "ema((close - close[1]) volume,period)",
    source: "A. Elder, Trading for a Living, 1993; TA-Lib EFI",
    inputs: &[LAST, VOLUME],
    parameters: &[rows("period", 13.0, 1.0)],
    outputs: SINGLE,
    lookback: "period",
    nan: "on the row of a NaN, which is left out, as the row after it",
    unit: Unit::Value,
    stability: Stability::Converging,
    ta_lib: Some("EFI"),
    lower: |graph, x, p| {
        let moved = change(graph, x[0], 1.0);
        let force = graph.add(Op::Multiply, &[moved, x[1]]);
        vec![exponential(graph, force, p[0], 0)]
    },
};

pub(crate) static VWMA: Entry = Entry {
    name: "vwma",
    family: Family::Flow,
    summary: "volume weighted moving average",
    formula: "sum(close volume,period) / sum(volume,period)",
    source: "TA-Lib VWMA",
    inputs: &[LAST, VOLUME],
    parameters: &[rows("period", 30.0, 2.0)],
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "while a NaN is in the window, and where it has no volume",
    unit: Unit::Price,
    stability: Stability::Epsilon,
    ta_lib: Some("VWMA"),
    lower: |graph, x, p| {
        let value = graph.add(Op::Multiply, &[x[0], x[1]]);
        let sums = [sum(graph, value, p[0]), sum(graph, x[1], p[0])];
        vec![graph.add(Op::Divide, &sums)]
    },
};
