//! The one place where the machine is changed, and where it is compared with what it should be.

pub mod report;
mod verify;

pub use verify::verify;
