//! Reading memory by whole registers; what for is in `op/sweep.rs`.

use std::arch::x86_64::{__m512, _mm512_add_ps, _mm512_setzero_ps};

use super::register::{LANES, load, store};

/// Registers that are added to in turn: more than an addition takes cycles, at two a cycle.
const CHAINS: usize = 8;

/// See [`crate::op::sweep::Run`].
#[target_feature(enable = "avx512f")]
pub fn run(values: &[f32]) -> f32 {
    let mut sums: [__m512; CHAINS] = [_mm512_setzero_ps(); CHAINS];
    let whole = values.len() / (CHAINS * LANES) * CHAINS * LANES;
    for first in (0..whole).step_by(CHAINS * LANES) {
        for (chain, sum) in sums.iter_mut().enumerate() {
            // SAFETY: `whole` is within the slice and a multiple of what a round reads.
            *sum = _mm512_add_ps(*sum, unsafe { load(values, first + chain * LANES) });
        }
    }
    let mut lanes = [0.0; CHAINS * LANES];
    for (chain, &sum) in sums.iter().enumerate() {
        // SAFETY: the array has room for every chain.
        unsafe { store(&mut lanes, chain * LANES, sum) }
    }
    lanes.iter().chain(&values[whole..]).sum()
}
