//! Functions of one value, for use inside plans.

use crate::feature::entry::{CLOSE, Entry, Family, SINGLE, Stability, Unit, real, rows};
use crate::feature::op::Op;

pub(crate) static LN: Entry = Entry {
    name: "ln",
    family: Family::Transform,
    summary: "natural logarithm",
    formula: "ln(x)",
    source: "TA-Lib LN",
    inputs: CLOSE,
    parameters: &[],
    outputs: SINGLE,
    lookback: "0",
    nan: "where x is NaN or not above zero",
    unit: Unit::Ratio,
    stability: Stability::Exact,
    ta_lib: Some("LN"),
    lower: |graph, x, _| vec![graph.add(Op::Logarithm, x)],
};

pub(crate) static SQRT: Entry = Entry {
    name: "sqrt",
    family: Family::Transform,
    summary: "square root",
    formula: "sqrt(x)",
    source: "TA-Lib SQRT",
    inputs: CLOSE,
    parameters: &[],
    outputs: SINGLE,
    lookback: "0",
    nan: "where x is NaN or below zero",
    unit: Unit::Ratio,
    stability: Stability::Exact,
    ta_lib: Some("SQRT"),
    lower: |graph, x, _| vec![graph.add(Op::SquareRoot, x)],
};

pub(crate) static ABS: Entry = Entry {
    name: "abs",
    family: Family::Transform,
    summary: "absolute value",
    formula: "|x|",
    source: "the usual definition",
    inputs: CLOSE,
    parameters: &[],
    outputs: SINGLE,
    lookback: "0",
    nan: "where x is NaN",
    unit: Unit::Input,
    stability: Stability::Exact,
    ta_lib: None,
    lower: |graph, x, _| vec![graph.add(Op::Absolute, x)],
};

pub(crate) static LAG: Entry = Entry {
    name: "lag",
    family: Family::Transform,
    summary: "the value some rows before",
    formula: "x[period]",
    source: "the usual definition",
    inputs: CLOSE,
    parameters: &[rows("period", 1.0, 1.0)],
    outputs: SINGLE,
    lookback: "period",
    nan: "where the earlier value is NaN",
    unit: Unit::Input,
    stability: Stability::Exact,
    ta_lib: None,
    lower: |graph, x, p| vec![graph.add(Op::Lag { rows: p[0] as usize }, x)],
};

pub(crate) static CLIP: Entry = Entry {
    name: "clip",
    family: Family::Transform,
    summary: "the value, held between two bounds",
    formula: "min(max(x, low), high)",
    source: "the usual definition",
    inputs: CLOSE,
    parameters: &[real("low", -3.0, -1e300, 1e300), real("high", 3.0, -1e300, 1e300).rising()],
    outputs: SINGLE,
    lookback: "0",
    nan: "where x is NaN",
    unit: Unit::Input,
    stability: Stability::Exact,
    ta_lib: None,
    lower: |graph, x, p| vec![graph.add(Op::Clip { low: p[0], high: p[1] }, x)],
};
