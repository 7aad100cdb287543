//! What a file is, found on its first block.

use std::io::Read;
use std::path::Path;

use super::Options;
use super::detect;
use super::dialect::Dialect;
use super::error::{Error, Problem};
use super::input::{Input, Packing};
use super::layout::{self, Layout, Time};
use super::record;
use super::time::Clock;
use crate::format::libhdf5::{self, Kind};
use crate::nulls::Nulls;

/// The first block, on which everything is detected.
const HEAD_BYTES: u64 = 256 << 10;

/// A time, its text and its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    pub time: i64,
    pub text: Vec<u8>,
    pub line: u64,
}

/// What a file is.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    pub input: &'a Path,
    pub bytes: u64,
    pub bom_bytes: u64,
    pub delimiter: u8,
    pub dialect: Dialect,
    pub nulls: Nulls,
    pub header: bool,
    pub layout: Layout,
    pub time_source: String,
    pub clock: Clock,
}

impl<'a> Plan<'a> {
    /// Looks at the first block of `input`.
    pub fn of(input: &'a Path, output: &Path, options: &Options) -> Result<Self, Error> {
        let path = || input.to_path_buf();
        let refused = |error| Error::Input { path: path(), error };
        let metadata = std::fs::metadata(input).map_err(refused)?;
        if !metadata.is_file() {
            let problem = if metadata.is_dir() {
                "it is a directory, a file is needed"
            } else {
                "it is not a regular file"
            };
            return Err(refused(std::io::Error::new(std::io::ErrorKind::InvalidInput, problem)));
        }
        if libhdf5::is_same_file(input, output) {
            return Err(Error::SameFile { path: path() });
        }
        let mut head = Vec::new();
        let opened = Input::open(input).map_err(refused)?;
        let packing = opened.packing;
        opened.text.take(HEAD_BYTES).read_to_end(&mut head).map_err(refused)?;
        if let Some((kind, remedy)) = detect::foreign(&head) {
            return Err(Error::NotText { path: path(), kind, remedy });
        }
        let is_whole =
            (head.len() as u64) < HEAD_BYTES || packing == Packing::Plain && HEAD_BYTES == metadata.len();
        let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&head);
        let dialect = options.dialect;
        let detect = || detect::delimiter(text, is_whole, dialect);
        let delimiter = options.delimiter.unwrap_or_else(detect);
        let (found, broken) = detect::rows(text, is_whole, delimiter);
        let rows: Vec<Vec<&[u8]>> =
            found.iter().map(|row| row.fields.iter().map(Vec::as_slice).collect()).collect();
        let header = rows.first().is_some_and(|first| layout::is_header(first, dialect));
        let (Some(first), Some(row)) = (rows.first(), found.get(usize::from(header))) else {
            // Without a row of values, a record that cannot be split is what is to be told.
            return Err(match broken {
                Some(error) => record_error(input, error),
                None if header => Error::HeaderOnly { path: path(), rows_min: options.rows_min },
                None => Error::Empty { path: path(), rows_min: options.rows_min },
            });
        };
        let values = &rows[usize::from(header)..];
        let first_values = values.first().map_or(&[][..], Vec::as_slice);
        let lossy = |row: &[&[u8]]| -> Vec<String> {
            row.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect()
        };
        let names = match &options.columns {
            Some(names) if names.len() != first.len() => {
                return Err(Error::NameCount { path: path(), names: names.len(), fields: first.len() });
            }
            Some(names) => Some(names.clone()),
            None if header => Some(lossy(first)),
            None => None,
        };
        let layout = match &names {
            Some(names) => Layout::of_names(names, first_values, &options.skip, dialect),
            None => Layout::of_shape(values, &options.skip, dialect),
        };
        let layout = layout.map_err(|problem| {
            let numbers = || (1..=first.len()).map(|number| number.to_string()).collect();
            let shown = match (&names, &problem) {
                (Some(names), _) => names.clone(),
                (None, layout::Problem::NoSuch(_)) => numbers(),
                (None, _) => lossy(first),
            };
            layout_error(input, problem, shown, delimiter)
        })?;
        let field = match layout.time {
            Time::Field(field) | Time::DayAndTime(field, _) => field,
        };
        let time_source =
            names.as_ref().map_or_else(|| (field + 1).to_string(), |names| names[field].clone());
        let time = time_text(&layout, |field| first_values.get(field).copied().unwrap_or_default());
        let clock = dialect.clock(&time).ok_or_else(|| Error::Value {
            path: path(),
            line: row.line,
            column: time_source.clone(),
            value: String::from_utf8_lossy(&time).into_owned(),
            problem: Problem::NoForm,
        })?;
        let bom_bytes = (head.len() - text.len()) as u64;
        let bytes = metadata.len();
        let nulls = options.nulls;
        Ok(Self { input, bytes, bom_bytes, delimiter, dialect, nulls, header, layout, time_source, clock })
    }

    /// The text from its first row on.
    pub fn text(&self) -> Result<Input, Error> {
        let refused = |error| Error::Input { path: self.input.to_path_buf(), error };
        Input::open(self.input).and_then(|input| input.skip(self.bom_bytes)).map_err(refused)
    }

    /// Whether `now` repeats the time above it; an error when it must not, or is before it.
    pub fn follows(&self, may_repeat: bool, above: &Moment, now: &Moment) -> Result<bool, Error> {
        if now.time < above.time {
            let previous = String::from_utf8_lossy(&above.text).into_owned();
            return Err(self.refuse_time(now.line, &now.text, Problem::Unsorted { previous }));
        }
        if now.time == above.time && !may_repeat {
            return Err(self.refuse_time(now.line, &now.text, Problem::Repeated));
        }
        Ok(now.time == above.time)
    }

    /// What is wrong with the time of a line.
    pub fn refuse_time(&self, line: u64, text: &[u8], problem: Problem) -> Error {
        Error::Value {
            path: self.input.to_path_buf(),
            line,
            column: self.time_source.clone(),
            value: String::from_utf8_lossy(text).into_owned(),
            problem,
        }
    }

    /// What to say of a text that is no number.
    pub fn not_a_number(&self, text: &[u8]) -> Problem {
        let other = Dialect { decimal_comma: true, ..self.dialect };
        Problem::NotANumber { comma: !self.dialect.decimal_comma && other.number(text).is_some() }
    }

    /// The columns of the output.
    pub fn columns(&self) -> Vec<libhdf5::Column> {
        let time = libhdf5::Column {
            name: "timestamp".to_owned(),
            kind: Kind::I64,
            unit: "nanoseconds since 1970-01-01 UTC".to_owned(),
            role: "timestamp".to_owned(),
        };
        let values = self.layout.values.iter().map(|value| libhdf5::Column {
            name: value.name.clone(),
            kind: Kind::F64,
            unit: value.role.unit().to_owned(),
            role: value.role.word().to_owned(),
        });
        std::iter::once(time).chain(values).collect()
    }

    /// What an error of the splitter is in this file.
    pub fn record_error(&self, error: record::Error) -> Error {
        record_error(self.input, error)
    }
}

