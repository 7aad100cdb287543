//! The weights as back-propagation reads them: from gates, interleaved as in the forward pass, to units.

use diapason_buffer::buffer::OutOfMemory;
use diapason_buffer::{Alignment, Buffer};

use crate::lstm::packed::row_of;
use crate::op::gemm::{GROUP, PANEL};
use crate::op::network::{Spec, Weights};

/// For each layer the packed `[4 units, units]` of the recurrent weights and, above the first layer, of the input
/// weights.
#[derive(Debug)]
pub(super) struct Transposed {
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
    pub fn new(spec: Spec) -> Result<Self, OutOfMemory> {
        let units = spec.hidden.next_multiple_of(GROUP);
        let zeroed = |there: bool| {
            let len = if there { PANEL * units * units } else { 0 };
            Buffer::zeroed(len, Alignment::CACHE_LINE)
        };
        let layer = |layer| Ok(TransposedLayer { weight_h: zeroed(true)?, weight_x: zeroed(layer > 0)? });
        let layers = (0..spec.layers).map(layer).collect::<Result<_, OutOfMemory>>()?;
        Ok(Self { units, layers })
    }

    pub fn fill(&mut self, weights: &Weights<f32>) {
        let hidden = weights.spec.hidden;
        for (index, packed) in self.layers.iter_mut().enumerate() {
            let layer = weights.layer(index);
            fill(layer.weight_hh, hidden, (hidden, self.units), &mut packed.weight_h);
            if index > 0 {
                fill(layer.weight_ih, hidden, (hidden, self.units), &mut packed.weight_x);
            }
        }
    }
}

/// Packs PyTorch's `[4 hidden, width]` as `[4 units, width padded to a multiple of 16]`, rows interleaved.
pub(in crate::lstm) fn fill(
    weight: &[f32],
    width: usize,
    (hidden, units): (usize, usize),
    packed: &mut [f32],
) {
    let (mut rest, padded) = (packed, width.next_multiple_of(GROUP));
    for first in (0..padded).step_by(PANEL * GROUP) {
        let cols = (PANEL * GROUP).min(padded - first);
        let real = cols.min(width - first.min(width));
        let (panel, after) = rest.split_at_mut(PANEL * units * cols);
        for (col, place) in panel.chunks_exact_mut(cols).enumerate() {
            if let Some(row) = row_of(col, hidden) {
                place[..real].copy_from_slice(&weight[row * width + first..][..real]);
            }
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::gemm::exam::pack;

    #[test]
    fn packs_as_the_product_reads() {
        for (hidden, width) in [(1, 1), (17, 17), (64, 64), (70, 70), (17, 3), (5, 90)] {
            let [units, padded] = [hidden, width].map(|size: usize| size.next_multiple_of(GROUP));
            let weight: Vec<f32> = (1..=4 * hidden * width).map(|x| x as f32).collect();
            let at = |k, col: usize| match row_of(k, hidden) {
                Some(row) if col < width => weight[row * width + col],
                _ => 0.0,
            };
            let mut packed = vec![0.0; PANEL * units * padded];
            fill(&weight, width, (hidden, units), &mut packed);
            assert_eq!(packed[..], pack(PANEL * units, padded, at)[..], "{hidden} {width}");
        }
    }
}
