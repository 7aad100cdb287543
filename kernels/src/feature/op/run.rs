//! One row of a single series: operations of one kind, one after the other.
//!
//! What a block pays once for many rows, a tick pays for each node: which operation it is, where its lanes are, whether
//! they are there. So here a lane is one number, and nodes of one kind that do not wait for each other stand side by side:
//! the kind is looked up once for all of them, and what it would compute from its constants is kept. The formulas, and so the bits, are those of [`Op::advance`].

use super::rowwise::Formula;
use super::{Op, extremum, known, lag, rowwise, rsi, smooth, window};

/// A node with its places in lanes of one number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    op: Op,
    /// What the operation would otherwise compute at every row: of a smoothing the values before its seed is complete,
    /// of a window one divided by its rows.
    constant: f64,
    inputs: [u32; 3],
    out: u32,
    state: u32,
    /// Steps of its kind that stand here together, from this one on.
    pub(crate) together: u32,
}

impl Step {
    /// `op` on the registers `inputs`, those that it does not have being any. A plan's limits keep registers and numbers of
    /// state below 2^32. It stands at the head of `together` steps of its kind.
    pub(crate) fn new(op: Op, inputs: [usize; 3], out: usize, state: usize, together: usize) -> Self {
        let constant = match op {
            Op::Smooth { rows, skip, .. } => window::count(rows + skip),
            Op::Mean { rows } | Op::Moments { rows } | Op::Rsi { rows } => window::inverse(rows),
            _ => 0.0,
        };
        let (inputs, out) = (inputs.map(|input| input as u32), out as u32);
        Self { op, constant, inputs, out, state: state as u32, together: together as u32 }
    }

    /// The lanes that it reads.
    #[cfg(test)]
    pub(crate) fn reads(&self) -> [usize; 3] {
        self.inputs.map(|input| input as usize)
    }

    /// The lanes that it writes.
    #[cfg(test)]
    pub(crate) fn writes(&self) -> std::ops::Range<usize> {
        self.out as usize..self.out as usize + self.op.outputs()
    }

    #[inline(always)]
    fn inputs<const N: usize>(&self, lanes: &[f64]) -> [f64; N] {
        std::array::from_fn(|which| lanes[self.inputs[which] as usize])
    }

    #[inline(always)]
    fn give<const N: usize>(&self, values: [f64; N], lanes: &mut [f64]) {
        for (which, value) in values.into_iter().enumerate() {
            lanes[self.out as usize + which] = value;
        }
    }

    #[inline(always)]
    fn state<'a>(&self, len: usize, state: &'a mut [f64]) -> &'a mut [f64] {
        &mut state[self.state as usize..][..len]
    }
}

/// Advances every step of `run`, all of one kind, by a row. False, and nothing is done, for kinds that are left to
/// [`alone`]: what seldom runs would be in the way of what often does.
#[inline(always)]
pub(crate) fn advance(run: &[Step], state: &mut [f64], lanes: &mut [f64]) -> bool {
    let Some(first) = run.first() else { return true };
    match first.op {
        Op::Add => each(run, lanes, rowwise::Plus),
        Op::Subtract => each(run, lanes, rowwise::Minus),
        Op::Multiply => each(run, lanes, rowwise::Times),
        Op::Divide => each(run, lanes, rowwise::Over),
        Op::TrueRange => each(run, lanes, rowwise::TrueRange),
        Op::Where => each(run, lanes, rowwise::KeptWhere),
        Op::Absolute => each(run, lanes, rowwise::Magnitude),
        Op::SquareRoot => each(run, lanes, rowwise::Root),
        Op::Logarithm => each(run, lanes, rowwise::Logarithm),
        Op::Position => each(run, lanes, rowwise::Position),
        Op::Standardise => each(run, lanes, rowwise::Standardised),
        Op::Lag { .. } => lags(run, state, lanes),
        Op::Sum { .. } => sums(run, state, lanes),
        Op::Mean { .. } => means(run, state, lanes),
        Op::Moments { .. } => moments(run, state, lanes),
        Op::Minimum { .. } => minima(run, state, lanes),
        Op::Maximum { .. } => maxima(run, state, lanes),
        Op::Smooth { .. } => smoothings(run, state, lanes),
        Op::Rsi { .. } => indices(run, state, lanes),
        _ => return false,
    }
    true
}

