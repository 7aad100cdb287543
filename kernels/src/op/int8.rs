//! Products in 8-bit integers: a quarter of the bytes of a weight, exact sums.
//!
//! A weight matrix has one scale a column, the greatest magnitude over 127. A row of the left matrix has one scale,
//! measured on the row itself or, for hidden states, which lie in -1..1, fixed at 1/127. Values are rounded to
//! nearest, ties to even. Left values are kept as unsigned bytes, 128 more than they are, as `VPDPBUSD` wants its first
//! operand (Intel, Software Developer's Manual, volume 2); `offset`, minus 128 times the column's sum, takes that away.
//!
//! ```text
//! n = offset[col] + sum of a b          32-bit, exact up to a depth of 65,536
//! s = left_scale[row] * right_scale[col]
//! out = n s,   fma(n, s, bias[col])   or   n s + out
//! ```
//!
//! Four neighbours along the depth share a word, the lowest index in the lowest byte. Shapes as in [`super::bf16`].

use super::bf16::{WIDTH, rows_within};
use super::gemm::{PANEL, Start};
use super::lstm_cell::Forward;

/// The greatest depth: 65,536 products of 255 and 127 fit an i32.
pub const DEPTH_MAX: usize = 1 << 16;

/// A row whose greatest magnitude is below this counts as zero, so that the inverse of its scale is finite.
pub const TINY: f32 = 1e-30;

/// What the rounded values are multiples of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// 1/127: every value lies in -1..1.
    Unit,
    /// The row's own greatest magnitude over 127.
    Row,
}

/// Rows of f32 to be rounded into words of four.
#[derive(Debug)]
pub struct Narrow<'a> {
    /// Rows.
    pub rows: usize,
    /// Values of a row.
    pub depth: usize,
    /// The values; row `r` starts at `r * stride`.
    pub from: &'a [f32],
    /// Between rows of `from`.
    pub stride: usize,
    /// What the rounded values are multiples of.
    pub range: Range,
    /// `[rows, depth / 4 rounded up]`.
    pub to: &'a mut [u32],
    /// `[rows]`.
    pub scale: &'a mut [f32],
}

/// One product of rounded matrices.
#[derive(Clone, Copy, Debug)]
pub struct Product<'a> {
    /// Rows of the left matrix and of `out`.
    pub rows: usize,
    /// Columns of the right matrix and of `out`.
    pub cols: usize,
    /// Words of a row of the left matrix.
    pub words: usize,
    /// `[rows, words]`, unsigned.
    pub left: &'a [u32],
    /// `[rows]`.
    pub left_scale: &'a [f32],
    /// Packed `[words, cols]`, signed.
    pub right: &'a [u32],
    /// The [tail](super::tail) of the last panel, where there is one row; or empty.
    pub tail: &'a [u32],
    /// `[cols]`.
    pub right_scale: &'a [f32],
    /// `[cols]`.
    pub offset: &'a [i32],
    /// What the sums start from, or are added to.
    pub start: Start<'a>,
}

/// # Safety
/// The processor has the instruction set of the row in which the function stands.
pub type RunNarrow = unsafe fn(&mut Narrow);

/// One layer's step of one series: the product with its input, then the cell of `lstm_cell`, which begins while the next
/// weights are on their way.
#[derive(Debug)]
pub struct Step<'a> {
    /// The product of one row; it starts from the bias.
    pub product: Product<'a>,
    /// The hidden state's part of the sums, `[4 units]`.
    pub sums: &'a [f32],
    /// What will be read next, to be fetched while the last cells are at work; or empty.
    pub after: &'a [u32],
    /// Cell state before the step, `[units]`.
    pub c_before: &'a [f32],
    /// Cell state after it.
    pub c: &'a mut [f32],
    /// Hidden state after it.
    pub h: &'a mut [f32],
    /// Room for `[4 units]`.
    pub gates: &'a mut [f32],
}

/// # Safety
/// The processor has the instruction set of the row in which the function stands.
pub type RunStep = unsafe fn(&mut Step);

