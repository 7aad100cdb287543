//! One row a tick: the state of each instance is kept between ticks.
//!
//! With carried state a tick is one step of each layer, straight from the packed weights.
//!
//! With a window of n ticks, n windows are under way at any time, each from its own zero state. They share every row,
//! so a tick takes all n one step further with one product over n rows; the one that has seen n rows gives the
//! prediction and starts anew at the next tick. That costs n steps a tick, as any exact answer must, but at the speed
//! of a batch.
//!
//! Much of that work does not depend on the row that a tick brings, or not its prediction. A stream that works
//! [`ahead`](StreamOptions::ahead) leaves it to [`Stream::prepare`], which the caller calls when the prediction is out: the
//! hidden states' part of the next sums, and the steps of the windows that are not complete. What is left between row and
//! prediction is one product of each layer with its input.
//!
//! All of these give the bits that [`predict`](super::Executable::predict) gives for the same rows from zero state. A tick
//! takes no lock, makes no system call and allocates nothing.

mod error;

mod snapshot;

mod step;

use std::sync::Arc;

use diapason_buffer::buffer::OutOfMemory;
use diapason_buffer::{Alignment, Buffer};

use super::compile::Executable;
use super::matrix::{Matrix, Narrowed};
use super::non_finite::NonFinite;
use super::packed::Packed;
use crate::cpu::Kernels;
use crate::op::dense::Dense;
use crate::op::gemm::PANEL;
pub use error::StreamError;
pub use snapshot::Snapshot;
use step::Step;

/// How a stream treats time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamOptions {
    /// Independent series, such as symbols, that share the model.
    pub instances: usize,
    /// `None` carries the state for ever. `Some(n)` predicts each window of the last `n` ticks from zero state, as
    /// `predict` does.
    pub window: Option<usize>,
    /// Whether work that the next prediction does not wait for is left to [`Stream::prepare`]. Where that is not called,
    /// the next tick does it first.
    pub ahead: bool,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self { instances: 1, window: None, ahead: false }
    }
}

/// A compiled model that takes one row a tick.
#[derive(Debug)]
pub struct Stream {
    kernels: Kernels,
    packed: Arc<Packed<Matrix>>,
    model: Arc<str>,
    window: Option<usize>,
    ahead: bool,
    non_finite: NonFinite,
    instances: Vec<Instance>,
    scratch: Scratch,
    output: Vec<f32>,
    /// What is computed with in the place of a row that is not finite.
    blank: Vec<f32>,
}

/// What a tick needs for itself; `rows` is the window, or one with carried state.
#[derive(Debug)]
struct Scratch {
    /// `[rows, 4 units]`: pre-activations.
    gates: Buffer<f32>,
    /// The rows of a product, rounded.
    narrowed: Narrowed,
    /// `[units]` each: hidden state of a layer and of the one below, cell state, of a window that ends with this tick.
    h: [Buffer<f32>; 2],
    c: Buffer<f32>,
}

/// One series.
#[derive(Debug)]
struct Instance {
    ticks: u64,
    layers: Vec<State>,
    /// The last row, while the windows that did not end with it wait for it.
    row: Vec<f32>,
    behind: bool,
    /// Whether every layer's `sums` are those of the next tick.
    made: bool,
    /// Ticks to come whose predictions are NaN, for the sake of a row that was not finite.
    spoiled: u64,
}

/// One layer's state, `[rows, units]` each: before a tick and after it, swapped at its end.
#[derive(Debug)]
struct State {
    h: [Buffer<f32>; 2],
    c: [Buffer<f32>; 2],
    /// `[4 units]`: the hidden state's part of the next sums.
    sums: Buffer<f32>,
}

impl State {
    fn new(rows: usize, units: usize) -> Result<Self, OutOfMemory> {
        let zeroed = |len| Buffer::zeroed(len, Alignment::CACHE_LINE);
        let len = rows.saturating_mul(units);
        let sums = zeroed(PANEL * units)?;
        Ok(Self { h: [zeroed(len)?, zeroed(len)?], c: [zeroed(len)?, zeroed(len)?], sums })
    }
}

