//! Kernels for AVX2 and FMA: 8 lanes, 16 registers.

pub mod register;

pub mod activation;
pub mod dense;
pub mod gemm;
pub mod lstm_cell;
pub mod lstm_step;

crate::conformance::conformance!(Avx2Fma; activation, gemm, lstm_cell, lstm_step, dense);
