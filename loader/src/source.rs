//! Where bytes come from.

pub mod uring;
