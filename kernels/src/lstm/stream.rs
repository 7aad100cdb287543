//! One row a tick: the state of each instance is kept between ticks.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::compile::Executable;
use super::model::Lstm;
use crate::op::network::forward::{cell, dot, forward};

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
    /// The snapshot was taken from a stream of another shape.
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
pub struct Snapshot {
    /// Ticks taken.
    pub ticks: u64,
    /// The state's values.
    pub values: Vec<f32>,
}

/// A compiled model that takes one row a tick.
#[derive(Debug)]
pub struct Stream {
    model: Lstm,
    window: Option<usize>,
    ticks: Vec<u64>,
    state: Vec<Vec<f32>>,
    output: Vec<f32>,
}

impl Executable {
    /// A stream with its own states, all zero.
    ///
    /// # Errors
    /// [`StreamError::Empty`] when there is no instance or the window has no step.
    pub fn stream(&self, options: &StreamOptions) -> Result<Stream, StreamError> {
        if options.instances == 0 {
            return Err(StreamError::Empty { what: "instance" });
        }
        if options.window == Some(0) {
            return Err(StreamError::Empty { what: "step in its window" });
        }
        let spec = self.model().spec();
        let state = match options.window {
            None => 2 * spec.layers * spec.hidden,
            Some(window) => window * spec.input,
        };
        Ok(Stream {
            model: self.model().clone(),
            window: options.window,
            ticks: vec![0; options.instances],
            state: vec![vec![0.0; state]; options.instances],
            output: vec![0.0; spec.output],
        })
    }
}

impl Stream {
    /// Takes one row of one instance. Returns its prediction, or `None` while the first window is not full.
    ///
    /// # Errors
    /// [`StreamError`] when the instance does not exist or the row does not fit; the state is then unchanged.
    pub fn push(&mut self, instance: usize, row: &[f32]) -> Result<Option<&[f32]>, StreamError> {
        let spec = self.model.spec();
        self.check(instance)?;
        if row.len() != spec.input {
            return Err(StreamError::Row { found: row.len(), input: spec.input });
        }
        if let Some(feature) = row.iter().position(|x| !x.is_finite()) {
            let (tick, value) = (self.ticks[instance], row[feature]);
            return Err(StreamError::NotFinite { instance, tick, feature, value });
        }
        self.ticks[instance] += 1;
        let state = &mut self.state[instance];
        if let Some(window) = self.window {
            state.rotate_left(spec.input);
            let end = state.len();
            state[end - spec.input..].copy_from_slice(row);
            if self.ticks[instance] < window as u64 {
                return Ok(None);
            }
            self.output = forward(self.model.weights(), state).output;
            return Ok(Some(&self.output));
        }
        let mut x = row.to_vec();
        for (layer, state) in state.chunks_exact_mut(2 * spec.hidden).enumerate() {
            let (h, c) = state.split_at_mut(spec.hidden);
            let step = cell(self.model.weights(), layer, &x, h, c);
            h.copy_from_slice(&step.h);
            c.copy_from_slice(&step.c);
            x = step.h;
        }
        let (weight, bias) = self.model.weights().head();
        let logits: Vec<f32> =
            weight.chunks_exact(spec.hidden).zip(bias).map(|(w, &b)| dot(w, &x) + b).collect();
        spec.head.apply(&logits, &mut self.output);
        Ok(Some(&self.output))
    }

    /// Ticks that an instance has taken.
    ///
    /// # Errors
    /// [`StreamError::Instance`] when it does not exist.
    pub fn ticks(&self, instance: usize) -> Result<u64, StreamError> {
        self.check(instance)?;
        Ok(self.ticks[instance])
    }

    /// Puts an instance back to zero state, as at the start.
    ///
    /// # Errors
    /// [`StreamError::Instance`] when it does not exist.
    pub fn reset(&mut self, instance: usize) -> Result<(), StreamError> {
        self.check(instance)?;
        self.ticks[instance] = 0;
        self.state[instance].fill(0.0);
        Ok(())
    }

    /// A copy of an instance's state.
    ///
    /// # Errors
    /// [`StreamError::Instance`] when it does not exist.
    pub fn snapshot(&self, instance: usize) -> Result<Snapshot, StreamError> {
        self.check(instance)?;
        Ok(Snapshot { ticks: self.ticks[instance], values: self.state[instance].clone() })
    }

    /// Puts an instance where `snapshot` was taken; the next ticks give the same bits.
    ///
    /// # Errors
    /// [`StreamError`] when the instance does not exist or the snapshot is of another shape.
    pub fn restore(&mut self, instance: usize, snapshot: &Snapshot) -> Result<(), StreamError> {
        self.check(instance)?;
        let wanted = self.state[instance].len();
        if snapshot.values.len() != wanted {
            return Err(StreamError::Snapshot { found: snapshot.values.len(), wanted });
        }
        self.state[instance].copy_from_slice(&snapshot.values);
        self.ticks[instance] = snapshot.ticks;
        Ok(())
    }

    fn check(&self, instance: usize) -> Result<(), StreamError> {
        let instances = self.ticks.len();
        if instance < instances { Ok(()) } else { Err(StreamError::Instance { instance, instances }) }
    }
}
