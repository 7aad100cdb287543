//! What of a network is trained, and where it lies: in the flat vector of all weights, which the optimiser moves, and
//! in a flat gradient in the layout of the kernels.
//!
//! The flat vector is that of [`Stack::tensors`], one tensor after the other. In the gradient rows and columns are
//! padded to multiples of 16 and gates interleaved.

use std::ops::Range;

use super::NetworkTrainError;
use crate::lstm::network::layers::is_ordinary;
use crate::lstm::packed::row_of;
use crate::op::gemm::{GROUP, PANEL};
use crate::op::lstm_function::Function;
use crate::op::lstm_layer::{LstmLayer, Pass};
use crate::op::lstm_stack::{self, Layer, Read, Stack, What};
use crate::op::network::{Head, Tensor};

/// A network's form for training.
#[derive(Debug)]
pub struct Plan {
    pub input: usize,
    pub layers: Vec<LayerForm>,
    pub heads: Vec<HeadForm>,
    /// The flat vector.
    pub tensors: Vec<Tensor>,
    /// Values of a gradient in the layout of the kernels.
    pub gradient: usize,
}

#[derive(Debug)]
pub struct LayerForm {
    /// Values of a step that it reads and gives.
    pub input: usize,
    pub output: usize,
    pub kind: Kind,
    /// Whether dropout lies between the layer below and this one: both are LSTMs.
    pub after_lstm: bool,
    /// Its place among the LSTM layers.
    pub lstm: usize,
}

#[derive(Debug)]
pub enum Kind {
    Lstm(Vec<PassForm>),
    Dense(DenseForm),
    Each(Function),
    Softmax,
}

/// One direction of an LSTM layer.
#[derive(Debug)]
pub struct PassForm {
    pub input: usize,
    pub hidden: usize,
    /// Values of the hidden state, projected or not.
    pub width: usize,
    pub reverse: bool,
    pub weight_ih: Range<usize>,
    pub weight_hh: Range<usize>,
    pub bias: Option<[Range<usize>; 2]>,
    pub weight_hr: Option<Range<usize>>,
    /// In the gradient: `[4 units, padded input]`, `[4 units, padded width]`, `[4 units]`, `[padded width, units]`.
    at: [Range<usize>; 4],
}

#[derive(Debug)]
pub struct DenseForm {
    pub input: usize,
    pub output: usize,
    pub weight: Range<usize>,
    pub bias: Option<Range<usize>>,
    /// In the gradient: `[padded output, padded input]`, `[padded output]`.
    at: [Range<usize>; 2],
}

/// A head: its values before the loss, and what it reads.
#[derive(Debug)]
pub struct HeadForm {
    pub name: String,
    pub sources: Vec<Source>,
    pub is_sequence: bool,
    /// Without the function that belongs to the loss.
    pub layers: Vec<LayerForm>,
    pub function: Head,
    pub output: usize,
}

/// Where one value that a head reads comes from.
#[derive(Clone, Copy, Debug)]
pub enum Source {
    /// Of the layer's outputs of a step, or of every one, this column.
    Output { layer: usize, step: Option<isize>, column: usize },
    /// Of the layer's last cell states.
    Cell { layer: usize, pass: usize, unit: usize },
}

/// `size` rounded up to a multiple of 16.
pub const fn padded(size: usize) -> usize {
    size.next_multiple_of(GROUP)
}

/// Cuts ranges off, one after the other.
#[derive(Default)]
struct Cut(usize);

impl Cut {
    fn take(&mut self, len: usize) -> Range<usize> {
        self.0 += len;
        self.0 - len..self.0
    }
}

impl PassForm {
    pub const fn units(&self) -> usize {
        padded(self.hidden)
    }

    pub const fn gates(&self) -> usize {
        PANEL * self.units()
    }

