//! What can be wrong with a plan, said with the place in its text and the remedy.

use std::fmt;
use std::ops::Range;

use crate::isa::IsaError;

/// Why a text is not a plan for the data at hand.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// No feature at all.
    #[error("the plan is empty; name at least one feature, such as rsi(14)")]
    Empty,
    /// More text than any plan needs.
    #[error("the plan has {bytes} bytes and the limit is {limit}; is it the right file?")]
    TooLong {
        /// Length of the text.
        bytes: usize,
        /// Greatest length.
        limit: usize,
    },
    /// Nested too deep.
    #[error("more than {limit} {what}; make several features of it{place}")]
    TooDeep {
        /// Greatest depth.
        limit: usize,
        /// What there is too much of.
        what: &'static str,
        /// Where.
        place: Place,
    },
    /// A character that no plan contains.
    #[error("a plan has no use for '{found}'; remove it{place}")]
    Character {
        /// The character.
        found: char,
        /// Where.
        place: Place,
    },
    /// Digits that are not a number.
    #[error("'{found}' is not a number; write it like 14, 0.5 or 1e-3{place}")]
    Number {
        /// The digits.
        found: String,
        /// Where.
        place: Place,
    },
    /// A token in the wrong place.
    #[error("found {found} where {expected} belongs{place}")]
    Unexpected {
        /// What was found.
        found: String,
        /// What belongs there.
        expected: &'static str,
        /// Where.
        place: Place,
    },
    /// A call of a feature that does not exist.
    #[error("there is no feature '{name}'{hint}{place}")]
    UnknownFeature {
        /// The name.
        name: String,
        /// The likely meaning.
        hint: Hint,
        /// Where.
        place: Place,
    },
    /// A comparison of symbols where there is one series, or within a feature.
    #[error(
        "{feature} compares the symbols of a panel: read the plan with CrossPlan::parse, with {feature} outermost in its \
         feature{place}"
    )]
    Across {
        /// The comparison.
        feature: &'static str,
        /// Where.
        place: Place,
    },
    /// A column that the data does not have.
    #[error("the data has no column '{name}'{hint}{place}")]
    UnknownColumn {
        /// The name.
        name: String,
        /// The likely meaning.
        hint: Hint,
        /// Where.
        place: Place,
    },
    /// A feature reads a column that the data does not have.
    #[error(
        "{feature} reads the column '{column}', which the data does not have (it has {columns}); {remedy}{place}"
    )]
    MissingColumn {
        /// The feature as written.
        feature: String,
        /// The column.
        column: String,
        /// The columns of the data.
        columns: String,
        /// What to write instead.
        remedy: String,
        /// Where.
        place: Place,
    },
    /// The name of a feature without parentheses.
    #[error("'{name}' is a feature, not a column; write {name}(){place}")]
    NotCalled {
        /// The feature.
        name: String,
        /// Where.
        place: Place,
    },
    /// The wrong number of inputs.
    #[error("{feature} takes {takes}, not {given}, as in {remedy}{place}")]
    Inputs {
        /// The feature.
        feature: &'static str,
        /// Its inputs.
        takes: String,
        /// How many were given.
        given: usize,
        /// A right call.
        remedy: String,
        /// Where.
        place: Place,
    },
    /// An input after a parameter.
    #[error("inputs come before parameters, as in {remedy}{place}")]
    InputAfterParameter {
        /// A right call.
        remedy: String,
        /// Where.
        place: Place,
    },
    /// Too many parameters.
    #[error("{feature} takes {takes}; remove this one{place}")]
    TooManyParameters {
        /// The feature.
        feature: &'static str,
        /// Its parameters.
        takes: String,
        /// Where.
        place: Place,
    },
    /// A named parameter that does not exist.
    #[error("{feature} has no parameter '{name}'{hint}{place}")]
    UnknownParameter {
        /// The feature.
        feature: &'static str,
        /// The name.
        name: String,
        /// The likely meaning.
        hint: Hint,
        /// Where.
        place: Place,
    },
    /// A parameter given twice.
    #[error("{feature} has its parameter {name} twice; remove one{place}")]
    ParameterTwice {
        /// The feature.
        feature: &'static str,
        /// The parameter.
        name: &'static str,
        /// Where.
        place: Place,
    },
    /// Data where a number belongs.
    #[error("{name} of {feature} must be a number; a column cannot stand there{place}")]
    NotConstant {
        /// The feature.
        feature: &'static str,
        /// The parameter.
        name: &'static str,
        /// Where.
        place: Place,
    },
    /// A fraction where a whole number belongs.
    #[error("{name} of {feature} counts rows and must be a whole number, not {value}{place}")]
    NotWhole {
        /// The feature.
        feature: &'static str,
        /// The parameter.
        name: &'static str,
        /// The value.
        value: f64,
        /// Where.
        place: Place,
    },
    /// A parameter out of its bounds.
    #[error("{name} of {feature} must be from {minimum} to {maximum}, not {value}{place}")]
    OutOfBounds {
        /// The feature.
        feature: &'static str,
        /// The parameter.
        name: &'static str,
        /// The value.
        value: f64,
        /// The least value.
        minimum: f64,
        /// The greatest value.
        maximum: f64,
        /// Where.
        place: Place,
    },
    /// Two parameters in the wrong order.
    #[error("{name} of {feature} must be greater than {before}, and {value} is not above {limit}{place}")]
    NotRising {
        /// The feature.
        feature: &'static str,
        /// The parameter.
        name: &'static str,
        /// The value.
        value: f64,
        /// The parameter before it.
        before: &'static str,
        /// Its value.
        limit: f64,
        /// Where.
        place: Place,
    },
    /// An output that the feature does not have.
    #[error("{feature} has no output '{name}'; {remedy}{place}")]
    UnknownOutput {
        /// The feature.
        feature: &'static str,
        /// The name.
        name: String,
        /// What to write instead.
        remedy: String,
        /// Where.
        place: Place,
    },
    /// Several outputs where one belongs.
    #[error("{feature} has {count} outputs and one is needed here; choose {choices}{place}")]
    ManyOutputs {
        /// The feature.
        feature: &'static str,
        /// How many outputs it has.
        count: usize,
        /// The outputs there are.
        choices: String,
        /// Where.
        place: Place,
    },
    /// A feature that does not depend on the data.
    #[error("this is the same on every row; a feature must read data{place}")]
    Constant {
        /// Where.
        place: Place,
    },
    /// The same feature twice.
    #[error("{name} is in the plan twice; remove one{place}")]
    Repeated {
        /// The feature.
        name: String,
        /// Where.
        place: Place,
    },
    /// More work or memory than a plan may ask for.
    #[error("the plan needs {needs} {what} and the limit is {limit}; shorten its list or its periods")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much the plan needs.
        needs: usize,
        /// The greatest amount.
        limit: usize,
    },
    /// `KERNELS_ISA` names an instruction set that is not to be had.
    #[error(transparent)]
    Isa(#[from] IsaError),
    /// Data for which there is no default plan.
    #[error(
        "there is no default plan for the columns {columns}; it needs close, or bid and ask: name features yourself"
    )]
    NoDefault {
        /// The columns of the data.
        columns: String,
    },
}

