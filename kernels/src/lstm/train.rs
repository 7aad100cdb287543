//! Training: forward, back-propagation through time, a step of the optimiser.
//!
//! The batch is cut into shards. Threads take shards one by one, each from its windows to its gradient without waiting
//! for another, and the gradients are added up in the order of the shards (`waves.rs`): any number of threads gives the
//! same bits, as does any instruction set.
//!
//! A long series is trained on in segments: their states go on from one to the next, gradients stop between them.
//!
//! In bf16 the matrix products of all passes take rounded weights, states and gradients and sum in f32; the weights
//! themselves, activations, states, the head, the sum of gradients and the optimiser are f32 as ever.
//!
//! `error, schedule, optimizer -> options -> adam, sgd -> descent`
//!
//! `states, dropout, gradient, transposed, words, waves -> shard -> Trainer`

pub mod error;

pub mod schedule;

pub mod optimizer;

pub mod options;

mod adam;

mod sgd;

pub(crate) mod descent;

pub mod states;

pub(in crate::lstm) mod dropout;

mod gradient;

pub(in crate::lstm) mod transposed;

pub(in crate::lstm) mod words;

pub(in crate::lstm) mod waves;

mod shard;

use std::ops::Range;
use std::sync::Mutex;

use diapason_buffer::Buffer;
use ndarray::{ArrayView2, ArrayView3, s};
use rayon_core::ThreadPool;

use super::matrix::Precision;
use super::model::Lstm;
use super::packed::Packed;
use crate::cpu::Kernels;
use crate::op::network::Weights;
use descent::Descent;
use dropout::Dropout;
pub use error::TrainError;
use gradient::Layout;
pub use optimizer::Optimizer;
pub use options::TrainOptions;
pub use schedule::Schedule;
use shard::{Batch, Workspace};
pub use states::States;
use transposed::Transposed;
use waves::Waves;
use words::Words;

/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// The mean loss of the batch before the step.
    pub loss: f64,
    /// The Euclidean norm of the gradient before clipping.
    pub grad_norm: f64,
    /// The step size that the schedule gave.
    pub learning_rate: f64,
}

/// A model in training.
#[derive(Debug)]
pub struct Trainer {
    model: Lstm,
    options: TrainOptions,
    descent: Descent,
    kernels: Kernels,
    pool: Option<ThreadPool>,
    layout: Layout,
    packed: Packed,
    transposed: Transposed,
    /// The same rounded, where products are in bf16.
    words: Option<Words>,
    /// One for each thread.
    workspaces: Vec<Mutex<Option<Workspace>>>,
    /// One for each shard of a wave.
    shards: Vec<Mutex<Shard>>,
    /// The sum over all shards of a batch, in the layout of the kernels.
    sum: Buffer<f32>,
    gradient: Weights<f32>,
}

/// What one shard of a batch gave.
#[derive(Debug)]
struct Shard {
    loss: Result<f64, TrainError>,
    gradient: Buffer<f32>,
    /// At the end, where states are carried: hidden, then cell, `[layers, rows, hidden]` each.
    states: Vec<f32>,
}

impl Trainer {
    /// Starts training `model` at step 0.
    ///
    /// # Errors
    /// [`TrainError`] when an option is out of its range, the loss does not fit the model's head, a weight is not
    /// finite, or the instruction
    /// set, the memory or the threads are not to be had.
    pub fn new(model: Lstm, options: TrainOptions) -> Result<Self, TrainError> {
        options.check()?;
        model.check_finite()?;
        let spec = model.spec();
        if !options.loss.fits(spec.head) {
            return Err(TrainError::Loss { loss: options.loss, head: spec.head });
        }
        let (kernels, layout) = (Kernels::new(options.isa)?, Layout::new(spec));
        let (threads, pool) = waves::team(options.threads)?;
        let packed = Packed::new(model.weights())?;
        let words = match options.precision {
            Precision::Bf16 => Some(Words::new(&packed)?),
            Precision::F32 | Precision::Int8 => None,
        };
        let mut trainer = Self {
            descent: Descent::new(options.optimizer, spec.parameters()),
            kernels,
            pool,
            sum: layout.zeros()?,
            layout,
            packed,
            transposed: Transposed::new(spec)?,
            words,
            workspaces: (0..threads).map(|_| Mutex::new(None)).collect(),
            shards: Vec::new(),
            gradient: Weights::zeros(spec),
            model,
            options,
        };
        trainer.pack();
        Ok(trainer)
    }

