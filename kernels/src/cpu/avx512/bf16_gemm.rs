//! Products of training in bfloat16 by `VDPBF16PS`: the tiles of `gemm.rs`, with two multiply-adds in each lane.

use std::arch::x86_64::{
    __m512i, _mm512_cvtepu16_epi32, _mm512_dpbf16_ps, _mm512_or_si512, _mm512_setzero_si512,
    _mm512_slli_epi32,
};

use super::bf16::{pairs, rounded};
use super::gemm::{finished, started};
use super::register::{LANES, broadcast_word, load_words};
use crate::op::bf16_gemm::Weave;
use crate::op::gemm::{Gemm, PANEL, Panel, heights};

fn padded(rest: &[f32]) -> [f32; LANES] {
    let mut padded = [0.0; LANES];
    padded[..rest.len()].copy_from_slice(rest);
    padded
}

/// See [`crate::op::bf16_gemm::RunWeave`].
#[target_feature(enable = "avx512f,avx512bf16")]
pub fn weave(weave: &mut Weave) {
    weave.check();
    let (cols, zero) = (weave.cols, [0.0; LANES]);
    for row in (0..weave.rows).step_by(2) {
        let (even, rest) = weave.from[row * cols..].split_at(cols);
        let odd = if row + 1 < weave.rows { &rest[..cols] } else { &[] };
        let (even, even_rest) = even.as_chunks::<LANES>();
        let (odd, odd_rest) = odd.as_chunks::<LANES>();
        let (to, to_rest) = weave.to[row / 2 * cols..][..cols].as_chunks_mut::<LANES>();
        for (at, (to, even)) in to.iter_mut().zip(even).enumerate() {
            *to = woven(even, odd.get(at).unwrap_or(&zero));
        }
        if !to_rest.is_empty() {
            let words = woven(&padded(even_rest), &padded(odd_rest));
            to_rest.copy_from_slice(&words[..to_rest.len()]);
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
fn woven(even: &[f32; LANES], odd: &[f32; LANES]) -> [u32; LANES] {
    let odd = _mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(rounded::<true>(odd)));
    let words: __m512i = _mm512_or_si512(_mm512_cvtepu16_epi32(rounded::<true>(even)), odd);
    // SAFETY: both are 64 bytes without padding, and any bits are words.
    unsafe { std::mem::transmute(words) }
}

type Tile = unsafe fn(&Gemm<u32>, &Panel<u32>, usize, &mut [f32]);

/// Declares the tiles of one panel width: entry `n - 1` is the tile of `n` rows.
macro_rules! tiles {
    ($vectors:literal: $($rows:literal)+) => { &[$(tile::<$rows, $vectors>),+] };
}

/// Tiles by panel width; the last of each list is the full one.
static TILES: [&[Tile]; PANEL] = [
    tiles!(1: 1 2 3 4 5 6 7 8 9 10 11 12),
    tiles!(2: 1 2 3 4 5 6 7 8 9 10 11 12),
    tiles!(3: 1 2 3 4 5 6 7 8),
    tiles!(4: 1 2 3 4 5 6),
];

/// See [`crate::op::bf16_gemm::Run`].
#[target_feature(enable = "avx512f,avx512bf16")]
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
/// - the processor has AVX-512 F and BF16
/// - `gemm.check(out)` returned, `row + ROWS <= gemm.rows`, and `panel` is one of `gemm.panels(LANES)`
#[target_feature(enable = "avx512f,avx512bf16")]
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
        let mut weights = [pairs(_mm512_setzero_si512()); VECTORS];
        for (v, weight) in weights.iter_mut().enumerate() {
            // SAFETY: `check` proved that `right` has every row of this panel.
            *weight = pairs(unsafe { load_words(panel.values, b + v * LANES) });
        }
        for (r, sums) in sums.iter_mut().enumerate() {
            // SAFETY: `check` proved that `left` has every row and column.
            let x = pairs(unsafe { broadcast_word(left.values, a + r * left.row_stride) });
            for (sum, &weight) in sums.iter_mut().zip(&weights) {
                *sum = _mm512_dpbf16_ps(*sum, x, weight);
            }
        }
        a += left.depth_stride;
        b += panel.stride;
    }
    // SAFETY: as for this function.
    unsafe { finished(gemm, panel, row, &sums, out) }
}
