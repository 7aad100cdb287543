//! Features of many symbols on an NVIDIA GPU: the plan becomes one kernel, a thread for each symbol.
//!
//! `keep -> text -> CudaPanel`: what an operation remembers, the text of a plan's kernel, and the panel that runs it.
//!
//! A warp takes 32 symbols through all rows, its reads and writes in whole runs of memory. The operations are those of
//! `feature/op`, each rounded as IEEE 754 says and none fused, so a symbol has the bits that [`Panel`](crate::feature::Panel)
//! gives it. Only logarithms, arctangents and the sine and cosine of a phase, which no standard rounds, may differ from the
//! processor's by two units in the last place.

mod keep;

mod text;

mod panel;

pub use panel::{CudaPanel, CudaPanelError};

#[cfg(test)]
mod tests;
