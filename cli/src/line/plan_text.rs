//! A feature plan as it was given: on the command line, or in a file that `@` names.
//!
//! A text file is the plan itself. A TOML file lists it:
//!
//! ```toml
//! features = [
//!     "rsi(14)",                  # momentum
//!     "ema(close,20)/close-1",
//! ]
//! ```
//! What is no feature in it becomes blanks, so that a message's line and column are those of the file.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;
use toml::Spanned;

/// Bytes of a file with a plan; the plan itself may be shorter.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A plan, not yet read, and the file it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanText {
    /// The plan.
    pub text: String,
    /// The file.
    pub file: Option<PathBuf>,
}

/// Why a file holds no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanTextError {
    /// It cannot be read.
    #[error("cannot read {}: {error}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// It is far too long.
    #[error("{} has more than {FILE_BYTES_MAX} bytes; is it the right file?", file.display())]
    TooLong {
        /// The file.
        file: PathBuf,
    },
    /// It is not TOML, or not of the one key that there is.
    #[error("{}: {error}\nwrite a plan like features = [\"rsi(14)\", \"ema(close,20)/close-1\"]", file.display())]
    Toml {
        /// The file.
        file: PathBuf,
        /// What is wrong, and where.
        error: toml::de::Error,
    },
    /// A text that is not in the file as it is meant.
    #[error("{}: the feature {feature:?} is written with escapes; write it as it is", file.display())]
    Escapes {
        /// The file.
        file: PathBuf,
        /// The feature.
        feature: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    features: Vec<Spanned<String>>,
}

impl FromStr for PlanText {
    type Err = PlanTextError;

    fn from_str(word: &str) -> Result<Self, PlanTextError> {
        let Some(file) = word.strip_prefix('@').map(PathBuf::from) else { return Ok(Self::of(word)) };
        let text = read(&file)?;
        let is_toml = file.extension().is_some_and(|end| end == "toml");
        let text = if is_toml { listed(&file, &text)? } else { text };
        Ok(Self { text, file: Some(file) })
    }
}

impl PlanText {
    /// The plan itself.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self { text: text.to_owned(), file: None }
    }

    /// Where a message about the plan of `data` is to send its reader.
    #[must_use]
    pub fn place(&self, data: &Path) -> String {
        match &self.file {
            Some(file) => format!("{}, for {}", file.display(), data.display()),
            None => data.display().to_string(),
        }
    }
}

fn read(file: &Path) -> Result<String, PlanTextError> {
    let failed = |error| PlanTextError::Read { file: file.to_path_buf(), error };
    let mut text = String::new();
    let opened = File::open(file).map_err(failed)?;
    opened.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(PlanTextError::TooLong { file: file.to_path_buf() });
    }
    Ok(text)
}

/// The features of a TOML file where they stand in it, with commas between them.
fn listed(file: &Path, text: &str) -> Result<String, PlanTextError> {
    let Listed { features } =
        toml::from_str(text).map_err(|error| PlanTextError::Toml { file: file.to_path_buf(), error })?;
    let mut plan = String::with_capacity(text.len());
    let blank_to = |plan: &mut String, from: usize, to: usize| {
        plan.extend(text[from..to].chars().map(|letter| if letter == '\n' { '\n' } else { ' ' }));
    };
    let mut at = 0;
    for (place, feature) in features.iter().enumerate() {
        let span = feature.span();
        let within = text[span.clone()].find(feature.as_ref().as_str());
        let start = within.filter(|_| !feature.as_ref().is_empty()).map(|within| span.start + within);
        let Some(start) = start else {
            let feature = feature.as_ref().clone();
            return Err(PlanTextError::Escapes { file: file.to_path_buf(), feature });
        };
        blank_to(&mut plan, at, start);
        plan.push_str(feature.as_ref());
        at = start + feature.as_ref().len();
        // The quote behind it makes room for the comma.
        if place + 1 < features.len() {
            plan.push(',');
            at += 1;
        }
    }
    blank_to(&mut plan, at, text.len());
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;
    use diapason_kernels::feature::Plan;

    fn given(name: &str, text: &str) -> Result<PlanText, PlanTextError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        format!("@{}", file.display()).parse()
    }

    const LIST: &str =
        "# Größe\nfeatures = [\n    \"rsi(14)\", # momentum\n    'ema(close,20)/close-1',\n]\n";

    #[test]
    fn a_list_is_the_plan_of_its_features() {
        let columns = ["close"];
        let plan = Plan::parse(&given("plan.toml", LIST).unwrap().text, &columns).unwrap();
        assert_eq!(plan.hash(), Plan::parse("rsi(14), ema(close,20)/close-1", &columns).unwrap().hash());
        let text = given("plan.txt", "# two\nrsi(14),\nema(close,20)/close-1\n").unwrap();
        assert_eq!(Plan::parse(&text.text, &columns).unwrap().hash(), plan.hash());
        assert_eq!("rsi(14)".parse::<PlanText>().unwrap(), PlanText::of("rsi(14)"));
    }

    #[test]
    fn a_message_has_the_line_of_the_file() {
        let text = given("plan.toml", &LIST.replace("ema", "emaa")).unwrap().text;
        let message = Plan::parse(&text, &["close"]).unwrap_err().to_string();
        assert!(message.contains("'emaa'") && message.contains("line 4"), "{message}");
    }

    #[test]
    fn what_is_no_plan_is_refused() {
        for (name, text, wanted) in [
            ("plan.toml", "features = \"rsi(14)\"", "features = ["),
            ("plan.toml", "[features]\na = 1", "features = ["),
            ("plan.toml", "features = [\"rsi(14)\"]\nother = 1", "unknown field `other`"),
            ("plan.toml", "features = [\"rsi(\\u0031)\"]", "escapes"),
            ("plan.toml", "features = [\"\"]", "escapes"),
            ("plan.toml", "features = [", "plan.toml"),
        ] {
            let message = given(name, text).unwrap_err().to_string();
            assert!(message.contains(wanted), "{message}");
        }
        let long = "#".repeat(1 << 20) + "\n";
        assert!(matches!(given("plan.txt", &long), Err(PlanTextError::TooLong { .. })));
        assert!(matches!("@/no/such/file".parse::<PlanText>(), Err(PlanTextError::Read { .. })));
    }
}
