//! Kernels for AVX-512 F: 16 lanes, 32 registers.

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

crate::conformance::conformance!(Avx512; activation, gemm, lstm_cell, lstm_step, dense, bf16, bf16_gemm, int8, sweep);
