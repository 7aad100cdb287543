//! The operations: what each one computes, written to be read.
//!
//! `loss` and `network` are the specification of a whole model, generic over f32 and f64; `lstm_stack`, made of
//! `lstm_layer` and `lstm_function`, is that of any model that a file may hold. The other files are the pieces that
//! `cpu/` implements once for each instruction set, each with its shapes, its scalar reference, its tolerance and its
//! exam.

pub mod loss;

pub mod network;

pub mod lstm_function;

pub mod lstm_layer;

pub mod lstm_stack;

pub(crate) mod activation;
pub(crate) mod dense;
pub(crate) mod gemm;

pub(crate) mod tail;

pub(crate) mod bf16;
pub(crate) mod bf16_gemm;
pub(crate) mod int8;
pub(crate) mod lstm_cell;
pub(crate) mod lstm_step;
pub(crate) mod sweep;

use num_traits::Float;

/// The numbers that the references are generic over: `f32` and `f64`.
pub trait Real: Float + std::fmt::Debug + std::iter::Sum + Send + Sync + 'static {
    /// The nearest value to `x`.
    fn of(x: f64) -> Self;
}

impl Real for f32 {
    #[expect(clippy::cast_possible_truncation, reason = "rounding to the nearest f32 is what is asked for")]
    fn of(x: f64) -> Self {
        x as Self
    }
}

impl Real for f64 {
    fn of(x: f64) -> Self {
        x
    }
}

/// Whether `values` hold `rows * cols` elements. A product that wraps would let a kernel read out of bounds.
fn holds<T>(values: &[T], rows: usize, cols: usize) -> bool {
    rows.checked_mul(cols).is_some_and(|wanted| values.len() >= wanted)
}

/// `1 / (1 + exp(-x))`.
pub fn sigmoid<R: Real>(x: R) -> R {
    R::one() / (R::one() + (-x).exp())
}
