//! Forward and back of one shard: a few rows of the batch, by one thread, from the windows to the gradient.
//!
//! Values lie as `[time, rows, padded width]`, those that went into layer `k` at `values[k]`. Gradients by the same
//! values are collected from the heads first, then from the last layer to the first.

use diapason_buffer::Buffer;
use diapason_buffer::buffer::OutOfMemory;
use ndarray::{ArrayView2, ArrayView3, Axis};

use super::NetworkTrainError;
use super::pass::{Columns, Shape, Trace};
use super::plan::{HeadForm, Kind, LayerForm, Plan, Source, padded};
use super::weights::{Packed, zeroed};
use crate::cpu::Kernels;
use crate::lstm::train::TrainError;
use crate::lstm::train::dropout::Dropout;
use crate::op::loss::Loss;
use crate::op::lstm_stack::place;

/// What all shards of a batch share.
#[derive(Clone, Copy)]
pub struct Batch<'a> {
    pub kernels: &'a Kernels,
    pub plan: &'a Plan,
    pub packed: &'a [Packed],
    pub x: &'a ArrayView3<'a, f32>,
    /// One for each head.
    pub y: &'a [ArrayView2<'a, f32>],
    pub losses: &'a [Loss],
    /// Absent in evaluation.
    pub dropout: Option<Dropout>,
}

/// The intermediate values of one shard.
#[derive(Debug)]
pub struct Workspace {
    time: usize,
    rows_max: usize,
    /// What goes into each layer, and what comes out of the last.
    values: Vec<Buffer<f32>>,
    /// The gradients by the same; empty for the windows.
    d_values: Vec<Buffer<f32>>,
    /// Of each layer what its passes keep; none where it is no LSTM.
    traces: Vec<Vec<Trace>>,
    /// Of each layer that dropout lies before: factors, what it reads instead, and the gradient by that.
    dropped: Vec<Option<[Buffer<f32>; 3]>>,
    heads: Vec<HeadValues>,
}

/// What a head keeps: its values before each of its layers and after the last, and the gradients by these.
#[derive(Debug)]
struct HeadValues {
    values: Vec<Buffer<f32>>,
    d_values: Vec<Buffer<f32>>,
}

impl Workspace {
    pub fn new(plan: &Plan, shape: Shape, dropout: bool) -> Result<Self, OutOfMemory> {
        let all = shape.all();
        let widths = || std::iter::once(plan.input).chain(plan.layers.iter().map(|layer| layer.output));
        let traces = |layer: &LayerForm| match &layer.kind {
            Kind::Lstm(passes) => passes.iter().map(|pass| Trace::new(pass, shape)).collect(),
            Kind::Dense(_) | Kind::Each(_) | Kind::Softmax => Ok(Vec::new()),
        };
        let dropped = |layer: &LayerForm| {
            let room = || zeroed(all * padded(layer.input));
            Ok(if dropout && layer.after_lstm { Some([room()?, room()?, room()?]) } else { None })
        };
        let head = |head: &HeadForm| {
            let rows = if head.is_sequence { all } else { shape.rows };
            let widths =
                || std::iter::once(head.sources.len()).chain(head.layers.iter().map(|layer| layer.output));
            let room = || widths().map(|width| zeroed(rows * padded(width))).collect::<Result<_, _>>();
            Ok(HeadValues { values: room()?, d_values: room()? })
        };
        Ok(Self {
            time: shape.time,
            rows_max: shape.rows,
            values: widths().map(|width| zeroed(all * padded(width))).collect::<Result<_, _>>()?,
            d_values: (widths().enumerate())
                .map(|(layer, width)| zeroed(if layer == 0 { 0 } else { all * padded(width) }))
                .collect::<Result<_, _>>()?,
            traces: plan.layers.iter().map(traces).collect::<Result<_, OutOfMemory>>()?,
            dropped: plan.layers.iter().map(dropped).collect::<Result<_, OutOfMemory>>()?,
            heads: plan.heads.iter().map(head).collect::<Result<_, OutOfMemory>>()?,
        })
    }

    /// Whether it was made for these numbers.
    pub const fn fits(&self, shape: Shape) -> bool {
        self.time == shape.time && self.rows_max >= shape.rows
    }

