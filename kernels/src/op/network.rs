//! The whole network: stacked LSTM layers and a dense head on the last hidden state.
//!
//! Gate order, tensor names and shapes are those of `torch.nn.LSTM` (four blocks of `hidden` rows: input, forget,
//! cell, output) followed by `torch.nn.Linear` as `fc`. All weights of a model lie in one flat vector in the order
//! of [`Spec::tensors`], so that an optimiser, a norm and a file are loops over one slice.
//!
//! `forward` and `backward` are the specification: plain loops, one window at a time, generic over f32 and f64.

pub mod backward;
pub mod forward;

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Real;

/// The activation on top of the dense head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Head {
    /// None: regression.
    Linear,
    /// `1 / (1 + exp(-x))` on each output: independent probabilities.
    Sigmoid,
    /// Exponentials over their sum: one probability a class.
    Softmax,
}

/// The shape of a model. All layers share one hidden size; biases are always present.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Features in one time step.
    pub input: usize,
    /// Units in each layer.
    pub hidden: usize,
    /// Layers, the first of which reads the features.
    pub layers: usize,
    /// Values that the dense head gives.
    pub output: usize,
    /// The activation of the head.
    pub head: Head,
}

/// A shape that no model can have.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SpecError {
    /// A dimension is zero or beyond its limit.
    #[error("{name} is {value}; it must be between 1 and {max}")]
    OutOfRange {
        /// The field of [`Spec`].
        name: &'static str,
        /// Its value.
        value: usize,
        /// The limit.
        max: usize,
    },
    /// The weights would not fit in the limit of one model.
    #[error("a model of {spec} has more than {PARAMETERS_MAX} parameters")]
    TooLarge {
        /// The shape.
        spec: Spec,
    },
}

/// Largest input, hidden and output dimension: 2^20, far beyond any CPU model, so that products cannot overflow.
pub const DIMENSION_MAX: usize = 1 << 20;
/// Most layers of a model.
pub const LAYERS_MAX: usize = 64;
/// Most parameters of a model: 2^30, 4 GiB of f32.
pub const PARAMETERS_MAX: usize = 1 << 30;

/// One named weight: its PyTorch name, its shape, and where it lies in the flat vector (row-major).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// The name in PyTorch's `state_dict`, such as `weight_ih_l0` or `fc.bias`.
    pub name: String,
    /// One or two dimensions.
    pub shape: Vec<usize>,
    /// Its elements in [`Weights::values`].
    pub range: Range<usize>,
}

impl Spec {
    /// Checks every dimension and the number of parameters.
    ///
    /// # Errors
    /// [`SpecError`] naming the field, its value and the limit.
    pub fn check(&self) -> Result<(), SpecError> {
        let fields = [
            ("input", self.input, DIMENSION_MAX),
            ("hidden", self.hidden, DIMENSION_MAX),
            ("layers", self.layers, LAYERS_MAX),
            ("output", self.output, DIMENSION_MAX),
        ];
        for (name, value, max) in fields {
            if value == 0 || value > max {
                return Err(SpecError::OutOfRange { name, value, max });
            }
        }
        if self.parameters() > PARAMETERS_MAX {
            return Err(SpecError::TooLarge { spec: *self });
        }
        Ok(())
    }

    /// The features that layer `layer` reads.
    #[must_use]
    pub const fn layer_input(&self, layer: usize) -> usize {
        if layer == 0 { self.input } else { self.hidden }
    }

    /// Number of weights, biases included, of a shape that passes [`check`](Self::check).
    #[must_use]
    pub fn parameters(&self) -> usize {
        (0..self.layers).map(|layer| self.layer_parameters(layer)).sum::<usize>()
            + self.output * (self.hidden + 1)
    }

    fn layer_parameters(&self, layer: usize) -> usize {
        4 * self.hidden * (self.layer_input(layer) + self.hidden + 2)
    }

    /// Where layer `layer` starts in the flat vector; `layer == layers` gives the head.
    #[must_use]
    pub fn layer_start(&self, layer: usize) -> usize {
        (0..layer).map(|below| self.layer_parameters(below)).sum()
    }

