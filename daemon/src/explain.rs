//! Everything there is to say about one knob: what it does, what it is now, who wants it to be what.

use serde::{Deserialize, Serialize};

use crate::conflicts::{Conflicts, Contest};
use crate::host::Host;
use crate::knob::{self, Class, Instance, Knob, Lifetime, Named, Risk, UnknownKnob};
use crate::profile::condition::all_hold;
use crate::profile::{Entry, Library, Machine, ProfileError};
use crate::root::{Root, RootError};

/// What there is to know about a knob without a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Description {
    /// The name.
    pub name: String,
    /// What a value looks like.
    pub values: String,
    /// Whether there is one a device.
    pub per_device: bool,
    /// Devices that a profile means only when it names them.
    pub skips: Vec<String>,
    /// The kernels that have it, where it is not all that are supported.
    pub kernels: Option<String>,
    /// What it does.
    pub reason: String,
    /// How badly a wrong value can hurt.
    pub risk: Risk,
    /// What to look out for.
    pub caution: String,
    /// What undoing can promise.
    pub class: Class,
    /// The same in a sentence.
    pub undo: String,
    /// How long a value lasts.
    pub lifetime: Lifetime,
    /// Whether it lasts only while the daemon, or systemd for it, holds a descriptor.
    pub hold: bool,
    /// Other knobs that the kernel changes along with it; their originals are kept too.
    pub disturbs: Vec<String>,
    /// Where this is written down.
    pub source: String,
}

impl Description {
    /// The description of a knob.
    #[must_use]
    pub fn of(knob: &dyn Knob) -> Self {
        let spec = knob.spec();
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Self {
            name: spec.name.to_owned(),
            values: spec.form.describe(),
            per_device: !spec.is_single(),
            skips: owned(spec.skips),
            kernels: kernels(spec),
            reason: spec.reason.to_owned(),
            risk: spec.risk,
            caution: spec.caution.to_owned(),
            class: spec.class,
            undo: undo(spec.class, spec.lifetime).to_owned(),
            lifetime: spec.lifetime,
            hold: spec.hold,
            disturbs: owned(spec.disturbs),
            source: spec.source.to_owned(),
        }
    }

    /// The whole catalogue, in the order of application.
    #[must_use]
    pub fn all() -> Vec<Self> {
        knob::all().map(Self::of).collect()
    }
}

/// The kernels that have a knob, in words.
fn kernels(spec: &knob::Spec) -> Option<String> {
    match (spec.since, spec.until) {
        (None, None) => None,
        (Some(since), None) => Some(format!("{since} and later")),
        (None, Some(until)) => Some(format!("before {until}")),
        (Some(since), Some(until)) => Some(format!("from {since} to before {until}")),
    }
}

/// What undoing promises, in a sentence.
const fn undo(class: Class, lifetime: Lifetime) -> &'static str {
    match (class, lifetime) {
        (Class::ExactInverse, Lifetime::Volatile) => "writing the original back restores the very state",
        (Class::ExactInverse, Lifetime::Persistent) => "the file comes back byte by byte, or goes",
        (Class::BestEffort, _) => "the value comes back, but a side effect may stay",
        (Class::Disruptive, _) => {
            "the value comes back; changing or undoing it may stall CPUs, links or memory for a moment"
        }
        (Class::NeedsReboot, _) => {
            "the file comes back; both take effect when the system or service starts again"
        }
        (Class::Irreversible, _) => "it cannot be undone, so no profile may set it",
    }
}

/// A knob on a device as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Now {
    /// The full name.
    pub knob: String,
    /// The value; `None` where it is not there or cannot be read.
    pub current: Option<String>,
    /// Why it cannot be read.
    pub error: Option<String>,
    /// The kernel files it is in.
    pub files: Vec<String>,
}

/// What a profile, or the machine's own file, says about a knob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Word {
    /// The profile; `None` is the machine's own file.
    pub profile: Option<String>,
    /// What it asks for.
    pub asks: String,
    /// For which devices and machines, where not for all.
    pub limits: String,
    /// Whether its conditions hold here.
    pub counts: bool,
    /// Why it asks.
    pub reason: String,
    /// From where.
    pub source: String,
    /// Where it is written.
    pub place: String,
}

