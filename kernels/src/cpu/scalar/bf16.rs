//! Products in bfloat16, one element at a time; what they mean is in `op/bf16.rs`.

use super::lstm_cell::forward;
use crate::op::bf16::{Narrow, Product, Step, WIDTH, pair, widen};
use crate::op::bf16_gemm::held;
use crate::op::gemm::Start;

/// See [`crate::op::bf16::RunNarrow`]; with `HELD` of values as [`held`] has them.
pub fn narrow<const HELD: bool>(narrow: &mut Narrow) {
    narrow.check();
    let words = narrow.words();
    for row in 0..narrow.rows {
        let from = &narrow.from[row * narrow.stride..][..narrow.depth];
        for (word, two) in narrow.to[row * words..].iter_mut().zip(from.chunks(2)) {
            let two = [two[0], two.get(1).copied().unwrap_or(0.0)];
            let [first, second] = if HELD { two.map(held) } else { two };
            *word = pair(first, second);
        }
    }
}

/// See [`crate::op::bf16::Run`].
pub fn run(product: &Product, out: &mut [f32]) {
    product.check(out);
    let Product { rows, cols, words, left, right, start, .. } = *product;
    for (at, out) in out[..rows * cols].iter_mut().enumerate() {
        let (row, col) = (at / cols, at % cols);
        let panel = &right[col / WIDTH * WIDTH * words..];
        let mut sum = if let Start::Bias(bias) = start { bias[col] } else { 0.0 };
        for k in 0..words {
            let [a, b] = [left[row * words + k], panel[k * WIDTH + col % WIDTH]]
                .map(|word| [word & 0xffff, word >> 16].map(|half| widen((half & 0xffff) as u16)));
            sum = a[0].mul_add(b[0], a[1].mul_add(b[1], sum));
        }
        *out = if let Start::Out = start { sum + *out } else { sum };
    }
}

/// See [`crate::op::bf16::RunStep`].
pub fn step<const FAST: bool>(step: &mut Step) {
    step.check();
    run(&step.product, step.gates);
    forward::<FAST>(&mut step.cell());
}
