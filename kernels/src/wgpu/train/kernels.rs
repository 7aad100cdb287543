//! The pipelines of training for one shape, the weights on the device, and the dispatches of a shard.

use ::wgpu::{BindGroup, Buffer, CommandEncoder};

use super::cut::TILE;
use super::gradient::rows as interleaved;
use super::room::{Buffers, Room, sums};
use crate::gpu::Precision;
use crate::gpu::packed::{self, GATES};
use crate::op::network::{Spec, Weights};
use crate::wgpu::error::WgpuError;
use crate::wgpu::gpu::Gpu;
use crate::wgpu::kernel::{Kernel, ONE_OUTPUT};
use crate::wgpu::source::{self, Constant, specialised};
use crate::wgpu::transfer::{STORAGE, bytes};

/// A layer's weights.
#[derive(Debug)]
struct Layer {
    weight_x: Buffer,
    weight_h: Buffer,
    bias: Buffer,
    /// For the way back.
    rows_x: Buffer,
    rows_h: Buffer,
}

/// The sum of outer products, and the sum of its parts.
#[derive(Debug)]
struct Sum {
    outer: Kernel,
    total: Kernel,
}

/// Everything that does not depend on the batch.
#[derive(Debug)]
pub struct Kernels {
    spec: Spec,
    /// Layer 0's projection, and that of the layers above where there are some.
    projection: Vec<Kernel>,
    recurrent: Kernel,
    cell: Kernel,
    dense: Kernel,
    head_back: Kernel,
    /// Of the top, and of the layers below where there are some.
    cell_back: Vec<Kernel>,
    carry: Kernel,
    below: Option<Kernel>,
    /// As [`sums`] has them.
    sums: Vec<Sum>,
    layers: Vec<Layer>,
    head: [Buffer; 2],
    groups_max: usize,
}

/// What a shard's buffers are bound with.
#[derive(Debug)]
pub struct Bound {
    layers: Vec<BoundLayer>,
    dense: BindGroup,
    head_back: BindGroup,
    head_sum: [BindGroup; 2],
}

#[derive(Debug)]
struct BoundLayer {
    projection: BindGroup,
    recurrent: BindGroup,
    cell: BindGroup,
    cell_back: BindGroup,
    carry: BindGroup,
    below: Option<BindGroup>,
    sum_x: [BindGroup; 2],
    sum_h: [BindGroup; 2],
}

/// Which of [`sums`] is over a layer's input.
const fn sum_of_x(layer: usize) -> usize {
    if layer == 0 { 0 } else { 3 }
}

/// Whether a kernel writes what is bound at 1, 2, and so on.
const CELL: &[bool] = &[true, true, true, true];
const CELL_BACK: &[bool] = &[true, false, false, false, true];
const MATRIX: &[bool] = &[false, false, true];
const TOTAL: &[bool] = &[false, true];

