//! One layer's step of a stream: weights go from memory through one multiply-add into sums that stay in registers.
//!
//! Four sums of one group would just hide the latency of a multiply-add (four cycles, one a cycle on Zen 4); three
//! groups at a time leave room for the loads to run ahead.

use std::arch::x86_64::{__m512, _mm512_add_ps, _mm512_fmadd_ps, _mm512_setzero_ps};

use super::lstm_cell::gate;
use super::register::{LANES, broadcast, load, store};
use crate::op::gemm::PANEL;
use crate::op::lstm_step::{LstmStep, State};

/// See [`crate::op::lstm_step::Run`].
#[target_feature(enable = "avx512f")]
pub fn run<const FAST: bool>(step: &mut LstmStep) {
    step.check();
    let groups = step.units / LANES;
    let mut group = 0;
    while group < groups {
        // Four groups go two and two: three and one would leave the last with too few sums.
        let together = if groups - group == 4 { 2 } else { (groups - group).min(3) };
        match together {
            // SAFETY: `check` proved the extents, and `together` stays within `groups`.
            1 => unsafe { several::<1, FAST>(step, group) },
            // SAFETY: as above.
            2 => unsafe { several::<2, FAST>(step, group) },
            // SAFETY: as above.
            _ => unsafe { several::<3, FAST>(step, group) },
        }
        group += together;
    }
}

/// `GROUPS` groups of 16 units from `first`.
///
/// # Safety
/// - `step.check()` returned and `(first + GROUPS) * LANES <= step.units`
#[target_feature(enable = "avx512f")]
unsafe fn several<const GROUPS: usize, const FAST: bool>(step: &mut LstmStep, first: usize) {
    let width = PANEL * LANES;
    let mut sums = [[_mm512_setzero_ps(); PANEL]; GROUPS];
    for (g, sums) in sums.iter_mut().enumerate() {
        for (gate, sum) in sums.iter_mut().enumerate() {
            // SAFETY: `check` proved four biases a unit.
            *sum = unsafe { load(step.bias, (first + g) * width + gate * LANES) };
        }
    }
    // SAFETY: `check` proved the packed weights and the input.
    unsafe { add(&mut sums, step.weight_x, first * width * step.inputs, step.x, step.inputs) }
    let mut ahead = [[_mm512_setzero_ps(); PANEL]; GROUPS];
    match step.state {
        // SAFETY: `check` proved the packed weights and the state.
        State::Now { weight, h } => unsafe {
            add(&mut ahead, weight, first * width * step.hidden, h, step.hidden);
        },
        State::Ahead(made) => {
            for (g, sums) in ahead.iter_mut().enumerate() {
                for (gate, sum) in sums.iter_mut().enumerate() {
                    // SAFETY: `check` proved four sums a unit.
                    *sum = unsafe { load(made, (first + g) * width + gate * LANES) };
                }
            }
        }
    }
    for (g, (mut sums, ahead)) in sums.into_iter().zip(ahead).enumerate() {
        let at = (first + g) * LANES;
        for (sum, ahead) in sums.iter_mut().zip(ahead) {
            *sum = _mm512_add_ps(ahead, *sum);
        }
        // SAFETY: `check` proved one state a unit.
        let gated = gate::<FAST>(sums, unsafe { load(step.c, at) });
        // SAFETY: as above.
        unsafe { store(step.c, at, gated.c) }
        // SAFETY: as above.
        unsafe { store(step.h, at, gated.h) }
    }
}

/// Adds `x` times the panels from `start`.
///
/// # Safety
/// - `x.len() >= depth` and `weights.len() >= start + GROUPS * depth * 64`
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn add<const GROUPS: usize>(
    sums: &mut [[__m512; PANEL]; GROUPS],
    weights: &[f32],
    start: usize,
    x: &[f32],
    depth: usize,
) {
    let width = PANEL * LANES;
    for k in 0..depth {
        // SAFETY: the caller keeps `depth` within `x`.
        let x = unsafe { broadcast(x, k) };
        for (g, sums) in sums.iter_mut().enumerate() {
            for (gate, sum) in sums.iter_mut().enumerate() {
                // SAFETY: the caller keeps every panel within `weights`.
                let weight = unsafe { load(weights, start + (g * depth + k) * width + gate * LANES) };
                *sum = _mm512_fmadd_ps(x, weight, *sum);
            }
        }
    }
}
