//! Values brought to a common scale, row by row: what a model reads instead of prices and volumes.

use crate::feature::average::{exponential, exponential_weights};
use crate::feature::distribution::sorted_rows;
use crate::feature::entry::{CLOSE, Entry, Family, SINGLE, Stability, Unit, real, rows};
use crate::feature::graph::{Graph, Register};
use crate::feature::op::Op;
use crate::feature::parts::{lag, quotient, scaled};

/// Exponential mean, and the exponential variance about it.
fn exponential_moments(graph: &mut Graph, x: Register, period: f64) -> [Register; 2] {
    let mean = exponential(graph, x, period, 0);
    let before = lag(graph, mean, 1.0);
    let distance = graph.add(Op::Subtract, &[x, before]);
    let square = graph.add(Op::Multiply, &[distance, distance]);
    let (keep, _) = exponential_weights(period);
    let term = scaled(graph, square, keep);
    [mean, exponential(graph, term, period, 0)]
}

pub(crate) static ROBUST_ZSCORE: Entry = Entry {
    name: "robust_zscore",
    family: Family::Scale,
    summary: "distance from the rolling median in robust standard deviations, held within a limit",
    formula: "(x - median(x,period)) / (1.4826 mad(x,period)), at least -limit and at most limit",
    source: "F. R. Hampel, The influence curve and its role in robust estimation, 1974; RobustZScoreNorm of Qlib over a moving window",
    inputs: CLOSE,
    parameters: &[sorted_rows(60.0, 2.0), real("limit", 3.0, 0.1, 1000.0)],
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "while a NaN is in the window; 0 where more than half of the window is equal",
    unit: Unit::Deviations,
    stability: Stability::Exact,
    ta_lib: None,
    lower: |graph, x, p| {
        let rows = p[0] as usize;
        let median = graph.add(Op::Quantile { rows, share: 0.5 }, x);
        let spread = graph.add(Op::MedianDeviation { rows }, x);
        let unit = scaled(graph, spread, 1.4826);
        let distance = graph.add(Op::Subtract, &[x[0], median]);
        let score = quotient(graph, distance, unit, 0.0);
        vec![graph.add(Op::Clip { low: -p[1], high: p[1] }, &[score])]
    },
};

pub(crate) static WINSORISE: Entry = Entry {
    name: "winsorise",
    family: Family::Scale,
    summary: "the value, held between two rolling quantiles",
    formula: "min(max(x, quantile(x,period,low)), quantile(x,period,high))",
    source: "C. P. Winsor; W. J. Dixon, Simplified estimation from censored normal samples, 1960",
    inputs: CLOSE,
    parameters: &[sorted_rows(60.0, 2.0), real("low", 0.01, 0.0, 1.0), real("high", 0.99, 0.0, 1.0).rising()],
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "while a NaN is in the window",
    unit: Unit::Input,
    stability: Stability::Exact,
    ta_lib: None,
    lower: |graph, x, p| {
        let rows = p[0] as usize;
        let [low, high] = [p[1], p[2]].map(|share| graph.add(Op::Quantile { rows, share }, x));
        let raised = graph.add(Op::Greater, &[x[0], low]);
        vec![graph.add(Op::Lesser, &[raised, high])]
    },
};

pub(crate) static EWM_VAR: Entry = Entry {
    name: "ewm_var",
    family: Family::Scale,
    summary: "exponential variance",
    formula: "v = (1 - k)(v[1] + k (x - m[1])^2), k = 2/(period + 1), m = ema(x,period); seeded with the mean of the first period terms",
    source: "T. Finch, Incremental calculation of weighted mean and variance, 2009; pandas ewm(adjust=False).var(bias=True) but for the seed",
    inputs: CLOSE,
    parameters: &[rows("period", 30.0, 2.0)],
    outputs: SINGLE,
    lookback: "2 period - 1",
    nan: "on the row of a NaN, which is left out, and on the row after it",
    unit: Unit::InputSquared,
    stability: Stability::Converging,
    ta_lib: None,
    lower: |graph, x, p| vec![exponential_moments(graph, x[0], p[0])[1]],
};

pub(crate) static EWM_ZSCORE: Entry = Entry {
    name: "ewm_zscore",
    family: Family::Scale,
    summary: "distance from the exponential mean in exponential standard deviations",
    formula: "(x - ema(x,period)) / sqrt(ewm_var(x,period))",
    source: "standard score with exponential weights",
    inputs: CLOSE,
    parameters: &[rows("period", 30.0, 2.0)],
    outputs: SINGLE,
    lookback: "2 period - 1",
    nan: "on the row of a NaN, which is left out, and on the row after it; 0 where the variance is zero",
    unit: Unit::Deviations,
    stability: Stability::Converging,
    ta_lib: None,
    lower: |graph, x, p| {
        let [mean, variance] = exponential_moments(graph, x[0], p[0]);
        vec![graph.add(Op::Standardise, &[x[0], mean, variance])]
    },
};

pub(crate) static FILL: Entry = Entry {
    name: "fill",
    family: Family::Scale,
    summary: "the value, and in a gap the last known one, for a limited number of rows",
    formula: "x, or the last known value at most limit rows old",
    source: "pandas ffill(limit)",
    inputs: CLOSE,
    parameters: &[rows("limit", 5.0, 1.0)],
    outputs: SINGLE,
    lookback: "0",
    nan: "where no value was known for limit rows",
    unit: Unit::Input,
    stability: Stability::Exact,
    ta_lib: None,
    lower: |graph, x, p| vec![graph.add(Op::Fill { rows: p[0] as usize }, x)],
};
