//! Sigmoid and tanh of 16 values; the formula is in `op/activation.rs`.

use std::arch::x86_64::{
    __m512, _mm512_add_epi32, _mm512_add_ps, _mm512_and_epi32, _mm512_castps_si512, _mm512_castsi512_ps,
    _mm512_div_ps, _mm512_fmadd_ps, _mm512_fmsub_ps, _mm512_fnmadd_ps, _mm512_max_ps, _mm512_min_ps,
    _mm512_mul_ps, _mm512_or_epi32, _mm512_roundscale_ps, _mm512_scalef_ps, _mm512_set1_epi32,
    _mm512_set1_ps, _mm512_slli_epi32, _mm512_sub_ps, _mm512_xor_epi32,
};

use super::register::{LANES, load, store};
use crate::op::activation::{
    Activation, GATE_MAX, LOG2_E, MINUS_LN_2, ONE_BITS, Q, ROUND, SIGMOID_MAX, TANH_MAX, fast,
};

/// See [`crate::op::activation::Run`].
#[target_feature(enable = "avx512f")]
pub fn run(function: Activation, values: &mut [f32]) {
    match function {
        Activation::Sigmoid => apply::<true, false>(values),
        Activation::Tanh => apply::<false, false>(values),
        Activation::FastSigmoid => apply::<true, true>(values),
        Activation::FastTanh => apply::<false, true>(values),
    }
}

#[target_feature(enable = "avx512f")]
fn apply<const SIGMOID: bool, const FAST: bool>(values: &mut [f32]) {
    let mut chunks = values.chunks_exact_mut(LANES);
    for chunk in &mut chunks {
        one::<SIGMOID, FAST>(chunk);
    }
    let tail = chunks.into_remainder();
    let mut padded = [0.0; LANES];
    padded[..tail.len()].copy_from_slice(tail);
    one::<SIGMOID, FAST>(&mut padded);
    tail.copy_from_slice(&padded[..tail.len()]);
}

#[inline]
#[target_feature(enable = "avx512f")]
fn one<const SIGMOID: bool, const FAST: bool>(chunk: &mut [f32]) {
    // SAFETY: `apply` gives 16 values.
    let x = unsafe { load(chunk, 0) };
    let y = match (SIGMOID, FAST) {
        (true, false) => sigmoid(x),
        (false, false) => tanh(x),
        (true, true) => _mm512_div_ps(_mm512_set1_ps(1.0), denominator::<true>(x)),
        (false, true) => {
            let (m, b) = fraction::<true>(x);
            _mm512_div_ps(m, b)
        }
    };
    // SAFETY: as above.
    unsafe { store(chunk, 0, y) }
}

/// `1 / (1 + e^-x)`.
#[inline]
#[target_feature(enable = "avx512f")]
fn sigmoid(x: __m512) -> __m512 {
    let one = _mm512_set1_ps(1.0);
    _mm512_div_ps(one, _mm512_add_ps(one, exp_minus(x, SIGMOID_MAX)))
}

/// `m / (m + 2)` with `m = e^(2|x|) - 1`, and the sign of `x`.
#[inline]
#[target_feature(enable = "avx512f")]
fn tanh(x: __m512) -> __m512 {
    let sign = _mm512_and_epi32(_mm512_castps_si512(x), _mm512_set1_epi32(i32::MIN));
    let y = bits(_mm512_xor_epi32(_mm512_castps_si512(x), sign));
    let (power, m) = exp(_mm512_min_ps(_mm512_set1_ps(TANH_MAX), _mm512_add_ps(y, y)));
    let m = _mm512_fmadd_ps(power, m, _mm512_sub_ps(power, _mm512_set1_ps(1.0)));
    let quotient = _mm512_div_ps(m, _mm512_add_ps(m, _mm512_set1_ps(2.0)));
    bits(_mm512_or_epi32(_mm512_castps_si512(quotient), sign))
}

/// The denominator of a cell's sigmoid, `1 + e^-x`.
#[inline]
#[target_feature(enable = "avx512f")]
pub fn denominator<const FAST: bool>(x: __m512) -> __m512 {
    if FAST {
        let t = _mm512_mul_ps(x, _mm512_set1_ps(-LOG2_E));
        return _mm512_add_ps(power(t, fast::GATE_MAX), _mm512_set1_ps(1.0));
    }
    _mm512_add_ps(_mm512_set1_ps(1.0), exp_minus(x, GATE_MAX))
}

