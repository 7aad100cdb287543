//! mount_setattr(2), fspick(2) and fsconfig(2): changing one option of a mount and no other.
//!
//! mount(2) with `MS_REMOUNT` sets all options at once, so that whoever changes one has to name the rest and to know
//! them all. These calls name what changes.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::errno::Errno;

/// `struct mount_attr` of `linux/mount.h`, the version of 32 bytes.
#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    namespace: u64,
}

/// `FSPICK_CLOEXEC`.
const PICK_CLOEXEC: libc::c_uint = 1;
/// `FSCONFIG_SET_FLAG`, `FSCONFIG_SET_STRING` and `FSCONFIG_CMD_RECONFIGURE`.
const SET_FLAG: libc::c_uint = 0;
const SET_STRING: libc::c_uint = 1;
const RECONFIGURE: libc::c_uint = 7;

/// Clears and sets attributes (`MOUNT_ATTR_*`) of the mount at `path`.
pub(in crate::root) fn set_attributes(path: &CStr, set: u64, clear: u64) -> Result<(), Errno> {
    let attributes = MountAttr { set, clear, propagation: 0, namespace: 0 };
    // SAFETY: `path` is NUL-terminated (type CStr) and `attributes` is a `mount_attr` of the size that is passed; both
    // outlive the call, and the kernel only reads them.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            0 as libc::c_uint,
            &raw const attributes,
            size_of::<MountAttr>(),
        )
    };
    Errno::result(answer).map(drop)
}

/// Gives the file system that is mounted at `path` the options, each with its value where it has one.
pub(in crate::root) fn reconfigure(path: &CStr, options: &[(&CStr, Option<&CStr>)]) -> Result<(), Errno> {
    // SAFETY: `path` is NUL-terminated (type CStr) and outlives the call; the kernel only reads it.
    let picked = unsafe { libc::syscall(libc::SYS_fspick, libc::AT_FDCWD, path.as_ptr(), PICK_CLOEXEC) };
    let picked = i32::try_from(Errno::result(picked)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: the call above returned this descriptor to us a moment ago, and nobody else knows it.
    let context = unsafe { OwnedFd::from_raw_fd(picked) };
    for (name, value) in options {
        let command = if value.is_some() { SET_STRING } else { SET_FLAG };
        configure(&context, command, Some(name), *value)?;
    }
    configure(&context, RECONFIGURE, None, None)
}

fn configure(
    context: &OwnedFd,
    command: libc::c_uint,
    name: Option<&CStr>,
    value: Option<&CStr>,
) -> Result<(), Errno> {
    let pointer = |text: Option<&CStr>| text.map_or(std::ptr::null(), CStr::as_ptr);
    // SAFETY: `context` is an open descriptor (type OwnedFd); both texts are null, which the command then asks for, or
    // NUL-terminated (type CStr), and outlive the call; the kernel only reads them.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_fsconfig,
            context.as_raw_fd(),
            command,
            pointer(name),
            pointer(value),
            0 as libc::c_int,
        )
    };
    Errno::result(answer).map(drop)
}
