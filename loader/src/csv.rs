//! Import of CSV files of bars, quotes and trades.
//!
//! ```text
//! bytes -> detect (delimiter, header, columns, form of the times) -> record -> time, number -> row (rules) -> file
//! ```
//!
//! What the file is, is found out on its first block; then every row is held to it, in one pass and bounded memory.
//! Nothing is repaired: a row that is not as the others is an error with its line, column, value and remedy, since a
//! price that was guessed is worse than none.

use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

mod error;
mod number;
mod time;

mod record;

mod layout;

mod row;

mod detect;

mod plan;

mod intake;

use crate::format::libhdf5::Writer;
pub use error::{Error, Problem};
use intake::Intake;
use plan::Plan;
use record::Records;

/// Rows between two calls of the progress function.
const PROGRESS_ROWS: u64 = 65_536;

/// What the import may be told; the default detects everything.
#[derive(Clone, Debug)]
pub struct Options {
    /// The byte between fields; detected among `,` `;` tab and `|` when absent.
    pub delimiter: Option<u8>,
    /// Names of the columns, for a file without a header line or instead of it; detected when absent.
    pub columns: Option<Vec<String>>,
    /// Columns to leave out, by their names in the input; where there are no names, by their numbers from 1 or by what
    /// they are found to be, such as `volume`.
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
    let mut intake = Intake::new(&plan, writer);
    let mut records = Records::new(plan.text()?, plan.delimiter);
    let mut reported = 0;
    if plan.header {
        records.next().map_err(|error| plan.record_error(error))?;
    }
    loop {
        let more = match records.next().map_err(|error| plan.record_error(error))? {
            Some(record) => intake.take(&record).map(|()| true)?,
            None => false,
        };
        if !more || intake.rows - reported >= PROGRESS_ROWS {
            reported = intake.rows;
            let bytes = if more { plan.bom_bytes + records.bytes_taken() } else { plan.bytes };
            progress(Progress { bytes, bytes_total: plan.bytes, rows: intake.rows });
        }
        if !more {
            break;
        }
    }
    intake.finish(options.rows_min, started)
}
