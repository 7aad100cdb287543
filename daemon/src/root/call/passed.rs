//! Descriptors that the service manager passed: its sockets, and what was left in its store.

use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::sys::fanotify::Fanotify;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};

use crate::root::OPENED_MAX;

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

/// The fanotify group that `fd` is.
#[must_use]
pub fn group(fd: OwnedFd) -> Fanotify {
    // SAFETY: `into_raw_fd` gives up the ownership that `fd` had (type OwnedFd), and this takes it.
    unsafe { Fanotify::from_raw_fd(fd.into_raw_fd()) }
}

/// What came with a message over a Unix socket: its bytes in `buffer`, and the descriptors sent with it.
///
/// # Errors
/// When the kernel refuses to receive.
pub(in crate::root) fn received(
    socket: &UnixStream,
    buffer: &mut [u8],
) -> Result<(usize, Vec<OwnedFd>), Errno> {
    let mut slices = [IoSliceMut::new(buffer)];
    let mut space = nix::cmsg_space!([RawFd; OPENED_MAX]);
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut slices, Some(&mut space), flags)?;
    let mut fds = Vec::new();
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(sent) = control {
            // SAFETY: the kernel has just made each number a descriptor of this process (unix(7), SCM_RIGHTS), and
            // nothing else has seen it yet.
            fds.extend(sent.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
        }
    }
    Ok((message.bytes, fds))
}
