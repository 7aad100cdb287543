//! What a plan will do, for people and for programs.

use std::fmt;

use serde::Serialize;

use super::Plan;
use crate::feature::op::Op;

/// What a plan will do.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The plan in full.
    pub plan: String,
    /// Its hash.
    pub hash: String,
    /// Columns read.
    pub inputs: Vec<String>,
    /// Outputs, in order.
    pub outputs: Vec<OutputLine>,
    /// Operations, in the order in which they run.
    pub nodes: Vec<NodeLine>,
    /// Passes over the data: always one.
    pub passes: usize,
    /// Bytes read from memory for each row.
    pub read_bytes_per_row: usize,
    /// Bytes written to memory for each row.
    pub written_bytes_per_row: usize,
    /// Bytes of state for each series.
    pub state_bytes: usize,
    /// Rows before every output is known.
    pub lookback: usize,
}

/// One output of a plan.
#[derive(Clone, Debug, Serialize)]
pub struct OutputLine {
    /// Its name.
    pub name: String,
    /// Rows before it is known.
    pub lookback: usize,
    /// The register that holds it.
    pub register: usize,
}

/// One operation of a plan.
#[derive(Clone, Debug, Serialize)]
pub struct NodeLine {
    /// The registers it writes.
    pub registers: Vec<usize>,
    /// The operation with its constants and what it reads.
    pub operation: String,
    /// How many operations and outputs read it; above one, it is computed once for all of them.
    pub uses: usize,
    /// Bytes of state.
    pub state_bytes: usize,
}

impl Explanation {
    pub(super) fn new(plan: &Plan) -> Self {
        let program = &*plan.program;
        let mut names: Vec<String> = plan.inputs.clone();
        names.extend(program.constants.iter().map(f64::to_string));
        let name = |register: usize| names.get(register).cloned().unwrap_or_else(|| format!("%{register}"));
        let nodes = program.nodes.iter().map(|node| {
            let inputs: Vec<String> = node.inputs[..node.arity].iter().map(|input| name(*input)).collect();
            NodeLine {
                registers: (node.out..node.out + node.op.outputs()).collect(),
                operation: describe(node.op, &inputs),
                uses: node.uses,
                state_bytes: node.op.state_len() * size_of::<f64>(),
            }
        });
        let outputs = (plan.names.iter().zip(&plan.lookbacks).zip(&program.outputs)).map(
            |((name, lookback), register)| OutputLine {
                name: name.clone(),
                lookback: *lookback,
                register: *register,
            },
        );
        Self {
            plan: plan.canonical.clone(),
            hash: plan.hash(),
            inputs: plan.inputs.clone(),
            outputs: outputs.collect(),
            nodes: nodes.collect(),
            passes: 1,
            read_bytes_per_row: plan.inputs.len() * size_of::<f64>(),
            written_bytes_per_row: plan.names.len() * size_of::<f64>(),
            state_bytes: plan.state_bytes(),
            lookback: plan.lookback(),
        }
    }
}

