//! Profile + host + what is now -> what would change. Nothing is written here.
//!
//! `choose -> decide -> gate`
//!
//! A plan is an ordered list: the order of application. [`Plan::make`] reads the current values; what follows
//! from them is decided by a pure function, so that every case of it is tested without a machine.

mod choose;
mod decide;

mod gate;

pub use gate::Gate;

use serde::{Deserialize, Serialize};

use crate::host::Host;
use crate::knob::{Class, Lifetime, Risk};
use crate::profile::Profile;
use crate::root::{Root, RootError};

/// What applying a profile would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Plan {
    /// The profile.
    pub profile: String,
    /// Its one line.
    pub summary: String,
    /// One entry a knob and device, in the order of application.
    pub changes: Vec<Change>,
    /// What the profile says for other machines, or may not say here.
    #[serde(default)]
    pub passed: Vec<Passed>,
}

/// One knob on one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Change {
    /// The full name, `block.sda.scheduler`; the knob's own name where the host has no device for it.
    pub knob: String,
    /// The value now; `None` when it is not there or cannot be read.
    pub current: Option<String>,
    /// The wanted value in canonical form, or as asked where the host cannot have it.
    pub wanted: String,
    /// Whether something is to be done.
    pub state: State,
    /// Why not, where it is refused or absent; what is in force, where that is not what was set.
    pub detail: Option<String>,
    /// Whether the profile holds without this change.
    pub optional: bool,
    /// What undoing can promise.
    pub class: Class,
    /// How long the value lasts.
    pub lifetime: Lifetime,
    /// How badly a wrong value can hurt.
    pub risk: Risk,
    /// What to look out for.
    pub caution: String,
    /// Why the profile wants it.
    pub reason: String,
    /// From where the profile has it.
    pub source: String,
    /// Where it is written: file, line and column.
    pub place: String,
    /// Devices it is meant for, as shell patterns, where none of them is there yet.
    #[serde(skip)]
    pub on: Vec<String>,
}

/// Whether something is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum State {
    /// The value differs and will be written.
    Change,
    /// The value is there already.
    Already,
    /// The machine has no such knob or no such device.
    AbsentOnThisHost,
    /// The value cannot be written here; `detail` says why.
    Refused,
}

/// An entry of the profile that does not count on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Passed {
    /// The knob, or the knob on one device.
    pub knob: String,
    /// What it would be.
    pub wanted: String,
    /// What kind of reason there is.
    pub because: Because,
    /// The reason.
    pub detail: String,
    /// Where the entry is written: file, line and column.
    pub place: String,
}

/// Why an entry does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Because {
    /// Its condition does not hold here.
    Condition,
    /// No processor of this machine has the role.
    Role,
    /// The machine's own file forbids it.
    Never,
}

impl Plan {
    /// What applying `profile` to this host would do.
    ///
    /// # Errors
    /// When the devices of a knob cannot be listed. A single knob that cannot be read is in the plan as refused.
    pub fn make(profile: &Profile, host: &Host, root: &Root) -> Result<Self, RootError> {
        Self::over(profile, host, root, &|_| None)
    }

    /// The same for a machine on which knobs are held: `original` tells the value of a knob before it was held,
    /// and that is what `at_least` and `at_most` compare with. Otherwise what an earlier profile raised would
    /// count as what the machine came with.
    ///
    /// # Errors
    /// As [`Plan::make`].
    pub fn over(
        profile: &Profile,
        host: &Host,
        root: &Root,
        original: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, RootError> {
        let facts = profile.machine.facts(host);
        let choice = choose::choose(profile, &facts, root)?;
        let mut ranked: Vec<(usize, Change)> = Vec::new();
        for chosen in choice.chosen {
            let reading = decide::read(&chosen, root, original(&chosen.instance.name()));
            ranked.push((chosen.rank, decide::decide(&chosen.instance.name(), &chosen, reading)));
        }
        for absent in choice.absent {
            let name = absent.entry.knob.clone();
            ranked
                .push((absent.rank, decide::decide(&name, &absent, decide::Reading::nothing(&absent, root))));
        }
        ranked.sort_by_key(|(rank, _)| *rank);
        Ok(Self {
            profile: profile.name.clone(),
            summary: profile.summary.clone(),
            changes: ranked.into_iter().map(|(_, change)| change).collect(),
            passed: choice.passed,
        })
    }

    /// The entries that will be written.
    pub fn pending(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.state == State::Change)
    }

    /// The entries that forbid applying the profile: refused, and not optional.
    pub fn obstacles(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.state == State::Refused && !change.optional)
    }
}

#[cfg(test)]
mod tests;
