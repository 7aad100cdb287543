//! Estimators of volatility, per row: from the range of bars, and from returns and their jumps.

use crate::feature::entry::{CLOSE, Entry, Family, HIGH, LAST, LOW, OPEN, SINGLE, Stability, Unit, rows};
use crate::feature::graph::{Graph, Register};
use crate::feature::momentum::log_return;
use crate::feature::op::Op;
use crate::feature::parts::{lag, mean, scaled, sum, variance, weighted_sum};

/// ln(a / b)
fn log_ratio(graph: &mut Graph, a: Register, b: Register) -> Register {
    let ratio = graph.add(Op::Divide, &[a, b]);
    graph.add(Op::Logarithm, &[ratio])
}

fn square(graph: &mut Graph, x: Register) -> Register {
    graph.add(Op::Multiply, &[x, x])
}

/// The square root of the mean of `x`.
fn root_mean(graph: &mut Graph, x: Register, period: f64) -> Register {
    let mean = mean(graph, x, period);
    graph.add(Op::SquareRoot, &[mean])
}

/// The variance of a bar after Rogers and Satchell; free of drift.
fn rogers_satchell(graph: &mut Graph, bar: &[Register]) -> Register {
    let [up, up_open] = [bar[3], bar[0]].map(|from| log_ratio(graph, bar[1], from));
    let [down, down_open] = [bar[3], bar[0]].map(|from| log_ratio(graph, bar[2], from));
    let (above, below) =
        (graph.add(Op::Multiply, &[up, up_open]), graph.add(Op::Multiply, &[down, down_open]));
    graph.add(Op::Add, &[above, below])
}

pub(crate) static PARKINSON: Entry = Entry {
    name: "parkinson",
    family: Family::Estimator,
    summary: "volatility from the range of bars",
    formula: "sqrt(mean of ln(high/low)^2 / (4 ln 2)) over the last period rows",
    source: "M. Parkinson, The extreme value method for estimating the variance of the rate of return, 1980",
    inputs: &[HIGH, LOW],
    parameters: &[rows("period", 20.0, 1.0)],
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "while a NaN is in the window or a price is not above zero",
    unit: Unit::Ratio,
    stability: Stability::Epsilon,
    ta_lib: None,
    lower: |graph, bar, p| {
        let range = log_ratio(graph, bar[0], bar[1]);
        let squared = square(graph, range);
        let term = scaled(graph, squared, 0.25 / std::f64::consts::LN_2);
        vec![root_mean(graph, term, p[0])]
    },
};

pub(crate) static GARMAN_KLASS: Entry = Entry {
    name: "garman_klass",
    family: Family::Estimator,
    summary: "volatility from open, high, low and close",
    formula: "sqrt(mean of ln(high/low)^2/2 - (2 ln 2 - 1) ln(close/open)^2) over the last period rows",
    source: "M. B. Garman and M. J. Klass, On the estimation of security price volatilities from historical data, 1980",
    inputs: &[OPEN, HIGH, LOW, LAST],
    parameters: &[rows("period", 20.0, 1.0)],
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "while a NaN is in the window or a price is not above zero",
    unit: Unit::Ratio,
    stability: Stability::Epsilon,
    ta_lib: None,
    lower: |graph, bar, p| {
        let range = log_ratio(graph, bar[1], bar[2]);
        let body = log_ratio(graph, bar[3], bar[0]);
        let squares = [square(graph, range), square(graph, body)];
        let weight = 2.0 * std::f64::consts::LN_2 - 1.0;
        let term = weighted_sum(graph, &[(squares[0], 0.5), (squares[1], -weight)]);
        vec![root_mean(graph, term, p[0])]
    },
};

