//! Whether a stack is one that can run: every shape against every other, every weight finite.

use std::ops::Range;

use thiserror::Error;

use super::{Layer, Part, Stack, What};
use crate::op::Real;
use crate::op::lstm_layer::{LstmLayer, Pass};
use crate::op::network::{DIMENSION_MAX, LAYERS_MAX, PARAMETERS_MAX};

/// A stack that cannot run.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum StackError {
    /// A dimension is zero or beyond its limit.
    #[error("{what} is {value}; it must be between 1 and {max}")]
    OutOfRange {
        /// Which.
        what: String,
        /// Its value.
        value: usize,
        /// The limit.
        max: usize,
    },
    /// More weights than a model may have.
    #[error("the model has more than {PARAMETERS_MAX} weights")]
    TooLarge,
    /// A layer reads another number of values than it is given.
    #[error("{at} reads {reads} values, but {from} {verb} {gives}")]
    Width {
        /// The layer.
        at: String,
        /// What it reads.
        reads: usize,
        /// Whose values.
        from: String,
        /// `gives` or `has`.
        verb: &'static str,
        /// How many there are.
        gives: usize,
    },
    /// The passes of a layer are not one, or a forward and a reverse one.
    #[error("layer {layer} has {passes} passes; it must have one, or a forward and then a reverse one")]
    Passes {
        /// The layer.
        layer: usize,
        /// How many it has.
        passes: usize,
    },
    /// A number that is not finite where no tensor is.
    #[error("the {what} of layer {layer} is not a finite number, or negative")]
    Number {
        /// Which.
        what: &'static str,
        /// The layer.
        layer: usize,
    },
    /// A projection without its weight, or a weight without a projection.
    #[error("LSTM layer {layer}: projection is {projection:?}, but a weight for it is {}", if *present { "there" } else { "missing" })]
    Projection {
        /// The layer.
        layer: usize,
        /// Its size.
        projection: Option<usize>,
        /// Whether the weight is there.
        present: bool,
    },
    /// A tensor has another number of values than its shape.
    #[error("tensor {tensor:?} has {found} values, not those of shape {wanted:?}")]
    Shape {
        /// Its name.
        tensor: String,
        /// Its values.
        found: usize,
        /// Its shape.
        wanted: Vec<usize>,
    },
    /// A weight is NaN or infinite.
    #[error("tensor {tensor:?} holds {value} at element {index}")]
    NotFinite {
        /// The tensor.
        tensor: String,
        /// The element in row-major order.
        index: usize,
        /// NaN or an infinity.
        value: f64,
    },
    /// No head, or one that reads nothing.
    #[error("{at} reads nothing; a model needs a head that reads a layer")]
    Empty {
        /// The model or the head.
        at: String,
    },
    /// A head reads a layer that is not there.
    #[error("head {head:?} reads layer {layer} of {layers}")]
    NoLayer {
        /// The head.
        head: String,
        /// The layer.
        layer: usize,
        /// How many there are.
        layers: usize,
    },
    /// A head reads values that a layer does not have.
    #[error("head {head:?} reads values {features:?} of layer {layer}, which gives {gives}")]
    Features {
        /// The head.
        head: String,
        /// The layer.
        layer: usize,
        /// The values.
        features: Range<usize>,
        /// How many there are.
        gives: usize,
    },
    /// A head reads the state of a layer that has none.
    #[error("head {head:?} reads the state of layer {layer}, which is no LSTM")]
    NoState {
        /// The head.
        head: String,
        /// The layer.
        layer: usize,
    },
    /// A head reads a sequence beside rows.
    #[error("head {head:?} reads both a sequence and single rows; it must be one of them")]
    Mixed {
        /// The head.
        head: String,
    },
    /// A head goes through time.
    #[error("head {head:?} holds an LSTM; put it among the layers")]
    LstmInHead {
        /// The head.
        head: String,
    },
}

/// Most heads of a model, and most values side by side in one.
const HEADS_MAX: usize = 1024;

fn range(what: String, value: usize, max: usize) -> Result<(), StackError> {
    if value == 0 || value > max { Err(StackError::OutOfRange { what, value, max }) } else { Ok(()) }
}

impl<R: Real> Stack<R> {
    /// Checks everything that [`forward`](Self::forward) relies on.
    ///
    /// # Errors
    /// [`StackError`] naming the layer, head or tensor.
    pub fn check(&self) -> Result<(), StackError> {
        self.check_form()?;
        self.check_tensors()
    }

    /// Checks everything but the weights, which may not be there yet.
    pub(crate) fn check_form(&self) -> Result<(), StackError> {
        range("input".to_owned(), self.input, DIMENSION_MAX)?;
        range("the number of layers".to_owned(), self.layers.len(), LAYERS_MAX)?;
        let mut width = self.input;
        for (place, layer) in self.layers.iter().enumerate() {
            let from = || match place {
                0 => ("the series".to_owned(), "has"),
                _ => (format!("layer {}", place - 1), "gives"),
            };
            check_layer(layer, place, width, from)?;
            width = layer.output(width);
        }
        range("the number of heads".to_owned(), self.heads.len(), HEADS_MAX)?;
        self.check_heads()
    }

