//! Moving averages.

use crate::feature::entry::{CLOSE, Entry, Family, SINGLE, Stability, Unit, real, rows};
use crate::feature::graph::{Graph, Register};
use crate::feature::op::Op;
use crate::feature::parts::{change, mean, quotient, scaled, shifted, sum, weighted_sum};

/// The exponential moving average of `period` rows, seeded after `skip` rows with the mean of the next
/// `period`. The two weights add up to exactly one, so a flat series stays on its level.
pub(crate) fn exponential(graph: &mut Graph, x: Register, period: f64, skip: usize) -> Register {
    let (keep, take) = exponential_weights(period);
    graph.add(Op::Smooth { rows: period as usize, skip, keep, take }, &[x])
}

/// The weights of the average before and of the new value.
pub(crate) fn exponential_weights(period: f64) -> (f64, f64) {
    let keep = (period - 1.0) / (period + 1.0);
    let take = 1.0 - keep;
    if keep < 0.5 { (1.0 - take, take) } else { (keep, take) }
}

/// Wilder's average: `1/period` of the new value, the rest of the old; seeded after `skip` rows.
pub(crate) fn wilder(graph: &mut Graph, x: Register, period: f64, skip: usize) -> Register {
    let keep = (period - 1.0) / period;
    graph.add(Op::Smooth { rows: period as usize, skip, keep, take: 1.0 - keep }, &[x])
}

/// Six exponential averages, each of the one before.
pub(crate) fn cascade(graph: &mut Graph, x: Register, period: f64) -> [Register; 6] {
    let mut last = x;
    std::array::from_fn(|_| {
        last = exponential(graph, last, period, 0);
        last
    })
}

/// The average with weights that fall in a line to 1/period of the first: the middle between the mean of the window and
/// the end of its least-squares line, in a certain proportion.
fn weighted(graph: &mut Graph, x: Register, period: f64) -> Register {
    if period < 2.0 {
        return x;
    }
    let mean = graph.add(Op::Trend { rows: period as usize }, &[x]);
    let rise = scaled(graph, mean + 1, (period - 1.0) / 6.0);
    graph.add(Op::Add, &[mean, rise])
}

/// The way from end to end over the way from row to row; one where there was no way.
pub(crate) fn efficiency(graph: &mut Graph, x: Register, period: f64) -> Register {
    let steps = change(graph, x, 1.0);
    let steps = graph.add(Op::Absolute, &[steps]);
    let way = sum(graph, steps, period);
    let direct = change(graph, x, period);
    let direct = graph.add(Op::Absolute, &[direct]);
    let ratio = quotient(graph, direct, way, 1.0);
    let one = graph.add(Op::Constant(1.0), &[]);
    graph.add(Op::Lesser, &[ratio, one])
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
    lower: |graph, x, p| vec![wilder(graph, x[0], p[0], 0)],
};

pub(crate) static WMA: Entry = Entry {
    name: "wma",
    family: Family::Average,
    summary: "linearly weighted moving average",
    formula: "sum of (period - i) x[i] / sum of (period - i), i from 0 to period - 1",
    source: "TA-Lib WMA",
    inputs: CLOSE,
    parameters: &[rows("period", 30.0, 1.0)],
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "while a NaN is in the window",
    unit: Unit::Input,
    stability: Stability::Epsilon,
    ta_lib: Some("WMA"),
    lower: |graph, x, p| vec![weighted(graph, x[0], p[0])],
};

pub(crate) static TRIMA: Entry = Entry {
    name: "trima",
    family: Family::Average,
    summary: "triangular moving average",
    formula: "sma(sma(x,ceil((period + 1)/2)),floor((period + 1)/2))",
    source: "TA-Lib TRIMA",
    inputs: CLOSE,
    parameters: &[rows("period", 30.0, 1.0)],
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "while a NaN is in the window",
    unit: Unit::Input,
    stability: Stability::Epsilon,
    ta_lib: Some("TRIMA"),
    lower: |graph, x, p| {
        let shorter = ((p[0] + 1.0) / 2.0).floor();
        let once = mean(graph, x[0], p[0] + 1.0 - shorter);
        vec![mean(graph, once, shorter)]
    },
};

pub(crate) static HMA: Entry = Entry {
    name: "hma",
    family: Family::Average,
    summary: "Hull's moving average",
    formula: "wma(2 wma(x,period/2) - wma(x,period),sqrt(period)), periods rounded down",
    source: "A. Hull, 2005; TA-Lib HMA",
    inputs: CLOSE,
    parameters: &[rows("period", 20.0, 1.0)],
    outputs: SINGLE,
    lookback: "period - 1 + floor(sqrt(period)) - 1",
    nan: "while a NaN is in the window",
    unit: Unit::Input,
    stability: Stability::Epsilon,
    ta_lib: Some("HMA"),
    lower: |graph, x, p| {
        let half = weighted(graph, x[0], (p[0] / 2.0).floor().max(1.0));
        let double = scaled(graph, half, 2.0);
        let whole = weighted(graph, x[0], p[0]);
        let lead = graph.add(Op::Subtract, &[double, whole]);
        vec![weighted(graph, lead, p[0].sqrt().floor())]
    },
};