impl Scratch {
    fn new(executable: &Executable, rows: usize) -> Result<Self, OutOfMemory> {
        let packed = &executable.packed;
        let zeroed = |len| Buffer::zeroed(len, Alignment::CACHE_LINE);
        Ok(Self {
            gates: zeroed(rows.saturating_mul(PANEL * packed.units))?,
            narrowed: Narrowed::new(rows, packed.depth(), executable.precision)?,
            h: [zeroed(packed.units)?, zeroed(packed.units)?],
            c: zeroed(packed.units)?,
        })
    }
}

impl Executable {
    /// A stream with its own states, all zero. It shares the packed weights and may outlive this value.
    ///
    /// # Errors
    /// [`StreamError`] when there is no instance, the window has no step, or the memory is not to be had.
    pub fn stream(&self, options: &StreamOptions) -> Result<Stream, StreamError> {
        let StreamOptions { instances, window, ahead } = *options;
        if instances == 0 {
            return Err(StreamError::Empty { what: "instance" });
        }
        if window == Some(0) {
            return Err(StreamError::Empty { what: "step in its window" });
        }
        let packed = Arc::clone(&self.packed);
        let memory = |source| StreamError::Memory { instances, source };
        let rows = window.unwrap_or(1);
        let instance = |_| {
            let state = |_| State::new(rows, packed.units);
            let layers = (0..packed.spec.layers).map(state).collect::<Result<_, _>>()?;
            let row = vec![0.0; packed.spec.input];
            Ok(Instance { ticks: 0, layers, row, behind: false, made: false, spoiled: 0 })
        };
        let instances = (0..instances).map(instance).collect::<Result<_, _>>().map_err(memory)?;
        let scratch = Scratch::new(self, rows).map_err(memory)?;
        let (output, blank) = (vec![0.0; packed.spec.output], vec![0.0; packed.spec.input]);
        let (kernels, non_finite, model) = (self.kernels, self.non_finite, Arc::clone(&self.model));
        Ok(Stream { kernels, packed, model, window, ahead, non_finite, instances, scratch, output, blank })
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
        let bad = row.iter().position(|x| !x.is_finite());
        if let (Some(feature), NonFinite::Error) = (bad, self.non_finite) {
            let (tick, value) = (self.instances[instance].ticks, row[feature]);
            return Err(StreamError::NotFinite { instance, tick, feature, value });
        }
        let Self { kernels, packed, instances, scratch, output, blank, .. } = self;
        let state = &mut instances[instance];
        let row = if bad.is_some() {
            state.spoiled = self.window.map_or(u64::MAX, |window| window as u64);
            blank
        } else {
            row
        };
        let spoiled = state.spoiled > 0;
        if spoiled && self.window.is_some() {
            state.spoiled -= 1;
        }
        let mut step = Step { kernels, packed, scratch };
        let top = match (self.window, self.ahead) {
            (None, _) => Some(state.carry(&mut step, row)),
            (Some(window), false) => state.slide(&mut step, window, row),
            (Some(window), true) => state.end(&mut step, window, row),
        };
        let Some(top) = top else { return Ok(None) };
        kernels.dense(&mut Dense {
            rows: 1,
            units: packed.units,
            outputs: packed.spec.output,
            h: top,
            weight: &packed.head_weight,
            bias: &packed.head_bias,
            out: output,
        });
        packed.spec.head.apply_in_place(output);
        if spoiled {
            output.fill(f32::NAN);
        }
        Ok(Some(&self.output))
    }

    /// Does what the last tick of an instance left, and what the next one can do without its row. Nothing, without
    /// [`StreamOptions::ahead`] or when it is done already.
    ///
    /// # Errors
    /// [`StreamError::Instance`] when it does not exist.
    pub fn prepare(&mut self, instance: usize) -> Result<(), StreamError> {
        self.check(instance)?;
        if self.ahead {
            let Self { kernels, packed, instances, scratch, .. } = self;
            instances[instance].prepare(&mut Step { kernels, packed, scratch }, self.window);
        }
        Ok(())
    }

    /// Brings all windows of an instance to its last row, and the one that comes next to its zero state.
    fn settle(&mut self, instance: usize) {
        if let Some(window) = self.window {
            let Self { kernels, packed, instances, scratch, .. } = self;
            instances[instance].begin(&mut Step { kernels, packed, scratch }, window);
        }
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
        (instance.ticks, instance.behind, instance.made, instance.spoiled) = (0, false, false, 0);
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
