//! Market data from files, lazily and in bounded memory.
//!
//! ```text
//! read:   file -> source (bytes) -> format (chunk index) -> codec (chunk) -> table (columns) -> dataset (tables) -> sampler (order) -> stream (windows)
//! keep:   results -> cache (made once, mapped later)
//! give:   table -> export -> file of another program
//! write:  csv | import | market (rows) -> format::libhdf5 (chunks) -> codec (chunk) -> file
//! ```
//!
//! Modules are declared leaf first: each uses only those above it and its own children.

mod nearest;
mod parallel;
mod splitmix;

pub mod cache;

pub mod source;

pub mod codec;

pub mod format;

pub mod table;

pub mod follow;

pub mod dataset;

pub mod sampler;

pub mod stream;

#[cfg(any(test, fuzzing))]
pub mod fuzz;

#[cfg(feature = "libhdf5")]
pub mod market;

#[cfg(feature = "libhdf5")]
pub mod append;

#[cfg(feature = "libhdf5")]
mod nulls;

#[cfg(feature = "libhdf5")]
pub mod csv;

#[cfg(feature = "libhdf5")]
pub mod import;

#[cfg(feature = "libhdf5")]
pub mod verify;

#[cfg(feature = "libhdf5")]
pub mod repack;

pub mod export;
