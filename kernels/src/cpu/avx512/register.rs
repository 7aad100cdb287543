//! Registers from and to memory: the only unsafe operations of this folder.

use std::arch::x86_64::{
    __m512, __m512i, _MM_HINT_T0, _mm_prefetch, _mm512_castps512_ps128, _mm512_insertf32x4, _mm512_loadu_ps,
    _mm512_loadu_si512, _mm512_maskz_mov_ps, _mm512_maskz_shuffle_f32x4, _mm512_set1_epi32, _mm512_set1_ps,
    _mm512_setzero_ps, _mm512_shuffle_f32x4, _mm512_storeu_ps,
};

use crate::op::gemm::PANEL;

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

/// How many steps of the depth a tile fetches its weights ahead: about 800 cycles. The processor's own prefetching ends with
/// each small page, which is 16 steps of a panel.
pub const STEPS_AHEAD: usize = 32;

/// Fetches the line at `at` into the first-level cache. Nothing is read, so a place beyond the end does no harm.
#[inline]
#[target_feature(enable = "avx512f")]
pub fn fetch<T>(values: &[T], at: usize) {
    _mm_prefetch::<_MM_HINT_T0>(values.as_ptr().wrapping_add(at).cast());
}

/// The registers of a [tail](crate::op::tail) from those of its panel: one for 4 units, two for 8.
#[inline]
#[target_feature(enable = "avx512f")]
pub fn fold<const TAILS: usize>([i, f, g, o]: [__m512; PANEL]) -> [__m512; TAILS] {
    let mut tail = [_mm512_setzero_ps(); TAILS];
    match &mut tail[..] {
        [one] => {
            let two = _mm512_insertf32x4::<1>(i, _mm512_castps512_ps128(f));
            let three = _mm512_insertf32x4::<2>(two, _mm512_castps512_ps128(g));
            *one = _mm512_insertf32x4::<3>(three, _mm512_castps512_ps128(o));
        }
        [first, second] => {
            *first = _mm512_shuffle_f32x4::<0b01_00_01_00>(i, f);
            *second = _mm512_shuffle_f32x4::<0b01_00_01_00>(g, o);
        }
        _ => {}
    }
    tail
}

/// The other way round, with zero in the lanes of the padding.
#[inline]
#[target_feature(enable = "avx512f")]
pub fn unfold<const TAILS: usize>(tail: [__m512; TAILS]) -> [__m512; PANEL] {
    match tail[..] {
        [one] => [
            _mm512_maskz_mov_ps(0xf, one),
            _mm512_maskz_shuffle_f32x4::<0b01>(0xf, one, one),
            _mm512_maskz_shuffle_f32x4::<0b10>(0xf, one, one),
            _mm512_maskz_shuffle_f32x4::<0b11>(0xf, one, one),
        ],
        [first, second] => [
            _mm512_maskz_mov_ps(0xff, first),
            _mm512_maskz_shuffle_f32x4::<0b11_10>(0xff, first, first),
            _mm512_maskz_mov_ps(0xff, second),
            _mm512_maskz_shuffle_f32x4::<0b11_10>(0xff, second, second),
        ],
        _ => [_mm512_setzero_ps(); PANEL],
    }
}

/// Words of a cache line.
const LINE: usize = 16;
/// Lines of a panel that are fetched ahead during one group's cells, which take about as long.
const LINES: usize = 12;

/// What will be read next: three panels, `stride` words apart.
#[derive(Clone, Copy)]
pub struct Next<'a> {
    pub words: &'a [u32],
    pub first: usize,
    pub stride: usize,
}

impl Next<'_> {
    /// Fetches a part: the `part`th dozen lines of each panel.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub fn fetch(&self, part: usize) {
        for panel in 0..3 {
            for line in 0..LINES {
                let at = self.first + panel * self.stride + (part * LINES + line) * LINE;
                fetch(self.words, at);
            }
        }
    }
}
