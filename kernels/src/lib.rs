//! LSTM and feature kernels for market data: hand-written SIMD beside one scalar reference.
//!
//! `isa, random -> op -> cpu -> lstm -> gpu -> wgpu, cuda -> device`: the instruction sets and reproducible randomness, what each operation means,
//! how each one is computed on this processor, the model that is trained, saved, compiled and run, and the same model on a GPU.
//! `feature` stands beside that line: what a model is fed, from rows to numbers.

pub mod isa;

pub mod feature;

pub mod random;

pub mod op;

mod conformance;

mod cpu;

pub mod lstm;

#[cfg(any(feature = "wgpu", feature = "cuda"))]
pub mod gpu;

#[cfg(feature = "wgpu")]
pub mod wgpu;

#[cfg(feature = "cuda")]
pub mod cuda;

#[cfg(any(feature = "wgpu", feature = "cuda"))]
pub mod device;

#[cfg(any(test, fuzzing))]
pub mod fuzz;

pub use isa::{Isa, IsaError};
