//! What this process has used at most, and what the host has left.

use procfs::process::Process;
use procfs::{Current, Meminfo};

/// The largest resident set of this process so far, in bytes; 0 where the kernel does not say.
///
/// `VmHWM` of /proc/self/status: `ru_maxrss` of getrusage(2) keeps what the program before `exec` had used.
#[must_use]
pub fn peak_bytes() -> u64 {
    let status = Process::myself().and_then(|process| process.status());
    status.ok().and_then(|status| status.vmhwm).unwrap_or(0) * 1024
}

/// What the kernel could give to a new program without swapping, in bytes; unlimited where it does not say.
#[must_use]
pub fn available_bytes() -> u64 {
    Meminfo::current().ok().and_then(|memory| memory.mem_available).unwrap_or(u64::MAX)
}
