//! Kernels for AVX2 and FMA: 8 lanes, 16 registers.

pub mod register;

pub mod activation;
pub mod bf16;
pub mod bf16_gemm;
pub mod dense;
pub mod gemm;
pub mod int8;
pub mod lstm_cell;
pub mod lstm_step;
pub mod sweep;

crate::conformance::conformance!(Avx2Fma; activation, gemm, lstm_cell, lstm_step, dense, bf16, bf16_gemm, int8, sweep);
