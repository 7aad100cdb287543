//! What the kinds of GPU share: `precision, options, packed -> cut -> windows, panel -> exam`.
//!
//! The precisions that a GPU computes in, the layout of the weights, how a batch is cut into what fits a buffer, the copy
//! from the caller's windows, the shapes of a panel, and the exam that every device sits.

pub mod precision;

pub mod options;

pub(crate) mod packed;

pub(crate) mod cut;

pub(crate) mod windows;

#[cfg(feature = "wgpu")]
pub(crate) mod panel;

pub mod exam;

pub use options::Options;
pub use precision::Precision;
