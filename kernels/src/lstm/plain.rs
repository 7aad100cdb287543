//! Which stacks are a plain [`Lstm`]: forward layers of one size, one dense head on the last hidden state.

use thiserror::Error;

use super::model::{Lstm, ModelError};
use crate::op::lstm_function::Function;
use crate::op::lstm_layer::{GATES, LstmLayer, ORDINARY, Pass};
use crate::op::lstm_stack::{Dense, Head, Layer, Read, Stack, What};
use crate::op::network::{self, Spec, Weights};

/// What keeps a model from the fast kernels and from training.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum NotPlain {
    /// A layer that is not an LSTM.
    #[error("layer {layer} is not an LSTM")]
    Layer {
        /// The layer.
        layer: usize,
    },
    /// An LSTM with an attribute of which the kernels know nothing.
    #[error("layer {layer} has {what}")]
    Attribute {
        /// The layer.
        layer: usize,
        /// The attribute.
        what: &'static str,
    },
    /// Layers of different sizes.
    #[error("layer {layer} has {hidden} units and layer 0 has {first}")]
    Sizes {
        /// The layer.
        layer: usize,
        /// Its units.
        hidden: usize,
        /// The first layer's.
        first: usize,
    },
    /// The heads are something else than one dense layer on the last hidden state.
    #[error(
        "it has not one head that is a dense layer on the last hidden state, linear or with sigmoid or softmax"
    )]
    Head,
    /// Series of their own lengths.
    #[error("its series have lengths of their own")]
    Lengths,
    /// The weights make no model.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// The model of a stack.
pub fn lstm(stack: &Stack<f32>) -> Result<Lstm, NotPlain> {
    let mut values = Vec::new();
    let mut hidden = None;
    for (place, layer) in stack.layers.iter().enumerate() {
        let Layer::Lstm(lstm) = layer else { return Err(NotPlain::Layer { layer: place }) };
        if let Some(what) = attribute(lstm) {
            return Err(NotPlain::Attribute { layer: place, what });
        }
        let first = *hidden.get_or_insert(lstm.hidden);
        if first != lstm.hidden {
            return Err(NotPlain::Sizes { layer: place, hidden: lstm.hidden, first });
        }
        let pass = &lstm.passes[0];
        values.extend_from_slice(&pass.weight_ih);
        values.extend_from_slice(&pass.weight_hh);
        match &pass.bias {
            Some(bias) => bias.iter().for_each(|bias| values.extend_from_slice(bias)),
            None => values.resize(values.len() + 2 * GATES * lstm.hidden, 0.0),
        }
    }
    let (layers, hidden) = (stack.layers.len(), hidden.unwrap_or_default());
    let [Head { read, layers: head, .. }] = &stack.heads[..] else { return Err(NotPlain::Head) };
    let last = [What::Step(-1), What::Hidden]
        .map(|what| vec![Read { layer: layers - 1, what, features: 0..hidden }]);
    let (dense, function) = match &head[..] {
        [Layer::Dense(dense)] => (dense, network::Head::Linear),
        [Layer::Dense(dense), Layer::Each(Function::Sigmoid)] => (dense, network::Head::Sigmoid),
        [Layer::Dense(dense), Layer::Softmax] => (dense, network::Head::Softmax),
        _ => return Err(NotPlain::Head),
    };
    if !last.contains(read) {
        return Err(NotPlain::Head);
    }
    values.extend_from_slice(&dense.weight);
    match &dense.bias {
        Some(bias) => values.extend_from_slice(bias),
        None => values.resize(values.len() + dense.output, 0.0),
    }
    let spec = Spec { input: stack.input, hidden, layers, output: dense.output, head: function };
    Ok(Lstm::from_weights(Weights { spec, values })?)
}

/// What the kernels lack of a layer.
fn attribute(lstm: &LstmLayer<f32>) -> Option<&'static str> {
    let [pass] = &lstm.passes[..] else { return Some("both directions") };
    [
        (pass.reverse, "a reverse direction"),
        (lstm.projection.is_some(), "a projection"),
        (lstm.clip.is_some(), "a clip"),
        (lstm.input_forget, "coupled input and forget gates"),
        (pass.peepholes.is_some(), "peepholes"),
        (pass.initial.is_some(), "an initial state"),
        (pass.functions != ORDINARY, "functions other than sigmoid and tanh"),
    ]
    .into_iter()
    .find_map(|(has, what)| has.then_some(what))
}

/// A plain model as a stack.
pub fn stack(lstm: &Lstm) -> Stack<f32> {
    let (spec, weights) = (lstm.spec(), lstm.weights());
    let layer = |place: usize| {
        let layer = weights.layer(place);
        let bias = [layer.bias_ih, layer.bias_hh].map(<[f32]>::to_vec);
        let pass = Pass {
            weight_ih: layer.weight_ih.to_vec(),
            weight_hh: layer.weight_hh.to_vec(),
            bias: Some(bias),
            ..Pass::zeros(0, 0, None, false)
        };
        let mut lstm = LstmLayer::zeros(spec.layer_input(place), spec.hidden, None, 0);
        lstm.passes.push(pass);
        Layer::Lstm(lstm)
    };
    let (weight, bias) = weights.head();
    let dense =
        Dense { input: spec.hidden, output: spec.output, weight: weight.to_vec(), bias: Some(bias.to_vec()) };
    let mut head = vec![Layer::Dense(dense)];
    match spec.head {
        network::Head::Linear => {}
        network::Head::Sigmoid => head.push(Layer::Each(Function::Sigmoid)),
        network::Head::Softmax => head.push(Layer::Softmax),
    }
    let read = Read { layer: spec.layers - 1, what: What::Step(-1), features: 0..spec.hidden };
    Stack {
        input: spec.input,
        layers: (0..spec.layers).map(layer).collect(),
        heads: vec![Head { name: "output".to_owned(), read: vec![read], layers: head }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::network::forward::forward;

    #[test]
    fn a_plain_model_survives_being_a_stack() {
        for head in [network::Head::Linear, network::Head::Sigmoid, network::Head::Softmax] {
            let model = Lstm::new(Spec { input: 3, hidden: 4, layers: 2, output: 2, head }, 3).unwrap();
            let stack = stack(&model);
            stack.check().unwrap();
            assert_eq!(lstm(&stack).unwrap(), model);
            let x = [0.5, -1.0, 0.25, 1.0, 2.0, -0.5];
            assert_eq!(stack.forward(&x, 2, None).heads[0], forward(model.weights(), &x).output);
        }
    }

    #[test]
    fn what_is_not_plain_is_named() {
        let model =
            Lstm::new(Spec { input: 3, hidden: 4, layers: 2, output: 2, head: network::Head::Linear }, 3)
                .unwrap();
        let message = |change: &dyn Fn(&mut Stack<f32>)| {
            let mut stack = stack(&model);
            change(&mut stack);
            lstm(&stack).unwrap_err().to_string()
        };
        let clip = |stack: &mut Stack<f32>| match &mut stack.layers[1] {
            Layer::Lstm(lstm) => lstm.clip = Some(3.0),
            _ => panic!("an LSTM"),
        };
        assert_eq!(message(&clip), "layer 1 has a clip");
        assert!(message(&|stack| stack.heads[0].layers.clear()).starts_with("it has not one head"));
        assert_eq!(message(&|stack| stack.layers.push(Layer::Softmax)), "layer 2 is not an LSTM");
    }
}