/// A likely meaning, or else what there is.
#[derive(Clone, Debug, PartialEq)]
pub enum Hint {
    /// One name is close.
    Near(String),
    /// None is; these exist.
    Among(String),
}

impl Hint {
    /// The candidate that `name` is most likely a slip of, or else all of them.
    pub(crate) fn new<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Self {
        let lower = name.to_lowercase();
        let mut best: Option<(usize, &str)> = None;
        let mut all = Vec::new();
        for candidate in candidates {
            let distance = strsim::osa_distance(&lower, &candidate.to_lowercase());
            if distance <= lower.chars().count().max(3) / 3 && best.is_none_or(|(least, _)| distance < least)
            {
                best = Some((distance, candidate));
            }
            all.push(candidate);
        }
        best.map_or_else(|| Self::Among(all.join(", ")), |(_, near)| Self::Near(near.to_owned()))
    }
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Near(name) => write!(f, "; did you mean '{name}'?"),
            Self::Among(names) => write!(f, "; there are {names}"),
        }
    }
}

/// A place in the text of a plan: its line, shown with a line of carets under the spot.
#[derive(Clone, Debug, PartialEq)]
pub struct Place(Box<Spot>);

/// The content of a [`Place`], apart from it to keep errors small.
#[derive(Clone, Debug, PartialEq)]
struct Spot {
    span: Range<usize>,
    line: usize,
    column: usize,
    excerpt: String,
    indent: usize,
    width: usize,
}

/// Characters shown on each side of the spot.
const MARGIN: usize = 48;

impl Place {
    /// The bytes `span` of `text`.
    pub(crate) fn new(text: &str, span: &Range<usize>) -> Self {
        let start = text[..span.start].rfind('\n').map_or(0, |at| at + 1);
        let end = text[span.start..].find('\n').map_or(text.len(), |at| span.start + at);
        let column = text[start..span.start].chars().count();
        let width = text[span.start..span.end.min(end)].chars().count().max(1);
        let from = column.saturating_sub(MARGIN);
        let shown = text[start..end].trim_end_matches('\r');
        let mut excerpt: String = shown.chars().skip(from).take(column - from + width + MARGIN).collect();
        let mut indent = column - from;
        if from > 0 {
            excerpt.insert_str(0, "... ");
            indent += 4;
        }
        if shown.chars().count() > column + width + MARGIN {
            excerpt.push_str(" ...");
        }
        // A tab would shift the carets.
        let excerpt = excerpt.replace(|c: char| c.is_control(), " ");
        let line = text[..start].matches('\n').count() + 1;
        Self(Box::new(Spot { span: span.clone(), line, column: column + 1, excerpt, indent, width }))
    }

    /// First byte in the text and the byte after the last.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.0.span.clone()
    }

    /// Number of the line, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.0.line
    }

    /// Number of the character in the line, from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.0.column
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Spot { line, excerpt, indent, width, .. } = &*self.0;
        if *line > 1 {
            write!(f, " (line {line})")?;
        }
        write!(f, "\n    {excerpt}\n    {:indent$}{}", "", "^".repeat(*width))
    }
}
