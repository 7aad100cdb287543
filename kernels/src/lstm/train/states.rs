//! The states with which a segment of a long series begins, and those with which it ends.

use ndarray::Array3;

use super::error::TrainError;
use crate::op::network::Spec;

/// Of every layer the state of each series of a batch, as `torch.nn.LSTM` takes and gives them.
///
/// A long series is trained on segment by segment: the state goes on from one to the next, the gradient stops at the
/// border, as after `detach()`.
#[derive(Clone, Debug, PartialEq)]
pub struct States {
    /// Hidden states, `[layers, batch, hidden]`.
    pub h: Array3<f32>,
    /// Cell states, `[layers, batch, hidden]`.
    pub c: Array3<f32>,
}

impl States {
    /// The states before the first row of `batch` series.
    #[must_use]
    pub fn zeros(spec: Spec, batch: usize) -> Self {
        let zeros = || Array3::zeros((spec.layers, batch, spec.hidden));
        Self { h: zeros(), c: zeros() }
    }

    pub(crate) fn check(&self, spec: Spec, batch: usize) -> Result<(), TrainError> {
        let wanted = [spec.layers, batch, spec.hidden];
        for (what, values) in [("hidden", &self.h), ("cell", &self.c)] {
            if values.dim() != wanted.into() {
                return Err(TrainError::States { what, found: values.dim().into(), wanted });
            }
            if let Some(((layer, window, unit), &value)) = values.indexed_iter().find(|(_, x)| !x.is_finite())
            {
                return Err(TrainError::State { what, layer, window, unit, value });
            }
        }
        Ok(())
    }
}