    /// The sum over the heads of the rows' mean losses; leaves what [`backward`](Self::backward) needs.
    pub fn forward(&mut self, batch: &Batch, first: usize, rows: usize) -> Result<f64, NetworkTrainError> {
        let shape = Shape { time: self.time, rows };
        self.read(batch, first, rows)?;
        for (place, layer) in batch.plan.layers.iter().enumerate() {
            self.drop_out(batch, place, first, shape);
            let (below, above) = self.values.split_at_mut(place + 1);
            let x = self.dropped[place].as_ref().map_or(&below[place], |[_, product, _]| product);
            let out = &mut above[0];
            match (&layer.kind, &batch.packed[place]) {
                (Kind::Lstm(forms), Packed::Lstm(weights)) => {
                    let mut columns = Columns { first: 0, stride: padded(layer.output) };
                    for ((form, weights), trace) in forms.iter().zip(weights).zip(&mut self.traces[place]) {
                        form.forward((batch.kernels, weights), shape, x, trace, (columns, out));
                        columns.first += form.width;
                    }
                }
                (_, packed) => layer.apply((batch.kernels, packed), shape.all(), x, out),
            }
        }
        let mut sum = 0.0;
        let mut packed = &batch.packed[batch.plan.layers.len()..];
        for (index, head) in batch.plan.heads.iter().enumerate() {
            let (here, rest) = packed.split_at(head.layers.len());
            sum += self.head(batch, (index, head, here), first, shape)?;
            packed = rest;
        }
        Ok(sum)
    }

    /// Copies the rows to `[time, rows, padded inputs]` and looks at every value.
    fn read(&mut self, batch: &Batch, first: usize, rows: usize) -> Result<(), NetworkTrainError> {
        let stride = padded(batch.plan.input);
        for row in 0..rows {
            let window = first + row;
            for ((time, feature), &value) in batch.x.index_axis(Axis(0), window).indexed_iter() {
                if !value.is_finite() {
                    return Err(TrainError::Feature { window, time, feature, value }.into());
                }
                self.values[0][(time * rows + row) * stride + feature] = value;
            }
        }
        Ok(())
    }

    fn drop_out(&mut self, batch: &Batch, layer: usize, first: usize, Shape { time, rows }: Shape) {
        let Some([factors, product, _]) = &mut self.dropped[layer] else { return };
        let form = &batch.plan.layers[layer];
        let (width, stride, below) = (form.input, padded(form.input), form.lstm - 1);
        for t in 0..time {
            for row in 0..rows {
                let at = (t * rows + row) * stride;
                // The place in [layer, batch, time, width], which knows of no shard and no padding.
                let place = ((below * batch.x.dim().0 + first + row) * time + t) * width;
                for unit in 0..width {
                    let factor = batch.dropout.map_or(1.0, |dropout| dropout.factor((place + unit) as u64));
                    factors[at + unit] = factor;
                    product[at + unit] = factor * self.values[layer][at + unit];
                }
            }
        }
    }

    /// One head and its loss, and the gradient by its last values.
    fn head(
        &mut self,
        batch: &Batch,
        (index, head, packed): (usize, &HeadForm, &[Packed]),
        first: usize,
        shape: Shape,
    ) -> Result<f64, NetworkTrainError> {
        let Shape { time, rows } = shape;
        let steps = if head.is_sequence { time } else { 1 };
        let HeadValues { values, d_values } = &mut self.heads[index];
        let stride = padded(head.sources.len());
        for step in 0..steps {
            for row in 0..rows {
                let to = &mut values[0][(step * rows + row) * stride..][..head.sources.len()];
                for (to, &source) in to.iter_mut().zip(&head.sources) {
                    *to = match source {
                        Source::Output { layer, step: wanted, column } => {
                            let t = wanted.map_or(step, |wanted| place(wanted, time).unwrap_or(step));
                            let stride = padded(batch.plan.layers[layer].output);
                            self.values[layer + 1][(t * rows + row) * stride + column]
                        }
                        Source::Cell { layer, pass, unit } => {
                            let Kind::Lstm(forms) = &batch.plan.layers[layer].kind else { continue };
                            let at = (forms[pass].last(time) * rows + row) * forms[pass].units() + unit;
                            self.traces[layer][pass].c[at]
                        }
                    };
                }
            }
        }
        for (place, layer) in head.layers.iter().enumerate() {
            let (below, above) = values.split_at_mut(place + 1);
            layer.apply((batch.kernels, &packed[place]), steps * rows, &below[place], &mut above[0]);
        }
        let (loss, y, width) = (batch.losses[index], &batch.y[index], head.output);
        let scale = 1.0 / divisor(batch, index, steps);
        let (mut output, mut target, mut sum) = (vec![0.0; width], vec![0.0; width], 0.0);
        let (Some(logits), Some(d_logits)) = (values.last(), d_values.last_mut()) else { return Ok(0.0) };
        for row in 0..rows {
            let window = first + row;
            for step in 0..steps {
                for (place, target) in target.iter_mut().enumerate() {
                    let output = step * width + place;
                    *target = y[[window, output]];
                    if !target.is_finite() {
                        return Err(TrainError::Target { window, output, value: *target }.into());
                    }
                }
                let at = (step * rows + row) * padded(width);
                let (logits, d_logits) = (&logits[at..][..width], &mut d_logits[at..][..width]);
                head.function.apply(logits, &mut output);
                let one = loss.row(head.function, logits, &output, &target, scale as f32, d_logits);
                sum += f64::from(one) * scale;
            }
        }
        Ok(sum)
    }

