//! Stub.
pub mod feature;
