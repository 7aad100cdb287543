//! One row a tick on an NVIDIA GPU, its state kept on the device.
//!
//! A kernel stays on one multiprocessor between ticks. A tick is then a few words of the host's memory in both directions and no
//! call of the driver; see `lstm_stream.cu`. The kernel leaves after a while without rows and is started again by the next
//! one, so that nothing hangs when the host does.
//!
//! `tick` is what both sides agree on, `CudaStream` the host's side.

mod tick;

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cudarc::driver::{CudaEvent, PinnedHostSlice};

use super::engine::DeviceEngine;
use super::error::CudaError;
use super::gpu::Gpu;
use super::plan::{Argument, Kernels};
use super::shape::{Machine, PORTABLE, Resident};
use crate::gpu::Precision;
use crate::lstm::{Lstm, StreamError};
use crate::op::network::Spec;
use tick::Tick;

/// How a stream runs on a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CudaStreamOptions {
    /// In what weights are kept; products and sums are f32 in each.
    pub precision: Precision,
    /// Whether a kernel stays on the device between ticks. Otherwise each tick is an ordinary launch, which costs more time
    /// and occupies nothing.
    pub persistent: bool,
    /// How often the kernel looks for a row in vain before it leaves; a look takes about a microsecond over PCIe.
    pub looks_max: u64,
    /// The longest wait for a tick.
    pub wait_max: Duration,
}

impl Default for CudaStreamOptions {
    fn default() -> Self {
        Self {
            precision: Precision::F32,
            persistent: true,
            looks_max: 1 << 20,
            wait_max: Duration::from_secs(5),
        }
    }
}

/// A model on a GPU that takes one row a tick, with carried state. While its kernel stays, work of other streams on the
/// device goes on; what waits for the whole device, such as freeing memory, waits for it, at most until it leaves.
#[derive(Debug)]
pub struct CudaStream {
    engine: DeviceEngine,
    spec: Spec,
    options: CudaStreamOptions,
    cut: Resident,
    tick: Tick,
    /// The row's words, the outputs', and whether to stop, each from a cache line of its own.
    words: Option<PinnedHostSlice<u64>>,
    /// Where they begin, for host and device alike.
    address: usize,
    places: Places,
    /// Behind the kernel that runs.
    running: Option<CudaEvent>,
    ticks: u32,
}

/// Where what lies in the shared words.
#[derive(Clone, Copy, Debug)]
struct Places {
    out: usize,
    stop: usize,
    len: usize,
}

/// Words of a cache line.
const LINE: usize = 8;
/// Looks at the outputs between two looks at the clock and the kernel.
const LOOKS: u32 = 1024;

impl Lstm {
    /// A stream of this model on `gpu`, before its first row.
    ///
    /// # Errors
    /// [`CudaError`] when the device lacks the precision or the memory, a layer is too wide, a weight is not finite, or NVRTC is
    /// missing and the kernel was never compiled here.
    pub fn stream_cuda(&self, gpu: &Gpu, options: &CudaStreamOptions) -> Result<CudaStream, CudaError> {
        let (spec, precision) = (self.spec(), options.precision);
        if !gpu.offers(precision) {
            return Err(CudaError::Precision { device: gpu.name().to_owned(), precision });
        }
        self.check_finite()?;
        if let Some(index) = precision.too_large(&self.weights().values) {
            let value = self.weights().values[index];
            return Err(CudaError::WeightRange { index, value, precision });
        }
        // Streams of its own: what else runs on this device must not queue behind a kernel that stays.
        let gpu = gpu.apart()?;
        let cut_for = |machine: Machine| {
            let mut kernels = Kernels::default();
            let (tick, cut) = Tick::new(&spec, machine, precision, &mut kernels)?;
            Ok((tick, cut, DeviceEngine::new(&gpu, &kernels, tick::BUFFERS, options.wait_max)?))
        };
        let (tick, cut, mut engine) = match cut_for(gpu.machine) {
            // What was made ahead for any device, if it was.
            Err(missing @ CudaError::NoNvrtc { .. }) => match cut_for(PORTABLE) {
                Err(CudaError::NoNvrtc { .. }) => return Err(missing),
                other => other?,
            },
            other => other?,
        };
        for (buffer, bytes) in tick::contents(self, precision) {
            engine.room(buffer, "a stream's weights and state", bytes.len())?;
            engine.write(buffer, &bytes)?;
        }
        engine.read("a stream's weights", tick::COUNT, 0, 4)?;
        let out = spec.input.next_multiple_of(LINE);
        let stop = out + spec.output.next_multiple_of(LINE);
        let places = Places { out, stop, len: stop + LINE };
        let (words, address) = gpu.words("the words of a stream", places.len)?;
        let (words, options) = (Some(words), options.clone());
        Ok(CudaStream { engine, spec, options, cut, tick, words, address, places, running: None, ticks: 0 })
    }
}