    /// The gradient of the shard, into `gradient`, after [`forward`](Self::forward) of the same rows.
    pub fn backward(&mut self, batch: &Batch, rows: usize, gradient: &mut [f32]) {
        let shape = Shape { time: self.time, rows };
        self.d_values.iter_mut().for_each(|values| values.fill(0.0));
        self.traces.iter_mut().flatten().for_each(|trace| trace.d_c.fill(0.0));
        let mut packed = &batch.packed[batch.plan.layers.len()..];
        for (index, head) in batch.plan.heads.iter().enumerate() {
            let (here, rest) = packed.split_at(head.layers.len());
            self.head_backward(batch, (index, head, here), shape, gradient);
            packed = rest;
        }
        for (place, layer) in batch.plan.layers.iter().enumerate().rev() {
            let (d_below, d_above) = self.d_values.split_at_mut(place + 1);
            let (d_x, d_out) = (&mut d_below[place], &mut d_above[0]);
            let dropped = &mut self.dropped[place];
            let x = dropped.as_ref().map_or(&self.values[place], |[_, product, _]| product);
            match (&layer.kind, &batch.packed[place]) {
                (Kind::Lstm(forms), Packed::Lstm(weights)) => {
                    let mut columns = Columns { first: 0, stride: padded(layer.output) };
                    for ((form, weights), trace) in forms.iter().zip(weights).zip(&mut self.traces[place]) {
                        form.backward((batch.kernels, weights), shape, x, trace, (columns, d_out), gradient);
                        columns.first += form.width;
                    }
                    if place == 0 {
                        continue;
                    }
                    let passes = || forms.iter().zip(weights).zip(&self.traces[place]);
                    if let Some([factors, _, d_product]) = dropped {
                        d_product.fill(0.0);
                        for ((form, weights), trace) in passes() {
                            form.below((batch.kernels, weights), shape, trace, d_product);
                        }
                        let products = d_product.iter().zip(factors.iter());
                        d_x.iter_mut().zip(products).for_each(|(d_x, (d, factor))| *d_x += d * factor);
                    } else {
                        for ((form, weights), trace) in passes() {
                            form.below((batch.kernels, weights), shape, trace, d_x);
                        }
                    }
                }
                (_, packed) => {
                    let y = &self.values[place + 1];
                    // Nothing asks for the gradient by the windows, but a dense layer writes one.
                    let mut none;
                    let d_x = if place > 0 {
                        d_x.as_mut()
                    } else {
                        none = vec![0.0; x.len()];
                        &mut none
                    };
                    let kernels = (batch.kernels, packed);
                    layer.apply_backward(kernels, shape.all(), (x, y), (d_x, d_out), gradient);
                }
            }
        }
    }

    /// Back through the layers of a head, and to what it reads.
    fn head_backward(
        &mut self,
        batch: &Batch,
        (index, head, packed): (usize, &HeadForm, &[Packed]),
        Shape { time, rows }: Shape,
        gradient: &mut [f32],
    ) {
        let steps = if head.is_sequence { time } else { 1 };
        let HeadValues { values, d_values } = &mut self.heads[index];
        for (place, layer) in head.layers.iter().enumerate().rev() {
            let (d_below, d_above) = d_values.split_at_mut(place + 1);
            let (d_x, d_y) = (&mut d_below[place], &mut d_above[0]);
            d_x.fill(0.0);
            let (x, y) = (&values[place], &values[place + 1]);
            layer.apply_backward((batch.kernels, &packed[place]), steps * rows, (x, y), (d_x, d_y), gradient);
        }
        let stride = padded(head.sources.len());
        for step in 0..steps {
            for row in 0..rows {
                let from = &d_values[0][(step * rows + row) * stride..][..head.sources.len()];
                for (&d, &source) in from.iter().zip(&head.sources) {
                    match source {
                        Source::Output { layer, step: wanted, column } => {
                            let t = wanted.map_or(step, |wanted| place(wanted, time).unwrap_or(step));
                            let stride = padded(batch.plan.layers[layer].output);
                            self.d_values[layer + 1][(t * rows + row) * stride + column] += d;
                        }
                        Source::Cell { layer, pass, unit } => {
                            let Kind::Lstm(forms) = &batch.plan.layers[layer].kind else { continue };
                            self.traces[layer][pass].d_c[row * forms[pass].units() + unit] += d;
                        }
                    }
                }
            }
        }
    }
}

/// What the sum of a head's losses is divided by.
#[expect(clippy::cast_precision_loss, reason = "a batch has far fewer than 2^53 values")]
fn divisor(batch: &Batch, head: usize, steps: usize) -> f64 {
    batch.losses[head].divisor(batch.x.dim().0 * steps, batch.plan.heads[head].output) as f64
}
