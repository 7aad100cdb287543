//! One direction of an LSTM layer, forward and back through time.
//!
//! States lie in `time + 1` places: a forward pass goes from place `t` to `t + 1` in step `t`, a reverse pass from
//! `t + 1` to `t`, so that what is between two places is the same step for both. As in the training of plain models
//! the input's products are one for all steps, and the gradient by the pre-activations overwrites the gates.

use diapason_buffer::Buffer;
use diapason_buffer::buffer::OutOfMemory;

use super::plan::{PassForm, padded};
use super::weights::{PassWeights, zeroed};
use crate::cpu::Kernels;
use crate::lstm::train::words::outer;
use crate::op::gemm::{Gemm, Left, Right, Start};
use crate::op::lstm_cell::{Backward, Forward};

/// The series of a shard: `time` steps of `rows` series.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub time: usize,
    pub rows: usize,
}

impl Shape {
    /// Rows of all steps.
    pub const fn all(self) -> usize {
        self.time * self.rows
    }
}

/// What a pass keeps for the way back.
#[derive(Debug)]
pub struct Trace {
    /// `[time, rows, 4 units]`.
    gates: Buffer<f32>,
    /// `[time + 1, rows, units]`.
    pub c: Buffer<f32>,
    /// `[time + 1, rows, padded width]`.
    h: Buffer<f32>,
    /// `[time, rows, units]`.
    tanh_c: Buffer<f32>,
    /// What is projected, `[time, rows, units]`; empty without a projection.
    cells: Buffer<f32>,
    /// Gradient by the hidden states, `[time, rows, padded width]`.
    d_h: Buffer<f32>,
    /// Gradient by the last cell states, `[rows, units]`, from what reads them; then by those before.
    pub d_c: Buffer<f32>,
    /// Gradient by what is projected, `[rows, units]`.
    d_cells: Buffer<f32>,
}

impl Trace {
    pub fn new(form: &PassForm, Shape { time, rows }: Shape) -> Result<Self, OutOfMemory> {
        let (units, width) = (form.units(), padded(form.width));
        let projected = |len: usize| zeroed(if form.weight_hr.is_some() { len } else { 0 });
        Ok(Self {
            gates: zeroed(time * rows * form.gates())?,
            c: zeroed((time + 1) * rows * units)?,
            h: zeroed((time + 1) * rows * width)?,
            tanh_c: zeroed(time * rows * units)?,
            cells: projected(time * rows * units)?,
            d_h: zeroed(time * rows * width)?,
            d_c: zeroed(rows * units)?,
            d_cells: projected(rows * units)?,
        })
    }
}

/// Of a layer's sequence `[time, rows, stride]`, the columns of this pass.
#[derive(Clone, Copy, Debug)]
pub struct Columns {
    pub first: usize,
    pub stride: usize,
}

impl PassForm {
    /// The place of the states before step `t`.
    const fn before(&self, t: usize) -> usize {
        t + self.reverse as usize
    }

    /// The place of the states after the last step.
    pub const fn last(&self, time: usize) -> usize {
        if self.reverse { 0 } else { time }
    }

    /// The step that comes `step`-th.
    const fn at(&self, step: usize, time: usize) -> usize {
        if self.reverse { time - 1 - step } else { step }
    }

    /// From a sequence `x` of rows of padded inputs to the columns of `out`.
    pub fn forward(
        &self,
        (kernels, weights): (&Kernels, &PassWeights),
        shape: Shape,
        x: &[f32],
        trace: &mut Trace,
        (columns, out): (Columns, &mut [f32]),
    ) {
        let Shape { time, rows } = shape;
        let (units, gates, width) = (self.units(), self.gates(), padded(self.width));
        let (state, wide) = (rows * units, rows * width);
        let Trace { gates: z, c, h, tanh_c, cells, .. } = trace;
        let product = (self.input, gates, weights.weight_x.as_ref());
        let input = (x, padded(self.input));
        kernels.gemm(&Gemm::packed(shape.all(), input, product, Start::Bias(&weights.bias)), z);
        let start = self.before(self.at(0, time));
        c[start * state..][..state].fill(0.0);
        h[start * wide..][..wide].fill(0.0);
        for step in 0..time {
            let t = self.at(step, time);
            let z = &mut z[t * rows * gates..][..rows * gates];
            let (lower, upper) = h.split_at_mut((t + 1) * wide);
            let (h_before, h) = if self.reverse {
                (&upper[..wide], &mut lower[t * wide..])
            } else {
                (&lower[t * wide..], upper)
            };
            // The state before the first step is zero, and adds nothing.
            if step > 0 {
                let product = (self.width, gates, weights.weight_h.as_ref());
                kernels.gemm(&Gemm::packed(rows, (h_before, width), product, Start::Out), z);
            }
            let (lower, upper) = c.split_at_mut((t + 1) * state);
            let (c_before, c) = if self.reverse {
                (&upper[..state], &mut lower[t * state..])
            } else {
                (&lower[t * state..], upper)
            };
            let tanh_c = &mut tanh_c[t * state..][..state];
            if self.weight_hr.is_none() {
                kernels.lstm_cell_forward(&mut Forward { rows, units, gates: z, c_before, c, tanh_c, h });
            } else {
                let cells = &mut cells[t * state..][..state];
                kernels.lstm_cell_forward(&mut Forward {
                    rows,
                    units,
                    gates: z,
                    c_before,
                    c,
                    tanh_c,
                    h: cells,
                });
                let product = rows_product((rows, cells, units), (self.hidden, width, &weights.project));
                kernels.gemm(&product, h);
            }
            for row in 0..rows {
                let to = &mut out[(t * rows + row) * columns.stride + columns.first..][..self.width];
                to.copy_from_slice(&h[row * width..][..self.width]);
            }
        }
    }

