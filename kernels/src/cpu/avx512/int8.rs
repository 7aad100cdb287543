//! Products in 8-bit integers by `VPDPBUSD`: the tiles of `bf16.rs`, with four multiply-adds in each lane.

use std::arch::x86_64::{
    __m128i, __m512, __m512i, _mm512_abs_ps, _mm512_add_ps, _mm512_castps_si512, _mm512_castsi512_ps,
    _mm512_cvtepi32_epi8, _mm512_cvtepi32_ps, _mm512_cvtps_epi32, _mm512_dpbusd_epi32, _mm512_fmadd_ps,
    _mm512_max_ps, _mm512_mul_ps, _mm512_reduce_max_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps,
    _mm512_setzero_si512, _mm512_xor_si512,
};

use super::lstm_cell::{Begun, begin, end};
use super::register::{
    LANES, Next, STEPS_AHEAD, broadcast_word, fetch, fold, load, load_signed, load_words, store, unfold,
};
use crate::op::bf16::WIDTH;
use crate::op::gemm::{PANEL, Start, heights};
use crate::op::int8::{Narrow, Product, Range, Step, scale};
use crate::op::tail::{Passes, passes_of};

/// Words of a register of rounded values.
const WORDS: usize = LANES / 4;

/// See [`crate::op::int8::RunNarrow`].
#[target_feature(enable = "avx512f,avx512vnni")]
pub fn narrow(narrow: &mut Narrow) {
    narrow.check();
    let words = narrow.words();
    for row in 0..narrow.rows {
        let from = &narrow.from[row * narrow.stride..][..narrow.depth];
        let to = &mut narrow.to[row * words..][..words];
        let (whole, rest) = from.as_chunks::<LANES>();
        let mut padded = [0.0; LANES];
        padded[..rest.len()].copy_from_slice(rest);
        let max = match narrow.range {
            Range::Unit => 1.0,
            Range::Row => greatest(whole, &padded),
        };
        let (scale, inverse) = scale(max);
        narrow.scale[row] = scale;
        let (place, rest_place) = to.split_at_mut(whole.len() * WORDS);
        for (from, to) in whole.iter().zip(place.as_chunks_mut::<WORDS>().0) {
            *to = round(from, inverse);
        }
        rest_place.copy_from_slice(&round(&padded, inverse)[..rest_place.len()]);
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn greatest(whole: &[[f32; LANES]], rest: &[f32; LANES]) -> f32 {
    let mut max = _mm512_setzero_ps();
    for from in whole.iter().chain([rest]) {
        // SAFETY: the array has 16 values.
        max = _mm512_max_ps(max, _mm512_abs_ps(unsafe { load(from, 0) }));
    }
    _mm512_reduce_max_ps(max)
}

#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn round(from: &[f32; LANES], inverse: f32) -> [u32; WORDS] {
    // SAFETY: the array has 16 values.
    let multiple = _mm512_mul_ps(unsafe { load(from, 0) }, _mm512_set1_ps(inverse));
    // 128 more, in a byte.
    let rounded = _mm512_xor_si512(_mm512_cvtps_epi32(multiple), _mm512_set1_epi32(0x80));
    let bytes: __m128i = _mm512_cvtepi32_epi8(rounded);
    // SAFETY: both are 16 bytes without padding, and any bits are words.
    unsafe { std::mem::transmute(bytes) }
}

type Tile = unsafe fn(&Product, usize, usize, &mut [f32]);

/// Tiles of one panel by rows.
static TILES: [Tile; 6] =
    [tile::<1, 1, 0>, tile::<2, 1, 0>, tile::<3, 1, 0>, tile::<4, 1, 0>, tile::<5, 1, 0>, tile::<6, 1, 0>];

/// Tiles of one row by panels and registers of the tail.
static ROW: [[Tile; 3]; 4] = [
    [tile::<1, 0, 0>, tile::<1, 0, 1>, tile::<1, 0, 2>],
    [tile::<1, 1, 0>, tile::<1, 1, 1>, tile::<1, 1, 2>],
    [tile::<1, 2, 0>, tile::<1, 2, 1>, tile::<1, 2, 2>],
    [tile::<1, 3, 0>, tile::<1, 3, 1>, tile::<1, 3, 2>],
];

/// See [`crate::op::int8::Run`].
#[target_feature(enable = "avx512f,avx512vnni")]
pub fn run(product: &Product, out: &mut [f32]) {
    product.check(out);
    if product.rows == 1 {
        for pass in passes(product) {
            // SAFETY: `run` itself needs the features of a tile, and `check` proved the extents.
            unsafe { ROW[pass.panels][pass.tails](product, pass.first, 0, out) }
        }
        return;
    }
    for panel in 0..product.cols / WIDTH {
        // SAFETY: as above.
        unsafe { rows(product, panel, out) }
    }
}

/// All rows of one panel, in tiles of equal height.
///
/// # Safety
/// - `product.check(out)` returned, and `panel` is one of its panels
#[target_feature(enable = "avx512f,avx512vnni")]
unsafe fn rows(product: &Product, panel: usize, out: &mut [f32]) {
    for (row, rows) in heights(product.rows, TILES.len()) {
        // SAFETY: the caller keeps the panel, and `rows` stays within those that are left.
        unsafe { TILES[rows - 1](product, panel, row, out) }
    }
}

/// The passes of a product with one row.
fn passes(product: &Product) -> Passes {
    passes_of(product.cols / WIDTH, product.tail.len() / product.words.max(1) / LANES)
}

/// The sums of rows `row..row + ROWS` of `PANELS` panels, and of the tail, which follows them.
///
/// # Safety
/// - the lengths are checked, `row + ROWS <= product.rows` and `(panel + PANELS) * WIDTH <= product.cols`
/// - `TAILS` is 0; or `ROWS` is 1, the tail has so many registers and its panel is `panel + PANELS`
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
unsafe fn sums<const ROWS: usize, const PANELS: usize, const TAILS: usize>(
    product: &Product,
    panel: usize,
    row: usize,
) -> ([[[__m512i; PANEL]; PANELS]; ROWS], [__m512i; TAILS]) {
    let Product { words, left, right, tail, offset, .. } = *product;
    let mut sums = [[[_mm512_setzero_si512(); PANEL]; PANELS]; ROWS];
    for sums in &mut sums {
        for (p, sums) in sums.iter_mut().enumerate() {
            for (v, sum) in sums.iter_mut().enumerate() {
                // SAFETY: `check` proved that `offset` has every column.
                *sum = unsafe { load_signed(offset, (panel + p) * WIDTH + v * LANES) };
            }
        }
    }
    let mut last = [_mm512_setzero_si512(); TAILS];
    if TAILS > 0 {
        let mut whole = [_mm512_setzero_ps(); PANEL];
        for (v, sum) in whole.iter_mut().enumerate() {
            // SAFETY: as above.
            let offset = unsafe { load_signed(offset, (panel + PANELS) * WIDTH + v * LANES) };
            *sum = _mm512_castsi512_ps(offset);
        }
        let folded: [__m512; TAILS] = fold(whole);
        last = folded.map(|sum| _mm512_castps_si512(sum));
    }
    for k in 0..words {
        let mut x = [_mm512_setzero_si512(); ROWS];
        for (r, x) in x.iter_mut().enumerate() {
            // SAFETY: `check` proved that `left` has every row and word.
            *x = unsafe { broadcast_word(left, (row + r) * words + k) };
        }
        for p in 0..PANELS {
            for v in 0..PANEL {
                let at = ((panel + p) * words + k) * WIDTH + v * LANES;
                // SAFETY: `check` proved that `right` has every word of this panel.
                let weight = unsafe { load_words(right, at) };
                if ROWS > 1 {
                    fetch(right, at + STEPS_AHEAD * WIDTH);
                }
                for (sums, &x) in sums.iter_mut().zip(&x) {
                    sums[p][v] = _mm512_dpbusd_epi32(sums[p][v], x, weight);
                }
            }
        }
        for (t, sum) in last.iter_mut().enumerate() {
            // SAFETY: `check` proved that the tail has every word, and the caller so many registers.
            let weight = unsafe { load_words(tail, (k * TAILS + t) * LANES) };
            *sum = _mm512_dpbusd_epi32(*sum, x[0], weight);
        }
    }
    (sums, last)
}

/// The sums of the tail's panel.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn panel_of<const TAILS: usize>(last: [__m512i; TAILS]) -> [__m512i; PANEL] {
    unfold(last.map(|sum| _mm512_castsi512_ps(sum))).map(|sum| _mm512_castps_si512(sum))
}

