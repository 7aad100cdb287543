//! Prices weighted by volume.

use crate::feature::bar::typical_price;
use crate::feature::entry::{
    Entry, Family, HIGH, LAST, LOW, SINGLE, Stability, TIME, Unit, VOLUME, real, rows,
};
use crate::feature::graph::{Graph, Register};
use crate::feature::op::Op;

const DAY_NS: f64 = 86_400e9;
const HOUR_NS: f64 = 3_600e9;

/// Traded value (typical price times volume), and the volume where the price is known as well.
fn value_and_volume(graph: &mut Graph, bar: &[Register], volume: Register) -> [Register; 2] {
    let price = typical_price(graph, bar);
    let value = graph.add(Op::Multiply, &[price, volume]);
    [value, graph.add(Op::Where, &[volume, value])]
}

/// The volume weighted price since `mark` last changed.
fn anchored(graph: &mut Graph, bar: &[Register], volume: Register, mark: Register) -> Register {
    let sums = value_and_volume(graph, bar, volume).map(|x| graph.add(Op::Accumulate, &[x, mark]));
    graph.add(Op::Divide, &sums)
}

pub(crate) static VWAP: Entry = Entry {
    name: "vwap",
    family: Family::Volume,
    summary: "volume weighted average price since the first row",
    formula: "sum(typprice volume) / sum(volume) over all rows so far",
    source: "TA-Lib VWAP",
    inputs: &[HIGH, LOW, LAST, VOLUME],
    parameters: &[],
    outputs: SINGLE,
    lookback: "0",
    nan: "until volume has been traded (TA-Lib gives 0), and on the row of a NaN, which is left out",
    unit: Unit::Price,
    stability: Stability::PathDependent,
    ta_lib: Some("VWAP"),
    lower: |graph, x, _| {
        let mark = graph.add(Op::Constant(0.0), &[]);
        vec![anchored(graph, &x[..3], x[3], mark)]
    },
};

pub(crate) static VWAP_ROLLING: Entry = Entry {
    name: "vwap_rolling",
    family: Family::Volume,
    summary: "volume weighted average price of the last period rows",
    formula: "sum(typprice volume) / sum(volume) over the last period rows",
    source: "the usual definition over a moving window",
    inputs: &[HIGH, LOW, LAST, VOLUME],
    parameters: &[rows("period", 60.0, 1.0)],
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "while a NaN is in the window, and where it has no volume",
    unit: Unit::Price,
    stability: Stability::Epsilon,
    ta_lib: None,
    lower: |graph, x, p| {
        let [value, volume] = value_and_volume(graph, &x[..3], x[3]);
        let sums = [value, volume].map(|x| graph.add(Op::Sum { rows: p[0] as usize }, &[x]));
        vec![graph.add(Op::Divide, &sums)]
    },
};

pub(crate) static VWAP_SESSION: Entry = Entry {
    name: "vwap_session",
    family: Family::Volume,
    summary: "volume weighted average price since the session began",
    formula: "sum(typprice volume) / sum(volume) since the last midnight, UTC plus offset_hours",
    source: "the usual definition, restarted at each session",
    inputs: &[HIGH, LOW, LAST, VOLUME, TIME],
    parameters: &[real("offset_hours", 0.0, -24.0, 24.0)],
    outputs: SINGLE,
    lookback: "0",
    nan: "until volume has been traded in the session, and on the row of a NaN, which is left out",
    unit: Unit::Price,
    stability: Stability::PathDependent,
    ta_lib: None,
    lower: |graph, x, p| {
        let session = Op::Epoch { period_ns: DAY_NS, offset_ns: p[0] * HOUR_NS };
        let session = graph.add(session, &[x[4]]);
        vec![anchored(graph, &x[..3], x[3], session)]
    },
};
