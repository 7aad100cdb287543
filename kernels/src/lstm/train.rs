//! Training: forward, back-propagation through time, Adam.
//!
//! The batch is cut into shards whose number depends only on its size. Threads take shards one by one, each from its
//! windows to its gradient without waiting for another. Shards go in waves of a few for each thread, and after each
//! wave its gradients are added to the sum in the order of the shards: memory does not grow with the batch, and any
//! number of threads gives the same bits, as does any instruction set.
//!
//! In bf16 the matrix products of all passes take rounded weights, states and gradients and sum in f32; the weights
//! themselves, activations, states, the head, the sum of gradients and Adam are f32 as ever.
//!
//! `error, schedule, options, adam, dropout, gradient, transposed, words -> shard -> Trainer`

pub mod error;

pub mod schedule;

pub mod options;

mod adam;

mod dropout;

mod gradient;

mod transposed;

mod words;

mod shard;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use diapason_buffer::Buffer;
use ndarray::{ArrayView2, ArrayView3};
use rayon_core::ThreadPool;

use super::matrix::Precision;
use super::model::Lstm;
use super::packed::Packed;
use super::threads::{on_each, pool, threads};
use crate::cpu::Kernels;
use crate::op::network::{Tensor, Weights};
use adam::Adam;
use dropout::Dropout;
pub use error::TrainError;
use gradient::Layout;
pub use options::TrainOptions;
pub use schedule::Schedule;
use shard::{Batch, Workspace};
use transposed::Transposed;
use words::Words;

