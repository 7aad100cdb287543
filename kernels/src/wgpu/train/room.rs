//! The buffers of a shard.

use ::wgpu::{Buffer, BufferUsages, CommandEncoder};

use super::cut::parts;
use super::gradient::lengths;
use super::kernels::{Bound, Kernels};
use crate::gpu::packed::GATES;
use crate::op::network::Spec;
use crate::wgpu::error::WgpuError;
use crate::wgpu::gpu::Gpu;
use crate::wgpu::kernel::PLACE_BYTES;
use crate::wgpu::transfer::{STAGING, STORAGE, bytes};

/// Room for one shard.
#[derive(Debug)]
pub struct Room {
    pub rows: usize,
    pub time: usize,
    /// Bytes from one place to the next.
    pub place_stride: usize,
    pub bound: Bound,
    pub buffers: Buffers,
    /// The outputs, or the whole gradient, on the host.
    pub staging: Buffer,
    /// Bytes on the device.
    pub bytes: usize,
}

/// What kernels see.
#[derive(Debug)]
pub struct Buffers {
    pub places: Buffer,
    /// `[time, rows, input]`
    pub x: Buffer,
    /// For each layer `[time, rows, units, 4]`.
    pub gates: Vec<Buffer>,
    /// For each layer `[time, rows, units]`.
    pub cells: Vec<Buffer>,
    pub sequence: Vec<Buffer>,
    /// `[rows, units]`
    pub state_h: Buffer,
    pub d_h: Buffer,
    pub d_c: Buffer,
    /// `[rows, units]`: the gradient that comes from the head.
    pub d_top: Buffer,
    /// `[time, rows, units]`: the gradient that comes from the layer above.
    pub above: Buffer,
    /// `[rows, output]`
    pub logits: Buffer,
    pub d_logits: Buffer,
    /// Parts of the sum over rows.
    pub parts: Buffer,
    /// By [`lengths`].
    pub gradients: Vec<Buffer>,
}

/// What sums are over: the rows of the first layer's input, of a layer's states, of the head, of the other layers' inputs.
pub const SUMS: usize = 4;

/// (rows that are summed, height and width of the result) of each of [`SUMS`].
pub fn sums(spec: &Spec, rows: usize, time: usize) -> [(usize, usize, usize); SUMS] {
    let gates = GATES * spec.hidden;
    [
        (rows * time, spec.input + 1, gates),
        (rows * time, spec.hidden, gates),
        (rows, spec.hidden + 1, spec.output),
        (rows * time, spec.hidden + 1, gates),
    ]
}

impl Room {
    pub fn new(
        gpu: &Gpu,
        spec: &Spec,
        kernels: &Kernels,
        rows: usize,
        time: usize,
    ) -> Result<Self, WgpuError> {
        let mut all = 0;
        let mut storage = |what, len: usize| {
            all += size_of::<f32>() * len;
            gpu.buffer(what, (size_of::<f32>() * len) as u64, STORAGE)
        };
        let place_stride = gpu.limits.min_uniform_buffer_offset_alignment.max(PLACE_BYTES as u32) as usize;
        let (state, steps) = (rows * spec.hidden, rows * time * spec.hidden);
        let mut each =
            |what, len| (0..spec.layers).map(|_| storage(what, len)).collect::<Result<Vec<_>, _>>();
        let gates = each("the gates of a layer", GATES * steps)?;
        let cells = each("the cell states of a layer", steps)?;
        let sequence = each("the hidden states of a layer", steps)?;
        let longest = sums(spec, rows, time)
            .map(|(items, height, width)| parts(items, height, width).1 * height * width)
            .into_iter()
            .fold(0, usize::max);
        let gradients = lengths(spec).into_iter().map(|len| storage("a weight's gradient", len));
        let gradients = gradients.collect::<Result<Vec<_>, _>>()?;
        let buffers = Buffers {
            places: gpu.buffer(
                "the places of a shard",
                (place_stride * (time + SUMS)) as u64,
                BufferUsages::UNIFORM | BufferUsages::COPY_DST,
            )?,
            x: storage("the features of a shard", rows * time * spec.input)?,
            gates,
            cells,
            sequence,
            state_h: storage("hidden states", state)?,
            d_h: storage("gradients by hidden states", state)?,
            d_c: storage("gradients by cell states", state)?,
            d_top: storage("the gradient from the head", state)?,
            above: storage("the gradient from above", steps)?,
            logits: storage("the outputs", rows * spec.output)?,
            d_logits: storage("the gradient by the outputs", rows * spec.output)?,
            parts: storage("the parts of a gradient", longest)?,
            gradients,
        };
        let host = lengths(spec).into_iter().sum::<usize>().max(rows * spec.output);
        let staging = gpu.buffer("the gradient on the host", (size_of::<f32>() * host) as u64, STAGING)?;
        let bound = kernels.bind(gpu, &buffers);
        gpu.check("binding the buffers of a shard")?;
        Ok(Self { rows, time, place_stride, bound, buffers, staging, bytes: all })
    }

    /// Brings a shard's features and places to the device, before the next submission.
    pub fn upload(&self, gpu: &Gpu, spec: &Spec, x: &[f32], rows: usize) {
        let mut places: Vec<[usize; 4]> = (0..self.time).map(|step| [rows, self.time, step, 0]).collect();
        places.extend(sums(spec, rows, self.time).map(|(items, height, width)| {
            let (part, parts) = parts(items, height, width);
            [items, rows, part, parts]
        }));
        let mut words = vec![0; self.place_stride * places.len()];
        for (slot, place) in words.chunks_exact_mut(self.place_stride).zip(places) {
            for (word, value) in slot.chunks_exact_mut(4).zip(place) {
                word.copy_from_slice(&(value as u32).to_le_bytes());
            }
        }
        gpu.queue.write_buffer(&self.buffers.places, 0, &words);
        gpu.queue.write_buffer(&self.buffers.x, 0, &bytes(x));
    }

    /// Where the place of a sum lies.
    pub const fn sum_place(&self, sum: usize) -> usize {
        (self.time + sum) * self.place_stride
    }

    /// Sets the gradient to zero.
    pub fn clear(&self, encoder: &mut CommandEncoder) {
        self.buffers.gradients.iter().for_each(|gradient| encoder.clear_buffer(gradient, 0, None));
    }
}
