//! A profile: what each knob should be, why, and from which source.
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
//! [environment.OMP_NUM_THREADS]
//! value = "1"
//! reason = "..."
//! ```

mod parse;

mod library;

pub use library::Library;

use serde::Serialize;

use crate::knob::{KnobError, UnknownKnob};
use crate::root::RootError;

/// What a machine should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Profile {
    /// Its name: the file's, without `.toml`.
    pub name: String,
    /// One line about it.
    pub summary: String,
    /// The profiles it builds on, in order.
    pub include: Vec<String>,
    /// Where it was found: a path, or `built in`.
    pub origin: String,
    /// What each knob should be, those of included profiles first.
    pub entries: Vec<Entry>,
    /// Environment variables for the workload.
    pub variables: Vec<Variable>,
}

/// What one knob should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The knob, `block.scheduler`, or the knob on one device, `block.sda.scheduler`.
    pub knob: String,
    /// The value.
    pub ask: Ask,
    /// Why.
    pub reason: String,
    /// From where.
    pub source: String,
    /// Whether the profile holds even if the machine refuses this one.
    pub optional: bool,
    /// Devices it is meant for, as shell patterns; empty means all but those that the knob skips.
    pub on: Vec<String>,
    /// Disks it is meant for; only for knobs of the family `block`.
    pub disks: Option<Disks>,
    /// Where it is written.
    pub place: Place,
}

/// The wanted value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ask {
    /// Exactly this.
    Equal(String),
    /// This, unless the machine has more already.
    AtLeast(i64),
    /// This, unless the machine has less already.
    AtMost(i64),
}

impl Ask {
    /// The value in words.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Equal(text) => text.clone(),
            Self::AtLeast(number) | Self::AtMost(number) => number.to_string(),
        }
    }
}

/// A kind of disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Disks {
    /// Those that turn.
    Rotational,
    /// Flash and virtual disks.
    SolidState,
    /// Those on the NVMe driver.
    Nvme,
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
}

/// A place in a profile's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The file, or `built in NAME`.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}:{}:{}", self.file, self.line, self.column)
    }
}

impl Profile {
    /// The variables for the workload: name, value, reason.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String, String)> {
        let triple =
            |variable: &Variable| (variable.name.clone(), variable.value.clone(), variable.reason.clone());
        self.variables.iter().map(triple).collect()
    }
}

/// Why a profile could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// Something is wrong at a place in a file.
    #[error("{place}: {problem}")]
    At {
        /// Where.
        place: Place,
        /// What, and what to do.
        problem: Box<Problem>,
    },
    /// No such profile.
    #[error("unknown profile {name:?}{}; known are {}", suggestion.as_ref().map(|known| format!("; did you mean {known:?}?")).unwrap_or_default(), known.join(", "))]
    Unknown {
        /// The name as given.
        name: String,
        /// The nearest known name.
        suggestion: Option<String>,
        /// All known names.
        known: Vec<String>,
    },
    /// The name of a profile holds letters that no profile's name has.
    #[error(
        "{name:?} is no profile name; names hold letters, digits, `-`, `_` and `.`, and a path holds a `/`"
    )]
    Name {
        /// The name as given.
        name: String,
    },
    /// A file that was named by its path is not there.
    #[error("there is no profile at {path}; give the path of a TOML file, or a name out of {}", known.join(", "))]
    NoFile {
        /// The path as given.
        path: String,
        /// All known names.
        known: Vec<String>,
    },
    /// A profile includes itself.
    #[error("profiles include each other in a circle: {}; remove one of the includes", chain.join(" -> "))]
    Circle {
        /// The names, the first one again at the end.
        chain: Vec<String>,
    },
    /// The file cannot be read.
    #[error(transparent)]
    Root(#[from] RootError),
}

/// What is wrong in a profile's file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Not TOML.
    #[error("this is not TOML: {message}")]
    Toml {
        /// What the parser says.
        message: String,
    },
    /// A key that means nothing here.
    #[error("unknown key {key:?}{}; known are {}", suggestion.as_ref().map(|known| format!("; did you mean {known:?}?")).unwrap_or_default(), known.join(", "))]
    Key {
        /// The key.
        key: String,
        /// The nearest known key.
        suggestion: Option<String>,
        /// The keys that may stand here.
        known: Vec<&'static str>,
    },
    /// A key that has to be there.
    #[error("{of} has no {key}; add `{key} = ...`")]
    Missing {
        /// What lacks it.
        of: String,
        /// The key.
        key: &'static str,
    },
    /// A value of another type.
    #[error("{key} is {found}; give {expected}")]
    Type {
        /// The key.
        key: String,
        /// What it is.
        found: String,
        /// What it should be.
        expected: &'static str,
    },
    /// Text that should say something.
    #[error("{key} is empty; say it in a few words")]
    Empty {
        /// The key.
        key: String,
    },
    /// More than one of `value`, `at_least`, `at_most`.
    #[error("{knob} has {first} and {second}; keep one of them")]
    Twice {
        /// The knob.
        knob: String,
        /// One key.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// A wrong name.
    #[error(transparent)]
    Knob(#[from] UnknownKnob),
    /// A wrong value.
    #[error("{knob}: {error}")]
    Value {
        /// The knob.
        knob: String,
        /// What is wrong with the value.
        error: KnobError,
    },
    /// A bound for something that is not one number.
    #[error("{knob} is not one number, so {key} means nothing; use `value`")]
    NoBound {
        /// The knob.
        knob: String,
        /// The key.
        key: &'static str,
    },
    /// A device pattern for a knob that exists once, or a disk kind for something that is no disk.
    #[error("{knob} cannot be limited by {key}; remove the line")]
    NoDevice {
        /// The knob.
        knob: String,
        /// The key.
        key: &'static str,
    },
    /// A name that no environment variable can have.
    #[error("{name:?} is no name of a variable; use letters, digits and `_`")]
    Variable {
        /// The name.
        name: String,
    },
}

/// A text in which a token `25%` is replaced by that share of `memory_bytes`, in bytes.
#[must_use]
pub fn expand_shares(text: &str, memory_bytes: u64) -> String {
    let share = |word: &str| {
        let percent =
            word.strip_suffix('%')?.parse::<u64>().ok().filter(|percent| (1..=100).contains(percent))?;
        // Multiples of a mebibyte: a value should not change with a page that the firmware kept.
        let share = u128::from(memory_bytes) * u128::from(percent) / 100;
        Some((share >> 20 << 20).to_string())
    };
    if !text.contains('%') || text.contains('=') {
        return text.to_owned();
    }
    text.split(' ').map(|word| share(word).unwrap_or_else(|| word.to_owned())).collect::<Vec<_>>().join(" ")
}
