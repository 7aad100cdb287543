//! A network made ready: a plain one for the kernels of plain models, any other one layer by layer.

use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ndarray::{ArrayView3, ArrayViewMut2, s};
use rayon_core::ThreadPool;

use super::layers::{BLOCK, Block, Layers, is_ordinary};
use super::{Network, NetworkError, NotPlain, Origin};
use crate::cpu::Kernels;
use crate::isa::Isa;
use crate::lstm::block::PredictError;
use crate::lstm::compile::{CompileError, CompileOptions, Executable};
use crate::lstm::matrix::Precision;
use crate::lstm::non_finite::NonFinite;
use crate::lstm::threads::{THREADS_MAX, on_each, pool, threads};
use crate::op::lstm_layer::State;
use crate::op::lstm_stack::{Layer, Run, Stack, What, place};

/// A network made ready for this processor.
#[derive(Debug)]
pub struct NetworkExecutable {
    pub(super) stack: Arc<Stack<f32>>,
    pub(super) origin: Origin,
    pub(super) layers: Arc<Layers>,
    pub(super) path: Path,
    pool: Option<ThreadPool>,
    threads: usize,
    pub(super) non_finite: NonFinite,
}

/// What predicts by it.
#[derive(Debug)]
pub(super) enum Path {
    /// Boxed, as it is large and there is one.
    Plain(Box<Executable>),
    Layers(NotPlain),
}

/// What a run may have beside its windows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Inputs<'a> {
    /// Steps of each window that count, from its start.
    pub lengths: Option<&'a [usize]>,
    /// For each window the initial state of each LSTM layer.
    pub states: Option<&'a [Vec<State<f32>>]>,
}

impl Network {
    /// Makes the model ready: a plain one as [`Lstm::compile`](crate::lstm::Lstm::compile) does, any other one layer by
    /// layer in f32. [`NetworkExecutable::explain`] says which, and what is left to scalar code.
    ///
    /// # Errors
    /// [`NetworkError`] when a precision is asked for in which only plain models run, or the instruction set, the memory
    /// or the threads are not to be had.
    pub fn compile(&self, options: &CompileOptions) -> Result<NetworkExecutable, NetworkError> {
        if options.threads > THREADS_MAX {
            return Err(CompileError::ThreadCount { threads: options.threads }.into());
        }
        let path = match self.to_lstm() {
            Ok(lstm) => Path::Plain(Box::new(lstm.compile(options)?)),
            Err(reason) if options.precision != Precision::F32 => {
                return Err(NetworkError::Precision { precision: options.precision, reason });
            }
            Err(reason) => Path::Layers(reason),
        };
        let kernels = Kernels::new(options.isa).map_err(CompileError::Isa)?;
        let layers = Arc::new(Layers::new(&self.stack, kernels).map_err(NetworkError::Memory)?);
        let threads = threads(options.threads);
        let pool = pool(threads).map_err(|source| CompileError::Threads { threads, source })?;
        let (stack, origin) = (Arc::new(self.stack.clone()), self.origin.clone());
        Ok(NetworkExecutable { stack, origin, layers, path, pool, threads, non_finite: options.non_finite })
    }
}

impl NetworkExecutable {
    /// Predicts windows `[batch, time, input]` by the first head into `[batch, output]`, from zero state or what the
    /// layers start from.
    ///
    /// # Errors
    /// [`NetworkError`] when a shape does not fit, a feature is not finite, or the head gives a sequence; `out` is then
    /// untouched.
    #[expect(clippy::needless_pass_by_value, reason = "views go by value, as references do")]
    pub fn predict(
        &mut self,
        windows: ArrayView3<f32>,
        mut out: ArrayViewMut2<f32>,
    ) -> Result<(), NetworkError> {
        if let Path::Plain(executable) = &mut self.path {
            return Ok(executable.predict(windows, out)?);
        }
        let head = &self.stack.heads[0];
        if head.is_sequence() {
            return Err(NetworkError::Sequence { head: head.name.clone() });
        }
        let wanted = [windows.dim().0, head.output()];
        if out.dim() != wanted.into() {
            return Err(PredictError::Output { found: out.dim().into(), wanted }.into());
        }
        for (mut place, run) in out.outer_iter_mut().zip(self.some(&windows, Inputs::default(), 1)?) {
            place.iter_mut().zip(&run.heads[0]).for_each(|(slot, &value)| *slot = value);
        }
        Ok(())
    }

    /// Takes windows `[batch, time, input]` through all layers in f32: every head, and the states after the last step.
    ///
    /// # Errors
    /// [`NetworkError`] when a shape, length or state does not fit or a feature is not finite.
    #[expect(clippy::needless_pass_by_value, reason = "views go by value, as references do")]
    pub fn run(&self, windows: ArrayView3<f32>, inputs: Inputs) -> Result<Vec<Run<f32>>, NetworkError> {
        self.some(&windows, inputs, self.stack.heads.len())
    }

