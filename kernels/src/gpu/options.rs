//! How to compile a model for a GPU.

use std::time::Duration;

use super::precision::Precision;
use crate::lstm::NonFinite;

/// How to compile a model for a GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// In what the device multiplies.
    pub precision: Precision,
    /// What to do with features that are NaN or infinite. Weights must be finite: what a device makes of others is not
    /// promised.
    pub non_finite: NonFinite,
    /// The longest wait for one submission, which is a chunk of steps of some windows: a fraction of a second on a GPU, a few
    /// seconds where the processor plays one. After it there is an error instead of a hang.
    pub wait_max: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            precision: Precision::default(),
            non_finite: NonFinite::default(),
            wait_max: Duration::from_secs(60),
        }
    }
}
