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

mod error;

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
mod gpu;
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
mod timestamps;
mod watchdog;
mod workqueue;
mod zram;

mod instance;

pub use error::KnobError;
pub(crate) use form::bytes;
pub use form::{Form, FormError};
pub use identity::Identity;
pub use instance::{Instance, Named, UnknownKnob, find, nearest};
pub use rlimit::{LimitError, ProcessLimits};
pub use spec::{Class, Lifetime, Release, Risk, Spec};

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::root::Root;

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
    timestamps::KNOBS,
    block::KNOBS,
    iosched::KNOBS,
    nvme::KNOBS,
    gpu::KNOBS,
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
}
