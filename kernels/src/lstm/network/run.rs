//! A network made ready: on the kernels where they have all that it needs, else by the reference.

use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use ndarray::{ArrayView3, ArrayViewMut2, Axis};
use rayon_core::ThreadPool;

use super::{Network, NetworkError, NotPlain, Origin};
use crate::isa::Isa;
use crate::lstm::block::PredictError;
use crate::lstm::compile::{CompileError, CompileOptions, Executable};
use crate::lstm::matrix::Precision;
use crate::lstm::threads::{THREADS_MAX, on_each, pool, threads};
use crate::op::lstm_layer::State;
use crate::op::lstm_stack::{Layer, Run, Stack, What, place};

/// A network made ready for this processor.
#[derive(Debug)]
pub struct NetworkExecutable {
    pub(super) stack: Stack<f32>,
    pub(super) origin: Origin,
    pub(super) path: Path,
    threads: usize,
}

/// What runs it.
#[derive(Debug)]
pub(super) enum Path {
    /// Boxed, as it is large and there is one.
    Kernels(Box<Executable>),
    Reference {
        reason: NotPlain,
        pool: Option<ThreadPool>,
    },
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
    /// Makes the model ready: on the fast kernels if it is a plain one, else for the scalar reference.
    /// [`NetworkExecutable::explain`] says which.
    ///
    /// # Errors
    /// [`NetworkError`] when an instruction set is asked for that has no kernels for it, or the memory or the threads
    /// are not to be had.
    pub fn compile(&self, options: &CompileOptions) -> Result<NetworkExecutable, NetworkError> {
        let count = threads(options.threads);
        let path = match self.to_lstm() {
            Ok(lstm) => Path::Kernels(Box::new(lstm.compile(options)?)),
            Err(reason) => {
                if let Some(isa) = options.isa.filter(|&isa| isa != Isa::Scalar) {
                    return Err(NetworkError::Reference { isa, reason });
                }
                if options.precision != Precision::F32 {
                    return Err(NetworkError::Precision { precision: options.precision, reason });
                }
                if options.threads > THREADS_MAX {
                    return Err(CompileError::ThreadCount { threads: options.threads }.into());
                }
                let pool = pool(count).map_err(|source| CompileError::Threads { threads: count, source })?;
                Path::Reference { reason, pool }
            }
        };
        Ok(NetworkExecutable { stack: self.stack.clone(), origin: self.origin.clone(), path, threads: count })
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
        if let Path::Kernels(executable) = &mut self.path {
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
        for (mut place, run) in out.outer_iter_mut().zip(self.run(windows, Inputs::default())?) {
            place.iter_mut().zip(&run.heads[0]).for_each(|(slot, &value)| *slot = value);
        }
        Ok(())
    }

    /// Takes windows `[batch, time, input]` through the reference: every head, and the states after the last step.
    ///
    /// # Errors
    /// [`NetworkError`] when a shape, length or state does not fit or a feature is not finite.
    #[expect(clippy::needless_pass_by_value, reason = "views go by value, as references do")]
    pub fn run(&self, windows: ArrayView3<f32>, inputs: Inputs) -> Result<Vec<Run<f32>>, NetworkError> {
        let (batch, time, input) = windows.dim();
        if input != self.stack.input || time == 0 {
            return Err(PredictError::Windows { found: [batch, time, input], input: self.stack.input }.into());
        }
        self.check(batch, time, inputs)?;
        if let Some(((window, step, feature), &value)) = windows.indexed_iter().find(|(_, x)| !x.is_finite())
        {
            return Err(PredictError::NotFinite { window, step, feature, value }.into());
        }
        let (next, runs) = (AtomicUsize::new(0), Mutex::new(vec![None; batch]));
        let one = |_| loop {
            let row = next.fetch_add(1, Ordering::Relaxed);
            if row >= batch {
                return;
            }
            let x: Vec<f32> = windows.index_axis(Axis(0), row).iter().copied().collect();
            let length = inputs.lengths.map_or(time, |lengths| lengths[row]);
            let states = inputs.states.map(|states| states[row].as_slice());
            let run = self.stack.forward(&x, length, states);
            runs.lock().unwrap_or_else(PoisonError::into_inner)[row] = Some(run);
        };
        match &self.path {
            Path::Reference { pool, .. } => on_each(pool.as_ref(), one),
            Path::Kernels(_) => one(0),
        }
        Ok(runs.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().flatten().collect())
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

    /// What runs the model, and what a step costs, as text for a person.
    #[must_use]
    pub fn explain(&self) -> String {
        let reason = match &self.path {
            Path::Kernels(executable) => return executable.explain(),
            Path::Reference { reason, .. } => reason,
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
        let _ =
            write!(text, "path         scalar reference in f32, as the fast kernels do not run it: {reason}");
        text
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
