//! Moving averages.

use crate::feature::entry::{CLOSE, Entry, Family, SINGLE, Stability, Unit, rows};
use crate::feature::graph::{Graph, Register};
use crate::feature::op::Op;

/// The exponential moving average of `period` rows, seeded after `skip` rows with the mean of the next
/// `period`. The two weights add up to exactly one, so a flat series stays on its level.
pub(crate) fn exponential(graph: &mut Graph, x: Register, period: f64, skip: usize) -> Register {
    let mut keep = (period - 1.0) / (period + 1.0);
    let take = 1.0 - keep;
    if keep < 0.5 {
        keep = 1.0 - take;
    }
    graph.add(Op::Smooth { rows: period as usize, skip, keep, take }, &[x])
}

/// Wilder's average: `1/period` of the new value, the rest of the old.
pub(crate) fn wilder(graph: &mut Graph, x: Register, period: f64) -> Register {
    let keep = (period - 1.0) / period;
    graph.add(Op::Smooth { rows: period as usize, skip: 0, keep, take: 1.0 - keep }, &[x])
}

pub(crate) static SMA: Entry = Entry {
    name: "sma",
    family: Family::Average,
    summary: "simple moving average",
    formula: "mean of x over the last period rows",
    source: "TA-Lib SMA",
    inputs: CLOSE,
    parameters: &[rows("period", 30.0, 1.0)],
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "while a NaN is in the window",
    unit: Unit::Input,
    stability: Stability::Epsilon,
    ta_lib: Some("SMA"),
    lower: |graph, x, p| vec![graph.add(Op::Mean { rows: p[0] as usize }, x)],
};

pub(crate) static EMA: Entry = Entry {
    name: "ema",
    family: Family::Average,
    summary: "exponential moving average",
    formula: "y = k x + (1 - k) y', k = 2/(period + 1), seeded with the mean of the first period values",
    source: "TA-Lib EMA",
    inputs: CLOSE,
    parameters: &[rows("period", 30.0, 1.0)],
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "on the row of a NaN, which is left out of the average",
    unit: Unit::Input,
    stability: Stability::Converging,
    ta_lib: Some("EMA"),
    lower: |graph, x, p| vec![exponential(graph, x[0], p[0], 0)],
};

pub(crate) static RMA: Entry = Entry {
    name: "rma",
    family: Family::Average,
    summary: "Wilder's moving average",
    formula: "y = x/period + (1 - 1/period) y', seeded with the mean of the first period values",
    source: "J. Welles Wilder, New Concepts in Technical Trading Systems, 1978; TA-Lib RMA",
    inputs: CLOSE,
    parameters: &[rows("period", 30.0, 1.0)],
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "on the row of a NaN, which is left out of the average",
    unit: Unit::Input,
    stability: Stability::Converging,
    ta_lib: Some("RMA"),
    lower: |graph, x, p| vec![wilder(graph, x[0], p[0])],
};
