//! Forward and back-propagation through time of one shard: a few rows of the batch, by one thread, from the windows to
//! the gradient.
//!
//! Everything is `[time, rows, ...]`. The input projection of all steps is one product, written where the gates will
//! be kept. On the way back the gradient by the pre-activations overwrites the gates; only its recurrent product is
//! inside the loop over time, the products for the weights and for the layer below follow after it.
//!
//! Where gradients go back some steps only, the steps before go forward through the same memory, segment by segment,
//! each from the states in which the one before ended; a short one comes first, so that the last is full.

use diapason_buffer::buffer::OutOfMemory;
use diapason_buffer::{Alignment, Buffer};
use ndarray::{ArrayView2, ArrayView3, s};

use super::dropout::Dropout;
use super::error::TrainError;
use super::gradient::Layout;
use super::states::States;
use super::transposed::Transposed;
use super::words::{LayerWords, Room, Weight, Words, outer, outer_bf16};
use crate::cpu::Kernels;
use crate::lstm::block::copy;
use crate::lstm::packed::Packed;
use crate::op::bf16::Narrow;
use crate::op::dense::Dense;
use crate::op::gemm::{Gemm, Left, PANEL, Right, Start};
use crate::op::loss::Loss;
use crate::op::lstm_cell::{Backward, Forward};

/// What all shards of a batch share.
#[derive(Clone, Copy)]
pub(super) struct Batch<'a> {
    pub kernels: &'a Kernels,
    pub packed: &'a Packed,
    pub transposed: &'a Transposed,
    /// Where products are in bf16.
    pub words: Option<&'a Words>,
    pub layout: &'a Layout,
    pub x: &'a ArrayView3<'a, f32>,
    pub y: &'a ArrayView2<'a, f32>,
    /// What each window begins with, if not with zero.
    pub states: Option<&'a States>,
    /// Steps over which gradients go back.
    pub kept: usize,
    pub loss: Loss,
    /// Absent in evaluation.
    pub dropout: Option<Dropout>,
}

impl<'a> Batch<'a> {
    /// A packed matrix of `layer`, and the same rounded, which `words` picks.
    fn weight(
        &self,
        layer: usize,
        (depth, cols, full): (usize, usize, &'a [f32]),
        words: impl Fn(&'a LayerWords) -> &'a [u32],
    ) -> Weight<'a> {
        Weight { depth, cols, full, words: self.words.map(|all| words(&all.layers[layer])) }
    }
}

/// The intermediate values of one shard.
#[derive(Debug)]
pub(super) struct Workspace {
    /// Steps that there is room for.
    time: usize,
    rows_max: usize,
    segment: Segment,
    /// `[time, rows, padded inputs]`.
    x: Buffer<f32>,
    layers: Vec<Trace>,
    /// `[time, rows, units]`: the gradient by a layer's hidden states, of the layer at work and of the one below.
    d_h: [Buffer<f32>; 2],
    /// `[rows, units]`.
    d_c: Buffer<f32>,
    /// `[rows, output]`.
    logits: Buffer<f32>,
    output: Buffer<f32>,
    d_logits: Buffer<f32>,
    target: Buffer<f32>,
    room: Room,
}

/// The steps that are in the workspace.
#[derive(Clone, Copy, Debug, Default)]
struct Segment {
    /// The first in the window.
    start: usize,
    /// How many; as many as there is room for in the last segment.
    steps: usize,
    /// Whether it begins with a state that is not zero.
    carried: bool,
}

/// What one layer keeps for the way back.
#[derive(Debug)]
struct Trace {
    /// `[time, rows, 4 units]`.
    gates: Buffer<f32>,
    /// `[time + 1, rows, units]`, the first being what the segment begins with.
    c: Buffer<f32>,
    /// `[time + 1, rows, units]`, likewise.
    h: Buffer<f32>,
    /// `[time, rows, units]`.
    tanh_c: Buffer<f32>,
    /// With dropout above this layer: factors, and the products that the layer above reads. `[time, rows, units]`.
    dropped: Option<[Buffer<f32>; 2]>,
}

impl Workspace {
    pub fn new(
        layout: &Layout,
        time: usize,
        rows_max: usize,
        (dropout, bf16): (bool, bool),
    ) -> Result<Self, OutOfMemory> {
        let zeroed = |len| Buffer::zeroed(len, Alignment::CACHE_LINE);
        let (spec, row) = (layout.spec, rows_max * layout.units);
        let mut layers = Vec::with_capacity(spec.layers);
        for layer in 0..spec.layers {
            let dropped = if dropout && layer + 1 < spec.layers {
                Some([zeroed(time * row)?, zeroed(time * row)?])
            } else {
                None
            };
            layers.push(Trace {
                gates: zeroed(time * PANEL * row)?,
                c: zeroed((time + 1) * row)?,
                h: zeroed((time + 1) * row)?,
                tanh_c: zeroed(time * row)?,
                dropped,
            });
        }
        let outputs = || zeroed(rows_max * spec.output);
        Ok(Self {
            time,
            rows_max,
            segment: Segment::default(),
            x: zeroed(time * rows_max * layout.inputs(0))?,
            layers,
            d_h: [zeroed(time * row)?, zeroed(time * row)?],
            d_c: zeroed(row)?,
            logits: outputs()?,
            output: outputs()?,
            d_logits: outputs()?,
            target: outputs()?,
            room: Room::new(bf16, time * rows_max, PANEL * layout.units, layout.inputs(0).max(layout.units))?,
        })
    }