/// Rows `row..row + ROWS` of `PANELS` panels, and the tail.
///
/// # Safety
/// - `product.check(out)` returned, and the rest is as for [`sums`]
#[target_feature(enable = "avx512f,avx512vnni")]
unsafe fn tile<const ROWS: usize, const PANELS: usize, const TAILS: usize>(
    product: &Product,
    panel: usize,
    row: usize,
    out: &mut [f32],
) {
    // SAFETY: as for this function.
    let (sums, last) = unsafe { sums::<ROWS, PANELS, TAILS>(product, panel, row) };
    for (r, sums) in sums.iter().enumerate() {
        for (p, sums) in sums.iter().enumerate() {
            write(product, (row + r, panel + p), sums, out);
        }
    }
    if TAILS > 0 {
        write(product, (row, panel + PANELS), &panel_of(last), out);
    }
}

/// Writes the sums of a panel, or adds them.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn write(product: &Product, (row, panel): (usize, usize), sums: &[__m512i; PANEL], out: &mut [f32]) {
    let Product { cols, left_scale, right_scale, start, .. } = *product;
    let row_scale = _mm512_set1_ps(left_scale[row]);
    for (v, &sum) in sums.iter().enumerate() {
        let col = panel * WIDTH + v * LANES;
        let place = row * cols + col;
        let sum = _mm512_cvtepi32_ps(sum);
        // SAFETY: `check` proved that `right_scale` has every column.
        let scale = _mm512_mul_ps(row_scale, unsafe { load(right_scale, col) });
        let value = match start {
            Start::Zero => _mm512_mul_ps(sum, scale),
            // SAFETY: `check` proved that the bias has every column.
            Start::Bias(bias) => _mm512_fmadd_ps(sum, scale, unsafe { load(bias, col) }),
            // SAFETY: `check` proved that `out` has every row and column.
            Start::Out => _mm512_add_ps(_mm512_mul_ps(sum, scale), unsafe { load(out, place) }),
        };
        // SAFETY: `check` proved that `out` has every row and column.
        unsafe { store(out, place, value) }
    }
}

