//! A stack of layers with heads: any model that PyTorch's LSTM, or ONNX's with dense layers around it, makes.
//!
//! ```text
//! x [time, input] -> layer -> layer -> ... each step by step or through time
//!                      |        |
//!                      +--------+-> head: some of their values, then layers of its own -> [output] or [time, output]
//! ```
//!
//! `forward` is the specification: plain loops, one series at a time, generic over f32 and f64. `check` holds every
//! shape against every other; everything that runs a stack runs one that passed.

mod check;
mod tensors;

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::Real;
use super::lstm_function::Function;
use super::lstm_layer::{LstmLayer, Pass, State, dot};
pub use check::StackError;
pub use tensors::Part;

/// A model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "", deny_unknown_fields)]
pub struct Stack<R> {
    /// Features in one time step.
    pub input: usize,
    /// Each reads what the one before gives; the first reads the features.
    pub layers: Vec<Layer<R>>,
    /// What comes out, at least one.
    pub heads: Vec<Head<R>>,
}

/// One layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "", rename_all = "kebab-case")]
pub enum Layer<R> {
    /// Through time.
    Lstm(LstmLayer<R>),
    /// Each step by itself: `W x + b`.
    Dense(Dense<R>),
    /// A function of each value.
    Each(Function),
    /// Exponentials over their sum, step by step.
    Softmax,
}

/// A dense layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "", deny_unknown_fields)]
pub struct Dense<R> {
    /// Values that it reads.
    pub input: usize,
    /// Values that it gives.
    pub output: usize,
    /// `[output, input]`, row-major.
    #[serde(skip)]
    pub weight: Vec<R>,
    /// `[output]`.
    #[serde(skip)]
    pub bias: Option<Vec<R>>,
}

/// One output of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "", deny_unknown_fields)]
pub struct Head<R> {
    /// Its name, such as that of an ONNX graph's output.
    pub name: String,
    /// What it reads, side by side.
    pub read: Vec<Read>,
    /// What it makes of that; none of them an LSTM.
    pub layers: Vec<Layer<R>>,
}

/// Some values of one layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Read {
    /// The layer's place in [`Stack::layers`].
    pub layer: usize,
    /// Which of its values.
    pub what: What,
    /// Of these the ones to take.
    pub features: Range<usize>,
}

/// Which values of a layer a head reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// All steps: the head then gives a sequence.
    Sequence,
    /// One step, from the start if not negative, else from the end: -1 is the last.
    Step(isize),
    /// An LSTM's hidden state after the last step of each pass. With a reverse pass that is not the last step.
    Hidden,
    /// Its cell state after the last step of each pass.
    Cell,
}

/// What a model gives for one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Run<R> {
    /// One for each head: `[output]`, or `[time, output]` of one that reads a sequence.
    pub heads: Vec<Vec<R>>,
    /// One for each LSTM layer, after its last step.
    pub states: Vec<State<R>>,
}

impl<R> Head<R> {
    /// Whether it gives a value for each step.
    #[must_use]
    pub fn is_sequence(&self) -> bool {
        self.read.iter().any(|read| read.what == What::Sequence)
    }

    /// Values that it gives, of each step where it gives a sequence.
    #[must_use]
    pub fn output(&self) -> usize {
        let read = self.read.iter().map(|read| read.features.len()).sum();
        self.layers.iter().fold(read, |width, layer| layer.output(width))
    }
}

impl<R> Layer<R> {
    /// Values that it gives for each step, when it reads `input`.
    #[must_use]
    pub fn output(&self, input: usize) -> usize {
        match self {
            Self::Lstm(lstm) => lstm.passes.len() * lstm.projection.unwrap_or(lstm.hidden),
            Self::Dense(dense) => dense.output,
            Self::Each(_) | Self::Softmax => input,
        }
    }
}

impl<R> Stack<R> {
    /// The LSTM layers, first to last.
    pub fn lstms(&self) -> impl Iterator<Item = &LstmLayer<R>> {
        self.layers.iter().filter_map(|layer| match layer {
            Layer::Lstm(lstm) => Some(lstm),
            _ => None,
        })
    }

    /// The widths of what each layer reads and what the last gives: one more than there are layers.
    #[must_use]
    pub fn widths(&self) -> Vec<usize> {
        let mut widths = vec![self.input];
        for layer in &self.layers {
            widths.push(layer.output(widths.last().copied().unwrap_or_default()));
        }
        widths
    }

    /// Number of weights.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.tensors().iter().map(|part| part.values.len()).sum()
    }
}

