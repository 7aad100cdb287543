//! One layer's step of a stream: weights go from memory through one multiply-add into sums that stay in registers.
//!
//! A group of 16 units is two registers a gate: eight sums, which is what two multiply-adds a cycle with four cycles
//! of latency want.

use std::arch::x86_64::{__m256, _mm256_add_ps, _mm256_fmadd_ps, _mm256_setzero_ps};

use super::lstm_cell::gate;
use super::register::{LANES, broadcast, load, store};
use crate::op::gemm::{GROUP, PANEL};
use crate::op::lstm_step::{LstmStep, State};

/// Registers of one row of a panel: gate by gate, first and second half of the group.
const REGISTERS: usize = PANEL * GROUP / LANES;

/// See [`crate::op::lstm_step::Run`].
#[target_feature(enable = "avx2,fma")]
pub fn run<const FAST: bool>(step: &mut LstmStep) {
    step.check();
    let width = PANEL * GROUP;
    for group in 0..step.units / GROUP {
        let mut sums = [_mm256_setzero_ps(); REGISTERS];
        for (register, sum) in sums.iter_mut().enumerate() {
            // SAFETY: `check` proved four biases a unit.
            *sum = unsafe { load(step.bias, group * width + register * LANES) };
        }
        // SAFETY: `check` proved the packed weights and the input.
        unsafe { add(&mut sums, step.weight_x, group * width * step.inputs, step.x, step.inputs) }
        let mut ahead = [_mm256_setzero_ps(); REGISTERS];
        match step.state {
            // SAFETY: `check` proved the packed weights and the state.
            State::Now { weight, h } => unsafe {
                add(&mut ahead, weight, group * width * step.hidden, h, step.hidden);
            },
            State::Ahead(made) => {
                for (register, sum) in ahead.iter_mut().enumerate() {
                    // SAFETY: `check` proved four sums a unit.
                    *sum = unsafe { load(made, group * width + register * LANES) };
                }
            }
        }
        for (sum, ahead) in sums.iter_mut().zip(ahead) {
            *sum = _mm256_add_ps(ahead, *sum);
        }
        for half in 0..GROUP / LANES {
            let at = group * GROUP + half * LANES;
            let z = [sums[half], sums[2 + half], sums[4 + half], sums[6 + half]];
            // SAFETY: `check` proved one state a unit.
            let gated = gate::<FAST>(z, unsafe { load(step.c, at) });
            // SAFETY: as above.
            unsafe { store(step.c, at, gated.c) }
            // SAFETY: as above.
            unsafe { store(step.h, at, gated.h) }
        }
    }
}

/// Adds `x` times the panel from `start`.
///
/// # Safety
/// - `x.len() >= depth` and `weights.len() >= start + depth * 64`
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn add(sums: &mut [__m256; REGISTERS], weights: &[f32], start: usize, x: &[f32], depth: usize) {
    for k in 0..depth {
        // SAFETY: the caller keeps `depth` within `x`.
        let x = unsafe { broadcast(x, k) };
        for (register, sum) in sums.iter_mut().enumerate() {
            // SAFETY: the caller keeps the panel within `weights`.
            let weight = unsafe { load(weights, start + k * PANEL * GROUP + register * LANES) };
            *sum = _mm256_fmadd_ps(x, weight, *sum);
        }
    }
}
