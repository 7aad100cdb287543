//! Training of any network whose cells are ordinary: both directions, layers of different sizes, projections, dense
//! layers before, between and behind, several heads.
//!
//! Layer by layer on the products and cells of the kernels, with the shards, the order of sums and the optimiser of
//! [`Trainer`](crate::lstm::Trainer), so any number of threads and any instruction set gives the same bits. What that
//! one has beyond, products in bf16 and truncated back-propagation, is for plain models.
//!
//! `plan -> weights -> pass -> pointwise -> shard -> NetworkTrainer`

mod plan;

mod weights;

mod pass;

mod pointwise;

mod shard;

use std::ops::Range;
use std::sync::Mutex;

use diapason_buffer::Buffer;
use diapason_buffer::buffer::OutOfMemory;
use ndarray::{ArrayView2, ArrayView3};
use rayon_core::ThreadPool;
use thiserror::Error;

use super::Network;
use crate::cpu::Kernels;
use crate::lstm::matrix::Precision;
use crate::lstm::train::descent::Descent;
use crate::lstm::train::dropout::Dropout;
use crate::lstm::train::waves::{self, Waves};
use crate::lstm::train::{StepReport, TrainError, TrainOptions};
use crate::op::loss::Loss;
use crate::op::lstm_stack::place;
use crate::op::network::Tensor;
use pass::Shape;
use plan::{Plan, Source};
use shard::{Batch, Workspace};
use weights::{Packed, fill, pack, zeroed};

/// A network that cannot be trained, or a step that cannot be taken. After an error in [`NetworkTrainer::step`] the
/// weights are as before.
#[derive(Debug, Error)]
pub enum NetworkTrainError {
    /// As in the training of a plain model.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// A layer has a part of which the way back is not known.
    #[error("layer {layer} cannot be trained, since it has {what}")]
    Layer {
        /// The layer.
        layer: usize,
        /// The part.
        what: &'static str,
    },
    /// Series of their own lengths.
    #[error("a network whose series have lengths of their own cannot be trained")]
    Lengths,
    /// An option that only the training of plain models has.
    #[error("{option} is for plain models only; this network is trained in f32, over whole windows")]
    PlainOnly {
        /// The option.
        option: &'static str,
    },
    /// Not one loss, or one array of targets, for each head.
    #[error("{found} {what} were given for {heads} heads; give one for each")]
    Heads {
        /// Losses or targets.
        what: &'static str,
        /// How many.
        found: usize,
        /// Heads of the network.
        heads: usize,
    },
    /// The windows do not fit.
    #[error("windows {found:?} do not fit [batch, time, {input}], batch and time at least 1")]
    Windows {
        /// Their shape.
        found: [usize; 3],
        /// Features that the network reads.
        input: usize,
    },
    /// The targets of a head do not fit.
    #[error("the targets of head {head:?} have shape {found:?}, not {wanted:?}")]
    Targets {
        /// The head.
        head: String,
        /// Their shape.
        found: [usize; 2],
        /// What it must be; a head that gives a sequence has its steps beside each other.
        wanted: [usize; 2],
    },
    /// A head reads a step that the windows do not have.
    #[error("head {head:?} reads step {step}, which windows of {time} steps do not have")]
    Step {
        /// The head.
        head: String,
        /// The step.
        step: isize,
        /// Steps of a window.
        time: usize,
    },
}

impl From<OutOfMemory> for NetworkTrainError {
    fn from(error: OutOfMemory) -> Self {
        Self::Train(error.into())
    }
}

/// A network in training.
#[derive(Debug)]
pub struct NetworkTrainer {
    network: Network,
    options: TrainOptions,
    losses: Vec<Loss>,
    plan: Plan,
    descent: Descent,
    kernels: Kernels,
    pool: Option<ThreadPool>,
    /// All weights, tensor after tensor.
    flat: Vec<f32>,
    packed: Vec<Packed>,
    /// One for each thread.
    workspaces: Vec<Mutex<Option<Workspace>>>,
    /// One for each shard of a wave.
    shards: Vec<Mutex<Shard>>,
    sum: Buffer<f32>,
    gradient: Vec<f32>,
}

/// What one shard of a batch gave.
#[derive(Debug)]
struct Shard {
    loss: Result<f64, NetworkTrainError>,
    gradient: Buffer<f32>,
}

