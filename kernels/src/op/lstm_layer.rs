//! One LSTM layer with every attribute that ONNX and PyTorch know.
//!
//! ```text
//! zi = W x + b_ih + R h + b_hh, and so for f, g, o            h is the state after the last step
//! i = f(clip(zi + pi c))       f = f(clip(zf + pf c)), or 1 - i with input_forget
//! g = g(clip(zg))              c' = f c + i g
//! o = f(clip(zo + po c'))      h' = o h(c'), or P (o h(c')) with a projection
//! ```
//!
//! with three functions f, g, h, by default sigmoid, tanh, tanh. A reverse pass reads the series from its end. With
//! two passes the outputs of a step lie beside each other, first pass first. A series that is shorter than its window
//! ends early: its outputs beyond are zero, and a reverse pass starts at its own last step.
//!
//! Sources: the ONNX operator LSTM, version 14 to 22; `torch.nn.LSTM` for the projection, which ONNX lacks. What
//! ONNX leaves open is as onnxruntime has it: the clip holds the arguments of the gates, not that of h.

use serde::{Deserialize, Serialize};

use super::lstm_function::Function;
use super::{Real, sigmoid};

/// The four gates in the order of every matrix here, which is PyTorch's: input, forget, cell, output.
pub const GATES: usize = 4;

/// One layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "", deny_unknown_fields)]
pub struct LstmLayer<R> {
    /// Values that a step reads.
    pub input: usize,
    /// Cells of each pass.
    pub hidden: usize,
    /// Values of the hidden state of each pass where it is projected; else it has `hidden`.
    pub projection: Option<usize>,
    /// One pass, or a forward one and a reverse one.
    pub passes: Vec<Pass<R>>,
    /// What the arguments of the gates are held within, either side of zero.
    pub clip: Option<f32>,
    /// Whether the forget gate is one minus the input gate.
    pub input_forget: bool,
}

/// One direction of a layer. Matrices are row-major.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "", deny_unknown_fields)]
pub struct Pass<R> {
    /// Whether it reads from the end.
    pub reverse: bool,
    /// The functions f of the gates, g of the candidate and h of the cell.
    pub functions: [Function; 3],
    /// `[4 hidden, input]`.
    #[serde(skip)]
    pub weight_ih: Vec<R>,
    /// `[4 hidden, output]`, where output is `hidden` or the projection's.
    #[serde(skip)]
    pub weight_hh: Vec<R>,
    /// `[4 hidden]` twice, of input and of recurrence.
    #[serde(skip)]
    pub bias: Option<[Vec<R>; 2]>,
    /// `[3, hidden]` for i, f, o.
    #[serde(skip)]
    pub peepholes: Option<Vec<R>>,
    /// `[projection, hidden]`.
    #[serde(skip)]
    pub weight_hr: Option<Vec<R>>,
    /// What a series starts from where the caller does not say; zero if absent.
    #[serde(skip)]
    pub initial: Option<State<R>>,
}

/// The state of a layer: of each pass `output` hidden values and `hidden` cells, pass after pass.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State<R> {
    /// `[passes, output]`.
    pub h: Vec<R>,
    /// `[passes, hidden]`.
    pub c: Vec<R>,
}

/// What a layer gives for one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome<R> {
    /// `[time, passes x output]`.
    pub sequence: Vec<R>,
    /// After the last step of each pass.
    pub state: State<R>,
}

/// The functions of an ordinary cell.
pub const ORDINARY: [Function; 3] = [Function::Sigmoid, Function::Tanh, Function::Tanh];

impl<R: Real> Pass<R> {
    /// A pass with zero weights, ordinary functions and biases.
    #[must_use]
    pub fn zeros(input: usize, hidden: usize, projection: Option<usize>, reverse: bool) -> Self {
        let zeros = |len| vec![R::zero(); len];
        let gates = GATES * hidden;
        Self {
            reverse,
            functions: ORDINARY,
            weight_ih: zeros(gates * input),
            weight_hh: zeros(gates * projection.unwrap_or(hidden)),
            bias: Some([zeros(gates), zeros(gates)]),
            peepholes: None,
            weight_hr: projection.map(|output| zeros(output * hidden)),
            initial: None,
        }
    }
}

