//! A knob is one typed setting of the running machine that can read and write itself below a [`Root`].
//!
//! A knob knows nothing of journals, plans or rollback: saving the original, comparing, reading back and undoing
//! are written once, in `apply`. It has a name in the words of the kernel (`vm.swappiness`), a form (what a value
//! looks like and its bounds), a class (what undoing it can promise), and a reason, a caution and a source.
//!
//! Some knobs exist once, some once a device. `block.scheduler` is the knob, `block.sda.scheduler` its instance
//! on one disk; the order of [`ALL`] is the order in which a profile is applied.

mod form;
mod identity;

mod spec;

mod attribute;
mod delegate;
mod drop_in;
mod rlimit;
mod swap;

mod block;
mod boot;
mod clocksource;
mod cpu;
mod cpuset;
mod dirty;
mod dma_latency;
mod environment;
mod halt_poll;
mod hugepages;
mod hugetlb;
mod idle_states;
mod iosched;
mod irq;
mod irqbalance;
mod machinecheck;
mod memory;
mod module;
mod mount;
mod network;
mod nic;
mod nvme;
mod range;
mod rcu;
mod scheduler;

mod ethtool;
mod queue;
mod swap_device;
mod swap_file;
mod sysctl;
mod watchdog;
mod workqueue;
mod zram;

pub(crate) use form::bytes;
pub use form::{Form, FormError};
pub use identity::Identity;
pub use rlimit::{LimitError, ProcessLimits};
pub use spec::{Class, Lifetime, Release, Risk, Spec};

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::root::{Root, RootError};

/// Every knob, by family, in the order of application.
///
/// Huge pages come before the free reserve of memory, which switching them on may raise. Which CPUs run comes before
/// what is set on them, and the frequency driver's mode before what that mode offers; the frequency governor before
/// the energy preference that it permits. The scheduler of a disk comes before its queue depth, which the kernel
/// resets with it; the queues of a network card before the CPUs that serve their interrupts; the CPUs of background
/// work before the partition that takes some of them away; new swap before old swap is taken away.
pub static ALL: &[&[&dyn Knob]] = &[
    hugepages::KNOBS,
    memory::KNOBS,
    sysctl::KNOBS,
    watchdog::KNOBS,
    network::KNOBS,
    dirty::KNOBS,
    hugetlb::KNOBS,
    cpu::KNOBS,
    range::KNOBS,
    idle_states::KNOBS,
    scheduler::KNOBS,
    rcu::KNOBS,
    clocksource::KNOBS,
    machinecheck::KNOBS,
    halt_poll::KNOBS,
    dma_latency::KNOBS,
    block::KNOBS,
    iosched::KNOBS,
    nvme::KNOBS,
    ethtool::KNOBS,
    nic::KNOBS,
    queue::KNOBS,
    mount::KNOBS,
    workqueue::KNOBS,
    cpuset::KNOBS,
    irq::KNOBS,
    irqbalance::KNOBS,
    zram::KNOBS,
    swap_file::KNOBS,
    swap_device::KNOBS,
    environment::KNOBS,
    module::KNOBS,
    boot::KNOBS,
];

/// The value of a knob that is a held descriptor while nothing is held.
pub const NOT_HELD: &str = "none";

/// Names that people look for under another name here.
const RENAMED: &[(&str, &str)] = &[
    ("cpu.scaling_min_freq", "cpu.scaling_freq"),
    ("cpu.scaling_max_freq", "cpu.scaling_freq"),
    ("cpu.min_perf_pct", "cpu.perf_pct"),
    ("cpu.max_perf_pct", "cpu.perf_pct"),
    ("nic.lro", "nic.feature.rx-lro"),
    ("nic.gro", "nic.feature.rx-gro"),
    ("nic.gso", "nic.feature.tx-generic-segmentation"),
    ("nic.tso", "nic.feature.tx-tcp-segmentation"),
    ("nic.ntuple", "nic.feature.rx-ntuple-filter"),
    ("nic.rxhash", "nic.feature.rx-hashing"),
    ("vm.dirty_ratio", "vm.dirty"),
    ("vm.dirty_bytes", "vm.dirty"),
    ("vm.dirty_background_ratio", "vm.dirty_background"),
    ("vm.dirty_background_bytes", "vm.dirty_background"),
];

