//! How a batch is cut into blocks of windows and chunks of steps. No choice changes a bit of a prediction.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::threads::THREADS_MAX;

/// Most windows of a block.
pub const BLOCK_MAX: usize = 96;
/// Bytes of a chunk's pre-activations, at least and at most.
pub const CHUNK_BYTES: [usize; 2] = [16 << 10, 64 << 20];

/// How `predict` cuts a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tuning {
    /// Windows that go through time together, at most [`BLOCK_MAX`].
    pub block: usize,
    /// Bytes of pre-activations that a block keeps at once, within [`CHUNK_BYTES`]: what its steps are projected into.
    pub chunk_bytes: usize,
    /// Threads, where [`CompileOptions::threads`](super::CompileOptions::threads) leaves the number open; 0 is one for each core.
    pub threads: usize,
}

impl Default for Tuning {
    /// Eight full tiles of AVX-512; with states and weights of small models a chunk stays in a cache of 1 MiB.
    fn default() -> Self {
        Self { block: 48, chunk_bytes: 256 << 10, threads: 0 }
    }
}

impl fmt::Display for Tuning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "up to {} windows a block, {} KiB a chunk", self.block, self.chunk_bytes >> 10)
    }
}

impl Tuning {
    /// The first value out of its range: its name, the value, and the range.
    #[must_use]
    pub fn fault(&self) -> Option<(&'static str, usize, String)> {
        let [least, most] = CHUNK_BYTES;
        [
            ("block", self.block, 1, BLOCK_MAX),
            ("chunk_bytes", self.chunk_bytes, least, most),
            ("threads", self.threads, 0, THREADS_MAX),
        ]
        .into_iter()
        .find(|(_, value, least, most)| !(least..=most).contains(&value))
        .map(|(name, value, least, most)| (name, value, format!("{least} to {most}")))
    }
}
