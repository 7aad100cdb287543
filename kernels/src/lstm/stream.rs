//! One row a tick: the state of each instance is kept between ticks.
//!
//! With carried state a tick is one step of each layer, straight from the packed weights.
//!
//! With a window of n ticks, n windows are under way at any time, each from its own zero state. They share every row,
//! so a tick takes all n one step further with one product over n rows; the one that has seen n rows gives the
//! prediction and starts anew at the next tick. That costs n steps a tick, as any exact answer must, but at the speed
//! of a batch.
//!
//! Both give the bits that [`predict`](super::Executable::predict) gives for the same rows from zero state. A tick
//! takes no lock, makes no system call and allocates nothing.

mod error;

mod snapshot;

use std::sync::Arc;

use diapason_buffer::buffer::OutOfMemory;
use diapason_buffer::{Alignment, Buffer};

use super::compile::Executable;
use super::packed::Packed;
use crate::cpu::Kernels;
use crate::op::dense::Dense;
use crate::op::gemm::{Gemm, PANEL, Start};
use crate::op::lstm_cell::Forward;
use crate::op::lstm_step::LstmStep;
pub use error::StreamError;
pub use snapshot::Snapshot;

/// How a stream treats time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamOptions {
    /// Independent series, such as symbols, that share the model.
    pub instances: usize,
    /// `None` carries the state for ever. `Some(n)` predicts each window of the last `n` ticks from zero state, as
    /// `predict` does.
    pub window: Option<usize>,
}

/// A compiled model that takes one row a tick.
#[derive(Debug)]
pub struct Stream {
    kernels: Kernels,
    packed: Arc<Packed>,
    model: Arc<str>,
    window: Option<usize>,
    instances: Vec<Instance>,
    /// `[rows, 4 units]`: pre-activations of the windows under way; empty with carried state.
    gates: Buffer<f32>,
    output: Vec<f32>,
}

/// One series.
#[derive(Debug)]
struct Instance {
    ticks: u64,
    layers: Vec<State>,
}

/// One layer's state, `[rows, units]` each: before a tick and after it, swapped at its end.
#[derive(Debug)]
struct State {
    h: [Buffer<f32>; 2],
    c: [Buffer<f32>; 2],
}

impl State {
    fn new(len: usize) -> Result<Self, OutOfMemory> {
        let zeroed = || Buffer::zeroed(len, Alignment::CACHE_LINE);
        Ok(Self { h: [zeroed()?, zeroed()?], c: [zeroed()?, zeroed()?] })
    }
}

impl Executable {
    /// A stream with its own states, all zero. It shares the packed weights and may outlive this value.
    ///
    /// # Errors
    /// [`StreamError`] when there is no instance, the window has no step, or the memory is not to be had.
    pub fn stream(&self, options: &StreamOptions) -> Result<Stream, StreamError> {
        let StreamOptions { instances, window } = *options;
        if instances == 0 {
            return Err(StreamError::Empty { what: "instance" });
        }
        if window == Some(0) {
            return Err(StreamError::Empty { what: "step in its window" });
        }
        let packed = Arc::clone(&self.packed);
        let memory = |source| StreamError::Memory { instances, source };
        let row = packed.units;
        let len = window.unwrap_or(1).saturating_mul(row);
        let instance = |_| {
            let layers = (0..packed.spec.layers).map(|_| State::new(len)).collect::<Result<_, _>>()?;
            Ok(Instance { ticks: 0, layers })
        };
        let instances = (0..instances).map(instance).collect::<Result<_, _>>().map_err(memory)?;
        let gates = window.map_or(0, |window| window.saturating_mul(PANEL * row));
        let gates = Buffer::zeroed(gates, Alignment::CACHE_LINE).map_err(memory)?;
        let output = vec![0.0; packed.spec.output];
        let model = Arc::clone(&self.model);
        Ok(Stream { kernels: self.kernels, packed, model, window, instances, gates, output })
    }
}

