//! The matrices of a training in the precision of its products.
//!
//! The weights stay f32: they are what the optimiser moves and what is saved. For bf16 each packed matrix is rounded anew
//! after every step, which costs a pass over the weights where the step's products make hundreds.

use diapason_buffer::buffer::OutOfMemory;
use diapason_buffer::{Alignment, Buffer};

use super::transposed::Transposed;
use crate::cpu::Kernels;
use crate::lstm::packed::Packed;
use crate::op::bf16::Narrow;
use crate::op::bf16_gemm::{LEAST_BIAS, Weave};
use crate::op::gemm::{GROUP, Gemm, Left, PANEL, Right, Start};

/// Depth of one product for the weight gradients: the rows of gates and inputs that it walks stay in the cache while
/// all tiles of the gradient pass over them. Even, so that words do not straddle.
const DEPTH: usize = 128;

/// Every matrix rounded, in the layout in which it is packed.
#[derive(Debug)]
pub(super) struct Words {
    pub layers: Vec<LayerWords>,
}

#[derive(Debug)]
pub(super) struct LayerWords {
    pub weight_x: Buffer<u32>,
    pub weight_h: Buffer<u32>,
    /// Of [`Transposed`].
    pub back_h: Buffer<u32>,
    pub back_x: Buffer<u32>,
}

impl Words {
    pub fn new(packed: &Packed) -> Result<Self, OutOfMemory> {
        let (gates, hidden) = (PANEL * packed.units, packed.spec.hidden);
        let zeroed = |depth: usize, cols: usize| {
            Buffer::<u32>::zeroed(depth.div_ceil(2) * cols, Alignment::CACHE_LINE)
        };
        let layer = |index: usize| {
            Ok(LayerWords {
                weight_x: zeroed(packed.layers[index].inputs, gates)?,
                weight_h: zeroed(hidden, gates)?,
                back_h: zeroed(gates, packed.units)?,
                back_x: zeroed(if index > 0 { gates } else { 0 }, packed.units)?,
            })
        };
        let layers = (0..packed.layers.len()).map(layer).collect::<Result<_, OutOfMemory>>()?;
        Ok(Self { layers })
    }

    /// Rounds the matrices. Biases that [`bf16_gemm`](crate::op::bf16_gemm) does not allow become zero.
    pub fn fill(&mut self, kernels: &Kernels, packed: &mut Packed, transposed: &Transposed) {
        let (gates, units, hidden) = (PANEL * packed.units, packed.units, packed.spec.hidden);
        for (index, words) in self.layers.iter_mut().enumerate() {
            let (layer, back) = (&mut packed.layers[index], &transposed.layers[index]);
            round(kernels, &layer.weight_x, (layer.inputs, gates), &mut words.weight_x);
            round(kernels, &layer.weight_h, (hidden, gates), &mut words.weight_h);
            round(kernels, &back.weight_h, (gates, units), &mut words.back_h);
            if index > 0 {
                round(kernels, &back.weight_x, (gates, units), &mut words.back_x);
            }
            layer.bias.iter_mut().filter(|bias| bias.abs() < LEAST_BIAS).for_each(|bias| *bias = 0.0);
        }
    }
}

/// Rounds a packed matrix panel by panel.
fn round(kernels: &Kernels, from: &[f32], (depth, cols): (usize, usize), to: &mut [u32]) {
    let words = depth.div_ceil(2);
    for first in (0..cols).step_by(PANEL * GROUP) {
        let width = (PANEL * GROUP).min(cols - first);
        let (from, to) = (&from[first * depth..], &mut to[first * words..]);
        kernels.bf16_gemm_weave(&mut Weave { rows: depth, cols: width, from, to });
    }
}

/// A packed matrix `[depth, cols]`, and the same rounded where products are in bf16.
#[derive(Clone, Copy)]
pub(super) struct Weight<'a> {
    pub depth: usize,
    pub cols: usize,
    pub full: &'a [f32],
    pub words: Option<&'a [u32]>,
}

