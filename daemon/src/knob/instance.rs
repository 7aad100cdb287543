//! A knob on one device, and the names of both: `block.scheduler` is the knob, `block.sda.scheduler` its instance.

use super::spec::Release;
use super::{Knob, KnobError, all, delegate, known};
use crate::root::{Root, RootError};

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
    /// That is believed when it is said twice: an original must not be lost to an error that passes.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn look(&self, root: &Root) -> Result<Option<String>, KnobError> {
        let unsupported = |found: &Result<_, KnobError>| found.as_ref().is_err_and(KnobError::is_unsupported);
        let first = self.read(root);
        let found = if unsupported(&first) { self.read(root) } else { first };
        if unsupported(&found) { Ok(None) } else { found }
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
