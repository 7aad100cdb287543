//! Models of one shape, trained side by side on the same batches.

use std::fmt::Write;
use std::time::Duration;

use ndarray::{Array3, ArrayView2, ArrayView3, Axis};

use super::buffers::{Batch, Buffer, Part, lasting, of_a_batch};
use super::error::CudaTrainError;
use super::kernels::{Places, kernels};
use super::launches::{Order, descend, pack};
use super::numbers::{numbers, remedy};
use crate::cuda::engine::{DeviceEngine, Engine};
use crate::cuda::gpu::Gpu;
use crate::cuda::plan::Kernels;
use crate::cuda::shape::Machine;
use crate::gpu::windows;
use crate::lstm::{
    Lstm, NonFinite, Optimizer, Precision, Spec, States, StepReport, TrainError, TrainOptions, Weights,
};
use crate::random;

/// The longest wait for one step.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// Models of one shape, trained side by side on the same batches: one launch of each kernel takes all of them, so that a sweep of
/// small models fills a device that one would leave idle. Learning rate, schedule, decay, clip, seed and the optimiser's numbers
/// may differ from model to model.
#[derive(Debug)]
pub struct CudaSweep {
    engine: Engine,
    places: Places,
    spec: Spec,
    entries: Vec<Entry>,
}

/// The longest gradient, as on the processor: the square of an element must be a f32. `descent.cu` has it, too.
const GRADIENT_MAX: f64 = 1.8e19;

/// One of the models. The weights in it are those from the start.
#[derive(Debug)]
struct Entry {
    model: Lstm,
    options: TrainOptions,
    steps: u64,
}

/// The loss of each model, or why it has none.
pub type Losses = Vec<Result<f64, TrainError>>;

impl CudaSweep {
    /// Starts training each model at step 0. Kernels are cut for batches of about `batch` windows and take any.
    ///
    /// # Errors
    /// [`CudaTrainError`] when models or options that must be equal are not, an option is out of its range, the device lacks
    /// the memory, or NVRTC is missing.
    pub fn new(gpu: &Gpu, models: Vec<(Lstm, TrainOptions)>, batch: usize) -> Result<Self, CudaTrainError> {
        Self::on(models, gpu.machine, batch, |kernels, buffers| {
            Ok(Engine::Device(Box::new(DeviceEngine::new(gpu, kernels, buffers, WAIT_MAX)?)))
        })
    }

    pub(super) fn on(
        models: Vec<(Lstm, TrainOptions)>,
        machine: Machine,
        batch: usize,
        engine: impl FnOnce(&Kernels, usize) -> Result<Engine, CudaTrainError>,
    ) -> Result<Self, CudaTrainError> {
        let Some((first, shared)) = models.first() else { return Err(CudaTrainError::None) };
        let (spec, shared) = (first.spec(), shared.clone());
        for (model, (other, options)) in models.iter().enumerate() {
            options.check()?;
            other.check_finite().map_err(TrainError::from)?;
            if !options.loss.fits(spec.head) {
                return Err(TrainError::Loss { loss: options.loss, head: spec.head }.into());
            }
            if options.precision != Precision::F32 {
                return Err(CudaTrainError::Precision(options.precision));
            }
            let rule =
                |options: &TrainOptions| (std::mem::discriminant(&options.optimizer), moments(options));
            for (field, equal) in [
                ("shape", other.spec() == spec),
                ("optimizer", rule(options) == rule(&shared)),
                ("loss", options.loss == shared.loss),
                ("dropout", options.dropout.to_bits() == shared.dropout.to_bits()),
                ("truncation", options.truncation == shared.truncation),
            ] {
                if !equal {
                    return Err(CudaTrainError::Differs { model, field });
                }
            }
        }
        let rows = batch.max(1).saturating_mul(models.len());
        let (kernels, places) = kernels(&spec, &shared, machine, rows)?;
        let mut engine = engine(&kernels, Buffer::count(spec.layers))?;
        for (buffer, what, bytes) in lasting(&spec, models.len(), moments(&shared)) {
            engine.room(buffer.number(), what, bytes)?;
        }
        let flat: Vec<u8> = models.iter().flat_map(|(model, _)| bytes_of(&model.weights().values)).collect();
        engine.write(Buffer::Weights.number(), &flat)?;
        engine.launch(&pack(&spec, &places, models.len()))?;
        // The copy above is done when this is.
        engine.read("the first weights", Buffer::Report.number(), 0, 16)?;
        let entry = |(model, options)| Entry { model, options, steps: 0 };
        Ok(Self { engine, places, spec, entries: models.into_iter().map(entry).collect() })
    }

