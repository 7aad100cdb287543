//! What this process has used at most.

use nix::sys::resource::{UsageWho, getrusage};

/// The largest resident set of this process so far, in bytes; 0 where the kernel does not say.
#[must_use]
pub fn peak_bytes() -> u64 {
    // Linux counts ru_maxrss in KiB (getrusage(2)).
    getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| u64::try_from(usage.max_rss()).unwrap_or(0) * 1024)
}
