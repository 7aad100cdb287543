//! Import of CSV files of bars, quotes and trades.
//!
//! ```text
//! bytes (plain, gzip, zstd) -> detect (delimiter, header, columns, form of the times)
//!     -> block -> rows (time, number, rules), block by block on several threads -> intake (order) -> file
//! ```
//!
//! What the file is, is found out on its first block; then every row is held to it, in one pass and bounded memory.
//! Nothing is repaired: a row that is not as the others is an error with its line, column, value and remedy, since a
//! price that was guessed is worse than none.

use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

mod error;
mod number;
mod time;

mod dialect;

mod input;

mod record;

mod layout;

mod row;

mod detect;

mod plan;

mod block;

mod rows;

mod intake;

use crate::append::Before;
use crate::format::libhdf5::{Choice, Writer};
pub use crate::nulls::Nulls;
use crate::parallel;
use block::{Block, Blocks, Next};
pub use dialect::{Dates, Dialect};
pub use error::{Error, Problem};
pub(crate) use input::Stamp;
use intake::Intake;
pub(crate) use layout::{is_time_name, role_by_word as role_of};
use plan::Plan;
use record::Records;
use rows::Rows;
pub(crate) use time::Unit as TimeUnit;

/// Blocks that are read together for each thread: enough that no thread waits long for another.
const BLOCKS_EACH: usize = 4;
/// The most blocks in memory that are not read yet, again as many that are being read, and twice as many that are being
/// written: 64 MiB.
const BLOCKS_MAX: usize = 32;
/// Rows that are handed on together where the input is read record by record.
const BATCH_ROWS: usize = 4096;

/// What the import may be told; the default detects everything.
#[derive(Clone, Debug)]
pub struct Options {
    /// The byte between fields; detected among `,` `;` tab and `|` when absent.
    pub delimiter: Option<u8>,
    /// How numbers and dates are written.
    pub dialect: Dialect,
    /// Names of the columns, for a file without a header line or instead of it; detected when absent.
    pub columns: Option<Vec<String>>,
    /// Columns to leave out, by their names in the input; where there are no names, by their numbers from 1 or by what
    /// they are found to be, such as `volume`.
    pub skip: Vec<String>,
    /// What a field of a value is that is empty or says NaN, NA, null or none.
    pub nulls: Nulls,
    /// The least number of rows that is of use.
    pub rows_min: u64,
    /// Rows in one chunk of the output.
    pub chunk_rows: usize,
    /// The highest zstd level that columns of the output may have.
    pub level: i32,
    /// What the storage of each column is chosen by.
    pub choice: Choice,
    /// Threads that read, and as many that compress what was read before; 0 for as many as there are processors. The output is
    /// the same with any number.
    pub threads: usize,
    /// Whether the output is there, and the rows are put behind its own.
    pub append: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            delimiter: None,
            dialect: Dialect::default(),
            columns: None,
            skip: Vec::new(),
            nulls: Nulls::Fail,
            rows_min: 1,
            chunk_rows: 65_536,
            level: 1,
            choice: Choice::default(),
            threads: 0,
            append: false,
        }
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
    /// Rows of the output.
    pub rows: u64,
    /// Rows of it that were there before, where it was appended to.
    pub rows_before: u64,
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
    /// Values that were not there and are NaN.
    pub missing: u64,
    /// Rows that were left out, since a value was not there.
    pub left_out: u64,
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
    let stamp = Stamp::of(input).map_err(|error| Error::Input { path: input.to_path_buf(), error })?;
    let plan = Plan::of(input, output, options)?;
    let before = if options.append { Some(Before::open(output)?) } else { None };
    let writer = Writer::create(output, &plan.columns(), options.chunk_rows, options.level)?;
    let writer = writer.choosing(options.choice);
    let threads = parallel::threads(options.threads);
    let mut intake = Intake::new(&plan, writer);
    if let Some(before) = &before {
        intake.follow(before)?;
    }
    let opened = plan.text()?;
    let taken = Arc::clone(&opened.taken);
    let mut told = |rows| {
        let bytes = taken.load(Ordering::Relaxed).min(plan.bytes);
        progress(Progress { bytes, bytes_total: plan.bytes, rows });
    };
    // The header is a record like the others, and may have quotes.
    let mut head = Records::new(opened.text, plan.delimiter);
    if plan.header {
        head.next().map_err(|error| plan.record_error(error))?;
    }
    let (line, rest) = head.into_rest();
    let blocks = in_blocks(&plan, Blocks::new(rest, line), &mut intake, threads, &mut told)?;
    let (rest, line) = blocks.into_rest();
    record_by_record(&plan, Records::new(rest, plan.delimiter).starting_at(line), &mut intake, &mut told)?;
    if Stamp::of(input).ok() != Some(stamp) {
        return Err(Error::Changed { path: input.to_path_buf() });
    }
    let report = intake.finish(options.rows_min, started)?;
    progress(Progress { bytes: plan.bytes, bytes_total: plan.bytes, rows: report.rows });
    Ok(report)
}

