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
//! Several [`cores`](StreamOptions::cores) can share a tick: each computes some units of every layer from weights in its own
//! caches, and they exchange the hidden states after each layer (`seat.rs`).
//!
//! All of these give the bits that [`predict`](super::Executable::predict) gives for the same rows from zero state. A tick
//! takes no lock, makes no system call and allocates nothing, unless workers that sleep ([`Wait::Park`]) must be woken.
//!
//! ```text
//! error, mailbox -> seat -> step -> part -> team -> snapshot
//! ```

mod error;

mod sync {
    //! What a mailbox is made of. The model checker puts its own in the place.
    pub use std::sync::atomic::{AtomicU64, Ordering};
}

mod mailbox;

mod seat;

mod step;

mod part;

mod team;

mod snapshot;

use std::sync::Arc;

use super::compile::Executable;
use super::matrix::Matrix;
use super::non_finite::NonFinite;
use super::packed::Packed;
use crate::cpu::Kernels;
use crate::op::dense::Dense;
use crate::op::gemm::GROUP;
pub use error::StreamError;
use part::{Blueprint, Order, Part};
pub use seat::Wait;
pub use snapshot::Snapshot;
use team::Team;

/// How a stream treats time, and where it runs.
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
    /// The cores, as the kernel numbers them, of threads that share each tick with the caller's own: one thread pinned to
    /// each, for as long as the stream lives. Pin the caller's thread to a core beside them. Each thread takes one group of 16
    /// units or more, so a layer has a use for at most as many threads as it has groups. Any number gives the same bits.
    pub cores: Vec<usize>,
    /// How these threads wait for each other.
    pub wait: Wait,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self { instances: 1, window: None, ahead: false, cores: Vec::new(), wait: Wait::Spin }
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
    instances: usize,
    /// For each instance the ticks to come whose predictions are NaN, for the sake of a row that was not finite.
    spoiled: Vec<u64>,
    part: Part,
    team: Option<Team>,
    output: Vec<f32>,
    /// What is computed with in the place of a row that is not finite.
    blank: Vec<f32>,
}

impl Executable {
    /// A stream with its own states, all zero. It shares the packed weights, unless it runs on several cores, and may outlive
    /// this value.
    ///
    /// # Errors
    /// [`StreamError`] when there is no instance, the window has no step, a core is not to be had, or the memory.
    pub fn stream(&self, options: &StreamOptions) -> Result<Stream, StreamError> {
        let &StreamOptions { instances, window, ahead, ref cores, wait } = options;
        if instances == 0 {
            return Err(StreamError::Empty { what: "instance" });
        }
        if window == Some(0) {
            return Err(StreamError::Empty { what: "step in its window" });
        }
        team::check(cores, self.packed.units / GROUP)?;
        let cores: Vec<_> = cores.iter().copied().map(Some).collect();
        self.on_cores((instances, window, ahead), &cores, wait)
    }

    /// The same, checked. Workers without a core run anywhere.
    fn on_cores(
        &self,
        (instances, window, ahead): (usize, Option<usize>, bool),
        cores: &[Option<usize>],
        wait: Wait,
    ) -> Result<Stream, StreamError> {
        let (kernels, precision, packed) = (self.kernels, self.precision, Arc::clone(&self.packed));
        let (output, blank) = (vec![0.0; packed.spec.output], vec![0.0; packed.spec.input]);
        let (non_finite, spoiled) = (self.non_finite, vec![0; instances]);
        let model = Arc::clone(&self.model);
        let blueprint = Blueprint { kernels, precision, packed, instances, window, ahead };
        let (team, part) = if cores.is_empty() {
            let memory = |source| StreamError::Memory { instances, source };
            (None, Part::new(&blueprint, None).map_err(memory)?)
        } else {
            let (team, part) = Team::start(&blueprint, cores, wait)?;
            (Some(team), part)
        };
        let packed = blueprint.packed;
        Ok(Stream {
            kernels,
            packed,
            model,
            window,
            ahead,
            non_finite,
            instances,
            spoiled,
            part,
            team,
            output,
            blank,
        })
    }
}

impl Stream {
    /// Takes one row of one instance. Returns its prediction, or `None` while its first window is not full.
    ///
    /// # Errors
    /// [`StreamError`] when the instance does not exist or the row does not fit, and the state is then unchanged; or when a
    /// worker has ended, and the stream with it.
    pub fn push(&mut self, instance: usize, row: &[f32]) -> Result<Option<&[f32]>, StreamError> {
        self.check(instance)?;
        let input = self.packed.spec.input;
        if row.len() != input {
            return Err(StreamError::Row { found: row.len(), input });
        }
        // The whole row at once: looking for the place of a bad value takes ten times as long, and there seldom is one.
        let finite = row.iter().fold(true, |all, x| all & x.is_finite());
        if !finite
            && self.non_finite == NonFinite::Error
            && let Some(feature) = row.iter().position(|x| !x.is_finite())
        {
            let (tick, value) = (self.part.ticks(instance), row[feature]);
            return Err(StreamError::NotFinite { instance, tick, feature, value });
        }
        let Self { kernels, packed, spoiled, part, team, output, blank, .. } = self;
        let (row, spoiled) = (if finite { row } else { blank }, &mut spoiled[instance]);
        if !finite {
            *spoiled = self.window.map_or(u64::MAX, |window| window as u64);
        }
        if let Some(team) = team {
            team.order(Order::Tick(instance), Some(row), part)?;
        }
        let top = part.tick(instance, row)?;
        let nan = *spoiled > 0;
        if nan && self.window.is_some() {
            *spoiled -= 1;
        }
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
        if nan {
            output.fill(f32::NAN);
        }
        Ok(Some(&self.output))
    }

    /// Does what the last tick of an instance left, and what the next one can do without its row. Nothing, without
    /// [`StreamOptions::ahead`] or when it is done already. Workers may still be at it when this returns.
    ///
    /// # Errors
    /// [`StreamError`] when the instance does not exist, or a worker has ended.
    pub fn prepare(&mut self, instance: usize) -> Result<(), StreamError> {
        self.check(instance)?;
        if self.ahead {
            self.order(Order::Prepare(instance))?;
            self.part.prepare(instance)?;
        }
        Ok(())
    }

    fn order(&mut self, order: Order) -> Result<(), StreamError> {
        self.team.as_mut().map_or(Ok(()), |team| team.order(order, None, &self.part))
    }

    /// Ticks that an instance has taken.
    ///
    /// # Errors
    /// [`StreamError::Instance`] when it does not exist.
    pub fn ticks(&self, instance: usize) -> Result<u64, StreamError> {
        self.check(instance)?;
        Ok(self.part.ticks(instance))
    }

    /// Puts an instance back to zero state, as at the start.
    ///
    /// # Errors
    /// [`StreamError`] when the instance does not exist, or a worker has ended.
    pub fn reset(&mut self, instance: usize) -> Result<(), StreamError> {
        self.check(instance)?;
        self.order(Order::Reset(instance))?;
        self.part.reset(instance);
        self.spoiled[instance] = 0;
        Ok(())
    }

    fn check(&self, instance: usize) -> Result<(), StreamError> {
        let instances = self.instances;
        if instance < instances { Ok(()) } else { Err(StreamError::Instance { instance, instances }) }
    }
}
