//! Portable kernels: one lane, the operations' own order of sums, so the vector kernels have their bits.
//!
//! `mul_add` is one instruction where the target has it and a library call where it has not; either way it rounds
//! once, which is what makes the bits equal.

pub mod activation;
pub mod bf16;
pub mod bf16_gemm;
pub mod dense;
pub mod gemm;
pub mod int8;
pub mod lstm_cell;
pub mod lstm_step;
pub mod sweep;

crate::conformance::conformance!(Scalar; activation, gemm, lstm_cell, lstm_step, dense, bf16, bf16_gemm, int8, sweep);
