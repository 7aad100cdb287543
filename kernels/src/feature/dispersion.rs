//! Standard deviations, bands around a mean, and scores within them.

use crate::feature::entry::{CLOSE, Entry, Family, SINGLE, Stability, Unit, real, rows};
use crate::feature::graph::{Graph, Register};
use crate::feature::momentum::log_return;
use crate::feature::op::Op;
use crate::feature::parts::{moments, scaled};

/// Upper, middle and lower Bollinger band.
fn bands(graph: &mut Graph, x: Register, p: &[f64]) -> [Register; 3] {
    let [mean, variance] = moments(graph, x, p[0]);
    let deviation = graph.add(Op::SquareRoot, &[variance]);
    let above = scaled(graph, deviation, p[1]);
    let below = scaled(graph, deviation, p[2]);
    [graph.add(Op::Add, &[mean, above]), mean, graph.add(Op::Subtract, &[mean, below])]
}

pub(crate) static VAR: Entry = Entry {
    name: "var",
    family: Family::Dispersion,
    summary: "population variance",
    formula: "mean of (x - mean)^2 over the last period rows",
    source: "TA-Lib VAR",
    inputs: CLOSE,
    parameters: &[rows("period", 5.0, 1.0)],
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "while a NaN is in the window; never below zero",
    unit: Unit::InputSquared,
    stability: Stability::Epsilon,
    ta_lib: Some("VAR"),
    lower: |graph, x, p| vec![moments(graph, x[0], p[0])[1]],
};

pub(crate) static STDDEV: Entry = Entry {
    name: "stddev",
    family: Family::Dispersion,
    summary: "population standard deviation",
    formula: "deviations sqrt(var(x,period))",
    source: "TA-Lib STDDEV",
    inputs: CLOSE,
    parameters: &[rows("period", 5.0, 2.0), real("deviations", 1.0, -100.0, 100.0)],
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "while a NaN is in the window",
    unit: Unit::Input,
    stability: Stability::Epsilon,
    ta_lib: Some("STDDEV"),
    lower: |graph, x, p| {
        let [_, variance] = moments(graph, x[0], p[0]);
        let deviation = graph.add(Op::SquareRoot, &[variance]);
        vec![if p[1] == 1.0 { deviation } else { scaled(graph, deviation, p[1]) }]
    },
};

pub(crate) static VOLATILITY: Entry = Entry {
    name: "volatility",
    family: Family::Dispersion,
    summary: "realised volatility: sample standard deviation of the logarithmic returns, per row",
    formula: "sqrt(period/(period - 1) var(ln(x/x[1]),period))",
    source: "J. Y. Campbell, A. W. Lo, A. C. MacKinlay, The Econometrics of Financial Markets, 1997, section 9.3",
    inputs: CLOSE,
    parameters: &[rows("period", 20.0, 2.0)],
    outputs: SINGLE,
    lookback: "period",
    nan: "while a NaN or a price not above zero is in the window",
    unit: Unit::Ratio,
    stability: Stability::Epsilon,
    ta_lib: None,
    lower: |graph, x, p| {
        let returns = log_return(graph, x[0], 1.0);
        let [_, variance] = moments(graph, returns, p[0]);
        let sample = scaled(graph, variance, p[0] / (p[0] - 1.0));
        vec![graph.add(Op::SquareRoot, &[sample])]
    },
};

pub(crate) static ZSCORE: Entry = Entry {
    name: "zscore",
    family: Family::Dispersion,
    summary: "distance from the rolling mean in rolling standard deviations",
    formula: "(x - sma(x,period)) / stddev(x,period)",
    source: "standard score with the population deviation, as scipy.stats.zscore(ddof=0)",
    inputs: CLOSE,
    parameters: &[rows("period", 20.0, 2.0)],
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "while a NaN is in the window; 0 in a window of equal values",
    unit: Unit::Deviations,
    stability: Stability::Epsilon,
    ta_lib: None,
    lower: |graph, x, p| {
        let [mean, variance] = moments(graph, x[0], p[0]);
        vec![graph.add(Op::Standardise, &[x[0], mean, variance])]
    },
};

const BANDS: &[crate::feature::entry::Parameter] =
    &[rows("period", 20.0, 2.0), real("up", 2.0, 0.0, 100.0), real("down", 2.0, 0.0, 100.0)];

pub(crate) static BBANDS: Entry = Entry {
    name: "bbands",
    family: Family::Dispersion,
    summary: "Bollinger bands",
    formula: "middle = sma(x,period); upper = middle + up stddev(x,period); lower = middle - down stddev(x,period)",
    source: "J. Bollinger, Bollinger on Bollinger Bands, 2001; TA-Lib BBANDS with a simple average",
    inputs: CLOSE,
    parameters: BANDS,
    outputs: &["upper", "middle", "lower"],
    lookback: "period - 1",
    nan: "while a NaN is in the window",
    unit: Unit::Input,
    stability: Stability::Epsilon,
    ta_lib: Some("BBANDS"),
    lower: |graph, x, p| bands(graph, x[0], p).to_vec(),
};

pub(crate) static PERCENTB: Entry = Entry {
    name: "percentb",
    family: Family::Dispersion,
    summary: "place within the Bollinger bands: 0 at the lower, 1 at the upper",
    formula: "(x - lower) / (upper - lower)",
    source: "J. Bollinger, Bollinger on Bollinger Bands, 2001; TA-Lib PERCENTB",
    inputs: CLOSE,
    parameters: BANDS,
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "while a NaN is in the window; 0.5 where the bands meet",
    unit: Unit::Ratio,
    stability: Stability::Epsilon,
    ta_lib: Some("PERCENTB"),
    lower: |graph, x, p| {
        let [upper, _, lower] = bands(graph, x[0], p);
        vec![graph.add(Op::Position, &[x[0], lower, upper])]
    },
};

pub(crate) static BBW: Entry = Entry {
    name: "bbw",
    family: Family::Dispersion,
    summary: "width of the Bollinger bands in percent of the middle one",
    formula: "100 (upper - lower) / middle",
    source: "J. Bollinger, Bollinger on Bollinger Bands, 2001; TA-Lib BBW",
    inputs: CLOSE,
    parameters: BANDS,
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "while a NaN is in the window, and where the middle is zero (TA-Lib gives 0 there)",
    unit: Unit::Percent,
    stability: Stability::Epsilon,
    ta_lib: Some("BBW"),
    lower: |graph, x, p| {
        let [upper, middle, lower] = bands(graph, x[0], p);
        let width = graph.add(Op::Subtract, &[upper, lower]);
        let ratio = graph.add(Op::Divide, &[width, middle]);
        vec![scaled(graph, ratio, 100.0)]
    },
};