/// A setting of the machine.
pub trait Knob: Sync {
    /// What there is to know about it without a machine.
    fn spec(&self) -> &Spec;

    /// The devices it exists for on this machine; one empty name for a knob that exists once.
    ///
    /// # Errors
    /// When the machine cannot be read.
    fn targets(&self, root: &Root) -> Result<Vec<String>, KnobError>;

    /// The value now, in canonical form; `None` when this machine does not have it.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    fn read(&self, root: &Root, target: &str) -> Result<Option<String>, KnobError>;

    /// The canonical form of what a profile asks for, if this machine can have it.
    ///
    /// # Errors
    /// When the value is of the wrong form, out of bounds, or not among what the kernel offers here.
    fn settle(&self, root: &Root, target: &str, asked: &str) -> Result<String, KnobError>;

    /// Sets the value, which is in canonical form: from [`Knob::settle`], or read earlier.
    ///
    /// # Errors
    /// When the kernel refuses it.
    fn write(&self, root: &Root, target: &str, value: &str) -> Result<(), KnobError>;

    /// What there is to say about it on this machine beside its value `current`: why it is absent, or what is in
    /// force where that is not what was set.
    ///
    /// # Errors
    /// When the machine cannot be read.
    fn remark(&self, root: &Root, target: &str, current: Option<&str>) -> Result<Option<String>, KnobError> {
        let _ = (root, target, current);
        Ok(None)
    }

    /// The files whose change by somebody else changes the value. Without them a change is found by comparing, later
    /// and without its author.
    fn files(&self, target: &str) -> Vec<String> {
        let _ = target;
        Vec::new()
    }

    /// Whether `actual`, read back, is what this machine makes of `wanted`. A driver may round a number to its own
    /// steps, and a file may be shared with other knobs; everything else has to come back as it was written.
    fn is_effect(&self, wanted: &str, actual: &str) -> bool {
        wanted == actual
    }

    /// Whether `current` is what a restart of the machine makes of `written`: then it is still ours. Only a
    /// knob that is partly a file and partly not has such a state.
    fn is_remainder(&self, written: &str, current: &str) -> bool {
        let _ = (written, current);
        false
    }
}

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

/// A name that no knob has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown knob {name:?}{}", suggestion.as_ref().map(|known| format!("; did you mean {known:?}?")).unwrap_or_default())]
pub struct UnknownKnob {
    /// The name as given.
    pub name: String,
    /// The known name that is nearest.
    pub suggestion: Option<String>,
}

/// A knob on one device.
#[derive(Clone)]
pub struct Instance {
    /// The knob.
    pub knob: &'static dyn Knob,
    /// The device; empty for a knob that exists once.
    pub target: String,
}

/// What a name in a profile stands for.
#[derive(Clone)]
pub enum Named {
    /// The knob wherever it exists.
    Everywhere(&'static dyn Knob),
    /// The knob on one device.
    One(Instance),
}

impl Named {
    /// The knob.
    #[must_use]
    pub fn knob(&self) -> &'static dyn Knob {
        match self {
            Self::Everywhere(knob) => *knob,
            Self::One(instance) => instance.knob,
        }
    }
}

impl Instance {
    /// The instance of the name `block.sda.scheduler` or `vm.swappiness`.
    ///
    /// # Errors
    /// When no knob has the name, or it has no device and the knob exists once a device.
    pub fn find(name: &str) -> Result<Self, UnknownKnob> {
        match find(name)? {
            Named::One(instance) => Ok(instance),
            Named::Everywhere(knob) if knob.spec().is_single() => Ok(Self { knob, target: String::new() }),
            Named::Everywhere(_) => Err(UnknownKnob { name: name.to_owned(), suggestion: None }),
        }
    }

    /// The full name, `block.sda.scheduler`.
    #[must_use]
    pub fn name(&self) -> String {
        let name = self.knob.spec().name;
        match name.split_once('.') {
            Some((family, attribute)) if !self.target.is_empty() => {
                format!("{family}.{}.{attribute}", self.target)
            }
            _ => name.to_owned(),
        }
    }

