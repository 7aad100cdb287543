//! The buffers of a batch in flight.

use ::wgpu::{Buffer, BufferUsages, CommandEncoder};

use super::kernels::{Bound, Kernels};
use crate::gpu::cut::Cut;
use crate::gpu::packed::GATES;
use crate::op::network::Spec;
use crate::wgpu::error::WgpuError;
use crate::wgpu::gpu::Gpu;
use crate::wgpu::kernel::PLACE_BYTES;
use crate::wgpu::transfer::{STAGING, STORAGE, bytes};

/// Room for one cut.
#[derive(Debug)]
pub struct Room {
    pub cut: Cut,
    /// Windows whose outputs wait on the device.
    pub outputs: usize,
    /// Bytes from one place to the next.
    pub place_stride: usize,
    places_max: usize,
    pub bound: Bound,
    buffers: Buffers,
    pub out: Buffer,
    pub staging: Buffer,
}

/// What kernels see.
#[derive(Debug)]
pub struct Buffers {
    pub places: Buffer,
    /// `[steps, rows, input]`
    pub x: Buffer,
    /// `[steps, rows, units, 4]`
    pub gates: Buffer,
    /// `[steps, rows, units]`, written by the layers in turn.
    pub sequence: [Buffer; 2],
    /// For each layer `[rows, units]`.
    pub state_h: Vec<Buffer>,
    pub state_c: Vec<Buffer>,
    /// `[outputs, output]`
    pub out: Buffer,
}

impl Room {
    pub fn new(
        gpu: &Gpu,
        spec: &Spec,
        kernels: &Kernels,
        cut: Cut,
        (batch, bytes_max): (usize, usize),
    ) -> Result<Self, WgpuError> {
        let Cut { rows, steps } = cut;
        let storage = |what, len: usize| gpu.buffer(what, (size_of::<f32>() * len) as u64, STORAGE);
        let outputs = batch.min(bytes_max / (size_of::<f32>() * spec.output)).max(rows);
        let place_stride = gpu.limits.min_uniform_buffer_offset_alignment.max(PLACE_BYTES as u32) as usize;
        let places_max = kernels.places(steps);
        let states = |what| (0..spec.layers).map(move |_| storage(what, rows * spec.hidden));
        let sequence = || storage("the hidden states of a chunk", steps * rows * spec.hidden);
        let out = storage("the outputs", outputs * spec.output)?;
        let buffers = Buffers {
            places: gpu.buffer(
                "the places of a chunk",
                (place_stride * places_max) as u64,
                BufferUsages::UNIFORM | BufferUsages::COPY_DST,
            )?,
            x: storage("the features of a chunk", steps * rows * spec.input)?,
            gates: storage("the gates of a chunk", GATES * steps * rows * spec.hidden)?,
            sequence: [sequence()?, sequence()?],
            state_h: states("hidden states").collect::<Result<_, WgpuError>>()?,
            state_c: states("cell states").collect::<Result<_, WgpuError>>()?,
            out: out.clone(),
        };
        let staging = gpu.buffer(
            "the outputs on the host",
            (size_of::<f32>() * outputs * spec.output) as u64,
            STAGING,
        )?;
        let bound = kernels.bind(gpu, &buffers);
        gpu.check("binding the buffers of a batch")?;
        Ok(Self { cut, outputs, place_stride, places_max, bound, buffers, out, staging })
    }

    /// Whether it holds a batch cut so.
    pub fn holds(&self, cut: Cut, batch: usize) -> bool {
        cut.rows <= self.cut.rows && cut.steps <= self.cut.steps && batch <= self.outputs
    }

    /// Brings a chunk's features and places to the device, before the next submission.
    pub fn upload(&self, gpu: &Gpu, x: &[f32], Cut { rows, steps }: Cut, row: usize) {
        let places = self.places_max.min(steps);
        let mut words = vec![0; self.place_stride * places];
        for (step, place) in words.chunks_exact_mut(self.place_stride).enumerate() {
            for (word, value) in place.chunks_exact_mut(4).zip([rows, steps, step, row]) {
                word.copy_from_slice(&(value as u32).to_le_bytes());
            }
        }
        gpu.queue.write_buffer(&self.buffers.places, 0, &words);
        gpu.queue.write_buffer(&self.buffers.x, 0, &bytes(x));
    }

    /// Bytes of all intermediate values on the device.
    pub const fn bytes(&self, spec: &Spec) -> usize {
        let step = spec.input + (GATES + 2) * spec.hidden;
        size_of::<f32>() * self.cut.rows * (self.cut.steps * step + 2 * spec.layers * spec.hidden)
    }

    /// Zero states.
    pub fn clear(&self, encoder: &mut CommandEncoder) {
        for state in self.buffers.state_h.iter().chain(&self.buffers.state_c) {
            encoder.clear_buffer(state, 0, None);
        }
    }
}
