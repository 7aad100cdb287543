//! Commands on a table that is a file already: show rows, verify, repack, append, export.

use std::io::BufWriter;
use std::path::{Path, PathBuf};

use clap::Args;
use diapason_loader::export;
use diapason_loader::table::{Options, Table, Values};
#[cfg(feature = "libhdf5")]
use diapason_loader::{format::libhdf5::Choice, repack, verify};
use serde::Serialize;

use crate::console::{self, Console};
use crate::failure::Failure;
use crate::write;

/// The most rows that `data head` shows.
const HEAD_MAX: u64 = 10_000;

/// A table in a file.
#[derive(Debug, Args)]
pub struct Input {
    /// The HDF5 file
    pub file: PathBuf,
    /// The group of the columns, or the data set of records, such as `/prices/minute`
    #[arg(long, default_value = "/")]
    pub group: String,
}

impl Input {
    /// Opens the table.
    ///
    /// # Errors
    /// As [`Table::open_with`].
    pub fn open(&self) -> Result<Table, Failure> {
        Ok(Table::open_with(&self.file, &Options { group: self.group.clone(), ..Options::default() })?)
    }
}

/// Show rows.
#[derive(Debug, Args)]
pub struct Head {
    #[command(flatten)]
    pub input: Input,
    /// How many rows
    #[arg(short = 'n', long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=HEAD_MAX))]
    pub rows: u64,
    /// The first row to show, from 0; from the end when negative
    #[arg(long, default_value_t = 0, allow_hyphen_values = true)]
    pub from: i64,
}

/// Rows as they are shown.
#[derive(Debug, Serialize)]
pub struct Rows {
    /// The names of the columns.
    columns: Vec<String>,
    /// The number of the first row.
    first: u64,
    /// The rows, each a value for each column.
    rows: Vec<Vec<serde_json::Value>>,
}

/// Shows some rows.
///
/// # Errors
/// When the file cannot be read.
pub fn head(arguments: &Head, console: &Console) -> Result<(), Failure> {
    let table = arguments.input.open()?;
    let back = arguments.from.unsigned_abs();
    let first = if arguments.from < 0 { table.rows().saturating_sub(back) } else { back.min(table.rows()) };
    let last = first.saturating_add(arguments.rows).min(table.rows());
    let read = |name: &String| table.read(name, first..last);
    let names: Vec<String> = table.columns().iter().map(|column| column.name.clone()).collect();
    let columns: Vec<Values> = names.iter().map(read).collect::<Result<_, _>>()?;
    let cell = |values: &Values, at: usize| match values {
        Values::Whole(values) => values[at].into(),
        Values::Float(values) => json(values[at]),
    };
    let row = |at: usize| columns.iter().map(|values| cell(values, at)).collect();
    let rows = Rows { columns: names, first, rows: (0..(last - first) as usize).map(row).collect() };
    Ok(console.show(&rows, |console, rows| {
        let names: Vec<&str> =
            std::iter::once("row").chain(rows.columns.iter().map(String::as_str)).collect();
        let cells = rows.rows.iter().enumerate().map(|(at, row)| {
            let number = (rows.first + at as u64).to_string();
            std::iter::once(number).chain(row.iter().map(text)).collect()
        });
        console.table(&names, cells.collect())
    })?)
}

/// A number; NaN and infinities as text.
pub(super) fn json(value: f64) -> serde_json::Value {
    serde_json::Number::from_f64(value).map_or_else(|| value.to_string().into(), serde_json::Value::from)
}

pub(super) fn text(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Verify a file.
#[cfg(feature = "libhdf5")]
#[derive(Debug, Args)]
pub struct Verify {
    #[command(flatten)]
    pub input: Input,
}

/// Reads all values and says what is as it was written.
///
/// # Errors
/// [`Failure::Found`] when something is damaged.
#[cfg(feature = "libhdf5")]
pub fn verify(arguments: &Verify, console: &Console) -> Result<(), Failure> {
    let table = arguments.input.open()?;
    let bar = console.progress("verify", table.rows().saturating_mul(table.columns().len() as u64));
    let report = verify::verify(&table, &mut |values| bar.set_position(values));
    bar.finish_and_clear();
    console.show(&report, |console, report| {
        let rows = report.columns.iter().map(|column| {
            let hash = match column.hash {
                verify::Hash::Matches => "matches",
                verify::Hash::Differs => "DIFFERS",
                verify::Hash::Absent => "none in the file",
                verify::Hash::Unknown => "not known",
            };
            let damaged = column.damaged.len();
            let chunks = if damaged == 0 { "sound".to_owned() } else { format!("{damaged} DAMAGED") };
            vec![column.name.clone(), chunks, hash.to_owned()]
        });
        let mut text = console.table(&["column", "chunks", "hash of the values"], rows.collect());
        for damaged in report.columns.iter().flat_map(|column| &column.damaged) {
            text.push_str(&format!(
                "\n  rows {} to {}: {}",
                damaged.rows.start, damaged.rows.end, damaged.error
            ));
        }
        text
    })?;
    if report.is_good {
        Ok(())
    } else {
        Err(Failure::Found(format!("{} is damaged", arguments.input.file.display())))
    }
}

/// Repack files.
#[cfg(feature = "libhdf5")]
#[derive(Debug, Args)]
pub struct Repack {
    /// The HDF5 files, whose rows are put one after the other
    #[arg(required = true, num_args = 1..)]
    pub inputs: Vec<PathBuf>,
    /// The HDF5 file to write
    #[arg(short, long)]
    pub output: PathBuf,
    /// The group of the columns, or the data set of records, in each input
    #[arg(long, default_value = "/")]
    pub group: String,
    /// Columns to take, in this order, comma separated; all when absent
    #[arg(long, value_delimiter = ',')]
    pub columns: Option<Vec<String>>,
    /// Take only the rows that have this value in this column, such as symbol=AAPL
    #[arg(long = "where", value_name = "COLUMN=VALUE", value_parser = only)]
    pub only: Option<repack::Only>,
    /// Rows in one chunk
    #[arg(long, default_value_t = 65_536, value_parser = clap::value_parser!(u32).range(1..=16_777_216))]
    pub chunk_rows: u32,
    /// The highest zstd level of a column, 1 (fast) to 19 (small); a lower one is taken where little is lost
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(i32).range(1..=19))]
    pub level: i32,
    /// How columns are stored: `auto`, in the fewest bytes in which each value comes back bit by bit (prices as whole numbers and
    /// the attribute `diapason_divisor`, which other programs must apply); `timed`, also by the time that decoding takes here; or
    /// `plain`, 64 bits a value
    #[arg(long, default_value = "auto", value_parser = super::codec)]
    pub codec: Choice,
    /// Put the rows behind those that the output has already
    #[arg(long)]
    pub append: bool,
}