    /// The value now; see [`Knob::read`]. For a knob that was written, an error is never absence: it was there.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn read(&self, root: &Root) -> Result<Option<String>, KnobError> {
        self.knob.read(root, &self.target)
    }

    /// The files whose change changes the value; see [`Knob::files`].
    #[must_use]
    pub fn files(&self) -> Vec<String> {
        self.knob.files(&self.target)
    }

    /// The value now, for a knob that was never written: what the device does not support it does not have.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn look(&self, root: &Root) -> Result<Option<String>, KnobError> {
        match self.read(root) {
            Err(error) if error.is_unsupported() => Ok(None),
            other => other,
        }
    }

    /// Sets the value; see [`Knob::write`].
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn write(&self, root: &Root, value: &str) -> Result<(), KnobError> {
        if root.has_admin() && delegate::is_for_helper(self.knob.spec()) {
            return delegate::ask(root, self, value);
        }
        match self.knob.write(root, &self.target, value) {
            Err(KnobError::Root(error))
                if root.has_admin() && delegate::is_for_more_rights(self.knob.spec(), &error) =>
            {
                delegate::ask(root, self, value)
            }
            written => written,
        }
    }

    /// What tells this very device from another that later gets the same name; `None` where nothing does.
    ///
    /// # Errors
    /// When the machine cannot be read.
    pub fn identity(&self, root: &Root) -> Result<Option<String>, RootError> {
        self.knob.spec().identity.read(root, &self.target)
    }

    /// The same knob under the name that its device `then` has now, where that is another one.
    ///
    /// # Errors
    /// When the machine cannot be read.
    pub fn moved(&self, root: &Root, then: &str) -> Result<Option<Self>, RootError> {
        let target = self.knob.spec().identity.moved(root, &self.target, then)?;
        Ok(target.map(|target| Self { knob: self.knob, target }))
    }

    /// What there is to say about it beside its value; see [`Knob::remark`]. For one that is absent: that this
    /// kernel is too old or too new for it.
    ///
    /// # Errors
    /// When the machine cannot be read.
    pub fn remark(&self, root: &Root, current: Option<&str>) -> Result<Option<String>, KnobError> {
        let remark = self.knob.remark(root, &self.target, current)?;
        if remark.is_some() || current.is_some() {
            return Ok(remark);
        }
        let release = root.read("/proc/sys/kernel/osrelease")?.and_then(|name| Release::of(&name));
        Ok(release.and_then(|release| self.knob.spec().outside(release)))
    }

    /// Other knobs that the kernel changes when this one is written: those of the same device, or those of every
    /// device where this one exists once and they do not.
    ///
    /// A family that cannot be listed is one that cannot be read or written either, and has no instance here.
    #[must_use]
    pub fn disturbed(&self, root: &Root) -> Vec<Self> {
        let mut others = Vec::new();
        for knob in self.knob.spec().disturbs.iter().filter_map(|name| Some(find(name).ok()?.knob())) {
            let targets = match (knob.spec().is_single(), self.knob.spec().is_single()) {
                (true, _) => vec![String::new()],
                // The queues of an interface.
                (false, false) if knob.spec().identity != self.knob.spec().identity => {
                    let below = format!("{}.", self.target);
                    let all = knob.targets(root).unwrap_or_default();
                    all.into_iter().filter(|target| target.starts_with(&below)).collect()
                }
                (false, false) => vec![self.target.clone()],
                (false, true) => knob.targets(root).unwrap_or_default(),
            };
            others.extend(targets.into_iter().map(|target| Self { knob, target }));
        }
        others
    }
}

/// Every knob, in the order of application.
pub fn all() -> impl Iterator<Item = &'static dyn Knob> {
    ALL.iter().flat_map(|family| family.iter().copied())
}

/// Every knob with its place in [`ALL`], by name.
fn known(name: &str) -> Option<(usize, &'static dyn Knob)> {
    static BY_NAME: OnceLock<BTreeMap<&'static str, (usize, &'static dyn Knob)>> = OnceLock::new();
    let by_name = BY_NAME
        .get_or_init(|| all().enumerate().map(|(place, knob)| (knob.spec().name, (place, knob))).collect());
    by_name.get(name).copied()
}

