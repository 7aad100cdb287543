//! Rates of change and oscillators.

use crate::feature::average::exponential;
use crate::feature::entry::{CLOSE, Entry, Family, SINGLE, Stability, Unit, rows};
use crate::feature::graph::{Graph, Register};
use crate::feature::op::Op;

/// x and its value `period` rows before.
fn now_and_before(graph: &mut Graph, x: Register, period: f64) -> [Register; 2] {
    [x, graph.add(Op::Lag { rows: period as usize }, &[x])]
}

pub(crate) static MOM: Entry = Entry {
    name: "mom",
    family: Family::Momentum,
    summary: "momentum: change over period rows",
    formula: "x - x[period]",
    source: "TA-Lib MOM",
    inputs: CLOSE,
    parameters: &[rows("period", 10.0, 1.0)],
    outputs: SINGLE,
    lookback: "period",
    nan: "where either value is NaN",
    unit: Unit::Input,
    stability: Stability::Exact,
    ta_lib: Some("MOM"),
    lower: |graph, x, p| {
        let pair = now_and_before(graph, x[0], p[0]);
        vec![graph.add(Op::Subtract, &pair)]
    },
};

pub(crate) static ROC: Entry = Entry {
    name: "roc",
    family: Family::Momentum,
    summary: "rate of change over period rows, in percent",
    formula: "100 (x / x[period] - 1)",
    source: "TA-Lib ROC",
    inputs: CLOSE,
    parameters: &[rows("period", 10.0, 1.0)],
    outputs: SINGLE,
    lookback: "period",
    nan: "where either value is NaN or the earlier one is zero (TA-Lib gives 0 there)",
    unit: Unit::Percent,
    stability: Stability::Exact,
    ta_lib: Some("ROC"),
    lower: |graph, x, p| {
        let pair = now_and_before(graph, x[0], p[0]);
        let ratio = graph.add(Op::Divide, &pair);
        let one = graph.add(Op::Constant(1.0), &[]);
        let change = graph.add(Op::Subtract, &[ratio, one]);
        let hundred = graph.add(Op::Constant(100.0), &[]);
        vec![graph.add(Op::Multiply, &[change, hundred])]
    },
};

pub(crate) static ROCP: Entry = Entry {
    name: "rocp",
    family: Family::Momentum,
    summary: "simple return over period rows",
    formula: "(x - x[period]) / x[period]",
    source: "TA-Lib ROCP",
    inputs: CLOSE,
    parameters: &[rows("period", 10.0, 1.0)],
    outputs: SINGLE,
    lookback: "period",
    nan: "where either value is NaN or the earlier one is zero (TA-Lib gives 0 there)",
    unit: Unit::Ratio,
    stability: Stability::Exact,
    ta_lib: Some("ROCP"),
    lower: |graph, x, p| {
        let pair = now_and_before(graph, x[0], p[0]);
        let change = graph.add(Op::Subtract, &pair);
        vec![graph.add(Op::Divide, &[change, pair[1]])]
    },
};

pub(crate) static ROCR: Entry = Entry {
    name: "rocr",
    family: Family::Momentum,
    summary: "ratio to the value period rows before",
    formula: "x / x[period]",
    source: "TA-Lib ROCR",
    inputs: CLOSE,
    parameters: &[rows("period", 10.0, 1.0)],
    outputs: SINGLE,
    lookback: "period",
    nan: "where either value is NaN or the earlier one is zero (TA-Lib gives 0 there)",
    unit: Unit::Ratio,
    stability: Stability::Exact,
    ta_lib: Some("ROCR"),
    lower: |graph, x, p| {
        let pair = now_and_before(graph, x[0], p[0]);
        vec![graph.add(Op::Divide, &pair)]
    },
};

/// ln(x / x[period]); of prices, the continuously compounded return.
pub(crate) fn log_return(graph: &mut Graph, x: Register, period: f64) -> Register {
    let pair = now_and_before(graph, x, period);
    let ratio = graph.add(Op::Divide, &pair);
    graph.add(Op::Logarithm, &[ratio])
}

pub(crate) static LOG_RETURN: Entry = Entry {
    name: "log_return",
    family: Family::Momentum,
    summary: "logarithmic return over period rows",
    formula: "ln(x / x[period])",
    source: "J. Y. Campbell, A. W. Lo, A. C. MacKinlay, The Econometrics of Financial Markets, 1997, section 1.4",
    inputs: CLOSE,
    parameters: &[rows("period", 1.0, 1.0)],
    outputs: SINGLE,
    lookback: "period",
    nan: "where either value is NaN or their ratio is not above zero",
    unit: Unit::Ratio,
    stability: Stability::Exact,
    ta_lib: None,
    lower: |graph, x, p| vec![log_return(graph, x[0], p[0])],
};

pub(crate) static RSI: Entry = Entry {
    name: "rsi",
    family: Family::Momentum,
    summary: "relative strength index: share of gains in all changes, 0 to 100",
    formula: "100 G/(G + L), G and L Wilder's averages of gains and of losses from row to row",
    source: "J. Welles Wilder, New Concepts in Technical Trading Systems, 1978; TA-Lib RSI",
    inputs: CLOSE,
    parameters: &[rows("period", 14.0, 2.0)],
    outputs: SINGLE,
    lookback: "period",
    nan: "on the row of a NaN, which is left out; 50 where there was neither a gain nor a loss",
    unit: Unit::Percent,
    stability: Stability::Converging,
    ta_lib: Some("RSI"),
    lower: |graph, x, p| vec![graph.add(Op::Rsi { rows: p[0] as usize }, x)],
};

pub(crate) static MACD: Entry = Entry {
    name: "macd",
    family: Family::Momentum,
    summary: "moving average convergence/divergence, its signal line and their difference",
    formula: "macd = ema(x,fast) - ema(x,slow), both seeded where the slow one is; signal = ema(macd,signal); \
              hist = macd - signal",
    source: "G. Appel, Technical Analysis: Power Tools for Active Investors, 2005; TA-Lib MACD",
    inputs: CLOSE,
    parameters: &[rows("fast", 12.0, 2.0), rows("slow", 26.0, 2.0).rising(), rows("signal", 9.0, 1.0)],
    outputs: &["macd", "signal", "hist"],
    lookback: "slow + signal - 2",
    nan: "on the row of a NaN, which is left out of the averages",
    unit: Unit::Input,
    stability: Stability::Converging,
    ta_lib: Some("MACD"),
    lower: |graph, x, p| {
        let fast = exponential(graph, x[0], p[0], (p[1] - p[0]) as usize);
        let slow = exponential(graph, x[0], p[1], 0);
        let line = graph.add(Op::Subtract, &[fast, slow]);
        let signal = exponential(graph, line, p[2], 0);
        // TA-Lib shows the line only from where it has a signal.
        let macd = graph.add(Op::Where, &[line, signal]);
        vec![macd, signal, graph.add(Op::Subtract, &[line, signal])]
    },
};
