//! One weight matrix in the precision in which it is multiplied, and the rounded rows that it is multiplied with.

use std::fmt;
use std::str::FromStr;

use diapason_buffer::buffer::{Element, OutOfMemory};
use diapason_buffer::{Alignment, Buffer};
use serde::{Deserialize, Serialize};

use crate::cpu::Kernels;
use crate::op::bf16::{self, WIDTH, pair};
use crate::op::gemm::{Gemm, Start};
use crate::op::int8::{self, Range};
use crate::op::tail;

/// In what a model's two matrix products are computed. Sums, biases, activations, states and the head are f32 in each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 24 bits of mantissa.
    #[default]
    F32,
    /// Weights, features and hidden states with 8 bits of mantissa: half the bytes.
    Bf16,
    /// Weights in 8 bits with a scale for each gate of each unit, features with a scale for each row, hidden states in
    /// multiples of 1/127: a quarter of the bytes.
    Int8,
}

impl Precision {
    /// Every precision, the most exact first.
    pub const ALL: [Self; 3] = [Self::F32, Self::Bf16, Self::Int8];

    /// In what a model can be trained.
    pub const TRAINING: [Self; 2] = [Self::F32, Self::Bf16];

    /// The name in options and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
        }
    }

    /// Values in a word of a rounded row.
    const fn share(self) -> usize {
        match self {
            Self::F32 => 1,
            Self::Bf16 => 2,
            Self::Int8 => 4,
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no precision.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown precision {name:?}; there are f32, bf16 and int8")]
pub struct PrecisionError {
    /// The name as given.
    pub name: String,
}

impl FromStr for Precision {
    type Err = PrecisionError;

    fn from_str(name: &str) -> Result<Self, PrecisionError> {
        let known = Self::ALL.into_iter().find(|precision| precision.name() == name);
        known.ok_or_else(|| PrecisionError { name: name.to_owned() })
    }
}

/// Where so many bytes of weights are placed: on huge pages where they fill one. A tick reads all of them, and small pages of
/// more than a few megabytes are more than a core keeps addresses of.
pub(super) const fn placement(bytes: usize) -> Alignment {
    if bytes >= Alignment::HUGE_PAGE.bytes() { Alignment::HUGE_PAGE } else { Alignment::CACHE_LINE }
}

/// A copy of weights.
fn copied<T: Element>(values: &[T]) -> Result<Buffer<T>, OutOfMemory> {
    Buffer::copied(values, placement(size_of_val(values)))
}

/// A packed matrix `[depth, cols]`.
#[derive(Debug)]
pub(super) struct Matrix {
    pub depth: usize,
    cols: usize,
    values: Values,
    /// The words of the last panel's [tail], where it has one.
    tail: Buffer<u32>,
}

#[derive(Debug)]
enum Values {
    F32(Buffer<f32>),
    Bf16(Buffer<u32>),
    Int8 { words: Buffer<u32>, scale: Buffer<f32>, offset: Buffer<i32> },
}

/// Rows that a matrix is multiplied with: row `r` starts at `r * stride`.
#[derive(Clone, Copy)]
pub(super) struct Input<'a> {
    pub values: &'a [f32],
    pub stride: usize,
    /// What is known of the values.
    pub range: Range,
}

/// Room for the same rows, rounded.
#[derive(Debug)]
pub(super) struct Narrowed {
    words: Buffer<u32>,
    scale: Buffer<f32>,
}

impl Narrowed {
    /// Room for `rows` rows of at most `depth` values.
    pub fn new(rows: usize, depth: usize, precision: Precision) -> Result<Self, OutOfMemory> {
        let words = match precision {
            Precision::F32 => 0,
            Precision::Bf16 | Precision::Int8 => rows.saturating_mul(depth.div_ceil(precision.share())),
        };
        let scales = if precision == Precision::Int8 { rows } else { 0 };
        let words = Buffer::zeroed(words, Alignment::CACHE_LINE)?;
        Ok(Self { words, scale: Buffer::zeroed(scales, Alignment::CACHE_LINE)? })
    }
}

impl Matrix {
    /// Takes over a matrix that is packed in f32.
    pub fn new(
        full: Buffer<f32>,
        depth: usize,
        cols: usize,
        precision: Precision,
    ) -> Result<Self, OutOfMemory> {
        let at = |k: usize, col: usize| {
            if k < depth { full[col / WIDTH * WIDTH * depth + k * WIDTH + col % WIDTH] } else { 0.0 }
        };
        let values = match precision {
            Precision::F32 => Values::F32(full),
            Precision::Bf16 => {
                let len = depth.div_ceil(2) * cols;
                let mut words = Buffer::zeroed(len, placement(size_of::<u32>() * len))?;
                let panels = words.chunks_exact_mut((depth.div_ceil(2) * WIDTH).max(1));
                for (panel, words) in panels.enumerate() {
                    for (place, word) in words.iter_mut().enumerate() {
                        let (k, col) = (place / WIDTH * 2, panel * WIDTH + place % WIDTH);
                        *word = pair(at(k, col), at(k + 1, col));
                    }
                }
                Values::Bf16(words)
            }
            Precision::Int8 => {
                let (scale, offset, words) = int8::columns(depth, cols, at);
                Values::Int8 {
                    words: copied(&words)?,
                    scale: Buffer::copied(&scale, Alignment::CACHE_LINE)?,
                    offset: Buffer::copied(&offset, Alignment::CACHE_LINE)?,
                }
            }
        };
        Ok(Self { depth, cols, values, tail: Buffer::zeroed(0, Alignment::CACHE_LINE)? })
    }

    /// The same with a tail, for a matrix whose columns are the gates of `hidden` units.
    pub fn with_tail(mut self, hidden: usize) -> Result<Self, OutOfMemory> {
        let units = tail::units(hidden);
        if let Values::Bf16(words) | Values::Int8 { words, .. } = &self.values
            && units > 0
        {
            let last = words.len() - words.len() / (self.cols / WIDTH);
            self.tail = Buffer::copied(&tail::fold(&words[last..], units), Alignment::CACHE_LINE)?;
        }
        Ok(self)
    }

    /// A copy of some columns, whole panels of them.
    pub fn share(&self, cols: &std::ops::Range<usize>) -> Result<Self, OutOfMemory> {
        let panels = |words: usize| cols.start * words..cols.end * words;
        let depth = self.depth;
        let values = match &self.values {
            Values::F32(values) => Values::F32(copied(&values[panels(depth)])?),
            Values::Bf16(words) => Values::Bf16(copied(&words[panels(depth.div_ceil(2))])?),
            Values::Int8 { words, scale, offset } => Values::Int8 {
                words: copied(&words[panels(depth.div_ceil(4))])?,
                scale: Buffer::copied(&scale[cols.clone()], Alignment::CACHE_LINE)?,
                offset: Buffer::copied(&offset[cols.clone()], Alignment::CACHE_LINE)?,
            },
        };
        let tail = if cols.end == self.cols { &self.tail[..] } else { &[] };
        Ok(Self { depth, cols: cols.len(), values, tail: Buffer::copied(tail, Alignment::CACHE_LINE)? })
    }

    /// The packed values, where they are f32.
    pub fn f32(&self) -> Option<&[f32]> {
        match &self.values {
            Values::F32(values) => Some(values),
            Values::Bf16(_) | Values::Int8 { .. } => None,
        }
    }

    /// Reads what a product with one row reads first, so that it lies in the first-level cache: of up to three panels as
    /// much as leaves room for the rest of a tick.
    pub fn touch(&self) {
        const BYTES: usize = 6 << 10;
        fn read<T: Copy>(values: &[T], panels: usize) {
            let stride = values.len() / panels.max(1);
            for panel in 0..panels.min(3) {
                let first = &values[panel * stride..][..stride.min(BYTES / size_of::<T>())];
                for value in first.iter().step_by(64 / size_of::<T>()) {
                    std::hint::black_box(*value);
                }
            }
        }
        let panels = self.cols / WIDTH;
        match &self.values {
            Values::F32(values) => read(values, panels),
            Values::Bf16(words) | Values::Int8 { words, .. } => read(words, panels),
        }
    }

    /// Bytes that lie where huge pages were asked for.
    pub fn bytes_huge(&self) -> usize {
        let (alignment, bytes) = match &self.values {
            Values::F32(values) => (values.alignment(), size_of_val(values.as_ref())),
            Values::Bf16(words) | Values::Int8 { words, .. } => {
                (words.alignment(), size_of_val(words.as_ref()))
            }
        };
        if alignment >= Alignment::HUGE_PAGE.bytes() { bytes } else { 0 }
    }

    /// Whether a product with one row reads a tail in the place of the last panel.
    pub fn has_tail(&self) -> bool {
        !self.tail.is_empty()
    }

    /// Bytes of the matrix, without the tail.
    pub fn bytes(&self) -> usize {
        match &self.values {
            Values::F32(values) => size_of_val(values.as_ref()),
            Values::Bf16(words) => size_of_val(words.as_ref()),
            Values::Int8 { words, scale, offset } => {
                size_of_val(words.as_ref()) + size_of_val(scale.as_ref()) + size_of_val(offset.as_ref())
            }
        }
    }

    /// Multiplies the first `rows` rows of `input` with the matrix, into rows of `out` that follow each other.
    pub fn product(
        &self,
        kernels: &Kernels,
        (rows, input): (usize, Input),
        start: Start,
        narrowed: &mut Narrowed,
        out: &mut [f32],
    ) {
        match &self.values {
            Values::F32(right) => {
                let (left, right) = ((input.values, input.stride), (self.depth, self.cols, right.as_ref()));
                kernels.gemm(&Gemm::packed(rows, left, right, start), out);
            }
            Values::Bf16(right) => {
                kernels.bf16(&self.bf16(kernels, (rows, input), right, start, narrowed), out);
            }
            Values::Int8 { words, scale, offset } => {
                let right = (words.as_ref(), scale.as_ref(), offset.as_ref());
                kernels.int8(&self.int8(kernels, (rows, input), right, start, narrowed), out);
            }
        }
    }

    /// What a product with one row reads in the place of the last panel.
    fn tail(&self, rows: usize) -> &[u32] {
        if rows == 1 { &self.tail } else { &[] }
    }

    /// The product with rows that are rounded into `narrowed` first.
    fn bf16<'a>(
        &'a self,
        kernels: &Kernels,
        (rows, Input { values: from, stride, .. }): (usize, Input),
        right: &'a [u32],
        start: Start<'a>,
        narrowed: &'a mut Narrowed,
    ) -> bf16::Product<'a> {
        let (depth, cols, tail) = (self.depth, self.cols, self.tail(rows));
        let to = &mut narrowed.words;
        kernels.bf16_narrow(&mut bf16::Narrow { rows, depth, from, stride, to });
        let (words, left) = (depth.div_ceil(2), narrowed.words.as_ref());
        bf16::Product { rows, cols, words, left, right, tail, start }
    }

    /// The same in 8-bit integers; `right` are words, scales and offsets.
    fn int8<'a>(
        &'a self,
        kernels: &Kernels,
        (rows, Input { values: from, stride, range }): (usize, Input),
        (right, right_scale, offset): (&'a [u32], &'a [f32], &'a [i32]),
        start: Start<'a>,
        narrowed: &'a mut Narrowed,
    ) -> int8::Product<'a> {
        let (depth, cols, tail) = (self.depth, self.cols, self.tail(rows));
        let (to, scale) = (narrowed.words.as_mut(), narrowed.scale.as_mut());
        kernels.int8_narrow(&mut int8::Narrow { rows, depth, from, stride, range, to, scale });
        let (left, left_scale) = (narrowed.words.as_ref(), narrowed.scale.as_ref());
        let words = depth.div_ceil(4);
        int8::Product { rows, cols, words, left, left_scale, right, tail, right_scale, offset, start }
    }
}

