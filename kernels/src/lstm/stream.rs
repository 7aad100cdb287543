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

use std::fmt;
use std::sync::Arc;

use diapason_buffer::buffer::OutOfMemory;
use diapason_buffer::{Alignment, Buffer};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::compile::Executable;
use super::packed::Packed;
use crate::cpu::Kernels;
use crate::op::dense::Dense;
use crate::op::gemm::{Gemm, PANEL, Start};
use crate::op::lstm_cell::Forward;
use crate::op::lstm_step::LstmStep;
use crate::op::network::Spec;

/// How a stream treats time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamOptions {
    /// Independent series, such as symbols, that share the model.
    pub instances: usize,
    /// `None` carries the state for ever. `Some(n)` predicts each window of the last `n` ticks from zero state, as
    /// `predict` does.
    pub window: Option<usize>,
}

/// A tick that cannot be taken; the state is unchanged.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum StreamError {
    /// No such instance.
    #[error("instance {instance} does not exist; there are {instances}")]
    Instance {
        /// The one asked for.
        instance: usize,
        /// How many there are.
        instances: usize,
    },
    /// The row has another number of features than the model.
    #[error("a row of {found} features does not fit a model of {input}")]
    Row {
        /// Features given.
        found: usize,
        /// Features that the model reads.
        input: usize,
    },
    /// A feature is NaN or infinite.
    #[error("instance {instance}, tick {tick}, feature {feature} is {value}")]
    NotFinite {
        /// The instance.
        instance: usize,
        /// Ticks that it had taken before.
        tick: u64,
        /// The feature in the row.
        feature: usize,
        /// NaN or an infinity.
        value: f32,
    },
    /// A window of no steps, or no instance.
    #[error("a stream needs at least one {what}")]
    Empty {
        /// What is lacking.
        what: &'static str,
    },
    /// Not enough memory for the states.
    #[error("no memory for the states of {instances} instances: {source}")]
    Memory {
        /// How many there should be.
        instances: usize,
        /// What was refused.
        source: OutOfMemory,
    },
    /// The snapshot was taken from a model of another shape.
    #[error(
        "a snapshot of {found} does not fit a stream of {wanted}; restore it with the model it was taken from"
    )]
    SnapshotShape {
        /// The shape in the snapshot.
        found: Spec,
        /// The shape of this stream's model.
        wanted: Spec,
    },
    /// The snapshot was taken with another window.
    #[error("a snapshot with {} does not fit a stream with {}", Ticks(*found), Ticks(*wanted))]
    SnapshotWindow {
        /// The window in the snapshot.
        found: Option<usize>,
        /// The window of this stream.
        wanted: Option<usize>,
    },
    /// The snapshot was taken from another model of this shape.
    #[error(
        "the snapshot is of model {found}, not of {wanted}; restore it with the model it was taken from, or replay the ticks"
    )]
    SnapshotModel {
        /// The model's hash in the snapshot.
        found: String,
        /// The hash of this stream's model.
        wanted: String,
    },
    /// A state is NaN or infinite.
    #[error("the snapshot is damaged: value {index} is {value}; take another one, or replay the ticks")]
    SnapshotNotFinite {
        /// The value's place.
        index: usize,
        /// NaN or an infinity.
        value: f32,
    },
    /// More ticks than a stream can have taken.
    #[error("the snapshot is damaged: it counts {ticks} ticks; take another one, or replay the ticks")]
    SnapshotTicks {
        /// What it says.
        ticks: u64,
    },
    /// The snapshot has another number of values than its shape says.
    #[error("a snapshot of {found} values does not fit a stream with {wanted} an instance")]
    Snapshot {
        /// Values in the snapshot.
        found: usize,
        /// Values in one instance's state.
        wanted: usize,
    },
}

/// The state of one instance, independent of how the model was compiled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// Shape of the model.
    pub spec: Spec,
    /// Hash of the model's shape and weights, in hexadecimal.
    pub model: String,
    /// [`StreamOptions::window`] of the stream.
    pub window: Option<usize>,
    /// Ticks taken.
    pub ticks: u64,
    /// Hidden then cell state, `[layers, 2, rows, hidden]` with one row, or one for each window under way.
    pub values: Vec<f32>,
}

/// Most ticks of a snapshot; the same number again lies beyond any stream's life.
const TICKS_MAX: u64 = u64::MAX / 2;

/// A window in words.
struct Ticks(Option<usize>);

impl fmt::Display for Ticks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("carried state"),
            Some(window) => write!(f, "a window of {window} ticks"),
        }
    }
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

    /// A copy of an instance's state.
    ///
    /// # Errors
    /// [`StreamError::Instance`] when it does not exist.
    pub fn snapshot(&self, instance: usize) -> Result<Snapshot, StreamError> {
        self.check(instance)?;
        let (hidden, units) = (self.packed.spec.hidden, self.packed.units);
        let instance = &self.instances[instance];
        let states = instance.layers.iter().flat_map(|state| [&state.h[0], &state.c[0]]);
        let values =
            states.flat_map(|state| state.chunks_exact(units)).flat_map(|row| &row[..hidden]).copied();
        Ok(Snapshot {
            spec: self.packed.spec,
            model: self.model.to_string(),
            window: self.window,
            ticks: instance.ticks,
            values: values.collect(),
        })
    }

    /// Puts an instance where `snapshot` was taken; the next ticks give the same bits.
    ///
    /// # Errors
    /// [`StreamError`] when the instance does not exist, or the snapshot is damaged or of another shape, window or
    /// model; the state is then unchanged.
    pub fn restore(&mut self, instance: usize, snapshot: &Snapshot) -> Result<(), StreamError> {
        self.check(instance)?;
        let (spec, units) = (self.packed.spec, self.packed.units);
        if snapshot.spec != spec {
            return Err(StreamError::SnapshotShape { found: snapshot.spec, wanted: spec });
        }
        if snapshot.window != self.window {
            return Err(StreamError::SnapshotWindow { found: snapshot.window, wanted: self.window });
        }
        if *snapshot.model != *self.model {
            let (found, wanted) = (snapshot.model.clone(), self.model.to_string());
            return Err(StreamError::SnapshotModel { found, wanted });
        }
        if snapshot.ticks > TICKS_MAX {
            return Err(StreamError::SnapshotTicks { ticks: snapshot.ticks });
        }
        if let Some(index) = snapshot.values.iter().position(|x| !x.is_finite()) {
            return Err(StreamError::SnapshotNotFinite { index, value: snapshot.values[index] });
        }
        let wanted = 2 * spec.layers * self.window.unwrap_or(1) * spec.hidden;
        if snapshot.values.len() != wanted {
            return Err(StreamError::Snapshot { found: snapshot.values.len(), wanted });
        }
        let instance = &mut self.instances[instance];
        instance.ticks = snapshot.ticks;
        let mut saved = snapshot.values.chunks_exact(spec.hidden);
        for State { h: [h, _], c: [c, _] } in &mut instance.layers {
            for state in [h, c] {
                for (row, saved) in state.chunks_exact_mut(units).zip(&mut saved) {
                    row[..spec.hidden].copy_from_slice(saved);
                }
            }
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
