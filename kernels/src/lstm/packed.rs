//! Weights as the kernels want them: hidden units padded to a multiple of 16, gates interleaved by
//! groups of 16 units. The layout is the same for every instruction set.

use std::ops::Range;

use diapason_buffer::buffer::OutOfMemory;
use diapason_buffer::{Alignment, Buffer};

use super::matrix::{Matrix, Precision, placement};
use crate::op::gemm::{GROUP, PANEL};
use crate::op::network::{Layer, Spec, Weights};

/// One layer, its matrices plain or in their precision.
#[derive(Debug)]
pub(super) struct PackedLayer<M = Buffer<f32>> {
    /// Values that the layer reads.
    pub inputs: usize,
    /// Packed `[inputs, 4 units]`.
    pub weight_x: M,
    /// Packed `[hidden, 4 units]`.
    pub weight_h: M,
    /// `[4 units]`: the sum of both biases, which act only as their sum.
    pub bias: Buffer<f32>,
}

/// All weights of a model.
#[derive(Debug)]
pub(super) struct Packed<M = Buffer<f32>> {
    pub spec: Spec,
    /// `spec.hidden` rounded up to a multiple of 16.
    pub units: usize,
    pub layers: Vec<PackedLayer<M>>,
    /// `[output, units]`.
    pub head_weight: Buffer<f32>,
    /// `[output]`.
    pub head_bias: Buffer<f32>,
}

impl Packed {
    pub fn new(weights: &Weights<f32>) -> Result<Self, OutOfMemory> {
        let spec = weights.spec;
        let units = spec.hidden.next_multiple_of(GROUP);
        let gates = PANEL * units;
        let mut layers = Vec::with_capacity(spec.layers);
        for layer in 0..spec.layers {
            let inputs = spec.layer_input(layer);
            let zeroed = |len| Buffer::zeroed(len, placement(size_of::<f32>() * len));
            let (weight_x, weight_h) = (zeroed(inputs * gates)?, zeroed(spec.hidden * gates)?);
            let bias = Buffer::zeroed(gates, Alignment::CACHE_LINE)?;
            layers.push(PackedLayer { inputs, weight_x, weight_h, bias });
        }
        let head_weight = Buffer::zeroed(spec.output * units, Alignment::CACHE_LINE)?;
        let head_bias = Buffer::zeroed(spec.output, Alignment::CACHE_LINE)?;
        let mut packed = Self { spec, units, layers, head_weight, head_bias };
        packed.fill(weights);
        Ok(packed)
    }

    /// Takes over weights of the same shape.
    pub fn fill(&mut self, weights: &Weights<f32>) {
        let hidden = self.spec.hidden;
        for (index, packed) in self.layers.iter_mut().enumerate() {
            let Layer { weight_ih, weight_hh, bias_ih, bias_hh } = weights.layer(index);
            interleave(weight_ih, packed.inputs, hidden, &mut packed.weight_x);
            interleave(weight_hh, hidden, hidden, &mut packed.weight_h);
            for (col, bias) in packed.bias.iter_mut().enumerate() {
                *bias = row_of(col, hidden).map_or(0.0, |row| bias_ih[row] + bias_hh[row]);
            }
        }
        let (weight, bias) = weights.head();
        for (row, padded) in weight.chunks_exact(hidden).zip(self.head_weight.chunks_exact_mut(self.units)) {
            padded[..hidden].copy_from_slice(row);
        }
        self.head_bias.copy_from_slice(bias);
    }

    /// The same in `precision`.
    pub fn narrowed(self, precision: Precision) -> Result<Packed<Matrix>, OutOfMemory> {
        let Self { spec, units, layers, head_weight, head_bias } = self;
        let narrowed = |layer: PackedLayer| {
            let PackedLayer { inputs, weight_x, weight_h, bias } = layer;
            let weight_x = Matrix::new(weight_x, inputs, PANEL * units, precision)?.with_tail(spec.hidden)?;
            let weight_h =
                Matrix::new(weight_h, spec.hidden, PANEL * units, precision)?.with_tail(spec.hidden)?;
            Ok(PackedLayer { inputs, weight_x, weight_h, bias })
        };
        let layers = layers.into_iter().map(narrowed).collect::<Result<_, OutOfMemory>>()?;
        Ok(Packed { spec, units, layers, head_weight, head_bias })
    }
}

