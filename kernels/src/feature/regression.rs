//! Lines through a window, and how two values move together.

use crate::feature::entry::{CLOSE, Entry, Family, Input, LAST, OPEN, SINGLE, Stability, Unit, VOLUME, rows};
use crate::feature::graph::{Graph, Register};
use crate::feature::op::Op;
use crate::feature::parts::{rate, scaled, variance};

/// Mean and slope of the line.
fn line(graph: &mut Graph, x: Register, period: f64) -> [Register; 2] {
    let mean = graph.add(Op::Trend { rows: period as usize }, &[x]);
    [mean, mean + 1]
}

/// The line's value `rows` rows after the middle of the window.
fn at(graph: &mut Graph, x: Register, period: f64, rows: f64) -> Register {
    let [mean, slope] = line(graph, x, period);
    let rise = scaled(graph, slope, rows);
    graph.add(Op::Add, &[mean, rise])
}

fn covariance(graph: &mut Graph, a: Register, b: Register, period: f64) -> Register {
    graph.add(Op::Covariance { rows: period as usize }, &[a, b])
}

const PAIR: &[Input] =
    &[Input { name: "x", column: LAST.column }, Input { name: "y", column: VOLUME.column }];
const PRICES: &[Input] =
    &[Input { name: "x", column: OPEN.column }, Input { name: "y", column: LAST.column }];

pub(crate) static LINEARREG: Entry = Entry {
    name: "linearreg",
    family: Family::Regression,
    summary: "end of the least-squares line through the window",
    formula: "a + b (period - 1), a and b the line's intercept and slope",
    source: "least squares over the row number; TA-Lib LINEARREG",
    inputs: CLOSE,
    parameters: &[rows("period", 14.0, 2.0)],
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "while a NaN is in the window",
    unit: Unit::Input,
    stability: Stability::Epsilon,
    ta_lib: Some("LINEARREG"),
    lower: |graph, x, p| vec![at(graph, x[0], p[0], (p[0] - 1.0) / 2.0)],
};

pub(crate) static LINEARREG_SLOPE: Entry = Entry {
    name: "linearreg_slope",
    family: Family::Regression,
    summary: "slope of the least-squares line through the window, per row",
    formula: "cov(t,x)/var(t), t the row number",
    source: "least squares over the row number; TA-Lib LINEARREG_SLOPE",
    inputs: CLOSE,
    parameters: &[rows("period", 14.0, 2.0)],
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "while a NaN is in the window",
    unit: Unit::Input,
    stability: Stability::Epsilon,
    ta_lib: Some("LINEARREG_SLOPE"),
    lower: |graph, x, p| vec![line(graph, x[0], p[0])[1]],
};

pub(crate) static LINEARREG_INTERCEPT: Entry = Entry {
    name: "linearreg_intercept",
    family: Family::Regression,
    summary: "beginning of the least-squares line through the window",
    formula: "mean of x - slope (period - 1)/2",
    source: "least squares over the row number; TA-Lib LINEARREG_INTERCEPT",
    inputs: CLOSE,
    parameters: &[rows("period", 14.0, 2.0)],
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "while a NaN is in the window",
    unit: Unit::Input,
    stability: Stability::Epsilon,
    ta_lib: Some("LINEARREG_INTERCEPT"),
    lower: |graph, x, p| vec![at(graph, x[0], p[0], -(p[0] - 1.0) / 2.0)],
};

pub(crate) static LINEARREG_ANGLE: Entry = Entry {
    name: "linearreg_angle",
    family: Family::Regression,
    summary: "angle of the least-squares line through the window",
    formula: "atan(linearreg_slope(x,period)) in degrees",
    source: "least squares over the row number; TA-Lib LINEARREG_ANGLE",
    inputs: CLOSE,
    parameters: &[rows("period", 14.0, 2.0)],
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "while a NaN is in the window",
    unit: Unit::Degrees,
    stability: Stability::Epsilon,
    ta_lib: Some("LINEARREG_ANGLE"),
    lower: |graph, x, p| {
        let slope = line(graph, x[0], p[0])[1];
        let angle = graph.add(Op::Arctangent, &[slope]);
        vec![scaled(graph, angle, 180.0 / std::f64::consts::PI)]
    },
};

pub(crate) static TSF: Entry = Entry {
    name: "tsf",
    family: Family::Regression,
    summary: "time series forecast: the least-squares line through the window, one row ahead",
    formula: "a + b period, a and b the line's intercept and slope",
    source: "least squares over the row number; TA-Lib TSF",
    inputs: CLOSE,
    parameters: &[rows("period", 14.0, 2.0)],
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "while a NaN is in the window",
    unit: Unit::Input,
    stability: Stability::Epsilon,
    ta_lib: Some("TSF"),
    lower: |graph, x, p| vec![at(graph, x[0], p[0], (p[0] + 1.0) / 2.0)],
};

