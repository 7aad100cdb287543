//! Tables that other programs keep, in the layout of this project: Parquet, Arrow IPC (Feather) and NumPy's `.npy`.
//!
//! ```text
//! file -> what it is (magic) -> columns, of which one may be the time -> batches -> intake (nulls, order) -> file
//! ```
//!
//! One pass in bounded memory: a batch of some thousand rows, or a record batch of an Arrow file, is in memory at once.
//! Whole numbers and truth values become i64, floating-point and decimal numbers f64, times i64 nanoseconds since 1970 UTC,
//! texts numbers of a list of symbols that is noted at their column. A value that would not be the same there is an error.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

mod error;

mod batch;

mod symbols;

mod npy;

#[cfg(feature = "arrow")]
mod arrow;

#[cfg(feature = "arrow")]
mod ipc;

#[cfg(feature = "arrow")]
mod parquet;

mod plan;

mod intake;

use crate::append::Before;
use crate::csv::{Progress, Stamp};
use crate::format::libhdf5::{Choice, Writer, is_same_file};
pub use crate::nulls::Nulls;
use crate::parallel;
use batch::{Batch, Field};
pub use error::Error;
use intake::Intake;
use plan::Plan;

/// What an import may be told.
#[derive(Clone, Debug)]
pub struct Options {
    /// Names of the columns of a plain array, which has none; an error for files with names of their own.
    pub columns: Option<Vec<String>>,
    /// Columns to leave out, by their names in the input.
    pub skip: Vec<String>,
    /// The column of times where it cannot be told, by its name in the input.
    pub time: Option<String>,
    /// What a null is.
    pub nulls: Nulls,
    /// Rows in one chunk of the output.
    pub chunk_rows: usize,
    /// The highest zstd level that columns of the output may have.
    pub level: i32,
    /// What the storage of each column is chosen by.
    pub choice: Choice,
    /// Threads that compress; 0 for as many as there are processors.
    pub threads: usize,
    /// Whether the output is there, and the rows are put behind its own.
    pub append: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            columns: None,
            skip: Vec::new(),
            time: None,
            nulls: Nulls::Fail,
            chunk_rows: 65_536,
            level: 3,
            choice: Choice::default(),
            threads: 0,
            append: false,
        }
    }
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Text, also packed: for [`csv::import`](crate::csv::import).
    Text,
    /// For [`repack`](crate::repack::repack).
    Hdf5,
    /// NumPy's array.
    Npy,
    /// Apache Parquet.
    Parquet,
    /// Apache Arrow's file of record batches, also called Feather.
    ArrowIpc,
}

impl Format {
    /// What the file at `path` is, by its first bytes.
    ///
    /// # Errors
    /// [`Error::Input`] when it cannot be read or is no regular file.
    pub fn of(path: &Path) -> Result<Self, Error> {
        const MAGICS: &[(&[u8], Format)] = &[
            (b"PAR1", Format::Parquet),
            (b"ARROW1", Format::ArrowIpc),
            (b"\x93NUMPY", Format::Npy),
            (b"\x89HDF\r\n\x1a\n", Format::Hdf5),
        ];
        let mut head = Vec::new();
        open(path)?.take(8).read_to_end(&mut head).map_err(|error| Error::input(path, error))?;
        Ok(MAGICS.iter().find(|(magic, _)| head.starts_with(magic)).map_or(Self::Text, |(_, format)| *format))
    }
}

/// What an import did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// What the input was.
    pub format: Format,
    /// Rows of the output.
    pub rows: u64,
    /// Rows of it that were there before, where it was appended to.
    pub rows_before: u64,
    /// Rows left out, because something in them was null.
    pub rows_skipped: u64,
    /// Columns written, in order, the time first.
    pub columns: Vec<Column>,
    /// The time of the first row, in nanoseconds since 1970-01-01 UTC, where there are times.
    pub first_ns: Option<i64>,
    /// The time of the last row.
    pub last_ns: Option<i64>,
    /// The zone of the times in words.
    pub zone: Option<String>,
    /// Rows whose time is also that of the row above.
    pub repeated: u64,
    /// Bytes of the input.
    pub bytes_in: u64,
    /// Bytes of the output.
    pub bytes_out: u64,
    /// BLAKE3 over names, types and values of all columns, in hexadecimal.
    pub content_hash: String,
    /// How long it took.
    pub elapsed: Duration,
}

/// A column of the output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    /// Its name in the output.
    pub name: String,
    /// Its name in the input.
    pub source: String,
    /// Its type in the input.
    pub source_type: String,
}

/// A file of another program, open.
enum Input {
    Npy(npy::Reader),
    #[cfg(feature = "arrow")]
    Ipc(Box<ipc::Reader>),
    #[cfg(feature = "arrow")]
    Parquet(Box<parquet::Reader>),
}