/// Numerator and denominator of the tangent.
#[inline]
#[target_feature(enable = "avx512f")]
pub fn fraction<const FAST: bool>(x: __m512) -> (__m512, __m512) {
    if FAST {
        let e = power(_mm512_mul_ps(x, _mm512_set1_ps(2.0 * LOG2_E)), fast::TANH_MAX);
        return (_mm512_sub_ps(e, _mm512_set1_ps(1.0)), _mm512_add_ps(e, _mm512_set1_ps(1.0)));
    }
    let sign = _mm512_and_epi32(_mm512_castps_si512(x), _mm512_set1_epi32(i32::MIN));
    let y = bits(_mm512_xor_epi32(_mm512_castps_si512(x), sign));
    let (power, m) = exp(_mm512_min_ps(_mm512_set1_ps(TANH_MAX), _mm512_add_ps(y, y)));
    let m = _mm512_fmadd_ps(power, m, _mm512_sub_ps(power, _mm512_set1_ps(1.0)));
    (bits(_mm512_xor_epi32(_mm512_castps_si512(m), sign)), _mm512_add_ps(m, _mm512_set1_ps(2.0)))
}

/// `2^t` of the fast class, `t` held within `max`.
#[inline]
#[target_feature(enable = "avx512f")]
fn power(t: __m512, max: f32) -> __m512 {
    let t = _mm512_max_ps(_mm512_set1_ps(-max), _mm512_min_ps(_mm512_set1_ps(max), t));
    let n = _mm512_roundscale_ps::<0x08>(t);
    let r = _mm512_sub_ps(t, n);
    let [c0, c1, c2, c3, c4] = fast::P.map(|c| _mm512_set1_ps(c));
    let p = _mm512_fmadd_ps(_mm512_fmadd_ps(c4, r, c3), r, c2);
    let p = _mm512_fmadd_ps(_mm512_fmadd_ps(p, r, c1), r, c0);
    _mm512_scalef_ps(p, n)
}

/// `e^-x`, `x` held within `max`.
#[inline]
#[target_feature(enable = "avx512f")]
fn exp_minus(x: __m512, max: f32) -> __m512 {
    let x = _mm512_max_ps(_mm512_set1_ps(-max), _mm512_min_ps(_mm512_set1_ps(max), x));
    let rounded = _mm512_fnmadd_ps(x, _mm512_set1_ps(LOG2_E), _mm512_set1_ps(ROUND));
    let n = _mm512_sub_ps(rounded, _mm512_set1_ps(ROUND));
    let m = exp_m1(_mm512_fmsub_ps(n, _mm512_set1_ps(MINUS_LN_2), x));
    // 2^n + 2^n m rounded once, as a fused multiply-add would, but not in the units that multiply.
    _mm512_scalef_ps(_mm512_add_ps(m, _mm512_set1_ps(1.0)), n)
}

/// `(2^n, e^r - 1)` with `e^y = 2^n e^r`.
#[inline]
#[target_feature(enable = "avx512f")]
fn exp(y: __m512) -> (__m512, __m512) {
    let rounded = _mm512_fmadd_ps(y, _mm512_set1_ps(LOG2_E), _mm512_set1_ps(ROUND));
    let n = _mm512_sub_ps(rounded, _mm512_set1_ps(ROUND));
    let m = exp_m1(_mm512_fmadd_ps(n, _mm512_set1_ps(MINUS_LN_2), y));
    let exponent = _mm512_slli_epi32::<23>(_mm512_castps_si512(rounded));
    (bits(_mm512_add_epi32(exponent, _mm512_set1_epi32(ONE_BITS))), m)
}

/// `e^r - 1`.
#[inline]
#[target_feature(enable = "avx512f")]
fn exp_m1(r: __m512) -> __m512 {
    let mut q = _mm512_fmadd_ps(_mm512_set1_ps(Q[4]), r, _mm512_set1_ps(Q[3]));
    q = _mm512_fmadd_ps(q, r, _mm512_set1_ps(Q[2]));
    q = _mm512_fmadd_ps(q, r, _mm512_set1_ps(Q[1]));
    q = _mm512_fmadd_ps(q, r, _mm512_set1_ps(Q[0]));
    _mm512_fmadd_ps(_mm512_mul_ps(r, r), q, r)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn bits(x: std::arch::x86_64::__m512i) -> __m512 {
    _mm512_castsi512_ps(x)
}