#[inline(always)]
fn each<const N: usize>(run: &[Step], lanes: &mut [f64], formula: impl Formula<f64, N>) {
    for step in run {
        step.give([known(formula.of(step.inputs(lanes)))], lanes);
    }
}

#[inline(always)]
fn lags(run: &[Step], state: &mut [f64], lanes: &mut [f64]) {
    for step in run {
        let (Op::Lag { rows }, [x]) = (step.op, step.inputs(lanes)) else { return };
        step.give([lag::row(step.state(lag::state_len(rows), state), x)], lanes);
    }
}

#[inline(always)]
fn sums(run: &[Step], state: &mut [f64], lanes: &mut [f64]) {
    for step in run {
        let (Op::Sum { rows }, [x]) = (step.op, step.inputs(lanes)) else { return };
        let state = step.state(window::sum_state_len(rows), state);
        step.give([window::sum_row(rows, state, x)], lanes);
    }
}

#[inline(always)]
fn means(run: &[Step], state: &mut [f64], lanes: &mut [f64]) {
    for step in run {
        let (Op::Mean { rows }, [x]) = (step.op, step.inputs(lanes)) else { return };
        let state = step.state(window::mean_state_len(rows), state);
        step.give([window::mean_row(rows, step.constant, state, x)], lanes);
    }
}

#[inline(always)]
fn moments(run: &[Step], state: &mut [f64], lanes: &mut [f64]) {
    for step in run {
        let (Op::Moments { rows }, [x]) = (step.op, step.inputs(lanes)) else { return };
        let state = step.state(window::moments_state_len(rows), state);
        step.give(window::moments_row(rows, step.constant, state, x), lanes);
    }
}

#[inline(always)]
fn minima(run: &[Step], state: &mut [f64], lanes: &mut [f64]) {
    for step in run {
        let (Op::Minimum { rows }, [x]) = (step.op, step.inputs(lanes)) else { return };
        let state = step.state(extremum::state_len(rows), state);
        step.give([extremum::row::<_, false>(rows, state, x)], lanes);
    }
}

#[inline(always)]
fn maxima(run: &[Step], state: &mut [f64], lanes: &mut [f64]) {
    for step in run {
        let (Op::Maximum { rows }, [x]) = (step.op, step.inputs(lanes)) else { return };
        let state = step.state(extremum::state_len(rows), state);
        step.give([extremum::row::<_, true>(rows, state, x)], lanes);
    }
}

#[inline(always)]
fn smoothings(run: &[Step], state: &mut [f64], lanes: &mut [f64]) {
    for step in run {
        let (Op::Smooth { rows, skip, keep, take }, [x]) = (step.op, step.inputs(lanes)) else { return };
        let weights = smooth::Weights { rows, skip, keep, take };
        let state = step.state(smooth::STATE_LEN, state);
        step.give([smooth::row(weights, step.constant, state, x)], lanes);
    }
}

#[inline(always)]
fn indices(run: &[Step], state: &mut [f64], lanes: &mut [f64]) {
    for step in run {
        let (Op::Rsi { rows }, [x]) = (step.op, step.inputs(lanes)) else { return };
        let state = step.state(rsi::STATE_LEN, state);
        step.give([rsi::row(rows, step.constant, state, x)], lanes);
    }
}

/// Advances a step of any kind by a row, as a block of one row.
#[inline(always)]
pub(crate) fn alone(step: &Step, state: &mut [f64], lanes: &mut [f64]) {
    let inputs: [f64; 3] = step.inputs(lanes);
    let inputs = inputs.map(|input| [input]);
    let (outputs, mut out) = (step.op.outputs(), [[0.0]; 3]);
    let state = step.state(step.op.state_len(), state);
    step.op.advance(state, inputs.each_ref(), &mut out[..outputs], 1);
    lanes[step.out as usize..][..outputs].copy_from_slice(&out.as_flattened()[..outputs]);
}
