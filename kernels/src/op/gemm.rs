//! Matrix product: `out (+)= A B`, the one product that the forward pass, back-propagation and the weight
//! gradients are made of.
//!
//! Shapes: `out` is `[rows, cols]`, `A` is `[rows, depth]` with any two strides, `B` is `[depth, cols]`. `cols` is
//! a multiple of [`GROUP`]. `B` is either plain rows, or packed in panels of 64 columns (see [`Right`]): with the gates
//! of a group of 16 units interleaved, such a panel yields whole cells. The layout is the same for every instruction
//! set; one with fewer lanes takes a panel in parts.
//!
//! Each element of `out` is one chain of fused multiply-adds in ascending depth, started or ended as
//! [`Start`] says, so every instruction set gives the same bits. A layer's pre-activation is the sum of two such chains,
//! one over its input and one over its state: so a stream may make the second before the tick comes, and has the bits of
//! a batch all the same.

use super::holds;

/// Values that lie together, the lanes of the widest instruction set: every padded length is a multiple.
pub const GROUP: usize = 16;
/// Groups in a packed panel, one for each gate; and the most registers of a tile.
pub const PANEL: usize = 4;

/// What the sums start from, or are added to.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a> {
    /// Zero.
    Zero,
    /// One value a column, `[cols]`.
    Bias(&'a [f32]),
    /// Zero; what `out` holds is added to the finished sum.
    Out,
}

/// The left matrix: element `(row, k)` is at `row * row_stride + k * depth_stride`.
#[derive(Clone, Copy, Debug)]
pub struct Left<'a, T = f32> {
    /// The elements.
    pub values: &'a [T],
    /// Between rows.
    pub row_stride: usize,
    /// Between columns.
    pub depth_stride: usize,
}

/// The right matrix.
#[derive(Clone, Copy, Debug)]
pub enum Right<'a, T = f32> {
    /// Panel by panel of 64 columns (the last may be narrower), in each panel row by row.
    Packed(&'a [T]),
    /// Element `(k, col)` is at `k * stride + col`.
    Rows {
        /// The elements.
        values: &'a [T],
        /// Between rows.
        stride: usize,
    },
}

/// One product. Row `r` of `out` starts at `r * out_stride`.
#[derive(Clone, Copy, Debug)]
pub struct Gemm<'a, T = f32> {
    /// Rows of `A` and `out`.
    pub rows: usize,
    /// Columns of `B` and `out`, a multiple of [`GROUP`].
    pub cols: usize,
    /// Columns of `A`, rows of `B`.
    pub depth: usize,
    /// `A`.
    pub left: Left<'a, T>,
    /// `B`.
    pub right: Right<'a, T>,
    /// What the sums start from.
    pub start: Start<'a>,
    /// Between rows of `out`, at least `cols`.
    pub out_stride: usize,
}

/// Computes the product into the slice.
///
/// # Safety
/// The processor has the instruction set of the row in which the function stands.
pub type Run = unsafe fn(&Gemm, &mut [f32]);

/// A part of `B`: `vectors` registers wide, element `(k, j)` at `start + k * stride + j`.
#[derive(Clone, Copy, Debug)]
pub struct Panel<'a, T = f32> {
    /// The elements of the whole matrix.
    pub values: &'a [T],
    /// Where the panel starts.
    pub start: usize,
    /// Between rows.
    pub stride: usize,
    /// The panel's first column in `out`.
    pub col: usize,
    /// Registers, 1 to [`PANEL`].
    pub vectors: usize,
}