    fn check_heads(&self) -> Result<(), StackError> {
        let widths = self.widths();
        for head in &self.heads {
            let name = || head.name.clone();
            range(format!("the number of reads of head {:?}", head.name), head.read.len(), HEADS_MAX)?;
            for read in &head.read {
                let (layer, layers) = (read.layer, self.layers.len());
                let Some(found) = self.layers.get(layer) else {
                    return Err(StackError::NoLayer { head: name(), layer, layers });
                };
                let gives = match (read.what, found) {
                    (What::Hidden | What::Cell, Layer::Dense(_) | Layer::Each(_) | Layer::Softmax) => {
                        return Err(StackError::NoState { head: name(), layer });
                    }
                    (What::Cell, Layer::Lstm(lstm)) => lstm.passes.len() * lstm.hidden,
                    _ => widths[layer + 1],
                };
                let features = read.features.clone();
                if features.is_empty() || features.end > gives {
                    return Err(StackError::Features { head: name(), layer, features, gives });
                }
            }
            let sequences = head.read.iter().filter(|read| read.what == What::Sequence).count();
            if sequences != 0 && sequences != head.read.len() {
                return Err(StackError::Mixed { head: name() });
            }
            let mut width = head.read.iter().map(|read| read.features.len()).sum();
            for (place, layer) in head.layers.iter().enumerate() {
                if matches!(layer, Layer::Lstm(_)) {
                    return Err(StackError::LstmInHead { head: name() });
                }
                let from = || (format!("what head {:?} has there", head.name), "has");
                check_layer(layer, place, width, from)?;
                width = layer.output(width);
            }
        }
        Ok(())
    }

    fn check_tensors(&self) -> Result<(), StackError> {
        for (layer, lstm) in self.lstms().enumerate() {
            let projection = lstm.projection;
            let missing = |pass: &&Pass<R>| pass.weight_hr.is_some() != projection.is_some();
            if let Some(pass) = lstm.passes.iter().find(missing) {
                return Err(StackError::Projection { layer, projection, present: pass.weight_hr.is_some() });
            }
        }
        let mut parameters = 0_usize;
        for Part { name, shape, values } in self.tensors() {
            let wanted = shape.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
            if wanted != Some(values.len()) {
                return Err(StackError::Shape { tensor: name, found: values.len(), wanted: shape });
            }
            parameters = parameters.saturating_add(values.len());
            if let Some(index) = values.iter().position(|x| !x.is_finite()) {
                let value = values[index].to_f64().unwrap_or(f64::NAN);
                return Err(StackError::NotFinite { tensor: name, index, value });
            }
        }
        if parameters > PARAMETERS_MAX { Err(StackError::TooLarge) } else { Ok(()) }
    }
}

fn check_layer<R: Real>(
    layer: &Layer<R>,
    place: usize,
    width: usize,
    from: impl Fn() -> (String, &'static str),
) -> Result<(), StackError> {
    let at = |name: &str| format!("{name} of layer {place}");
    let reads = match layer {
        Layer::Lstm(lstm) => {
            check_lstm(lstm, place)?;
            lstm.input
        }
        Layer::Dense(dense) => {
            range(at("input"), dense.input, DIMENSION_MAX)?;
            range(at("output"), dense.output, DIMENSION_MAX)?;
            dense.input
        }
        Layer::Each(function) if !function.is_finite() => {
            return Err(StackError::Number { what: "function's parameter", layer: place });
        }
        Layer::Each(_) | Layer::Softmax => width,
    };
    let (from, verb) = from();
    if reads == width {
        Ok(())
    } else {
        Err(StackError::Width { at: format!("layer {place}"), reads, from, verb, gives: width })
    }
}

fn check_lstm<R: Real>(lstm: &LstmLayer<R>, layer: usize) -> Result<(), StackError> {
    let at = |name: &str| format!("{name} of layer {layer}");
    range(at("input"), lstm.input, DIMENSION_MAX)?;
    range(at("hidden"), lstm.hidden, DIMENSION_MAX)?;
    if let Some(projection) = lstm.projection {
        range(at("projection"), projection, DIMENSION_MAX)?;
    }
    if !matches!(lstm.passes.len(), 1 | 2)
        || lstm.passes.len() == 2 && (lstm.passes[0].reverse || !lstm.passes[1].reverse)
    {
        return Err(StackError::Passes { layer, passes: lstm.passes.len() });
    }
    if lstm.clip.is_some_and(|clip| !clip.is_finite() || clip < 0.0) {
        return Err(StackError::Number { what: "clip", layer });
    }
    for pass in &lstm.passes {
        if pass.functions.iter().any(|function| !function.is_finite()) {
            return Err(StackError::Number { what: "function's parameter", layer });
        }
    }
    Ok(())
}