    /// Takes the weights over into the layouts and the precision of the products.
    fn pack(&mut self) {
        self.packed.fill(self.model.weights());
        self.transposed.fill(self.model.weights());
        if let Some(words) = &mut self.words {
            words.fill(&self.kernels, &mut self.packed, &self.transposed);
        }
    }

    /// One step of the optimiser on a batch: windows `[batch, time, input]` and targets `[batch, output]`, from zero
    /// state.
    ///
    /// # Errors
    /// [`TrainError`] when the batch does not fit or something is not finite; the weights are then unchanged.
    #[expect(clippy::needless_pass_by_value, reason = "views go by value, as references do")]
    pub fn step(&mut self, x: ArrayView3<f32>, y: ArrayView2<f32>) -> Result<StepReport, TrainError> {
        let (loss, _) = self.slope(&x, &y, None)?;
        self.descend(loss)
    }

    /// The same on a segment of longer series: it begins with `states`, which are afterwards those that the next
    /// segment begins with. The gradient does not go back into the segment before.
    ///
    /// # Errors
    /// [`TrainError`] as for [`Trainer::step`], or when the states do not fit; they are then unchanged, too.
    #[expect(clippy::needless_pass_by_value, reason = "views go by value, as references do")]
    pub fn step_from(
        &mut self,
        x: ArrayView3<f32>,
        y: ArrayView2<f32>,
        states: &mut States,
    ) -> Result<StepReport, TrainError> {
        let (loss, after) = self.slope(&x, &y, Some(states))?;
        let report = self.descend(loss)?;
        after.into_iter().for_each(|after| *states = after);
        Ok(report)
    }

    fn descend(&mut self, loss: f64) -> Result<StepReport, TrainError> {
        let spec = self.model.spec();
        let (gradient, weights) = (&mut self.gradient.values, self.model.values_mut());
        let report = self.descent.step(&self.options, loss, gradient, weights, || spec.tensors())?;
        self.pack();
        Ok(report)
    }

    /// The mean loss of a batch and its gradient by every weight, without a step; dropout as the next step has it.
    ///
    /// # Errors
    /// [`TrainError`] when the batch does not fit or the loss is not finite.
    #[expect(clippy::needless_pass_by_value, reason = "views go by value, as references do")]
    pub fn gradients(
        &mut self,
        x: ArrayView3<f32>,
        y: ArrayView2<f32>,
    ) -> Result<(f64, &Weights<f32>), TrainError> {
        let (loss, _) = self.slope(&x, &y, None)?;
        Ok((loss, &self.gradient))
    }

    /// The same on a segment of longer series, as [`step_from`](Self::step_from) has it.
    ///
    /// # Errors
    /// [`TrainError`] as for [`Trainer::gradients`], or when the states do not fit; they are then unchanged.
    #[expect(clippy::needless_pass_by_value, reason = "views go by value, as references do")]
    pub fn gradients_from(
        &mut self,
        x: ArrayView3<f32>,
        y: ArrayView2<f32>,
        states: &mut States,
    ) -> Result<(f64, &Weights<f32>), TrainError> {
        let (loss, after) = self.slope(&x, &y, Some(states))?;
        after.into_iter().for_each(|after| *states = after);
        Ok((loss, &self.gradient))
    }

    /// The loss, and the states at the end where there were some at the start; leaves the gradient in its place.
    fn slope(
        &mut self,
        x: &ArrayView3<f32>,
        y: &ArrayView2<f32>,
        states: Option<&States>,
    ) -> Result<(f64, Option<States>), TrainError> {
        let dropout = Dropout::new(self.options.dropout, self.options.seed, self.descent.steps);
        let run = self.run(x, y, states, dropout, true)?;
        self.layout.unpack(&mut self.sum, &mut self.gradient);
        Ok(run)
    }

    /// The mean loss of a batch, without dropout and without a step.
    ///
    /// # Errors
    /// [`TrainError`] as for [`Trainer::step`].
    #[expect(clippy::needless_pass_by_value, reason = "views go by value, as references do")]
    pub fn evaluate(&mut self, x: ArrayView3<f32>, y: ArrayView2<f32>) -> Result<f64, TrainError> {
        Ok(self.run(&x, &y, None, None, false)?.0)
    }

    /// The same on a segment of longer series, as [`step_from`](Self::step_from) has it.
    ///
    /// # Errors
    /// [`TrainError`] as for [`Trainer::step_from`].
    #[expect(clippy::needless_pass_by_value, reason = "views go by value, as references do")]
    pub fn evaluate_from(
        &mut self,
        x: ArrayView3<f32>,
        y: ArrayView2<f32>,
        states: &mut States,
    ) -> Result<f64, TrainError> {
        let (loss, after) = self.run(&x, &y, Some(states), None, false)?;
        after.into_iter().for_each(|after| *states = after);
        Ok(loss)
    }