    /// One step of the optimiser of every model on a batch: windows `[batch, time, input]` and targets `[batch, output]`, from
    /// zero state. A model that cannot take the step stays as it was, and the others take theirs.
    ///
    /// # Errors
    /// [`CudaTrainError`] when the batch does not fit or holds what is not finite, or the device fails.
    #[expect(clippy::needless_pass_by_value, reason = "views go by value, as references do")]
    pub fn step(
        &mut self,
        x: ArrayView3<f32>,
        y: ArrayView2<f32>,
    ) -> Result<Vec<Result<StepReport, CudaTrainError>>, CudaTrainError> {
        let (losses, _) = self.slope(&x, &y, None)?;
        self.descend(&losses)
    }

    /// The mean loss of a batch by each model, without dropout and without a step.
    ///
    /// # Errors
    /// [`CudaTrainError`] as for [`step`](Self::step); within it, the loss of a model that is not finite.
    #[expect(clippy::needless_pass_by_value, reason = "views go by value, as references do")]
    pub fn evaluate(
        &mut self,
        x: ArrayView3<f32>,
        y: ArrayView2<f32>,
    ) -> Result<Vec<Result<f64, TrainError>>, CudaTrainError> {
        Ok(self.forward(&x, &y, None)?.0)
    }

    /// The models as they are now, brought from the device, with the metadata that they came with.
    ///
    /// # Errors
    /// [`CudaTrainError::Cuda`] when the device fails.
    pub fn models(&mut self) -> Result<Vec<Lstm>, CudaTrainError> {
        let len = 4 * self.spec.parameters() * self.entries.len();
        let flat = f32s(&self.engine.read("the weights", Buffer::Weights.number(), 0, len)?);
        let model = |(values, entry): (&[f32], &Entry)| {
            let weights = Weights { spec: self.spec, values: values.to_vec() };
            let mut model = Lstm::from_weights(weights).map_err(TrainError::from)?;
            model.metadata_mut().clone_from(entry.model.metadata());
            Ok(model)
        };
        flat.chunks_exact(self.spec.parameters()).zip(&self.entries).map(model).collect()
    }

    /// How a model is trained.
    ///
    /// # Panics
    /// When there is no such model.
    #[must_use]
    pub fn options(&self, model: usize) -> &TrainOptions {
        &self.entries[model].options
    }

    /// Steps that a model has taken.
    ///
    /// # Panics
    /// When there is no such model.
    #[must_use]
    pub fn steps(&self, model: usize) -> u64 {
        self.entries[model].steps
    }

    /// Where and how the models are trained, as text for a person.
    #[must_use]
    pub fn explain(&self) -> String {
        let mut text = format!("model        {}, {} side by side", self.spec, self.entries.len());
        let _ = write!(text, "\n{}", self.engine.explain());
        let _ = write!(text, "\nprecision    f32");
        for (index, layer) in self.places.layers.iter().enumerate() {
            let _ = write!(text, "\nlayer {index:<6} forward {:?}", layer.forward.cut);
            let _ = write!(text, "\n             backward {:?}", layer.backward.cut);
        }
        text
    }

    /// The gradient that [`slope`](Self::slope) left of a model.
    pub(super) fn gradient(&mut self, model: usize) -> Result<Weights<f32>, CudaTrainError> {
        let len = 4 * self.spec.parameters();
        let bytes = self.engine.read("the gradient", Buffer::Gradient.number(), model * len, len)?;
        Ok(Weights { spec: self.spec, values: f32s(&bytes) })
    }

    /// The losses, and the states of the first model at the end where there were some at the start; leaves the gradients.
    pub(super) fn slope(
        &mut self,
        x: &ArrayView3<f32>,
        y: &ArrayView2<f32>,
        states: Option<&States>,
    ) -> Result<(Losses, Option<States>), CudaTrainError> {
        let dropout = self.entries[0].options.dropout;
        let batch = self.begin(x, y, states, dropout)?;
        let keys = self.entries.iter().map(|entry| random::bits(entry.options.seed, entry.steps));
        let keys: Vec<u8> = keys.flat_map(u64::to_le_bytes).collect();
        self.engine.write(Buffer::Keys.number(), &keys)?;
        let order = Order { spec: &self.spec, places: &self.places, models: self.entries.len(), batch };
        self.engine.launch(&order.forward(self.entries[0].options.loss))?;
        self.engine.launch(&order.backward())?;
        self.end(&batch)
    }

