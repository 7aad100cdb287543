//! The distribution of the values in a window: sums, moments, quantiles, ranks.

use crate::feature::entry::{CLOSE, Entry, Family, Parameter, SINGLE, Stability, Unit, real, rows};
use crate::feature::graph::{Graph, Register};
use crate::feature::op::Op;
use crate::feature::parts::{mean, scaled, shifted, variance};

/// A number of rows, at most TA-Lib's 10,000 where the window is kept sorted.
pub(crate) const fn sorted_rows(default: f64, minimum: f64) -> Parameter {
    let mut parameter = rows("period", default, minimum);
    parameter.maximum = 10_000.0;
    parameter
}

/// The third (0) or fourth (1) central moment over that power of the standard deviation.
fn standardised(graph: &mut Graph, x: Register, period: f64, which: usize) -> Register {
    let moment = graph.add(Op::HigherMoments { rows: period as usize }, &[x]) + which;
    let variance = variance(graph, x, period);
    let root = if which == 0 { graph.add(Op::SquareRoot, &[variance]) } else { variance };
    let power = graph.add(Op::Multiply, &[variance, root]);
    graph.add(Op::Divide, &[moment, power])
}

pub(crate) static SUM: Entry = Entry {
    name: "sum",
    family: Family::Distribution,
    summary: "sum",
    formula: "x + x[1] + ... + x[period - 1]",
    source: "TA-Lib SUM",
    inputs: CLOSE,
    parameters: &[rows("period", 30.0, 2.0)],
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "while a NaN is in the window",
    unit: Unit::Input,
    stability: Stability::Epsilon,
    ta_lib: Some("SUM"),
    lower: |graph, x, p| vec![graph.add(Op::Sum { rows: p[0] as usize }, x)],
};

pub(crate) static AVGDEV: Entry = Entry {
    name: "avgdev",
    family: Family::Distribution,
    summary: "mean absolute distance from the mean",
    formula: "mean of |x - sma(x,period)| over the last period rows",
    source: "TA-Lib AVGDEV",
    inputs: CLOSE,
    parameters: &[rows("period", 14.0, 2.0)],
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "while a NaN is in the window",
    unit: Unit::Input,
    stability: Stability::Epsilon,
    ta_lib: Some("AVGDEV"),
    lower: |graph, x, p| {
        let centre = mean(graph, x[0], p[0]);
        vec![graph.add(Op::Deviation { rows: p[0] as usize }, &[x[0], centre])]
    },
};

pub(crate) static MEDIAN: Entry = Entry {
    name: "median",
    family: Family::Distribution,
    summary: "median",
    formula: "the middle value of the last period rows, or the mean of the two",
    source: "TA-Lib MEDIAN",
    inputs: CLOSE,
    parameters: &[sorted_rows(30.0, 2.0)],
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "while a NaN is in the window",
    unit: Unit::Input,
    stability: Stability::Exact,
    ta_lib: Some("MEDIAN"),
    lower: |graph, x, p| vec![graph.add(Op::Quantile { rows: p[0] as usize, share: 0.5 }, x)],
};

pub(crate) static QUANTILE: Entry = Entry {
    name: "quantile",
    family: Family::Distribution,
    summary: "quantile",
    formula: "the value at share of the way through the sorted last period rows, between two in proportion",
    source: "R. J. Hyndman and Y. Fan, Sample quantiles in statistical packages, 1996, definition 7; pandas rolling.quantile",
    inputs: CLOSE,
    parameters: &[sorted_rows(20.0, 1.0), real("share", 0.5, 0.0, 1.0)],
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "while a NaN is in the window",
    unit: Unit::Input,
    stability: Stability::Exact,
    ta_lib: None,
    lower: |graph, x, p| vec![graph.add(Op::Quantile { rows: p[0] as usize, share: p[1] }, x)],
};