/// The operation as a formula over `x`, the names of what it reads.
fn describe(op: Op, x: &[String]) -> String {
    match op {
        Op::Column(_) | Op::Constant(_) => String::new(),
        Op::Add => format!("{} + {}", x[0], x[1]),
        Op::Subtract => format!("{} - {}", x[0], x[1]),
        Op::Multiply => format!("{} * {}", x[0], x[1]),
        Op::Divide => format!("{} / {}", x[0], x[1]),
        Op::TrueRange => format!("range of {} and {}, extended to {}", x[0], x[1], x[2]),
        Op::Negate => format!("-{}", x[0]),
        Op::Absolute => format!("|{}|", x[0]),
        Op::SquareRoot => format!("sqrt {}", x[0]),
        Op::Logarithm => format!("ln {}", x[0]),
        Op::Clip { low, high } => format!("{} held in {low} to {high}", x[0]),
        Op::Where => format!("{} where {} is known", x[0], x[1]),
        Op::Position => format!("place of {} between {} and {}", x[0], x[1], x[2]),
        Op::Standardise => format!("({} - {}) / sqrt {}", x[0], x[1], x[2]),
        Op::Phase { period_ns, .. } => format!("sin and cos of {} in {} h", x[0], period_ns / 3_600e9),
        Op::Epoch { period_ns, .. } => format!("whole periods of {} h in {}", period_ns / 3_600e9, x[0]),
        Op::Lag { rows } => format!("{} {rows} rows before", x[0]),
        Op::Sum { rows } => format!("sum of {rows} rows of {}", x[0]),
        Op::Mean { rows } => format!("mean of {rows} rows of {}", x[0]),
        Op::Moments { rows } => format!("mean and variance of {rows} rows of {}", x[0]),
        Op::Minimum { rows } => format!("least of {rows} rows of {}", x[0]),
        Op::Maximum { rows } => format!("greatest of {rows} rows of {}", x[0]),
        Op::Smooth { rows, skip: 0, take, .. } => {
            format!("average of {}, weight {take:.6}, seed {rows} rows", x[0])
        }
        Op::Smooth { rows, skip, take, .. } => {
            format!("average of {}, weight {take:.6}, seed {rows} rows after {skip}", x[0])
        }
        Op::Rsi { rows } => format!("relative strength of {} over {rows} rows", x[0]),
        Op::Accumulate => format!("sum of {} since {} changed", x[0], x[1]),
        Op::Quotient { otherwise } => format!("{} / {}, or {otherwise}", x[0], x[1]),
        Op::Lesser => format!("lesser of {} and {}", x[0], x[1]),
        Op::Greater => format!("greater of {} and {}", x[0], x[1]),
        Op::Above => format!("{} > {}", x[0], x[1]),
        Op::Departure => format!("{} - {} beyond rounding", x[0], x[1]),
        Op::Arctangent => format!("arctan {}", x[0]),
        Op::LogarithmOfOneMore => format!("ln(1 + {})", x[0]),
        Op::Split => format!("{} where {} is above and below zero", x[1], x[0]),
        Op::QueueChange => format!("change of the queue {} at {} from {}", x[1], x[0], x[2]),
        Op::Trend { rows } => format!("mean and slope of {rows} rows of {}", x[0]),
        Op::Covariance { rows } => format!("covariance of {rows} rows of {} and {}", x[0], x[1]),
        Op::HigherMoments { rows } => format!("third and fourth moment of {rows} rows of {}", x[0]),
        Op::Deviation { rows } => format!("mean distance of {rows} rows of {} from {}", x[0], x[1]),
        Op::Age { rows, greatest, .. } => {
            format!("rows since the {} of {rows} of {}", if greatest { "greatest" } else { "least" }, x[0])
        }
        Op::Quantile { rows, share } => format!("quantile {share} of {rows} rows of {}", x[0]),
        Op::Rank { rows } => format!("rank of {} among {rows} rows", x[0]),
        Op::MedianDeviation { rows } => format!("median distance of {rows} rows of {} from the median", x[0]),
        Op::Directional { rows, .. } => {
            format!("directional movement of {}, {}, {}, {rows} rows", x[0], x[1], x[2])
        }
        Op::Adapt => format!("average of {} at the speed {}", x[0], x[1]),
        Op::Balance => format!("balance of {} by the direction of {}", x[1], x[0]),
        Op::Tick => format!("direction of {}", x[0]),
        Op::Since => format!("seconds since {} by {}", x[0], x[1]),
        Op::Fill { rows } => format!("{}, or its last value for {rows} rows", x[0]),
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "plan {}  {}", &self.hash[..12], self.plan)?;
        writeln!(
            f,
            "one pass: {} B read and {} B written a row, {} B of state a series, known after {} rows",
            self.read_bytes_per_row, self.written_bytes_per_row, self.state_bytes, self.lookback
        )?;
        writeln!(f, "reads {}", self.inputs.join(", "))?;
        writeln!(f, "\n{:>8}  {:<58} {:>5} {:>9}", "node", "operation", "uses", "state B")?;
        for node in &self.nodes {
            let registers: Vec<String> =
                node.registers.iter().map(|register| format!("%{register}")).collect();
            let register = registers.join(" ");
            writeln!(f, "{register:>8}  {:<58} {:>5} {:>9}", node.operation, node.uses, node.state_bytes)?;
        }
        writeln!(f, "\n{:>8}  {:<58} {:>5}", "node", "output", "after")?;
        for output in &self.outputs {
            let register = format!("%{}", output.register);
            writeln!(f, "{register:>8}  {:<58} {:>5}", output.name, output.lookback)?;
        }
        Ok(())
    }
}