    /// The same without dropout and without gradients.
    pub(super) fn forward(
        &mut self,
        x: &ArrayView3<f32>,
        y: &ArrayView2<f32>,
        states: Option<&States>,
    ) -> Result<(Losses, Option<States>), CudaTrainError> {
        let batch = self.begin(x, y, states, 0.0)?;
        let order = Order { spec: &self.spec, places: &self.places, models: self.entries.len(), batch };
        self.engine.launch(&order.forward(self.entries[0].options.loss))?;
        self.end(&batch)
    }

    /// Checks a batch and brings it to the device.
    fn begin(
        &mut self,
        x: &ArrayView3<f32>,
        y: &ArrayView2<f32>,
        states: Option<&States>,
        dropout: f32,
    ) -> Result<Batch, CudaTrainError> {
        let spec = self.spec;
        let (rows, steps, input) = x.dim();
        if rows == 0 || steps == 0 || input != spec.input || y.dim() != (rows, spec.output) {
            let (windows, targets) = ([rows, steps, input], y.dim().into());
            return Err(TrainError::Shape { windows, targets, input: spec.input, output: spec.output }.into());
        }
        states.map(|states| states.check(spec, rows)).transpose()?;
        let (mut values, mut spoiled) = (Vec::new(), vec![false; rows]);
        let read = windows::read(x, (0, rows), (0, steps), NonFinite::Error, (&mut values, &mut spoiled));
        if read.is_err()
            && let Some(((window, time, feature), &value)) = x.indexed_iter().find(|(_, x)| !x.is_finite())
        {
            return Err(TrainError::Feature { window, time, feature, value }.into());
        }
        if let Some(((window, output), &value)) = y.indexed_iter().find(|(_, y)| !y.is_finite()) {
            return Err(TrainError::Target { window, output, value }.into());
        }
        let kept = self.entries[0].options.truncation.map_or(steps, |kept| kept.min(steps));
        let batch = Batch { rows, steps, begin: steps - kept, carried: states.is_some(), dropout };
        for (buffer, what, bytes) in of_a_batch(&spec, self.entries.len(), &batch) {
            self.engine.room(buffer.number(), what, bytes)?;
        }
        self.engine.write(Buffer::X.number(), &bytes_of(&values))?;
        self.engine.write(Buffer::Y.number(), &bytes_of(&y.iter().copied().collect::<Vec<_>>()))?;
        if let Some(States { h, c }) = states {
            for (part, states) in [(Part::StartH, h), (Part::StartC, c)] {
                for (layer, states) in states.outer_iter().enumerate() {
                    let one = bytes_of(&states.iter().copied().collect::<Vec<_>>());
                    self.engine.write(Buffer::Of(layer, part).number(), &one.repeat(self.entries.len()))?;
                }
            }
        }
        Ok(batch)
    }

    /// Reads the losses, and the states of the first model where they go on.
    fn end(&mut self, batch: &Batch) -> Result<(Losses, Option<States>), CudaTrainError> {
        let report = self.report()?;
        #[expect(clippy::cast_precision_loss, reason = "a batch has far fewer than 2^53 values")]
        let divisor = self.entries[0].options.loss.divisor(batch.rows, self.spec.output) as f64;
        let losses = report.iter().zip(&self.entries).map(|([sum, _], entry)| {
            let loss = sum / divisor;
            if loss.is_finite() { Ok(loss) } else { Err(TrainError::Diverged { step: entry.steps, loss }) }
        });
        let losses = losses.collect();
        if !batch.carried {
            return Ok((losses, None));
        }
        let shape = (self.spec.layers, batch.rows, self.spec.hidden);
        let mut after = States { h: Array3::zeros(shape), c: Array3::zeros(shape) };
        let len = 4 * batch.rows * self.spec.hidden;
        for (part, states) in [(Part::H, &mut after.h), (Part::C, &mut after.c)] {
            for (layer, mut states) in states.axis_iter_mut(Axis(0)).enumerate() {
                let buffer = Buffer::Of(layer, part).number();
                let last = f32s(&self.engine.read("the states", buffer, batch.steps * len, len)?);
                states.iter_mut().zip(last).for_each(|(to, value)| *to = value);
            }
        }
        Ok((losses, Some(after)))
    }

