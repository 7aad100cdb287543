//! What there is to know about a knob without a machine.

use serde::{Deserialize, Serialize};

use super::form::Form;
use super::identity::Identity;

/// What undoing a change can promise, and what making it may disturb. `plan` shows it before anything is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Class {
    /// Writing the original back restores the very state.
    ExactInverse,
    /// The value comes back, but a side effect may stay (huge pages need free memory, a mode becomes manual).
    BestEffort,
    /// Making or undoing the change may stall processors, links or memory for a moment.
    Disruptive,
    /// It takes effect when the system, or the service it concerns, starts again.
    NeedsReboot,
    /// It cannot be undone; a profile that names it is refused.
    Irreversible,
}

/// How badly a wrong value can hurt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Risk {
    /// Some speed or power is lost.
    Low,
    /// A workload may suffer: memory pressure, hidden hangs, more heat.
    Medium,
    /// The machine may hang, or its protection is weaker.
    High,
}

/// How long a written value lasts, and with it where its original is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Lifetime {
    /// Until the next boot; its journal is in memory as well.
    Volatile,
    /// It is a file; its journal is on the disk.
    Persistent,
}

/// A release of Linux, `6.6`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release {
    /// The first number.
    pub major: u32,
    /// The second number.
    pub minor: u32,
}

impl Release {
    /// The release of a kernel by its own name, `6.1.0-49-amd64`.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        let mut numbers = name.trim().split(|letter: char| !letter.is_ascii_digit());
        let mut next = || numbers.next()?.parse().ok();
        Some(Self { major: next()?, minor: next()? })
    }
}

impl std::fmt::Display for Release {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)
    }
}

/// The description of a knob. Built as a constant: `Spec::new(name, form).why(..).risk(..).from(..)`.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// The name: the kernel's own words, the family before the first dot.
    pub name: &'static str,
    /// What a value looks like.
    pub form: Form,
    /// What undoing can promise.
    pub class: Class,
    /// How long a value lasts.
    pub lifetime: Lifetime,
    /// What the knob does.
    pub reason: &'static str,
    /// How badly a wrong value can hurt.
    pub risk: Risk,
    /// What to look out for.
    pub caution: &'static str,
    /// Where this is written down.
    pub source: &'static str,
    /// Whose device it is on.
    pub identity: Identity,
    /// Knobs that the kernel changes when this one is written: their originals are saved with it.
    pub disturbs: &'static [&'static str],
    /// Whether it exists once rather than once a device.
    pub single: bool,
    /// Devices that a profile means only when it names them (`loop*`).
    pub skips: &'static [&'static str],
    /// The first release of Linux that has it, where that is later than any kernel in use. It explains why a knob
    /// is absent and decides nothing: a distribution may have brought it to an older kernel.
    pub since: Option<Release>,
    /// The first release of Linux that no longer has it.
    pub until: Option<Release>,
    /// Whether the value lasts only as long as the daemon, or the service manager for it, holds a descriptor open.
    pub hold: bool,
}

impl Spec {
    /// A volatile knob of low risk that exists once and whose change can be undone exactly.
    #[must_use]
    pub const fn new(name: &'static str, form: Form) -> Self {
        Self {
            name,
            form,
            class: Class::ExactInverse,
            lifetime: Lifetime::Volatile,
            reason: "",
            risk: Risk::Low,
            caution: "",
            source: "",
            identity: Identity::Machine,
            disturbs: &[],
            single: true,
            skips: &[],
            since: None,
            until: None,
            hold: false,
        }
    }

    /// What it does.
    #[must_use]
    pub const fn why(mut self, reason: &'static str) -> Self {
        self.reason = reason;
        self
    }

    /// How badly a wrong value can hurt, and what to look out for.
    #[must_use]
    pub const fn risk(mut self, risk: Risk, caution: &'static str) -> Self {
        self.risk = risk;
        self.caution = caution;
        self
    }

    /// Where this is written down.
    #[must_use]
    pub const fn from(mut self, source: &'static str) -> Self {
        self.source = source;
        self
    }

    /// Another class than exact inverse.
    #[must_use]
    pub const fn class(mut self, class: Class) -> Self {
        self.class = class;
        self
    }

    /// It is a file.
    #[must_use]
    pub const fn persistent(mut self) -> Self {
        self.lifetime = Lifetime::Persistent;
        self
    }

    /// It exists once a device; `skips` are the devices that a profile has to name to mean them.
    #[must_use]
    pub const fn per_device(mut self, identity: Identity, skips: &'static [&'static str]) -> Self {
        self.single = false;
        self.identity = identity;
        self.skips = skips;
        self
    }

    /// Whose it is, for a knob that exists once.
    #[must_use]
    pub const fn of(mut self, identity: Identity) -> Self {
        self.identity = identity;
        self
    }

    /// Its value lasts as long as a descriptor is open.
    #[must_use]
    pub const fn as_hold(mut self) -> Self {
        self.hold = true;
        self
    }

    /// What the kernel changes along with it.
    #[must_use]
    pub const fn disturbs(mut self, others: &'static [&'static str]) -> Self {
        self.disturbs = others;
        self
    }

    /// The first release of Linux that has it.
    #[must_use]
    pub const fn since(mut self, major: u32, minor: u32) -> Self {
        self.since = Some(Release { major, minor });
        self
    }

    /// The first release of Linux that no longer has it.
    #[must_use]
    pub const fn until(mut self, major: u32, minor: u32) -> Self {
        self.until = Some(Release { major, minor });
        self
    }

    /// Why a kernel of this release does not have it; `None` for one that should.
    #[must_use]
    pub fn outside(&self, kernel: Release) -> Option<String> {
        let early = self.since.filter(|since| kernel < *since);
        let late = self.until.filter(|until| kernel >= *until);
        early
            .map(|since| format!("it came with Linux {since}, and this is {kernel}"))
            .or_else(|| late.map(|until| format!("it went with Linux {until}, and this is {kernel}")))
    }

    /// Whether it exists once.
    #[must_use]
    pub const fn is_single(&self) -> bool {
        self.single
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_is_inside_or_outside() {
        let release = |name| Release::of(name).unwrap();
        assert!(release("6.1.0-49-amd64") < release("6.12.9-rt") && release("5.14.0") < release("6.1"));
        assert_eq!((Release::of("x"), Release::of("6"), Release::of("")), (None, None, None));
        let spec = Spec::new("x.y", Form::flag()).since(5, 13).until(6, 6);
        let said = |name| spec.outside(release(name));
        assert_eq!(said("5.10.0").as_deref(), Some("it came with Linux 5.13, and this is 5.10"));
        assert_eq!((said("5.13.0"), said("6.5.0-rc1")), (None, None));
        assert_eq!(said("6.6.1").as_deref(), Some("it went with Linux 6.6, and this is 6.6"));
    }
}
