//! Weights as the way back reads them, and gradients from the layout of the kernels to PyTorch's.
//!
//! A kernel's columns are those of `packed.rs`, the four gates of a unit side by side; its rows are inputs, and after the
//! last of them comes the bias, whose input is 1.

use crate::gpu::packed::GATES;
use crate::op::network::{Spec, Weights};

/// A layer's matrix `[4 hidden, inputs]` with its rows in the kernels' order of columns: to go through it backwards.
pub fn rows(matrix: &[f32], (hidden, inputs): (usize, usize)) -> Vec<f32> {
    let row = |column: usize| &matrix[row_of(column, hidden) * inputs..][..inputs];
    (0..GATES * hidden).flat_map(row).copied().collect()
}

const fn row_of(column: usize, hidden: usize) -> usize {
    column % GATES * hidden + column / GATES
}

/// Numbers of each part of the gradient on the device: for each layer that of the input's weights with the bias, and that of
/// the recurrent weights; at the end the head's with its bias.
pub fn lengths(spec: &Spec) -> Vec<usize> {
    let gates = GATES * spec.hidden;
    let layer = |layer| [gates * (spec.layer_input(layer) + 1), gates * spec.hidden];
    (0..spec.layers).flat_map(layer).chain([spec.output * (spec.hidden + 1)]).collect()
}

/// Puts the parts, one after the other in `found`, in their places; both biases of a layer have the same gradient.
pub fn unpack(found: &[f32], gradient: &mut Weights<f32>) {
    let spec = gradient.spec;
    let (hidden, gates) = (spec.hidden, GATES * spec.hidden);
    let mut rest = found;
    let mut take = |len: usize| {
        let (part, after) = rest.split_at(len);
        rest = after;
        part
    };
    for layer in 0..spec.layers {
        let inputs = spec.layer_input(layer);
        let (of_x, of_h) = (take(gates * (inputs + 1)), take(gates * hidden));
        let to = &mut gradient.values[spec.layer_start(layer)..];
        let (weight_ih, to) = to.split_at_mut(gates * inputs);
        let (weight_hh, to) = to.split_at_mut(gates * hidden);
        let (bias_ih, bias_hh) = to.split_at_mut(gates);
        for column in 0..gates {
            let row = row_of(column, hidden);
            for input in 0..inputs {
                weight_ih[row * inputs + input] = of_x[input * gates + column];
            }
            for unit in 0..hidden {
                weight_hh[row * hidden + unit] = of_h[unit * gates + column];
            }
            let bias = of_x[inputs * gates + column];
            (bias_ih[row], bias_hh[row]) = (bias, bias);
        }
    }
    let of_head = take(spec.output * (hidden + 1));
    let (weight, bias) = gradient.values[spec.layer_start(spec.layers)..].split_at_mut(spec.output * hidden);
    for (output, bias) in bias.iter_mut().enumerate() {
        for unit in 0..hidden {
            weight[output * hidden + unit] = of_head[unit * spec.output + output];
        }
        *bias = of_head[hidden * spec.output + output];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::network::Head;

    #[test]
    fn every_gradient_finds_its_place() {
        let spec = Spec { input: 2, hidden: 3, layers: 2, output: 2, head: Head::Linear };
        let found: Vec<f32> = (0..lengths(&spec).iter().sum::<usize>()).map(|at| at as f32 + 1.0).collect();
        let mut gradient = Weights::zeros(spec);
        unpack(&found, &mut gradient);
        // Nothing is left out, and only the biases come twice.
        let mut seen: Vec<f32> = gradient.values.clone();
        seen.sort_by(f32::total_cmp);
        seen.dedup();
        assert_eq!(seen, found);
        // Gate 1 of unit 2 is column 9 of 12 and row 5; its weight for input 1 is in the second row of the device.
        assert_eq!(gradient.layer(0).weight_ih[5 * 2 + 1], found[12 + 9]);
        assert_eq!(gradient.layer(0).bias_hh[5], found[2 * 12 + 9]);
        assert_eq!(gradient.layer(0).weight_hh[5 * 3], found[3 * 12 + 9]);
        let matrix: Vec<f32> = (0..24).map(|at| at as f32).collect();
        assert_eq!(rows(&matrix, (3, 2))[..6], [0.0, 1.0, 6.0, 7.0, 12.0, 13.0]);
    }
}
