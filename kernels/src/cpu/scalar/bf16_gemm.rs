//! Products of training in bfloat16, one element at a time; what they mean is in `op/bf16_gemm.rs`.

use crate::op::bf16::{pair, widen};
use crate::op::bf16_gemm::{Weave, held};
use crate::op::gemm::{Gemm, Start};

/// See [`crate::op::bf16_gemm::RunWeave`].
pub fn weave(weave: &mut Weave) {
    weave.check();
    let cols = weave.cols;
    for row in (0..weave.rows).step_by(2) {
        let (even, rest) = weave.from[row * cols..].split_at(cols);
        for col in 0..cols {
            let odd = if row + 1 < weave.rows { held(rest[col]) } else { 0.0 };
            weave.to[row / 2 * cols + col] = pair(held(even[col]), odd);
        }
    }
}

/// See [`crate::op::bf16_gemm::Run`].
pub fn run(gemm: &Gemm<u32>, out: &mut [f32]) {
    gemm.check(out);
    let left = gemm.left;
    for panel in gemm.panels(1) {
        for row in 0..gemm.rows {
            for j in 0..panel.vectors {
                let place = &mut out[row * gemm.out_stride + panel.col + j];
                let mut sum = match gemm.start {
                    Start::Zero | Start::Out => 0.0,
                    Start::Bias(bias) => bias[panel.col + j],
                };
                for k in 0..gemm.depth {
                    let a = two(left.values[row * left.row_stride + k * left.depth_stride]);
                    let b = two(panel.values[panel.start + k * panel.stride + j]);
                    sum = a[0].mul_add(b[0], a[1].mul_add(b[1], sum));
                }
                *place = if let Start::Out = gemm.start { sum + *place } else { sum };
            }
        }
    }
}

/// The two values of a word.
fn two(word: u32) -> [f32; 2] {
    [word & 0xffff, word >> 16].map(|half| widen((half & 0xffff) as u16))
}
