//! Products in 8-bit integers, one element at a time; what they mean is in `op/int8.rs`.

use super::lstm_cell::forward;
use crate::op::bf16::WIDTH;
use crate::op::gemm::Start;
use crate::op::int8::{Narrow, Product, Range, Step, round, scale};

/// See [`crate::op::int8::RunNarrow`].
pub fn narrow(narrow: &mut Narrow) {
    narrow.check();
    let words = narrow.words();
    for row in 0..narrow.rows {
        let from = &narrow.from[row * narrow.stride..][..narrow.depth];
        let max = match narrow.range {
            Range::Unit => 1.0,
            Range::Row => from.iter().fold(0.0f32, |max, x| max.max(x.abs())),
        };
        let (scale, inverse) = scale(max);
        narrow.scale[row] = scale;
        for (word, four) in narrow.to[row * words..].iter_mut().zip(from.chunks(4)) {
            let byte = |at| four.get(at).map_or(0, |&x| round(x, inverse)).cast_unsigned() ^ 0x80;
            *word = u32::from_le_bytes([0, 1, 2, 3].map(byte));
        }
    }
}

/// See [`crate::op::int8::Run`].
#[expect(clippy::cast_precision_loss, reason = "the sum is rounded to f32 once, as in every instruction set")]
pub fn run(product: &Product, out: &mut [f32]) {
    product.check(out);
    let Product { rows, cols, words, left, left_scale, right, right_scale, offset, start, .. } = *product;
    for (at, out) in out[..rows * cols].iter_mut().enumerate() {
        let (row, col) = (at / cols, at % cols);
        let panel = &right[col / WIDTH * WIDTH * words..];
        let mut sum = offset[col];
        for k in 0..words {
            let a = left[row * words + k].to_le_bytes().map(i32::from);
            let b = panel[k * WIDTH + col % WIDTH].to_le_bytes().map(|byte| i32::from(byte.cast_signed()));
            sum += a.iter().zip(b).map(|(a, b)| a * b).sum::<i32>();
        }
        let (sum, scale) = (sum as f32, left_scale[row] * right_scale[col]);
        *out = match start {
            Start::Zero => sum * scale,
            Start::Bias(bias) => sum.mul_add(scale, bias[col]),
            Start::Out => sum * scale + *out,
        };
    }
}

/// See [`crate::op::int8::RunStep`].
pub fn step<const FAST: bool>(step: &mut Step) {
    step.check();
    run(&step.product, step.gates);
    forward::<FAST>(&mut step.cell());
}