impl<R: Real> LstmLayer<R> {
    /// An ordinary layer with zero weights: `directions` is 1 for forward, 2 for both.
    #[must_use]
    pub fn zeros(input: usize, hidden: usize, projection: Option<usize>, directions: usize) -> Self {
        let pass = |place| Pass::zeros(input, hidden, projection, place > 0);
        let passes = (0..directions).map(pass).collect();
        Self { input, hidden, projection, passes, clip: None, input_forget: false }
    }

    /// Values of one pass's hidden state.
    #[must_use]
    pub fn pass_output(&self) -> usize {
        self.projection.unwrap_or(self.hidden)
    }

    /// Values that a step gives.
    #[must_use]
    pub fn output(&self) -> usize {
        self.passes.len() * self.pass_output()
    }

    /// Takes a series `[time, input]` through the layer, of which the first `length` steps count.
    ///
    /// # Panics
    /// When a slice or a weight has not the shape that it must have, or `length` is beyond the series.
    #[must_use]
    pub fn run(&self, x: &[R], length: usize, initial: Option<&State<R>>) -> Outcome<R> {
        let (cells, width) = (self.hidden, self.pass_output());
        let time = x.len() / self.input;
        assert!(length <= time, "{length} steps of {time}");
        let mut sequence = vec![R::zero(); time * self.output()];
        let mut state = State { h: Vec::new(), c: Vec::new() };
        for (place, pass) in self.passes.iter().enumerate() {
            let mut here = match (initial, &pass.initial) {
                (Some(State { h, c }), _) => {
                    State { h: h[place * width..][..width].to_vec(), c: c[place * cells..][..cells].to_vec() }
                }
                (None, Some(start)) => start.clone(),
                (None, None) => State { h: vec![R::zero(); width], c: vec![R::zero(); cells] },
            };
            for step in 0..length {
                let t = if pass.reverse { length - 1 - step } else { step };
                self.step(pass, &x[t * self.input..][..self.input], &mut here);
                sequence[t * self.output() + place * width..][..width].copy_from_slice(&here.h);
            }
            state.h.append(&mut here.h);
            state.c.append(&mut here.c);
        }
        Outcome { sequence, state }
    }

    /// One step of one pass.
    pub(crate) fn step(&self, pass: &Pass<R>, x: &[R], state: &mut State<R>) {
        let hidden = self.hidden;
        let z = |gate: usize, unit: usize| {
            let row = gate * hidden + unit;
            let input = dot(&pass.weight_ih[row * x.len()..][..x.len()], x);
            let recurrent = dot(&pass.weight_hh[row * state.h.len()..][..state.h.len()], &state.h);
            match &pass.bias {
                Some([ih, hh]) => input + ih[row] + recurrent + hh[row],
                None => input + recurrent,
            }
        };
        let peephole = |place: usize, unit: usize, c: R| match &pass.peepholes {
            Some(weights) => weights[place * hidden + unit] * c,
            None => R::zero(),
        };
        let clip = |z: R| match self.clip {
            Some(bound) => hold(z, R::of(f64::from(bound))),
            None => z,
        };
        let [gate, candidate, cell] = pass.functions;
        let mut h = Vec::with_capacity(hidden);
        let mut after = Vec::with_capacity(hidden);
        for unit in 0..hidden {
            let before = state.c[unit];
            let i = apply(gate, clip(z(0, unit) + peephole(0, unit, before)));
            let f = if self.input_forget {
                R::one() - i
            } else {
                apply(gate, clip(z(1, unit) + peephole(1, unit, before)))
            };
            let c = f * before + i * apply(candidate, clip(z(2, unit)));
            let o = apply(gate, clip(z(3, unit) + peephole(2, unit, c)));
            after.push(c);
            h.push(o * apply(cell, c));
        }
        if let Some(weight) = &pass.weight_hr {
            h = weight.chunks_exact(hidden).map(|row| dot(row, &h)).collect();
        }
        *state = State { h, c: after };
    }
}

fn apply<R: Real>(function: Function, x: R) -> R {
    match function {
        Function::Sigmoid => sigmoid(x),
        Function::Tanh => x.tanh(),
        other => other.apply(x),
    }
}

/// `x` within ±`bound`; NaN stays NaN.
fn hold<R: Real>(x: R, bound: R) -> R {
    match x {
        x if x > bound => bound,
        x if x < -bound => -bound,
        x => x,
    }
}