impl CudaStream {
    /// Takes a row and writes what the model gives for it.
    ///
    /// # Errors
    /// [`CudaError::Stream`] when the row does not fit or is not finite, and nothing is changed then; others when the device fails or does
    /// not answer, and the stream is then at its end.
    ///
    /// # Panics
    /// When `out` is shorter than the outputs of the model.
    pub fn push(&mut self, row: &[f32], out: &mut [f32]) -> Result<(), CudaError> {
        if row.len() != self.spec.input {
            return Err(StreamError::Row { found: row.len(), input: self.spec.input }.into());
        }
        if let Some(feature) = row.iter().position(|x| !x.is_finite()) {
            let (tick, value) = (u64::from(self.ticks), row[feature]);
            return Err(StreamError::NotFinite { instance: 0, tick, feature, value }.into());
        }
        self.engine.there()?;
        let due = self.ticks.wrapping_add(1);
        for (place, &x) in row.iter().enumerate() {
            self.word(place).store(tick::word(x, due), Ordering::Relaxed);
        }
        if self.running.is_none() || !self.options.persistent {
            self.start()?;
        }
        let outputs = self.spec.output;
        let (mut looks, begin) = (0_u32, Instant::now());
        let mut output = 0;
        while output < outputs {
            match tick::value(self.word(self.places.out + output).load(Ordering::Relaxed), due) {
                Some(value) => {
                    out[output] = value;
                    output += 1;
                }
                None => {
                    std::hint::spin_loop();
                    looks = looks.wrapping_add(1);
                    if looks.is_multiple_of(LOOKS) {
                        self.look(begin, due)?;
                    }
                }
            }
        }
        self.ticks = due;
        self.spec.head.apply_in_place(&mut out[..outputs]);
        Ok(())
    }

    /// After some looks in vain: a kernel that has left is started again, and a wait has an end.
    fn look(&mut self, begin: Instant, due: u32) -> Result<(), CudaError> {
        let left = match &self.running {
            Some(mark) => self.engine.passed(mark)?,
            None => true,
        };
        if left {
            // It may have answered just before it left.
            let last = self.word(self.places.out + self.spec.output - 1).load(Ordering::Relaxed);
            if tick::value(last, due).is_none() {
                self.start()?;
            }
        }
        if begin.elapsed() >= self.options.wait_max {
            return Err(self.engine.lose("a tick", self.options.wait_max));
        }
        Ok(())
    }

    fn start(&mut self) -> Result<(), CudaError> {
        let at = |place: usize| Argument::Long(self.address + size_of::<u64>() * place);
        let looks = if self.options.persistent { self.options.looks_max } else { 0 };
        let words = [at(0), at(self.places.out), at(self.places.stop)];
        self.engine.launch(&self.tick.launch(words, looks))?;
        self.running = Some(self.engine.mark("a stream's kernel")?);
        Ok(())
    }

    /// A word that the device also reads or writes.
    fn word(&self, place: usize) -> &AtomicU64 {
        let word = std::ptr::with_exposed_provenance_mut(self.address + size_of::<u64>() * place);
        // SAFETY: `address` is where `words` begins, `places.len` words of 8 bytes and aligned, as `Gpu::words` has it, and every place asked for lies
        // below; they live as long as `self`, and are reached through atomics alone, as the device reaches them whole.
        unsafe { AtomicU64::from_ptr(word) }
    }

    /// Ticks taken.
    #[must_use]
    pub const fn ticks(&self) -> u32 {
        self.ticks
    }

    /// Where and how it runs, as text for a person.
    #[must_use]
    pub fn explain(&self) -> String {
        let mut text = format!("model        {}, {} parameters", self.spec, self.spec.parameters());
        let _ = write!(text, "\n{}", self.engine.explain());
        let _ = write!(text, "\nprecision    weights in {}, the rest in f32", self.options.precision);
        let Resident { splits, rows, shared_bytes } = self.cut;
        let all = self.spec.input + (self.spec.layers - 1) * self.spec.hidden;
        let _ = write!(
            text,
            "\nstream       one block, {splits} threads a unit, {rows} of {all} rows of input weights on chip ({shared_bytes} bytes)"
        );
        let _ = match self.options.persistent {
            true => write!(text, ", a kernel that stays for {} looks", self.options.looks_max),
            false => write!(text, ", a launch for each tick"),
        };
        text
    }
}

impl Drop for CudaStream {
    fn drop(&mut self) {
        let Some(mark) = self.running.take() else { return };
        // The kernel reads the lower half, every 64 looks.
        self.word(self.places.stop).store(1, Ordering::Relaxed);
        self.engine.end(&mark, self.options.wait_max);
        if self.engine.is_lost() {
            // The kernel may still write to them.
            std::mem::forget(self.words.take());
        }
    }
}

#[cfg(test)]
mod tests;
