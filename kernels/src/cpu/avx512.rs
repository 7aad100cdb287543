//! Kernels for AVX-512 F: 16 lanes, 32 registers.

pub mod register;

pub mod activation;
pub mod dense;
pub mod gemm;
pub mod lstm_cell;
pub mod lstm_step;

crate::conformance::conformance!(Avx512; activation, gemm, lstm_cell, lstm_step, dense);