/// One layer's step of one series in reduced precision.
pub(super) struct Cell<'a> {
    pub bias: &'a [f32],
    /// The hidden state's part of the sums.
    pub sums: &'a [f32],
    pub c_before: &'a [f32],
    pub c: &'a mut [f32],
    pub h: &'a mut [f32],
    pub gates: &'a mut [f32],
}

impl Matrix {
    /// The product of one row, and the cell. `after` is the matrix that will be read next.
    pub fn step(
        &self,
        kernels: &Kernels,
        x: Input,
        cell: Cell,
        after: Option<&Self>,
        narrowed: &mut Narrowed,
    ) {
        let Cell { bias, sums, c_before, c, h, gates } = cell;
        let start = Start::Bias(bias);
        let after = match after.map(|after| &after.values) {
            Some(Values::Bf16(words) | Values::Int8 { words, .. }) => words.as_ref(),
            Some(Values::F32(_)) | None => &[],
        };
        match &self.values {
            Values::F32(_) => {}
            Values::Bf16(right) => {
                let product = self.bf16(kernels, (1, x), right, start, narrowed);
                kernels.bf16_step(&mut bf16::Step { product, sums, after, c_before, c, h, gates });
            }
            Values::Int8 { words, scale, offset } => {
                let right = (words.as_ref(), scale.as_ref(), offset.as_ref());
                let product = self.int8(kernels, (1, x), right, start, narrowed);
                kernels.int8_step(&mut int8::Step { product, sums, after, c_before, c, h, gates });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::{assert_close, random};
    use crate::isa::Isa;
    use crate::op::gemm::exam::pack;

    #[test]
    fn every_precision_multiplies_the_same_matrix() {
        let kernels = Kernels::new(Some(Isa::Scalar)).unwrap();
        for (depth, cols) in [(1, 64), (5, 128), (32, 192)] {
            let weight = random(1, depth * cols);
            let x = random(2, 2 * depth);
            let wanted: Vec<f64> = (0..2 * cols)
                .map(|at| {
                    let dot = |k: usize| f64::from(x[at / cols * depth + k] * weight[k * cols + at % cols]);
                    (0..depth).map(dot).sum()
                })
                .collect();
            for (precision, tolerance) in
                [(Precision::F32, 1e-6), (Precision::Bf16, 1e-2), (Precision::Int8, 2e-2)]
            {
                let full = pack(depth, cols, |k, col| weight[k * cols + col]);
                let full = Buffer::copied(&full, Alignment::CACHE_LINE).unwrap();
                let matrix = Matrix::new(full, depth, cols, precision).unwrap();
                assert_eq!(matrix.f32().is_some(), precision == Precision::F32);
                let mut narrowed = Narrowed::new(2, depth, precision).unwrap();
                let mut out = vec![0.0; 2 * cols];
                let input = Input { values: &x, stride: depth, range: Range::Row };
                matrix.product(&kernels, (2, input), Start::Zero, &mut narrowed, &mut out);
                assert_close(&out, &wanted, tolerance, precision.name());
            }
        }
    }

    #[test]
    fn names_are_read_back() {
        for precision in Precision::ALL {
            assert_eq!(precision.name().parse(), Ok(precision));
        }
        let message = "fp8".parse::<Precision>().unwrap_err().to_string();
        assert_eq!(message, "unknown precision \"fp8\"; there are f32, bf16 and int8");
    }
}
