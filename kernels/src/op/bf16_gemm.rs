//! The products of training in bfloat16 with sums in f32: [`Gemm`] with words of two neighbours along the depth, as
//! [`super::bf16`] has them. Besides rows of a matrix the left side may be its columns, and the right one plain rows, since
//! the gradient of weights is a product over steps and rows.
//!
//! A value below 2^-55 counts as zero here. Then a product of two is a multiple of 2^-124, and so is every sum: none is
//! subnormal, which is where `VDPBF16PS` would differ from the other instruction sets, and gradients that vanish over many
//! steps would come to that. What is lost is 13 decimal digits below the greatest value of a typical sum; rounding to 8 bits
//! loses more in each of them.
//!
//! Shapes and strides as in [`super::gemm`], the depth counted in words.

use super::gemm::Gemm;
use super::holds;

/// What is smaller counts as zero.
pub const LEAST: f32 = f32::from_bits((127 - 55) << 23);

/// A bias that is smaller must be zero, for the same reason: no sum that starts from it is then subnormal.
pub const LEAST_BIAS: f32 = f32::from_bits((127 - 100) << 23);

/// The value that a product sees. NaN stays.
#[must_use]
pub fn held(x: f32) -> f32 {
    if x.abs() < LEAST { 0.0 } else { x }
}

/// Rows of f32 to be rounded, two neighbouring rows to one of words; an odd last row has zero beside it.
#[derive(Debug)]
pub struct Weave<'a> {
    /// Rows.
    pub rows: usize,
    /// Values of a row.
    pub cols: usize,
    /// `[rows, cols]`.
    pub from: &'a [f32],
    /// `[rows / 2 rounded up, cols]`.
    pub to: &'a mut [u32],
}

impl Weave<'_> {
    /// Checks the slices against the shape.
    ///
    /// # Panics
    /// When one is too short: the caller's arithmetic is wrong, and a kernel must not run.
    pub fn check(&self) {
        assert!(holds(self.from, self.rows, self.cols), "from is too short");
        assert!(holds(self.to, self.rows.div_ceil(2), self.cols), "to is too short");
    }
}

/// # Safety
/// The processor has the instruction set of the row in which the function stands.
pub type RunWeave = unsafe fn(&mut Weave);

/// Computes the product into `out`.
///
/// # Safety
/// The processor has the instruction set of the row in which the function stands.
pub type Run = unsafe fn(&Gemm<u32>, &mut [f32]);

#[cfg(test)]
pub(crate) mod exam {
    use super::*;
    use crate::conformance::{assert_close, random};
    use crate::op::activation::exam::bits;
    use crate::op::bf16::{Narrow, pair, round, widen};
    use crate::op::gemm::exam::pack;
    use crate::op::gemm::{GROUP, Left, Right, Start};

    /// On both sides of what counts as zero, and where rounding could carry.
    const SPECIAL: [f32; 10] =
        [0.0, -0.0, 1e-40, LEAST, -LEAST, 2.7e-17, -2.7e-17, 1.003_906_2, -3.3e38, f32::INFINITY];

    pub fn sit_narrow(narrow: &dyn Fn(&mut Narrow), weave: &dyn Fn(&mut Weave)) {
        for cols in 1..70 {
            let (rows, stride) = (3, cols + 2);
            let mut from = random(cols as u64, rows * stride);
            from.iter_mut().zip(SPECIAL).for_each(|(slot, value)| *slot = value);
            let mut to = vec![7; rows * cols.div_ceil(2) + 2];
            narrow(&mut Narrow { rows, depth: cols, from: &from, stride, to: &mut to });
            let row = |row: usize| from[row * stride..][..cols].chunks(2);
            let two = |two: &[f32]| pair(held(two[0]), held(two.get(1).copied().unwrap_or(0.0)));
            let wanted: Vec<u32> = (0..rows).flat_map(|at| row(at).map(two)).chain([7, 7]).collect();
            assert_eq!(to, wanted, "{cols} columns");
            for rows in 0..5 {
                let mut from = random(rows as u64, rows * cols);
                from.iter_mut().rev().zip(SPECIAL).for_each(|(slot, value)| *slot = value);
                let mut to = vec![7; rows.div_ceil(2) * cols + 2];
                weave(&mut Weave { rows, cols, from: &from, to: &mut to });
                let at = |row: usize, col: usize| if row < rows { held(from[row * cols + col]) } else { 0.0 };
                let words = (0..rows.div_ceil(2) * cols)
                    .map(|place| (place / cols * 2, place % cols))
                    .map(|(row, col)| pair(at(row, col), at(row + 1, col)));
                assert_eq!(to, words.chain([7, 7]).collect::<Vec<_>>(), "{rows} x {cols}");
            }
        }
        let mut to = [0];
        narrow(&mut Narrow { rows: 1, depth: 1, from: &[f32::NAN], stride: 1, to: &mut to });
        assert!(widen(to[0] as u16).is_nan());
        weave(&mut Weave { rows: 1, cols: 1, from: &[f32::NAN], to: &mut to });
        assert!(widen(to[0] as u16).is_nan());
    }

