//! Products in 8-bit integers without an instruction for them: bytes are widened to 16 bits and added in pairs.
//!
//! `VPMADDUBSW` would do it in one instruction and saturates; this way no sum is wrong.

use std::arch::x86_64::{
    __m256i, _mm256_add_epi32, _mm256_add_ps, _mm256_and_si256, _mm256_cvtepi32_ps, _mm256_cvtps_epi32,
    _mm256_fmadd_ps, _mm256_madd_epi16, _mm256_mul_ps, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_ps,
    _mm256_setzero_si256, _mm256_slli_epi16, _mm256_srai_epi16, _mm256_srli_epi16, _mm256_xor_si256,
};

use super::lstm_cell::forward;
use super::register::{LANES, broadcast_word, load, load_signed, load_words, store};
use crate::op::bf16::WIDTH;
use crate::op::gemm::{PANEL, Start};
use crate::op::int8::{Narrow, Product, Range, Step, scale};

/// See [`crate::op::int8::RunNarrow`].
#[target_feature(enable = "avx2,fma")]
pub fn narrow(narrow: &mut Narrow) {
    narrow.check();
    let words = narrow.words();
    for row in 0..narrow.rows {
        let from = &narrow.from[row * narrow.stride..][..narrow.depth];
        let to = &mut narrow.to[row * words..][..words];
        let max = match narrow.range {
            Range::Unit => 1.0,
            Range::Row => from.iter().fold(0.0f32, |max, x| max.max(x.abs())),
        };
        let (scale, inverse) = scale(max);
        narrow.scale[row] = scale;
        for (from, to) in from.chunks(LANES).zip(to.chunks_mut(LANES / 4)) {
            let mut padded = [0.0; LANES];
            padded[..from.len()].copy_from_slice(from);
            to.copy_from_slice(&round(&padded, inverse)[..to.len()]);
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn round(from: &[f32; LANES], inverse: f32) -> [u32; LANES / 4] {
    // SAFETY: the array has 8 values.
    let multiple = _mm256_mul_ps(unsafe { load(from, 0) }, _mm256_set1_ps(inverse));
    // 128 more, in a byte.
    let rounded = _mm256_xor_si256(_mm256_cvtps_epi32(multiple), _mm256_set1_epi32(0x80));
    // SAFETY: both are 32 bytes without padding, and any bits are words.
    let rounded: [u32; LANES] = unsafe { std::mem::transmute(rounded) };
    let word = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|k| rounded[at + k].to_le_bytes()[0]));
    [word(0), word(4)]
}

/// See [`crate::op::int8::Run`].
#[target_feature(enable = "avx2,fma")]
pub fn run(product: &Product, out: &mut [f32]) {
    product.check(out);
    for panel in 0..product.cols / WIDTH {
        for part in 0..WIDTH / LANES / PANEL {
            let mut row = 0;
            while row + 2 <= product.rows {
                // SAFETY: `check` proved the extents; a panel has two parts of four registers.
                unsafe { tile::<2>(product, (panel, part), row, out) }
                row += 2;
            }
            if row < product.rows {
                // SAFETY: as above.
                unsafe { tile::<1>(product, (panel, part), row, out) }
            }
        }
    }
}

/// See [`crate::op::int8::RunStep`].
#[target_feature(enable = "avx2,fma")]
pub fn step<const FAST: bool>(step: &mut Step) {
    step.check();
    run(&step.product, step.gates);
    forward::<FAST>(&mut step.cell());
}

/// Rows `row..row + ROWS` of half a panel.
///
/// # Safety
/// - `product.check(out)` returned, `row + ROWS <= product.rows`, `panel` is one of its panels and `part` is 0 or 1
#[target_feature(enable = "avx2,fma")]
unsafe fn tile<const ROWS: usize>(
    product: &Product,
    (panel, part): (usize, usize),
    row: usize,
    out: &mut [f32],
) {
    let Product { cols, words, left, left_scale, right, right_scale, offset, start, .. } = *product;
    let first = part * PANEL * LANES;
    let mut sums = [[_mm256_setzero_si256(); PANEL]; ROWS];
    for (v, sum) in sums.iter_mut().flat_map(|row| row.iter_mut().enumerate()) {
        // SAFETY: `check` proved that `offset` has every column.
        *sum = unsafe { load_signed(offset, panel * WIDTH + first + v * LANES) };
    }
    for k in 0..words {
        let mut x = [[_mm256_setzero_si256(); 2]; ROWS];
        for (r, x) in x.iter_mut().enumerate() {
            // SAFETY: `check` proved that `left` has every row and word.
            *x = unsigned(unsafe { broadcast_word(left, (row + r) * words + k) });
        }
        for v in 0..PANEL {
            // SAFETY: `check` proved that `right` has every word of this panel.
            let weight =
                signed(unsafe { load_words(right, (panel * words + k) * WIDTH + first + v * LANES) });
            for (sums, x) in sums.iter_mut().zip(&x) {
                let even = _mm256_madd_epi16(x[0], weight[0]);
                let odd = _mm256_madd_epi16(x[1], weight[1]);
                sums[v] = _mm256_add_epi32(sums[v], _mm256_add_epi32(even, odd));
            }
        }
    }
    for (r, sums) in sums.iter().enumerate() {
        let row_scale = _mm256_set1_ps(left_scale[row + r]);
        for (v, &sum) in sums.iter().enumerate() {
            let col = panel * WIDTH + first + v * LANES;
            let place = (row + r) * cols + col;
            let sum = _mm256_cvtepi32_ps(sum);
            // SAFETY: `check` proved that `right_scale` has every column.
            let scale = _mm256_mul_ps(row_scale, unsafe { load(right_scale, col) });
            let value = match start {
                Start::Zero => _mm256_mul_ps(sum, scale),
                // SAFETY: `check` proved that the bias has every column.
                Start::Bias(bias) => _mm256_fmadd_ps(sum, scale, unsafe { load(bias, col) }),
                // SAFETY: `check` proved that `out` has every row and column.
                Start::Out => _mm256_add_ps(_mm256_mul_ps(sum, scale), unsafe { load(out, place) }),
            };
            // SAFETY: `check` proved that `out` has every row and column.
            unsafe { store(out, place, value) }
        }
    }
}

/// The even and the odd bytes of each word, unsigned, in 16 bits.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn unsigned(words: __m256i) -> [__m256i; 2] {
    [_mm256_and_si256(words, _mm256_set1_epi16(0xff)), _mm256_srli_epi16::<8>(words)]
}

/// The even and the odd bytes of each word, signed, in 16 bits.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn signed(words: __m256i) -> [__m256i; 2] {
    [_mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(words)), _mm256_srai_epi16::<8>(words)]
}