impl PackedLayer<Matrix> {
    /// Bytes that a step of one series reads.
    pub fn bytes(&self) -> usize {
        self.weight_x.bytes() + self.weight_h.bytes() + size_of_val(self.bias.as_ref())
    }
}

impl Packed<Matrix> {
    /// Bytes of packed weights.
    pub fn bytes(&self) -> usize {
        let head = size_of_val(self.head_weight.as_ref()) + size_of_val(self.head_bias.as_ref());
        self.layers.iter().map(PackedLayer::bytes).sum::<usize>() + head
    }

    /// A copy of the packed weights of some units, whole groups of them; they read the hidden states of all.
    pub fn share(&self, units: Range<usize>) -> Result<Self, OutOfMemory> {
        let cols = PANEL * units.start..PANEL * units.end;
        let layer = |layer: &PackedLayer<Matrix>| {
            let PackedLayer { inputs, weight_x, weight_h, bias } = layer;
            let (weight_x, weight_h) = (weight_x.share(&cols)?, weight_h.share(&cols)?);
            let bias = Buffer::copied(&bias[cols.clone()], Alignment::CACHE_LINE)?;
            Ok(PackedLayer { inputs: *inputs, weight_x, weight_h, bias })
        };
        Ok(Self {
            spec: self.spec,
            units: units.len(),
            layers: self.layers.iter().map(layer).collect::<Result<_, OutOfMemory>>()?,
            head_weight: Buffer::zeroed(0, Alignment::CACHE_LINE)?,
            head_bias: Buffer::zeroed(0, Alignment::CACHE_LINE)?,
        })
    }

    /// Bytes of weights for which huge pages were asked.
    pub fn bytes_huge(&self) -> usize {
        self.layers.iter().flat_map(|layer| [&layer.weight_x, &layer.weight_h]).map(Matrix::bytes_huge).sum()
    }

    /// Whether the last group of units is read from a tail.
    pub fn has_tail(&self) -> bool {
        self.layers.iter().any(|layer| layer.weight_x.has_tail())
    }

    /// Most values of a row that a matrix is multiplied with.
    pub fn depth(&self) -> usize {
        self.spec.input.max(self.spec.hidden)
    }
}

/// Packs PyTorch's `[4 hidden, depth]` with the gates interleaved: group of units, k, gate, lane.
pub(super) fn interleave(weight: &[f32], depth: usize, hidden: usize, packed: &mut [f32]) {
    let mut place = packed.chunks_exact_mut(GROUP);
    for first in (0..hidden).step_by(GROUP) {
        for k in 0..depth {
            for (gate, group) in (0..PANEL).zip(&mut place) {
                let rows = weight[(gate * hidden + first) * depth..].chunks(depth).take(hidden - first);
                for (slot, row) in group.iter_mut().zip(rows) {
                    *slot = row[k];
                }
            }
        }
    }
}

/// The PyTorch row (gate block, then unit) of an interleaved column; `None` for a padding unit.
pub(super) const fn row_of(col: usize, hidden: usize) -> Option<usize> {
    let gate = col / GROUP % PANEL;
    let unit = col / (PANEL * GROUP) * GROUP + col % GROUP;
    if unit < hidden { Some(gate * hidden + unit) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::gemm::exam::pack;
    use crate::op::lstm_cell::gate_index;

    #[test]
    fn packs_as_the_product_reads() {
        for (hidden, depth) in [(1, 1), (17, 3), (32, 5)] {
            let gates = PANEL * usize::next_multiple_of(hidden, GROUP);
            let weight: Vec<f32> = (1..=4 * hidden * depth).map(|x| x as f32).collect();
            let at = |k, col| row_of(col, hidden).map_or(0.0, |row| weight[row * depth + k]);
            let mut packed = vec![0.0; depth * gates];
            interleave(&weight, depth, hidden, &mut packed);
            assert_eq!(packed[..], pack(depth, gates, at)[..]);
        }
    }

    #[test]
    fn columns_are_gate_interleaved() {
        for hidden in [1, 16, 17] {
            let units = usize::next_multiple_of(hidden, GROUP);
            for unit in 0..units {
                for gate in 0..PANEL {
                    let wanted = (unit < hidden).then_some(gate * hidden + unit);
                    assert_eq!(row_of(gate_index(gate, unit), hidden), wanted);
                }
            }
        }
    }
}
