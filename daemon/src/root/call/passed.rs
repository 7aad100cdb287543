//! Descriptors that the service manager passed: its sockets, and what was left in its store.

use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// The descriptors passed to this process with their names (sd_listen_fds_with_names(3)), for its first caller;
/// nothing for any other, or where no service manager passed any.
///
/// # Errors
/// When the environment that announces them is malformed.
pub fn passed() -> std::io::Result<Vec<(String, OwnedFd)>> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let announced = sd_notify::listen_fds_with_names()?;
    if TAKEN.swap(true, Ordering::SeqCst) {
        return Ok(Vec::new());
    }
    let owned = |(fd, name)| {
        // SAFETY: LISTEN_PID names this process, so the service manager opened `fd` for it (checked by
        // `listen_fds_with_names`, which has also set a flag on it and so knows that it is open), and TAKEN,
        // above, makes this the only owner.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        (name, fd)
    };
    Ok(announced.map(owned).collect())
}
