//! The dense head; the order of the sums is in `op/dense.rs`.

use std::arch::x86_64::{_mm512_fmadd_ps, _mm512_setzero_ps};

use super::register::{LANES, load, store};
use crate::op::dense::Dense;
use crate::op::gemm::GROUP;

/// See [`crate::op::dense::Run`].
#[target_feature(enable = "avx512f")]
pub fn run(dense: &mut Dense) {
    dense.check();
    for row in 0..dense.rows {
        for output in 0..dense.outputs {
            let mut sums = _mm512_setzero_ps();
            for k in (0..dense.units).step_by(LANES) {
                // SAFETY: `check` proved the extents of `h`, and `units` is a multiple of the lanes.
                let h = unsafe { load(dense.h, row * dense.units + k) };
                // SAFETY: `check` proved the extents of `weight`.
                let weight = unsafe { load(dense.weight, output * dense.units + k) };
                sums = _mm512_fmadd_ps(h, weight, sums);
            }
            let mut partial = [0.0; GROUP];
            // SAFETY: the array has 16 values.
            unsafe { store(&mut partial, 0, sums) }
            dense.out[row * dense.outputs + output] = folded(partial) + dense.bias[output];
        }
    }
}

/// The sum, halves first.
#[inline]
#[target_feature(enable = "avx512f")]
fn folded(mut sums: [f32; GROUP]) -> f32 {
    for half in [8, 4, 2, 1] {
        for k in 0..half {
            sums[k] += sums[k + half];
        }
    }
    sums[0]
}