pub(crate) static ROGERSSATCHELL: Entry = Entry {
    name: "rogerssatchell",
    family: Family::Estimator,
    summary: "volatility from open, high, low and close, free of drift",
    formula: "sqrt(mean of ln(high/close) ln(high/open) + ln(low/close) ln(low/open)) over the last period rows",
    source: "L. C. G. Rogers and S. E. Satchell, Estimating variance from high, low and closing prices, 1991; TA-Lib ROGERSSATCHELL with one period a year",
    inputs: &[OPEN, HIGH, LOW, LAST],
    parameters: &[rows("period", 10.0, 1.0)],
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "while a NaN is in the window or a price is not above zero",
    unit: Unit::Ratio,
    stability: Stability::Epsilon,
    ta_lib: Some("ROGERSSATCHELL"),
    lower: |graph, bar, p| {
        let term = rogers_satchell(graph, bar);
        vec![root_mean(graph, term, p[0])]
    },
};

pub(crate) static YANG_ZHANG: Entry = Entry {
    name: "yang_zhang",
    family: Family::Estimator,
    summary: "volatility from open, high, low and close, free of drift and with the gaps between bars",
    formula: "sqrt(V(ln(open/close[1])) + k V(ln(close/open)) + (1 - k) rogerssatchell^2), V the sample variance, k = 0.34/(1.34 + (period + 1)/(period - 1))",
    source: "D. Yang and Q. Zhang, Drift-independent volatility estimation, 2000",
    inputs: &[OPEN, HIGH, LOW, LAST],
    parameters: &[rows("period", 20.0, 2.0)],
    outputs: SINGLE,
    lookback: "period",
    nan: "while a NaN is in the window or a price is not above zero",
    unit: Unit::Ratio,
    stability: Stability::Epsilon,
    ta_lib: None,
    lower: |graph, bar, p| {
        let before = lag(graph, bar[3], 1.0);
        let gap = log_ratio(graph, bar[0], before);
        let body = log_ratio(graph, bar[3], bar[0]);
        let inside = rogers_satchell(graph, bar);
        let sample = p[0] / (p[0] - 1.0);
        let share = 0.34 / (1.34 + (p[0] + 1.0) / (p[0] - 1.0));
        let (gap, body) = (variance(graph, gap, p[0]), variance(graph, body, p[0]));
        let inside = mean(graph, inside, p[0]);
        let terms = [(gap, sample), (body, share * sample), (inside, 1.0 - share)];
        let total = weighted_sum(graph, &terms);
        vec![graph.add(Op::SquareRoot, &[total])]
    },
};

pub(crate) static REALISED_VARIANCE: Entry = Entry {
    name: "realised_variance",
    family: Family::Estimator,
    summary: "realised variance: sum of squared logarithmic returns",
    formula: "sum of ln(x/x[1])^2 over the last period rows",
    source: "T. G. Andersen and T. Bollerslev, Answering the skeptics, 1998",
    inputs: CLOSE,
    parameters: &[rows("period", 60.0, 1.0)],
    outputs: SINGLE,
    lookback: "period",
    nan: "while a NaN is in the window or a price is not above zero",
    unit: Unit::Ratio,
    stability: Stability::Epsilon,
    ta_lib: None,
    lower: |graph, x, p| {
        let returns = log_return(graph, x[0], 1.0);
        let squared = square(graph, returns);
        vec![sum(graph, squared, p[0])]
    },
};

pub(crate) static BIPOWER_VARIATION: Entry = Entry {
    name: "bipower_variation",
    family: Family::Estimator,
    summary: "bipower variation: the part of the realised variance that is not from jumps",
    formula: "pi/2 sum of |r| |r[1]| over the last period - 1 pairs of returns r = ln(x/x[1])",
    source: "O. E. Barndorff-Nielsen and N. Shephard, Power and bipower variation with stochastic volatility and jumps, 2004",
    inputs: CLOSE,
    parameters: &[rows("period", 60.0, 2.0)],
    outputs: SINGLE,
    lookback: "period",
    nan: "while a NaN is in the window or a price is not above zero",
    unit: Unit::Ratio,
    stability: Stability::Epsilon,
    ta_lib: None,
    lower: |graph, x, p| {
        let returns = log_return(graph, x[0], 1.0);
        let size = graph.add(Op::Absolute, &[returns]);
        let before = lag(graph, size, 1.0);
        let product = graph.add(Op::Multiply, &[size, before]);
        let total = sum(graph, product, p[0] - 1.0);
        vec![scaled(graph, total, std::f64::consts::FRAC_PI_2)]
    },
};
