//! How a process runs: limits, processors, priorities and memory of the calling one.
//!
//! They last as long as the process and what it starts, so there is nothing to undo and no tree to picture them in.

use nix::errno::Errno;
use nix::sched::{CpuSet as Mask, sched_setaffinity};
use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
use nix::unistd::Pid;

use super::call::process as call;
use crate::cpu_set::CpuSet;

/// One setting of the calling process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Running {
    /// Soft and hard limit; `None` is no limit.
    Limit(Resource, Option<u64>, Option<u64>),
    /// The processors it may run on.
    Processors(CpuSet),
    /// The nice value.
    Nice(i32),
    /// The scheduling policy (`SCHED_*`) and its real-time priority.
    Policy(i32, i32),
    /// Class and level of requests to disks.
    Disks(i32, i32),
    /// The policy of memory (`MPOL_*`) and its nodes.
    Memory(i32, CpuSet),
    /// How late a timer may be, in nanoseconds.
    Slack(u64),
    /// How readily the process is killed when memory runs out, -1000 to 1000.
    OutOfMemory(i32),
}

impl Running {
    /// Sets it for the calling process and what it starts.
    ///
    /// # Errors
    /// The kernel's error number: `EPERM` above all, for what only root may raise.
    pub fn set(&self) -> Result<(), Errno> {
        match self {
            Self::Limit(resource, soft, hard) => {
                setrlimit(*resource, soft.unwrap_or(RLIM_INFINITY), hard.unwrap_or(RLIM_INFINITY))
            }
            Self::Processors(cpus) => {
                let mut mask = Mask::new();
                for cpu in cpus.iter() {
                    mask.set(usize::try_from(cpu).map_err(|_| Errno::EINVAL)?)?;
                }
                sched_setaffinity(Pid::from_raw(0), &mask)
            }
            Self::Nice(nice) => call::set_nice(*nice),
            Self::Policy(policy, priority) => call::set_policy(*policy, *priority),
            Self::Disks(class, level) => call::set_io_priority(*class, *level),
            Self::Memory(mode, nodes) => {
                let words = nodes.last().map_or(0, |last| last as usize / 64 + 1);
                let mut mask = vec![0_u64; words];
                for node in nodes.iter() {
                    if let Some(word) = mask.get_mut(node as usize / 64) {
                        *word |= 1 << (node % 64);
                    }
                }
                call::set_memory_policy(*mode, &mask)
            }
            Self::Slack(nanoseconds) => nix::sys::prctl::set_timerslack(*nanoseconds),
            Self::OutOfMemory(value) => {
                let written = std::fs::write("/proc/self/oom_score_adj", value.to_string());
                written.map_err(|error| super::errno(&error))
            }
        }
    }
}
