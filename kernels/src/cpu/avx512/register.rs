//! Registers from and to memory: the only unsafe operations of this folder.

use std::arch::x86_64::{
    __m512, __m512i, _MM_HINT_T0, _mm_prefetch, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_set1_epi32,
    _mm512_set1_ps, _mm512_storeu_ps,
};

/// Floats in a register.
pub const LANES: usize = 16;

/// The 16 values at `at`.
///
/// # Safety
/// - `at + 16 <= values.len()`
#[inline]
#[target_feature(enable = "avx512f")]
pub unsafe fn load(values: &[f32], at: usize) -> __m512 {
    debug_assert!(at + LANES <= values.len());
    // SAFETY: the caller keeps `at + 16` within the slice; the load needs no alignment.
    unsafe { _mm512_loadu_ps(values.as_ptr().wrapping_add(at)) }
}

/// The value at `at` in every lane.
///
/// # Safety
/// - `at < values.len()`
#[inline]
#[target_feature(enable = "avx512f")]
pub unsafe fn broadcast(values: &[f32], at: usize) -> __m512 {
    debug_assert!(at < values.len());
    // SAFETY: the caller keeps `at` within the slice.
    _mm512_set1_ps(unsafe { *values.get_unchecked(at) })
}

/// Writes 16 values at `at`.
///
/// # Safety
/// - `at + 16 <= values.len()`
#[inline]
#[target_feature(enable = "avx512f")]
pub unsafe fn store(values: &mut [f32], at: usize, x: __m512) {
    debug_assert!(at + LANES <= values.len());
    // SAFETY: the caller keeps `at + 16` within the slice; the store needs no alignment.
    unsafe { _mm512_storeu_ps(values.as_mut_ptr().wrapping_add(at), x) }
}

/// The 16 words at `at`.
///
/// # Safety
/// - `at + 16 <= values.len()`
#[inline]
#[target_feature(enable = "avx512f")]
pub unsafe fn load_words(values: &[u32], at: usize) -> __m512i {
    debug_assert!(at + LANES <= values.len());
    // SAFETY: the caller keeps `at + 16` within the slice; the load needs no alignment.
    unsafe { _mm512_loadu_si512(values.as_ptr().wrapping_add(at).cast()) }
}

/// The word at `at` in every lane.
///
/// # Safety
/// - `at < values.len()`
#[inline]
#[target_feature(enable = "avx512f")]
pub unsafe fn broadcast_word(values: &[u32], at: usize) -> __m512i {
    debug_assert!(at < values.len());
    // SAFETY: the caller keeps `at` within the slice.
    _mm512_set1_epi32(unsafe { *values.get_unchecked(at) }.cast_signed())
}

/// The 16 signed words at `at`.
///
/// # Safety
/// - `at + 16 <= values.len()`
#[inline]
#[target_feature(enable = "avx512f")]
pub unsafe fn load_signed(values: &[i32], at: usize) -> __m512i {
    debug_assert!(at + LANES <= values.len());
    // SAFETY: the caller keeps `at + 16` within the slice; the load needs no alignment.
    unsafe { _mm512_loadu_si512(values.as_ptr().wrapping_add(at).cast()) }
}

/// Bytes of a cache line in words.
const LINE: usize = 16;
/// Words that are fetched ahead from each of three panels: what second-level cache gives while a few cells are computed.
pub const SHARE: usize = 32 * LINE;

/// Fetches words from `first` into the first-level cache, [`SHARE`] from each of three panels that are `stride` apart.
#[inline]
#[target_feature(enable = "avx512f")]
pub fn ahead(words: &[u32], first: usize, stride: usize) {
    for panel in 0..3 {
        for line in 0..SHARE / LINE {
            let at = first + panel * stride + line * LINE;
            if at < words.len() {
                _mm_prefetch::<_MM_HINT_T0>(words.as_ptr().wrapping_add(at).cast());
            }
        }
    }
}
