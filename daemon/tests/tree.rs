//! The daemon's library on trees of files that stand for machines.

#[path = "tree/case.rs"]
mod case;
#[path = "tree/crash.rs"]
mod crash;
#[path = "tree/knobs.rs"]
mod knobs;
#[path = "tree/roots.rs"]
mod roots;