    /// Whether it was made for these numbers.
    pub fn fits(&self, time: usize, rows_max: usize) -> bool {
        self.time == time && self.rows_max >= rows_max
    }

    /// The sum of the rows' losses before the mean; leaves what [`backward`](Self::backward) needs.
    pub fn forward(&mut self, batch: &Batch, first: usize, rows: usize) -> Result<f64, TrainError> {
        self.begin(batch, first, rows);
        let (time, kept) = (batch.x.dim().1, self.time);
        let mut start = 0;
        while start < time {
            let rest = time % kept;
            let steps = if start == 0 && rest > 0 { rest } else { kept };
            self.segment = Segment { start, steps, carried: start > 0 || batch.states.is_some() };
            self.read(batch, first, rows)?;
            for layer in 0..self.layers.len() {
                self.layer_forward(batch, layer, rows);
                self.drop_out(batch, layer, first, rows);
            }
            start += steps;
            if start < time {
                let state = rows * batch.packed.units;
                for Trace { c, h, .. } in &mut self.layers {
                    c.copy_within(steps * state..(steps + 1) * state, 0);
                    h.copy_within(steps * state..(steps + 1) * state, 0);
                }
            }
        }
        Ok(self.head(batch, rows))
    }

    /// Takes the states before the first step.
    fn begin(&mut self, batch: &Batch, first: usize, rows: usize) {
        let (hidden, units) = (batch.packed.spec.hidden, batch.packed.units);
        for (layer, Trace { c, h, .. }) in self.layers.iter_mut().enumerate() {
            c[..rows * units].fill(0.0);
            h[..rows * units].fill(0.0);
            let Some(states) = batch.states else { continue };
            for (to, from) in [(&mut *h, &states.h), (&mut *c, &states.c)] {
                for row in 0..rows {
                    let to = &mut to[row * units..][..hidden];
                    to.iter_mut()
                        .zip(from.slice(s![layer, first + row, ..]))
                        .for_each(|(to, &from)| *to = from);
                }
            }
        }
    }

