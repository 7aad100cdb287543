//! One block of windows, each from zero state, through time and layers.
//!
//! A block goes through time in chunks, so that what it keeps fits the second-level cache whatever the length of the
//! windows. In a chunk, layer by layer, the input projection of all its steps is one product; then each step adds the
//! recurrent product and closes the cell.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use diapason_buffer::buffer::OutOfMemory;
use diapason_buffer::{Alignment, Buffer};
use ndarray::{ArrayView2, ArrayView3, Axis, s};
use thiserror::Error;

use super::cut::{BLOCK_MAX, Tuning};
use super::matrix::{Input, Matrix, Narrowed, Precision};
use super::non_finite::NonFinite;
use super::packed::Packed;
use crate::cpu::Kernels;
use crate::op::dense::Dense;
use crate::op::gemm::{PANEL, Start};
use crate::op::int8;
use crate::op::lstm_cell::Forward;

/// What of the options a block asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    pub precision: Precision,
    pub non_finite: NonFinite,
    pub tuning: Tuning,
}

/// Windows that cannot be predicted; the place for the predictions is then untouched.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum PredictError {
    /// The windows have another number of features than the model, or no time step.
    #[error("windows of shape {found:?} do not fit [batch, time of at least 1, {input} features]")]
    Windows {
        /// The shape given.
        found: [usize; 3],
        /// The features that the model reads.
        input: usize,
    },
    /// The place for the predictions has the wrong shape.
    #[error("predictions of shape {found:?} cannot hold {wanted:?}")]
    Output {
        /// The shape given.
        found: [usize; 2],
        /// The shape needed: windows and outputs.
        wanted: [usize; 2],
    },
    /// A feature is NaN or infinite.
    #[error(
        "window {window}, step {step}, feature {feature} is {value}; mend the data, or compile the model to propagate what is not finite"
    )]
    NotFinite {
        /// The window in the batch.
        window: usize,
        /// The step in the window.
        step: usize,
        /// The feature in the step.
        feature: usize,
        /// NaN or an infinity.
        value: f32,
    },
    /// Not enough memory for the intermediate values.
    #[error("no memory for the intermediate values of a batch: {0}")]
    Memory(OutOfMemory),
}

/// What one thread needs; it grows to the largest batch and is then kept.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    scratch: Option<Scratch>,
    /// Blocks done in this call and their logits, in the order in which they were done.
    pub blocks: Vec<usize>,
    pub outputs: Vec<f32>,
    pub error: Option<PredictError>,
}

/// The intermediate values of one block.
#[derive(Debug)]
struct Scratch {
    /// Steps in a chunk.
    steps: usize,
    /// `[steps, block, input]`.
    x: Buffer<f32>,
    /// `[steps, block, 4 units]`.
    gates: Buffer<f32>,
    /// `[steps, block, units]`, of the layer that is read and of the one that is written.
    sequence: [Buffer<f32>; 2],
    /// For each layer `[block, units]`: hidden state, cell state before a step and after it.
    state: Vec<[Buffer<f32>; 3]>,
    /// Rows of a product, rounded.
    narrowed: Narrowed,
    /// For each row of the block whether a feature of its window is not finite.
    spoiled: [bool; BLOCK_MAX],
}

/// Steps of a chunk.
fn steps<M>(packed: &Packed<M>, tuning: &Tuning, time: usize) -> usize {
    (tuning.chunk_bytes / (size_of::<f32>() * PANEL * packed.units * tuning.block)).clamp(1, time)
}

impl Scratch {
    fn new(packed: &Packed<Matrix>, options: &Options, time: usize) -> Result<Self, OutOfMemory> {
        let zeroed = |len| Buffer::zeroed(len, Alignment::CACHE_LINE);
        let block = options.tuning.block;
        let row = packed.units * block;
        let steps = steps(packed, &options.tuning, time);
        let state = |_| Ok([zeroed(row)?, zeroed(row)?, zeroed(row)?]);
        Ok(Self {
            steps,
            x: zeroed(steps * block * packed.spec.input)?,
            gates: zeroed(steps * PANEL * row)?,
            sequence: [zeroed(steps * row)?, zeroed(steps * row)?],
            state: (0..packed.spec.layers).map(state).collect::<Result<_, OutOfMemory>>()?,
            narrowed: Narrowed::new(steps * block, packed.depth(), options.precision)?,
            spoiled: [false; BLOCK_MAX],
        })
    }
}

/// The first bad value of the first bad window: a later window may have the earlier step, and which windows share a
/// block depends on the threads.
pub(crate) fn bad(windows: &ArrayView3<f32>, block: Range<usize>) -> PredictError {
    let (window, step, feature) = block
        .filter_map(|window| {
            let values = windows.index_axis(Axis(0), window);
            let ((step, feature), _) = values.indexed_iter().find(|(_, x)| !x.is_finite())?;
            Some((window, step, feature))
        })
        .next()
        .unwrap_or_default();
    PredictError::NotFinite { window, step, feature, value: windows[[window, step, feature]] }
}

/// Copies a window `[time, input]` step by step. Whether all its values are finite.
pub(crate) fn copy<'a>(window: &ArrayView2<f32>, to: impl Iterator<Item = &'a mut [f32]>) -> bool {
    let finite = |values: &[f32]| values.iter().fold(true, |all, x| all & x.is_finite());
    if let Some(values) = window.as_slice() {
        for (from, to) in values.chunks_exact(window.ncols()).zip(to) {
            to.copy_from_slice(from);
        }
        return finite(values);
    }
    let mut all = true;
    for (from, to) in window.outer_iter().zip(to) {
        for (to, &from) in to.iter_mut().zip(from) {
            *to = from;
        }
        all &= finite(to);
    }
    all
}

