//! Gates and states of 16 units at a time; the order of operations is in `op/lstm_cell.rs`.

use std::arch::x86_64::{
    __m512, _mm512_div_ps, _mm512_fmadd_ps, _mm512_fnmadd_ps, _mm512_mul_ps, _mm512_set1_ps, _mm512_sub_ps,
};

use super::activation::{denominator, fraction};
use super::register::{LANES, load, store};
use crate::op::gemm::PANEL;
use crate::op::lstm_cell::{Backward, Forward, gate_index};

/// See [`crate::op::lstm_cell::RunForward`].
#[target_feature(enable = "avx512f")]
pub fn forward<const FAST: bool>(cell: &mut Forward) {
    cell.check();
    if cell.tanh_c.is_empty() { groups::<false, FAST>(cell) } else { groups::<true, FAST>(cell) }
}

/// A group's chain of operations is long: while one waits for its new state, the next one begins.
#[target_feature(enable = "avx512f")]
fn groups<const KEEP: bool, const FAST: bool>(cell: &mut Forward) {
    let mut under_way: Option<(usize, Begun)> = None;
    for at in (0..cell.rows * cell.units).step_by(LANES) {
        let mut z = [_mm512_set1_ps(0.0); PANEL];
        for (gate, z) in z.iter_mut().enumerate() {
            // SAFETY: `check` proved four gates a unit.
            *z = unsafe { load(cell.gates, gate_index(gate, at)) };
        }
        // SAFETY: `check` proved one state a unit.
        let next = begin::<FAST>(z, unsafe { load(cell.c_before, at) });
        if let Some((at, begun)) = under_way.replace((at, next)) {
            let step = end::<FAST>(&begun);
            // SAFETY: `at` is a group's place.
            unsafe { keep::<KEEP>(cell, at, &step) }
        }
    }
    if let Some((at, begun)) = under_way {
        let step = end::<FAST>(&begun);
        // SAFETY: `at` is a group's place.
        unsafe { keep::<KEEP>(cell, at, &step) }
    }
}

/// Writes what a group computed.
///
/// # Safety
/// - `cell.check()` returned, and with `KEEP` `tanh_c` is not empty
/// - `at + LANES <= cell.rows * cell.units`
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn keep<const KEEP: bool>(cell: &mut Forward, at: usize, step: &Gated) {
    // SAFETY: `check` proved one state a unit.
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

/// What 16 units compute.
pub struct Gated {
    /// i, f, g, o.
    pub gates: [__m512; PANEL],
    /// The cell state after the step.
    pub c: __m512,
    /// Its tanh.
    pub tanh_c: __m512,
    /// The hidden state after the step.
    pub h: __m512,
}

/// 16 units up to their new cell state.
pub struct Begun {
    /// i, f, g.
    gates: [__m512; 3],
    /// The output gate's denominator.
    a_o: __m512,
    c: __m512,
}

#[inline]
#[target_feature(enable = "avx512f")]
pub fn begin<const FAST: bool>(z: [__m512; PANEL], c_before: __m512) -> Begun {
    let (a_i, a_f, a_o) = (denominator::<FAST>(z[0]), denominator::<FAST>(z[1]), denominator::<FAST>(z[3]));
    let (m, b) = fraction::<FAST>(z[2]);
    let q = _mm512_mul_ps(a_i, b);
    let r = _mm512_div_ps(_mm512_set1_ps(1.0), _mm512_mul_ps(q, a_f));
    let f = _mm512_mul_ps(r, q);
    let c = _mm512_fmadd_ps(f, c_before, _mm512_mul_ps(r, _mm512_mul_ps(m, a_f)));
    let i = _mm512_mul_ps(r, _mm512_mul_ps(a_f, b));
    let g = _mm512_mul_ps(r, _mm512_mul_ps(m, _mm512_mul_ps(a_i, a_f)));
    Begun { gates: [i, f, g], a_o, c }
}

#[inline]
#[target_feature(enable = "avx512f")]
pub fn end<const FAST: bool>(begun: &Begun) -> Gated {
    let &Begun { gates: [i, f, g], a_o, c } = begun;
    let (m_c, b_c) = fraction::<FAST>(c);
    let s = _mm512_div_ps(_mm512_set1_ps(1.0), _mm512_mul_ps(a_o, b_c));
    let gates = [i, f, g, _mm512_mul_ps(s, b_c)];
    Gated { gates, c, tanh_c: _mm512_mul_ps(s, _mm512_mul_ps(m_c, a_o)), h: _mm512_mul_ps(s, m_c) }
}

/// 16 units' step from their pre-activations.
#[inline]
#[target_feature(enable = "avx512f")]
pub fn gate<const FAST: bool>(z: [__m512; PANEL], c_before: __m512) -> Gated {
    end::<FAST>(&begin::<FAST>(z, c_before))
}

/// See [`crate::op::lstm_cell::RunBackward`].
#[target_feature(enable = "avx512f")]
pub fn backward(cell: &mut Backward) {
    cell.check();
    let one = _mm512_set1_ps(1.0);
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
        let d_c = _mm512_fmadd_ps(_mm512_mul_ps(d_h, o), _mm512_fnmadd_ps(t, t, one), d_c);
        let slope = |x: __m512| _mm512_mul_ps(x, _mm512_sub_ps(one, x));
        let d_c_before = _mm512_mul_ps(d_c, f);
        let d_z = [
            _mm512_mul_ps(_mm512_mul_ps(d_c, g), slope(i)),
            _mm512_mul_ps(_mm512_mul_ps(d_c, c_before), slope(f)),
            _mm512_mul_ps(_mm512_mul_ps(d_c, i), _mm512_fnmadd_ps(g, g, one)),
            _mm512_mul_ps(_mm512_mul_ps(d_h, t), slope(o)),
        ];
        for (gate, &value) in d_z.iter().enumerate() {
            // SAFETY: `check` proved four gates a unit.
            unsafe { store(cell.gates, place(gate), value) }
        }
        // SAFETY: `check` proved one value a unit.
        unsafe { store(cell.d_c, at, d_c_before) }
    }
}
