//! Wilder's directional movement.

use crate::feature::average::wilder;
use crate::feature::entry::{Entry, Family, HIGH, Input, LAST, LOW, SINGLE, Stability, Unit, rows};
use crate::feature::graph::{Graph, Register};
use crate::feature::op::Op;
use crate::feature::parts::{halved, lag, quotient, scaled};

/// The moving sums of movement up, movement down and true range, from the change number `first` on.
fn sums(graph: &mut Graph, bar: [Register; 3], period: f64, first: f64) -> [Register; 3] {
    let plus = graph.add(Op::Directional { rows: period as usize, first: first as usize }, &bar);
    [plus, plus + 1, plus + 2]
}

/// The two movements, which do not depend on the close.
fn movements(graph: &mut Graph, bar: &[Register], period: f64) -> [Register; 2] {
    let [plus, minus, _] = sums(graph, [bar[0], bar[1], bar[1]], period, (period - 1.0).max(1.0));
    [plus, minus]
}

fn index(graph: &mut Graph, bar: &[Register], period: f64) -> Register {
    let [plus, minus, _] = sums(graph, [bar[0], bar[1], bar[2]], period, period);
    let excess = graph.add(Op::Subtract, &[plus, minus]);
    let distance = graph.add(Op::Absolute, &[excess]);
    let total = graph.add(Op::Add, &[plus, minus]);
    let share = quotient(graph, distance, total, 0.0);
    scaled(graph, share, 100.0)
}

fn indicator(graph: &mut Graph, bar: &[Register], period: f64, which: usize) -> Register {
    let sums = sums(graph, [bar[0], bar[1], bar[2]], period, period);
    let share = quotient(graph, sums[which], sums[2], 0.0);
    scaled(graph, share, 100.0)
}

const BAR: &[Input] = &[HIGH, LOW, LAST];

pub(crate) static PLUS_DM: Entry = Entry {
    name: "plus_dm",
    family: Family::Direction,
    summary: "directional movement up, as Wilder's moving sum",
    formula: "s = s[1] - s[1]/period + u, u = high - high[1] where it is above zero and above low[1] - low, else 0",
    source: "J. Welles Wilder, New Concepts in Technical Trading Systems, 1978; TA-Lib PLUS_DM",
    inputs: &[HIGH, LOW],
    parameters: &[rows("period", 14.0, 1.0)],
    outputs: SINGLE,
    lookback: "max(period - 1, 1)",
    nan: "on the row of a gap and the row after, which are left out",
    unit: Unit::Price,
    stability: Stability::Converging,
    ta_lib: Some("PLUS_DM"),
    lower: |graph, bar, p| vec![movements(graph, bar, p[0])[0]],
};

pub(crate) static MINUS_DM: Entry = Entry {
    name: "minus_dm",
    family: Family::Direction,
    summary: "directional movement down, as Wilder's moving sum",
    formula: "s = s[1] - s[1]/period + d, d = low[1] - low where it is above zero and above high - high[1], else 0",
    source: "J. Welles Wilder, New Concepts in Technical Trading Systems, 1978; TA-Lib MINUS_DM",
    inputs: &[HIGH, LOW],
    parameters: &[rows("period", 14.0, 1.0)],
    outputs: SINGLE,
    lookback: "max(period - 1, 1)",
    nan: "on the row of a gap and the row after, which are left out",
    unit: Unit::Price,
    stability: Stability::Converging,
    ta_lib: Some("MINUS_DM"),
    lower: |graph, bar, p| vec![movements(graph, bar, p[0])[1]],
};

pub(crate) static PLUS_DI: Entry = Entry {
    name: "plus_di",
    family: Family::Direction,
    summary: "movement up in percent of the true range",
    formula: "100 plus_dm / sum of trange, both as Wilder's moving sums",
    source: "J. Welles Wilder, New Concepts in Technical Trading Systems, 1978; TA-Lib PLUS_DI",
    inputs: BAR,
    parameters: &[rows("period", 14.0, 2.0)],
    outputs: SINGLE,
    lookback: "period",
    nan: "on the row of a gap and the row after, which are left out; 0 without range",
    unit: Unit::Percent,
    stability: Stability::Converging,
    ta_lib: Some("PLUS_DI"),
    lower: |graph, bar, p| vec![indicator(graph, bar, p[0], 0)],
};

pub(crate) static MINUS_DI: Entry = Entry {
    name: "minus_di",
    family: Family::Direction,
    summary: "movement down in percent of the true range",
    formula: "100 minus_dm / sum of trange, both as Wilder's moving sums",
    source: "J. Welles Wilder, New Concepts in Technical Trading Systems, 1978; TA-Lib MINUS_DI",
    inputs: BAR,
    parameters: &[rows("period", 14.0, 2.0)],
    outputs: SINGLE,
    lookback: "period",
    nan: "on the row of a gap and the row after, which are left out; 0 without range",
    unit: Unit::Percent,
    stability: Stability::Converging,
    ta_lib: Some("MINUS_DI"),
    lower: |graph, bar, p| vec![indicator(graph, bar, p[0], 1)],
};

pub(crate) static DX: Entry = Entry {
    name: "dx",
    family: Family::Direction,
    summary: "directional index: how one-sided the movement is",
    formula: "100 |plus_di - minus_di| / (plus_di + minus_di)",
    source: "J. Welles Wilder, New Concepts in Technical Trading Systems, 1978; TA-Lib DX",
    inputs: BAR,
    parameters: &[rows("period", 14.0, 2.0)],
    outputs: SINGLE,
    lookback: "period",
    nan: "on the row of a gap and the row after, which are left out; 0 without movement (TA-Lib repeats its value there)",
    unit: Unit::Percent,
    stability: Stability::Converging,
    ta_lib: Some("DX"),
    lower: |graph, bar, p| vec![index(graph, bar, p[0])],
};

pub(crate) static ADX: Entry = Entry {
    name: "adx",
    family: Family::Direction,
    summary: "average directional index: strength of a trend",
    formula: "rma(dx(high,low,close,period),period)",
    source: "J. Welles Wilder, New Concepts in Technical Trading Systems, 1978; TA-Lib ADX",
    inputs: BAR,
    parameters: &[rows("period", 14.0, 2.0)],
    outputs: SINGLE,
    lookback: "2 period - 1",
    nan: "on the row of a gap and the row after, which are left out",
    unit: Unit::Percent,
    stability: Stability::Converging,
    ta_lib: Some("ADX"),
    lower: |graph, bar, p| {
        let index = index(graph, bar, p[0]);
        vec![wilder(graph, index, p[0], 0)]
    },
};

pub(crate) static ADXR: Entry = Entry {
    name: "adxr",
    family: Family::Direction,
    summary: "average directional index, averaged with its value period - 1 rows before",
    formula: "(adx + adx[period - 1]) / 2",
    source: "J. Welles Wilder, New Concepts in Technical Trading Systems, 1978; TA-Lib ADXR",
    inputs: BAR,
    parameters: &[rows("period", 14.0, 2.0)],
    outputs: SINGLE,
    lookback: "3 period - 2",
    nan: "on the row of a gap and the row after, which are left out; where the earlier value is NaN",
    unit: Unit::Percent,
    stability: Stability::Converging,
    ta_lib: Some("ADXR"),
    lower: |graph, bar, p| {
        let index = index(graph, bar, p[0]);
        let now = wilder(graph, index, p[0], 0);
        let before = lag(graph, now, p[0] - 1.0);
        vec![halved(graph, now, before)]
    },
};
