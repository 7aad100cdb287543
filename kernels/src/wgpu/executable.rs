//! A model on a GPU: its weights, its pipelines, and the buffers of a batch in flight.

use std::collections::VecDeque;
use std::fmt::Write;

use ndarray::{ArrayView3, ArrayViewMut2};

use super::error::WgpuError;
use super::gpu::Gpu;
use super::transfer::{download, submit};
use crate::gpu::cut::{Cut, cut, step_bytes};
use crate::gpu::{Options, windows};
use crate::lstm::Lstm;
use crate::op::network::Spec;

mod kernels;
mod room;

use kernels::Kernels;
use room::Room;

/// Submissions that are on their way while the host copies the next: one that runs and one that waits.
const IN_FLIGHT_MAX: usize = 2;
/// Bytes of the largest buffer of a chunk: past the caches of any device, short of a second's work on a slow one.
const CHUNK_BYTES: u64 = 64 << 20;
/// Windows in flight at most: enough for 16 rows on each of 256 multiprocessors; more only costs memory.
const ROWS_MAX: usize = 4096;
/// Windows in flight below which a batch is not cut any further for want of memory.
const ROWS_MIN: usize = 64;

/// A model made ready for one GPU.
#[derive(Debug)]
pub struct WgpuExecutable {
    gpu: Gpu,
    spec: Spec,
    options: Options,
    kernels: Kernels,
    room: Option<Room>,
    /// Bytes that the largest buffer may take; less after the device had no memory for more.
    chunk_bytes: u64,
}

impl Lstm {
    /// Compiles kernels for this model's shape and brings its weights to `gpu`.
    ///
    /// # Errors
    /// [`WgpuError`] when the device lacks the precision, the memory or the room for a weight matrix, a weight is not finite, or
    /// the driver refuses a kernel.
    pub fn compile_wgpu(&self, gpu: &Gpu, options: &Options) -> Result<WgpuExecutable, WgpuError> {
        let (spec, precision) = (self.spec(), options.precision);
        if !gpu.offers(precision) {
            return Err(WgpuError::Precision { adapter: gpu.name(), precision, offered: gpu.offered() });
        }
        self.check_finite().map_err(WgpuError::Weight)?;
        if let Some(index) = precision.too_large(&self.weights().values) {
            let value = self.weights().values[index];
            return Err(WgpuError::Range { index, value, precision });
        }
        let kernels = Kernels::new(gpu, self.weights(), precision)?;
        let chunk_bytes = gpu.binding_bytes_max().min(CHUNK_BYTES);
        Ok(WgpuExecutable {
            gpu: gpu.clone(),
            spec,
            options: options.clone(),
            kernels,
            room: None,
            chunk_bytes,
        })
    }
}

impl WgpuExecutable {
    /// Predicts a batch of windows `[batch, time, input]`, each from zero state, into `[batch, output]`, as
    /// [`Executable::predict`](crate::lstm::Executable::predict) does, within the
    /// [tolerance](crate::gpu::Precision::tolerance) of its precision. A window's numbers do not depend on its batch.
    ///
    /// # Errors
    /// [`WgpuError`] when a shape does not fit, a feature is not finite and may not be, or the device fails; `out` is then
    /// untouched.
    #[expect(clippy::needless_pass_by_value, reason = "views go by value, as references do")]
    pub fn predict(
        &mut self,
        windows: ArrayView3<f32>,
        mut out: ArrayViewMut2<f32>,
    ) -> Result<(), WgpuError> {
        windows::check(&self.spec, &windows, &out)?;
        let batch = windows.dim().0;
        let (mut spoiled, mut logits) = (vec![false; batch], Vec::new());
        while let Err(error) = self.run(&windows, &mut spoiled, &mut logits) {
            if let WgpuError::Predict(_) = error {
                return Err(error);
            }
            // Whatever is still under way keeps its own buffers; the next batch gets new ones.
            self.room = None;
            self.shrink(error, &windows)?;
            logits.clear();
        }
        windows::write(&self.spec, &mut logits, (0, &spoiled), &mut out);
        Ok(())
    }

    /// After a lack of memory halves what is asked for next time; any other error is returned, and so is a lack that no cut
    /// helps against.
    fn shrink(&mut self, error: WgpuError, windows: &ArrayView3<f32>) -> Result<(), WgpuError> {
        let WgpuError::Memory { adapter, what, wanted, .. } = error else { return Err(error) };
        let (batch, time, _) = windows.dim();
        let rows = cut(&self.spec, (batch, time), (ROWS_MAX, self.bytes_max())).map_or(0, |cut| cut.rows);
        let less = self.chunk_bytes / 2;
        if rows <= ROWS_MIN.min(batch) && less < (ROWS_MIN * step_bytes(&self.spec)) as u64 {
            return Err(WgpuError::Memory { adapter, what, wanted, rows });
        }
        self.chunk_bytes = less;
        Ok(())
    }

