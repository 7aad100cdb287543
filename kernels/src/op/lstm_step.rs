//! One layer, one step, one series: what a stream does on every tick.
//!
//! ```text
//! z = (b + W x) + R h        each of the two one chain of fused multiply-adds, ascending
//! then the cell of `lstm_cell`
//! ```
//!
//! Shapes: `x` is `[inputs]`; `weight_x` and `weight_h` are `[inputs, 4 units]` and `[hidden, 4 units]` packed by
//! [`Right::Packed`](super::gemm::Right::Packed) with the gates interleaved, so one panel is one group of 16 units and its four
//! sums stay in registers until the cell is done. `units` is `hidden` rounded up to 16. With a batch the
//! weights are used many times for each load; here each is used once, so the step is bound by how fast they are read.
//!
//! The order of the sums is that of two products by `gemm`, so a stream has the bits of a batch. `R h` does not depend on
//! the tick: where it was made before ([`State::Ahead`]), only `W x` and the cell are left to do.

use super::gemm::{GROUP, PANEL};
use super::holds;

/// One step.
#[derive(Debug)]
pub struct LstmStep<'a> {
    /// Values that the layer reads.
    pub inputs: usize,
    /// Units of the layer, whose hidden states are read.
    pub hidden: usize,
    /// Units that are computed: all of them, padded, or some whole groups.
    pub units: usize,
    /// The input, at least `inputs` values.
    pub x: &'a [f32],
    /// Packed `[inputs, 4 units]`.
    pub weight_x: &'a [f32],
    /// The hidden state's part of the sums.
    pub state: State<'a>,
    /// `[4 units]`, interleaved as the weights.
    pub bias: &'a [f32],
    /// Cell state, `[units]`, changed in place.
    pub c: &'a mut [f32],
    /// Hidden state after the step, `[units]`.
    pub h: &'a mut [f32],
}

/// The hidden state's part of the sums, `R h`.
#[derive(Clone, Copy, Debug)]
pub enum State<'a> {
    /// It is made in the step.
    Now {
        /// Packed `[hidden, 4 units]`.
        weight: &'a [f32],
        /// Hidden state before the step, `[hidden]`.
        h: &'a [f32],
    },
    /// It was made before, `[4 units]`.
    Ahead(&'a [f32]),
}

/// # Safety
/// The processor has the instruction set of the row in which the function stands.
pub type Run = unsafe fn(&mut LstmStep);

impl LstmStep<'_> {
    /// Checks the slices against the shape.
    ///
    /// # Panics
    /// When one is too short: the caller's arithmetic is wrong, and a kernel must not run.
    pub fn check(&self) {
        assert!(self.units.is_multiple_of(GROUP), "{} units", self.units);
        assert!(holds(self.bias, PANEL, self.units), "bias is too short");
        let gates = PANEL * self.units;
        assert!(self.x.len() >= self.inputs, "x is too short");
        assert!(holds(self.weight_x, self.inputs, gates), "weight_x is too short");
        match self.state {
            State::Now { weight, h } => {
                assert!(holds(weight, self.hidden, gates), "weight_h is too short");
                assert!(h.len() >= self.hidden, "h is too short");
            }
            State::Ahead(sums) => assert!(sums.len() >= gates, "the sums are too short"),
        }
        assert!(self.h.len() >= self.units, "h is too short");
        assert!(self.c.len() >= self.units, "c is too short");
    }
}

#[cfg(test)]
pub(crate) mod exam {
    use super::*;
    use crate::conformance::{assert_close, random};
    use crate::op::activation::exam::bits;
    use crate::op::gemm::exam::pack;
    use crate::op::gemm::{Gemm, Left, Right, Start};
    use crate::op::lstm_cell::{Forward, gate_index};
    use crate::op::sigmoid;

