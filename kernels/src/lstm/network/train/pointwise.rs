//! The layers that look at each step alone, forward and back over rows of padded values.

use super::pass::{rows_product, sum_rows};
use super::plan::{DenseForm, Kind, LayerForm, padded};
use super::weights::{DenseWeights, Packed};
use crate::cpu::Kernels;
use crate::lstm::train::words::outer;
use crate::op::gemm::{Gemm, Start};
use crate::op::network::Head;

impl LayerForm {
    /// `rows` rows of padded inputs to as many of padded outputs. An LSTM is none of these layers.
    pub fn apply(&self, (kernels, packed): (&Kernels, &Packed), rows: usize, x: &[f32], out: &mut [f32]) {
        let (from, to) = (padded(self.input), padded(self.output));
        match (&self.kind, packed) {
            (Kind::Dense(form), Packed::Dense(DenseWeights { forward, bias, .. })) => {
                let product = rows_product((rows, x, from), (form.input, to, forward));
                kernels.gemm(&Gemm { start: Start::Bias(bias), ..product }, out);
            }
            (Kind::Each(function), _) => {
                for (x, out) in x.chunks_exact(from).zip(out.chunks_exact_mut(to)).take(rows) {
                    let values = x.iter().zip(out).take(self.input);
                    values.for_each(|(&x, out)| *out = function.apply(x));
                }
            }
            (Kind::Softmax, _) => {
                for (x, out) in x.chunks_exact(from).zip(out.chunks_exact_mut(to)).take(rows) {
                    Head::Softmax.apply(&x[..self.input], &mut out[..self.input]);
                }
            }
            (Kind::Lstm(_) | Kind::Dense(_), _) => {}
        }
    }

    /// Adds the gradient by the inputs `x` to `d_x`, from that by the outputs `y`, which is overwritten; and writes that
    /// of the weights.
    pub fn apply_backward(
        &self,
        (kernels, packed): (&Kernels, &Packed),
        rows: usize,
        (x, y): (&[f32], &[f32]),
        (d_x, d_y): (&mut [f32], &mut [f32]),
        gradient: &mut [f32],
    ) {
        let (from, to) = (padded(self.input), padded(self.output));
        match (&self.kind, packed) {
            (Kind::Dense(form), Packed::Dense(weights)) => {
                form.backward((kernels, weights), rows, (x, d_y), d_x, gradient);
            }
            (Kind::Each(function), _) => {
                let slopes = x.chunks_exact(from).zip(d_y.chunks_exact(to)).zip(d_x.chunks_exact_mut(from));
                for ((x, d_y), d_x) in slopes.take(rows) {
                    for ((&x, &d_y), d_x) in x.iter().zip(d_y).zip(d_x).take(self.input) {
                        *d_x += d_y * function.slope(x);
                    }
                }
            }
            (Kind::Softmax, _) => {
                let all = y.chunks_exact(to).zip(d_y.chunks_exact_mut(to)).zip(d_x.chunks_exact_mut(from));
                for ((y, d_y), d_x) in all.take(rows) {
                    Head::Softmax.backward(&y[..self.output], &mut d_y[..self.output]);
                    d_x.iter_mut().zip(d_y).take(self.input).for_each(|(d_x, d)| *d_x += *d);
                }
            }
            (Kind::Lstm(_) | Kind::Dense(_), _) => {}
        }
    }
}

impl DenseForm {
    fn backward(
        &self,
        (kernels, weights): (&Kernels, &DenseWeights),
        rows: usize,
        (x, d_y): (&[f32], &[f32]),
        d_x: &mut [f32],
        gradient: &mut [f32],
    ) {
        let (from, to) = (padded(self.input), padded(self.output));
        let [of_weight, of_bias] = self.parts(gradient);
        outer(kernels, (to, d_y), (from, x), rows, of_weight);
        sum_rows(kernels, (to, d_y), rows, of_bias);
        let product = rows_product((rows, d_y, to), (self.output, from, &weights.back));
        kernels.gemm(&Gemm { start: Start::Out, ..product }, d_x);
    }
}
