//! Weights as a GPU reads them: the four gates of a unit side by side, so that neighbouring invocations, which own
//! neighbouring units, read one run of memory, and each has its unit's gates in one load.
//!
//! The processor's layout pads units to its registers' 16; here nothing is padded.

use crate::op::network::{Spec, Weights};

/// Gates of a unit.
pub const GATES: usize = 4;

/// One layer.
#[derive(Debug)]
pub struct PackedLayer {
    /// `[inputs][unit][gate]`.
    pub weight_x: Vec<f32>,
    /// `[hidden][unit][gate]`.
    pub weight_h: Vec<f32>,
    /// `[unit][gate]`: the sum of both biases, which act only as their sum.
    pub bias: Vec<f32>,
}

/// Every layer of `weights`.
pub fn layers(weights: &Weights<f32>) -> Vec<PackedLayer> {
    let Spec { hidden, layers, .. } = weights.spec;
    (0..layers)
        .map(|index| {
            let layer = weights.layer(index);
            let inputs = weights.spec.layer_input(index);
            let at = |column: usize| column % GATES * hidden + column / GATES;
            let columns = GATES * hidden;
            let interleaved = |matrix: &[f32], depth: usize| {
                (0..depth * columns).map(|k| matrix[at(k % columns) * depth + k / columns]).collect()
            };
            let bias = |column| layer.bias_ih[at(column)] + layer.bias_hh[at(column)];
            PackedLayer {
                weight_x: interleaved(layer.weight_ih, inputs),
                weight_h: interleaved(layer.weight_hh, hidden),
                bias: (0..columns).map(bias).collect(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::network::Head;

    #[test]
    fn the_gates_of_a_unit_lie_side_by_side() {
        let spec = Spec { input: 3, hidden: 2, layers: 1, output: 1, head: Head::Linear };
        let mut weights = Weights::<f32>::zeros(spec);
        weights.values.iter_mut().enumerate().for_each(|(k, value)| *value = k as f32);
        let layers = layers(&weights);
        // Gate g of unit u is row 2 g + u of PyTorch's matrix, whose rows have three elements.
        assert_eq!(layers[0].weight_x[..8], [0.0, 6.0, 12.0, 18.0, 3.0, 9.0, 15.0, 21.0]);
        assert_eq!(layers[0].weight_h[8..12], [25.0, 29.0, 33.0, 37.0]);
        // Biases 40..48 and 48..56.
        assert_eq!(layers[0].bias, [88.0, 92.0, 96.0, 100.0, 90.0, 94.0, 98.0, 102.0]);
    }
}