/// Everything there is to say about one knob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Explanation {
    /// What there is to know without a machine.
    pub knob: Description,
    /// Its values here, one a device.
    pub now: Vec<Now>,
    /// What profiles and the machine's own file say.
    pub words: Vec<Word>,
    /// Why no profile may touch it here, where the machine's own file says so.
    pub never: Vec<String>,
    /// What others say.
    pub others: Vec<Contest>,
}

/// Why a knob could not be explained.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExplainError {
    /// There is no such knob.
    #[error("{0}; `diapason tune knobs` lists them")]
    Knob(#[from] UnknownKnob),
    /// A profile is wrong.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The machine cannot be read.
    #[error(transparent)]
    Root(#[from] RootError),
}

impl Explanation {
    /// Everything about the knob `name`, or about the knob on one device.
    ///
    /// # Errors
    /// When there is no such knob, a profile is wrong, or the machine cannot be read.
    pub fn make(name: &str, library: &Library, host: &Host, root: &Root) -> Result<Self, ExplainError> {
        let named = knob::find(name)?;
        let knob = named.knob();
        let instances = match &named {
            Named::One(instance) => vec![instance.clone()],
            Named::Everywhere(knob) => {
                let targets = knob.targets(root).unwrap_or_default();
                targets.into_iter().map(|target| Instance { knob: *knob, target }).collect()
            }
        };
        let full: Vec<String> = instances.iter().map(Instance::name).collect();
        let about = |other: &str| other == knob.spec().name || full.iter().any(|name| name == other);
        let machine = library.machine()?;
        let mut words: Vec<Word> = Vec::new();
        for profile in library.names()? {
            let loaded = library.bare(&profile)?;
            let own = loaded.entries.iter().filter(|entry| about(&entry.knob));
            words.extend(own.map(|entry| word(Some(&profile), entry, &machine, host)));
        }
        let own = machine.entries.iter().filter(|entry| about(&entry.knob));
        words.extend(own.map(|entry| word(None, entry, &machine, host)));
        let never = machine.never.iter().filter(|never| {
            instances.iter().any(|one| never.covers(&one.name(), knob.spec().name, &one.target))
        });
        let found = Conflicts::find(root, host, None)?;
        Ok(Self {
            knob: Description::of(knob),
            never: never.map(|never| never.reason.clone()).collect(),
            others: found.contests.into_iter().filter(|contest| about(&contest.knob)).collect(),
            now: instances.iter().map(|instance| now(instance, root)).collect(),
            words,
        })
    }
}

fn now(instance: &Instance, root: &Root) -> Now {
    let (current, error) = match instance.look(root) {
        Ok(current) => (current, None),
        Err(error) => (None, Some(error.to_string())),
    };
    Now { knob: instance.name(), current, error, files: instance.knob.files(&instance.target) }
}

fn word(profile: Option<&str>, entry: &Entry, machine: &Machine, host: &Host) -> Word {
    let answer = all_hold(&entry.when, &machine.facts(host));
    Word {
        profile: profile.map(str::to_owned),
        asks: entry.ask.words(),
        limits: limits(entry),
        counts: answer.holds,
        reason: entry.reason.clone(),
        source: entry.source.clone(),
        place: entry.place.to_string(),
    }
}

fn limits(entry: &Entry) -> String {
    let mut limits = Vec::new();
    if entry.knob.contains('.') && !entry.on.is_empty() {
        limits.push(format!("on {}", entry.on.join(", ")));
    }
    if let Some(disks) = entry.disks {
        let word = serde_json::to_value(disks).ok().and_then(|word| word.as_str().map(str::to_owned));
        limits.push(format!("{} disks", word.unwrap_or_default()));
    }
    if !entry.driver.is_empty() {
        limits.push(format!("driver {}", entry.driver.join(", ")));
    }
    for condition in &entry.when {
        let not = if condition.wanted { "when" } else { "when not" };
        limits.push(format!("{not} {}", condition.name));
    }
    limits.join("; ")
}