impl Input {
    fn open(path: &Path, format: Format) -> Result<Self, Error> {
        match format {
            Format::Npy => npy::Reader::open(path).map(Self::Npy),
            #[cfg(feature = "arrow")]
            Format::ArrowIpc => ipc::Reader::open(path).map(|reader| Self::Ipc(Box::new(reader))),
            #[cfg(feature = "arrow")]
            Format::Parquet => parquet::Reader::open(path).map(|reader| Self::Parquet(Box::new(reader))),
            _ => Err(Error::Format { path: path.to_path_buf() }),
        }
    }

    fn fields(&self) -> &[Field] {
        match self {
            Self::Npy(reader) => reader.fields(),
            #[cfg(feature = "arrow")]
            Self::Ipc(reader) => reader.fields(),
            #[cfg(feature = "arrow")]
            Self::Parquet(reader) => reader.fields(),
        }
    }

    /// The names that the list of columns may change: none, where the file has its own.
    fn fields_mut(&mut self) -> Option<&mut [Field]> {
        match self {
            Self::Npy(reader) => reader.unnamed(),
            #[cfg(feature = "arrow")]
            _ => None,
        }
    }

    /// Chooses the fields that [`Input::next`] gives, by their numbers, in this order.
    fn choose(&mut self, fields: &[usize]) -> Result<(), Error> {
        match self {
            Self::Npy(reader) => reader.choose(fields),
            #[cfg(feature = "arrow")]
            Self::Ipc(reader) => reader.choose(fields)?,
            #[cfg(feature = "arrow")]
            Self::Parquet(reader) => reader.choose(fields)?,
        }
        Ok(())
    }

    /// Takes these as the first symbols of a chosen field.
    fn know(&mut self, lane: usize, symbols: &[String]) {
        match self {
            Self::Npy(reader) => reader.know(lane, symbols),
            #[cfg(feature = "arrow")]
            Self::Ipc(reader) => reader.know(lane, symbols),
            #[cfg(feature = "arrow")]
            Self::Parquet(reader) => reader.know(lane, symbols),
        }
    }

    /// The next rows; `None` at the end.
    fn next(&mut self) -> Result<Option<Batch>, Error> {
        match self {
            Self::Npy(reader) => reader.next(),
            #[cfg(feature = "arrow")]
            Self::Ipc(reader) => reader.next(),
            #[cfg(feature = "arrow")]
            Self::Parquet(reader) => reader.next(),
        }
    }
}

/// Imports the Parquet, Arrow or NumPy file `input` into the HDF5 file `output`, which appears, or is replaced, only once it
/// is complete and on disk. `progress` is told of rows; bytes are an estimate from them.
///
/// # Errors
/// [`Error`] names the file, column, row, value and remedy.
pub fn import(
    input: &Path,
    output: &Path,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Report, Error> {
    let started = Instant::now();
    let stamp = || Stamp::of(input).map_err(|error| Error::input(input, error));
    let begun = stamp()?;
    if is_same_file(input, output) {
        return Err(Error::SameFile { path: input.to_path_buf() });
    }
    let format = Format::of(input)?;
    let mut opened = Input::open(input, format)?;
    let mut plan = Plan::of(input, &mut opened, options)?;
    if options.nulls == Nulls::Nan {
        plan.widen(&mut opened)?;
        opened = Input::open(input, format)?;
    }
    opened.choose(&plan.numbers())?;
    let before = if options.append { Some(Before::open(output)?) } else { None };
    let writer = Writer::create(output, &plan.columns(), options.chunk_rows, options.level)?;
    let writer = writer.choosing(options.choice);
    let threads = parallel::threads(options.threads);
    let mut intake = Intake::new(&plan, options.nulls, writer, threads);
    if let Some(before) = &before {
        for (lane, symbols) in intake.follow(before)? {
            opened.know(lane, &symbols);
        }
    }
    while let Some(batch) = opened.next()? {
        intake.take(batch)?;
        progress(Progress { bytes: 0, bytes_total: begun.bytes, rows: intake.rows });
    }
    if stamp()? != begun {
        return Err(Error::Changed { path: input.to_path_buf() });
    }
    let report = intake.finish(format, begun.bytes, started)?;
    progress(Progress { bytes: begun.bytes, bytes_total: begun.bytes, rows: report.rows });
    Ok(report)
}

/// Reads all rows of the array `input` and writes nothing; gives their number.
#[cfg(any(test, fuzzing))]
pub(crate) fn read(input: &Path) -> Result<u64, Error> {
    let mut opened = Input::open(input, Format::Npy)?;
    opened.choose(&(0..opened.fields().len()).collect::<Vec<_>>())?;
    let mut rows = 0;
    while let Some(batch) = opened.next()? {
        rows += batch.rows as u64;
    }
    Ok(rows)
}

/// Opens a regular file.
fn open(path: &Path) -> Result<File, Error> {
    let refused = |error| Error::input(path, error);
    let found = std::fs::metadata(path).map_err(refused)?;
    if found.is_file() {
        return File::open(path).map_err(refused);
    }
    let problem =
        if found.is_dir() { "it is a directory, a file is needed" } else { "it is not a regular file" };
    Err(refused(std::io::Error::new(std::io::ErrorKind::InvalidInput, problem)))
}