/// Room for what goes into a product, rounded; empty in f32.
#[derive(Debug)]
pub(super) struct Room {
    /// Rows of a sequence, or of a step.
    pub narrowed: Buffer<u32>,
    /// [`DEPTH`] rows of gates and of inputs, two to a row of words.
    woven: [Buffer<u32>; 2],
}

impl Room {
    pub fn new(bf16: bool, rows: usize, gates: usize, inputs: usize) -> Result<Self, OutOfMemory> {
        let zeroed = |len: usize| Buffer::<u32>::zeroed(if bf16 { len } else { 0 }, Alignment::CACHE_LINE);
        let narrowed = zeroed(rows * gates.max(inputs).div_ceil(2))?;
        Ok(Self { narrowed, woven: [zeroed(DEPTH / 2 * gates)?, zeroed(DEPTH / 2 * inputs)?] })
    }
}

impl Weight<'_> {
    /// `rows` rows times the matrix, into rows that follow each other. In bf16 the rows are rounded into `narrowed`.
    pub fn product(
        &self,
        kernels: &Kernels,
        (rows, values, stride): (usize, &[f32], usize),
        start: Start,
        narrowed: &mut [u32],
        out: &mut [f32],
    ) {
        let Self { depth, cols, full, words } = *self;
        if words.is_none() {
            return kernels.gemm(&Gemm::packed(rows, (values, stride), (depth, cols, full), start), out);
        }
        kernels.bf16_gemm_narrow(&mut Narrow { rows, depth, from: values, stride, to: narrowed });
        self.narrowed(kernels, rows, start, narrowed, out);
    }

    /// The same with rows that are rounded already; nothing without [`words`](Self::words).
    pub fn narrowed(&self, kernels: &Kernels, rows: usize, start: Start, narrowed: &[u32], out: &mut [f32]) {
        let Self { depth, cols, words: Some(words), .. } = *self else { return };
        let depth = depth.div_ceil(2);
        kernels.bf16_gemm(&Gemm::packed(rows, (narrowed, depth), (depth, cols, words), start), out);
    }
}

/// `out = d_z^T inputs` over `depth` rows, a slice of the depth at a time.
pub(in crate::lstm) fn outer(
    kernels: &Kernels,
    (gates, d_z): (usize, &[f32]),
    (width, inputs): (usize, &[f32]),
    depth: usize,
    out: &mut [f32],
) {
    if depth == 0 {
        out.fill(0.0);
    }
    for first in (0..depth).step_by(DEPTH) {
        let product = Gemm {
            rows: gates,
            cols: width,
            depth: DEPTH.min(depth - first),
            left: Left { values: &d_z[first * gates..], row_stride: 1, depth_stride: gates },
            right: Right::Rows { values: &inputs[first * width..], stride: width },
            start: if first == 0 { Start::Zero } else { Start::Out },
            out_stride: width,
        };
        kernels.gemm(&product, out);
    }
}

/// The same in bf16 for two inputs at once, since both multiply the same rounded rows.
pub(super) fn outer_bf16(
    kernels: &Kernels,
    (gates, d_z): (usize, &[f32]),
    inputs: [(usize, &[f32]); 2],
    depth: usize,
    room: &mut Room,
    mut out: [&mut [f32]; 2],
) {
    let [left, right] = &mut room.woven;
    for first in (0..depth).step_by(DEPTH) {
        let rows = DEPTH.min(depth - first);
        let from = &d_z[first * gates..];
        kernels.bf16_gemm_weave(&mut Weave { rows, cols: gates, from, to: left });
        for ((width, inputs), out) in inputs.into_iter().zip(&mut out) {
            let from = &inputs[first * width..];
            kernels.bf16_gemm_weave(&mut Weave { rows, cols: width, from, to: right });
            let product = Gemm {
                rows: gates,
                cols: width,
                depth: rows.div_ceil(2),
                left: Left { values: left, row_stride: 1, depth_stride: gates },
                right: Right::Rows { values: right, stride: width },
                start: if first == 0 { Start::Zero } else { Start::Out },
                out_stride: width,
            };
            kernels.bf16_gemm(&product, out);
        }
    }
}