pub(crate) static PERCENTILE: Entry = Entry {
    name: "percentile",
    family: Family::Distribution,
    summary: "quantile by nearest rank: always one of the values",
    formula: "the value of rank ceil(percent period/100), at least the first, among the sorted last period rows",
    source: "TA-Lib PERCENTILE",
    inputs: CLOSE,
    parameters: &[sorted_rows(100.0, 2.0), real("percent", 50.0, 0.0, 100.0)],
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "while a NaN is in the window",
    unit: Unit::Input,
    stability: Stability::Exact,
    ta_lib: Some("PERCENTILE"),
    lower: |graph, x, p| {
        let steps = p[0] - 1.0;
        let rank = (p[1] * p[0] / 100.0).ceil().clamp(1.0, p[0]) - 1.0;
        // The share whose product with the steps is the rank itself, so that no neighbour is mixed in.
        let share = rank / steps;
        let exact =
            [share, share.next_up(), share.next_down()].into_iter().find(|share| share * steps == rank);
        vec![graph.add(Op::Quantile { rows: p[0] as usize, share: exact.unwrap_or(share) }, x)]
    },
};

pub(crate) static RANK: Entry = Entry {
    name: "rank",
    family: Family::Distribution,
    summary: "rank of the newest value in the window, as a share: 1 for the greatest",
    formula: "(values below x + (values equal to x + 1)/2) / period",
    source: "RANK of Qlib's Alpha158; pandas rolling.rank(pct=True)",
    inputs: CLOSE,
    parameters: &[sorted_rows(20.0, 1.0)],
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "while a NaN is in the window",
    unit: Unit::Ratio,
    stability: Stability::Exact,
    ta_lib: None,
    lower: |graph, x, p| vec![graph.add(Op::Rank { rows: p[0] as usize }, x)],
};

pub(crate) static MAD: Entry = Entry {
    name: "mad",
    family: Family::Distribution,
    summary: "median absolute distance from the median",
    formula: "median of |x - median(x,period)| over the last period rows",
    source: "F. R. Hampel, The influence curve and its role in robust estimation, 1974",
    inputs: CLOSE,
    parameters: &[sorted_rows(20.0, 1.0)],
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "while a NaN is in the window",
    unit: Unit::Input,
    stability: Stability::Exact,
    ta_lib: None,
    lower: |graph, x, p| vec![graph.add(Op::MedianDeviation { rows: p[0] as usize }, x)],
};

pub(crate) static SKEW: Entry = Entry {
    name: "skew",
    family: Family::Distribution,
    summary: "skewness of a sample",
    formula: "sqrt(period (period - 1))/(period - 2) m3/var^1.5, m3 the third central moment",
    source: "pandas rolling.skew; D. N. Joanes and C. A. Gill, 1998, G1",
    inputs: CLOSE,
    parameters: &[rows("period", 30.0, 3.0)],
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "while a NaN is in the window, and in a window of equal values",
    unit: Unit::Ratio,
    stability: Stability::Epsilon,
    ta_lib: None,
    lower: |graph, x, p| {
        let skew = standardised(graph, x[0], p[0], 0);
        vec![scaled(graph, skew, (p[0] * (p[0] - 1.0)).sqrt() / (p[0] - 2.0))]
    },
};

pub(crate) static KURTOSIS: Entry = Entry {
    name: "kurtosis",
    family: Family::Distribution,
    summary: "excess kurtosis of a sample",
    formula: "(period - 1)/((period - 2)(period - 3)) ((period + 1) (m4/var^2 - 3) + 6), m4 the fourth central moment",
    source: "D. N. Joanes and C. A. Gill, Comparing measures of sample skewness and kurtosis, 1998, G2; TA-Lib KURTOSIS",
    inputs: CLOSE,
    parameters: &[sorted_rows(30.0, 4.0)],
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "while a NaN is in the window, and in a window of equal values",
    unit: Unit::Ratio,
    stability: Stability::Epsilon,
    ta_lib: Some("KURTOSIS"),
    lower: |graph, x, p| {
        let kurtosis = standardised(graph, x[0], p[0], 1);
        let excess = shifted(graph, kurtosis, -3.0);
        let scale = (p[0] - 1.0) / ((p[0] - 2.0) * (p[0] - 3.0));
        let sample = scaled(graph, excess, scale * (p[0] + 1.0));
        vec![shifted(graph, sample, 6.0 * scale)]
    },
};
