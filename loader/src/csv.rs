//! Import of CSV files of bars, quotes and trades.
//!
//! ```text
//! bytes -> detect (delimiter, header, columns, form of the times) -> record -> time, number -> row (rules) -> file
//! ```
//!
//! What the file is, is found out on its first block; then every row is held to it, in one pass and bounded memory.
//! Nothing is repaired: a row that is not as the others is an error with its line, column, value and remedy, since a
//! price that was guessed is worse than none.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

mod detect;
mod error;
mod layout;
mod number;
mod record;
mod row;
mod time;

use crate::format::libhdf5::{self, Kind, Value, Writer};
pub use error::{Error, Problem};
use layout::{Layout, Time};
use record::{Record, Records};
use row::Rules;
use time::Clock;

/// The first block, on which everything is detected.
const HEAD_BYTES: u64 = 256 << 10;
/// Rows that are handed to the writer together.
const BATCH_ROWS: usize = 4096;
/// Rows between two calls of the progress function.
const PROGRESS_ROWS: u64 = 16 * BATCH_ROWS as u64;

/// What the import may be told; the default detects everything.
#[derive(Clone, Debug)]
pub struct Options {
    /// The byte between fields; detected among `,` `;` tab and `|` when absent.
    pub delimiter: Option<u8>,
    /// Names of the columns, for a file without a header line or instead of it; detected when absent.
    pub columns: Option<Vec<String>>,
    /// Columns to leave out, by their names in the input.
    pub skip: Vec<String>,
    /// The least number of rows that is of use.
    pub rows_min: u64,
    /// Rows in one chunk of the output.
    pub chunk_rows: usize,
    /// The zstd level of the output.
    pub level: i32,
}

impl Default for Options {
    fn default() -> Self {
        Self { delimiter: None, columns: None, skip: Vec::new(), rows_min: 1, chunk_rows: 65_536, level: 1 }
    }
}

/// How far an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the input read.
    pub bytes: u64,
    /// Bytes of the input.
    pub bytes_total: u64,
    /// Rows taken.
    pub rows: u64,
}

/// What an import did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Rows written.
    pub rows: u64,
    /// Columns written, in order, the time first.
    pub columns: Vec<Column>,
    /// The byte between fields.
    pub delimiter: char,
    /// Whether the first line names the columns.
    pub header: bool,
    /// The form of the times in words.
    pub timestamp: String,
    /// The time zone in words, and whether it is stated or assumed.
    pub zone: String,
    /// The time of the first row, in nanoseconds since 1970-01-01 UTC.
    pub first_ns: i64,
    /// The time of the last row, in nanoseconds since 1970-01-01 UTC.
    pub last_ns: i64,
    /// Rows whose time is also that of the row above; only files without bars may have them.
    pub repeated: u64,
    /// Rows whose bid is above their ask: kept, since quotes of several venues do cross.
    pub crossed: u64,
    /// Bytes of the input.
    pub bytes_in: u64,
    /// Bytes of the output.
    pub bytes_out: u64,
    /// BLAKE3 over names, types and values of all columns, in hexadecimal.
    pub content_hash: String,
    /// How long it took.
    pub elapsed: Duration,
}

impl Report {
    /// Rows per second.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
    pub fn rows_per_second(&self) -> f64 {
        self.rows as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }
}

/// A column of the output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    /// Its name in the output.
    pub name: String,
    /// Its name in the input, or its number from 1 where there are no names.
    pub source: String,
    /// What it was taken for.
    pub role: String,
}

/// Imports the CSV file `input` into the HDF5 file `output`, in one pass and bounded memory.
///
/// Values become the nearest f64. `progress` is called from time to time and at the end. `output` appears, or is
/// replaced, only once it is complete and on disk.
///
/// # Errors
/// [`Error`] names the file, line, column, value and remedy.
pub fn import(
    input: &Path,
    output: &Path,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Report, Error> {
    let started = Instant::now();
    let plan = Plan::of(input, output, options)?;
    let writer = Writer::create(output, &plan.columns(), options.chunk_rows, options.level)?;
    let mut import = Import::new(&plan, writer);
    let mut records = Records::new(plan.text()?, plan.delimiter);
    let mut reported = 0;
    if plan.header {
        records.next().map_err(|error| plan.record_error(error))?;
    }
    loop {
        let more = match records.next().map_err(|error| plan.record_error(error))? {
            Some(record) => import.take(&record).map(|()| true)?,
            None => false,
        };
        if !more || import.rows - reported >= PROGRESS_ROWS {
            reported = import.rows;
            let bytes = if more { plan.bom_bytes + records.bytes_taken() } else { plan.bytes };
            progress(Progress { bytes, bytes_total: plan.bytes, rows: import.rows });
        }
        if !more {
            break;
        }
    }
    import.finish(options.rows_min, started)
}

/// What a file is, found on its first block.
#[derive(Debug)]
struct Plan<'a> {
    input: &'a Path,
    bytes: u64,
    bom_bytes: u64,
    delimiter: u8,
    header: bool,
    layout: Layout,
    time_source: String,
    clock: Clock,
}

