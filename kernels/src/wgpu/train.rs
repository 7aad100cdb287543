//! Training on a GPU: forward with every gate kept, back through time, and the sums over rows that are the weights' gradients.
//!
//! ```text
//! windows -> upload -> [projection -> (product, cell) each step] each layer -> head -> logits
//!   loss on the host -> gradient by the logits -> upload
//! -> [(cell back, product back) each step -> below -> sums] each layer from the top -> gradient -> optimiser on the host
//! ```
//!
//! Loss and optimiser are the processor's own code, so that every loss, schedule, clip and error means the same; what
//! crosses is two numbers a weight and two an output, a small part of a step of any size that suits a GPU. A batch that does
//! not fit with all that is kept goes in shards, whose gradients are added up in their order. Every sum has one order: the same
//! batch gives the same bits on the same device.

mod cut;

mod gradient;

mod room;

mod kernels;

use std::fmt::Write;

use ndarray::{ArrayView2, ArrayView3};

use self::cut::{rows, step_len};
use self::gradient::{lengths, unpack};
use super::error::WgpuError;
use super::gpu::Gpu;
use super::transfer::{bytes, download, submit};
use crate::gpu::Options;
use crate::lstm::train::descent::Descent;
use crate::lstm::{Lstm, Precision, StepReport, TrainError, TrainOptions, Weights};
use crate::op::network::Spec;
use kernels::Kernels;
use room::Room;

/// Bytes of all buffers of a shard, unless the device has less: what a small integrated GPU can spare.
const SHARD_BYTES: u64 = 1 << 30;

/// A model in training on a GPU.
#[derive(Debug)]
pub struct WgpuTrainer {
    gpu: Gpu,
    model: Lstm,
    options: TrainOptions,
    descent: Descent,
    kernels: Kernels,
    room: Option<Room>,
    gradient: Weights<f32>,
    /// Bytes of a shard; less after the device had no memory for more.
    shard_bytes: u64,
}

impl WgpuTrainer {
    /// Starts training `model` on `gpu` at step 0. `threads` and `isa` of the options are the processor's and mean nothing here.
    ///
    /// # Errors
    /// [`WgpuError`] when an option is out of its range or only the processor's, a weight is not finite, or the device
    /// lacks memory or refuses a kernel.
    pub fn new(gpu: &Gpu, model: Lstm, options: TrainOptions) -> Result<Self, WgpuError> {
        options.check()?;
        model.check_finite().map_err(TrainError::Model)?;
        let spec = model.spec();
        if !options.loss.fits(spec.head) {
            return Err(TrainError::Loss { loss: options.loss, head: spec.head }.into());
        }
        let untrained = [
            (options.precision != Precision::F32, "products in bf16", "train in f32"),
            (options.dropout > 0.0, "dropout", "set it to 0"),
            (options.truncation.is_some(), "truncated back-propagation", "go back to the start of a window"),
        ];
        if let Some((_, what, remedy)) = untrained.into_iter().find(|(asked, ..)| *asked) {
            return Err(WgpuError::Untrained { what, remedy });
        }
        Ok(Self {
            gpu: gpu.clone(),
            descent: Descent::new(options.optimizer, spec.parameters()),
            kernels: Kernels::new(gpu, model.weights())?,
            room: None,
            gradient: Weights::zeros(spec),
            shard_bytes: SHARD_BYTES,
            model,
            options,
        })
    }

    /// One step of the optimiser on a batch: windows `[batch, time, input]` and targets `[batch, output]`, from zero state.
    ///
    /// # Errors
    /// [`WgpuError`] when the batch does not fit, something is not finite, or the device fails; the weights are then
    /// unchanged.
    #[expect(clippy::needless_pass_by_value, reason = "views go by value, as references do")]
    pub fn step(&mut self, x: ArrayView3<f32>, y: ArrayView2<f32>) -> Result<StepReport, WgpuError> {
        let loss = self.slope(&x, &y)?;
        let spec = self.model.spec();
        let (gradient, weights) = (&mut self.gradient.values, self.model.values_mut());
        let report = self.descent.step(&self.options, loss, gradient, weights, || spec.tensors())?;
        self.kernels.fill(&self.gpu, self.model.weights());
        Ok(report)
    }

