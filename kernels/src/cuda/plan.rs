//! What a device is to do, as values: kernels, and launches of them on numbered buffers.
//!
//! A plan knows neither driver nor memory, so that the very launches that a device gets also run on the host in tests.

use super::source::Kernel;

/// Kernels, each once.
#[derive(Debug, Default)]
pub struct Kernels {
    /// With the bytes of shared memory that a launch asks for at most.
    pub list: Vec<(Kernel, usize)>,
}

impl Kernels {
    /// The place of a kernel, which is added unless it is there.
    pub fn add(&mut self, kernel: Kernel, shared_bytes: usize) -> usize {
        let known = self.list.iter().position(|(known, bytes)| (known, *bytes) == (&kernel, shared_bytes));
        known.unwrap_or_else(|| {
            self.list.push((kernel, shared_bytes));
            self.list.len() - 1
        })
    }
}

/// What a kernel takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Argument {
    /// A buffer, from a byte on.
    Buffer(usize, usize),
    /// No buffer.
    Nothing,
    /// `int`.
    Int(usize),
    /// `long long`.
    Long(usize),
    /// `float`.
    Float(f32),
}

/// One launch.
#[derive(Clone, Debug, PartialEq)]
pub struct Launch {
    /// Place of the kernel in [`Kernels`].
    pub kernel: usize,
    /// Blocks, in three directions.
    pub grid: [usize; 3],
    /// Threads of a block.
    pub threads: usize,
    /// In the order in which the kernel names them.
    pub arguments: Vec<Argument>,
}

/// Blocks of 256 threads for so many elements, one each.
pub fn blocks(elements: usize) -> usize {
    elements.div_ceil(THREADS).max(1)
}

/// Threads of a block of the kernels that take one element a thread.
pub const THREADS: usize = 256;
