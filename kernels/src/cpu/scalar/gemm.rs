//! Matrix product, one element at a time; the order of the sum is in `op/gemm.rs`.

use crate::op::gemm::{Gemm, Start};

/// See [`crate::op::gemm::Run`].
pub fn run(gemm: &Gemm, out: &mut [f32]) {
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
                    let a = left.values[row * left.row_stride + k * left.depth_stride];
                    sum = a.mul_add(panel.values[panel.start + k * panel.stride + j], sum);
                }
                *place = if let Start::Out = gemm.start { sum + *place } else { sum };
            }
        }
    }
}
