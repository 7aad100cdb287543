//! The dense head; the order of the sums is in `op/dense.rs`.

use std::arch::x86_64::{_mm256_fmadd_ps, _mm256_setzero_ps};

use super::register::{LANES, load, store};
use crate::op::dense::Dense;
use crate::op::gemm::GROUP;

/// See [`crate::op::dense::Run`].
#[target_feature(enable = "avx2,fma")]
pub fn run(dense: &mut Dense) {
    dense.check();
    for row in 0..dense.rows {
        for output in 0..dense.outputs {
            // Two registers are the sixteen partial sums.
            let mut sums = [_mm256_setzero_ps(); GROUP / LANES];
            for k in (0..dense.units).step_by(LANES) {
                // SAFETY: `check` proved the extents of `h`, and `units` is a multiple of the lanes.
                let h = unsafe { load(dense.h, row * dense.units + k) };
                // SAFETY: `check` proved the extents of `weight`.
                let weight = unsafe { load(dense.weight, output * dense.units + k) };
                let sum = &mut sums[k / LANES % (GROUP / LANES)];
                *sum = _mm256_fmadd_ps(h, weight, *sum);
            }
            let mut partial = [0.0; GROUP];
            // SAFETY: the array has 16 values.
            unsafe { store(&mut partial, 0, sums[0]) }
            // SAFETY: the array has 16 values.
            unsafe { store(&mut partial, LANES, sums[1]) }
            dense.out[row * dense.outputs + output] = folded(partial) + dense.bias[output];
        }
    }
}

/// The sum, halves first.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn folded(mut sums: [f32; GROUP]) -> f32 {
    for half in [8, 4, 2, 1] {
        for k in 0..half {
            sums[k] += sums[k + half];
        }
    }
    sums[0]
}
