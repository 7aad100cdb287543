//! All of CUDA's host side, run without a GPU: `libcuda/` is a driver made of this processor and `libnvrtc/` a compiler for it.
//!
//! Each test runs what it tests in a child of its own, which finds these in the place of NVIDIA's libraries. What passes here has gone
//! through every call of the driver's interface in the order, with the sizes and on the threads of the product; what a device takes
//! of time, registers and rounding is not shown.

#![cfg(all(feature = "cuda", target_os = "linux"))]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of a test fail by panicking, as the test does, and what a child found is shown"
)]

mod child;
mod cost;
mod exams;
mod faults;
mod lacks;