    /// Copies the rows of the segment to `[time, rows, padded inputs]`, with the first the targets, and looks at every
    /// value.
    fn read(&mut self, batch: &Batch, first: usize, rows: usize) -> Result<(), TrainError> {
        let Segment { start, steps, .. } = self.segment;
        let (padded, input) = (batch.layout.inputs(0), batch.packed.spec.input);
        for row in 0..rows {
            let window = first + row;
            let values = batch.x.slice(s![window, start..start + steps, ..]);
            // The padding behind each step's features stays as it was made: zero.
            let to = self.x[row * padded..].chunks_mut(rows * padded).map(|step| &mut step[..input]);
            if !copy(&values, to.take(steps)) {
                let bad = values.indexed_iter().find(|(_, x)| !x.is_finite());
                if let Some(((time, feature), &value)) = bad {
                    return Err(TrainError::Feature { window, time: start + time, feature, value });
                }
            }
            if start > 0 {
                continue;
            }
            let outputs = batch.packed.spec.output;
            let to = &mut self.target[row * outputs..][..outputs];
            for (output, (to, &from)) in to.iter_mut().zip(batch.y.row(window)).enumerate() {
                *to = from;
                if !from.is_finite() {
                    return Err(TrainError::Target { window, output, value: from });
                }
            }
        }
        Ok(())
    }

    /// The states at the end, without padding: hidden, then cell, `[layers, rows, hidden]` each.
    pub fn states(&self, batch: &Batch, rows: usize, states: &mut Vec<f32>) {
        let (hidden, units) = (batch.packed.spec.hidden, batch.packed.units);
        let end = self.time * rows * units;
        let last = |values: &Buffer<f32>, states: &mut Vec<f32>| {
            let rows = values[end..][..rows * units].chunks_exact(units);
            states.extend(rows.flat_map(|row| &row[..hidden]));
        };
        states.clear();
        self.layers.iter().for_each(|trace| last(&trace.h, states));
        self.layers.iter().for_each(|trace| last(&trace.c, states));
    }

    fn layer_forward(&mut self, batch: &Batch, layer: usize, rows: usize) {
        let Batch { kernels, packed, layout, .. } = *batch;
        let (weights, units) = (&packed.layers[layer], packed.units);
        let (gates, state) = (PANEL * units, rows * units);
        let (below, here) = self.layers.split_at_mut(layer);
        let (Trace { gates: z, c, h, tanh_c, .. }, room) = (&mut here[0], &mut self.room.narrowed);
        let source = below.last().map_or(self.x.as_ref(), |below| below.read(rows, units));
        let full = (weights.inputs, gates, weights.weight_x.as_ref());
        let projection = batch.weight(layer, full, |words| &words.weight_x);
        let full = (packed.spec.hidden, gates, weights.weight_h.as_ref());
        let recurrence = batch.weight(layer, full, |words| &words.weight_h);
        let Segment { steps, carried, .. } = self.segment;
        let source = (steps * rows, source, layout.inputs(layer));
        projection.product(kernels, source, Start::Bias(&weights.bias), room, z);
        for time in 0..steps {
            let z = &mut z[time * rows * gates..][..rows * gates];
            let (c_before, c) = c[time * state..].split_at_mut(state);
            let (h_before, h) = h[time * state..].split_at_mut(state);
            // A state of zero adds nothing.
            if time > 0 || carried {
                recurrence.product(kernels, (rows, h_before, units), Start::Out, room, z);
            }
            let tanh_c = &mut tanh_c[time * state..][..state];
            kernels.lstm_cell_forward(&mut Forward { rows, units, gates: z, c_before, c, tanh_c, h });
        }
    }

    fn drop_out(&mut self, batch: &Batch, layer: usize, first: usize, rows: usize) {
        let (hidden, units) = (batch.packed.spec.hidden, batch.packed.units);
        let Trace { h, dropped: Some([factors, product]), .. } = &mut self.layers[layer] else { return };
        let Segment { start, steps, .. } = self.segment;
        let (batch_rows, window, _) = batch.x.dim();
        for time in 0..steps {
            for row in 0..rows {
                let at = (time * rows + row) * units;
                // The place in [layer, batch, time, hidden], which knows of no shard and no padding.
                let place = ((layer * batch_rows + first + row) * window + start + time) * hidden;
                for unit in 0..hidden {
                    let factor = batch.dropout.map_or(1.0, |dropout| dropout.factor((place + unit) as u64));
                    factors[at + unit] = factor;
                    product[at + unit] = factor * h[rows * units + at + unit];
                }
            }
        }
    }