impl<'a> Plan<'a> {
    fn of(input: &'a Path, output: &Path, options: &Options) -> Result<Self, Error> {
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
        if std::fs::canonicalize(output).ok() == Some(std::fs::canonicalize(input).map_err(refused)?) {
            return Err(Error::SameFile { path: path() });
        }
        let mut head = Vec::new();
        File::open(input).and_then(|file| file.take(HEAD_BYTES).read_to_end(&mut head)).map_err(refused)?;
        if let Some((kind, remedy)) = detect::foreign(&head) {
            return Err(Error::NotText { path: path(), kind, remedy });
        }
        let is_whole = head.len() as u64 == metadata.len();
        let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&head);
        let delimiter = options.delimiter.unwrap_or_else(|| detect::delimiter(text, is_whole));
        let rows = detect::rows(text, is_whole, delimiter);
        let rows: Vec<Vec<&[u8]>> = rows.iter().map(|row| row.iter().map(Vec::as_slice).collect()).collect();
        let Some(first) = rows.first() else {
            // Nothing but blank lines, or a first record so broken that reading it again tells why.
            Records::new(text, delimiter).next().map_err(|error| record_error(input, error))?;
            return Err(Error::Empty { path: path(), rows_min: options.rows_min });
        };
        let header = layout::is_header(first);
        if header && rows.len() == 1 && is_whole {
            return Err(Error::HeaderOnly { path: path(), rows_min: options.rows_min });
        }
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
            Some(names) => Layout::of_names(names, first_values, &options.skip),
            None => match options.skip.first() {
                Some(wanted) => Err(layout::Problem::NoSuch(wanted.clone())),
                None => Layout::of_shape(values),
            },
        };
        let shown = || names.clone().unwrap_or_else(|| lossy(first));
        let layout = layout.map_err(|problem| layout_error(input, problem, shown(), delimiter))?;
        let field = match layout.time {
            Time::Field(field) | Time::DayAndTime(field, _) => field,
        };
        let time_source =
            names.as_ref().map_or_else(|| (field + 1).to_string(), |names| names[field].clone());
        let time = time_text(&layout, |field| first_values.get(field).copied().unwrap_or_default());
        let clock = Clock::detect(&time).ok_or_else(|| Error::Value {
            path: path(),
            line: 1 + u64::from(header),
            column: time_source.clone(),
            value: String::from_utf8_lossy(&time).into_owned(),
            problem: Problem::NoForm,
        })?;
        let bom_bytes = (head.len() - text.len()) as u64;
        Ok(Self { input, bytes: metadata.len(), bom_bytes, delimiter, header, layout, time_source, clock })
    }

    /// The text from its first row on.
    fn text(&self) -> Result<File, Error> {
        let refused = |error| Error::Input { path: self.input.to_path_buf(), error };
        let mut file = File::open(self.input).map_err(refused)?;
        file.seek(SeekFrom::Start(self.bom_bytes)).map_err(refused)?;
        Ok(file)
    }

    /// The columns of the output.
    fn columns(&self) -> Vec<libhdf5::Column> {
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

    fn record_error(&self, error: record::Error) -> Error {
        record_error(self.input, error)
    }
}

/// The text of a row's time; a day and a time of day are joined.
fn time_text<'f>(layout: &Layout, field: impl Fn(usize) -> &'f [u8]) -> std::borrow::Cow<'f, [u8]> {
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
        layout::Problem::Ambiguous => Error::Ambiguous { path, fields: columns.len() },
        layout::Problem::Twice(name) => Error::Twice { path, name },
        layout::Problem::NoSuch(wanted) => {
            let suggestion =
                crate::nearest::nearest(&wanted, columns.iter().map(String::as_str)).map(str::to_owned);
            Error::NoColumn { path, wanted, suggestion, columns }
        }
    }
}

/// An import under way.
struct Import<'a> {
    plan: &'a Plan<'a>,
    writer: Writer,
    rules: Rules,
    clock: Clock,
    may_repeat: bool,
    times: Vec<i64>,
    values: Vec<Vec<f64>>,
    row: Vec<f64>,
    rows: u64,
    first: Option<i64>,
    last: i64,
    /// The text of the time above, for an error to quote.
    last_text: Vec<u8>,
    repeated: u64,
    crossed: u64,
}

impl<'a> Import<'a> {
    fn new(plan: &'a Plan<'a>, writer: Writer) -> Self {
        let columns = plan.layout.values.len();
        Self {
            plan,
            writer,
            rules: Rules::new(&plan.layout),
            clock: plan.clock.clone(),
            may_repeat: !plan.layout.is_bars(),
            times: Vec::with_capacity(BATCH_ROWS),
            values: vec![Vec::with_capacity(BATCH_ROWS); columns],
            row: vec![0.0; columns],
            rows: 0,
            first: None,
            last: i64::MIN,
            last_text: Vec::new(),
            repeated: 0,
            crossed: 0,
        }
    }