impl Stream {
    /// Takes one row of one instance. Returns its prediction, or `None` while its first window is not full.
    ///
    /// # Errors
    /// [`StreamError`] when the instance does not exist or the row does not fit; the state is then unchanged.
    pub fn push(&mut self, instance: usize, row: &[f32]) -> Result<Option<&[f32]>, StreamError> {
        self.check(instance)?;
        let input = self.packed.spec.input;
        if row.len() != input {
            return Err(StreamError::Row { found: row.len(), input });
        }
        if let Some(feature) = row.iter().position(|x| !x.is_finite()) {
            let (tick, value) = (self.instances[instance].ticks, row[feature]);
            return Err(StreamError::NotFinite { instance, tick, feature, value });
        }
        let Self { kernels, packed, instances, gates, output, .. } = self;
        let state = &mut instances[instance];
        let done = match self.window {
            None => Some(state.carry(kernels, packed, row)),
            Some(window) => state.slide(kernels, packed, window, gates, row),
        };
        state.ticks += 1;
        let Some(done) = done else { return Ok(None) };
        let top = &state.layers[packed.spec.layers - 1].h[0];
        kernels.dense(&mut Dense {
            rows: 1,
            units: packed.units,
            outputs: packed.spec.output,
            h: &top[done * packed.units..],
            weight: &packed.head_weight,
            bias: &packed.head_bias,
            out: output,
        });
        packed.spec.head.apply_in_place(output);
        Ok(Some(&self.output))
    }

    /// Ticks that an instance has taken.
    ///
    /// # Errors
    /// [`StreamError::Instance`] when it does not exist.
    pub fn ticks(&self, instance: usize) -> Result<u64, StreamError> {
        self.check(instance)?;
        Ok(self.instances[instance].ticks)
    }

    /// Puts an instance back to zero state, as at the start.
    ///
    /// # Errors
    /// [`StreamError::Instance`] when it does not exist.
    pub fn reset(&mut self, instance: usize) -> Result<(), StreamError> {
        self.check(instance)?;
        let instance = &mut self.instances[instance];
        instance.ticks = 0;
        for state in &mut instance.layers {
            state.h[0].fill(0.0);
            state.c[0].fill(0.0);
        }
        Ok(())
    }

    fn check(&self, instance: usize) -> Result<(), StreamError> {
        let instances = self.instances.len();
        if instance < instances { Ok(()) } else { Err(StreamError::Instance { instance, instances }) }
    }
}

impl Instance {
    /// One step of every layer. Returns the row of the state that the head reads.
    fn carry(&mut self, kernels: &Kernels, packed: &Packed, row: &[f32]) -> usize {
        for layer in 0..packed.layers.len() {
            let weights = &packed.layers[layer];
            let (below, here) = self.layers.split_at_mut(layer);
            let State { h: [before, after], c: [c, _] } = &mut here[0];
            kernels.lstm_step(&mut LstmStep {
                inputs: weights.inputs,
                hidden: packed.spec.hidden,
                units: packed.units,
                x: below.last().map_or(row, |state| &state.h[0]),
                weight_x: &weights.weight_x,
                weight_h: &weights.weight_h,
                bias: &weights.bias,
                h_before: before,
                c,
                h: after,
            });
            here[0].h.swap(0, 1);
        }
        0
    }

    /// One step of every window under way. Returns the row of the one that is complete.
    fn slide(
        &mut self,
        kernels: &Kernels,
        packed: &Packed,
        window: usize,
        gates: &mut [f32],
        row: &[f32],
    ) -> Option<usize> {
        let (units, width) = (packed.units, PANEL * packed.units);
        // The ticks modulo the window fit a usize, since the window does.
        let start = usize::try_from(self.ticks % window as u64).unwrap_or(0);
        let rows = usize::try_from(self.ticks).map_or(window, |ticks| window.min(ticks.saturating_add(1)));
        for layer in 0..packed.layers.len() {
            let weights = &packed.layers[layer];
            let (below, here) = self.layers.split_at_mut(layer);
            let State { h: [before, after], c: [c_before, c_after] } = &mut here[0];
            before[start * units..][..units].fill(0.0);
            c_before[start * units..][..units].fill(0.0);
            let projection = (weights.inputs, width, weights.weight_x.as_ref());
            let recurrence = (packed.spec.hidden, width, weights.weight_h.as_ref());
            let bias = Start::Bias(&weights.bias);
            if let Some(below) = below.last() {
                kernels.gemm(&Gemm::packed(rows, (&below.h[0], units), projection, bias), gates);
            } else {
                // Every window reads this row, so its projection is made once and copied.
                kernels.gemm(&Gemm::packed(1, (row, 0), projection, bias), gates);
                let (first, rest) = gates.split_at_mut(width);
                rest.chunks_exact_mut(width).take(rows - 1).for_each(|row| row.copy_from_slice(first));
            }
            kernels.gemm(&Gemm::packed(rows, (before, units), recurrence, Start::Out), gates);
            kernels.lstm_cell_forward(&mut Forward {
                rows,
                units,
                gates,
                c_before,
                c: c_after,
                tanh_c: &mut [],
                h: after,
            });
            here[0].h.swap(0, 1);
            here[0].c.swap(0, 1);
        }
        (rows == window).then_some((start + 1) % window)
    }
}
