//! What happens to numbers that are NaN or infinite.
//!
//! Whichever is chosen, no kernel knows of it: rows are looked at when they are copied, which the processor does beside
//! the loads, and a prediction that may not be a number is written over at the end. So the answer is the same in every
//! precision, and on every instruction set: rounding to 8 bits has no NaN of its own.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// What to do with features and weights that are NaN or infinite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NonFinite {
    /// Refuse them: the error names the window or tick, the step and the feature, or the tensor and the element. Nothing
    /// is then written, and a stream keeps its state.
    #[default]
    Error,
    /// Every output of a window that holds such a feature is NaN, whatever the precision; other windows keep their bits.
    /// With a state that is carried from tick to tick, this lasts until the instance is reset. Weights are taken as they
    /// are, in f32 and bf16; 8-bit integers have no NaN, so there such a model is refused.
    Propagate,
}

impl NonFinite {
    /// Both, the default first.
    pub const ALL: [Self; 2] = [Self::Error, Self::Propagate];

    /// The name in options and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Propagate => "propagate",
        }
    }
}

impl fmt::Display for NonFinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no such choice.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown policy {name:?} for numbers that are not finite; there are error and propagate")]
pub struct NonFiniteError {
    /// The name as given.
    pub name: String,
}

impl FromStr for NonFinite {
    type Err = NonFiniteError;

    fn from_str(name: &str) -> Result<Self, NonFiniteError> {
        let known = Self::ALL.into_iter().find(|policy| policy.name() == name);
        known.ok_or_else(|| NonFiniteError { name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for policy in NonFinite::ALL {
            assert_eq!(policy.to_string().parse(), Ok(policy));
        }
        let message = "zero".parse::<NonFinite>().unwrap_err().to_string();
        assert!(message.ends_with("\"zero\" for numbers that are not finite; there are error and propagate"));
    }
}