impl<R: Real> Stack<R> {
    /// Takes a series `[time, input]` through the model, of which the first `length` steps count, from `states` (one
    /// for each LSTM layer) or from what the layers say.
    ///
    /// # Panics
    /// When the stack did not pass [`check`](Self::check), or a slice has not the length it must have.
    #[must_use]
    pub fn forward(&self, x: &[R], length: usize, states: Option<&[State<R>]>) -> Run<R> {
        let time = x.len() / self.input;
        let mut sequences = Vec::with_capacity(self.layers.len());
        let mut finals: Vec<Option<State<R>>> = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            let before: &[R] = sequences.last().map_or(x, Vec::as_slice);
            let place = finals.iter().flatten().count();
            let (sequence, state) = match layer {
                Layer::Lstm(lstm) => {
                    let outcome = lstm.run(before, length, states.map(|states| &states[place]));
                    (outcome.sequence, Some(outcome.state))
                }
                pointwise => (pointwise.apply(before, before.len() / time.max(1)), None),
            };
            sequences.push(sequence);
            finals.push(state);
        }
        let heads = self.heads.iter().map(|head| head.give(time, &sequences, &finals)).collect();
        Run { heads, states: finals.into_iter().flatten().collect() }
    }
}

impl<R: Real> Head<R> {
    fn give(&self, time: usize, sequences: &[Vec<R>], finals: &[Option<State<R>>]) -> Vec<R> {
        let steps = if self.is_sequence() { time } else { 1 };
        let width = self.read.iter().map(|read| read.features.len()).sum::<usize>();
        let mut values = Vec::with_capacity(steps * width);
        for step in 0..steps {
            for Read { layer, what, features } in &self.read {
                let sequence = |t: usize| {
                    let width = sequences[*layer].len() / time;
                    &sequences[*layer][t * width..][..width]
                };
                let from = match (what, &finals[*layer]) {
                    (What::Hidden, Some(state)) => &state.h,
                    (What::Cell, Some(state)) => &state.c,
                    (What::Step(step), _) => sequence(place(*step, time).unwrap_or(time)),
                    _ => sequence(step),
                };
                values.extend_from_slice(&from[features.clone()]);
            }
        }
        let mut width = width;
        for layer in &self.layers {
            values = layer.apply(&values, width);
            width = layer.output(width);
        }
        values
    }
}

/// The step that `step` means in a series of `time` steps, if it has it.
#[must_use]
pub fn place(step: isize, time: usize) -> Option<usize> {
    let place = if step < 0 { time.checked_add_signed(step)? } else { step.unsigned_abs() };
    (place < time).then_some(place)
}

impl<R: Real> Layer<R> {
    /// Applies a layer that looks at each step alone to rows of `width` values.
    pub(crate) fn apply(&self, rows: &[R], width: usize) -> Vec<R> {
        match self {
            Self::Lstm(lstm) => lstm.run(rows, rows.len() / width.max(1), None).sequence,
            Self::Dense(dense) => rows.chunks_exact(width).flat_map(|row| dense.apply(row)).collect(),
            Self::Each(function) => rows.iter().map(|&x| function.apply(x)).collect(),
            Self::Softmax => rows.chunks_exact(width).flat_map(softmax).collect(),
        }
    }
}

impl<R: Real> Dense<R> {
    fn apply(&self, row: &[R]) -> Vec<R> {
        let product = self.weight.chunks_exact(self.input).map(|weight| dot(weight, row));
        match &self.bias {
            Some(bias) => product.zip(bias).map(|(sum, &bias)| sum + bias).collect(),
            None => product.collect(),
        }
    }
}