    /// The parts of a gradient: of the input's and the state's weights, of the bias, of the projection.
    pub fn parts<'a>(&self, gradient: &'a mut [f32]) -> [&'a mut [f32]; 4] {
        let rest = &mut gradient[self.at[0].start..self.at[3].end];
        let (x, rest) = rest.split_at_mut(self.at[0].len());
        let (h, rest) = rest.split_at_mut(self.at[1].len());
        let (bias, projection) = rest.split_at_mut(self.at[2].len());
        [x, h, bias, projection]
    }

    fn unpack(&self, gradient: &[f32], flat: &mut [f32]) {
        let [x, h, bias, projection] = self.at.each_ref().map(|range| &gradient[range.clone()]);
        for col in 0..self.gates() {
            let Some(row) = row_of(col, self.hidden) else { continue };
            for (from, to, width) in [(x, &self.weight_ih, self.input), (h, &self.weight_hh, self.width)] {
                let from = &from[col * padded(width)..][..width];
                flat[to.clone()][row * width..][..width].copy_from_slice(from);
            }
            for to in self.bias.iter().flatten() {
                flat[to.clone()][row] = bias[col];
            }
        }
        if let Some(to) = &self.weight_hr {
            let rows = projection.chunks_exact(self.units());
            for (to, from) in flat[to.clone()].chunks_exact_mut(self.hidden).zip(rows) {
                to.copy_from_slice(&from[..self.hidden]);
            }
        }
    }
}

impl DenseForm {
    /// The parts of a gradient: of the weights, of the bias.
    pub fn parts<'a>(&self, gradient: &'a mut [f32]) -> [&'a mut [f32]; 2] {
        let (weight, bias) = gradient[self.at[0].start..self.at[1].end].split_at_mut(self.at[0].len());
        [weight, bias]
    }

    fn unpack(&self, gradient: &[f32], flat: &mut [f32]) {
        let rows = gradient[self.at[0].clone()].chunks_exact(padded(self.input));
        for (to, from) in flat[self.weight.clone()].chunks_exact_mut(self.input).zip(rows) {
            to.copy_from_slice(&from[..self.input]);
        }
        if let Some(to) = &self.bias {
            flat[to.clone()].copy_from_slice(&gradient[self.at[1].clone()][..self.output]);
        }
    }
}

/// Walks a stack in the order of its tensors.
#[derive(Default)]
struct Walk {
    flat: Cut,
    gradient: Cut,
    lstms: usize,
}

impl Walk {
    fn layer(
        &mut self,
        place: usize,
        layer: &Layer<f32>,
        input: usize,
    ) -> Result<LayerForm, NetworkTrainError> {
        let mut lstm = 0;
        let kind = match layer {
            Layer::Lstm(layer) => {
                lstm = self.lstms;
                self.lstms += 1;
                let pass = |pass| self.pass(place, layer, pass);
                Kind::Lstm(layer.passes.iter().map(pass).collect::<Result<_, _>>()?)
            }
            Layer::Dense(dense) => Kind::Dense(self.dense(dense)),
            Layer::Each(function) => Kind::Each(*function),
            Layer::Softmax => Kind::Softmax,
        };
        Ok(LayerForm { input, output: layer.output(input), kind, after_lstm: false, lstm })
    }

    fn pass(
        &mut self,
        place: usize,
        layer: &LstmLayer<f32>,
        pass: &Pass<f32>,
    ) -> Result<PassForm, NetworkTrainError> {
        let refuse = |what| Err(NetworkTrainError::Layer { layer: place, what });
        if pass.initial.is_some() {
            return refuse("an initial state");
        }
        if !is_ordinary(layer, pass) {
            return refuse("other functions than sigmoid and tanh, peepholes, a clip or coupled gates");
        }
        let (input, hidden, width) = (layer.input, layer.hidden, layer.pass_output());
        let (gates, units) = (PANEL * padded(hidden), padded(hidden));
        let weight_ih = self.flat.take(pass.weight_ih.len());
        let weight_hh = self.flat.take(pass.weight_hh.len());
        let bias = pass.bias.as_ref().map(|bias| bias.each_ref().map(|bias| self.flat.take(bias.len())));
        let weight_hr = pass.weight_hr.as_ref().map(|weight| self.flat.take(weight.len()));
        let projection = if weight_hr.is_some() { padded(width) * units } else { 0 };
        let at = [gates * padded(input), gates * padded(width), gates, projection];
        let at = at.map(|len| self.gradient.take(len));
        let reverse = pass.reverse;
        Ok(PassForm { input, hidden, width, reverse, weight_ih, weight_hh, bias, weight_hr, at })
    }

