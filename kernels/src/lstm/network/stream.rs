//! One row a tick for any network: a plain one as its own streams do, any other one layer by layer.
//!
//! Layer by layer, with carried state a tick is a series of one step from the state before; with a window it is a
//! whole series of the last rows, whatever the layers. Both allocate; the streams of plain models do not.

use std::sync::Arc;

use super::layers::{Block, Layers};
use super::run::{Path, spoil};
use super::{Network, NetworkError, NetworkExecutable};
use crate::lstm::non_finite::NonFinite;
use crate::lstm::stream::{Stream, StreamError, StreamOptions};
use crate::op::lstm_layer::State;
use crate::op::lstm_stack::{Layer, Stack, What};

/// A network that takes one row a tick.
#[derive(Debug)]
pub struct NetworkStream {
    path: Ticks,
}

#[derive(Debug)]
enum Ticks {
    Plain(Box<Stream>),
    Layers(Rows),
}

#[derive(Debug)]
struct Rows {
    stack: Arc<Stack<f32>>,
    layers: Arc<Layers>,
    window: Option<usize>,
    non_finite: NonFinite,
    instances: Vec<Instance>,
    output: Vec<f32>,
}

#[derive(Clone, Debug, Default)]
struct Instance {
    ticks: u64,
    /// After the last tick, where it is carried.
    states: Option<Vec<State<f32>>>,
    /// The last rows of a window, oldest first.
    rows: Vec<f32>,
    /// Whether a carried state has seen a row that was not finite.
    spoiled: bool,
}

impl NetworkExecutable {
    /// A stream of the first head with its own states.
    ///
    /// # Errors
    /// [`NetworkError`] when the head gives a sequence, a layer that reads from the end is to carry its state, or the
    /// options have no instance or no step.
    pub fn stream(&self, options: &StreamOptions) -> Result<NetworkStream, NetworkError> {
        match &self.path {
            Path::Plain(executable) => {
                let path = Ticks::Plain(Box::new(executable.stream(options)?));
                return Ok(NetworkStream { path });
            }
            Path::Layers(reason) if !options.cores.is_empty() => {
                return Err(NetworkError::Cores { reason: reason.clone() });
            }
            Path::Layers(_) => {}
        }
        if self.origin.lengths {
            return Err(NetworkError::NoLengths);
        }
        let StreamOptions { instances, window, .. } = *options;
        if instances == 0 {
            return Err(NetworkError::Empty { what: "instance" });
        }
        let head = &self.stack.heads[0];
        let sequence = || NetworkError::Sequence { head: head.name.clone() };
        match window {
            Some(0) => return Err(NetworkError::Empty { what: "step in its window" }),
            Some(time) => {
                if head.is_sequence() {
                    return Err(sequence());
                }
                for read in &head.read {
                    if let What::Step(step) = read.what
                        && crate::op::lstm_stack::place(step, time).is_none()
                    {
                        return Err(NetworkError::Step { head: head.name.clone(), step, time });
                    }
                }
            }
            None => {
                let reverse = |layer: &Layer<f32>| match layer {
                    Layer::Lstm(lstm) => lstm.passes.iter().any(|pass| pass.reverse),
                    _ => false,
                };
                if let Some(layer) = self.stack.layers.iter().position(reverse) {
                    return Err(NetworkError::Reverse { layer });
                }
                // Only the newest step is at hand.
                let old =
                    |read: &crate::op::lstm_stack::Read| matches!(read.what, What::Step(step) if step != -1);
                if let Some(What::Step(step)) = head.read.iter().find(|read| old(read)).map(|read| read.what)
                {
                    return Err(NetworkError::Step { head: head.name.clone(), step, time: 1 });
                }
            }
        }
        let (stack, layers) = (Arc::clone(&self.stack), Arc::clone(&self.layers));
        let instances = vec![Instance::default(); instances];
        Ok(NetworkStream {
            path: Ticks::Layers(Rows {
                stack,
                layers,
                window,
                non_finite: self.non_finite,
                instances,
                output: Vec::new(),
            }),
        })
    }
}