    /// The head and the loss, and the gradient by the logits.
    fn head(&mut self, batch: &Batch, rows: usize) -> f64 {
        let Batch { kernels, packed, loss, .. } = *batch;
        let (spec, units) = (packed.spec, packed.units);
        let last = &self.layers[spec.layers - 1].h[self.time * rows * units..];
        kernels.dense(&mut Dense {
            rows,
            units,
            outputs: spec.output,
            h: last,
            weight: &packed.head_weight,
            bias: &packed.head_bias,
            out: &mut self.logits,
        });
        let scale = 1.0 / divisor(batch) as f32;
        let mut sum = 0.0;
        for row in 0..rows {
            let range = row * spec.output..(row + 1) * spec.output;
            let (logits, output) = (&self.logits[range.clone()], &mut self.output[range.clone()]);
            spec.head.apply(logits, output);
            let (target, d_logits) = (&self.target[range.clone()], &mut self.d_logits[range]);
            sum += f64::from(loss.row(spec.head, logits, output, target, scale, d_logits));
        }
        sum
    }

    /// The gradient of the shard, into `flat`, after [`forward`](Self::forward) of the same rows.
    pub fn backward(&mut self, batch: &Batch, rows: usize, flat: &mut [f32]) {
        self.head_backward(batch, rows, flat);
        for layer in (0..self.layers.len()).rev() {
            self.layer_backward(batch, layer, rows);
            self.weight_gradient(batch, layer, rows, flat);
            if layer > 0 {
                self.below(batch, layer, rows);
            }
        }
    }

    /// The head's gradient, and the gradient by the last hidden state.
    fn head_backward(&mut self, batch: &Batch, rows: usize, flat: &mut [f32]) {
        let (spec, units) = (batch.packed.spec, batch.packed.units);
        let (weight, bias) = batch.layout.head(flat);
        weight.fill(0.0);
        bias.fill(0.0);
        let last = &self.layers[spec.layers - 1].h[self.time * rows * units..];
        let d_last = &mut self.d_h[0][(self.time - 1) * rows * units..][..rows * units];
        d_last.fill(0.0);
        for row in 0..rows {
            let (h, d_h) = (&last[row * units..][..units], &mut d_last[row * units..][..units]);
            let d_logits = &self.d_logits[row * spec.output..][..spec.output];
            for (output, (&d, bias)) in d_logits.iter().zip(bias.iter_mut()).enumerate() {
                *bias += d;
                let part = output * units..(output + 1) * units;
                let weights = &batch.packed.head_weight[part.clone()];
                for (((sum, &h), d_h), &w) in weight[part].iter_mut().zip(h).zip(d_h.iter_mut()).zip(weights)
                {
                    *sum += d * h;
                    *d_h += d * w;
                }
            }
        }
    }

    /// Back through time: the gates become the gradient by the pre-activations.
    fn layer_backward(&mut self, batch: &Batch, layer: usize, rows: usize) {
        let Batch { kernels, packed, transposed, .. } = *batch;
        let (units, gates, state) = (packed.units, PANEL * packed.units, rows * packed.units);
        let top = layer + 1 == self.layers.len();
        let Trace { gates: z, c, tanh_c, .. } = &mut self.layers[layer];
        let (d_h, room) = (&mut self.d_h[0], &mut self.room.narrowed);
        let full = (gates, units, transposed.layers[layer].weight_h.as_ref());
        let recurrence = batch.weight(layer, full, |words| &words.back_h);
        self.d_c[..state].fill(0.0);
        for time in (0..self.time).rev() {
            let z = &mut z[time * rows * gates..][..rows * gates];
            kernels.lstm_cell_backward(&mut Backward {
                rows,
                units,
                gates: z,
                c_before: &c[time * state..],
                tanh_c: &tanh_c[time * state..],
                d_h: &d_h[time * state..],
                d_c: &mut self.d_c,
            });
            if time > 0 {
                // What comes from above is there already, save in the top layer, where only the last step has any.
                let start = if top { Start::Zero } else { Start::Out };
                // In bf16 the rounded rows of every step are kept for the layer below.
                let room = room.get_mut(time * rows * gates / 2..).unwrap_or_default();
                let d_h = &mut d_h[(time - 1) * state..][..state];
                recurrence.product(kernels, (rows, z, gates), start, room, d_h);
            }
        }
    }