    fn report(&mut self) -> Result<Vec<[f64; 2]>, CudaTrainError> {
        let len = 16 * self.entries.len();
        let bytes = self.engine.read("a step of the training", Buffer::Report.number(), 0, len)?;
        let value = |bytes: &[u8]| bytes.try_into().map_or(f64::NAN, f64::from_le_bytes);
        Ok(bytes.chunks_exact(16).map(|pair| [value(&pair[..8]), value(&pair[8..])]).collect())
    }

    /// The step of the optimiser on the gradients that [`slope`](Self::slope) left.
    pub(super) fn descend(
        &mut self,
        losses: &Losses,
    ) -> Result<Vec<Result<StepReport, CudaTrainError>>, CudaTrainError> {
        let rate =
            |entry: &Entry| entry.options.schedule.rate(f64::from(entry.options.learning_rate), entry.steps);
        let rates: Vec<f64> = self.entries.iter().map(rate).collect();
        let entries = self.entries.iter().zip(&rates);
        let numbers: Vec<f32> =
            entries.flat_map(|(entry, &rate)| numbers(&entry.options, rate, entry.steps)).collect();
        self.engine.write(Buffer::Numbers.number(), &bytes_of(&numbers))?;
        // A loss that is not finite has a gradient that may be: such a model must not move.
        let bad = losses.iter().map(|loss| if loss.is_ok() { i32::MAX } else { -1 });
        self.engine.write(Buffer::Bad.number(), &bad.flat_map(i32::to_le_bytes).collect::<Vec<_>>())?;
        let count = self.entries.len();
        self.engine.launch(&descend(&self.spec, &self.places, count))?;
        let report = self.report()?;
        let bad = self.engine.read("a step of the training", Buffer::Bad.number(), 0, 4 * count)?;
        let bad = bad.chunks_exact(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        let mut reports = Vec::with_capacity(count);
        for (model, (([_, grad_norm], bad), rate)) in report.into_iter().zip(bad).zip(rates).enumerate() {
            reports.push(match &losses[model] {
                Err(error) => Err(error.clone().into()),
                Ok(_) if grad_norm.is_nan() || grad_norm >= GRADIENT_MAX => {
                    Err(self.too_steep(model)?.into())
                }
                Ok(_) if bad != i32::MAX => Err(self.too_far(model, bad).into()),
                &Ok(loss) => {
                    self.entries[model].steps += 1;
                    Ok(StepReport { loss, grad_norm, learning_rate: rate })
                }
            });
        }
        Ok(reports)
    }

    /// Which tensor's gradient is too large.
    fn too_steep(&mut self, model: usize) -> Result<TrainError, CudaTrainError> {
        let (gradient, step) = (self.gradient(model)?.values, self.entries[model].steps);
        let largest = self.spec.tensors().into_iter().map(|tensor| {
            let values = gradient[tensor.range].iter().map(|g| g.abs());
            (tensor.name, values.max_by(f32::total_cmp).unwrap_or(0.0))
        });
        let (tensor, value) = largest.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or_default();
        Ok(TrainError::Gradient { step, tensor, value })
    }

    /// Which weight would not be finite.
    fn too_far(&self, model: usize, index: i32) -> TrainError {
        let Entry { options, steps, .. } = &self.entries[model];
        let index = usize::try_from(index).unwrap_or(0);
        let tensor = self.spec.tensors().into_iter().find(|tensor| tensor.range.contains(&index));
        let (tensor, index) =
            tensor.map_or_else(Default::default, |tensor| (tensor.name, index - tensor.range.start));
        TrainError::Weight { step: *steps, tensor, index, remedy: remedy(options.optimizer) }
    }
}

/// Values that the optimiser remembers of each weight.
fn moments(options: &TrainOptions) -> usize {
    match options.optimizer {
        Optimizer::Adam { .. } | Optimizer::AdamW { .. } => 2,
        Optimizer::Sgd { momentum, .. } => usize::from(momentum > 0.0),
    }
}

fn bytes_of(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn f32s(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}
