//! A made-up market: one-minute bars from a seed, the same on every machine.
//!
//! [`bars`] says what the market is like and what can be learnt from it; this module writes it to a file.

use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

pub mod bars;

use crate::format::libhdf5::{self, Choice, Column, Kind, Value, Writer};
use bars::{Bar, Bars};

/// Bars that are handed to the writer together.
const BATCH_ROWS: usize = 4096;
/// Bars between two calls of the progress function.
const PROGRESS_ROWS: u64 = 16 * BATCH_ROWS as u64;

/// Which market to make.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many bars.
    pub rows: u64,
    /// Equal seeds give equal files.
    pub seed: u64,
    /// Whether Saturdays and Sundays have no bars.
    pub weekends_closed: bool,
    /// Rows in one chunk of the output.
    pub chunk_rows: usize,
    /// The highest zstd level that columns of the output may have.
    pub level: i32,
    /// What the storage of each column is chosen by.
    pub choice: Choice,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rows: 100_000,
            seed: 7,
            weekends_closed: false,
            chunk_rows: 65_536,
            level: 1,
            choice: Choice::default(),
        }
    }
}

/// How far the generation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Rows made.
    pub rows: u64,
    /// Rows asked for.
    pub rows_total: u64,
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Rows written.
    pub rows: u64,
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

/// Why no market was made. Nothing is left behind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No bars, or more than there are minutes.
    #[error("cannot make {rows} rows; ask for 1 to {rows_max}", rows_max = Bars::count_max())]
    Rows {
        /// The rows asked for.
        rows: u64,
    },
    /// The output cannot be written.
    #[error(transparent)]
    Output(#[from] libhdf5::Error),
}

impl Error {
    /// Whether the machine is in the way (a full disk, no permission, an I/O error) rather than what was asked.
    #[must_use]
    pub fn is_environment(&self) -> bool {
        matches!(self, Self::Output(error) if error.is_environment())
    }
}

/// Writes one-minute bars into the HDF5 file `output`: timestamp, open, high, low, close, volume.
///
/// Memory stays the same for any number of rows. `output` appears, or is replaced, only once it is complete.
///
/// # Errors
/// [`Error`] when the number of rows is impossible or the output cannot be written.
pub fn generate(
    output: &Path,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Report, Error> {
    let started = Instant::now();
    let rows_total = options.rows;
    if rows_total == 0 || rows_total > Bars::count_max() {
        return Err(Error::Rows { rows: rows_total });
    }
    let writer = Writer::create(output, &columns(), options.chunk_rows, options.level)?;
    let mut writer = writer.choosing(options.choice);
    let mut bars = Bars::new(options.seed, options.weekends_closed);
    let mut batch: Vec<Bar> = Vec::with_capacity(BATCH_ROWS);
    let mut rows = 0;
    while rows < rows_total {
        let wanted = (rows_total - rows).min(BATCH_ROWS as u64) as usize;
        batch.clear();
        batch.extend(bars.by_ref().take(wanted));
        write(&mut writer, &batch)?;
        rows += wanted as u64;
        if rows == rows_total || rows.is_multiple_of(PROGRESS_ROWS) {
            progress(Progress { rows, rows_total });
        }
    }
    let written = writer.finish(&[
        ("source", Value::Text("diapason market generator, version 1".to_owned())),
        ("source_seed", Value::Int(options.seed.cast_signed())),
        ("time_zone", Value::Text("UTC (made up)".to_owned())),
    ])?;
    let (bytes_out, content_hash) = (written.bytes, written.content_hash);
    Ok(Report { rows, bytes_out, content_hash, elapsed: started.elapsed() })
}

/// A column of values: its name, its unit, and where a bar has it.
type Field = (&'static str, &'static str, fn(&Bar) -> f64);

const VALUES: [Field; 5] = [
    ("open", "price, on a grid of 0.01", |bar| bar.open),
    ("high", "price, on a grid of 0.01", |bar| bar.high),
    ("low", "price, on a grid of 0.01", |bar| bar.low),
    ("close", "price, on a grid of 0.01", |bar| bar.close),
    ("volume", "lots", |bar| bar.volume),
];

fn columns() -> Vec<Column> {
    let column = |name: &str, kind, unit: &str| Column {
        name: name.into(),
        kind,
        unit: unit.into(),
        role: name.into(),
    };
    let time = column("timestamp", Kind::I64, "nanoseconds since 1970-01-01 UTC");
    std::iter::once(time).chain(VALUES.iter().map(|(name, unit, _)| column(name, Kind::F64, unit))).collect()
}

fn write(writer: &mut Writer, batch: &[Bar]) -> Result<(), libhdf5::Error> {
    let times: Vec<i64> = batch.iter().map(|bar| bar.timestamp).collect();
    writer.push_i64(0, &times)?;
    for (column, (_, _, value)) in VALUES.iter().enumerate() {
        let values: Vec<f64> = batch.iter().map(value).collect();
        writer.push_f64(column + 1, &values)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_options_equal_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let make = |name: &str, seed| {
            let options = Options { rows: 10_000, seed, chunk_rows: 1024, ..Options::default() };
            let mut last = None;
            let report =
                generate(&folder.path().join(name), &options, &mut |progress| last = Some(progress)).unwrap();
            assert_eq!(last, Some(Progress { rows: 10_000, rows_total: 10_000 }));
            (std::fs::read(folder.path().join(name)).unwrap(), report.content_hash)
        };
        let (first, other) = (make("first", 1), make("other", 2));
        assert!(make("again", 1) == first);
        assert_ne!(first.1, other.1);
        assert!(first.0 != other.0);
    }

    #[test]
    fn refusals_leave_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        for rows in [0, u64::MAX] {
            let options = Options { rows, ..Options::default() };
            let refused = generate(&folder.path().join("x.h5"), &options, &mut |_| {}).unwrap_err();
            assert!(matches!(refused, Error::Rows { .. }));
        }
        let nowhere = folder.path().join("none/x.h5");
        let refused = generate(&nowhere, &Options::default(), &mut |_| {}).unwrap_err();
        assert!(matches!(refused, Error::Output(libhdf5::Error::Io { .. })), "{refused}");
        assert!(matches!(generate(folder.path(), &Options::default(), &mut |_| {}), Err(Error::Output(_))));
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    }
}