    fn some(
        &self,
        windows: &ArrayView3<f32>,
        inputs: Inputs,
        heads: usize,
    ) -> Result<Vec<Run<f32>>, NetworkError> {
        let (batch, time, input) = windows.dim();
        if input != self.stack.input || time == 0 {
            return Err(PredictError::Windows { found: [batch, time, input], input: self.stack.input }.into());
        }
        self.check(batch, time, inputs)?;
        let bad = windows.indexed_iter().find(|(_, x)| !x.is_finite());
        if let (Some(((window, step, feature), &value)), NonFinite::Error) = (bad, self.non_finite) {
            return Err(PredictError::NotFinite { window, step, feature, value }.into());
        }
        // As many blocks for each thread as full ones would make, but of equal height.
        let rounds = batch.div_ceil(self.threads * BLOCK).max(1);
        let height = batch.div_ceil(self.threads * rounds).max(1);
        let (next, runs) = (AtomicUsize::new(0), Mutex::new(vec![Vec::new(); batch.div_ceil(height)]));
        on_each(self.pool.as_ref(), |_| {
            loop {
                let block = next.fetch_add(1, Ordering::Relaxed);
                let first = block * height;
                if first >= batch {
                    return;
                }
                let rows = first..batch.min(first + height);
                let part = windows.slice(s![rows.clone(), .., ..]);
                let taken = Block {
                    rows: rows.len(),
                    time,
                    x: part.permuted_axes([1, 0, 2]).iter().copied().collect(),
                    lengths: inputs.lengths.map_or(vec![time; rows.len()], |all| all[rows.clone()].to_vec()),
                    states: inputs.states.map(|states| &states[rows.clone()]),
                };
                let given = self.layers.run(&self.stack, &taken, heads);
                runs.lock().unwrap_or_else(PoisonError::into_inner)[block] = given;
            }
        });
        let runs = runs.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut runs: Vec<Run<f32>> = runs.into_iter().flatten().collect();
        if bad.is_some() {
            let finite = windows.outer_iter().map(|window| window.iter().all(|x| x.is_finite()));
            runs.iter_mut().zip(finite).filter(|(_, finite)| !finite).for_each(|(run, _)| spoil(run));
        }
        Ok(runs)
    }

    fn check(&self, batch: usize, time: usize, inputs: Inputs) -> Result<(), NetworkError> {
        match inputs.lengths {
            None if self.origin.lengths => return Err(NetworkError::NoLengths),
            Some(lengths) if lengths.len() != batch || lengths.iter().any(|&n| n == 0 || n > time) => {
                let longest = lengths.iter().copied().max().unwrap_or_default();
                return Err(NetworkError::Lengths { found: lengths.len(), longest, batch, time });
            }
            _ => {}
        }
        for head in &self.stack.heads {
            for read in &head.read {
                if let What::Step(step) = read.what
                    && place(step, time).is_none()
                {
                    return Err(NetworkError::Step { head: head.name.clone(), step, time });
                }
            }
        }
        let Some(states) = inputs.states else { return Ok(()) };
        for window in 0..batch {
            for (layer, lstm) in self.stack.lstms().enumerate() {
                let (h, c) = (lstm.output(), lstm.passes.len() * lstm.hidden);
                let found = states.get(window).and_then(|states| states.get(layer));
                if !found.is_some_and(|state| state.h.len() == h && state.c.len() == c) {
                    return Err(NetworkError::States { window, layer, h, c });
                }
            }
        }
        Ok(())
    }

    /// In what its matrix products are computed.
    #[must_use]
    pub fn precision(&self) -> Precision {
        match &self.path {
            Path::Plain(executable) => executable.precision(),
            Path::Layers(_) => Precision::F32,
        }
    }

    /// The instruction set of these.
    #[must_use]
    pub fn product_isa(&self) -> Isa {
        match &self.path {
            Path::Plain(executable) => executable.product_isa(),
            Path::Layers(_) => self.layers.kernels.isa(),
        }
    }

    /// What runs the model, and what a step costs, as text for a person.
    #[must_use]
    pub fn explain(&self) -> String {
        let reason = match &self.path {
            Path::Plain(executable) => return executable.explain(),
            Path::Layers(reason) => reason,
        };
        let mut text = String::new();
        let _ = writeln!(
            text,
            "model        {} inputs, {} parameters",
            self.stack.input,
            self.stack.parameters()
        );
        for (place, layer) in self.stack.layers.iter().enumerate() {
            let _ = writeln!(text, "layer {place:<6} {}", describe(layer));
        }
        for head in &self.stack.heads {
            let each = if head.is_sequence() { " for each step" } else { "" };
            let _ = writeln!(text, "head         {:?}, {} values{each}", head.name, head.output());
        }
        let _ = writeln!(text, "threads      {} for batches, 1 for streams", self.threads);
        let isa = self.layers.kernels.isa();
        let _ = writeln!(text, "instructions {isa}, {} lanes of f32", isa.lanes());
        let _ = write!(
            text,
            "path         layer by layer in f32, as the kernels of plain models do not run it: {reason}"
        );
        for (place, layer) in self.stack.layers.iter().enumerate() {
            if let Layer::Lstm(lstm) = layer
                && !lstm.passes.iter().all(|pass| is_ordinary(lstm, pass))
            {
                let _ = write!(
                    text,
                    "\nscalar       the cells of layer {place}: other functions, peepholes, a clip or coupled gates"
                );
            }
        }
        text
    }
}

/// Makes all that a run gave NaN.
pub(super) fn spoil(run: &mut Run<f32>) {
    run.heads.iter_mut().flatten().for_each(|value| *value = f32::NAN);
    for State { h, c } in &mut run.states {
        h.iter_mut().chain(c).for_each(|value| *value = f32::NAN);
    }
}

fn describe(layer: &Layer<f32>) -> String {
    match layer {
        Layer::Lstm(lstm) => {
            let direction = match &lstm.passes[..] {
                [_, _] => "both directions",
                [pass] if pass.reverse => "reverse",
                _ => "forward",
            };
            let projection = lstm.projection.map_or(String::new(), |size| format!(" projected to {size}"));
            format!("LSTM, {direction}, {} inputs, {} units{projection}", lstm.input, lstm.hidden)
        }
        Layer::Dense(dense) => format!("dense, {} inputs, {} outputs", dense.input, dense.output),
        Layer::Each(function) => function.to_string(),
        Layer::Softmax => "Softmax".to_owned(),
    }
}