    /// The products of the gradient by the pre-activations with what went in, over all steps and rows at once.
    fn weight_gradient(&mut self, batch: &Batch, layer: usize, rows: usize, flat: &mut [f32]) {
        let Batch { kernels, packed, layout, .. } = *batch;
        let (units, gates) = (packed.units, PANEL * packed.units);
        let part = layout.layer(flat, layer);
        let d_z = self.layers[layer].gates.as_ref();
        let inputs = match layer.checked_sub(1) {
            None => self.x.as_ref(),
            Some(below) => self.layers[below].read(rows, units),
        };
        let all = self.time * rows;
        let width = layout.inputs(layer);
        let h = &self.layers[layer].h;
        if batch.words.is_some() {
            let inputs = [(width, inputs), (units, h.as_ref())];
            let out = [part.weight_x, part.weight_h];
            outer_bf16(kernels, (gates, d_z), inputs, all, &mut self.room, out);
        } else {
            outer(kernels, (gates, d_z), (width, inputs), all, part.weight_x);
            // A hidden state of zero before the first step adds nothing.
            let skipped = if self.segment.carried { 0 } else { rows };
            let (d_z, h) = (&d_z[skipped * gates..], &h[skipped * units..]);
            outer(kernels, (gates, d_z), (units, h), all - skipped, part.weight_h);
        }
        let ones = Gemm {
            rows: 1,
            cols: gates,
            depth: all,
            left: Left { values: &[1.0], row_stride: 0, depth_stride: 0 },
            right: Right::Rows { values: d_z, stride: gates },
            start: Start::Zero,
            out_stride: gates,
        };
        kernels.gemm(&ones, part.bias);
    }

    /// The gradient by the hidden states of the layer below, which is next.
    fn below(&mut self, batch: &Batch, layer: usize, rows: usize) {
        let Batch { kernels, packed, transposed, .. } = *batch;
        let (units, gates) = (packed.units, PANEL * packed.units);
        let full = (gates, units, transposed.layers[layer].weight_x.as_ref());
        let weights = batch.weight(layer, full, |words| &words.back_x);
        let (d_z, narrowed) = (self.layers[layer].gates.as_ref(), &mut self.room.narrowed);
        let out = &mut self.d_h[1];
        if batch.words.is_some() {
            // All but the first step's rows are rounded already.
            let first = &mut narrowed[..rows * gates / 2];
            kernels.bf16_gemm_narrow(&mut Narrow { rows, depth: gates, from: d_z, stride: gates, to: first });
            weights.narrowed(kernels, self.time * rows, Start::Zero, narrowed, out);
        } else {
            weights.product(kernels, (self.time * rows, d_z, gates), Start::Zero, narrowed, out);
        }
        self.d_h.swap(0, 1);
        if let Some([factors, _]) = &self.layers[layer - 1].dropped {
            for (d_h, &factor) in self.d_h[0].iter_mut().zip(factors.iter()).take(self.time * rows * units) {
                *d_h *= factor;
            }
        }
    }
}

impl Trace {
    /// What the layer above reads, `[time, rows, units]`.
    fn read(&self, rows: usize, units: usize) -> &[f32] {
        match &self.dropped {
            Some([_, product]) => product,
            None => &self.h[rows * units..],
        }
    }
}

/// What the sum of losses is divided by.
#[expect(clippy::cast_precision_loss, reason = "a batch has far fewer than 2^53 values")]
pub(super) fn divisor(batch: &Batch) -> f64 {
    batch.loss.divisor(batch.x.dim().0, batch.packed.spec.output) as f64
}
