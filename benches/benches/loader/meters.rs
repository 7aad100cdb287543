//! What a run cost: bytes from devices, time of the processor; and a cold start.

use std::path::Path;

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// Bytes that this process got from devices.
pub fn device_bytes() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    io.lines().find_map(|line| line.strip_prefix("read_bytes: ")?.parse().ok()).unwrap_or(0)
}

/// Milliseconds of processor that this process took, those in the kernel included.
pub fn cpu_ms() -> f64 {
    let used = getrusage(UsageWho::RUSAGE_SELF).expect("its own usage");
    [used.user_time(), used.system_time()].map(|time| time.num_microseconds() as f64 / 1e3).iter().sum()
}

/// Drops what the page cache holds of the file.
pub fn drop_cache(path: &Path) {
    let file = std::fs::File::open(path).expect("it is there");
    file.sync_all().expect("it is written");
    posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).expect("a regular file");
}
