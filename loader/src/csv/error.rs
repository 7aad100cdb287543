//! Why an import fails, in words that tell where and what to do.

use std::path::PathBuf;

use crate::append;
use crate::format::libhdf5;
use crate::source::remedy;

/// Why an import failed. Nothing is left behind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The input cannot be opened or read.
    #[error("cannot read {}: {error}{}", path.display(), remedy(error))]
    Input {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// Input and output are the same file.
    #[error("{} is both input and output; name another output", path.display())]
    SameFile {
        /// The file.
        path: PathBuf,
    },
    /// Somebody else wrote to the input.
    #[error("{} was changed while it was read; import it when nobody writes to it", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The output cannot be lengthened.
    #[error(transparent)]
    Append(#[from] append::Error),
    /// The input is no UTF-8 text.
    #[error("{} is {kind}, not CSV text; {remedy}", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
        /// What to do about it.
        remedy: &'static str,
    },
    /// Nothing in the input.
    #[error("{} is empty; it needs at least {rows_min} row{} of values", path.display(), plural(*rows_min))]
    Empty {
        /// The file.
        path: PathBuf,
        /// Rows that are needed.
        rows_min: u64,
    },
    /// Names and nothing else.
    #[error("{} has a header and no rows; it needs at least {rows_min} row{} of values", path.display(), plural(*rows_min))]
    HeaderOnly {
        /// The file.
        path: PathBuf,
        /// Rows that are needed.
        rows_min: u64,
    },
    /// Fewer rows than are of use.
    #[error("{} has {rows} row{}, at least {rows_min} are needed; give a longer file", path.display(), plural(*rows))]
    TooFewRows {
        /// The file.
        path: PathBuf,
        /// Rows there are.
        rows: u64,
        /// Rows that are needed.
        rows_min: u64,
    },
    /// No column of times.
    #[error("{}: no column of times found among {}; name one \"timestamp\", or write times as YYYY-MM-DD HH:MM:SS, YYYYMMDD HHMMSSmmm or a number since 1970", path.display(), columns.join(", "))]
    NoTime {
        /// The file.
        path: PathBuf,
        /// The names, or the first row, of its columns.
        columns: Vec<String>,
    },
    /// Times and nothing else.
    #[error("{}: no column of values found beside the time; is the delimiter {delimiter:?} right?", path.display())]
    NoValues {
        /// The file.
        path: PathBuf,
        /// The byte taken for the delimiter.
        delimiter: char,
    },
    /// Columns without names that may be several things.
    #[error("{}: {fields} columns without a header may be {candidates}; give their names with `--columns`, such as timestamp,open,high,low,close,volume", path.display())]
    Ambiguous {
        /// The file.
        path: PathBuf,
        /// How many columns there are.
        fields: usize,
        /// What those beside the time may be.
        candidates: &'static str,
    },
    /// Bars without a close.
    #[error("{}: {} are columns of bars, which need a close too; name it \"close\", or leave them out with `--skip`", path.display(), columns.join(", "))]
    NoClose {
        /// The file.
        path: PathBuf,
        /// The columns of bars that are there.
        columns: Vec<String>,
    },
    /// Names given for a file with another number of columns.
    #[error("{}: {names} names were given with `--columns`, the file has {fields} columns; give one name for each", path.display())]
    NameCount {
        /// The file.
        path: PathBuf,
        /// How many names were given.
        names: usize,
        /// How many columns there are.
        fields: usize,
    },
    /// Two columns of one name.
    #[error("{}: two columns are called {name:?}; rename one, or leave one out with `--skip`", path.display())]
    Twice {
        /// The file.
        path: PathBuf,
        /// The name.
        name: String,
    },
    /// A column to be left out is not there.
    #[error("{} has no column {wanted:?} to leave out{}; its columns are {}", path.display(), suggestion.as_ref().map_or_else(String::new, |name| format!(", did you mean {name:?}?")), columns.join(", "))]
    NoColumn {
        /// The file.
        path: PathBuf,
        /// The name asked for.
        wanted: String,
        /// The nearest name.
        suggestion: Option<String>,
        /// All names.
        columns: Vec<String>,
    },
    /// A row with more or fewer fields than the first.
    #[error("{}:{line}: the row has {found} field{}, {expected} are expected; complete the row or remove it", path.display(), plural(*found as u64))]
    Ragged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// Its fields.
        found: usize,
        /// The fields of the first row.
        expected: usize,
    },
    /// Broken quotes.
    #[error("{}:{line}: {problem}; correct the quotes", path.display())]
    Quote {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        problem: &'static str,
    },
    /// A line that does not end.
    #[error("{}:{line}: the row is longer than {bytes_max} bytes; is this a CSV file with line ends?", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The most bytes of a row.
        bytes_max: usize,
    },
    /// A value that is not what its column holds.
    #[error("{}:{line}: column {column:?}: {value:?} {problem}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The name of the column in the input, or its number.
        column: String,
        /// The text of the field.
        value: String,
        /// What is wrong with it, and what to do.
        problem: Problem,
    },
    /// The output cannot be written.
    #[error(transparent)]
    Output(#[from] libhdf5::Error),
}

impl Error {
    /// Whether the machine is in the way (a full disk, no permission, an I/O error) rather than the input.
    #[must_use]
    pub fn is_environment(&self) -> bool {
        match self {
            Self::Input { error, .. } => libhdf5::is_environment(error),
            Self::Output(error) => error.is_environment(),
            Self::Append(error) => error.is_environment(),
            _ => false,
        }
    }
}

/// What is wrong with one value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Text where a number is needed.
    #[error("is not a number; correct it, or leave the column out with `--skip`{}", if *comma { ", or give `--decimal-comma`" } else { "" })]
    NotANumber {
        /// Whether it would be one with a comma before the decimals.
        comma: bool,
    },
    /// Nothing where a number is needed.
    #[error(
        "is no value, a number is needed; fill it in, leave such rows out (`--nulls skip`), take them as NaN (`--nulls nan`), or leave the column out with `--skip`"
    )]
    Missing,
    /// Infinite.
    #[error("is not finite; remove the row or fill in the number")]
    NotFinite,
    /// Not a time of the file's form.
    #[error("is not a time of the form {form}, which the first row has; write all times alike")]
    NotATime {
        /// The form of the first row.
        form: String,
    },
    /// Not a time of any form.
    #[error(
        "is not a time; write times as YYYY-MM-DD HH:MM:SS, YYYYMMDD HHMMSSmmm or a number since 1970, or say with `--dates` that they begin with the day or the month"
    )]
    NoForm,
    /// A time before the one above it.
    #[error("is before {previous} in the row above; sort the rows by time")]
    Unsorted {
        /// The time above.
        previous: String,
    },
    /// A time twice in a file of bars.
    #[error("is the time of the row above too; bars need one row for each time, remove one of them")]
    Repeated,
    /// A value that cannot be.
    #[error("is out of range: {rule}; correct it or remove the row")]
    OutOfRange {
        /// The rule it breaks.
        rule: &'static str,
    },
}

const fn plural(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}