impl Workspace {
    /// Takes blocks of `height` rows, at most [`Tuning::block`], until there are none left.
    pub fn run(
        &mut self,
        kernels: &Kernels,
        (packed, options): (&Packed<Matrix>, &Options),
        windows: &ArrayView3<f32>,
        (next, height): (&AtomicUsize, usize),
    ) {
        self.blocks.clear();
        self.outputs.clear();
        let (batch, time, _) = windows.dim();
        let fits = |scratch: &Scratch| scratch.steps == steps(packed, &options.tuning, time);
        let scratch = match self.scratch.take().filter(fits) {
            Some(scratch) => self.scratch.insert(scratch),
            None => match Scratch::new(packed, options, time) {
                Ok(scratch) => self.scratch.insert(scratch),
                Err(error) => {
                    self.error = Some(PredictError::Memory(error));
                    return;
                }
            },
        };
        loop {
            let block = next.fetch_add(1, Ordering::Relaxed);
            let first = block * height;
            if first >= batch {
                return;
            }
            let rows = height.min(batch - first);
            if let Err(error) = scratch.block(kernels, (packed, options), windows, first, rows) {
                self.error = Some(error);
                return;
            }
            self.blocks.push(block);
            let (start, outputs) = (self.outputs.len(), packed.spec.output);
            self.outputs.resize(start + rows * outputs, 0.0);
            scratch.head(kernels, packed, rows, &mut self.outputs[start..]);
        }
    }
}

impl Scratch {
    /// Takes `rows` windows from zero state to their end; the top layer's hidden state is what remains.
    fn block(
        &mut self,
        kernels: &Kernels,
        (packed, options): (&Packed<Matrix>, &Options),
        windows: &ArrayView3<f32>,
        first: usize,
        rows: usize,
    ) -> Result<(), PredictError> {
        self.spoiled = [false; BLOCK_MAX];
        for [h, c, _] in &mut self.state {
            h.fill(0.0);
            c.fill(0.0);
        }
        let time = windows.dim().1;
        for start in (0..time).step_by(self.steps) {
            let steps = self.steps.min(time - start);
            let finite = self.read(windows, first, rows, start, steps);
            if !finite && options.non_finite == NonFinite::Error {
                return Err(bad(windows, first..first + rows));
            }
            for layer in 0..packed.layers.len() {
                self.layer(kernels, packed, layer, rows, steps, start == 0);
            }
        }
        Ok(())
    }

    /// Copies one chunk to `[steps, rows, input]`. Whether all its values are finite.
    fn read(
        &mut self,
        windows: &ArrayView3<f32>,
        first: usize,
        rows: usize,
        start: usize,
        steps: usize,
    ) -> bool {
        let (input, mut all) = (windows.dim().2, true);
        for row in 0..rows {
            let window = windows.index_axis(Axis(0), first + row);
            let window = window.slice(s![start..start + steps, ..]);
            let to = self.x[row * input..].chunks_mut(rows * input).map(|step| &mut step[..input]);
            let finite = copy(&window, to);
            self.spoiled[row] |= !finite;
            all &= finite;
        }
        all
    }

    /// Takes one layer through the chunk.
    fn layer(
        &mut self,
        kernels: &Kernels,
        packed: &Packed<Matrix>,
        layer: usize,
        rows: usize,
        steps: usize,
        first: bool,
    ) {
        let weights = &packed.layers[layer];
        let (units, gates) = (packed.units, PANEL * packed.units);
        let Self { x, gates: z, sequence: [above, below], state, narrowed, .. } = self;
        let input = if layer == 0 {
            Input { values: x, stride: weights.inputs, range: int8::Range::Row }
        } else {
            Input { values: below, stride: units, range: int8::Range::Unit }
        };
        let bias = Start::Bias(&weights.bias);
        weights.weight_x.product(kernels, (steps * rows, input), bias, narrowed, z);
        let [h, c, c_after] = &mut state[layer];
        for step in 0..steps {
            let z = &mut z[step * rows * gates..][..rows * gates];
            let (done, rest) = above.split_at_mut(step * rows * units);
            let before: &[f32] = if step == 0 { h } else { &done[(step - 1) * rows * units..] };
            // The state before the very first step is zero, and adds nothing.
            if !(first && step == 0) {
                let before = Input { values: before, stride: units, range: int8::Range::Unit };
                weights.weight_h.product(kernels, (rows, before), Start::Out, narrowed, z);
            }
            let c_before = c.as_ref();
            kernels.lstm_cell_forward(&mut Forward {
                rows,
                units,
                gates: z,
                c_before,
                c: c_after,
                tanh_c: &mut [],
                h: &mut rest[..rows * units],
            });
            std::mem::swap(c, c_after);
        }
        h[..rows * units].copy_from_slice(&above[(steps - 1) * rows * units..][..rows * units]);
        self.sequence.swap(0, 1);
    }

    /// Applies the head to what [`block`](Self::block) left.
    fn head(&self, kernels: &Kernels, packed: &Packed<Matrix>, rows: usize, out: &mut [f32]) {
        let [h, ..] = &self.state[packed.layers.len() - 1];
        let outputs = packed.spec.output;
        kernels.dense(&mut Dense {
            rows,
            units: packed.units,
            outputs,
            h,
            weight: &packed.head_weight,
            bias: &packed.head_bias,
            out,
        });
        for row in out.chunks_exact_mut(outputs) {
            packed.spec.head.apply_in_place(row);
        }
        for (row, _) in out.chunks_exact_mut(outputs).zip(self.spoiled).filter(|(_, spoiled)| *spoiled) {
            row.fill(f32::NAN);
        }
    }
}
