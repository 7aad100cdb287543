//! Matrix product: a tile of rows by one panel stays in registers over the whole depth.
//!
//! A panel of 4 registers takes 6 rows: 24 sums, 4 weights and a broadcast fill 29 of the 32 registers. Each step of
//! the depth is then 24 multiply-adds for 4 loads and 6 broadcasts. A narrower panel takes more rows, since two
//! loads a cycle would otherwise hold back one multiply-add a cycle.

use std::arch::x86_64::{__m512, _mm512_add_ps, _mm512_fmadd_ps, _mm512_setzero_ps};

use super::register::{LANES, STEPS_AHEAD, broadcast, fetch, load, store};
use crate::op::gemm::{Gemm, PANEL, Panel, Start, heights};

type Tile = unsafe fn(&Gemm, &Panel, usize, &mut [f32]);

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

/// See [`crate::op::gemm::Run`].
#[target_feature(enable = "avx512f")]
pub fn run(gemm: &Gemm, out: &mut [f32]) {
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
/// - the processor has AVX-512 F
/// - `gemm.check(out)` returned, `row + ROWS <= gemm.rows`, and `panel` is one of `gemm.panels(LANES)`
#[target_feature(enable = "avx512f")]
unsafe fn tile<const ROWS: usize, const VECTORS: usize>(
    gemm: &Gemm,
    panel: &Panel,
    row: usize,
    out: &mut [f32],
) {
    // SAFETY: as for this function.
    let mut sums = unsafe { started::<_, ROWS, VECTORS>(gemm, panel) };
    let left = gemm.left;
    let mut a = row * left.row_stride;
    let mut b = panel.start;
    for _ in 0..gemm.depth {
        let mut weights = [_mm512_setzero_ps(); VECTORS];
        for (v, weight) in weights.iter_mut().enumerate() {
            // SAFETY: `check` proved that `right` has every row of this panel.
            *weight = unsafe { load(panel.values, b + v * LANES) };
            fetch(panel.values, b + STEPS_AHEAD * panel.stride + v * LANES);
        }
        for (r, sums) in sums.iter_mut().enumerate() {
            // SAFETY: `check` proved that `left` has every row and column.
            let x = unsafe { broadcast(left.values, a + r * left.row_stride) };
            for (sum, &weight) in sums.iter_mut().zip(&weights) {
                *sum = _mm512_fmadd_ps(x, weight, *sum);
            }
        }
        a += left.depth_stride;
        b += panel.stride;
    }
    // SAFETY: as for this function.
    unsafe { finished(gemm, panel, row, &sums, out) }
}

/// The sums of a tile before the first step, for elements of any type.
///
/// # Safety
/// - `gemm.check(out)` returned, and `panel` is one of `gemm.panels(LANES)`
#[inline]
#[target_feature(enable = "avx512f")]
pub unsafe fn started<T, const ROWS: usize, const VECTORS: usize>(
    gemm: &Gemm<T>,
    panel: &Panel<T>,
) -> [[__m512; VECTORS]; ROWS] {
    let mut sums = [_mm512_setzero_ps(); VECTORS];
    if let Start::Bias(bias) = gemm.start {
        for (v, sum) in sums.iter_mut().enumerate() {
            // SAFETY: `check` proved that the bias has every column.
            *sum = unsafe { load(bias, panel.col + v * LANES) };
        }
    }
    [sums; ROWS]
}

/// Writes the sums of a tile, or adds them.
///
/// # Safety
/// - `gemm.check(out)` returned, `row + ROWS <= gemm.rows`, and `panel` is one of `gemm.panels(LANES)`
#[inline]
#[target_feature(enable = "avx512f")]
pub unsafe fn finished<T, const ROWS: usize, const VECTORS: usize>(
    gemm: &Gemm<T>,
    panel: &Panel<T>,
    row: usize,
    sums: &[[__m512; VECTORS]; ROWS],
    out: &mut [f32],
) {
    for (r, sums) in sums.iter().enumerate() {
        for (v, &sum) in sums.iter().enumerate() {
            let at = (row + r) * gemm.out_stride + panel.col + v * LANES;
            let sum = match gemm.start {
                // SAFETY: `check` proved that `out` has every row and column.
                Start::Out => _mm512_add_ps(sum, unsafe { load(out, at) }),
                Start::Zero | Start::Bias(_) => sum,
            };
            // SAFETY: as above.
            unsafe { store(out, at, sum) }
        }
    }
}
