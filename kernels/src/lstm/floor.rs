//! How fast this processor can be at a compiled model: the rates of its own product and of reading its weights.
//!
//! The rate of computing is that of the product that the model runs, rounding of rows included, on operands that stay in
//! the caches next to the core. The rate of reading is that of a loop that adds up as many bytes as a step of one
//! series reads, over and over, so from that level of the memory where the weights stay. Each is the best of some
//! milliseconds of one thread: what other programs take from the core shows as a higher floor, never as a lower one.

use std::fmt;
use std::hint::black_box;
use std::time::{Duration, Instant};

use diapason_buffer::buffer::OutOfMemory;
use diapason_buffer::{Alignment, Buffer};

use super::compile::Executable;
use super::matrix::{Input, Matrix, Narrowed};
use crate::op::gemm::Start;
use crate::op::int8::Range;

/// How long each rate is measured.
const EFFORT: Duration = Duration::from_millis(8);
/// Rows, depth and columns of the product: some full tiles, whose right side is some panels of 16 KiB in f32.
const PRODUCT: [usize; 3] = [48, 64, 256];

/// The floors of a compiled model on one core of this host.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Floor {
    /// Bytes that a step of one series reads.
    pub bytes: usize,
    /// Operations of a step of one series, a multiplication and an addition being two; padding not counted.
    pub flop: usize,
    /// At most so many bytes are read in a second.
    pub bytes_per_second: f64,
    /// At most so many operations are done in a second.
    pub flop_per_second: f64,
}

impl Floor {
    /// Seconds that a step of one series takes at least: every weight is read, and multiplied once.
    #[must_use]
    pub fn step(&self) -> f64 {
        (self.bytes as f64 / self.bytes_per_second).max(self.batch_step())
    }

    /// Seconds that a step of a window takes at least in a large batch, which reads a weight for many windows at once.
    #[must_use]
    pub fn batch_step(&self) -> f64 {
        self.flop as f64 / self.flop_per_second
    }
}

impl fmt::Display for Floor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bytes, flop, .. } = self;
        let (read, done) = (self.bytes_per_second / 1e9, self.flop_per_second / 1e9);
        writeln!(
            f,
            "rates        {read:.0} GB/s read and {done:.0} GFLOP/s in products, measured here on one core"
        )?;
        writeln!(f, "floor, tick  {:.3} us for {bytes} bytes and {flop} FLOP", 1e6 * self.step())?;
        write!(f, "floor, batch {:.3} us for each step of a window", 1e6 * self.batch_step())
    }
}

impl Executable {
    /// Measures the floors, which takes this thread some milliseconds.
    ///
    /// # Errors
    /// [`OutOfMemory`] when there is no room for what is read and multiplied.
    pub fn floor(&self) -> Result<Floor, OutOfMemory> {
        let (bytes, flop) = self.step_cost();
        let memory = Buffer::<f32>::zeroed(bytes / size_of::<f32>(), Alignment::CACHE_LINE)?;
        let read = best(|| {
            black_box(self.kernels.sweep(black_box(&memory)));
        });
        let [rows, depth, cols] = PRODUCT;
        let full = Buffer::zeroed(depth * cols, Alignment::CACHE_LINE)?;
        let matrix = Matrix::new(full, depth, cols, self.precision)?;
        let mut narrowed = Narrowed::new(rows, depth, self.precision)?;
        let left = Buffer::zeroed(rows * depth, Alignment::CACHE_LINE)?;
        let mut out = Buffer::zeroed(rows * cols, Alignment::CACHE_LINE)?;
        let product = best(|| {
            let input = Input { values: black_box(&left), stride: depth, range: Range::Unit };
            matrix.product(&self.kernels, (rows, input), Start::Zero, &mut narrowed, &mut out);
        });
        Ok(Floor {
            bytes,
            flop,
            bytes_per_second: size_of_val(memory.as_ref()) as f64 / read,
            flop_per_second: (2 * rows * depth * cols) as f64 / product,
        })
    }
}

/// The shortest of many runs, in seconds; rounds of some runs each, so that the clock costs little.
fn best(mut run: impl FnMut()) -> f64 {
    const RUNS: u32 = 8;
    let begun = Instant::now();
    let mut best = f64::INFINITY;
    while begun.elapsed() < EFFORT {
        let start = Instant::now();
        (0..RUNS).for_each(|_| run());
        best = best.min(start.elapsed().as_secs_f64() / f64::from(RUNS));
    }
    // A clock that stands still gives no rate.
    best.max(1e-12)
}

#[cfg(test)]
mod tests {
    use crate::lstm::{CompileOptions, Head, Lstm, Precision, Spec};

    #[test]
    fn floors_are_those_of_the_shape() {
        let model =
            Lstm::new(Spec { input: 12, hidden: 33, layers: 2, output: 1, head: Head::Linear }, 0).unwrap();
        for precision in Precision::ALL {
            let options = CompileOptions { precision, threads: 1, ..CompileOptions::default() };
            let executable = model.compile(&options).unwrap();
            let floor = executable.floor().unwrap();
            assert_eq!(floor.flop, 29304);
            assert!(floor.bytes_per_second.is_finite() && floor.flop_per_second.is_finite(), "{floor:?}");
            assert!(floor.step() >= floor.batch_step() && floor.batch_step() > 0.0, "{floor:?}");
            let text = executable.explain();
            assert!(text.contains(&format!("{} bytes read and 29304 FLOP", floor.bytes)), "{text}");
            assert!(floor.to_string().contains("29304 FLOP"), "{floor}");
        }
    }
}