pub(crate) static DEMA: Entry = Entry {
    name: "dema",
    family: Family::Average,
    summary: "double exponential moving average: an average with the lag of its own average taken off",
    formula: "2 e - ema(e,period), e = ema(x,period)",
    source: "P. Mulloy, Smoothing data with faster moving averages, 1994; TA-Lib DEMA",
    inputs: CLOSE,
    parameters: &[rows("period", 30.0, 1.0)],
    outputs: SINGLE,
    lookback: "2 (period - 1)",
    nan: "on the row of a NaN, which is left out",
    unit: Unit::Input,
    stability: Stability::Converging,
    ta_lib: Some("DEMA"),
    lower: |graph, x, p| {
        let [once, twice, ..] = cascade(graph, x[0], p[0]);
        let double = scaled(graph, once, 2.0);
        vec![graph.add(Op::Subtract, &[double, twice])]
    },
};

pub(crate) static TEMA: Entry = Entry {
    name: "tema",
    family: Family::Average,
    summary: "triple exponential moving average",
    formula: "3 e1 - 3 e2 + e3, each the ema of the one before",
    source: "P. Mulloy, Smoothing data with less lag, 1994; TA-Lib TEMA",
    inputs: CLOSE,
    parameters: &[rows("period", 30.0, 1.0)],
    outputs: SINGLE,
    lookback: "3 (period - 1)",
    nan: "on the row of a NaN, which is left out",
    unit: Unit::Input,
    stability: Stability::Converging,
    ta_lib: Some("TEMA"),
    lower: |graph, x, p| {
        let [once, twice, thrice, ..] = cascade(graph, x[0], p[0]);
        let difference = graph.add(Op::Subtract, &[once, twice]);
        let lead = scaled(graph, difference, 3.0);
        vec![graph.add(Op::Add, &[lead, thrice])]
    },
};

pub(crate) static T3: Entry = Entry {
    name: "t3",
    family: Family::Average,
    summary: "Tillson's average: three generalised double averages, one after the other",
    formula: "c1 e6 + c2 e5 + c3 e4 + c4 e3, e the cascade of six ema; with v: c1 = -v^3, c2 = 3v^2 + 3v^3, c3 = -6v^2 - 3v - 3v^3, c4 = 1 + 3v + 3v^2 + v^3",
    source: "T. Tillson, Smoothing techniques for more accurate signals, 1998; TA-Lib T3",
    inputs: CLOSE,
    parameters: &[rows("period", 5.0, 1.0), real("v", 0.7, 0.0, 1.0)],
    outputs: SINGLE,
    lookback: "6 (period - 1)",
    nan: "on the row of a NaN, which is left out",
    unit: Unit::Input,
    stability: Stability::Converging,
    ta_lib: Some("T3"),
    lower: |graph, x, p| {
        let [_, _, third, fourth, fifth, sixth] = cascade(graph, x[0], p[0]);
        let (square, cube) = (p[1] * p[1], p[1] * p[1] * p[1]);
        let terms = [
            (sixth, -cube),
            (fifth, 3.0 * (square + cube)),
            (fourth, -6.0 * square - 3.0 * (p[1] + cube)),
            (third, 1.0 + 3.0 * p[1] + cube + 3.0 * square),
        ];
        vec![weighted_sum(graph, &terms)]
    },
};

pub(crate) static KAMA: Entry = Entry {
    name: "kama",
    family: Family::Average,
    summary: "Kaufman's adaptive moving average: fast in a trend, slow in noise",
    formula: "y = y[1] + c (x - y[1]), c = (er(x,period) (2/3 - 2/31) + 2/31)^2, seeded with x[1]",
    source: "P. J. Kaufman, Smarter Trading, 1995; TA-Lib KAMA",
    inputs: CLOSE,
    parameters: &[rows("period", 30.0, 2.0)],
    outputs: SINGLE,
    lookback: "period",
    nan: "while a NaN is in the window of the efficiency ratio; the average waits",
    unit: Unit::Input,
    stability: Stability::Converging,
    ta_lib: Some("KAMA"),
    lower: |graph, x, p| {
        let ratio = efficiency(graph, x[0], p[0]);
        let (slow, fast) = (2.0 / 31.0, 2.0 / 3.0);
        let factor = scaled(graph, ratio, fast - slow);
        let root = shifted(graph, factor, slow);
        let speed = graph.add(Op::Multiply, &[root, root]);
        vec![graph.add(Op::Adapt, &[x[0], speed])]
    },
};
