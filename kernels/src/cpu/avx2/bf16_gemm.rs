//! Products of training in bfloat16 without an instruction for them: both sides are widened to f32, a word to two registers.

use std::arch::x86_64::{
    __m256i, _mm256_castps_si256, _mm256_fmadd_ps, _mm256_or_si256, _mm256_setzero_ps, _mm256_slli_epi32,
};

use super::bf16::{halves, held, upper};
use super::gemm::{finished, started};
use super::register::{LANES, broadcast_word, load, load_words};
use crate::op::bf16_gemm::Weave;
use crate::op::gemm::{Gemm, PANEL, Panel, heights};

/// The values rounded, in the lower halves; those that count as zero as zero.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn rounded(from: &[f32]) -> __m256i {
    let mut eight = [0.0; LANES];
    eight[..from.len()].copy_from_slice(from);
    // SAFETY: the array has 8 values.
    upper(_mm256_castps_si256(held(unsafe { load(&eight, 0) })))
}

/// See [`crate::op::bf16_gemm::RunWeave`].
#[target_feature(enable = "avx2,fma")]
pub fn weave(weave: &mut Weave) {
    weave.check();
    let cols = weave.cols;
    for row in (0..weave.rows).step_by(2) {
        let (even, rest) = weave.from[row * cols..].split_at(cols);
        let odd = if row + 1 < weave.rows { &rest[..cols] } else { &[] };
        let to = &mut weave.to[row / 2 * cols..][..cols];
        for (at, (to, even)) in to.chunks_mut(LANES).zip(even.chunks(LANES)).enumerate() {
            let odd = odd.get(at * LANES..).unwrap_or_default();
            let odd = _mm256_slli_epi32::<16>(rounded(&odd[..odd.len().min(LANES)]));
            let words = _mm256_or_si256(rounded(even), odd);
            // SAFETY: both are 32 bytes without padding, and any bits are words.
            let words: [u32; LANES] = unsafe { std::mem::transmute(words) };
            to.copy_from_slice(&words[..to.len()]);
        }
    }
}

type Tile = unsafe fn(&Gemm<u32>, &Panel<u32>, usize, &mut [f32]);

/// Declares the tiles of one panel width: entry `n - 1` is the tile of `n` rows.
macro_rules! tiles {
    ($vectors:literal: $($rows:literal)+) => { &[$(tile::<$rows, $vectors>),+] };
}

/// Tiles by panel width; the last of each list is the full one.
static TILES: [&[Tile]; PANEL] = [tiles!(1: 1 2 3 4), tiles!(2: 1 2 3), tiles!(3: 1 2), tiles!(4: 1 2)];

/// See [`crate::op::bf16_gemm::Run`].
#[target_feature(enable = "avx2,fma")]
pub fn run(gemm: &Gemm<u32>, out: &mut [f32]) {
    gemm.check(out);
    for panel in gemm.panels(LANES) {
        let tiles = TILES[panel.vectors - 1];
        for (row, rows) in heights(gemm.rows, tiles.len()) {
            // SAFETY: `run` itself needs the features of a tile, and `check` proved the extents.
            unsafe { tiles[rows - 1](gemm, &panel, row, out) }
        }
    }
}

/// Rows `row..row + ROWS` of one panel that is `VECTORS` registers wide.
///
/// # Safety
/// - the processor has AVX2 and FMA
/// - `gemm.check(out)` returned, `row + ROWS <= gemm.rows`, and `panel` is one of `gemm.panels(LANES)`
#[target_feature(enable = "avx2,fma")]
unsafe fn tile<const ROWS: usize, const VECTORS: usize>(
    gemm: &Gemm<u32>,
    panel: &Panel<u32>,
    row: usize,
    out: &mut [f32],
) {
    // SAFETY: as for this function.
    let mut sums = unsafe { started::<_, ROWS, VECTORS>(gemm, panel) };
    let left = gemm.left;
    let mut a = row * left.row_stride;
    let mut b = panel.start;
    for _ in 0..gemm.depth {
        let mut x = [[_mm256_setzero_ps(); 2]; ROWS];
        for (r, x) in x.iter_mut().enumerate() {
            // SAFETY: `check` proved that `left` has every row and word.
            *x = halves(unsafe { broadcast_word(left.values, a + r * left.row_stride) });
        }
        for v in 0..VECTORS {
            // SAFETY: `check` proved that `right` has every word of this panel.
            let weight = halves(unsafe { load_words(panel.values, b + v * LANES) });
            for (sums, x) in sums.iter_mut().zip(&x) {
                sums[v] = _mm256_fmadd_ps(x[1], weight[1], sums[v]);
                sums[v] = _mm256_fmadd_ps(x[0], weight[0], sums[v]);
            }
        }
        a += left.depth_stride;
        b += panel.stride;
    }
    // SAFETY: as for this function.
    unsafe { finished(gemm, panel, row, &sums, out) }
}
