//! Whether this process can read through io_uring, and if not, why.

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};

use super::ring::{Broken, Files, Job, Outcome, Ring};
use crate::source::Span;
use crate::source::account::Tally;

/// Why io_uring cannot be used here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The kernel has no io_uring.
    #[error(
        "this kernel has no io_uring (ENOSYS); Linux 5.6 or newer, built with CONFIG_IO_URING, is needed"
    )]
    NoSyscall,
    /// The administrator switched it off.
    #[error(
        "io_uring is switched off by kernel.io_uring_disabled = {value}; `sysctl kernel.io_uring_disabled=0` allows it"
    )]
    Disabled {
        /// 1: off for processes without the right, 2: off for all.
        value: u32,
    },
    /// A seccomp filter or a security module refuses the call.
    #[error(
        "io_uring is refused (EPERM), most likely by the seccomp filter of a container; allow io_uring_setup, io_uring_enter and io_uring_register there"
    )]
    Refused,
    /// Not enough memory may be locked.
    #[error(
        "no memory for a ring (ENOMEM); on kernels before 5.12 raise the limit of locked memory, `ulimit -l`"
    )]
    Memory,
    /// Something else went wrong.
    #[error("io_uring fails at the {step}: {error}")]
    Failed {
        /// What was being done.
        step: &'static str,
        /// What the kernel said.
        error: io::Error,
    },
    /// The read completed and gave other bytes than the file holds.
    #[error("a read through io_uring gave wrong bytes; do not use it on this kernel")]
    WrongBytes,
}

/// Whether this process can read a file through io_uring, proved by a real read.
///
/// A ring that can be set up is no proof: a seccomp filter may allow the set-up and refuse the rest.
///
/// # Errors
/// [`Reason`] says why it cannot.
pub fn probe() -> Result<(), Reason> {
    const CONTENT: &[u8] = b"diapason reads this back";
    let failed = |step| move |error: io::Error| Reason::Failed { step, error };
    let memfd = nix::sys::memfd::memfd_create("diapason-probe", nix::sys::memfd::MFdFlags::MFD_CLOEXEC);
    let file = File::from(memfd.map_err(io::Error::from).map_err(failed("memory file"))?);
    io::Write::write_all(&mut &file, CONTENT).map_err(failed("memory file"))?;
    let (files, tally) = (Files { plain: Arc::new(file), direct: None }, Tally::default());
    let mut ring = Ring::new().map_err(|error| why("set-up", error, disabled()))?;
    let spans = [Span { offset: 0, bytes: CONTENT.len() }];
    let job = Job {
        files: &files,
        spans: &spans,
        size: CONTENT.len() as u64,
        tally: &tally,
        #[cfg(test)]
        faults: Default::default(),
    };
    let mut is_right = false;
    let flown = ring.fly(&job, 0, &mut Vec::new(), &mut |_, bytes| {
        is_right = bytes.is_ok_and(|bytes| bytes == CONTENT);
        ControlFlow::Continue(())
    });
    // A request that is refused is finished without the ring, which is no proof either.
    match (flown, ring.refused()) {
        (Err(Broken { error, .. }), _) | (_, Some(error)) => Err(why("read", error, disabled())),
        (Ok(Outcome::Until(1)), None) if is_right => Ok(()),
        _ => Err(Reason::WrongBytes),
    }
}

/// [`probe`], asked once.
///
/// # Errors
/// As [`probe`].
pub fn available() -> Result<(), &'static Reason> {
    static FOUND: OnceLock<Result<(), Reason>> = OnceLock::new();
    FOUND.get_or_init(probe).as_ref().copied()
}

/// The kernel's own switch; `None` before Linux 6.6, which has none.
fn disabled() -> Option<u32> {
    std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok()?.trim().parse().ok()
}

fn why(step: &'static str, error: io::Error, disabled: Option<u32>) -> Reason {
    match (error.raw_os_error(), disabled) {
        (Some(nix::libc::ENOSYS), _) => Reason::NoSyscall,
        (Some(nix::libc::EPERM), Some(value @ 1..)) => Reason::Disabled { value },
        (Some(nix::libc::EPERM | nix::libc::EACCES), _) => Reason::Refused,
        (Some(nix::libc::ENOMEM), _) => Reason::Memory,
        _ => Reason::Failed { step, error },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_its_reason() {
        let why = |code, switch| why("read", io::Error::from_raw_os_error(code), switch).to_string();
        assert!(why(nix::libc::ENOSYS, None).contains("ENOSYS"));
        assert!(why(nix::libc::EPERM, Some(2)).contains("io_uring_disabled = 2"));
        assert!(why(nix::libc::EPERM, Some(0)).contains("seccomp"));
        assert!(why(nix::libc::EPERM, None).contains("seccomp"));
        assert!(why(nix::libc::ENOMEM, None).contains("ulimit -l"));
        assert!(why(nix::libc::EIO, Some(0)).contains("at the read"));
    }
}
