//! Products in bfloat16 with sums in f32: half the bytes of a weight, twice the multiply-adds of an instruction.
//!
//! A bfloat16 is the upper half of an f32, rounded to nearest, ties to even; subnormal numbers become zero, as
//! `VCVTNEPS2BF16` does it (Intel, Software Developer's Manual, volume 2). Two neighbours along the depth share a word, the
//! lower index in the lower half; an odd depth is filled up with zero.
//!
//! ```text
//! out[row][col] = start + sum over words k, ascending, of      sum = fma(a_even, b_even, fma(a_odd, b_odd, sum))
//! ```
//!
//! A product of two bfloat16 is exact in f32, so each word adds two roundings. `VDPBF16PS` treats subnormal results as
//! zero; the other instruction sets do not, which shows only where every product of a sum is below 2^-126.
//!
//! Shapes: the left matrix is `[rows, words]`; the right one is `[words, cols]`, packed in panels of 64 columns as
//! [`Right::Packed`](super::gemm::Right::Packed), `cols` being a multiple of 64.

use super::gemm::{GROUP, PANEL, Start};
use super::lstm_cell::Forward;
use super::tail;

/// Columns of a panel.
pub const WIDTH: usize = PANEL * GROUP;

/// Rows of f32 to be rounded into words of two.
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
    /// `[rows, depth / 2 rounded up]`.
    pub to: &'a mut [u32],
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
    /// `[rows, words]`.
    pub left: &'a [u32],
    /// Packed `[words, cols]`.
    pub right: &'a [u32],
    /// The [tail](super::tail) of the last panel, where there is one row; or empty.
    pub tail: &'a [u32],
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

/// The nearest bfloat16.
#[must_use]
pub const fn round(x: f32) -> u16 {
    let bits = x.to_bits();
    let sign = (bits >> 16) as u16 & 0x8000;
    if x.is_nan() {
        // Quiet, and no carry may turn it into a number.
        return (bits >> 16) as u16 | 0x40;
    }
    if bits & 0x7f80_0000 == 0 {
        return sign;
    }
    let tie_to_even = (bits >> 16) & 1;
    (bits.wrapping_add(0x7fff + tie_to_even) >> 16) as u16
}

/// The f32 of the same value.
#[must_use]
pub const fn widen(x: u16) -> f32 {
    f32::from_bits((x as u32) << 16)
}

/// A word of two neighbours.
#[must_use]
pub const fn pair(even: f32, odd: f32) -> u32 {
    round(even) as u32 | (round(odd) as u32) << 16
}

impl Narrow<'_> {
    /// Words of a row.
    #[must_use]
    pub const fn words(&self) -> usize {
        self.depth.div_ceil(2)
    }

    /// Checks the slices against the shape.
    ///
    /// # Panics
    /// When one is too short: the caller's arithmetic is wrong, and a kernel must not run.
    pub fn check(&self) {
        assert!(rows_within(self.from, self.rows, self.stride, self.depth), "from is too short");
        let wanted = self.rows.checked_mul(self.words());
        assert!(wanted.is_some_and(|wanted| self.to.len() >= wanted), "to is too short");
    }
}