/// See [`crate::op::int8::RunStep`].
#[target_feature(enable = "avx512f,avx512vnni")]
pub fn step<const FAST: bool>(step: &mut Step) {
    step.check();
    let run = const { widths::<FAST>() };
    for pass in passes(&step.product) {
        // SAFETY: `step` itself needs the features of a pass, and `check` proved the extents.
        unsafe { run[pass.panels][pass.tails](step, pass.first) }
    }
}

type Several = unsafe fn(&mut Step, usize);

/// Passes by panels and registers of the tail.
const fn widths<const FAST: bool>() -> [[Several; 3]; 4] {
    [
        [several::<0, 0, FAST>, several::<0, 1, FAST>, several::<0, 2, FAST>],
        [several::<1, 0, FAST>, several::<1, 1, FAST>, several::<1, 2, FAST>],
        [several::<2, 0, FAST>, several::<2, 1, FAST>, several::<2, 2, FAST>],
        [several::<3, 0, FAST>, several::<3, 1, FAST>, several::<3, 2, FAST>],
    ]
}

/// Sums and cells of `PANELS` panels and the tail. What is read next is fetched while the cells are at work.
///
/// # Safety
/// - `step.check()` returned, and the rest is as for [`sums`]
#[target_feature(enable = "avx512f,avx512vnni")]
unsafe fn several<const PANELS: usize, const TAILS: usize, const FAST: bool>(step: &mut Step, panel: usize) {
    let Product { cols, words, right, left_scale, right_scale, start, .. } = step.product;
    // SAFETY: the caller keeps the panels.
    let ([sums], last) = unsafe { sums::<1, PANELS, TAILS>(&step.product, panel, 0) };
    let stride = words * WIDTH;
    let next = if TAILS == 0 && (panel + PANELS) * WIDTH < cols {
        Next { words: right, first: (panel + PANELS) * stride, stride }
    } else {
        Next { words: step.after, first: 0, stride: step.after.len() / (cols / WIDTH) }
    };
    let row_scale = _mm512_set1_ps(left_scale[0]);
    let mut under_way = None;
    let last = (TAILS > 0).then(|| panel_of(last));
    for (p, sums) in sums.into_iter().chain(last).enumerate() {
        let at = (panel + p) * LANES;
        let mut z = [_mm512_setzero_ps(); PANEL];
        for (v, (z, sum)) in z.iter_mut().zip(sums).enumerate() {
            let col = (panel + p) * WIDTH + v * LANES;
            // SAFETY: `check` proved that `right_scale` has every column.
            let scale = _mm512_mul_ps(row_scale, unsafe { load(right_scale, col) });
            let sum = match start {
                Start::Bias(bias) => {
                    // SAFETY: `check` proved that the bias has every column.
                    let bias = unsafe { load(bias, col) };
                    _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), scale, bias)
                }
                Start::Zero | Start::Out => _mm512_mul_ps(_mm512_cvtepi32_ps(sum), scale),
            };
            // SAFETY: `check` proved four sums a unit.
            *z = _mm512_add_ps(sum, unsafe { load(step.sums, col) });
        }
        // SAFETY: `check` proved one state a unit.
        let begun = begin::<FAST>(z, unsafe { load(step.c_before, at) });
        next.fetch(p);
        if let Some((at, begun)) = under_way.replace((at, begun)) {
            keep::<FAST>(step, at, &begun);
        }
    }
    if let Some((at, begun)) = under_way {
        keep::<FAST>(step, at, &begun);
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn keep<const FAST: bool>(step: &mut Step, at: usize, begun: &Begun) {
    let gated = end::<FAST>(begun);
    // SAFETY: `check` proved one state a unit, and `at` is a group of them.
    unsafe { store(step.c, at, gated.c) }
    // SAFETY: as above.
    unsafe { store(step.h, at, gated.h) }
}
