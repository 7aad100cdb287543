//! Why a profile or the file of a machine could not be loaded.

use super::place::{Excerpt, Place};
use crate::cpu_set::CpuSet;
use crate::knob::{KnobError, UnknownKnob};
use crate::root::RootError;

/// Why a profile could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// Something is wrong at a place in a file.
    #[error("{place}: {problem}")]
    At {
        /// Where.
        place: Place,
        /// The line, for people.
        excerpt: Excerpt,
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

impl ProfileError {
    /// The line of the file with a mark below what is wrong, where there is such a line.
    #[must_use]
    pub const fn excerpt(&self) -> Option<&Excerpt> {
        match self {
            Self::At { excerpt, .. } => Some(excerpt),
            _ => None,
        }
    }

    /// The message, with the line of the file below it where there is one.
    #[must_use]
    pub fn with_excerpt(&self) -> String {
        self.excerpt().map_or_else(|| self.to_string(), |excerpt| format!("{self}\n{excerpt}"))
    }
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
    /// More than one of `value`, `at_least`, `at_most`, `one_of`.
    #[error("{knob} has {first} and {second}; keep one of them")]
    Twice {
        /// The knob.
        knob: String,
        /// One key.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// A condition that the file does not define.
    #[error("there is no condition {name:?}{}; define it as `[when.{name}]`", suggestion.as_ref().map(|known| format!("; did you mean {known:?}?")).unwrap_or_default())]
    NoCondition {
        /// The name.
        name: String,
        /// The nearest one that the file defines.
        suggestion: Option<String>,
    },
    /// A condition that asks nothing.
    #[error("when.{name} asks nothing, so it always holds; give it a fact such as `numa_nodes = \">=2\"`")]
    EmptyCondition {
        /// The name.
        name: String,
    },
    /// An included profile that is not there.
    #[error("unknown profile {name:?}{}; known are {}", suggestion.as_ref().map(|known| format!("; did you mean {known:?}?")).unwrap_or_default(), known.join(", "))]
    Include {
        /// The name as given.
        name: String,
        /// The nearest known name.
        suggestion: Option<String>,
        /// All known names.
        known: Vec<String>,
    },
    /// Processors of both roles.
    #[error("housekeeping and isolated share the CPUs {both}; give each CPU one role")]
    Overlap {
        /// The CPUs of both.
        both: CpuSet,
    },
    /// A word out of a list.
    #[error("{key} is {given:?}; give {expected}")]
    Word {
        /// The key.
        key: &'static str,
        /// The word as given.
        given: String,
        /// What it may be.
        expected: &'static str,
    },
    /// A pattern that no knob's name has.
    #[error("no knob is named like {pattern:?}; `diapason tune knobs` lists them")]
    NoSuchKnobs {
        /// The pattern.
        pattern: String,
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