    /// The three kernels of one instruction set that must agree.
    pub struct Kernels<'a> {
        pub step: &'a dyn Fn(&mut LstmStep),
        pub gemm: &'a dyn Fn(&Gemm, &mut [f32]),
        pub cell: &'a dyn Fn(&mut Forward),
    }

    pub fn sit(kernels: &Kernels, tolerance: f64) {
        for inputs in [0, 1, 2, 13, 40] {
            for hidden in [1, 2, 15, 16, 17, 32, 49, 64, 80, 100] {
                one(inputs, hidden, kernels, tolerance);
            }
        }
    }

    fn one(inputs: usize, hidden: usize, kernels: &Kernels, tolerance: f64) {
        let units = hidden.next_multiple_of(GROUP);
        let gates = PANEL * units;
        let (w, r, b) =
            (random(1, inputs * 4 * hidden), random(2, hidden * 4 * hidden), random(3, 4 * hidden));
        let (x, h, mut c) = (random(4, inputs), random(5, hidden), random(6, hidden));
        let of = |values: &[f32], depth: usize, k: usize, col: usize| {
            let (gate, unit) = gate_of(col);
            if unit < hidden { values[(gate * hidden + unit) * depth + k] } else { 0.0 }
        };
        let weight_x = pack(inputs, gates, |k, col| of(&w, inputs, k, col));
        let weight_h = pack(hidden, gates, |k, col| of(&r, hidden, k, col));
        let bias: Vec<f32> = (0..gates).map(|col| of(&b, 1, 0, col)).collect();
        let mut h_before = h.clone();
        h_before.resize(units, 0.0);
        c.resize(units, 0.0);
        let step = |state| {
            let (mut c, mut h) = (c.clone(), vec![9.0; units]);
            let (weight_x, bias) = (&weight_x, &bias);
            (kernels.step)(&mut LstmStep {
                inputs,
                hidden,
                units,
                x: &x,
                weight_x,
                state,
                bias,
                c: &mut c,
                h: &mut h,
            });
            (c, h)
        };
        let (c_after, h_after) = step(State::Now { weight: &weight_h, h: &h_before });

        let dot = |row: &[f32], v: &[f32]| {
            row.iter().zip(v).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>()
        };
        let z = |gate: usize, unit: usize| {
            let row = gate * hidden + unit;
            f64::from(b[row]) + dot(&w[row * inputs..][..inputs], &x) + dot(&r[row * hidden..][..hidden], &h)
        };
        let cell = |(unit, &c)| {
            let c = sigmoid(z(1, unit)) * f64::from(c) + sigmoid(z(0, unit)) * z(2, unit).tanh();
            (c, sigmoid(z(3, unit)) * c.tanh())
        };
        let mut wanted: (Vec<f64>, Vec<f64>) = c.iter().enumerate().take(hidden).map(cell).unzip();
        wanted.0.resize(units, 0.0);
        wanted.1.resize(units, 0.0);
        let place = format!("{inputs} inputs, {hidden} units");
        assert_close(&c_after, &wanted.0, tolerance, &place);
        assert_close(&h_after, &wanted.1, tolerance, &place);
        assert!(c_after[hidden..].iter().chain(&h_after[hidden..]).all(|x| *x == 0.0), "padding stays zero");

        let (mut z, mut ahead) = (vec![0.0; gates], vec![0.0; gates]);
        let product = |values, depth, right, start| Gemm {
            rows: 1,
            cols: gates,
            depth,
            left: Left { values, row_stride: 0, depth_stride: 1 },
            right: Right::Packed(right),
            start,
            out_stride: gates,
        };
        (kernels.gemm)(&product(&x, inputs, &weight_x, Start::Bias(&bias)), &mut z);
        (kernels.gemm)(&product(&h_before, hidden, &weight_h, Start::Out), &mut z);
        (kernels.gemm)(&product(&h_before, hidden, &weight_h, Start::Zero), &mut ahead);
        let (mut c_batch, mut h_batch) = (c.clone(), h_before.clone());
        (kernels.cell)(&mut Forward {
            rows: 1,
            units,
            gates: &mut z,
            c_before: &c,
            c: &mut c_batch,
            tanh_c: &mut [],
            h: &mut h_batch,
        });
        assert_eq!((bits(&c_after), bits(&h_after)), (bits(&c_batch), bits(&h_batch)), "{place}");
        let (c_ahead, h_ahead) = step(State::Ahead(&ahead));
        assert_eq!((bits(&c_ahead), bits(&h_ahead)), (bits(&c_batch), bits(&h_batch)), "{place}");
    }

    /// Gate and unit of a packed column: the inverse of [`gate_index`].
    fn gate_of(col: usize) -> (usize, usize) {
        let (gate, unit) = (col / GROUP % PANEL, col / (PANEL * GROUP) * GROUP + col % GROUP);
        assert_eq!(gate_index(gate, unit), col);
        (gate, unit)
    }

    #[test]
    #[should_panic(expected = "bias is too short")]
    fn a_shape_whose_gates_wrap_is_refused() {
        let (x, weight_x, state) = (&[], &[], State::Ahead(&[]));
        let units = 1 << 62;
        LstmStep { inputs: 0, hidden: units, units, x, weight_x, state, bias: &[], c: &mut [], h: &mut [] }
            .check();
    }
}