fn softmax<R: Real>(row: &[R]) -> Vec<R> {
    let largest = row.iter().copied().fold(R::neg_infinity(), R::max);
    let powers: Vec<R> = row.iter().map(|&x| (x - largest).exp()).collect();
    let sum: R = powers.iter().copied().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

impl<R: Real> Stack<R> {
    /// The same model in other numbers: f32 weights in f64 for a reference.
    #[must_use]
    pub fn convert<S: Real>(&self) -> Stack<S> {
        let layers = |layers: &[Layer<R>]| layers.iter().map(Layer::convert).collect();
        let head = |head: &Head<R>| Head {
            name: head.name.clone(),
            read: head.read.clone(),
            layers: layers(&head.layers),
        };
        Stack {
            input: self.input,
            layers: layers(&self.layers),
            heads: self.heads.iter().map(head).collect(),
        }
    }
}

impl<R: Real> Layer<R> {
    fn convert<S: Real>(&self) -> Layer<S> {
        let numbers = |values: &Vec<R>| -> Vec<S> {
            values.iter().map(|x| S::of(x.to_f64().unwrap_or(f64::NAN))).collect()
        };
        let lstm = match self {
            Self::Lstm(lstm) => lstm,
            Self::Dense(Dense { input, output, weight, bias }) => {
                let (weight, bias) = (numbers(weight), bias.as_ref().map(numbers));
                return Layer::Dense(Dense { input: *input, output: *output, weight, bias });
            }
            Self::Each(function) => return Layer::Each(*function),
            Self::Softmax => return Layer::Softmax,
        };
        let pass = |pass: &Pass<R>| Pass {
            reverse: pass.reverse,
            functions: pass.functions,
            weight_ih: numbers(&pass.weight_ih),
            weight_hh: numbers(&pass.weight_hh),
            bias: pass.bias.as_ref().map(|bias| bias.each_ref().map(numbers)),
            peepholes: pass.peepholes.as_ref().map(numbers),
            weight_hr: pass.weight_hr.as_ref().map(numbers),
            initial: pass.initial.as_ref().map(|State { h, c }| State { h: numbers(h), c: numbers(c) }),
        };
        let LstmLayer { input, hidden, projection, clip, input_forget, .. } = *lstm;
        let passes = lstm.passes.iter().map(pass).collect();
        Layer::Lstm(LstmLayer { input, hidden, projection, passes, clip, input_forget })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack() -> Stack<f64> {
        let dense = |input, output| Dense { input, output, weight: vec![0.5; input * output], bias: None };
        let read = |layer, what, features| Read { layer, what, features };
        let head = |name: &str, read, layers| Head { name: name.to_owned(), read, layers };
        Stack {
            input: 3,
            layers: vec![
                Layer::Dense(dense(3, 2)),
                Layer::Lstm(LstmLayer::zeros(2, 4, None, 2)),
                Layer::Lstm(LstmLayer::zeros(8, 3, Some(2), 1)),
            ],
            heads: vec![
                head(
                    "last",
                    vec![read(2, What::Step(-1), 0..2)],
                    vec![Layer::Dense(dense(2, 5)), Layer::Softmax],
                ),
                head("all", vec![read(0, What::Sequence, 1..2)], vec![Layer::Each(Function::Relu)]),
                head("states", vec![read(1, What::Hidden, 4..8), read(2, What::Cell, 0..3)], vec![]),
            ],
        }
    }

    #[test]
    fn heads_give_what_they_read() {
        let stack = stack();
        stack.check().unwrap();
        let run = stack.forward(&[1.0, -3.0, 4.0, -1.0, -1.0, -2.0], 2, None);
        assert_eq!(run.heads, [vec![0.2; 5], vec![1.0, 0.0], vec![0.0; 7]]);
        assert_eq!(stack.heads.iter().map(Head::output).collect::<Vec<_>>(), [5, 1, 7]);
        assert_eq!(stack.widths(), [3, 2, 8, 2]);
        assert_eq!(stack.convert::<f32>().convert::<f64>(), stack);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let message = |change: &dyn Fn(&mut Stack<f64>)| {
            let mut stack = stack();
            change(&mut stack);
            stack.check().unwrap_err().to_string()
        };
        let lstm = |stack: &mut Stack<f64>, change: &dyn Fn(&mut LstmLayer<f64>)| match &mut stack.layers[1] {
            Layer::Lstm(lstm) => change(lstm),
            _ => panic!("layer 1 is an LSTM"),
        };
        type Case<'a> = (&'a dyn Fn(&mut Stack<f64>), &'a str);
        let cases: [Case; 9] = [
            (&|s| lstm(s, &|l| l.input = 3), "layer 1 reads 3 values, but layer 0 gives 2"),
            (&|s| s.input = 4, "layer 0 reads 3 values, but the series has 4"),
            (&|s| lstm(s, &|l| l.hidden = 0), "hidden of layer 1 is 0; it must be between 1 and 1048576"),
            (
                &|s| lstm(s, &|l| l.passes[1].weight_hh.truncate(63)),
                "tensor \"weight_hh_l0_reverse\" has 63 values, not those of shape [16, 4]",
            ),
            (
                &|s| lstm(s, &|l| l.passes[0].weight_ih[3] = f64::NAN),
                "tensor \"weight_ih_l0\" holds NaN at element 3",
            ),
            (
                &|s| s.heads[2].read[0].features.end = 9,
                "head \"states\" reads values 4..9 of layer 1, which gives 8",
            ),
            (&|s| s.heads[2].read[0].layer = 3, "head \"states\" reads layer 3 of 3"),
            (
                &|s| s.heads[2].read[0].layer = 0,
                "head \"states\" reads the state of layer 0, which is no LSTM",
            ),
            (
                &|s| s.heads[2].read[0].what = What::Sequence,
                "head \"states\" reads both a sequence and single rows; it must be one of them",
            ),
        ];
        for (change, wanted) in cases {
            assert_eq!(message(change), wanted);
        }
    }
}