    /// Every tensor in the order of the flat vector.
    #[must_use]
    pub fn tensors(&self) -> Vec<Tensor> {
        let mut tensors = Vec::with_capacity(4 * self.layers + 2);
        let mut start = 0;
        let mut add = |name: String, shape: Vec<usize>| {
            let len = shape.iter().product::<usize>();
            tensors.push(Tensor { name, shape, range: start..start + len });
            start += len;
        };
        let gates = 4 * self.hidden;
        for layer in 0..self.layers {
            add(format!("weight_ih_l{layer}"), vec![gates, self.layer_input(layer)]);
            add(format!("weight_hh_l{layer}"), vec![gates, self.hidden]);
            add(format!("bias_ih_l{layer}"), vec![gates]);
            add(format!("bias_hh_l{layer}"), vec![gates]);
        }
        add("fc.weight".to_owned(), vec![self.output, self.hidden]);
        add("fc.bias".to_owned(), vec![self.output]);
        tensors
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { input, hidden, layers, output, head } = self;
        let head = match head {
            Head::Linear => "linear",
            Head::Sigmoid => "sigmoid",
            Head::Softmax => "softmax",
        };
        write!(f, "{input} inputs, {layers} x {hidden} units, {output} outputs ({head})")
    }
}

/// The weights of a model, or their gradient: one flat vector in the order of [`Spec::tensors`].
#[derive(Clone, Debug, PartialEq)]
pub struct Weights<R> {
    /// The shape.
    pub spec: Spec,
    /// `spec.parameters()` values.
    pub values: Vec<R>,
}

/// One layer's weights, row-major, rows in PyTorch's gate order.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'a, R> {
    /// `[4 hidden, inputs]`.
    pub weight_ih: &'a [R],
    /// `[4 hidden, hidden]`.
    pub weight_hh: &'a [R],
    /// `[4 hidden]`.
    pub bias_ih: &'a [R],
    /// `[4 hidden]`.
    pub bias_hh: &'a [R],
}

impl<R: Real> Weights<R> {
    /// All zero.
    #[must_use]
    pub fn zeros(spec: Spec) -> Self {
        Self { spec, values: vec![R::zero(); spec.parameters()] }
    }

    /// # Panics
    /// When the shape is impossible or the vector has another length than it says.
    fn assert_whole(&self) {
        let whole = self.spec.check().is_ok() && self.values.len() == self.spec.parameters();
        assert!(whole, "{} values are no weights of {}", self.values.len(), self.spec);
    }

    /// The weights of `layer`.
    pub(crate) fn layer(&self, layer: usize) -> Layer<'_, R> {
        let gates = 4 * self.spec.hidden;
        let (_, rest) = self.values.split_at(self.spec.layer_start(layer));
        let (weight_ih, rest) = rest.split_at(gates * self.spec.layer_input(layer));
        let (weight_hh, rest) = rest.split_at(gates * self.spec.hidden);
        let (bias_ih, rest) = rest.split_at(gates);
        Layer { weight_ih, weight_hh, bias_ih, bias_hh: &rest[..gates] }
    }

    /// The weights of the dense head: `[output, hidden]` and `[output]`.
    pub(crate) fn head(&self) -> (&[R], &[R]) {
        self.values[self.spec.layer_start(self.spec.layers)..].split_at(self.spec.output * self.spec.hidden)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: Spec = Spec { input: 3, hidden: 5, layers: 2, output: 2, head: Head::Linear };

    #[test]
    fn tensors_tile_the_flat_vector() {
        let tensors = SPEC.tensors();
        let mut start = 0;
        for tensor in &tensors {
            assert_eq!(tensor.range.start, start);
            assert_eq!(tensor.range.len(), tensor.shape.iter().product::<usize>());
            start = tensor.range.end;
        }
        assert_eq!(start, SPEC.parameters());
        assert_eq!(tensors[4].range.start, SPEC.layer_start(1));
        assert_eq!(tensors[8].range.start, SPEC.layer_start(2));
    }

    #[test]
    fn impossible_shapes_are_named() {
        let message = |spec: Spec| spec.check().unwrap_err().to_string();
        assert_eq!(message(Spec { hidden: 0, ..SPEC }), "hidden is 0; it must be between 1 and 1048576");
        assert_eq!(message(Spec { layers: 65, ..SPEC }), "layers is 65; it must be between 1 and 64");
        assert!(message(Spec { hidden: 1 << 20, ..SPEC }).contains("parameters"));
        assert_eq!(SPEC.check(), Ok(()));
    }

    #[test]
    #[should_panic(expected = "0 values are no weights of")]
    fn the_reference_refuses_weights_that_are_not_there() {
        forward::forward(&Weights::<f32> { spec: SPEC, values: Vec::new() }, &[0.0; 3]);
    }

    #[test]
    #[should_panic(expected = "are no weights of 3 inputs, 0 x 5 units")]
    fn the_reference_refuses_a_network_without_layers() {
        let trace = forward::forward(&Weights::<f32>::zeros(SPEC), &[0.0; 3]);
        let none = Weights::zeros(Spec { layers: 0, ..SPEC });
        backward::backward(&none, &[0.0; 3], &trace, &[0.0; 2], &mut none.clone());
    }
}
