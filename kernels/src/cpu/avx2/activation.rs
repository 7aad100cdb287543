//! Sigmoid and tanh of 8 values; the formula is in `op/activation.rs`.

use std::arch::x86_64::{
    __m256, _mm256_add_epi32, _mm256_add_ps, _mm256_and_si256, _mm256_castps_si256, _mm256_castsi256_ps,
    _mm256_div_ps, _mm256_fmadd_ps, _mm256_max_ps, _mm256_min_ps, _mm256_mul_ps, _mm256_or_si256,
    _mm256_set1_epi32, _mm256_set1_ps, _mm256_slli_epi32, _mm256_sub_ps, _mm256_xor_si256,
};

use super::register::{LANES, load, store};
use crate::op::activation::{
    Activation, GATE_MAX, LOG2_E, MINUS_LN_2, ONE_BITS, Q, ROUND, SIGMOID_MAX, TANH_MAX, fast,
};

/// See [`crate::op::activation::Run`].
#[target_feature(enable = "avx2,fma")]
pub fn run(function: Activation, values: &mut [f32]) {
    match function {
        Activation::Sigmoid => apply::<true, false>(values),
        Activation::Tanh => apply::<false, false>(values),
        Activation::FastSigmoid => apply::<true, true>(values),
        Activation::FastTanh => apply::<false, true>(values),
    }
}

#[target_feature(enable = "avx2,fma")]
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
#[target_feature(enable = "avx2,fma")]
fn one<const SIGMOID: bool, const FAST: bool>(chunk: &mut [f32]) {
    // SAFETY: `apply` gives 8 values.
    let x = unsafe { load(chunk, 0) };
    let y = match (SIGMOID, FAST) {
        (true, false) => sigmoid(x),
        (false, false) => tanh(x),
        (true, true) => _mm256_div_ps(_mm256_set1_ps(1.0), denominator::<true>(x)),
        (false, true) => {
            let (m, b) = fraction::<true>(x);
            _mm256_div_ps(m, b)
        }
    };
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
pub fn denominator<const FAST: bool>(x: __m256) -> __m256 {
    if FAST {
        let t = _mm256_mul_ps(x, _mm256_set1_ps(-LOG2_E));
        return _mm256_add_ps(power(t, fast::GATE_MAX), _mm256_set1_ps(1.0));
    }
    let minus = bits(_mm256_xor_si256(_mm256_castps_si256(x), _mm256_set1_epi32(i32::MIN)));
    let held = _mm256_min_ps(_mm256_set1_ps(GATE_MAX), minus);
    let (power, m) = exp(_mm256_max_ps(_mm256_set1_ps(-GATE_MAX), held));
    _mm256_add_ps(_mm256_set1_ps(1.0), _mm256_fmadd_ps(power, m, power))
}

/// Numerator and denominator of the tangent.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub fn fraction<const FAST: bool>(x: __m256) -> (__m256, __m256) {
    if FAST {
        let e = power(_mm256_mul_ps(x, _mm256_set1_ps(2.0 * LOG2_E)), fast::TANH_MAX);
        return (_mm256_sub_ps(e, _mm256_set1_ps(1.0)), _mm256_add_ps(e, _mm256_set1_ps(1.0)));
    }
    let sign = _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(i32::MIN));
    let y = bits(_mm256_xor_si256(_mm256_castps_si256(x), sign));
    let (power, m) = exp(_mm256_min_ps(_mm256_set1_ps(TANH_MAX), _mm256_add_ps(y, y)));
    let m = _mm256_fmadd_ps(power, m, _mm256_sub_ps(power, _mm256_set1_ps(1.0)));
    (bits(_mm256_xor_si256(_mm256_castps_si256(m), sign)), _mm256_add_ps(m, _mm256_set1_ps(2.0)))
}

/// `2^t` of the fast class, `t` held within `max`.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn power(t: __m256, max: f32) -> __m256 {
    let t = _mm256_max_ps(_mm256_set1_ps(-max), _mm256_min_ps(_mm256_set1_ps(max), t));
    let rounded = _mm256_add_ps(t, _mm256_set1_ps(ROUND));
    let r = _mm256_sub_ps(t, _mm256_sub_ps(rounded, _mm256_set1_ps(ROUND)));
    let [c0, c1, c2, c3, c4] = fast::P.map(|c| _mm256_set1_ps(c));
    let p = _mm256_fmadd_ps(_mm256_fmadd_ps(c4, r, c3), r, c2);
    let p = _mm256_fmadd_ps(_mm256_fmadd_ps(p, r, c1), r, c0);
    let exponent = _mm256_slli_epi32::<23>(_mm256_castps_si256(rounded));
    _mm256_mul_ps(bits(_mm256_add_epi32(exponent, _mm256_set1_epi32(ONE_BITS))), p)
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
