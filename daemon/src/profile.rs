//! A profile: what each knob should be, why, and from which source.
//!
//! `place, problem -> source -> range, amount, role -> condition -> entry -> machine, parse -> library`
//!
//! Profiles are TOML files. A profile names only known knobs, gives a reason and a source for each value, and may
//! include other profiles, whose values it replaces knob by knob. Loading is strict: a wrong name or value is an
//! error with file, line, column and what to do, never a warning. Whether this machine has the knob is not asked
//! here but in `plan`.
//!
//! ```toml
//! summary = "One line for `tune list`."
//! include = ["balanced"]
//!
//! [knob."vm.swappiness"]
//! value = 10
//! reason = "idle pages of the engine must not wait for a disk"
//! source = "TuneD latency-performance"
//!
//! [[knob."block.scheduler"]]          # several values for different disks
//! value = "mq-deadline"
//! disks = "rotational"
//! reason = "..."
//! source = "..."
//!
//! [when.guest]                        # a condition: what is in its section holds only where it does
//! virtualisation = "any"
//!
//! [when.guest.knob."kernel.nmi_watchdog"]
//! value = 0
//! reason = "..."
//! source = "..."
//!
//! [environment.OMP_NUM_THREADS]
//! value = "100% cores"
//! reason = "..."
//! ```

mod place;

mod problem;

mod source;

mod amount;
mod range;
mod role;

pub mod condition;

mod entry;

mod machine;
mod parse;

mod library;

pub use amount::{Amounts, expand};
pub use entry::{Ask, Disks, Entry};
pub use library::Library;
pub use machine::{Drift, FILE as MACHINE_FILE, Machine, Never};
pub use place::{Excerpt, Place};
pub use problem::{Problem, ProfileError};
pub use role::{Origin, Role, Roles, fill as fill_roles, takes as takes_roles};

#[cfg(test)]
pub(crate) use {entry::KEYS as ENTRY_KEYS, machine::KEYS as MACHINE_KEYS, parse::KEYS as PROFILE_KEYS};

use serde::Serialize;

use crate::host::{Asked, Host};
use condition::{Condition, Facts, all_hold};

/// What a machine should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Profile {
    /// Its name: the file's, without `.toml`.
    pub name: String,
    /// One line about it.
    pub summary: String,
    /// The profiles it builds on, in order.
    pub include: Vec<Include>,
    /// Where it was found: a path, or `built in`.
    pub origin: String,
    /// What speaks for it and against it on a machine.
    pub fits: Vec<Fit>,
    /// What each knob should be, those of included profiles first.
    pub entries: Vec<Entry>,
    /// Environment variables for the workload.
    pub variables: Vec<Variable>,
    /// What the machine's own file says.
    pub machine: Machine,
}

/// A profile that another one builds on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Include {
    /// Its name.
    pub name: String,
    /// Where it is named.
    pub place: Place,
    #[serde(skip)]
    excerpt: Excerpt,
}

/// Something that speaks for a profile, or against it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fit {
    /// Where it counts: all of these must hold.
    pub when: Vec<Condition>,
    /// Points; below zero they speak against it.
    pub score: i64,
    /// Why.
    pub reason: String,
}

/// One environment variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Why.
    pub reason: String,
    /// Machines it is meant for: all of these must hold.
    pub when: Vec<Condition>,
    /// Where it is written.
    pub place: Place,
}

/// An environment variable as a machine gets it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// Its value, with shares as numbers.
    pub value: String,
    /// Why.
    pub reason: String,
}

/// A profile in the list of all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// One line about it.
    pub summary: String,
    /// Where it was found.
    pub origin: String,
}

impl Machine {
    /// Which processors have which role.
    #[must_use]
    pub fn roles(&self, host: &Host) -> Roles {
        Roles::of(host, self.isolated.as_ref(), self.housekeeping.as_ref())
    }

    /// What conditions and shares are judged by on `host`.
    #[must_use]
    pub fn facts<'a>(&self, host: &'a Host) -> Facts<'a> {
        let roles = self.roles(host);
        // A tree without a topology may still count its processors.
        let online = host.topology.online.len();
        let cpus = if online > 0 { online } else { host.cpu.online } as u64;
        let amounts = Amounts {
            memory_bytes: host.memory.total_bytes,
            cpus,
            cores: host.cpu.cores.map_or(cpus, |cores| cores as u64),
            housekeeping: roles.of_role(Role::Housekeeping).len() as u64,
            isolated: roles.of_role(Role::Isolated).len() as u64,
        };
        Facts { host, amounts }
    }
}

impl Profile {
    /// Which devices of a host its entries ask about.
    #[must_use]
    pub fn asks(&self) -> Asked {
        let mut asked = Asked::default();
        for entry in &self.entries {
            // A driver may be a disk's or a network interface's.
            asked.disks |= entry.disks.is_some() || !entry.driver.is_empty();
            asked.cards |= !entry.driver.is_empty();
            let demands = entry.when.iter().flat_map(|condition| &condition.demands);
            demands.for_each(|demand| condition::ask(demand.fact, &mut asked));
        }
        asked
    }

    /// The variables for the workload on `host`.
    #[must_use]
    pub fn environment(&self, host: &Host) -> Vec<Setting> {
        let facts = self.machine.facts(host);
        let here = |variable: &&Variable| all_hold(&variable.when, &facts).holds;
        let setting = |variable: &Variable| {
            let form = crate::knob::Form::Special("a text");
            let value = expand(&variable.value, &variable.name, &form, &facts.amounts);
            Setting { name: variable.name.clone(), value, reason: variable.reason.clone() }
        };
        let here: Vec<&Variable> = self.variables.iter().filter(here).collect();
        let is_last = |at: usize| here[at + 1..].iter().all(|later| later.name != here[at].name);
        (0..here.len()).filter(|at| is_last(*at)).map(|at| setting(here[at])).collect()
    }

    /// How the workload is to run on `host`: the value of `unit.limits` that names no unit, which is meant for commands
    /// that are started by hand.
    #[must_use]
    pub fn limits(&self, host: &Host) -> Option<String> {
        let facts = self.machine.facts(host);
        let mine = |entry: &&Entry| entry.knob == "unit.limits" && entry.on.is_empty();
        let here = self.entries.iter().filter(mine).filter(|entry| all_hold(&entry.when, &facts).holds);
        here.max_by_key(|entry| entry.layer).map(|entry| entry.ask.text())
    }
}

/// What the fuzzer and its test do with any text.
#[cfg(any(test, fuzzing))]
pub(crate) fn examine(text: &str) {
    let _ = parse::parse("fuzz", "fuzz", text).map_err(|error| error.to_string());
    let _ = machine::Machine::parse("fuzz", text).map_err(|error| error.to_string());
}
