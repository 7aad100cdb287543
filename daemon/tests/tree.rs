//! The daemon's library on trees of files that stand for machines.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail by panicking, as the test does")]

#[path = "tree/case.rs"]
mod case;
#[path = "tree/crash.rs"]
mod crash;
#[path = "tree/gate.rs"]
mod gate;
#[path = "tree/host.rs"]
mod host;
#[path = "tree/knobs.rs"]
mod knobs;
#[path = "tree/roots.rs"]
mod roots;