impl Product<'_> {
    /// Checks that every access of a kernel lies within the slices.
    ///
    /// # Panics
    /// When one does not: the caller's arithmetic is wrong, and a kernel must not run.
    pub fn check(&self, out: &[f32]) {
        let Self { rows, cols, words, left, right, tail, start } = *self;
        assert!(tail::fits(tail.len(), words, cols), "a tail of {}", tail.len());
        assert!(tail.is_empty() || rows == 1, "a tail for {rows} rows");
        assert!(cols.is_multiple_of(WIDTH), "{cols} columns are no multiple of {WIDTH}");
        let within = |len: usize, a: usize, b: usize| a.checked_mul(b).is_some_and(|wanted| len >= wanted);
        assert!(within(left.len(), rows, words), "left is too short");
        assert!(within(right.len(), words, cols), "right is too short");
        assert!(within(out.len(), rows, cols), "out is too short");
        if let Start::Bias(bias) = start {
            assert!(bias.len() >= cols, "bias is too short");
        }
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

/// Whether `values` hold `rows` rows of `depth`, `stride` apart.
pub(super) fn rows_within(values: &[f32], rows: usize, stride: usize, depth: usize) -> bool {
    let last = rows.saturating_sub(1).checked_mul(stride).and_then(|at| at.checked_add(depth));
    rows == 0 || depth == 0 || (rows == 1 || stride >= depth) && last.is_some_and(|end| end <= values.len())
}

#[cfg(test)]
pub(crate) mod exam {
    use super::*;
    use crate::conformance::{assert_close, random};
    use crate::op::activation::exam::bits;
    use crate::op::gemm::exam::pack;

    /// A row of words for a row of values.
    fn pairs(row: &[f32]) -> Vec<u32> {
        row.chunks(2).map(|two| pair(two[0], two.get(1).copied().unwrap_or(0.0))).collect()
    }

    pub fn sit_narrow(run: &dyn Fn(&mut Narrow)) {
        let special = [0.0, -0.0, 1e-40, -1e-40, f32::MIN_POSITIVE, 1.0, 1.003_906_2, 1.011_718_8, -3.3e38];
        for depth in 1..70 {
            let (rows, stride) = (3, depth + 2);
            let mut from = random(depth as u64, rows * stride);
            from.iter_mut().zip(special).for_each(|(slot, value)| *slot = value);
            let mut to = vec![7; rows * depth.div_ceil(2) + 2];
            run(&mut Narrow { rows, depth, from: &from, stride, to: &mut to });
            let wanted: Vec<u32> =
                (0..rows).flat_map(|row| pairs(&from[row * stride..][..depth])).chain([7, 7]).collect();
            assert_eq!(to, wanted, "{depth}");
        }
    }

    pub fn sit(run: &dyn Fn(&Product, &mut [f32]), scalar: &dyn Fn(&Product, &mut [f32])) {
        for rows in [0, 1, 2, 5, 6, 7, 13] {
            for cols in [0, 1, 2, 3, 4, 5, 7].map(|panels| panels * WIDTH) {
                for depth in [0, 1, 2, 13, 64] {
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
                let words = depth.div_ceil(2);
                let left = pairs(&random(8, depth));
                let mut right: Vec<u32> =
                    random(9, 2 * words * cols).chunks(2).map(|two| pair(two[0], two[1])).collect();
                let tail = cut(&mut right, &mut bias, last);
                let start = Start::Bias(&bias);
                let whole = Product { rows: 1, cols, words, left: &left, right: &right, tail: &tail, start };
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
                let place = format!("{groups} groups, depth {depth}, {last} in the last");
                assert_eq!((bits(&c), bits(&h)), (bits(&c_two), bits(&h_two)), "{place}");
            }
        }
    }

    /// Units in the last group of a product with one row: no tail, and the two that there are.
    pub const TAILS: [usize; 3] = [0, 4, 8];

    /// Leaves but `units` units in the last panel, and gives its tail.
    pub fn cut(right: &mut [u32], bias: &mut [f32], units: usize) -> Vec<u32> {
        if units == 0 || bias.is_empty() {
            return Vec::new();
        }
        let start = right.len() - right.len() / (bias.len() / WIDTH);
        for gate in right[start..].chunks_exact_mut(GROUP) {
            gate[units..].fill(0);
        }
        let last = bias.len() - WIDTH;
        for gate in bias[last..].chunks_exact_mut(GROUP) {
            gate[units..].fill(0.0);
        }
        tail::fold(&right[start..], units)
    }

    fn one(
        (rows, last): (usize, usize),
        cols: usize,
        depth: usize,
        run: &dyn Fn(&Product, &mut [f32]),
        scalar: &dyn Fn(&Product, &mut [f32]),
    ) {
        let words = depth.div_ceil(2);
        let (a, b) = (random(1, rows * depth), random(2, depth * cols));
        let left: Vec<u32> = a.chunks(depth.max(1)).flat_map(pairs).collect();
        let padding = |col: usize| last > 0 && col / WIDTH + 1 == cols / WIDTH && col % GROUP >= last;
        let b_at = |k: usize, col: usize| if k < depth && !padding(col) { b[k * cols + col] } else { 0.0 };
        let mut right: Vec<u32> = {
            let word = |k: usize, col: usize| f32::from_bits(pair(b_at(2 * k, col), b_at(2 * k + 1, col)));
            pack(words, cols, word).into_iter().map(f32::to_bits).collect()
        };
        let mut bias = random(3, cols);
        let tail = cut(&mut right, &mut bias, last);
        let before = random(4, rows * cols + 3);
        for start in [Start::Zero, Start::Bias(&bias), Start::Out] {
            let product = Product { rows, cols, words, left: &left, right: &right, tail: &tail, start };
            let mut out = before.clone();
            run(&product, &mut out);
            let exact = |x: f32| f64::from(widen(round(x)));
            let wanted: Vec<f64> = (0..rows * cols)
                .map(|at| {
                    let (row, col) = (at / cols, at % cols);
                    let first = match start {
                        Start::Zero => 0.0,
                        Start::Bias(bias) => f64::from(bias[col]),
                        Start::Out => f64::from(before[at]),
                    };
                    first + (0..depth).map(|k| exact(a[row * depth + k]) * exact(b_at(k, col))).sum::<f64>()
                })
                .collect();
            let place = format!("{rows} x {cols} x {depth}, {start:?}");
            assert_close(&out[..rows * cols], &wanted, 1e-6, &place);
            assert_eq!(out[rows * cols..], before[rows * cols..], "{place}");
            let mut chain = before.clone();
            scalar(&product, &mut chain);
            assert_eq!(bits(&out), bits(&chain), "{place}");
        }
    }

    #[test]
    fn rounds_to_nearest_even() {
        let cases: [(u32, u16); 8] = [
            (0x3f80_8000, 0x3f80),
            (0x3f81_8000, 0x3f82),
            (0x3f80_8001, 0x3f81),
            (0xbf80_7fff, 0xbf80),
            (0x8000_0001, 0x8000),
            (0x7f7f_ffff, 0x7f80),
            (0x7fff_ffff, 0x7fff),
            (0xff80_0001, 0xffc0),
        ];
        for (from, to) in cases {
            assert_eq!(round(f32::from_bits(from)), to, "{from:#x}");
        }
    }
}
