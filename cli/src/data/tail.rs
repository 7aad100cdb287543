//! `diapason data tail`: the rows of a file as another process appends them.

use std::fmt::Write as _;
use std::ops::Range;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use diapason_loader::follow::Follow;
use diapason_loader::table::Options;

use crate::console::Console;
use crate::failure::Failure;

/// Rows that are read and shown at once.
const ROWS: u64 = 4096;

/// Follow a file.
#[derive(Debug, Args)]
pub struct Tail {
    /// The HDF5 file, whose writer lets others read meanwhile (SWMR)
    pub file: PathBuf,
    /// The group of the columns, such as `/prices/minute`
    #[arg(long, default_value = "/")]
    pub group: String,
    /// How many of the rows that are there already to show
    #[arg(short = 'n', long, default_value_t = 10)]
    pub rows: u64,
    /// Milliseconds between looks at the file
    #[arg(long, value_name = "MS", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub every: u64,
    /// Seconds to follow at most; without it, until the writer closes the file
    #[arg(long)]
    pub seconds: Option<u64>,
}

/// A column, and whether its values are floating point.
type Lane = (String, bool);

/// Shows rows as comma-separated values, or with `--json` as a JSON array a line, after a line of names; `row` is the number of
/// the row. It ends when the writer closes the file.
///
/// # Errors
/// When the file cannot be read, is written by one who does not share it, or is replaced.
pub fn run(arguments: &Tail, console: &Console) -> Result<(), Failure> {
    let options = Options { group: arguments.group.clone(), ..Options::default() };
    let mut follow = Follow::open(&arguments.file, &options)?;
    let (started, limit) = (Instant::now(), arguments.seconds.map(Duration::from_secs));
    let columns = follow.table().columns().iter();
    let lanes: Vec<Lane> = columns.map(|column| (column.name.clone(), column.is_float())).collect();
    let mut names = vec!["row"];
    names.extend(lanes.iter().map(|(name, _)| name.as_str()));
    let mut is_read = console.line(&names, |names| names.join(","))?;
    let mut is_first = true;
    loop {
        let mut new = follow.poll()?;
        if is_first {
            new.start = new.start.max(new.end.saturating_sub(arguments.rows));
            is_first = false;
        }
        while is_read && !new.is_empty() {
            let now = new.start..new.end.min(new.start + ROWS);
            is_read = show(&mut follow, &lanes, now.clone(), console)?;
            new.start = now.end;
        }
        if !is_read || !follow.is_being_written() || limit.is_some_and(|limit| started.elapsed() >= limit) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(arguments.every));
    }
}

/// Whether somebody reads on.
fn show(follow: &mut Follow, lanes: &[Lane], rows: Range<u64>, console: &Console) -> Result<bool, Failure> {
    let count = (rows.end - rows.start) as usize;
    let mut columns: Vec<Vec<serde_json::Value>> = Vec::with_capacity(lanes.len());
    for (name, is_float) in lanes {
        columns.push(if *is_float {
            let mut values = vec![0.0; count];
            follow.read(name, rows.clone(), &mut values)?;
            values.into_iter().map(super::table::json).collect()
        } else {
            let mut values = vec![0; count];
            follow.read(name, rows.clone(), &mut values)?;
            values.into_iter().map(|value: i64| value.into()).collect()
        });
    }
    for (at, row) in rows.enumerate() {
        let mut cells = vec![serde_json::Value::from(row)];
        cells.extend(columns.iter().map(|column| column[at].clone()));
        let is_read = console.line(&cells, |cells| {
            let mut line = String::new();
            for (place, cell) in cells.iter().enumerate() {
                let _ = write!(line, "{}{}", if place > 0 { "," } else { "" }, super::table::text(cell));
            }
            line
        })?;
        if !is_read {
            return Ok(false);
        }
    }
    Ok(true)
}
