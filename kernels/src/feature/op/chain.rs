//! Operations that look at one row only, one after the other on values that stay in registers.
//!
//! A lane that only the next operation reads costs a store, a load and a loop. A chain takes a few rows through all of its
//! operations and writes the last result; each operation is its formula in [`super::rowwise`] or [`super::choice`].

use super::rowwise::{self, Formula};
use super::{Op, choice, known};
use crate::feature::graph::Register;
use crate::feature::value::Value;

/// Rows that are taken through a chain together, twice as many in `f32`: sixteen registers of thirty-two.
const TOGETHER: usize = 8;
/// Bytes of a register.
const LINE_BYTES: usize = 64;

/// One operation of a chain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub op: Op,
    /// The lane of its other operand.
    pub other: Register,
    /// Whether the result before is the second operand.
    pub swapped: bool,
}

/// Whether an operation can be a link.
pub(crate) fn links(op: Op) -> bool {
    matches!(
        op,
        Op::Add
            | Op::Subtract
            | Op::Multiply
            | Op::Divide
            | Op::Where
            | Op::Negate
            | Op::Absolute
            | Op::SquareRoot
            | Op::Clip { .. }
            | Op::Quotient { .. }
            | Op::Lesser
            | Op::Greater
            | Op::Above
    )
}

/// Lanes to read while others are written.
#[derive(Clone, Copy)]
pub(crate) struct Lent<'a, V, const B: usize> {
    pub before: &'a [[V; B]],
    pub after: &'a [[V; B]],
    /// Lanes between the two.
    pub hidden: usize,
}

impl<'a, V, const B: usize> Lent<'a, V, B> {
    #[inline(always)]
    pub(crate) fn lane(&self, register: Register) -> &'a [V; B] {
        match register.checked_sub(self.before.len()) {
            None => &self.before[register],
            Some(behind) => &self.after[behind - self.hidden],
        }
    }
}

/// Takes `rows` rows of lane `first` through `chain`, and those behind them that fill registers.
#[inline(always)]
pub(crate) fn advance<V: Value, const B: usize>(
    first: Register,
    chain: &[Link],
    lanes: Lent<'_, V, B>,
    rows: usize,
    out: &mut [V; B],
) {
    let mut at = 0;
    while at < rows {
        if size_of::<V>() <= LINE_BYTES && B - at >= 2 * TOGETHER {
            some::<V, { 2 * TOGETHER }, B>(first, chain, lanes, at, out);
            at += 2 * TOGETHER;
        } else if B - at >= TOGETHER {
            some::<V, TOGETHER, B>(first, chain, lanes, at, out);
            at += TOGETHER;
        } else {
            some::<V, 1, B>(first, chain, lanes, at, out);
            at += 1;
        }
    }
}

/// `R` rows from `at` on.
#[inline(always)]
fn some<V: Value, const R: usize, const B: usize>(
    first: Register,
    chain: &[Link],
    lanes: Lent<'_, V, B>,
    at: usize,
    out: &mut [V; B],
) {
    let Some(start) = lanes.lane(first)[at..].first_chunk::<R>() else { return };
    let mut x = *start;
    for Link { op, other, swapped } in chain {
        let Some(y) = lanes.lane(*other)[at..].first_chunk::<R>() else { return };
        match *op {
            Op::Add => binary(&mut x, y, *swapped, rowwise::Plus),
            Op::Subtract => binary(&mut x, y, *swapped, rowwise::Minus),
            Op::Multiply => binary(&mut x, y, *swapped, rowwise::Times),
            Op::Divide => binary(&mut x, y, *swapped, rowwise::Over),
            Op::Where => binary(&mut x, y, *swapped, rowwise::KeptWhere),
            Op::Quotient { otherwise } => binary(&mut x, y, *swapped, choice::Quotient { otherwise }),
            Op::Lesser => binary(&mut x, y, *swapped, choice::Lesser),
            Op::Greater => binary(&mut x, y, *swapped, choice::Greater),
            Op::Above => binary(&mut x, y, *swapped, choice::Above),
            Op::Negate => unary(&mut x, rowwise::Negated),
            Op::Absolute => unary(&mut x, rowwise::Magnitude),
            Op::SquareRoot => unary(&mut x, rowwise::Root),
            Op::Clip { low, high } => unary(&mut x, rowwise::Clipped { low, high }),
            _ => {}
        }
    }
    if let Some(out) = out[at..].first_chunk_mut::<R>() {
        *out = x;
    }
}

#[inline(always)]
fn binary<V: Value, const R: usize>(x: &mut [V; R], y: &[V; R], swapped: bool, formula: impl Formula<V, 2>) {
    if swapped {
        for (x, y) in x.iter_mut().zip(y) {
            *x = known(formula.of([*y, *x]));
        }
    } else {
        for (x, y) in x.iter_mut().zip(y) {
            *x = known(formula.of([*x, *y]));
        }
    }
}

#[inline(always)]
fn unary<V: Value, const R: usize>(x: &mut [V; R], formula: impl Formula<V, 1>) {
    for x in x {
        *x = known(formula.of([*x]));
    }
}
