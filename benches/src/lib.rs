//! Benchmarks: every one checks its answer before it times it, and runs beside a rival or a limit of the same machine.
//!
//! `make bench` runs them, `cargo xtask record` keeps the medians with the facts of the host, `make bench-once`
//! runs each once as a test. The suites are in `benches/`.

pub mod kept;
pub mod market;
pub mod peak;
pub mod race;
pub mod rival;