    /// The mean loss of a batch and its gradient by every weight, without a step.
    ///
    /// # Errors
    /// [`WgpuError`] as for [`step`](Self::step).
    #[expect(clippy::needless_pass_by_value, reason = "views go by value, as references do")]
    pub fn gradients(
        &mut self,
        x: ArrayView3<f32>,
        y: ArrayView2<f32>,
    ) -> Result<(f64, &Weights<f32>), WgpuError> {
        let loss = self.slope(&x, &y)?;
        Ok((loss, &self.gradient))
    }

    /// The model as it is now.
    #[must_use]
    pub const fn model(&self) -> &Lstm {
        &self.model
    }

    /// Steps taken.
    #[must_use]
    pub const fn steps(&self) -> u64 {
        self.descent.steps
    }

    /// The loss; leaves the gradient in its place.
    fn slope(&mut self, x: &ArrayView3<f32>, y: &ArrayView2<f32>) -> Result<f64, WgpuError> {
        check(&self.model.spec(), x, y)?;
        let mut found = Vec::new();
        let loss = loop {
            match self.run(x, y, &mut found) {
                Ok(loss) => break loss,
                Err(WgpuError::Memory { adapter, what, wanted, .. }) => {
                    // Whatever is still under way keeps its own buffers; the next try gets new ones.
                    self.room = None;
                    let rows = self.rows(x.dim().0, x.dim().1).unwrap_or(0);
                    if rows <= 1 {
                        return Err(WgpuError::Memory { adapter, what, wanted, rows });
                    }
                    self.shard_bytes /= 2;
                }
                Err(other) => {
                    self.room = None;
                    return Err(other);
                }
            }
        };
        unpack(&found, &mut self.gradient);
        Ok(loss)
    }

    fn rows(&self, batch: usize, time: usize) -> Option<usize> {
        let most = (self.gpu.binding_bytes_max(), self.shard_bytes);
        rows(&self.model.spec(), (batch, time), most)
    }

