//! The gradient of one shard in the layout of the kernels, the sum of shards in their order, and the way back to
//! PyTorch's layout.

use diapason_buffer::buffer::OutOfMemory;
use diapason_buffer::{Alignment, Buffer};

use crate::lstm::packed::row_of;
use crate::op::gemm::{GROUP, PANEL};
use crate::op::network::{Spec, Weights};

/// Where each part lies in a flat gradient.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub spec: Spec,
    pub units: usize,
    /// For each layer, where it starts; at the end, where the head starts.
    starts: Vec<usize>,
}

/// One layer's part.
pub(super) struct LayerGradient<'a> {
    /// `[4 units, padded inputs]`.
    pub weight_x: &'a mut [f32],
    /// `[4 units, units]`.
    pub weight_h: &'a mut [f32],
    /// `[4 units]`.
    pub bias: &'a mut [f32],
}

impl Layout {
    pub fn new(spec: Spec) -> Self {
        let units = spec.hidden.next_multiple_of(GROUP);
        let mut layout = Self { spec, units, starts: vec![0] };
        for layer in 0..spec.layers {
            let end = layout.starts[layer] + PANEL * units * (layout.inputs(layer) + units + 1);
            layout.starts.push(end);
        }
        layout
    }

    /// The inputs of a layer, padded to a multiple of 16.
    pub fn inputs(&self, layer: usize) -> usize {
        self.spec.layer_input(layer).next_multiple_of(GROUP)
    }

    pub fn zeros(&self) -> Result<Buffer<f32>, OutOfMemory> {
        let head = self.spec.output * (self.units + 1);
        Buffer::zeroed(self.starts[self.spec.layers] + head, Alignment::CACHE_LINE)
    }

    pub fn layer<'a>(&self, flat: &'a mut [f32], layer: usize) -> LayerGradient<'a> {
        let gates = PANEL * self.units;
        let (weight_x, rest) = flat[self.starts[layer]..].split_at_mut(gates * self.inputs(layer));
        let (weight_h, rest) = rest.split_at_mut(gates * self.units);
        LayerGradient { weight_x, weight_h, bias: &mut rest[..gates] }
    }

    /// `[output, units]` and `[output]`.
    pub fn head<'a>(&self, flat: &'a mut [f32]) -> (&'a mut [f32], &'a mut [f32]) {
        let outputs = self.spec.output;
        let (weight, bias) = flat[self.starts[self.spec.layers]..].split_at_mut(outputs * self.units);
        (weight, &mut bias[..outputs])
    }

    /// Copies a flat gradient to PyTorch's layout; both biases of a layer have the same one.
    pub fn unpack(&self, flat: &mut [f32], gradient: &mut Weights<f32>) {
        let (hidden, units) = (self.spec.hidden, self.units);
        for layer in 0..self.spec.layers {
            let (real, padded) = (self.spec.layer_input(layer), self.inputs(layer));
            let part = self.layer(flat, layer);
            let to = &mut gradient.values[self.spec.layer_start(layer)..];
            let (weight_ih, to) = to.split_at_mut(4 * hidden * real);
            let (weight_hh, to) = to.split_at_mut(4 * hidden * hidden);
            let (bias_ih, bias_hh) = to.split_at_mut(4 * hidden);
            for col in 0..PANEL * units {
                if let Some(row) = row_of(col, hidden) {
                    weight_ih[row * real..][..real].copy_from_slice(&part.weight_x[col * padded..][..real]);
                    weight_hh[row * hidden..][..hidden]
                        .copy_from_slice(&part.weight_h[col * units..][..hidden]);
                    (bias_ih[row], bias_hh[row]) = (part.bias[col], part.bias[col]);
                }
            }
        }
        let (weight, bias) = self.head(flat);
        let (to_weight, to_bias) = gradient.values[self.spec.layer_start(self.spec.layers)..]
            .split_at_mut(self.spec.output * hidden);
        for (to, from) in to_weight.chunks_exact_mut(hidden).zip(weight.chunks_exact(units)) {
            to.copy_from_slice(&from[..hidden]);
        }
        to_bias.copy_from_slice(bias);
    }
}
