//! What a value looks like: its canonical text and its bounds.

use super::nearest;
use crate::cpu_set::{CpuSet, CpuSetError};

/// The form of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One whole number.
    Integer {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
        /// Only multiples of this.
        step: i64,
    },
    /// One whole number, or one word that stands beside the numbers.
    IntegerOr {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
        /// The word.
        word: &'static str,
    },
    /// Several whole numbers, each not smaller than the one before, joined by one blank.
    Integers {
        /// How many.
        count: usize,
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// A word out of a list.
    Choice(&'static [&'static str]),
    /// A word that the machine itself offers; what it may be is known only there.
    Word,
    /// CPUs, at least one, as the kernel's list: `0-3,8`.
    Cpus,
    /// CPUs as the kernel's list, or one word that stands for none of them.
    CpusOr(&'static str),
    /// A text that the knob reads by itself; the description is for people.
    Special(&'static str),
}

/// Why a value cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormError {
    /// Not a whole number.
    #[error("{given:?} is not a whole number")]
    NotInteger {
        /// The value as given.
        given: String,
    },
    /// Out of bounds.
    #[error("{given} is out of range; give {min} to {max}")]
    Range {
        /// The value as given.
        given: i64,
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// Between two possible values.
    #[error("{given} is not a multiple of {step}; the kernel would round it")]
    Step {
        /// The value as given.
        given: i64,
        /// The step.
        step: i64,
    },
    /// Too many or too few numbers.
    #[error("{given:?} has {found} numbers; give {count}")]
    Count {
        /// The value as given.
        given: String,
        /// How many there are.
        found: usize,
        /// How many there should be.
        count: usize,
    },
    /// Numbers that fall.
    #[error("{given:?} must not fall from one number to the next")]
    Order {
        /// The value as given.
        given: String,
    },
    /// Not in the list.
    #[error("{given:?} is none of {}{}", offered.join(", "), suggestion.as_ref().map(|known| format!("; did you mean {known:?}?")).unwrap_or_default())]
    Choice {
        /// The value as given.
        given: String,
        /// The list.
        offered: Vec<String>,
        /// The nearest of them.
        suggestion: Option<String>,
    },
    /// Not a list of CPUs.
    #[error(transparent)]
    Cpus(#[from] CpuSetError),
    /// CPUs that this machine can never have.
    #[error("{given:?} names the CPUs {beyond}, and this machine has {possible}; leave them out")]
    NoSuchCpus {
        /// The value as given.
        given: String,
        /// Those of them that are not there.
        beyond: CpuSet,
        /// The CPUs that could ever be plugged in.
        possible: CpuSet,
    },
    /// Not of the described form.
    #[error("{given:?} is not {expected}")]
    Special {
        /// The value as given.
        given: String,
        /// The description.
        expected: &'static str,
    },
}

impl Form {
    /// A whole number from `min` to `max`.
    #[must_use]
    pub const fn integer(min: i64, max: i64) -> Self {
        Self::Integer { min, max, step: 1 }
    }

    /// 0 or 1.
    #[must_use]
    pub const fn flag() -> Self {
        Self::integer(0, 1)
    }

    /// The canonical text of a value that a profile asks for, as far as it can be told without the machine.
    ///
    /// # Errors
    /// When it is of another form or out of bounds.
    pub fn canonical(&self, asked: &str) -> Result<String, FormError> {
        match *self {
            Self::Integer { min, max, step } => {
                let number = within(asked.trim(), min, max)?;
                if number >= 0 && number % step != 0 {
                    return Err(FormError::Step { given: number, step });
                }
                Ok(number.to_string())
            }
            Self::IntegerOr { word, .. } if asked.trim() == word => Ok(word.to_owned()),
            Self::IntegerOr { min, max, .. } => Ok(within(asked.trim(), min, max)?.to_string()),
            Self::Integers { count, min, max } => {
                let numbers: Result<Vec<i64>, _> =
                    asked.split_whitespace().map(|word| within(word, min, max)).collect();
                let numbers = numbers?;
                if numbers.len() != count {
                    return Err(FormError::Count { given: asked.to_owned(), found: numbers.len(), count });
                }
                if numbers.windows(2).any(|pair| pair[0] > pair[1]) {
                    return Err(FormError::Order { given: asked.to_owned() });
                }
                Ok(numbers.iter().map(i64::to_string).collect::<Vec<_>>().join(" "))
            }
            Self::Choice(words) => one_of(asked.trim(), words.iter().copied()),
            Self::Word => {
                let word = asked.trim();
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_+.".contains(&byte);
                if word.is_empty() || !word.bytes().all(plain) {
                    return Err(FormError::Special { given: asked.to_owned(), expected: "one word" });
                }
                Ok(word.to_owned())
            }
            Self::Cpus => {
                let cpus = CpuSet::parse_list(asked)?;
                if cpus.is_empty() {
                    let expected = "a list of CPUs with at least one, like 0-3,8";
                    return Err(FormError::Special { given: asked.to_owned(), expected });
                }
                Ok(cpus.to_string())
            }
            Self::CpusOr(word) if asked.trim() == word => Ok(word.to_owned()),
            Self::CpusOr(_) => Self::Cpus.canonical(asked),
            Self::Special(_) => Ok(asked.trim().to_owned()),
        }
    }

    /// The canonical text of what a kernel file says: the marked word of a choice, blanks squeezed.
    #[must_use]
    pub fn of_file(text: &str) -> String {
        let marked = text.split_whitespace().find_map(|word| word.strip_prefix('[')?.strip_suffix(']'));
        marked.map_or_else(|| text.split_whitespace().collect::<Vec<_>>().join(" "), str::to_owned)
    }

    /// The bounds in words, for people.
    #[must_use]
    pub fn describe(&self) -> String {
        match *self {
            Self::Integer { min, max, step: 1 } => format!("{min} to {max}"),
            Self::Integer { min, max, step } => format!("{min} to {max} in steps of {step}"),
            Self::IntegerOr { min, max, word } => format!("{min} to {max}, or {word}"),
            Self::Integers { count, min, max } => format!("{count} numbers from {min} to {max}"),
            Self::Choice(words) => words.join(" | "),
            Self::Word => "what the kernel offers here".to_owned(),
            Self::Cpus => "CPUs, like 0-3,8".to_owned(),
            Self::CpusOr(word) => format!("CPUs, like 0-3,8, or {word}"),
            Self::Special(description) => description.to_owned(),
        }
    }
}

/// `word`, if it is among `offered`.
///
/// # Errors
/// When it is not; the nearest is in the error.
pub(super) fn one_of<'a>(
    word: &str,
    offered: impl Iterator<Item = &'a str> + Clone,
) -> Result<String, FormError> {
    if offered.clone().any(|known| known == word) {
        return Ok(word.to_owned());
    }
    Err(FormError::Choice {
        given: word.to_owned(),
        suggestion: nearest(word, offered.clone()).map(str::to_owned),
        offered: offered.map(str::to_owned).collect(),
    })
}

fn within(word: &str, min: i64, max: i64) -> Result<i64, FormError> {
    let given: i64 = word.parse().map_err(|_| FormError::NotInteger { given: word.to_owned() })?;
    if (min..=max).contains(&given) { Ok(given) } else { Err(FormError::Range { given, min, max }) }
}

/// A number of bytes: `4096`, `64KiB`, `8MiB`, `16GiB`, `1TiB`.
pub(crate) fn bytes(word: &str) -> Option<u64> {
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)];
    let unit = units.iter().find_map(|(unit, shift)| Some((word.strip_suffix(unit)?, *shift)));
    let (digits, shift) = unit.unwrap_or((word, 0));
    digits.parse::<u64>().ok()?.checked_mul(1 << shift).filter(|bytes| i64::try_from(*bytes).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_texts() {
        assert_eq!(Form::integer(0, 200).canonical(" 010 "), Ok("10".into()));
        assert_eq!(
            Form::integer(0, 200).canonical("201").unwrap_err().to_string(),
            "201 is out of range; give 0 to 200"
        );
        assert!(matches!(Form::integer(0, 9).canonical("1e3"), Err(FormError::NotInteger { .. })));
        let step = Form::Integer { min: 0, max: 1 << 20, step: 4 };
        assert_eq!(
            step.canonical("130").unwrap_err().to_string(),
            "130 is not a multiple of 4; the kernel would round it"
        );
        let triple = Form::Integers { count: 3, min: 1, max: 1 << 31 };
        assert_eq!(triple.canonical("4096\t131072  6291456"), Ok("4096 131072 6291456".into()));
        assert!(matches!(triple.canonical("1 2"), Err(FormError::Count { found: 2, .. })));
        assert!(matches!(triple.canonical("3 2 1"), Err(FormError::Order { .. })));
        let said =
            Form::Choice(&["always", "madvise", "never"]).canonical("madvize").unwrap_err().to_string();
        assert_eq!(said, "\"madvize\" is none of always, madvise, never; did you mean \"madvise\"?");
        assert_eq!(Form::of_file("none [mq-deadline] kyber \n"), "mq-deadline");
        assert_eq!(Form::of_file("4096\t131072\t6291456\n"), "4096 131072 6291456");
        assert_eq!(Form::Cpus.canonical("8, 3,2"), Ok("2-3,8".into()));
        assert!(Form::Cpus.canonical(" ").is_err() && Form::Cpus.canonical("0-9999").is_err());
        assert_eq!(bytes("8GiB"), Some(8 << 30));
        assert_eq!(bytes("9999999999TiB"), None);
    }
}