/// The text of a row's time; a day and a time of day are joined.
pub(super) fn time_text<'f>(
    layout: &Layout,
    field: impl Fn(usize) -> &'f [u8],
) -> std::borrow::Cow<'f, [u8]> {
    match layout.time {
        Time::Field(at) => field(at).into(),
        Time::DayAndTime(day, of_day) => [field(day), b" ", field(of_day)].concat().into(),
    }
}

fn record_error(input: &Path, error: record::Error) -> Error {
    let path = input.to_path_buf();
    match error {
        record::Error::Io(error) => Error::Input { path, error },
        record::Error::Quote { line, problem } => Error::Quote { path, line, problem },
        record::Error::TooLong { line } => Error::TooLong { path, line, bytes_max: record::RECORD_BYTES_MAX },
    }
}

fn layout_error(input: &Path, problem: layout::Problem, columns: Vec<String>, delimiter: u8) -> Error {
    let path = input.to_path_buf();
    match problem {
        layout::Problem::NoTime => Error::NoTime { path, columns },
        layout::Problem::NoValues => Error::NoValues { path, delimiter: char::from(delimiter) },
        layout::Problem::Ambiguous(candidates) => {
            Error::Ambiguous { path, fields: columns.len(), candidates }
        }
        layout::Problem::NoClose(columns) => Error::NoClose { path, columns },
        layout::Problem::Twice(name) => Error::Twice { path, name },
        layout::Problem::NoSuch(wanted) => {
            let suggestion =
                crate::nearest::nearest(&wanted, columns.iter().map(String::as_str)).map(str::to_owned);
            Error::NoColumn { path, wanted, suggestion, columns }
        }
    }
}
