//! How the calling process runs: setpriority(2), sched_setscheduler(2), ioprio_set(2), set_mempolicy(2).

use nix::errno::Errno;

/// The calling process, in every call here.
const SELF: libc::pid_t = 0;

/// Sets the nice value, -20 to 19.
pub(in crate::root) fn set_nice(nice: i32) -> Result<(), Errno> {
    // SAFETY: three numbers and no memory; the kernel refuses those it does not know.
    Errno::result(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) }).map(drop)
}

/// Sets policy (`SCHED_*`) and real-time priority.
pub(in crate::root) fn set_policy(policy: i32, priority: i32) -> Result<(), Errno> {
    let parameter = libc::sched_param { sched_priority: priority };
    // SAFETY: `parameter` outlives the call, and the kernel only reads it.
    Errno::result(unsafe { libc::sched_setscheduler(SELF, policy, &raw const parameter) }).map(drop)
}

/// Sets class (1 real time, 2 best effort, 3 idle) and level (0 to 7) of requests to disks.
pub(in crate::root) fn set_io_priority(class: i32, level: i32) -> Result<(), Errno> {
    /// `IOPRIO_WHO_PROCESS` and `IOPRIO_CLASS_SHIFT` of `linux/ioprio.h`.
    const PROCESS: libc::c_int = 1;
    const CLASS_SHIFT: libc::c_int = 13;
    // SAFETY: three numbers and no memory; the kernel refuses those it does not know.
    let answer = unsafe { libc::syscall(libc::SYS_ioprio_set, PROCESS, SELF, class << CLASS_SHIFT | level) };
    Errno::result(answer).map(drop)
}

/// Sets the policy of memory (`MPOL_*`) for the nodes whose bits are set.
pub(in crate::root) fn set_memory_policy(mode: i32, nodes: &[u64]) -> Result<(), Errno> {
    let pointer = if nodes.is_empty() { std::ptr::null() } else { nodes.as_ptr() };
    // The kernel counts one bit more than there are.
    let bits = if nodes.is_empty() { 0 } else { nodes.len() * 64 + 1 };
    // SAFETY: `pointer` is null with a count of 0, or the start of `nodes`, which outlives the call and has the bits that
    // the count less one says (kernel `get_nodes`); the kernel only reads them.
    let answer = unsafe { libc::syscall(libc::SYS_set_mempolicy, mode, pointer, bits) };
    Errno::result(answer).map(drop)
}