    /// Takes every shard forward and back, and the gradient to the host.
    fn run(
        &mut self,
        x: &ArrayView3<f32>,
        y: &ArrayView2<f32>,
        found: &mut Vec<f32>,
    ) -> Result<f64, WgpuError> {
        let spec = self.model.spec();
        let (batch, time, _) = x.dim();
        let rows = self.rows(batch, time).ok_or_else(|| WgpuError::Limit {
            adapter: self.gpu.name(),
            what: "one window with all that the way back needs".to_owned(),
            wanted: (size_of::<f32>() * step_len(&spec).1 * time) as u64,
            allowed: self.gpu.binding_bytes_max().min(self.shard_bytes),
        })?;
        let room = match self.room.take().filter(|room| room.rows == rows && room.time == time) {
            Some(room) => room,
            None => Room::new(&self.gpu, &spec, &self.kernels, rows, time)?,
        };
        let room = self.room.insert(room);
        let (gpu, wait_max) = (&self.gpu, Options::default().wait_max);
        let begin = || gpu.device.create_command_encoder(&Default::default());
        let divisor = self.options.loss.divisor(batch, spec.output) as f64;
        let (mut features, mut logits, mut sum) = (Vec::new(), Vec::new(), 0.0);
        for first in (0..batch).step_by(rows) {
            let rows = rows.min(batch - first);
            read(x, (first, rows), &mut features)?;
            room.upload(gpu, &spec, &features, rows);
            let mut encoder = begin();
            if first == 0 {
                room.clear(&mut encoder);
            }
            self.kernels.forward(&mut encoder, room, rows);
            let len = rows * spec.output;
            let bytes_of = |len: usize| (size_of::<f32>() * len) as u64;
            encoder.copy_buffer_to_buffer(&room.buffers.logits, 0, &room.staging, 0, bytes_of(len));
            logits.clear();
            download(gpu, ("a forward pass", wait_max), encoder, (&room.staging, len), &mut logits)?;
            let mut d_logits = vec![0.0; len];
            let scale = 1.0 / divisor as f32;
            let (mut output, mut target) = (vec![0.0; spec.output], vec![0.0; spec.output]);
            for row in 0..rows {
                let range = row * spec.output..(row + 1) * spec.output;
                target.iter_mut().zip(y.row(first + row)).for_each(|(to, &from)| *to = from);
                spec.head.apply(&logits[range.clone()], &mut output);
                let (logits, d_logits) = (&logits[range.clone()], &mut d_logits[range]);
                sum += f64::from(self.options.loss.row(spec.head, logits, &output, &target, scale, d_logits));
            }
            if !sum.is_finite() {
                let (step, loss) = (self.descent.steps, sum / divisor);
                return Err(TrainError::Diverged { step, loss }.into());
            }
            gpu.queue.write_buffer(&room.buffers.d_logits, 0, &bytes(&d_logits));
            let mut encoder = begin();
            self.kernels.backward(&mut encoder, room, rows);
            submit(gpu, encoder)?;
        }
        let (mut encoder, mut offset) = (begin(), 0);
        for (buffer, len) in room.buffers.gradients.iter().zip(lengths(&spec)) {
            let size = (size_of::<f32>() * len) as u64;
            encoder.copy_buffer_to_buffer(buffer, 0, &room.staging, offset, size);
            offset += size;
        }
        let len = lengths(&spec).into_iter().sum();
        found.clear();
        download(gpu, ("a backward pass", wait_max), encoder, (&room.staging, len), found)?;
        Ok(sum / divisor)
    }

    /// What was chosen, as text for a person.
    #[must_use]
    pub fn explain(&self) -> String {
        let mut text = String::new();
        let spec = self.model.spec();
        let _ = writeln!(text, "model        {spec}, {} parameters", spec.parameters());
        let _ = writeln!(text, "{}", self.gpu.explain());
        let _ = write!(text, "training     f32; loss and optimiser on the host");
        if let Some(room) = &self.room {
            let (rows, bytes) = (room.rows, room.bytes);
            let _ = write!(text, "\nshards       {rows} windows at a time, {bytes} bytes on the device");
        }
        if self.shard_bytes < SHARD_BYTES {
            let _ = write!(text, ", cut smaller since the device had no memory for more");
        }
        text
    }
}

/// Checks the shapes of a batch, and its targets.
fn check(spec: &Spec, x: &ArrayView3<f32>, y: &ArrayView2<f32>) -> Result<(), TrainError> {
    let (batch, time, input) = x.dim();
    if batch == 0 || time == 0 || input != spec.input || y.dim() != (batch, spec.output) {
        let (windows, targets) = ([batch, time, input], y.dim().into());
        return Err(TrainError::Shape { windows, targets, input: spec.input, output: spec.output });
    }
    match y.indexed_iter().find(|(_, y)| !y.is_finite()) {
        Some(((window, output), &value)) => Err(TrainError::Target { window, output, value }),
        None => Ok(()),
    }
}

/// Copies `rows` windows from `first` to `[time, rows, input]`.
fn read(x: &ArrayView3<f32>, (first, rows): (usize, usize), to: &mut Vec<f32>) -> Result<(), TrainError> {
    let (_, time, input) = x.dim();
    to.clear();
    to.resize(time * rows * input, 0.0);
    for row in 0..rows {
        for (step, values) in x.index_axis(ndarray::Axis(0), first + row).outer_iter().enumerate() {
            let place = &mut to[(step * rows + row) * input..][..input];
            for (feature, (place, &value)) in place.iter_mut().zip(values).enumerate() {
                if !value.is_finite() {
                    return Err(TrainError::Feature { window: first + row, time: step, feature, value });
                }
                *place = value;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
