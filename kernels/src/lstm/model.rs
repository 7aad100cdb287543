//! The model: its shape, its weights and the strings that travel with them.

use std::collections::BTreeMap;

use thiserror::Error;

use super::non_finite::NonFinite;
use crate::op::network::{Spec, SpecError, Weights};
use crate::random;

/// An LSTM with a dense head, in f32, as it is trained and saved. To run it, [`compile`](Lstm::compile) it.
#[derive(Clone, Debug, PartialEq)]
pub struct Lstm {
    weights: Weights<f32>,
    metadata: BTreeMap<String, String>,
}

/// Weights that make no model.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum ModelError {
    /// The shape is impossible.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The flat vector has another length than the shape says.
    #[error("{spec} needs {wanted} weights, not {given}")]
    Length {
        /// The shape.
        spec: Spec,
        /// What it needs.
        wanted: usize,
        /// What was given.
        given: usize,
    },
    /// A weight is NaN or infinite.
    #[error("tensor {tensor:?} holds {value} at element {index}")]
    NotFinite {
        /// The tensor's name.
        tensor: String,
        /// The element in row-major order.
        index: usize,
        /// NaN or an infinity.
        value: f32,
    },
}

impl Lstm {
    /// A model with random weights: uniform in ±1/sqrt(hidden), as `torch.nn.LSTM` and `torch.nn.Linear` start.
    /// One seed gives the same weights on every machine.
    ///
    /// # Errors
    /// [`ModelError::Spec`] when the shape is impossible.
    #[expect(clippy::cast_precision_loss, reason = "the hidden size is at most 2^20")]
    pub fn new(spec: Spec, seed: u64) -> Result<Self, ModelError> {
        spec.check()?;
        let bound = 1.0 / (spec.hidden as f32).sqrt();
        let values = (0..spec.parameters() as u64)
            .map(|index| bound * (2.0 * random::unit(seed, index) - 1.0))
            .collect();
        Ok(Self { weights: Weights { spec, values }, metadata: BTreeMap::new() })
    }

    /// A model with the given weights.
    ///
    /// # Errors
    /// [`ModelError`] when the shape is impossible, the length is wrong or a weight is not finite.
    pub fn from_weights(weights: Weights<f32>) -> Result<Self, ModelError> {
        Self::from_weights_as(weights, NonFinite::Error)
    }

    /// The same, with what to do about weights that are not finite. Only [`compile`](Self::compile) takes a model that has
    /// such, and only with the same choice; a NaN's own bits are not kept. Training and files refuse it.
    ///
    /// # Errors
    /// [`ModelError`] when the shape is impossible, the length is wrong or a weight is not finite and may not be.
    pub fn from_weights_as(mut weights: Weights<f32>, non_finite: NonFinite) -> Result<Self, ModelError> {
        let spec = weights.spec;
        spec.check()?;
        if weights.values.len() != spec.parameters() {
            return Err(ModelError::Length { spec, wanted: spec.parameters(), given: weights.values.len() });
        }
        match non_finite {
            NonFinite::Error => finite(&weights)?,
            // One NaN for all, whose payload no rounding turns into a number.
            NonFinite::Propagate => {
                weights.values.iter_mut().filter(|x| x.is_nan()).for_each(|x| *x = f32::NAN);
            }
        }
        Ok(Self { weights, metadata: BTreeMap::new() })
    }

    /// Whether every weight is finite.
    ///
    /// # Errors
    /// [`ModelError::NotFinite`] naming the first that is not.
    pub fn check_finite(&self) -> Result<(), ModelError> {
        finite(&self.weights)
    }

    /// The shape.
    #[must_use]
    pub const fn spec(&self) -> Spec {
        self.weights.spec
    }

    /// The weights, in PyTorch's order and layout.
    #[must_use]
    pub const fn weights(&self) -> &Weights<f32> {
        &self.weights
    }

    /// A hash of shape and weights, in hexadecimal: what a stream's state belongs to.
    pub(super) fn hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(format!("diapason lstm {}\n", self.spec()).as_bytes());
        let mut block = [0; 4096];
        for values in self.weights.values.chunks(block.len() / 4) {
            let bytes = block.as_chunks_mut().0.iter_mut().zip(values);
            bytes.for_each(|(bytes, value)| *bytes = value.to_le_bytes());
            hasher.update(&block[..4 * values.len()]);
        }
        hasher.finalize().to_hex().to_string()
    }

    pub(crate) fn values_mut(&mut self) -> &mut [f32] {
        &mut self.weights.values
    }

    /// Strings that are saved with the model and mean nothing to it: a feature plan, a hash, a normalisation.
    #[must_use]
    pub const fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// The same, to change. Keys that start with `diapason.` are the file format's own: saving refuses them.
    pub const fn metadata_mut(&mut self) -> &mut BTreeMap<String, String> {
        &mut self.metadata
    }
}

fn finite(weights: &Weights<f32>) -> Result<(), ModelError> {
    for tensor in weights.spec.tensors() {
        let values = &weights.values[tensor.range];
        if let Some(index) = values.iter().position(|x| !x.is_finite()) {
            return Err(ModelError::NotFinite { tensor: tensor.name, index, value: values[index] });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::network::Head;

    const SPEC: Spec = Spec { input: 3, hidden: 4, layers: 1, output: 1, head: Head::Linear };

    #[test]
    fn a_seed_gives_the_same_weights_everywhere() {
        let model = Lstm::new(SPEC, 1).unwrap();
        assert_eq!(model, Lstm::new(SPEC, 1).unwrap());
        assert_ne!(model, Lstm::new(SPEC, 2).unwrap());
        assert!(model.weights().values.iter().all(|w| w.abs() <= 0.5));
    }

    #[test]
    fn bad_weights_are_named() {
        let mut weights = Lstm::new(SPEC, 1).unwrap().weights().clone();
        weights.values[4 * 4 * 3 + 2] = f32::NAN;
        let message = Lstm::from_weights(weights.clone()).unwrap_err().to_string();
        assert_eq!(message, "tensor \"weight_hh_l0\" holds NaN at element 2");
        weights.values.pop();
        assert!(matches!(Lstm::from_weights(weights), Err(ModelError::Length { .. })));
    }
}