impl NetworkStream {
    /// Takes one row of one instance. Returns its prediction, or `None` while its first window is not full.
    ///
    /// # Errors
    /// [`StreamError`] when the instance does not exist or the row does not fit; the state is then unchanged.
    pub fn push(&mut self, instance: usize, row: &[f32]) -> Result<Option<&[f32]>, StreamError> {
        match &mut self.path {
            Ticks::Plain(stream) => stream.push(instance, row),
            Ticks::Layers(rows) => rows.push(instance, row),
        }
    }
}

impl NetworkStream {
    /// Puts an instance back to zero state, as at the start.
    ///
    /// # Errors
    /// [`StreamError`] as for [`Stream::reset`].
    pub fn reset(&mut self, instance: usize) -> Result<(), StreamError> {
        match &mut self.path {
            Ticks::Plain(stream) => stream.reset(instance),
            Ticks::Layers(Rows { instances, .. }) => {
                let count = instances.len();
                let found = instances.get_mut(instance);
                found
                    .map(|found| *found = Instance::default())
                    .ok_or(StreamError::Instance { instance, instances: count })
            }
        }
    }

    /// Does what the last tick of an instance left, as [`Stream::prepare`] does; layer by layer nothing is left.
    ///
    /// # Errors
    /// [`StreamError::Instance`] when it does not exist.
    pub fn prepare(&mut self, instance: usize) -> Result<(), StreamError> {
        match &mut self.path {
            Ticks::Plain(stream) => stream.prepare(instance),
            Ticks::Layers(Rows { instances, .. }) if instance < instances.len() => Ok(()),
            Ticks::Layers(Rows { instances, .. }) => {
                Err(StreamError::Instance { instance, instances: instances.len() })
            }
        }
    }
}

impl Rows {
    fn push(&mut self, instance: usize, row: &[f32]) -> Result<Option<&[f32]>, StreamError> {
        let instances = self.instances.len();
        let Some(state) = self.instances.get_mut(instance) else {
            return Err(StreamError::Instance { instance, instances });
        };
        let input = self.stack.input;
        if row.len() != input {
            return Err(StreamError::Row { found: row.len(), input });
        }
        let bad = row.iter().position(|x| !x.is_finite());
        if let (Some(feature), NonFinite::Error) = (bad, self.non_finite) {
            return Err(StreamError::NotFinite { instance, tick: state.ticks, feature, value: row[feature] });
        }
        state.ticks += 1;
        let mut runs = match self.window {
            None => {
                state.spoiled |= bad.is_some();
                let before = state.states.take().map(|states| vec![states]);
                let block =
                    Block { rows: 1, time: 1, x: row.to_vec(), lengths: vec![1], states: before.as_deref() };
                let mut runs = self.layers.run(&self.stack, &block, 1);
                state.states = runs.first_mut().map(|run| std::mem::take(&mut run.states));
                runs
            }
            Some(window) => {
                if state.rows.len() == window * input {
                    state.rows.drain(..input);
                }
                state.rows.extend_from_slice(row);
                if state.rows.len() < window * input {
                    return Ok(None);
                }
                let block = Block {
                    rows: 1,
                    time: window,
                    x: state.rows.clone(),
                    lengths: vec![window],
                    states: None,
                };
                self.layers.run(&self.stack, &block, 1)
            }
        };
        if state.spoiled || !state.rows.iter().all(|x| x.is_finite()) {
            runs.iter_mut().for_each(spoil);
        }
        self.output = runs.into_iter().flat_map(|run| run.heads).next().unwrap_or_default();
        Ok(Some(&self.output))
    }
}

impl Network {
    /// Values of one row and of one prediction.
    #[must_use]
    pub fn widths(&self) -> (usize, usize) {
        (self.stack.input, self.stack.heads[0].output())
    }
}