    /// Checks a row and takes it.
    fn take(&mut self, record: &Record<'_>) -> Result<(), Error> {
        let layout = &self.plan.layout;
        if record.len() != layout.fields {
            let path = self.plan.input.to_path_buf();
            return Err(Error::Ragged {
                path,
                line: record.line,
                found: record.len(),
                expected: layout.fields,
            });
        }
        let time = self.time(record)?;
        for (column, value) in layout.values.iter().enumerate() {
            let text = record.field(value.field);
            let refuse = |problem| Err(self.refuse(record, column, problem));
            let Some(number) = number::parse(text) else {
                return refuse(if text.is_empty() { Problem::Missing } else { Problem::NotANumber });
            };
            if !number.is_finite() {
                return refuse(Problem::NotFinite);
            }
            if let Some(rule) = self.rules.value(column, number) {
                return refuse(Problem::OutOfRange { rule });
            }
            self.row[column] = number;
        }
        if let Err(breach) = self.rules.row(&self.row) {
            return Err(self.refuse(record, breach.column, Problem::OutOfRange { rule: breach.rule }));
        }
        self.crossed += u64::from(self.rules.is_crossed(&self.row));
        self.times.push(time);
        for (values, &value) in self.values.iter_mut().zip(&self.row) {
            values.push(value);
        }
        self.rows += 1;
        if self.times.len() == BATCH_ROWS { self.hand_over() } else { Ok(()) }
    }

    /// The time of a row, which must follow the one above.
    fn time(&mut self, record: &Record<'_>) -> Result<i64, Error> {
        let text = time_text(&self.plan.layout, |field| record.field(field));
        let lossy = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
        let refuse = |problem| Error::Value {
            path: self.plan.input.to_path_buf(),
            line: record.line,
            column: self.plan.time_source.clone(),
            value: lossy(&text),
            problem,
        };
        let Some(time) = self.clock.parse(&text) else {
            return Err(refuse(Problem::NotATime { form: self.clock.form().to_string() }));
        };
        if self.first.is_some() && time < self.last {
            return Err(refuse(Problem::Unsorted { previous: lossy(&self.last_text) }));
        }
        if self.first.is_some() && time == self.last {
            if !self.may_repeat {
                return Err(refuse(Problem::Repeated));
            }
            self.repeated += 1;
        }
        self.first.get_or_insert(time);
        self.last = time;
        self.last_text.clear();
        self.last_text.extend_from_slice(&text);
        Ok(time)
    }

    fn refuse(&self, record: &Record<'_>, column: usize, problem: Problem) -> Error {
        let value = &self.plan.layout.values[column];
        Error::Value {
            path: self.plan.input.to_path_buf(),
            line: record.line,
            column: value.source.clone(),
            value: String::from_utf8_lossy(record.field(value.field)).into_owned(),
            problem,
        }
    }

    /// Gives the rows so far to the writer.
    fn hand_over(&mut self) -> Result<(), Error> {
        self.writer.push_i64(0, &self.times)?;
        self.times.clear();
        for (column, values) in self.values.iter_mut().enumerate() {
            self.writer.push_f64(column + 1, values)?;
            values.clear();
        }
        Ok(())
    }

    fn finish(mut self, rows_min: u64, started: Instant) -> Result<Report, Error> {
        let path = || self.plan.input.to_path_buf();
        let Some(first_ns) = self.first else { return Err(Error::HeaderOnly { path: path(), rows_min }) };
        if self.rows < rows_min {
            return Err(Error::TooFewRows { path: path(), rows: self.rows, rows_min });
        }
        self.hand_over()?;
        let plan = self.plan;
        let form = plan.clock.form();
        let source = plan.input.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let written = self.writer.finish(&[
            ("source", Value::Text(source)),
            ("source_time_form", Value::Text(form.to_string())),
            ("time_zone", Value::Text(form.zone().to_owned())),
        ])?;
        let time =
            Column { name: "timestamp".into(), source: plan.time_source.clone(), role: "timestamp".into() };
        let values = plan.layout.values.iter().map(|value| Column {
            name: value.name.clone(),
            source: value.source.clone(),
            role: value.role.word().to_owned(),
        });
        Ok(Report {
            rows: written.rows,
            columns: std::iter::once(time).chain(values).collect(),
            delimiter: char::from(plan.delimiter),
            header: plan.header,
            timestamp: form.to_string(),
            zone: form.zone().to_owned(),
            first_ns,
            last_ns: self.last,
            repeated: self.repeated,
            crossed: self.crossed,
            bytes_in: plan.bytes,
            bytes_out: written.bytes,
            content_hash: written.content_hash,
            elapsed: started.elapsed(),
        })
    }
}