impl Kernels {
    pub fn new(gpu: &Gpu, weights: &Weights<f32>) -> Result<Self, WgpuError> {
        use Constant::{Choice, Size};
        let spec = weights.spec;
        let units = ("UNITS", Size(spec.hidden));
        let kernel = |what, text: &str, constants: &[(&str, Constant)], writes| {
            Kernel::new(gpu, what, specialised(text, Precision::F32, constants), writes)
        };
        let product = |what, depth, add| {
            let constants = [units, ("DEPTH", Size(depth)), ("ADD", Choice(add)), ("PER_STEP", Choice(add))];
            kernel(what, source::PRODUCT, &constants, ONE_OUTPUT)
        };
        let matrix = |what, depth, per_step| {
            let constants =
                [("DEPTH", Size(depth)), ("COLS", Size(spec.hidden)), ("PER_STEP", Choice(per_step))];
            kernel(what, source::MATRIX, &constants, MATRIX)
        };
        let cell_back = |top| {
            kernel(
                "the kernel of the cell's way back",
                source::CELL_BACK,
                &[units, ("TOP", Choice(top))],
                CELL_BACK,
            )
        };
        let sum = |left: usize, cols: usize, shift: bool| {
            let height = if shift { left } else { left + 1 };
            let constants = [
                ("LEFT", Size(left)),
                ("COLS", Size(cols)),
                ("SHIFT", Choice(shift)),
                ("BIAS", Choice(!shift)),
            ];
            Ok::<_, WgpuError>(Sum {
                outer: kernel("the kernel of a weight's gradient", source::OUTER, &constants, MATRIX)?,
                total: kernel("the kernel of a sum", source::TOTAL, &[("LEN", Size(height * cols))], TOTAL)?,
            })
        };
        let gates = GATES * spec.hidden;
        let layer = |index: usize| {
            let (x, h) = (gates * spec.layer_input(index), gates * spec.hidden);
            let storage = |what, len: usize| gpu.buffer(what, (size_of::<f32>() * len) as u64, STORAGE);
            Ok(Layer {
                weight_x: storage("a layer's input weights", x)?,
                weight_h: storage("a layer's recurrent weights", h)?,
                bias: storage("a layer's bias", gates)?,
                rows_x: storage("a layer's input weights for the way back", x)?,
                rows_h: storage("a layer's recurrent weights for the way back", h)?,
            })
        };
        let (weight, bias) = weights.head();
        let storage = |what, len: usize| gpu.buffer(what, (size_of::<f32>() * len) as u64, STORAGE);
        let kernels = Self {
            spec,
            projection: [spec.input, spec.hidden]
                .into_iter()
                .take(spec.layers)
                .map(|depth| product("the kernel of a projection", depth, false))
                .collect::<Result<_, _>>()?,
            recurrent: product("the kernel of the recurrent product", spec.hidden, true)?,
            cell: kernel("the kernel of the cell", source::CELL_FORWARD, &[units], CELL)?,
            dense: kernel(
                "the kernel of the head",
                source::DENSE,
                &[units, ("OUTPUTS", Size(spec.output))],
                ONE_OUTPUT,
            )?,
            head_back: matrix("the kernel of the head's way back", spec.output, true)?,
            cell_back: [true, false]
                .into_iter()
                .take(spec.layers)
                .map(cell_back)
                .collect::<Result<_, _>>()?,
            carry: matrix("the kernel of the way back in time", gates, true)?,
            below: (spec.layers > 1)
                .then(|| matrix("the kernel of the way back to the layer below", gates, false))
                .transpose()?,
            sums: [
                (spec.input, gates, false),
                (spec.hidden, gates, true),
                (spec.hidden, spec.output, false),
                (spec.hidden, gates, false),
            ]
            .into_iter()
            .take(2 + spec.layers.min(2))
            .map(|(left, cols, shift)| sum(left, cols, shift))
            .collect::<Result<_, _>>()?,
            layers: (0..spec.layers).map(layer).collect::<Result<_, WgpuError>>()?,
            head: [storage("the head's weights", weight.len())?, storage("the head's bias", bias.len())?],
            groups_max: gpu.limits.max_compute_workgroups_per_dimension as usize,
        };
        kernels.fill(gpu, weights);
        Ok(kernels)
    }

    /// Takes the weights over.
    pub fn fill(&self, gpu: &Gpu, weights: &Weights<f32>) {
        let write = |buffer: &Buffer, values: &[f32]| gpu.queue.write_buffer(buffer, 0, &bytes(values));
        for (index, (layer, packed)) in self.layers.iter().zip(packed::layers(weights)).enumerate() {
            let (plain, inputs) = (weights.layer(index), self.spec.layer_input(index));
            write(&layer.weight_x, &packed.weight_x);
            write(&layer.weight_h, &packed.weight_h);
            write(&layer.bias, &packed.bias);
            write(&layer.rows_x, &interleaved(plain.weight_ih, (self.spec.hidden, inputs)));
            write(&layer.rows_h, &interleaved(plain.weight_hh, (self.spec.hidden, self.spec.hidden)));
        }
        let (weight, bias) = weights.head();
        write(&self.head[0], weight);
        write(&self.head[1], bias);
    }