impl NetworkTrainer {
    /// Starts training `network` at step 0. The loss of a batch is the sum of the heads' own, one for each; without any
    /// every head has that of the options.
    ///
    /// A plain model is trained faster by [`Trainer`](crate::lstm::Trainer).
    ///
    /// # Errors
    /// [`NetworkTrainError`] naming the option, the layer or the head that keeps it from being trained.
    pub fn new(network: Network, options: TrainOptions, losses: &[Loss]) -> Result<Self, NetworkTrainError> {
        options.check()?;
        let plain = [
            ("the precision bf16", options.precision != Precision::F32),
            ("truncation", options.truncation.is_some()),
        ];
        if let Some((option, _)) = plain.into_iter().find(|(_, given)| *given) {
            return Err(NetworkTrainError::PlainOnly { option });
        }
        if network.origin().lengths {
            return Err(NetworkTrainError::Lengths);
        }
        let plan = Plan::new(network.stack())?;
        let losses = if losses.is_empty() { vec![options.loss; plan.heads.len()] } else { losses.to_vec() };
        if losses.len() != plan.heads.len() {
            let (found, heads) = (losses.len(), plan.heads.len());
            return Err(NetworkTrainError::Heads { what: "losses", found, heads });
        }
        for (&loss, head) in losses.iter().zip(&plan.heads) {
            TrainOptions { loss, ..options.clone() }.check()?;
            if !loss.fits(head.function) {
                return Err(TrainError::Loss { loss, head: head.function }.into());
            }
        }
        let kernels = Kernels::new(options.isa).map_err(TrainError::Isa)?;
        let (threads, pool) = waves::team(options.threads)?;
        let flat: Vec<f32> = network.stack().tensors().iter().flat_map(|part| part.values).copied().collect();
        let mut trainer = Self {
            descent: Descent::new(options.optimizer, flat.len()),
            packed: pack(&plan)?,
            workspaces: (0..threads).map(|_| Mutex::new(None)).collect(),
            shards: Vec::new(),
            sum: zeroed(plan.gradient)?,
            gradient: vec![0.0; plan.parameters()],
            network,
            options,
            losses,
            plan,
            kernels,
            pool,
            flat,
        };
        fill(&trainer.plan, &trainer.flat, &mut trainer.packed);
        Ok(trainer)
    }

    /// One step of the optimiser on a batch: windows `[batch, time, input]`, and for each head targets
    /// `[batch, output]`, or `[batch, time x output]` of one that gives a sequence.
    ///
    /// # Errors
    /// [`NetworkTrainError`] when the batch does not fit or something is not finite; the weights are then unchanged.
    #[expect(clippy::needless_pass_by_value, reason = "views go by value, as references do")]
    pub fn step(
        &mut self,
        x: ArrayView3<f32>,
        y: &[ArrayView2<f32>],
    ) -> Result<StepReport, NetworkTrainError> {
        let loss = self.slope(&x, y)?;
        let Self { descent, options, gradient, flat, plan, .. } = self;
        let report = descent.step(options, loss, gradient, flat, || plan.tensors.clone())?;
        let mut rest = flat.as_slice();
        for values in self.network.stack_mut().values_mut() {
            let (here, after) = rest.split_at(values.len());
            values.copy_from_slice(here);
            rest = after;
        }
        fill(&self.plan, &self.flat, &mut self.packed);
        Ok(report)
    }

    /// The loss of a batch and its gradient by every weight, without a step; dropout as the next step has it. The
    /// gradient lies tensor after tensor, as [`tensors`](Self::tensors) says.
    ///
    /// # Errors
    /// [`NetworkTrainError`] when the batch does not fit or the loss is not finite.
    #[expect(clippy::needless_pass_by_value, reason = "views go by value, as references do")]
    pub fn gradients(
        &mut self,
        x: ArrayView3<f32>,
        y: &[ArrayView2<f32>],
    ) -> Result<(f64, &[f32]), NetworkTrainError> {
        let loss = self.slope(&x, y)?;
        Ok((loss, &self.gradient))
    }

    /// The loss of a batch, without dropout and without a step.
    ///
    /// # Errors
    /// [`NetworkTrainError`] as for [`NetworkTrainer::step`].
    #[expect(clippy::needless_pass_by_value, reason = "views go by value, as references do")]
    pub fn evaluate(&mut self, x: ArrayView3<f32>, y: &[ArrayView2<f32>]) -> Result<f64, NetworkTrainError> {
        self.run(&x, y, None, false)
    }

    fn slope(&mut self, x: &ArrayView3<f32>, y: &[ArrayView2<f32>]) -> Result<f64, NetworkTrainError> {
        let dropout = Dropout::new(self.options.dropout, self.options.seed, self.descent.steps);
        let loss = self.run(x, y, dropout, true)?;
        self.plan.unpack(&self.sum, &mut self.gradient);
        Ok(loss)
    }