impl<'a, T: Copy> Gemm<'a, T> {
    /// Rows of `depth` values times a packed matrix, into rows that follow each other.
    #[must_use]
    pub const fn packed(
        rows: usize,
        (values, row_stride): (&'a [T], usize),
        (depth, cols, packed): (usize, usize, &'a [T]),
        start: Start<'a>,
    ) -> Self {
        let left = Left { values, row_stride, depth_stride: 1 };
        Self { rows, cols, depth, left, right: Right::Packed(packed), start, out_stride: cols }
    }

    /// Checks that every access of a kernel lies within the slices.
    ///
    /// # Panics
    /// When one does not: the caller's arithmetic is wrong, and a kernel must not run.
    pub fn check(&self, out: &[f32]) {
        let Self { rows, cols, depth, left, right, start, out_stride } = *self;
        assert!(cols.is_multiple_of(GROUP), "{cols} columns are no multiple of {GROUP}");
        if rows == 0 || cols == 0 {
            return;
        }
        assert!(out_stride >= cols && out.len() >= extent(rows, out_stride, cols), "out is too short");
        if let Start::Bias(bias) = start {
            assert!(bias.len() >= cols, "bias is too short");
        }
        if depth == 0 {
            return;
        }
        let last = (rows - 1).checked_mul(left.row_stride).zip((depth - 1).checked_mul(left.depth_stride));
        let last = last.and_then(|(row, k)| row.checked_add(k));
        assert!(last.is_some_and(|last| last < left.values.len()), "left is too short");
        match right {
            Right::Packed(values) => assert!(holds(values, depth, cols), "right is too short"),
            Right::Rows { values, stride } => {
                assert!(stride >= cols && values.len() >= extent(depth, stride, cols), "right is too short");
            }
        }
    }

    /// `B` from left to right in parts of at most four registers of `lanes` lanes.
    pub fn panels(&self, lanes: usize) -> impl Iterator<Item = Panel<'a, T>> + use<'a, T> {
        let Self { cols, depth, right, .. } = *self;
        (0..cols).step_by(PANEL * lanes).map(move |col| {
            let vectors = PANEL.min((cols - col) / lanes);
            match right {
                Right::Packed(values) => {
                    let first = col / (PANEL * GROUP) * (PANEL * GROUP);
                    let stride = (PANEL * GROUP).min(cols - first);
                    Panel { values, start: first * depth + col - first, stride, col, vectors }
                }
                Right::Rows { values, stride } => Panel { values, start: col, stride, col, vectors },
            }
        })
    }
}

/// So many rows in tiles of at most `most`, by first row and height: as few tiles as full ones would make, but of equal
/// height, so that 8 rows are 4 and 4, not 6 and 2.
#[inline]
pub fn heights(rows: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut row = 0;
    std::iter::from_fn(move || {
        let left = rows - row;
        let height = left.div_ceil(left.div_ceil(most).max(1));
        row += height;
        (height > 0).then_some((row - height, height))
    })
}

fn extent(rows: usize, stride: usize, cols: usize) -> usize {
    (rows - 1).saturating_mul(stride).saturating_add(cols)
}

#[cfg(test)]
pub(crate) mod exam {
    use super::*;
    use crate::conformance::{assert_close, random};
    use crate::op::activation::exam::bits;

    /// Packs a `[depth, cols]` matrix as [`Right::Packed`] wants it.
    pub fn pack(depth: usize, cols: usize, value: impl Fn(usize, usize) -> f32) -> Vec<f32> {
        let mut packed = Vec::with_capacity(depth * cols);
        for col in (0..cols).step_by(PANEL * GROUP) {
            for k in 0..depth {
                packed.extend((col..(col + PANEL * GROUP).min(cols)).map(|j| value(k, j)));
            }
        }
        packed
    }

    /// The textbook product in f64; `b(k, col)` reads the right matrix.
    fn reference(gemm: &Gemm, b: &dyn Fn(usize, usize) -> f32, out: &[f32]) -> Vec<f64> {
        let mut result = Vec::new();
        for row in 0..gemm.rows {
            for col in 0..gemm.cols {
                let mut sum = match gemm.start {
                    Start::Zero => 0.0,
                    Start::Bias(bias) => f64::from(bias[col]),
                    Start::Out => f64::from(out[row * gemm.out_stride + col]),
                };
                for k in 0..gemm.depth {
                    let a = gemm.left.values[row * gemm.left.row_stride + k * gemm.left.depth_stride];
                    sum += f64::from(a) * f64::from(b(k, col));
                }
                result.push(sum);
            }
        }
        result
    }

    pub fn sit(run: &dyn Fn(&Gemm, &mut [f32]), scalar: &dyn Fn(&Gemm, &mut [f32])) {
        for rows in [0, 1, 2, 5, 6, 7, 11, 12, 13, 25] {
            for cols in [0, 1, 2, 3, 4, 5, 8].map(|groups| groups * GROUP) {
                for depth in [0, 1, 2, 12, 33] {
                    one(rows, cols, depth, run, scalar);
                }
            }
        }
    }

    fn one(
        rows: usize,
        cols: usize,
        depth: usize,
        run: &dyn Fn(&Gemm, &mut [f32]),
        scalar: &dyn Fn(&Gemm, &mut [f32]),
    ) {
        let (out_stride, stride) = (cols + 3, cols + 1);
        let a = random(1, rows * depth + 1);
        let b = random(2, depth * stride + 1);
        let bias = random(3, cols);
        let before = random(4, rows * out_stride + 5);
        let b_at = |k: usize, col: usize| b[k * stride + col];
        let packed = pack(depth, cols, b_at);
        let lefts = [
            Left { values: &a, row_stride: depth, depth_stride: 1 },
            Left { values: &a, row_stride: 1, depth_stride: rows },
        ];
        for left in lefts {
            for right in [Right::Packed(&packed), Right::Rows { values: &b, stride }] {
                for start in [Start::Zero, Start::Bias(&bias), Start::Out] {
                    let gemm = Gemm { rows, cols, depth, left, right, start, out_stride };
                    let mut out = before.clone();
                    run(&gemm, &mut out);
                    let wanted = reference(&gemm, &b_at, &before);
                    let got: Vec<f32> =
                        (0..rows).flat_map(|r| out[r * out_stride..][..cols].iter().copied()).collect();
                    assert_close(&got, &wanted, 1e-6, &format!("{gemm:?}"));
                    // What lies between the rows and behind them is not touched.
                    for row in 0..rows {
                        let gap = row * out_stride + cols..(row + 1) * out_stride;
                        assert_eq!(out[gap.clone()], before[gap]);
                    }
                    let right = Right::Rows { values: &b, stride };
                    let mut chain = before.clone();
                    scalar(&Gemm { right, ..gemm }, &mut chain);
                    assert_eq!(bits(&out), bits(&chain), "{rows} x {cols} x {depth}");
                }
            }
        }
    }

    #[test]
    fn tiles_follow_each_other_and_are_of_equal_height() {
        for most in 1..13 {
            for rows in 0..60 {
                let tiles: Vec<_> = heights(rows, most).collect();
                assert_eq!(tiles.len(), rows.div_ceil(most));
                let heights = tiles.iter().map(|(_, height)| *height);
                assert_eq!(heights.clone().sum::<usize>(), rows);
                let (least, greatest) = (heights.clone().min(), heights.max());
                assert!(
                    greatest
                        .zip(least)
                        .is_none_or(|(greatest, least)| greatest - least <= 1 && greatest <= most)
                );
                assert!(tiles.windows(2).all(|pair| pair[0].0 + pair[0].1 == pair[1].0));
            }
        }
    }

    #[test]
    #[should_panic(expected = "right is too short")]
    fn a_shape_whose_product_wraps_is_refused() {
        let left = Left { values: &[1.0], row_stride: 0, depth_stride: 0 };
        let (cols, depth, right) = (16, 1 << 60, Right::Packed(&[]));
        Gemm { rows: 1, cols, depth, left, right, start: Start::Zero, out_stride: 16 }.check(&[0.0; 16]);
    }
}
