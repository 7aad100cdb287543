//! Products in bfloat16 without an instruction for them: a word of a weight is widened to two registers of f32.
//!
//! Widening costs a shift and a mask for two multiply-adds of each row, so three rows share it; a single row is bound by
//! reading weights anyway.

use std::arch::x86_64::{
    __m256, __m256i, _CMP_NLT_UQ, _mm256_add_epi32, _mm256_add_ps, _mm256_and_ps, _mm256_and_si256,
    _mm256_andnot_si256, _mm256_castps_si256, _mm256_castsi256_ps, _mm256_cmp_ps, _mm256_cmpeq_epi32,
    _mm256_fmadd_ps, _mm256_packus_epi32, _mm256_permute4x64_epi64, _mm256_set1_epi32, _mm256_set1_ps,
    _mm256_setzero_ps, _mm256_setzero_si256, _mm256_slli_epi32, _mm256_srli_epi32,
};

use super::lstm_cell::forward;
use super::register::{LANES, broadcast_word, load, load_words, store};
use crate::op::bf16::{Narrow, Product, Step, WIDTH};
use crate::op::bf16_gemm::LEAST;
use crate::op::gemm::{PANEL, Start};

/// Values that are rounded together: two registers give one of words.
const BLOCK: usize = 2 * LANES;

/// See [`crate::op::bf16::RunNarrow`]; with `HELD` those below [`LEAST`] count as zero.
#[target_feature(enable = "avx2,fma")]
pub fn narrow<const HELD: bool>(narrow: &mut Narrow) {
    narrow.check();
    let words = narrow.words();
    for row in 0..narrow.rows {
        let from = &narrow.from[row * narrow.stride..][..narrow.depth];
        let to = &mut narrow.to[row * words..][..words];
        let (whole, rest) = from.as_chunks::<BLOCK>();
        let (place, rest_place) = to.split_at_mut(whole.len() * LANES);
        for (from, to) in whole.iter().zip(place.as_chunks_mut::<LANES>().0) {
            *to = round::<HELD>(from);
        }
        let mut padded = [0.0; BLOCK];
        padded[..rest.len()].copy_from_slice(rest);
        rest_place.copy_from_slice(&round::<HELD>(&padded)[..rest_place.len()]);
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn round<const HELD: bool>(from: &[f32; BLOCK]) -> [u32; LANES] {
    // SAFETY: the array has 16 values.
    let values = [0, LANES].map(|at| unsafe { load(from, at) });
    let [low, high] = values.map(|x| upper(_mm256_castps_si256(if HELD { held(x) } else { x })));
    // Packing works within each half of a register; the permutation puts the quarters in order.
    let packed = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packus_epi32(low, high));
    // SAFETY: both are 32 bytes without padding, and any bits are words.
    unsafe { std::mem::transmute(packed) }
}

/// The values, those below [`LEAST`] as zero.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub fn held(x: __m256) -> __m256 {
    let size = _mm256_and_ps(x, _mm256_castsi256_ps(_mm256_set1_epi32(i32::MAX)));
    _mm256_and_ps(x, _mm256_cmp_ps::<_CMP_NLT_UQ>(size, _mm256_set1_ps(LEAST)))
}

/// The rounded upper halves, as words.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub fn upper(bits: __m256i) -> __m256i {
    let tie = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
    let rounded = _mm256_add_epi32(bits, _mm256_add_epi32(tie, _mm256_set1_epi32(0x7fff)));
    let exponent = _mm256_and_si256(bits, _mm256_set1_epi32(0x7f80_0000));
    let subnormal = _mm256_cmpeq_epi32(exponent, _mm256_setzero_si256());
    // Of a subnormal number the sign is left.
    let sign = _mm256_and_si256(bits, _mm256_set1_epi32(i32::MIN));
    let held = _mm256_add_epi32(_mm256_andnot_si256(subnormal, rounded), _mm256_and_si256(subnormal, sign));
    _mm256_srli_epi32::<16>(held)
}

/// See [`crate::op::bf16::Run`].
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

/// See [`crate::op::bf16::RunStep`].
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
    let Product { cols, words, left, right, start, .. } = *product;
    let first = part * PANEL * LANES;
    let mut sums = [[_mm256_setzero_ps(); PANEL]; ROWS];
    if let Start::Bias(bias) = start {
        for (v, sum) in sums.iter_mut().flat_map(|row| row.iter_mut().enumerate()) {
            // SAFETY: `check` proved that the bias has every column.
            *sum = unsafe { load(bias, panel * WIDTH + first + v * LANES) };
        }
    }
    for k in 0..words {
        let mut x = [[_mm256_setzero_ps(); 2]; ROWS];
        for (r, x) in x.iter_mut().enumerate() {
            // SAFETY: `check` proved that `left` has every row and word.
            *x = halves(unsafe { broadcast_word(left, (row + r) * words + k) });
        }
        for v in 0..PANEL {
            // SAFETY: `check` proved that `right` has every word of this panel.
            let weight =
                halves(unsafe { load_words(right, (panel * words + k) * WIDTH + first + v * LANES) });
            for (sums, x) in sums.iter_mut().zip(&x) {
                sums[v] = _mm256_fmadd_ps(x[1], weight[1], sums[v]);
                sums[v] = _mm256_fmadd_ps(x[0], weight[0], sums[v]);
            }
        }
    }
    for (r, sums) in sums.iter().enumerate() {
        for (v, &sum) in sums.iter().enumerate() {
            let place = (row + r) * cols + panel * WIDTH + first + v * LANES;
            let sum = match start {
                // SAFETY: `check` proved that `out` has every row and column.
                Start::Out => _mm256_add_ps(sum, unsafe { load(out, place) }),
                Start::Zero | Start::Bias(_) => sum,
            };
            // SAFETY: as above.
            unsafe { store(out, place, sum) }
        }
    }
}

/// The lower and the upper bfloat16 of each word, as f32.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub fn halves(words: __m256i) -> [__m256; 2] {
    let upper = _mm256_and_si256(words, _mm256_set1_epi32(0xffff_0000_u32.cast_signed()));
    [_mm256_castsi256_ps(_mm256_slli_epi32::<16>(words)), _mm256_castsi256_ps(upper)]
}
