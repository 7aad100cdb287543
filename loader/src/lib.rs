//! Market data from files, lazily and in bounded memory.
//!
//! ```text
//! read:   file -> source (bytes) -> format (chunk index) -> codec (chunk) -> table (columns) -> sampler (windows)
//! write:  csv | market (rows) -> format::libhdf5 (chunks) -> codec (chunk) -> file
//! ```
//!
//! Modules are declared leaf first: each uses only those above it and its own children.

#[cfg(feature = "libhdf5")]
mod nearest;
mod splitmix;

pub mod codec;
pub mod format;
pub mod sampler;
pub mod source;
pub mod table;

#[cfg(feature = "libhdf5")]
pub mod csv;
#[cfg(feature = "libhdf5")]
pub mod market;