/// Computes the product into `[rows, cols]`.
///
/// # Safety
/// The processor has the instruction set of the row in which the function stands.
pub type Run = unsafe fn(&Product, &mut [f32]);

/// Scale of values up to `max`, and its inverse.
#[must_use]
pub fn scale(max: f32) -> (f32, f32) {
    if max < TINY { (0.0, 0.0) } else { (max / 127.0, 127.0 / max) }
}

/// The nearest multiple.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the cast saturates, and the caller's scale keeps it within"
)]
pub fn round(x: f32, inverse: f32) -> i8 {
    (x * inverse).round_ties_even() as i8
}

impl Narrow<'_> {
    /// Words of a row.
    #[must_use]
    pub const fn words(&self) -> usize {
        self.depth.div_ceil(4)
    }

    /// Checks the slices against the shape.
    ///
    /// # Panics
    /// When one is too short: the caller's arithmetic is wrong, and a kernel must not run.
    pub fn check(&self) {
        assert!(rows_within(self.from, self.rows, self.stride, self.depth), "from is too short");
        let wanted = self.rows.checked_mul(self.words());
        assert!(wanted.is_some_and(|wanted| self.to.len() >= wanted), "to is too short");
        assert!(self.scale.len() >= self.rows, "scale is too short");
    }
}

impl Product<'_> {
    /// Checks that every access of a kernel lies within the slices.
    ///
    /// # Panics
    /// When one does not: the caller's arithmetic is wrong, and a kernel must not run.
    pub fn check(&self, out: &[f32]) {
        let Self { rows, cols, words, left, right, tail, start, .. } = *self;
        assert!(words <= DEPTH_MAX / 4, "{words} words overflow a sum");
        let product = super::bf16::Product { rows, cols, words, left, right, tail, start };
        product.check(out);
        assert!(self.left_scale.len() >= rows, "left_scale is too short");
        assert!(self.right_scale.len() >= cols && self.offset.len() >= cols, "a column has no scale");
    }
}

impl Step<'_> {
    /// Checks the slices against the shape.
    ///
    /// # Panics
    /// When one is too short: the caller's arithmetic is wrong, and a kernel must not run.
    pub fn check(&self) {
        let gates = self.product.cols;
        assert!(self.product.rows == 1, "a step has one row, not {}", self.product.rows);
        assert!(matches!(self.product.start, Start::Bias(_)), "a step starts from the bias");
        self.product.check(self.gates);
        assert!(self.sums.len() >= gates, "the sums are too short");
        let state = gates / PANEL;
        let states = [self.c_before.len(), self.c.len(), self.h.len()];
        assert!(states.iter().all(|len| *len >= state), "states are too short");
    }

    /// The cell behind the product, when `gates` holds that.
    #[must_use]
    pub fn cell(&mut self) -> Forward<'_> {
        let units = self.product.cols / PANEL;
        for (gate, sum) in self.gates.iter_mut().zip(self.sums).take(PANEL * units) {
            *gate += sum;
        }
        let Self { c_before, c, h, gates, .. } = self;
        Forward { rows: 1, units, gates, c_before, c, tanh_c: &mut [], h }
    }
}

/// Words, scales and offsets of a matrix `[depth, cols]` that `value(k, col)` reads.
#[must_use]
pub fn columns(
    depth: usize,
    cols: usize,
    value: impl Fn(usize, usize) -> f32,
) -> (Vec<f32>, Vec<i32>, Vec<u32>) {
    let scales: Vec<(f32, f32)> =
        (0..cols).map(|col| scale((0..depth).fold(0.0f32, |max, k| max.max(value(k, col).abs())))).collect();
    let rounded = |k: usize, col: usize| if k < depth { round(value(k, col), scales[col].1) } else { 0 };
    let offset = |col| -128 * (0..depth).map(|k| i32::from(rounded(k, col))).sum::<i32>();
    let mut words = Vec::with_capacity(depth.div_ceil(4) * cols);
    for first in (0..cols).step_by(WIDTH) {
        for k in (0..depth).step_by(4) {
            let word = |col| u32::from_le_bytes([0, 1, 2, 3].map(|at| rounded(k + at, col).cast_unsigned()));
            words.extend((first..(first + WIDTH).min(cols)).map(word));
        }
    }
    (scales.iter().map(|scale| scale.0).collect(), (0..cols).map(offset).collect(), words)
}