/// Reads all rows of `input` on this thread and writes nothing; gives their number.
#[cfg(any(test, fuzzing))]
pub(crate) fn read(input: &Path, options: &Options) -> Result<u64, Error> {
    let plan = Plan::of(input, Path::new(""), options)?;
    let mut head = Records::new(plan.text()?.text, plan.delimiter);
    if plan.header {
        head.next().map_err(|error| plan.record_error(error))?;
    }
    let (line, rest) = head.into_rest();
    let (mut blocks, mut rows) = (Blocks::new(rest, line), Rows::new(&plan));
    while let Next::Block(block) = blocks.next(Block::default()).map_err(|error| plan.record_error(error))? {
        rows.take_block(&block)?;
    }
    let (rest, line) = blocks.into_rest();
    let mut records = Records::new(rest, plan.delimiter).starting_at(line);
    while let Some(record) = records.next().map_err(|error| plan.record_error(error))? {
        rows.take(&record)?;
    }
    Ok(rows.times.len() as u64)
}

/// Reads blocks up to the end or the first quote, and gives what is left. One thread cuts blocks while some read those
/// before, and another takes the rows of those before these.
fn in_blocks<R: Read + Send>(
    plan: &Plan<'_>,
    mut blocks: Blocks<R>,
    intake: &mut Intake<'_>,
    threads: usize,
    told: &mut dyn FnMut(u64),
) -> Result<Blocks<R>, Error> {
    let room = threads.saturating_mul(BLOCKS_EACH).clamp(1, BLOCKS_MAX);
    let count = &AtomicU64::new(intake.rows);
    thread::scope(|scope| {
        let (send, ready) = mpsc::sync_channel(room);
        let (give_back, spare) = mpsc::channel::<Block>();
        let cutter = scope.spawn(move || {
            let outcome = loop {
                match blocks.next(spare.try_recv().unwrap_or_default()) {
                    Ok(Next::Block(block)) => {
                        // Nobody takes it any more after an error.
                        if send.send(block).is_err() {
                            break Ok(());
                        }
                    }
                    Ok(Next::End | Next::Quote) => break Ok(()),
                    Err(error) => break Err(error),
                }
            };
            (blocks, outcome)
        });
        // One round waits while another is taken.
        let (hand_on, done) = mpsc::sync_channel::<Vec<(Rows<'_>, Option<Error>, Block)>>(1);
        let taker = scope.spawn(move || {
            for (rows, error, block) in done.into_iter().flatten() {
                intake.take(&rows, error, threads)?;
                count.store(intake.rows, Ordering::Relaxed);
                // The cutter may have ended; then nobody needs the memory.
                let _ = give_back.send(block);
            }
            Ok::<(), Error>(())
        });
        loop {
            let round: Vec<Block> = ready.iter().take(room).collect();
            if round.is_empty() {
                break;
            }
            let read = |(): &mut (), block: Block| {
                let mut rows = Rows::new(plan);
                let outcome = rows.take_block(&block);
                Ok::<_, std::convert::Infallible>((rows, outcome.err(), block))
            };
            let Ok(round) = parallel::run(threads, round.into_iter(), || (), read);
            // It ends at the first error, which is told below.
            if hand_on.send(round).is_err() {
                break;
            }
            told(count.load(Ordering::Relaxed));
        }
        drop((hand_on, ready));
        taker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        told(count.load(Ordering::Relaxed));
        let (blocks, outcome) = cutter.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        outcome.map_err(|error| plan.record_error(error)).map(|()| blocks)
    })
}

/// Reads what has quotes.
fn record_by_record<R: Read>(
    plan: &Plan<'_>,
    mut records: Records<R>,
    intake: &mut Intake<'_>,
    told: &mut dyn FnMut(u64),
) -> Result<(), Error> {
    loop {
        let (mut rows, mut outcome, mut is_more) = (Rows::new(plan), Ok(()), true);
        while outcome.is_ok() && is_more && rows.times.len() < BATCH_ROWS {
            outcome = match records.next().map_err(|error| plan.record_error(error)) {
                Ok(Some(record)) => rows.take(&record),
                Ok(None) => {
                    is_more = false;
                    Ok(())
                }
                Err(error) => Err(error),
            };
        }
        intake.take(&rows, outcome.err(), 1)?;
        told(intake.rows);
        if !is_more {
            return Ok(());
        }
    }
}
