//! Aligned host memory: the one type that the loader fills and the kernels read.
//!
//! `alignment -> buffer`: how memory must be placed, then the memory itself.

pub mod alignment;
pub mod buffer;

pub use alignment::Alignment;
pub use buffer::{Buffer, Element};