/// The inner product.
pub(super) fn dot<R: Real>(a: &[R], b: &[R]) -> R {
    a.iter().zip(b).map(|(&a, &b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::network::forward::forward;
    use crate::op::network::{Head, Spec, Weights};
    use crate::random;

    fn numbers(key: u64, len: usize) -> Vec<f64> {
        (0..len as u64).map(|k| f64::from(random::unit(key, k)) - 0.5).collect()
    }

    fn layer(directions: usize, projection: Option<usize>) -> LstmLayer<f64> {
        let mut layer = LstmLayer::zeros(3, 5, projection, directions);
        for (place, pass) in (1..).zip(&mut layer.passes) {
            pass.weight_ih = numbers(10 * place, pass.weight_ih.len());
            pass.weight_hh = numbers(10 * place + 1, pass.weight_hh.len());
            pass.bias = Some([numbers(10 * place + 2, 20), numbers(10 * place + 3, 20)]);
            pass.weight_hr = pass.weight_hr.as_ref().map(|w| numbers(10 * place + 4, w.len()));
        }
        layer
    }

    #[test]
    fn an_ordinary_layer_is_that_of_the_network() {
        let layer = layer(1, None);
        let Pass { weight_ih, weight_hh, bias: Some([ih, hh]), .. } = &layer.passes[0] else { panic!() };
        let spec = Spec { input: 3, hidden: 5, layers: 1, output: 1, head: Head::Linear };
        let values = [&weight_ih[..], weight_hh, ih, hh, &[0.0; 6]].concat();
        let x = numbers(1, 21);
        let wanted = forward(&Weights { spec, values }, &x);
        let got = layer.run(&x, 7, None);
        let last = wanted.steps[0].last().unwrap();
        assert_eq!((&got.state.h, &got.state.c), (&last.h, &last.c));
        let sequence: Vec<f64> = wanted.steps[0].iter().flat_map(|step| step.h.clone()).collect();
        assert_eq!(got.sequence, sequence);
    }

    #[test]
    fn a_reverse_pass_reads_the_series_backwards_from_its_own_end() {
        let both = layer(2, Some(2));
        let x = numbers(2, 21);
        let got = both.run(&x, 6, None);
        let mut alone = LstmLayer { passes: vec![both.passes[1].clone()], ..both.clone() };
        alone.passes[0].reverse = false;
        let backwards: Vec<f64> = x[..18].chunks_exact(3).rev().flatten().copied().collect();
        let wanted = alone.run(&backwards, 6, None);
        assert_eq!(got.state.h[2..], wanted.state.h[..]);
        for t in 0..6 {
            assert_eq!(got.sequence[4 * t + 2..][..2], wanted.sequence[2 * (5 - t)..][..2]);
        }
        assert_eq!(got.sequence[24..], [0.0; 4]);
    }

    #[test]
    fn a_series_can_be_cut_and_gone_on_with() {
        let mut layer = layer(1, Some(2));
        layer.clip = Some(0.4);
        layer.passes[0].peepholes = Some(numbers(5, 15));
        let x = numbers(2, 21);
        let whole = layer.run(&x, 7, None);
        let first = layer.run(&x[..9], 3, None);
        let rest = layer.run(&x[9..], 4, Some(&first.state));
        assert_eq!(rest.state, whole.state);
        layer.passes[0].initial = Some(first.state);
        assert_eq!(layer.run(&x[9..], 4, None), rest);
    }

    #[test]
    fn input_forget_couples_the_gates_and_a_clip_of_nought_makes_them_halves() {
        let mut layer = layer(1, None);
        layer.clip = Some(0.0);
        let start = State { h: vec![0.3; 5], c: numbers(8, 5) };
        let got = layer.run(&numbers(2, 3), 1, Some(&start));
        let halves: Vec<f64> = start.c.iter().map(|c| 0.5 * c).collect();
        assert_eq!(got.state.c, halves);
        let open = LstmLayer { clip: None, input_forget: true, ..layer };
        let mut closed = open.clone();
        // A candidate of one gives c' = (1 - i) c + i, which stays between c and 1 whatever the forget gate's weights.
        closed.passes[0].functions[1] = Function::Affine { alpha: 0.0, beta: 1.0 };
        let got = closed.run(&numbers(2, 3), 1, Some(&start));
        assert!(got.state.c.iter().zip(&start.c).all(|(after, before)| (*before..1.0).contains(after)));
    }
}