    fn check(&self, x: &ArrayView3<f32>, y: &[ArrayView2<f32>]) -> Result<(), NetworkTrainError> {
        let (batch, time, input) = x.dim();
        if batch == 0 || time == 0 || input != self.plan.input {
            let found = [batch, time, input];
            return Err(NetworkTrainError::Windows { found, input: self.plan.input });
        }
        if y.len() != self.plan.heads.len() {
            let (found, heads) = (y.len(), self.plan.heads.len());
            return Err(NetworkTrainError::Heads { what: "arrays of targets", found, heads });
        }
        for (y, head) in y.iter().zip(&self.plan.heads) {
            let wanted = [batch, head.output * if head.is_sequence { time } else { 1 }];
            if y.dim() != wanted.into() {
                let found = y.dim().into();
                return Err(NetworkTrainError::Targets { head: head.name.clone(), found, wanted });
            }
            for source in &head.sources {
                if let Source::Output { step: Some(step), .. } = *source
                    && place(step, time).is_none()
                {
                    return Err(NetworkTrainError::Step { head: head.name.clone(), step, time });
                }
            }
        }
        Ok(())
    }

    /// Takes every shard forward, and back where asked to: then `sum` is the gradient.
    fn run(
        &mut self,
        x: &ArrayView3<f32>,
        y: &[ArrayView2<f32>],
        dropout: Option<Dropout>,
        back: bool,
    ) -> Result<f64, NetworkTrainError> {
        self.check(x, y)?;
        let waves = Waves::new(x.dim().0);
        let wave = waves.wave(self.workspaces.len());
        while self.shards.len() < wave {
            self.shards.push(Mutex::new(Shard { loss: Ok(0.0), gradient: zeroed(self.plan.gradient)? }));
        }
        let (plan, packed, losses) = (&self.plan, self.packed.as_slice(), self.losses.as_slice());
        let batch = Batch { kernels: &self.kernels, plan, packed, x, y, losses, dropout };
        let shape = Shape { time: x.dim().1, rows: waves.rows_max() };
        let keeps_dropout = self.options.dropout > 0.0;
        let mut loss = 0.0;
        waves.run(
            self.pool.as_ref(),
            &self.workspaces,
            &mut self.shards[..wave],
            |workspace, Shard { loss, gradient }, rows| {
                let gradient = back.then_some(gradient.as_mut());
                *loss = one(&batch, workspace, (shape, keeps_dropout), rows, gradient);
            },
            |shard, _, first| {
                loss += std::mem::replace(&mut shard.loss, Ok(0.0))?;
                if back {
                    waves::add(&mut self.sum, &shard.gradient, first);
                }
                Ok::<(), NetworkTrainError>(())
            },
        )?;
        if loss.is_finite() {
            Ok(loss)
        } else {
            Err(TrainError::Diverged { step: self.descent.steps, loss }.into())
        }
    }

    /// The network as it is now.
    #[must_use]
    pub const fn network(&self) -> &Network {
        &self.network
    }

    /// The network, at the end of training.
    #[must_use]
    pub fn into_network(self) -> Network {
        self.network
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

    /// Which weights lie where in a gradient.
    #[must_use]
    pub fn tensors(&self) -> &[Tensor] {
        &self.plan.tensors
    }

    /// The loss of each head.
    #[must_use]
    pub fn losses(&self) -> &[Loss] {
        &self.losses
    }

    pub(in crate::lstm) const fn descent(&self) -> &Descent {
        &self.descent
    }

    pub(in crate::lstm) const fn descent_mut(&mut self) -> &mut Descent {
        &mut self.descent
    }
}

/// One shard forward, and back to the gradient where that is asked for, in a workspace that is made anew when it does
/// not fit.
fn one(
    batch: &Batch,
    workspace: &mut Option<Workspace>,
    (shape, keeps_dropout): (Shape, bool),
    rows: Range<usize>,
    gradient: Option<&mut [f32]>,
) -> Result<f64, NetworkTrainError> {
    let workspace = match workspace.take().filter(|workspace| workspace.fits(shape)) {
        Some(fitting) => workspace.insert(fitting),
        None => workspace.insert(Workspace::new(batch.plan, shape, keeps_dropout)?),
    };
    let loss = workspace.forward(batch, rows.start, rows.len())?;
    if let Some(gradient) = gradient {
        workspace.backward(batch, rows.len(), gradient);
    }
    Ok(loss)
}