#[cfg(test)]
pub(crate) mod exam {
    use super::*;
    use crate::conformance::{assert_close, random};
    use crate::op::activation::exam::bits;
    use crate::op::bf16::exam::{TAILS, cut};
    use crate::op::gemm::GROUP;

    pub fn sit_narrow(run: &dyn Fn(&mut Narrow), scalar: &dyn Fn(&mut Narrow)) {
        for range in [Range::Unit, Range::Row] {
            for depth in 1..70 {
                let (rows, stride) = (4, depth + 3);
                let mut from = random(depth as u64, rows * stride);
                from[..depth].fill(if range == Range::Unit { 1.0 } else { 1e-35 });
                if range == Range::Row {
                    from[stride..].iter_mut().for_each(|x| *x *= 1e4);
                }
                let narrow = |run: &dyn Fn(&mut Narrow)| {
                    let (mut to, mut scale) = (vec![7; rows * depth.div_ceil(4) + 2], vec![7.0; rows + 1]);
                    let (to_, scale_) = (&mut to, &mut scale);
                    run(&mut Narrow { rows, depth, from: &from, stride, range, to: to_, scale: scale_ });
                    (to, scale)
                };
                let (to, scale) = narrow(run);
                assert_eq!((&to, &scale), (&narrow(scalar).0, &narrow(scalar).1), "{depth}, {range:?}");
                for row in 0..rows {
                    for k in 0..depth {
                        let byte = to[row * depth.div_ceil(4) + k / 4].to_le_bytes()[k % 4];
                        let (got, wanted) = (f32::from(byte) - 128.0, from[row * stride + k]);
                        let off = (got * scale[row] - wanted).abs();
                        assert!(
                            off <= 0.500_01 * scale[row] + TINY,
                            "{got} times {} for {wanted}",
                            scale[row]
                        );
                    }
                }
            }
        }
    }

    pub fn sit(run: &dyn Fn(&Product, &mut [f32]), scalar: &dyn Fn(&Product, &mut [f32])) {
        for rows in [0, 1, 2, 5, 6, 7, 13] {
            for cols in [0, 1, 2, 3, 4, 5, 7].map(|panels| panels * WIDTH) {
                for depth in [1, 2, 4, 13, 64] {
                    one((rows, 0), cols, depth, run, scalar);
                    if rows == 1 {
                        TAILS[1..].iter().for_each(|&last| one((1, last), cols, depth, run, scalar));
                    }
                }
            }
        }
    }

    pub fn sit_step(
        step: &dyn Fn(&mut Step),
        product: &dyn Fn(&Product, &mut [f32]),
        cell: &dyn Fn(&mut Forward),
    ) {
        for groups in [0, 1, 2, 3, 4, 5, 7] {
            for (depth, last) in
                [1, 2, 13, 64_usize].into_iter().flat_map(|depth| TAILS.map(|last| (depth, last)))
            {
                let (units, cols) = (groups * 16, groups * WIDTH);
                let (sums, mut bias, c_before) = (random(5, cols), random(6, cols), random(7, units));
                let words = depth.div_ceil(4);
                let left: Vec<u32> = random(8, words).iter().map(|x| x.to_bits()).collect();
                let mut weight = random(9, depth * cols);
                blank(&mut weight, cols, last);
                let (right_scale, offset, mut right) = columns(depth, cols, |k, col| weight[k * cols + col]);
                let tail = cut(&mut right, &mut bias, last);
                let (left, left_scale, right_scale, offset) = (&left, &[0.01], &right_scale, &offset);
                let start = Start::Bias(&bias);
                let (rows, right_) = (1, &right);
                let whole = Product {
                    rows,
                    cols,
                    words,
                    left,
                    left_scale,
                    right: right_,
                    tail: &tail,
                    right_scale,
                    offset,
                    start,
                };
                let (mut z, mut c_two, mut h_two) = (vec![0.0; cols], vec![0.0; units], vec![0.0; units]);
                product(&whole, &mut z);
                z.iter_mut().zip(&sums).for_each(|(z, sum)| *z += sum);
                cell(&mut Forward {
                    rows: 1,
                    units,
                    gates: &mut z,
                    c_before: &c_before,
                    c: &mut c_two,
                    tanh_c: &mut [],
                    h: &mut h_two,
                });
                let (mut gates, mut c, mut h) = (vec![9.0; cols], vec![9.0; units], vec![9.0; units]);
                step(&mut Step {
                    product: whole,
                    sums: &sums,
                    after: &right,
                    c_before: &c_before,
                    c: &mut c,
                    h: &mut h,
                    gates: &mut gates,
                });
                let place = format!("{groups} groups, depth {depth}");
                assert_eq!((bits(&c), bits(&h)), (bits(&c_two), bits(&h_two)), "{place}");
            }
        }
    }