    fn bytes_max(&self) -> usize {
        usize::try_from(self.chunk_bytes).unwrap_or(usize::MAX)
    }

    /// Takes all windows through the device.
    fn run(
        &mut self,
        windows: &ArrayView3<f32>,
        spoiled: &mut [bool],
        logits: &mut Vec<f32>,
    ) -> Result<(), WgpuError> {
        let (batch, time, _) = windows.dim();
        if batch == 0 {
            return Ok(());
        }
        let cut =
            cut(&self.spec, (batch, time), (ROWS_MAX, self.bytes_max())).ok_or_else(|| WgpuError::Limit {
                adapter: self.gpu.name(),
                what: "one step of one window".to_owned(),
                wanted: step_bytes(&self.spec) as u64,
                allowed: self.chunk_bytes,
            })?;
        let room = match self.room.take().filter(|room| room.holds(cut, batch)) {
            Some(room) => room,
            None => Room::new(&self.gpu, &self.spec, &self.kernels, cut, (batch, self.bytes_max()))?,
        };
        let room = self.room.insert(room);
        let mut flight = VecDeque::new();
        let (mut x, mut piece) = (Vec::new(), 0);
        for first in (0..batch).step_by(cut.rows) {
            let rows = cut.rows.min(batch - first);
            if first + rows - piece > room.outputs {
                read_back(&self.gpu, &self.options, room, (first - piece) * self.spec.output, logits)?;
                piece = first;
            }
            for start in (0..time).step_by(cut.steps) {
                let steps = cut.steps.min(time - start);
                let spoiled = &mut spoiled[first..first + rows];
                windows::read(
                    windows,
                    (first, rows),
                    (start, steps),
                    self.options.non_finite,
                    (&mut x, spoiled),
                )?;
                if flight.len() >= IN_FLIGHT_MAX
                    && let Some(submission) = flight.pop_front()
                {
                    self.gpu.wait("a chunk of steps", submission, self.options.wait_max)?;
                }
                room.upload(&self.gpu, &x, Cut { rows, steps }, first - piece);
                let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
                if start == 0 {
                    room.clear(&mut encoder);
                }
                self.kernels.layers(&mut encoder, room, Cut { rows, steps });
                if start + steps == time {
                    self.kernels.head(&mut encoder, room, rows);
                }
                flight.push_back(submit(&self.gpu, encoder)?);
            }
        }
        read_back(&self.gpu, &self.options, room, (batch - piece) * self.spec.output, logits)
    }

    /// What was chosen, as text for a person.
    #[must_use]
    pub fn explain(&self) -> String {
        let mut text = String::new();
        let _ = writeln!(text, "model        {}, {} parameters", self.spec, self.spec.parameters());
        let _ = writeln!(text, "{}", self.gpu.explain());
        let precision = self.options.precision;
        let _ = writeln!(text, "precision    weights in {precision}, states, sums and gates in f32");
        let _ = writeln!(text, "tolerance    {:e} of the outputs' norm", precision.tolerance());
        let _ = write!(text, "{}", self.kernels.explain());
        if let Some(room) = &self.room {
            let Cut { rows, steps } = room.cut;
            let _ = write!(
                text,
                "\nbatches      {rows} windows by {steps} steps at a time, {} bytes on the device",
                room.bytes(&self.spec)
            );
        }
        if self.chunk_bytes < self.gpu.binding_bytes_max().min(CHUNK_BYTES) {
            let _ = write!(text, ", cut smaller since the device had no memory for more");
        }
        text
    }
}

/// Waits for everything and appends the first `len` outputs of the piece to `logits`.
fn read_back(
    gpu: &Gpu,
    options: &Options,
    room: &Room,
    len: usize,
    logits: &mut Vec<f32>,
) -> Result<(), WgpuError> {
    let mut encoder = gpu.device.create_command_encoder(&Default::default());
    let bytes = (size_of::<f32>() * len) as u64;
    encoder.copy_buffer_to_buffer(&room.out, 0, &room.staging, 0, bytes);
    let waits = ("reading predictions", options.wait_max);
    download(gpu, waits, encoder, (&room.staging, len), logits)
}

#[cfg(test)]
mod tests;