    /// Takes every shard forward, and back where asked to: then `sum` is the gradient. The mean loss, and the states at
    /// the end where there were some at the start.
    fn run(
        &mut self,
        x: &ArrayView3<f32>,
        y: &ArrayView2<f32>,
        states: Option<&States>,
        dropout: Option<Dropout>,
        back: bool,
    ) -> Result<(f64, Option<States>), TrainError> {
        let spec = self.model.spec();
        let (batch, time, input) = x.dim();
        if batch == 0 || time == 0 || input != spec.input || y.dim() != (batch, spec.output) {
            let (windows, targets) = ([batch, time, input], y.dim().into());
            return Err(TrainError::Shape { windows, targets, input: spec.input, output: spec.output });
        }
        states.map(|states| states.check(spec, batch)).transpose()?;
        let mut after = states.cloned();
        let waves = Waves::new(batch);
        while self.shards.len() < waves.wave(self.workspaces.len()) {
            let (loss, gradient, states) = (Ok(0.0), self.layout.zeros()?, Vec::new());
            self.shards.push(Mutex::new(Shard { loss, gradient, states }));
        }
        let shared = Batch {
            kernels: &self.kernels,
            packed: &self.packed,
            transposed: &self.transposed,
            words: self.words.as_ref(),
            layout: &self.layout,
            x,
            y,
            states,
            kept: self.options.truncation.map_or(time, |steps| steps.min(time)),
            loss: self.options.loss,
            dropout,
        };
        let shape = (waves.rows_max(), self.options.dropout > 0.0);
        let wave = waves.wave(self.workspaces.len());
        let mut losses = 0.0;
        waves.run(
            self.pool.as_ref(),
            &self.workspaces,
            &mut self.shards[..wave],
            |workspace, Shard { loss, gradient, states }, rows| {
                *loss = one(&shared, workspace, shape, rows, |workspace, rows| {
                    if shared.states.is_some() {
                        workspace.states(&shared, rows, states);
                    }
                    if back {
                        workspace.backward(&shared, rows, gradient);
                    }
                });
            },
            |Shard { loss, gradient, states }, rows, first| {
                losses += std::mem::replace(loss, Ok(0.0))?;
                if let Some(States { h, c }) = &mut after {
                    let (mut h, mut c) =
                        (h.slice_mut(s![.., rows.clone(), ..]), c.slice_mut(s![.., rows, ..]));
                    let places = h.iter_mut().chain(c.iter_mut());
                    places.zip(states.iter()).for_each(|(place, &state)| *place = state);
                }
                if back {
                    waves::add(&mut self.sum, gradient, first);
                }
                Ok::<(), TrainError>(())
            },
        )?;
        let loss = losses / shard::divisor(&shared);
        if loss.is_finite() {
            Ok((loss, after))
        } else {
            Err(TrainError::Diverged { step: self.descent.steps, loss })
        }
    }

    /// The model as it is now.
    #[must_use]
    pub const fn model(&self) -> &Lstm {
        &self.model
    }

    /// The model, at the end of training.
    #[must_use]
    pub fn into_model(self) -> Lstm {
        self.model
    }

    /// How it is trained.
    #[must_use]
    pub const fn options(&self) -> &TrainOptions {
        &self.options
    }

    /// Steps taken.
    #[must_use]
    pub const fn steps(&self) -> u64 {
        self.descent.steps
    }

    pub(super) const fn descent(&self) -> &Descent {
        &self.descent
    }

    pub(super) const fn descent_mut(&mut self) -> &mut Descent {
        &mut self.descent
    }
}

/// One shard forward, then `back`, in a workspace that is made anew when it does not fit.
fn one(
    batch: &Batch,
    workspace: &mut Option<Workspace>,
    (rows_max, keeps_dropout): (usize, bool),
    rows: Range<usize>,
    back: impl FnOnce(&mut Workspace, usize),
) -> Result<f64, TrainError> {
    let kept = batch.kept;
    let workspace = match workspace.take().filter(|workspace| workspace.fits(kept, rows_max)) {
        Some(fitting) => workspace.insert(fitting),
        None => {
            let kinds = (keeps_dropout, batch.words.is_some());
            workspace.insert(Workspace::new(batch.layout, kept, rows_max, kinds)?)
        }
    };
    let loss = workspace.forward(batch, rows.start, rows.len())?;
    back(workspace, rows.len());
    Ok(loss)
}