#[cfg(feature = "libhdf5")]
fn only(text: &str) -> Result<repack::Only, String> {
    match text.split_once('=') {
        Some((column, value)) if !column.is_empty() => {
            Ok(repack::Only { column: column.to_owned(), value: value.to_owned() })
        }
        _ => Err("expected COLUMN=VALUE, such as symbol=AAPL".to_owned()),
    }
}

/// Writes the rows of some files to another.
///
/// # Errors
/// As the loader's repacking.
#[cfg(feature = "libhdf5")]
pub fn repack(arguments: &Repack, console: &Console) -> Result<(), Failure> {
    let inputs: Vec<&Path> = arguments.inputs.iter().map(PathBuf::as_path).collect();
    write::ready(&arguments.output, &inputs)?;
    let open = |file: &PathBuf| Input { file: file.clone(), group: arguments.group.clone() }.open();
    let tables: Vec<Table> = arguments.inputs.iter().map(open).collect::<Result<_, _>>()?;
    let bar = console.progress("repack", tables.iter().map(Table::rows).sum());
    let options = repack::Options {
        columns: arguments.columns.clone(),
        only: arguments.only.clone(),
        chunk_rows: arguments.chunk_rows as usize,
        level: arguments.level,
        choice: arguments.codec,
        append: arguments.append,
    };
    let tables: Vec<&Table> = tables.iter().collect();
    let report = repack::repack(&tables, &arguments.output, &options, &mut |rows| bar.set_position(rows));
    bar.finish_and_clear();
    Ok(console.show(&report?, |_, report| {
        let output = arguments.output.display();
        let (rows, bytes) = (console::count(report.rows), console::bytes(report.bytes_out));
        format!("{output}: {rows} rows of {}, {bytes}", report.columns.join(", "))
    })?)
}

/// Export a file.
#[derive(Debug, Args)]
pub struct Export {
    #[command(flatten)]
    pub input: Input,
    /// The file to write; its form is told by the end of its name: .npy, .csv, .parquet, .arrow or .feather
    pub output: PathBuf,
}

/// Writes a table for other programs.
///
/// # Errors
/// When the form is not known, the table cannot be read or the output refuses.
pub fn export(arguments: &Export, console: &Console) -> Result<(), Failure> {
    let output = &arguments.output;
    let form = form(output)?;
    write::ready(output, &[&arguments.input.file])?;
    let table = arguments.input.open()?;
    let bar = console.progress("export", table.rows());
    let of_file = |error| Failure::Write { file: output.clone(), error };
    let mut file = write::beside(output).map_err(of_file)?;
    let written =
        export::write(&table, form, BufWriter::new(file.as_file_mut()), &mut |rows| bar.set_position(rows));
    bar.finish_and_clear();
    written.map_err(|error| match error {
        export::Error::Output(error) => of_file(error),
        export::Error::Input(error) => error.into(),
        error => Failure::Export { file: output.clone(), error },
    })?;
    file.as_file().sync_all().map_err(of_file)?;
    file.persist(output).map_err(|error| of_file(error.error))?;
    let bytes = std::fs::metadata(output).map_err(of_file)?.len();
    #[derive(Serialize)]
    struct Report {
        rows: u64,
        bytes_out: u64,
    }
    Ok(console.show(&Report { rows: table.rows(), bytes_out: bytes }, |_, report| {
        format!(
            "{}: {} rows, {}",
            output.display(),
            console::count(report.rows),
            console::bytes(report.bytes_out)
        )
    })?)
}

/// The form that the name of the output tells.
fn form(output: &Path) -> Result<export::Format, Failure> {
    const REASON: &str = if cfg!(feature = "arrow") {
        "its name does not end with .npy, .csv, .parquet, .arrow or .feather, which are what is written; give such a name"
    } else if cfg!(feature = "libhdf5") {
        "its name does not end with .npy or .csv, which are what this build writes; give such a name"
    } else {
        "its name does not end with .npy, which is what this build writes; give such a name"
    };
    let refused = || Failure::Refused { file: output.to_path_buf(), reason: REASON };
    export::Format::of(output).ok_or_else(refused)
}
