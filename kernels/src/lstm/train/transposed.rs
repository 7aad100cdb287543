//! The weights as back-propagation reads them: from gates, interleaved as in the forward pass, to units.

use diapason_buffer::buffer::OutOfMemory;
use diapason_buffer::{Alignment, Buffer};

use crate::lstm::packed::row_of;
use crate::op::gemm::PANEL;
use crate::op::network::{Spec, Weights};

/// For each layer the packed `[4 units, units]` of the recurrent weights and, above the first layer, of the input
/// weights.
#[derive(Debug)]
pub(super) struct Transposed {
    lanes: usize,
    units: usize,
    pub layers: Vec<TransposedLayer>,
}

#[derive(Debug)]
pub(super) struct TransposedLayer {
    pub weight_h: Buffer<f32>,
    /// Empty in the first layer: nothing asks for the gradient of the features.
    pub weight_x: Buffer<f32>,
}

impl Transposed {
    pub fn new(spec: Spec, lanes: usize) -> Result<Self, OutOfMemory> {
        let units = spec.hidden.next_multiple_of(lanes);
        let zeroed = |there: bool| {
            let len = if there { PANEL * units * units } else { 0 };
            Buffer::zeroed(len, Alignment::CACHE_LINE)
        };
        let layer = |layer| Ok(TransposedLayer { weight_h: zeroed(true)?, weight_x: zeroed(layer > 0)? });
        let layers = (0..spec.layers).map(layer).collect::<Result<_, OutOfMemory>>()?;
        Ok(Self { lanes, units, layers })
    }

    pub fn fill(&mut self, weights: &Weights<f32>) {
        let hidden = weights.spec.hidden;
        for (index, packed) in self.layers.iter_mut().enumerate() {
            let layer = weights.layer(index);
            fill(layer.weight_hh, hidden, self.units, self.lanes, &mut packed.weight_h);
            if index > 0 {
                fill(layer.weight_ih, hidden, self.units, self.lanes, &mut packed.weight_x);
            }
        }
    }
}

/// Packs PyTorch's `[4 hidden, hidden]` as `[4 units, units]`, rows interleaved.
fn fill(weight: &[f32], hidden: usize, units: usize, lanes: usize, packed: &mut [f32]) {
    let mut rest = packed;
    for first in (0..units).step_by(PANEL * lanes) {
        let width = (PANEL * lanes).min(units - first);
        let real = width.min(hidden - first.min(hidden));
        let (panel, after) = rest.split_at_mut(PANEL * units * width);
        for (col, place) in panel.chunks_exact_mut(width).enumerate() {
            if let Some(row) = row_of(col, lanes, hidden) {
                place[..real].copy_from_slice(&weight[row * hidden + first..][..real]);
            }
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::gemm::pack;

    #[test]
    fn packs_as_the_product_reads() {
        for (hidden, lanes) in [(1, 16), (17, 16), (70, 16), (35, 8), (9, 1)] {
            let units = usize::next_multiple_of(hidden, lanes);
            let weight: Vec<f32> = (1..=4 * hidden * hidden).map(|x| x as f32).collect();
            let at = |k, col: usize| match row_of(k, lanes, hidden) {
                Some(row) if col < hidden => weight[row * hidden + col],
                _ => 0.0,
            };
            let mut packed = vec![0.0; PANEL * units * units];
            fill(&weight, hidden, units, lanes, &mut packed);
            assert_eq!(packed[..], pack(PANEL * units, units, lanes, at).unwrap()[..], "{hidden}, {lanes}");
        }
    }
}