    pub fn bind(&self, gpu: &Gpu, buffers: &Buffers) -> Bound {
        let Buffers { places, state_h, d_h, d_c, above, parts, gradients, .. } = buffers;
        let top = self.spec.layers - 1;
        let sum = |kernel: &Sum, left: &Buffer, right: &Buffer, to: &Buffer| {
            [
                kernel.outer.bind(gpu, places, &[left, right, parts]),
                kernel.total.bind(gpu, places, &[parts, to]),
            ]
        };
        let layers = self.layers.iter().enumerate().map(|(index, layer)| {
            let below = if index == 0 { &buffers.x } else { &buffers.sequence[index - 1] };
            let (gates, cells, sequence) =
                (&buffers.gates[index], &buffers.cells[index], &buffers.sequence[index]);
            let from = if index == top { &buffers.d_top } else { above };
            BoundLayer {
                projection: self.projection[index.min(1)].bind(
                    gpu,
                    places,
                    &[below, &layer.weight_x, &layer.bias, gates],
                ),
                recurrent: self.recurrent.bind(gpu, places, &[state_h, &layer.weight_h, &layer.bias, gates]),
                cell: self.cell.bind(gpu, places, &[gates, cells, state_h, sequence]),
                cell_back: self.cell_back[usize::from(index < top)].bind(
                    gpu,
                    places,
                    &[gates, cells, from, d_h, d_c],
                ),
                carry: self.carry.bind(gpu, places, &[gates, &layer.rows_h, d_h]),
                below: self
                    .below
                    .as_ref()
                    .filter(|_| index > 0)
                    .map(|below| below.bind(gpu, places, &[gates, &layer.rows_x, above])),
                sum_x: sum(&self.sums[sum_of_x(index)], below, gates, &gradients[2 * index]),
                sum_h: sum(&self.sums[1], sequence, gates, &gradients[2 * index + 1]),
            }
        });
        let [weight, bias] = &self.head;
        Bound {
            layers: layers.collect(),
            dense: self.dense.bind(gpu, places, &[state_h, weight, bias, &buffers.logits]),
            head_back: self.head_back.bind(gpu, places, &[&buffers.d_logits, weight, &buffers.d_top]),
            head_sum: sum(&self.sums[2], state_h, &buffers.d_logits, &gradients[2 * self.spec.layers]),
        }
    }

    fn cells(&self, rows: usize) -> usize {
        (rows * self.spec.hidden).div_ceil(256).min(self.groups_max)
    }

    /// Takes `rows` windows through every layer and the head.
    pub fn forward(&self, encoder: &mut CommandEncoder, room: &Room, rows: usize) {
        let (units, cells) = (self.spec.hidden.div_ceil(32), self.cells(rows));
        for (index, bound) in room.bound.layers.iter().enumerate() {
            encoder.clear_buffer(&room.buffers.state_h, 0, None);
            let tiles = (rows * room.time).div_ceil(TILE);
            self.projection[index.min(1)].dispatch(encoder, (&bound.projection, 0), (units, tiles));
            for step in 0..room.time {
                let place = step * room.place_stride;
                // Before the first step there is no state to multiply.
                if step > 0 {
                    self.recurrent.dispatch(encoder, (&bound.recurrent, place), (units, rows.div_ceil(TILE)));
                }
                self.cell.dispatch(encoder, (&bound.cell, place), (cells, 1));
            }
        }
        let groups = (rows * self.spec.output).div_ceil(TILE).min(self.groups_max);
        self.dense.dispatch(encoder, (&room.bound.dense, 0), (groups, 1));
    }

    /// Takes the gradient by the logits back through everything and adds what it is by every weight.
    pub fn backward(&self, encoder: &mut CommandEncoder, room: &Room, rows: usize) {
        let (tiles, cells) = (self.spec.hidden.div_ceil(TILE), self.cells(rows));
        self.head_back.dispatch(encoder, (&room.bound.head_back, 0), (tiles, rows.div_ceil(TILE)));
        self.sum(encoder, room, rows, (2, &room.bound.head_sum));
        for (index, bound) in room.bound.layers.iter().enumerate().rev() {
            let lower = usize::from(index + 1 < self.spec.layers);
            for step in (0..room.time).rev() {
                let place = step * room.place_stride;
                self.cell_back[lower].dispatch(encoder, (&bound.cell_back, place), (cells, 1));
                if step > 0 {
                    self.carry.dispatch(encoder, (&bound.carry, place), (tiles, rows.div_ceil(TILE)));
                }
            }
            if let (Some(kernel), Some(below)) = (&self.below, &bound.below) {
                kernel.dispatch(encoder, (below, 0), (tiles, (rows * room.time).div_ceil(TILE)));
            }
            self.sum(encoder, room, rows, (sum_of_x(index), &bound.sum_x));
            self.sum(encoder, room, rows, (1, &bound.sum_h));
        }
    }

    fn sum(
        &self,
        encoder: &mut CommandEncoder,
        room: &Room,
        rows: usize,
        (sum, [outer, total]): (usize, &[BindGroup; 2]),
    ) {
        let (items, height, width) = sums(&self.spec, rows, room.time)[sum];
        let (_, parts) = super::cut::parts(items, height, width);
        let (place, kernel) = (room.sum_place(sum), &self.sums[sum]);
        let deep = [width.div_ceil(TILE), height.div_ceil(TILE), parts];
        kernel.outer.dispatch_deep(encoder, (outer, place), deep);
        let groups = (height * width).div_ceil(256).min(self.groups_max);
        kernel.total.dispatch(encoder, (total, place), (groups, 1));
    }
}