/// The place of a knob in [`ALL`].
#[must_use]
pub fn rank(knob: &dyn Knob) -> usize {
    known(knob.spec().name).map_or(usize::MAX, |(place, _)| place)
}

/// The knob, or the knob on one device, that a name stands for.
///
/// # Errors
/// When no knob has the name; the nearest known name is in the error.
pub fn find(name: &str) -> Result<Named, UnknownKnob> {
    if let Some((_, knob)) = known(name) {
        return Ok(Named::Everywhere(knob));
    }
    // A device's name may have dots as well as an attribute's: `nic.eth0.100.mtu`, `block.sda.iosched.read_expire`.
    let (family, rest) = name.split_once('.').ok_or_else(|| unknown(name))?;
    let on_device = rest.match_indices('.').filter_map(|(dot, _)| {
        let (target, attribute) = (&rest[..dot], &rest[dot + 1..]);
        let plain = !target.is_empty() && !target.contains('/') && target != "." && target != "..";
        let (place, knob) = known(&format!("{family}.{attribute}")).filter(|_| plain)?;
        (!knob.spec().is_single()).then(|| (place, Instance { knob, target: target.to_owned() }))
    });
    let first = on_device.min_by_key(|(place, _)| *place);
    first.map(|(_, instance)| Named::One(instance)).ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> UnknownKnob {
    let renamed = RENAMED.iter().find(|(old, _)| *old == name).map(|(_, new)| (*new).to_owned());
    let suggestion = renamed.or_else(|| nearest(name, all().map(|knob| knob.spec().name)).map(str::to_owned));
    UnknownKnob { name: name.to_owned(), suggestion }
}

/// The candidate most like `word`, if any is like it at all.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const LIKENESS_MIN: f64 = 0.75;
    let scored =
        candidates.map(|candidate| (strsim::normalized_damerau_levenshtein(word, candidate), candidate));
    scored
        .filter(|(score, _)| *score >= LIKENESS_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_knob_says_why_what_and_from_where() {
        let mut names = std::collections::BTreeSet::new();
        for knob in all() {
            let spec = knob.spec();
            assert!(names.insert(spec.name), "{} is listed twice", spec.name);
            assert!(spec.name.contains('.'), "{} has no family", spec.name);
            for (what, text) in [("reason", spec.reason), ("caution", spec.caution), ("source", spec.source)]
            {
                assert!(!text.is_empty(), "{} has no {what}", spec.name);
                assert!(!text.ends_with('.'), "{}: {what} ends with a full stop", spec.name);
            }
            for other in spec.disturbs {
                let place = all().position(|knob| knob.spec().name == *other);
                assert!(place.is_some(), "{} disturbs the unknown {other}", spec.name);
            }
            assert_eq!(find(spec.name).unwrap().knob().spec().name, spec.name);
        }
        assert!(names.len() > 90, "{}", names.len());
    }

    #[test]
    fn names_and_instances() {
        let one = Instance::find("block.sda.scheduler").unwrap();
        assert_eq!((one.name().as_str(), one.target.as_str()), ("block.sda.scheduler", "sda"));
        assert_eq!(one.disturbed(&Root::nowhere())[0].name(), "block.sda.nr_requests");
        assert_eq!(Instance::find("nic.eth0.100.gro_flush_timeout").unwrap().target, "eth0.100");
        assert!(Instance::find("block.scheduler").is_err());
        assert!(Instance::find("block.a/b.scheduler").is_err());
        assert!(Instance::find("block....scheduler").is_err());
        let said = |name: &str| find(name).err().unwrap().to_string();
        assert_eq!(said("vm.swapiness"), "unknown knob \"vm.swapiness\"; did you mean \"vm.swappiness\"?");
        assert_eq!(said("vm.dirty_bytes"), "unknown knob \"vm.dirty_bytes\"; did you mean \"vm.dirty\"?");
        assert_eq!(said("qqq"), "unknown knob \"qqq\"");
    }
}