    /// Back through time: from the gradient by the columns of `d_out` to the gradient of the weights, and in the gates
    /// that by the pre-activations.
    pub fn backward(
        &self,
        (kernels, weights): (&Kernels, &PassWeights),
        shape: Shape,
        x: &[f32],
        trace: &mut Trace,
        (columns, d_out): (Columns, &[f32]),
        gradient: &mut [f32],
    ) {
        let Shape { time, rows } = shape;
        let (units, gates, width) = (self.units(), self.gates(), padded(self.width));
        let (state, wide) = (rows * units, rows * width);
        let Trace { gates: z, c, h, tanh_c, cells, d_h, d_c, d_cells } = trace;
        for place in 0..shape.all() {
            let from = &d_out[place * columns.stride + columns.first..][..self.width];
            d_h[place * width..][..self.width].copy_from_slice(from);
            d_h[place * width..][self.width..width].fill(0.0);
        }
        for step in (0..time).rev() {
            let t = self.at(step, time);
            let z = &mut z[t * rows * gates..][..rows * gates];
            let here = &d_h[t * wide..][..wide];
            let by_cells = if self.weight_hr.is_none() {
                here
            } else {
                let product = rows_product((rows, here, width), (self.width, units, &weights.back_project));
                kernels.gemm(&product, d_cells);
                d_cells.as_ref()
            };
            kernels.lstm_cell_backward(&mut Backward {
                rows,
                units,
                gates: z,
                c_before: &c[self.before(t) * state..],
                tanh_c: &tanh_c[t * state..],
                d_h: by_cells,
                d_c,
            });
            if step > 0 {
                let t = self.at(step - 1, time);
                let product = (gates, width, weights.back_h.as_ref());
                let before = &mut d_h[t * wide..][..wide];
                kernels.gemm(&Gemm::packed(rows, (z, gates), product, Start::Out), before);
            }
        }
        let [of_x, of_h, of_bias, of_projection] = self.parts(gradient);
        let z = z.as_ref();
        outer(kernels, (gates, z), (padded(self.input), x), shape.all(), of_x);
        // The state before the first step is zero: its rows add nothing. What lies between is places 1 to time - 1.
        let later = if self.reverse { z } else { &z[rows * gates..] };
        outer(kernels, (gates, later), (width, &h[wide..]), shape.all() - rows, of_h);
        sum_rows(kernels, (gates, z), shape.all(), of_bias);
        if self.weight_hr.is_some() {
            outer(kernels, (width, d_h), (units, cells), shape.all(), of_projection);
        }
    }

    /// Adds the gradient by the rows that went in.
    pub fn below(
        &self,
        (kernels, weights): (&Kernels, &PassWeights),
        shape: Shape,
        trace: &Trace,
        d_x: &mut [f32],
    ) {
        let gates = self.gates();
        let product = (gates, padded(self.input), weights.back_x.as_ref());
        kernels.gemm(&Gemm::packed(shape.all(), (&trace.gates, gates), product, Start::Out), d_x);
    }
}

/// Rows times a matrix that lies row by row.
pub const fn rows_product<'a>(
    (rows, values, row_stride): (usize, &'a [f32], usize),
    (depth, cols, matrix): (usize, usize, &'a [f32]),
) -> Gemm<'a> {
    let left = Left { values, row_stride, depth_stride: 1 };
    let right = Right::Rows { values: matrix, stride: cols };
    Gemm { rows, cols, depth, left, right, start: Start::Zero, out_stride: cols }
}

/// The sum of all rows.
pub fn sum_rows(kernels: &Kernels, (cols, values): (usize, &[f32]), rows: usize, out: &mut [f32]) {
    let left = Left { values: &[1.0], row_stride: 0, depth_stride: 0 };
    let right = Right::Rows { values, stride: cols };
    kernels
        .gemm(&Gemm { rows: 1, cols, depth: rows, left, right, start: Start::Zero, out_stride: cols }, out);
}
