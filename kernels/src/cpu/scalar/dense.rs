//! The dense head; the order of the sums is in `op/dense.rs`.

use crate::op::dense::Dense;
use crate::op::gemm::GROUP;

/// See [`crate::op::dense::Run`].
pub fn run(dense: &mut Dense) {
    dense.check();
    for row in 0..dense.rows {
        let h = &dense.h[row * dense.units..][..dense.units];
        for output in 0..dense.outputs {
            let weight = &dense.weight[output * dense.units..][..dense.units];
            dense.out[row * dense.outputs + output] = dot(h, weight) + dense.bias[output];
        }
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; GROUP];
    for (a, b) in a.chunks(GROUP).zip(b.chunks(GROUP)) {
        for ((sum, &a), &b) in sums.iter_mut().zip(a).zip(b) {
            *sum = a.mul_add(b, *sum);
        }
    }
    let mut half = GROUP / 2;
    while half > 0 {
        for k in 0..half {
            sums[k] += sums[k + half];
        }
        half /= 2;
    }
    sums[0]
}
