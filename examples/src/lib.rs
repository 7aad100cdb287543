//! Numbered examples, smallest first; run one with `cargo run -p diapason-examples --example 04-features`.
//!
//! Each is what a user of the crates would write, and each is run by `cargo test -p diapason-examples` (`tests/run.rs`).
