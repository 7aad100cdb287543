//! swapon(2) and swapoff(2).

use std::ffi::CStr;

use nix::errno::Errno;

/// `SWAP_FLAG_PREFER` of `linux/swap.h`: the low fifteen bits of the flags are a priority.
const PREFER: i32 = 0x8000;

/// Starts to swap to the file or device at `path`; `priority` is 0 to 32767, `None` lets the kernel choose.
pub(in crate::root) fn on(path: &CStr, priority: Option<u16>) -> Result<(), Errno> {
    let flags = priority.map_or(0, |priority| PREFER | i32::from(priority & 0x7fff));
    // SAFETY: `path` is a NUL-terminated string that outlives the call (type CStr); the kernel only reads it.
    Errno::result(unsafe { libc::swapon(path.as_ptr(), flags) }).map(drop)
}

/// Stops to swap to `path`; the kernel moves its pages back into memory first.
pub(in crate::root) fn off(path: &CStr) -> Result<(), Errno> {
    // SAFETY: `path` is a NUL-terminated string that outlives the call (type CStr); the kernel only reads it.
    Errno::result(unsafe { libc::swapoff(path.as_ptr()) }).map(drop)
}
