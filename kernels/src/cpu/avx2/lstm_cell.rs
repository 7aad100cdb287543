//! Gates and states of 8 units at a time; the order of operations is in `op/lstm_cell.rs`.

use std::arch::x86_64::{
    __m256, _mm256_div_ps, _mm256_fmadd_ps, _mm256_fnmadd_ps, _mm256_mul_ps, _mm256_set1_ps, _mm256_sub_ps,
};

use super::activation::{denominator, fraction};
use super::register::{LANES, load, store};
use crate::op::gemm::PANEL;
use crate::op::lstm_cell::{Backward, Forward, gate_index};

/// See [`crate::op::lstm_cell::RunForward`].
#[target_feature(enable = "avx2,fma")]
pub fn forward<const FAST: bool>(cell: &mut Forward) {
    cell.check();
    if cell.tanh_c.is_empty() { groups::<false, FAST>(cell) } else { groups::<true, FAST>(cell) }
}

#[target_feature(enable = "avx2,fma")]
fn groups<const KEEP: bool, const FAST: bool>(cell: &mut Forward) {
    for at in (0..cell.rows * cell.units).step_by(LANES) {
        let mut z = [_mm256_set1_ps(0.0); PANEL];
        for (gate, z) in z.iter_mut().enumerate() {
            // SAFETY: `check` proved four gates a unit.
            *z = unsafe { load(cell.gates, gate_index(gate, at)) };
        }
        // SAFETY: `check` proved one state a unit.
        let c_before = unsafe { load(cell.c_before, at) };
        let step = gate::<FAST>(z, c_before);
        // SAFETY: as above.
        unsafe { store(cell.c, at, step.c) }
        // SAFETY: as above.
        unsafe { store(cell.h, at, step.h) }
        if KEEP {
            for (gate, &value) in step.gates.iter().enumerate() {
                // SAFETY: `check` proved four gates a unit.
                unsafe { store(cell.gates, gate_index(gate, at), value) }
            }
            // SAFETY: `check` proved `tanh_c`, which is not empty here, as long as the states.
            unsafe { store(cell.tanh_c, at, step.tanh_c) }
        }
    }
}

/// What 8 units compute.
pub struct Gated {
    /// i, f, g, o.
    pub gates: [__m256; PANEL],
    /// The cell state after the step.
    pub c: __m256,
    /// Its tanh.
    pub tanh_c: __m256,
    /// The hidden state after the step.
    pub h: __m256,
}

/// 8 units' step from their pre-activations.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub fn gate<const FAST: bool>(z: [__m256; PANEL], c_before: __m256) -> Gated {
    let (a_i, a_f, a_o) = (denominator::<FAST>(z[0]), denominator::<FAST>(z[1]), denominator::<FAST>(z[3]));
    let one = _mm256_set1_ps(1.0);
    let (m, b) = fraction::<FAST>(z[2]);
    let q = _mm256_mul_ps(a_i, b);
    let r = _mm256_div_ps(one, _mm256_mul_ps(q, a_f));
    let f = _mm256_mul_ps(r, q);
    let c = _mm256_fmadd_ps(f, c_before, _mm256_mul_ps(r, _mm256_mul_ps(m, a_f)));
    let (m_c, b_c) = fraction::<FAST>(c);
    let s = _mm256_div_ps(one, _mm256_mul_ps(a_o, b_c));
    let gates = [
        _mm256_mul_ps(r, _mm256_mul_ps(a_f, b)),
        f,
        _mm256_mul_ps(r, _mm256_mul_ps(m, _mm256_mul_ps(a_i, a_f))),
        _mm256_mul_ps(s, b_c),
    ];
    Gated { gates, c, tanh_c: _mm256_mul_ps(s, _mm256_mul_ps(m_c, a_o)), h: _mm256_mul_ps(s, m_c) }
}

/// See [`crate::op::lstm_cell::RunBackward`].
#[target_feature(enable = "avx2,fma")]
pub fn backward(cell: &mut Backward) {
    cell.check();
    let one = _mm256_set1_ps(1.0);
    for at in (0..cell.rows * cell.units).step_by(LANES) {
        let place = |gate: usize| gate_index(gate, at);
        let mut gates = [one; PANEL];
        for (gate, value) in gates.iter_mut().enumerate() {
            // SAFETY: `check` proved four gates a unit.
            *value = unsafe { load(cell.gates, place(gate)) };
        }
        let [i, f, g, o] = gates;
        // SAFETY: `check` proved one value a unit, here and in the three below.
        let t = unsafe { load(cell.tanh_c, at) };
        // SAFETY: as above.
        let d_h = unsafe { load(cell.d_h, at) };
        // SAFETY: as above.
        let c_before = unsafe { load(cell.c_before, at) };
        // SAFETY: as above.
        let d_c = unsafe { load(cell.d_c, at) };
        let d_c = _mm256_fmadd_ps(_mm256_mul_ps(d_h, o), _mm256_fnmadd_ps(t, t, one), d_c);
        let slope = |x: __m256| _mm256_mul_ps(x, _mm256_sub_ps(one, x));
        let d_c_before = _mm256_mul_ps(d_c, f);
        let d_z = [
            _mm256_mul_ps(_mm256_mul_ps(d_c, g), slope(i)),
            _mm256_mul_ps(_mm256_mul_ps(d_c, c_before), slope(f)),
            _mm256_mul_ps(_mm256_mul_ps(d_c, i), _mm256_fnmadd_ps(g, g, one)),
            _mm256_mul_ps(_mm256_mul_ps(d_h, t), slope(o)),
        ];
        for (gate, &value) in d_z.iter().enumerate() {
            // SAFETY: `check` proved four gates a unit.
            unsafe { store(cell.gates, place(gate), value) }
        }
        // SAFETY: `check` proved one value a unit.
        unsafe { store(cell.d_c, at, d_c_before) }
    }
}