pub(crate) static RSQUARE: Entry = Entry {
    name: "rsquare",
    family: Family::Regression,
    summary: "share of the window's variance that its least-squares line explains",
    formula: "b^2 var(t)/var(x), b the slope, t the row number; at most 1",
    source: "RSQR of Qlib's Alpha158",
    inputs: CLOSE,
    parameters: &[rows("period", 20.0, 2.0)],
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "while a NaN is in the window, and in a window of equal values",
    unit: Unit::Ratio,
    stability: Stability::Epsilon,
    ta_lib: None,
    lower: |graph, x, p| {
        let slope = line(graph, x[0], p[0])[1];
        let square = graph.add(Op::Multiply, &[slope, slope]);
        let explained = scaled(graph, square, (p[0] * p[0] - 1.0) / 12.0);
        let total = variance(graph, x[0], p[0]);
        let share = graph.add(Op::Divide, &[explained, total]);
        let one = graph.add(Op::Constant(1.0), &[]);
        vec![graph.add(Op::Lesser, &[share, one])]
    },
};

pub(crate) static RESIDUAL: Entry = Entry {
    name: "residual",
    family: Family::Regression,
    summary: "distance of the newest value from the end of the window's least-squares line",
    formula: "x - linearreg(x,period)",
    source: "RESI of Qlib's Alpha158",
    inputs: CLOSE,
    parameters: &[rows("period", 20.0, 2.0)],
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "while a NaN is in the window",
    unit: Unit::Input,
    stability: Stability::Epsilon,
    ta_lib: None,
    lower: |graph, x, p| {
        let end = at(graph, x[0], p[0], (p[0] - 1.0) / 2.0);
        vec![graph.add(Op::Subtract, &[x[0], end])]
    },
};

pub(crate) static COV: Entry = Entry {
    name: "cov",
    family: Family::Regression,
    summary: "population covariance",
    formula: "mean of (x - mean of x)(y - mean of y) over the last period rows",
    source: "the usual definition",
    inputs: PAIR,
    parameters: &[rows("period", 20.0, 2.0)],
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "while a NaN is in the window",
    unit: Unit::Product,
    stability: Stability::Epsilon,
    ta_lib: None,
    lower: |graph, x, p| vec![covariance(graph, x[0], x[1], p[0])],
};

pub(crate) static CORREL: Entry = Entry {
    name: "correl",
    family: Family::Regression,
    summary: "Pearson's correlation coefficient, -1 to 1",
    formula: "cov(x,y,period)/sqrt(var(x,period) var(y,period))",
    source: "K. Pearson, 1895; TA-Lib CORREL",
    inputs: PAIR,
    parameters: &[rows("period", 30.0, 2.0)],
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "while a NaN is in the window, and where a value did not change (TA-Lib gives 0 there)",
    unit: Unit::Ratio,
    stability: Stability::Epsilon,
    ta_lib: Some("CORREL"),
    lower: |graph, x, p| {
        let together = covariance(graph, x[0], x[1], p[0]);
        let deviations = [x[0], x[1]].map(|x| {
            let variance = variance(graph, x, p[0]);
            graph.add(Op::SquareRoot, &[variance])
        });
        let apart = graph.add(Op::Multiply, &deviations);
        let ratio = graph.add(Op::Divide, &[together, apart]);
        vec![graph.add(Op::Clip { low: -1.0, high: 1.0 }, &[ratio])]
    },
};

pub(crate) static BETA: Entry = Entry {
    name: "beta",
    family: Family::Regression,
    summary: "slope of the returns of y over the returns of x",
    formula: "cov(rocp(x,1),rocp(y,1),period)/var(rocp(x,1),period)",
    source: "W. F. Sharpe, 1964; TA-Lib BETA",
    inputs: PRICES,
    parameters: &[rows("period", 5.0, 2.0)],
    outputs: SINGLE,
    lookback: "period",
    nan: "while a NaN is in the window, and where the returns of x are all equal (TA-Lib gives 0 there)",
    unit: Unit::Ratio,
    stability: Stability::Epsilon,
    ta_lib: Some("BETA"),
    lower: |graph, x, p| {
        let returns = [x[0], x[1]].map(|x| rate(graph, x, 1.0));
        let together = covariance(graph, returns[0], returns[1], p[0]);
        let spread = variance(graph, returns[0], p[0]);
        vec![graph.add(Op::Divide, &[together, spread])]
    },
};
