//! Batches of windows, each from zero state.
//!
//! The batch is cut into blocks of rows that threads take one by one. A row's bits depend on nothing but the row: not
//! on its block, the threads or the instruction set.

use std::sync::PoisonError;
use std::sync::atomic::AtomicUsize;

use ndarray::{ArrayView3, ArrayViewMut2, s};

use super::block::{Options, PredictError};
use super::compile::Executable;
use super::threads::on_each;

impl Executable {
    /// Predicts a batch of windows `[batch, time, input]`, each from zero state, into `[batch, output]`. Any strides
    /// will do. A feature that is not finite is refused or makes its window's outputs NaN, as the model was compiled
    /// ([`NonFinite`](super::NonFinite)). After a first call with windows of the same length, one thread allocates nothing.
    ///
    /// # Errors
    /// [`PredictError`] when a shape does not fit or a feature is not finite and may not be; `out` is then untouched.
    #[expect(clippy::needless_pass_by_value, reason = "views go by value, as references do")]
    pub fn predict(
        &mut self,
        windows: ArrayView3<f32>,
        mut out: ArrayViewMut2<f32>,
    ) -> Result<(), PredictError> {
        let (batch, time, input) = windows.dim();
        let spec = self.packed.spec;
        if input != spec.input || time == 0 {
            return Err(PredictError::Windows { found: [batch, time, input], input: spec.input });
        }
        if out.dim() != (batch, spec.output) {
            return Err(PredictError::Output { found: out.dim().into(), wanted: [batch, spec.output] });
        }
        // As many blocks for each thread as full ones would make, but of equal height.
        let threads = self.workspaces.len();
        let block = self.tuning.block;
        let height = batch.div_ceil(threads * batch.div_ceil(threads * block).max(1)).max(1);
        let next = AtomicUsize::new(0);
        on_each(self.pool.as_ref(), |thread| {
            let mut workspace = self.workspaces[thread].lock().unwrap_or_else(PoisonError::into_inner);
            let Self { precision, non_finite, tuning, .. } = *self;
            let options = Options { precision, non_finite, tuning };
            workspace.run(&self.kernels, (&self.packed, &options), &windows, (&next, height));
        });
        let mut error = None;
        for workspace in &mut self.workspaces {
            let found = workspace.get_mut().unwrap_or_else(PoisonError::into_inner).error.take();
            error = earlier(error, found);
        }
        if let Some(error) = error {
            return Err(error);
        }
        for workspace in &mut self.workspaces {
            let workspace = workspace.get_mut().unwrap_or_else(PoisonError::into_inner);
            let mut rows = workspace.outputs.chunks_exact(spec.output);
            for &block in &workspace.blocks {
                let mut place = out.slice_mut(s![block * height..batch.min((block + 1) * height), ..]);
                for (mut place, row) in place.outer_iter_mut().zip(&mut rows) {
                    for (slot, &value) in place.iter_mut().zip(row) {
                        *slot = value;
                    }
                }
            }
        }
        Ok(())
    }
}

/// The error of the earlier window, so that the message does not depend on the threads.
fn earlier(a: Option<PredictError>, b: Option<PredictError>) -> Option<PredictError> {
    let window = |error: &Option<PredictError>| match error {
        Some(PredictError::NotFinite { window, .. }) => *window,
        Some(_) => 0,
        None => usize::MAX,
    };
    if window(&b) < window(&a) { b } else { a }
}
