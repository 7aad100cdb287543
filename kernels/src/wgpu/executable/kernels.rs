//! The pipelines of one shape, its weights on the device, and the dispatches of a chunk.

use std::fmt::Write;

use ::wgpu::{BindGroup, Buffer, CommandEncoder};

use super::room::Room;
use crate::gpu::cut::Cut;
use crate::gpu::{Precision, packed};
use crate::op::network::{Spec, Weights};
use crate::wgpu::error::WgpuError;
use crate::wgpu::gpu::Gpu;
use crate::wgpu::kernel::{self, Kernel};
use crate::wgpu::shape::{self, HIDDEN_MAX, Recurrence};
use crate::wgpu::source::{self, Constant, specialised};
use crate::wgpu::transfer::{STORAGE, bytes};

/// A layer's weights.
#[derive(Debug)]
struct Layer {
    weight_x: Buffer,
    weight_h: Buffer,
    bias: Buffer,
}

/// How layers are taken through time.
#[derive(Debug)]
enum Steps {
    /// In one dispatch.
    Fused { kernel: Kernel, cut: Recurrence },
    /// A product and a cell for each step.
    Single { product: Kernel, cell: Kernel },
}

/// Everything that does not depend on the batch.
#[derive(Debug)]
pub struct Kernels {
    spec: Spec,
    /// Layer 0's projection, and that of the layers above.
    projection: [Kernel; 2],
    steps: Steps,
    dense: Kernel,
    layers: Vec<Layer>,
    head: [Buffer; 2],
    weight_bytes: usize,
    groups_max: usize,
}

/// What a batch's buffers are bound with: for each layer its projection and its steps, then the head.
#[derive(Debug)]
pub struct Bound {
    layers: Vec<(BindGroup, BindGroup, Option<BindGroup>)>,
    dense: BindGroup,
}

/// Whether a kernel writes what is bound at 1, 2, and so on.
const RECURRENCE: &[bool] = &[false, false, true, true, true];
const CELL: &[bool] = &[false, true, true, true];

impl Kernels {
    pub fn new(gpu: &Gpu, weights: &Weights<f32>, precision: Precision) -> Result<Self, WgpuError> {
        use Constant::{Choice, Size};
        let spec = weights.spec;
        let units = ("UNITS", Size(spec.hidden));
        let product = |what, depth, add| {
            let constants = [units, ("DEPTH", Size(depth)), ("ADD", Choice(add)), ("PER_STEP", Choice(add))];
            Kernel::new(gpu, what, specialised(source::PRODUCT, precision, &constants), kernel::ONE_OUTPUT)
        };
        let room = shape::Room {
            invocations: gpu
                .limits
                .max_compute_invocations_per_workgroup
                .min(gpu.limits.max_compute_workgroup_size_x) as usize,
            workgroup_bytes: gpu.limits.max_compute_workgroup_storage_size as usize,
        };
        let steps = match shape::recurrence(spec.hidden, precision, room) {
            Some(cut) => {
                let len = if cut.resident { spec.hidden * spec.hidden } else { 1 };
                let constants = [
                    units,
                    ("LANES", Size(cut.lanes)),
                    ("LANE_UNITS", Size(cut.lane_units)),
                    ("ROWS", Size(cut.rows)),
                    ("GROUPS", Size(cut.groups)),
                    ("RESIDENT", Choice(cut.resident)),
                    ("RESIDENT_LEN", Size(len)),
                ];
                let text = specialised(source::RECURRENCE, precision, &constants);
                Steps::Fused {
                    kernel: Kernel::new(gpu, "the kernel of the recurrence", text, RECURRENCE)?,
                    cut,
                }
            }
            None => {
                let text = specialised(source::LSTM_CELL, Precision::F32, &[units]);
                Steps::Single {
                    product: product("the kernel of the recurrent product", spec.hidden, true)?,
                    cell: Kernel::new(gpu, "the kernel of the cell", text, CELL)?,
                }
            }
        };
        let outputs = [units, ("OUTPUTS", Size(spec.output))];
        let dense = specialised(source::DENSE, Precision::F32, &outputs);
        let mut weight_bytes = 0;
        let mut upload = |what, data: Vec<u8>| {
            weight_bytes += data.len();
            let buffer = gpu.buffer(what, data.len() as u64, STORAGE)?;
            gpu.queue.write_buffer(&buffer, 0, &data);
            Ok::<_, WgpuError>(buffer)
        };
        let layers = packed::layers(weights)
            .into_iter()
            .map(|layer| {
                Ok(Layer {
                    weight_x: upload("a layer's input weights", precision.encode(&layer.weight_x))?,
                    weight_h: upload("a layer's recurrent weights", precision.encode(&layer.weight_h))?,
                    bias: upload("a layer's bias", bytes(&layer.bias))?,
                })
            })
            .collect::<Result<_, WgpuError>>()?;
        let (weight, bias) = weights.head();
        let head = [upload("the head's weights", bytes(weight))?, upload("the head's bias", bytes(bias))?];
        Ok(Self {
            spec,
            projection: [
                product("the kernel of the first projection", spec.input, false)?,
                product("the kernel of the projections", spec.hidden, false)?,
            ],
            steps,
            dense: Kernel::new(gpu, "the kernel of the head", dense, kernel::ONE_OUTPUT)?,
            layers,
            head,
            weight_bytes,
            groups_max: gpu.limits.max_compute_workgroups_per_dimension as usize,
        })
    }