    pub fn sit(run: &dyn Fn(&Gemm<u32>, &mut [f32]), scalar: &dyn Fn(&Gemm<u32>, &mut [f32])) {
        for rows in [0, 1, 2, 5, 6, 7, 11, 12, 13, 25] {
            for cols in [0, 1, 2, 3, 4, 5, 8].map(|groups| groups * GROUP) {
                for words in [0, 1, 2, 12, 33] {
                    for scale in [1.0, 1e-15] {
                        one(rows, cols, words, scale, run, scalar);
                    }
                }
            }
        }
    }

    /// Two neighbours as the product sees them.
    fn two(word: u32) -> [f64; 2] {
        [word & 0xffff, word >> 16].map(|half| f64::from(widen(half as u16)))
    }

    fn one(
        rows: usize,
        cols: usize,
        words: usize,
        scale: f32,
        run: &dyn Fn(&Gemm<u32>, &mut [f32]),
        scalar: &dyn Fn(&Gemm<u32>, &mut [f32]),
    ) {
        let (out_stride, stride) = (cols + 3, cols + 1);
        let random_words = |key, len: usize| -> Vec<u32> {
            let values = random(key, 2 * len);
            values.chunks(2).map(|two| pair(held(two[0] * scale), held(two[1] * scale))).collect()
        };
        let a = random_words(1, rows * words + 1);
        let b = random_words(2, words * stride + 1);
        let (bias, before) = (random(3, cols), random(4, rows * out_stride + 5));
        let b_at = |k: usize, col: usize| b[k * stride + col];
        let packed: Vec<u32> =
            pack(words, cols, |k, col| f32::from_bits(b_at(k, col))).into_iter().map(f32::to_bits).collect();
        let lefts = [
            Left { values: &a, row_stride: words, depth_stride: 1 },
            Left { values: &a, row_stride: 1, depth_stride: rows },
        ];
        for left in lefts {
            for right in [Right::Packed(&packed[..]), Right::Rows { values: &b, stride }] {
                for start in [Start::Zero, Start::Bias(&bias), Start::Out] {
                    let gemm = Gemm { rows, cols, depth: words, left, right, start, out_stride };
                    let mut out = before.clone();
                    run(&gemm, &mut out);
                    let (mut got, mut wanted) = (Vec::new(), Vec::new());
                    for (row, col) in (0..rows).flat_map(|row| (0..cols).map(move |col| (row, col))) {
                        let at = row * out_stride + col;
                        got.push(out[at]);
                        let first = match start {
                            Start::Zero => 0.0,
                            Start::Bias(bias) => f64::from(bias[col]),
                            Start::Out => f64::from(before[at]),
                        };
                        let dot = (0..words).map(|k| {
                            let a = two(left.values[row * left.row_stride + k * left.depth_stride]);
                            let b = two(b_at(k, col));
                            a[0] * b[0] + a[1] * b[1]
                        });
                        wanted.push(first + dot.sum::<f64>());
                    }
                    let place = format!("{rows} x {cols} x {words}, {start:?}, {scale}");
                    assert_close(&got, &wanted, 1e-6, &place);
                    for row in 0..rows {
                        let gap = row * out_stride + cols..(row + 1) * out_stride;
                        assert_eq!(out[gap.clone()], before[gap]);
                    }
                    let right = Right::Rows { values: &b[..], stride };
                    let mut chain = before.clone();
                    scalar(&Gemm { right, ..gemm }, &mut chain);
                    assert_eq!(bits(&out), bits(&chain), "{place}");
                }
            }
        }
    }

    #[test]
    fn no_product_of_what_is_held_is_subnormal() {
        let least = widen(round(LEAST));
        assert_eq!(least, LEAST);
        assert_eq!([held(-LEAST), held(2.7e-17), held(f32::MIN_POSITIVE)], [-LEAST, 0.0, 0.0]);
        // The last bit of the smallest product.
        let bit = f64::from(LEAST).powi(2) / f64::from(1 << 14);
        assert!(
            bit >= f64::from(f32::MIN_POSITIVE)
                && f64::from(LEAST_BIAS) * 2f64.powi(-23) >= f64::from(f32::MIN_POSITIVE)
        );
    }
}
