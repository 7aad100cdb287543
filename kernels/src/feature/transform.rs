//! Functions of one value, for use inside plans.

use crate::feature::entry::{CLOSE, Entry, Family, Input, LAST, OPEN, SINGLE, Stability, Unit, real, rows};
use crate::feature::op::Op;

const PAIR: &[Input] = &[Input { name: "x", column: LAST.column }, Input { name: "y", column: OPEN.column }];

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

pub(crate) static LOG1P: Entry = Entry {
    name: "log1p",
    family: Family::Transform,
    summary: "logarithm of one more: zero stays zero, for volumes and counts",
    formula: "ln(1 + x)",
    source: "the usual definition",
    inputs: CLOSE,
    parameters: &[],
    outputs: SINGLE,
    lookback: "0",
    nan: "where x is NaN or not above -1",
    unit: Unit::Ratio,
    stability: Stability::Exact,
    ta_lib: None,
    lower: |graph, x, _| vec![graph.add(Op::LogarithmOfOneMore, x)],
};

pub(crate) static POSITIVE: Entry = Entry {
    name: "positive",
    family: Family::Transform,
    summary: "the value where it is above zero, else zero",
    formula: "max(x, 0)",
    source: "the usual definition",
    inputs: CLOSE,
    parameters: &[],
    outputs: SINGLE,
    lookback: "0",
    nan: "where x is NaN",
    unit: Unit::Input,
    stability: Stability::Exact,
    ta_lib: None,
    lower: |graph, x, _| {
        let zero = graph.add(Op::Constant(0.0), &[]);
        vec![graph.add(Op::Greater, &[x[0], zero])]
    },
};

pub(crate) static GREATER: Entry = Entry {
    name: "greater",
    family: Family::Transform,
    summary: "the greater of two values",
    formula: "max(x, y)",
    source: "Greater of Qlib",
    inputs: PAIR,
    parameters: &[],
    outputs: SINGLE,
    lookback: "0",
    nan: "where one is NaN",
    unit: Unit::Input,
    stability: Stability::Exact,
    ta_lib: None,
    lower: |graph, x, _| vec![graph.add(Op::Greater, x)],
};

pub(crate) static LESSER: Entry = Entry {
    name: "lesser",
    family: Family::Transform,
    summary: "the lesser of two values",
    formula: "min(x, y)",
    source: "Less of Qlib",
    inputs: PAIR,
    parameters: &[],
    outputs: SINGLE,
    lookback: "0",
    nan: "where one is NaN",
    unit: Unit::Input,
    stability: Stability::Exact,
    ta_lib: None,
    lower: |graph, x, _| vec![graph.add(Op::Lesser, x)],
};

pub(crate) static ABOVE: Entry = Entry {
    name: "above",
    family: Family::Transform,
    summary: "1 where one value is above another, else 0",
    formula: "1 where x > y, else 0",
    source: "the usual definition",
    inputs: PAIR,
    parameters: &[],
    outputs: SINGLE,
    lookback: "0",
    nan: "where one is NaN",
    unit: Unit::Ratio,
    stability: Stability::Exact,
    ta_lib: None,
    lower: |graph, x, _| vec![graph.add(Op::Above, x)],
};