    fn dense(&mut self, dense: &lstm_stack::Dense<f32>) -> DenseForm {
        let (input, output) = (dense.input, dense.output);
        let weight = self.flat.take(dense.weight.len());
        let bias = dense.bias.as_ref().map(|bias| self.flat.take(bias.len()));
        let at = [padded(output) * padded(input), padded(output)].map(|len| self.gradient.take(len));
        DenseForm { input, output, weight, bias, at }
    }
}

impl Plan {
    pub fn new(stack: &Stack<f32>) -> Result<Self, NetworkTrainError> {
        let (mut walk, widths) = (Walk::default(), stack.widths());
        let mut layers: Vec<LayerForm> = Vec::with_capacity(stack.layers.len());
        for (place, layer) in stack.layers.iter().enumerate() {
            let mut form = walk.layer(place, layer, widths[place])?;
            form.after_lstm = matches!(form.kind, Kind::Lstm(_))
                && layers.last().is_some_and(|below| matches!(below.kind, Kind::Lstm(_)));
            layers.push(form);
        }
        let mut heads = Vec::with_capacity(stack.heads.len());
        for head in &stack.heads {
            let function = match head.layers.last() {
                Some(Layer::Each(Function::Sigmoid)) => Head::Sigmoid,
                Some(Layer::Softmax) => Head::Softmax,
                _ => Head::Linear,
            };
            let before = head.layers.len() - usize::from(function != Head::Linear);
            let sources = sources(head, stack);
            let mut width = sources.len();
            let mut forms = Vec::with_capacity(before);
            for (place, layer) in head.layers[..before].iter().enumerate() {
                forms.push(walk.layer(place, layer, width)?);
                width = layer.output(width);
            }
            let (name, is_sequence) = (head.name.clone(), head.is_sequence());
            heads.push(HeadForm { name, sources, is_sequence, layers: forms, function, output: width });
        }
        let mut flat = Cut::default();
        let tensor = |part: lstm_stack::Part<&[f32]>| Tensor {
            name: part.name,
            shape: part.shape,
            range: flat.take(part.values.len()),
        };
        let tensors: Vec<Tensor> = stack.tensors().into_iter().map(tensor).collect();
        debug_assert_eq!(flat.0, walk.flat.0, "the walk is in the order of the tensors");
        Ok(Self { input: stack.input, layers, heads, tensors, gradient: walk.gradient.0 })
    }

    /// Weights in the flat vector.
    pub fn parameters(&self) -> usize {
        self.tensors.last().map_or(0, |tensor| tensor.range.end)
    }

    /// Every layer with weights, those of the heads last.
    pub fn all(&self) -> impl Iterator<Item = &LayerForm> {
        self.layers.iter().chain(self.heads.iter().flat_map(|head| &head.layers))
    }

    /// Takes a gradient from the layout of the kernels to the flat vector.
    pub fn unpack(&self, gradient: &[f32], flat: &mut [f32]) {
        for layer in self.all() {
            match &layer.kind {
                Kind::Lstm(passes) => passes.iter().for_each(|pass| pass.unpack(gradient, flat)),
                Kind::Dense(dense) => dense.unpack(gradient, flat),
                Kind::Each(_) | Kind::Softmax => {}
            }
        }
    }
}

/// Of each value that a head reads, where it comes from. The hidden state after a pass is that pass's last output.
fn sources(head: &lstm_stack::Head<f32>, stack: &Stack<f32>) -> Vec<Source> {
    let source = |read: &Read, feature: usize| {
        let layer = read.layer;
        let output = |step| Source::Output { layer, step, column: feature };
        match (read.what, &stack.layers[layer]) {
            (What::Step(step), _) => output(Some(step)),
            (What::Hidden, Layer::Lstm(lstm)) => {
                let reverse = lstm.passes[feature / lstm.pass_output()].reverse;
                output(Some(if reverse { 0 } else { -1 }))
            }
            (What::Cell, Layer::Lstm(lstm)) => {
                Source::Cell { layer, pass: feature / lstm.hidden, unit: feature % lstm.hidden }
            }
            // A stack that passed its check has states of LSTM layers only.
            (What::Sequence | What::Hidden | What::Cell, _) => output(None),
        }
    };
    head.read
        .iter()
        .flat_map(|read| read.features.clone().map(move |feature| source(read, feature)))
        .collect()
}