    /// Zero in the padding of the last panel when it has but `units` units.
    fn blank(weight: &mut [f32], cols: usize, units: usize) {
        for row in weight.chunks_exact_mut(cols.max(1)) {
            let last = cols.saturating_sub(WIDTH);
            let padding =
                row[last..].iter_mut().enumerate().filter(|(at, _)| units > 0 && at % GROUP >= units);
            padding.for_each(|(_, value)| *value = 0.0);
        }
    }

    fn one(
        (rows, last): (usize, usize),
        cols: usize,
        depth: usize,
        run: &dyn Fn(&Product, &mut [f32]),
        scalar: &dyn Fn(&Product, &mut [f32]),
    ) {
        let words = depth.div_ceil(4);
        let (a, mut b) = (random(1, rows * depth), random(2, depth * cols));
        blank(&mut b, cols, last);
        // The extremes: every product is as great as it can be.
        let a: Vec<f32> = a.iter().enumerate().map(|(at, &x)| if at < depth { 1.0 } else { x }).collect();
        let inverse = 127.0;
        let byte = |row: usize, k: usize| {
            let value = if k < depth { a[row * depth + k] } else { 0.0 };
            (i16::from(round(value, inverse)) + 128).to_le_bytes()[0]
        };
        let left: Vec<u32> = (0..rows * words)
            .map(|at| u32::from_le_bytes([0, 1, 2, 3].map(|k| byte(at / words, at % words * 4 + k))))
            .collect();
        let left_scale = vec![1.0 / 127.0; rows];
        let (right_scale, offset, mut right) = columns(depth, cols, |k, col| b[k * cols + col]);
        let mut bias = random(3, cols);
        let tail = cut(&mut right, &mut bias, last);
        let before = random(4, rows * cols + 3);
        for start in [Start::Zero, Start::Bias(&bias), Start::Out] {
            let (left, left_scale, right, right_scale) = (&left, &left_scale, &right, &right_scale);
            let offset = &offset;
            let tail = &tail;
            let product =
                Product { rows, cols, words, left, left_scale, right, tail, right_scale, offset, start };
            let mut out = before.clone();
            run(&product, &mut out);
            let wanted: Vec<f64> = (0..rows * cols)
                .map(|at| {
                    let (row, col) = (at / cols, at % cols);
                    let first = match start {
                        Start::Zero => 0.0,
                        Start::Bias(bias) => f64::from(bias[col]),
                        Start::Out => f64::from(before[at]),
                    };
                    let exact = |k: usize| f64::from(a[row * depth + k]) * f64::from(b[k * cols + col]);
                    first + (0..depth).map(exact).sum::<f64>()
                })
                .collect();
            let place = format!("{rows} x {cols} x {depth}, {start:?}");
            assert_close(&out[..rows * cols], &wanted, 2e-2, &place);
            assert_eq!(out[rows * cols..], before[rows * cols..], "{place}");
            let mut chain = before.clone();
            scalar(&product, &mut chain);
            assert_eq!(bits(&out), bits(&chain), "{place}");
        }
    }
}
