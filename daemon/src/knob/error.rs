//! Why a knob could not be read, settled or written.

use super::form::FormError;
use crate::root::RootError;

/// Why a knob could not be read, settled or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KnobError {
    /// The machine refused.
    #[error(transparent)]
    Root(#[from] RootError),
    /// The value cannot be.
    #[error(transparent)]
    Form(#[from] FormError),
    /// Taking swap away would run the machine out of memory.
    #[error(
        "{path} holds {used_bytes} bytes of swapped pages and only {room_bytes} bytes are free for them; \
         free memory or add swap first"
    )]
    NoRoom {
        /// The swap file or device.
        path: String,
        /// Its bytes in use.
        used_bytes: u64,
        /// Available memory, less the reserve, plus free swap elsewhere.
        room_bytes: u64,
    },
    /// A file of ours that somebody else changed into something that cannot be put back exactly.
    #[error("{path} {problem}; move it away first")]
    Foreign {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Fewer pages than asked for.
    #[error(
        "{path}: {made} of {wanted} huge pages could be made; free or compact memory, ask for fewer, \
         or reserve them when the machine boots (boot.cmdline with hugepagesz= and hugepages=)"
    )]
    Partial {
        /// The file.
        path: String,
        /// Pages that were asked for.
        wanted: u64,
        /// Pages that there are now.
        made: u64,
    },
    /// The file system of a mount lacks the option.
    #[error("{point} is {kind}, which has no {setting}; leave this mount out")]
    OtherFileSystem {
        /// Where it is mounted.
        point: String,
        /// The file system.
        kind: String,
        /// The knob.
        setting: &'static str,
    },
    /// A parameter that a loaded module does not let itself be told.
    #[error("{parameter} can be set only when the module is loaded; give it to module.options")]
    OnlyWhenLoaded {
        /// Module and parameter.
        parameter: String,
    },
    /// An argument of the kernel that no profile may set.
    #[error("{argument} chooses what is booted; a profile only tunes it, so leave it to the administrator")]
    ChoosesSystem {
        /// The argument.
        argument: String,
    },
    /// The setting belongs to a scheduler that the disk does not use.
    #[error(
        "{device} does not use the scheduler {scheduler}; set block.scheduler to it, or leave this disk out"
    )]
    OtherScheduler {
        /// The disk.
        device: String,
        /// The scheduler.
        scheduler: &'static str,
    },
    /// The kernel spreads the interrupts of a device by itself.
    #[error(
        "the kernel spreads {name} (interrupt {number}) over the CPUs by itself and lets nobody else move it; mark the \
         entry optional, or boot with isolcpus=managed_irq,CPUS"
    )]
    Managed {
        /// The interrupt's name.
        name: String,
        /// The interrupt's number.
        number: u32,
    },
    /// A second name for a device.
    #[error("the first interrupt of its name, {name}, is called {usual}; name it so")]
    Alias {
        /// The device as given.
        name: String,
        /// The knob on it.
        usual: String,
    },
    /// A file of somebody else that has the last word.
    #[error("{path} {problem}")]
    Overruled {
        /// The file.
        path: String,
        /// What it does, and the remedy.
        problem: &'static str,
    },
    /// A control group that cannot be removed.
    #[error("{path} holds tasks: {tasks}; stop them or move them to another control group first")]
    Occupied {
        /// The group.
        path: String,
        /// Their names and numbers.
        tasks: String,
    },
    /// The kernel took a partition and cannot make it one.
    #[error(
        "the kernel calls the partition {path} {answer:?}; no other control group may have its CPUs for itself"
    )]
    InvalidPartition {
        /// The group.
        path: String,
        /// What the kernel says.
        answer: String,
    },
    /// The device lacks the setting.
    #[error("the driver of {device} offers no {setting}; there is nothing to set")]
    Unsupported {
        /// The device.
        device: String,
        /// The knob.
        setting: &'static str,
    },
    /// The kernel lacks the feature.
    #[error("this kernel has no {feature}; {remedy}")]
    Lacking {
        /// What is missing.
        feature: &'static str,
        /// What would bring it.
        remedy: &'static str,
    },
}

impl KnobError {
    /// Whether this is what a file answers that is there for a feature which this very device lacks
    /// (`wbt_lat_usec` without throttling).
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        use nix::errno::Errno::{EBUSY, EINVAL, EIO, EOPNOTSUPP};
        matches!(
            self,
            Self::Root(RootError::Refused { verb: "read", errno: EINVAL | EOPNOTSUPP | EIO | EBUSY, .. })
        )
    }
}
