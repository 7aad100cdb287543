//! Sigmoid and tanh of 8 values; the formula is in `op/activation.rs`.

use std::arch::x86_64::{
    __m256, _mm256_add_epi32, _mm256_add_ps, _mm256_and_si256, _mm256_castps_si256, _mm256_castsi256_ps,
    _mm256_div_ps, _mm256_fmadd_ps, _mm256_max_ps, _mm256_min_ps, _mm256_mul_ps, _mm256_or_si256,
    _mm256_set1_epi32, _mm256_set1_ps, _mm256_slli_epi32, _mm256_sub_ps, _mm256_xor_si256,
};

use super::register::{LANES, load, store};
use crate::op::activation::{
    Activation, GATE_MAX, LOG2_E, MINUS_LN_2, ONE_BITS, Q, ROUND, SIGMOID_MAX, TANH_MAX,
};

/// See [`crate::op::activation::Run`].
#[target_feature(enable = "avx2,fma")]
pub fn run(function: Activation, values: &mut [f32]) {
    match function {
        Activation::Sigmoid => apply::<true>(values),
        Activation::Tanh => apply::<false>(values),
    }
}

#[target_feature(enable = "avx2,fma")]
fn apply<const SIGMOID: bool>(values: &mut [f32]) {
    let mut chunks = values.chunks_exact_mut(LANES);
    for chunk in &mut chunks {
        one::<SIGMOID>(chunk);
    }
    let tail = chunks.into_remainder();
    let mut padded = [0.0; LANES];
    padded[..tail.len()].copy_from_slice(tail);
    one::<SIGMOID>(&mut padded);
    tail.copy_from_slice(&padded[..tail.len()]);
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn one<const SIGMOID: bool>(chunk: &mut [f32]) {
    // SAFETY: `apply` gives 8 values.
    let x = unsafe { load(chunk, 0) };
    let y = if SIGMOID { sigmoid(x) } else { tanh(x) };
    // SAFETY: as above.
    unsafe { store(chunk, 0, y) }
}

/// `1 / (1 + e^-x)`.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn sigmoid(x: __m256) -> __m256 {
    let one = _mm256_set1_ps(1.0);
    let minus = bits(_mm256_xor_si256(_mm256_castps_si256(x), _mm256_set1_epi32(i32::MIN)));
    let held = _mm256_min_ps(_mm256_set1_ps(SIGMOID_MAX), minus);
    let (power, m) = exp(_mm256_max_ps(_mm256_set1_ps(-SIGMOID_MAX), held));
    _mm256_div_ps(one, _mm256_add_ps(one, _mm256_fmadd_ps(power, m, power)))
}

/// `m / (m + 2)` with `m = e^(2|x|) - 1`, and the sign of `x`.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn tanh(x: __m256) -> __m256 {
    let sign = _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(i32::MIN));
    let y = bits(_mm256_xor_si256(_mm256_castps_si256(x), sign));
    let (power, m) = exp(_mm256_min_ps(_mm256_set1_ps(TANH_MAX), _mm256_add_ps(y, y)));
    let m = _mm256_fmadd_ps(power, m, _mm256_sub_ps(power, _mm256_set1_ps(1.0)));
    let quotient = _mm256_div_ps(m, _mm256_add_ps(m, _mm256_set1_ps(2.0)));
    bits(_mm256_or_si256(_mm256_castps_si256(quotient), sign))
}

/// The denominator of a cell's sigmoid, `1 + e^-x`.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub fn denominator(x: __m256) -> __m256 {
    let minus = bits(_mm256_xor_si256(_mm256_castps_si256(x), _mm256_set1_epi32(i32::MIN)));
    let held = _mm256_min_ps(_mm256_set1_ps(GATE_MAX), minus);
    let (power, m) = exp(_mm256_max_ps(_mm256_set1_ps(-GATE_MAX), held));
    _mm256_add_ps(_mm256_set1_ps(1.0), _mm256_fmadd_ps(power, m, power))
}

/// Numerator and denominator of the tangent.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub fn fraction(x: __m256) -> (__m256, __m256) {
    let sign = _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(i32::MIN));
    let y = bits(_mm256_xor_si256(_mm256_castps_si256(x), sign));
    let (power, m) = exp(_mm256_min_ps(_mm256_set1_ps(TANH_MAX), _mm256_add_ps(y, y)));
    let m = _mm256_fmadd_ps(power, m, _mm256_sub_ps(power, _mm256_set1_ps(1.0)));
    (bits(_mm256_xor_si256(_mm256_castps_si256(m), sign)), _mm256_add_ps(m, _mm256_set1_ps(2.0)))
}

/// `(2^n, e^r - 1)` with `e^y = 2^n e^r`.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn exp(y: __m256) -> (__m256, __m256) {
    let rounded = _mm256_fmadd_ps(y, _mm256_set1_ps(LOG2_E), _mm256_set1_ps(ROUND));
    let r = _mm256_fmadd_ps(_mm256_sub_ps(rounded, _mm256_set1_ps(ROUND)), _mm256_set1_ps(MINUS_LN_2), y);
    let mut q = _mm256_fmadd_ps(_mm256_set1_ps(Q[4]), r, _mm256_set1_ps(Q[3]));
    q = _mm256_fmadd_ps(q, r, _mm256_set1_ps(Q[2]));
    q = _mm256_fmadd_ps(q, r, _mm256_set1_ps(Q[1]));
    q = _mm256_fmadd_ps(q, r, _mm256_set1_ps(Q[0]));
    let m = _mm256_fmadd_ps(_mm256_mul_ps(r, r), q, r);
    let exponent = _mm256_slli_epi32::<23>(_mm256_castps_si256(rounded));
    (bits(_mm256_add_epi32(exponent, _mm256_set1_epi32(ONE_BITS))), m)
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn bits(x: std::arch::x86_64::__m256i) -> __m256 {
    _mm256_castsi256_ps(x)
}