/// Rows of a shard of a large batch: enough that every load of a weight serves many rows.
const SHARD: usize = 32;
/// Rows below which a shard is not cut further, and into how many a small batch is cut for the sake of threads.
const SHARD_MIN: usize = 8;
const SHARDS_MIN: usize = 8;
/// Shards in a wave for each thread: enough that threads seldom wait for the last of a wave.
const WAVE: usize = 4;
/// The square root of the largest f32: Adam squares each element of the gradient.
const GRADIENT_MAX: f64 = 1.8e19;

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
    adam: Adam,
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
        let threads = threads(options.threads);
        let pool =
            pool(threads).map_err(|error| TrainError::Threads { threads, reason: error.to_string() })?;
        let packed = Packed::new(model.weights())?;
        let words = match options.precision {
            Precision::Bf16 => Some(Words::new(&packed)?),
            Precision::F32 | Precision::Int8 => None,
        };
        let mut trainer = Self {
            adam: Adam::new(spec.parameters()),
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

    /// One step of the optimiser on a batch: windows `[batch, time, input]` and targets `[batch, output]`.
    ///
    /// # Errors
    /// [`TrainError`] when the batch does not fit or something is not finite; the weights are then unchanged.
    #[expect(clippy::needless_pass_by_value, reason = "views go by value, as references do")]
    pub fn step(&mut self, x: ArrayView3<f32>, y: ArrayView2<f32>) -> Result<StepReport, TrainError> {
        let loss = self.gradients(x, y)?.0;
        let grad_norm = norm(&self.gradient.values);
        if grad_norm.is_nan() || grad_norm >= GRADIENT_MAX {
            return Err(self.bad_gradient());
        }
        if let Some(clip) = self.options.clip_norm {
            // The small number is PyTorch's, against a norm of zero.
            let scale = (f64::from(clip) / (grad_norm + 1e-6)).min(1.0) as f32;
            self.gradient.values.iter_mut().for_each(|g| *g *= scale);
        }
        let learning_rate =
            self.options.schedule.rate(f64::from(self.options.learning_rate), self.adam.steps);
        let updated =
            self.adam.update(&self.options, learning_rate, &self.gradient.values, self.model.values_mut());
        if let Err(index) = updated {
            return Err(self.bad_weight(index));
        }
        self.pack();
        Ok(StepReport { loss, grad_norm, learning_rate })
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
        let dropout = Dropout::new(self.options.dropout, self.options.seed, self.adam.steps);
        let loss = self.run(&x, &y, dropout, true)?;
        self.layout.unpack(&mut self.sum, &mut self.gradient);
        Ok((loss, &self.gradient))
    }

    /// The mean loss of a batch, without dropout and without a step.
    ///
    /// # Errors
    /// [`TrainError`] as for [`Trainer::step`].
    #[expect(clippy::needless_pass_by_value, reason = "views go by value, as references do")]
    pub fn evaluate(&mut self, x: ArrayView3<f32>, y: ArrayView2<f32>) -> Result<f64, TrainError> {
        self.run(&x, &y, None, false)
    }

    /// Takes every shard forward, and back where asked to: then `sum` is the gradient. The mean loss.
    fn run(
        &mut self,
        x: &ArrayView3<f32>,
        y: &ArrayView2<f32>,
        dropout: Option<Dropout>,
        back: bool,
    ) -> Result<f64, TrainError> {
        let spec = self.model.spec();
        let (batch, time, input) = x.dim();
        if batch == 0 || time == 0 || input != spec.input || y.dim() != (batch, spec.output) {
            let (windows, targets) = ([batch, time, input], y.dim().into());
            return Err(TrainError::Shape { windows, targets, input: spec.input, output: spec.output });
        }
        let shards = batch.div_ceil(SHARD).max(SHARDS_MIN.min(batch / SHARD_MIN)).max(1);
        let wave = shards.min(WAVE * self.workspaces.len());
        while self.shards.len() < wave {
            self.shards.push(Mutex::new(Shard { loss: Ok(0.0), gradient: self.layout.zeros()? }));
        }
        let shared = Batch {
            kernels: &self.kernels,
            packed: &self.packed,
            transposed: &self.transposed,
            words: self.words.as_ref(),
            layout: &self.layout,
            x,
            y,
            loss: self.options.loss,
            dropout,
        };
        let shape = (batch.div_ceil(shards), self.options.dropout > 0.0);
        let mut losses = 0.0;
        for first in (0..shards).step_by(wave) {
            let (count, next) = (wave.min(shards - first), AtomicUsize::new(0));
            on_each(self.pool.as_ref(), |thread| {
                let mut workspace = self.workspaces[thread].lock().unwrap_or_else(PoisonError::into_inner);
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(shard) = self.shards[..count].get(place) else { return };
                    let index = first + place;
                    let rows = index * batch / shards..(index + 1) * batch / shards;
                    let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
                    let Shard { loss, gradient } = &mut *shard;
                    *loss = one(&shared, &mut workspace, shape, rows, |workspace, rows| {
                        if back {
                            workspace.backward(&shared, rows, gradient);
                        }
                    });
                }
            });
            for (place, shard) in self.shards[..count].iter_mut().enumerate() {
                let Shard { loss, gradient } = shard.get_mut().unwrap_or_else(PoisonError::into_inner);
                losses += std::mem::replace(loss, Ok(0.0))?;
                match (back, first + place) {
                    (false, _) => {}
                    (true, 0) => self.sum.copy_from_slice(gradient),
                    (true, _) => {
                        self.sum.iter_mut().zip(gradient.iter()).for_each(|(sum, &part)| *sum += part);
                    }
                }
            }
        }
        let loss = losses / shard::divisor(&shared);
        if loss.is_finite() { Ok(loss) } else { Err(TrainError::Diverged { step: self.adam.steps, loss }) }
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
        self.adam.steps
    }

    pub(super) const fn adam(&self) -> &Adam {
        &self.adam
    }

    pub(super) const fn adam_mut(&mut self) -> &mut Adam {
        &mut self.adam
    }

    fn bad_weight(&self, index: usize) -> TrainError {
        let holds = |tensor: &Tensor| tensor.range.contains(&index);
        let tensor = self.gradient.spec.tensors().into_iter().find(holds);
        let (tensor, index) = tensor.map_or_else(Default::default, |t| (t.name, index - t.range.start));
        TrainError::Weight { step: self.adam.steps, tensor, index }
    }

    fn bad_gradient(&self) -> TrainError {
        let spec = self.gradient.spec;
        let largest = |tensor: Tensor| {
            let values = self.gradient.values[tensor.range].iter().map(|g| g.abs());
            (tensor.name, values.max_by(f32::total_cmp).unwrap_or(0.0))
        };
        let worst = spec.tensors().into_iter().map(largest).max_by(|a, b| a.1.total_cmp(&b.1));
        let (tensor, value) = worst.unwrap_or_default();
        TrainError::Gradient { step: self.adam.steps, tensor, value }
    }
}

/// One shard forward, then `back`, in a workspace that is made anew when it does not fit.
fn one(
    batch: &Batch,
    workspace: &mut Option<Workspace>,
    (rows_max, keeps_dropout): (usize, bool),
    rows: std::ops::Range<usize>,
    back: impl FnOnce(&mut Workspace, usize),
) -> Result<f64, TrainError> {
    let time = batch.x.dim().1;
    let workspace = match workspace.take().filter(|workspace| workspace.fits(time, rows_max)) {
        Some(fitting) => workspace.insert(fitting),
        None => {
            let kinds = (keeps_dropout, batch.words.is_some());
            workspace.insert(Workspace::new(batch.layout, time, rows_max, kinds)?)
        }
    };
    let loss = workspace.forward(batch, rows.start, rows.len())?;
    back(workspace, rows.len());
    Ok(loss)
}

/// The Euclidean norm, in f64 and in order.
fn norm(values: &[f32]) -> f64 {
    values.iter().map(|&g| f64::from(g) * f64::from(g)).sum::<f64>().sqrt()
}