    /// Binds the buffers of `room`, whose own bindings are not there yet.
    pub fn bind(&self, gpu: &Gpu, buffers: &super::room::Buffers) -> Bound {
        let places = &buffers.places;
        let layers = self.layers.iter().enumerate().map(|(index, layer)| {
            let below = if index == 0 { &buffers.x } else { &buffers.sequence[(index + 1) % 2] };
            let above = &buffers.sequence[index % 2];
            let (h, c) = (&buffers.state_h[index], &buffers.state_c[index]);
            let gates = &buffers.gates;
            let projection = self.projection[index.min(1)].bind(
                gpu,
                places,
                &[below, &layer.weight_x, &layer.bias, gates],
            );
            let (steps, cell) = match &self.steps {
                Steps::Fused { kernel, .. } => {
                    (kernel.bind(gpu, places, &[gates, &layer.weight_h, h, c, above]), None)
                }
                Steps::Single { product, cell } => (
                    product.bind(gpu, places, &[h, &layer.weight_h, &layer.bias, gates]),
                    Some(cell.bind(gpu, places, &[gates, h, c, above])),
                ),
            };
            (projection, steps, cell)
        });
        let last = &buffers.state_h[self.spec.layers - 1];
        let [weight, bias] = &self.head;
        let dense = self.dense.bind(gpu, places, &[last, weight, bias, &buffers.out]);
        Bound { layers: layers.collect(), dense }
    }

    /// Takes every layer through a chunk.
    pub fn layers(&self, encoder: &mut CommandEncoder, room: &Room, Cut { rows, steps }: Cut) {
        let units = self.spec.hidden.div_ceil(32);
        for (index, (projection, recurrent, cell)) in room.bound.layers.iter().enumerate() {
            let tiles = (rows * steps).div_ceil(64);
            self.projection[index.min(1)].dispatch(encoder, (projection, 0), (units, tiles));
            match (&self.steps, cell) {
                (Steps::Single { product, cell }, Some(bound)) => {
                    let groups = (rows * self.spec.hidden).div_ceil(256).min(self.groups_max);
                    for step in 0..steps {
                        let place = step * room.place_stride;
                        product.dispatch(encoder, (recurrent, place), (units, rows.div_ceil(64)));
                        cell.dispatch(encoder, (bound, place), (groups, 1));
                    }
                }
                (Steps::Fused { kernel, cut }, _) => {
                    let blocks = rows.div_ceil(cut.rows * cut.groups);
                    kernel.dispatch(encoder, (recurrent, 0), (blocks, 1));
                }
                (Steps::Single { .. }, None) => {}
            }
        }
    }

    /// Applies the head to what the last layer left.
    pub fn head(&self, encoder: &mut CommandEncoder, room: &Room, rows: usize) {
        let groups = (rows * self.spec.output).div_ceil(64).min(self.groups_max);
        self.dense.dispatch(encoder, (&room.bound.dense, 0), (groups, 1));
    }

    /// The slots of places that a chunk of `steps` needs.
    pub const fn places(&self, steps: usize) -> usize {
        match self.steps {
            Steps::Fused { .. } => 1,
            Steps::Single { .. } => steps,
        }
    }

    pub fn explain(&self) -> String {
        let mut text = format!("weights      {} bytes on the device\nrecurrence   ", self.weight_bytes);
        let _ = match &self.steps {
            Steps::Fused { cut: Recurrence { lanes, rows, groups, resident, .. }, .. } => write!(
                text,
                "all steps of {} windows in a workgroup of {} invocations, weights {}",
                rows * groups,
                lanes * groups,
                if *resident { "in workgroup memory" } else { "from the caches" }
            ),
            Steps::Single { .. } => {
                write!(
                    text,
                    "a product for each step, as a layer is wider than {HIDDEN_MAX} or this device has no room"
                )
            }
        };
        text
    }
}
