//! Registers from and to memory: the only unsafe operations of this folder.

use std::arch::x86_64::{
    __m256, __m256i, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_set1_epi32, _mm256_set1_ps, _mm256_storeu_ps,
};

/// Floats in a register.
pub const LANES: usize = 8;

/// The 8 values at `at`.
///
/// # Safety
/// - `at + 8 <= values.len()`
#[inline]
#[target_feature(enable = "avx2,fma")]
pub unsafe fn load(values: &[f32], at: usize) -> __m256 {
    debug_assert!(at + LANES <= values.len());
    // SAFETY: the caller keeps `at + 8` within the slice; the load needs no alignment.
    unsafe { _mm256_loadu_ps(values.as_ptr().wrapping_add(at)) }
}

/// The value at `at` in every lane.
///
/// # Safety
/// - `at < values.len()`
#[inline]
#[target_feature(enable = "avx2,fma")]
pub unsafe fn broadcast(values: &[f32], at: usize) -> __m256 {
    debug_assert!(at < values.len());
    // SAFETY: the caller keeps `at` within the slice.
    _mm256_set1_ps(unsafe { *values.get_unchecked(at) })
}

/// Writes 8 values at `at`.
///
/// # Safety
/// - `at + 8 <= values.len()`
#[inline]
#[target_feature(enable = "avx2,fma")]
pub unsafe fn store(values: &mut [f32], at: usize, x: __m256) {
    debug_assert!(at + LANES <= values.len());
    // SAFETY: the caller keeps `at + 8` within the slice; the store needs no alignment.
    unsafe { _mm256_storeu_ps(values.as_mut_ptr().wrapping_add(at), x) }
}

/// The 8 words at `at`.
///
/// # Safety
/// - `at + 8 <= values.len()`
#[inline]
#[target_feature(enable = "avx2,fma")]
pub unsafe fn load_words(values: &[u32], at: usize) -> __m256i {
    debug_assert!(at + LANES <= values.len());
    // SAFETY: the caller keeps `at + 8` within the slice; the load needs no alignment.
    unsafe { _mm256_loadu_si256(values.as_ptr().wrapping_add(at).cast()) }
}

/// The 8 signed words at `at`.
///
/// # Safety
/// - `at + 8 <= values.len()`
#[inline]
#[target_feature(enable = "avx2,fma")]
pub unsafe fn load_signed(values: &[i32], at: usize) -> __m256i {
    debug_assert!(at + LANES <= values.len());
    // SAFETY: the caller keeps `at + 8` within the slice; the load needs no alignment.
    unsafe { _mm256_loadu_si256(values.as_ptr().wrapping_add(at).cast()) }
}

/// The word at `at` in every lane.
///
/// # Safety
/// - `at < values.len()`
#[inline]
#[target_feature(enable = "avx2,fma")]
pub unsafe fn broadcast_word(values: &[u32], at: usize) -> __m256i {
    debug_assert!(at < values.len());
    // SAFETY: the caller keeps `at` within the slice.
    _mm256_set1_epi32(unsafe { *values.get_unchecked(at) }.cast_signed())
}
