//! Matrix product: a tile of rows by one panel stays in registers over the whole depth.
//!
//! A panel of 4 registers takes 3 rows: 12 sums, 3 broadcasts and one weight fill the 16 registers. Each step of the
//! depth is then 12 multiply-adds for 4 loads and 3 broadcasts, at two of each a cycle. A narrower panel takes more
//! rows.

use std::arch::x86_64::{__m256, _mm256_add_ps, _mm256_fmadd_ps, _mm256_setzero_ps};

use super::register::{LANES, broadcast, load, store};
use crate::op::gemm::{Gemm, PANEL, Panel, Start, heights};

type Tile = unsafe fn(&Gemm, &Panel, usize, &mut [f32]);

/// Declares the tiles of one panel width: entry `n - 1` is the tile of `n` rows.
macro_rules! tiles {
    ($vectors:literal: $($rows:literal)+) => { &[$(tile::<$rows, $vectors>),+] };
}

/// Tiles by panel width; the last of each list is the full one.
static TILES: [&[Tile]; PANEL] =
    [tiles!(1: 1 2 3 4 5 6 7 8 9 10 11 12), tiles!(2: 1 2 3 4 5 6), tiles!(3: 1 2 3 4), tiles!(4: 1 2 3)];

/// See [`crate::op::gemm::Run`].
#[target_feature(enable = "avx2,fma")]
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
/// - the processor has AVX2 and FMA
/// - `gemm.check(out)` returned, `row + ROWS <= gemm.rows`, and `panel` is one of `gemm.panels(LANES)`
#[target_feature(enable = "avx2,fma")]
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
        let mut x = [_mm256_setzero_ps(); ROWS];
        for (r, x) in x.iter_mut().enumerate() {
            // SAFETY: `check` proved that `left` has every row and column.
            *x = unsafe { broadcast(left.values, a + r * left.row_stride) };
        }
        for v in 0..VECTORS {
            // SAFETY: `check` proved that `right` has every row of this panel.
            let weight = unsafe { load(panel.values, b + v * LANES) };
            for (sums, &x) in sums.iter_mut().zip(&x) {
                sums[v] = _mm256_fmadd_ps(x, weight, sums[v]);
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
#[target_feature(enable = "avx2,fma")]
pub unsafe fn started<T, const ROWS: usize, const VECTORS: usize>(
    gemm: &Gemm<T>,
    panel: &Panel<T>,
) -> [[__m256; VECTORS]; ROWS] {
    let mut sums = [_mm256_setzero_ps(); VECTORS];
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
#[target_feature(enable = "avx2,fma")]
pub unsafe fn finished<T, const ROWS: usize, const VECTORS: usize>(
    gemm: &Gemm<T>,
    panel: &Panel<T>,
    row: usize,
    sums: &[[__m256; VECTORS]; ROWS],
    out: &mut [f32],
) {
    for (r, sums) in sums.iter().enumerate() {
        for (v, &sum) in sums.iter().enumerate() {
            let at = (row + r) * gemm.out_stride + panel.col + v * LANES;
            let sum = match gemm.start {
                // SAFETY: `check` proved that `out` has every row and column.
                Start::Out => _mm256_add_ps(sum, unsafe { load(out, at) }),
                Start::Zero | Start::Bias(_) => sum,
            };
            // SAFETY: as above.
            unsafe { store(out, at, sum) }
        }
    }
}
