//! `diapason data`: files in, files out, and what is in them.

#[cfg(feature = "libhdf5")]
use std::path::PathBuf;

use clap::{Args, Subcommand};
use diapason_loader::table::Inspection;
#[cfg(feature = "libhdf5")]
use diapason_loader::{csv, format::libhdf5::Choice, import, market};

pub mod table;
pub mod tail;

#[cfg(feature = "libhdf5")]
use crate::console::Tone;
use crate::console::{self, Console};
use crate::failure::Failure;
#[cfg(feature = "libhdf5")]
use crate::line::intake;
#[cfg(feature = "libhdf5")]
use crate::write;

/// Rows in one chunk of a file that is imported.
#[cfg(feature = "libhdf5")]
const CHUNK_ROWS: u32 = 65_536;

/// What to do with data.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Turn a CSV, Parquet, Arrow, NumPy or HDF5 file into a compressed HDF5 file
    ///
    /// What the input is, is told by its first bytes. Of a CSV file of bars, quotes or trades, delimiter, header and the
    /// form of the time stamps are detected. The output holds one chunked data set a
    /// column, compressed with zstd (HDF5 filter 32015); h5py reads it with hdf5plugin. It appears under its name
    /// only when it is complete and on disk.
    #[cfg(feature = "libhdf5")]
    Import(Import),
    /// Show the columns, codecs, sizes and attributes of an HDF5 file
    Inspect(Inspect),
    /// Show rows of an HDF5 file
    Head(table::Head),
    /// Show rows of an HDF5 file as another process appends them
    Tail(tail::Tail),
    /// Read every value of an HDF5 file and check its sums and hashes; exit code 1 when something is damaged
    #[cfg(feature = "libhdf5")]
    Verify(table::Verify),
    /// Write HDF5 files of any writer, one after the other, to one of our layout; also other chunks, levels, columns
    #[cfg(feature = "libhdf5")]
    Repack(table::Repack),
    /// Write the rows of an HDF5 file as CSV, Parquet, Arrow (Feather) or a NumPy array of records
    Export(table::Export),
    /// Write made-up one-minute bars: the same seed gives the same file on every machine
    #[cfg(feature = "libhdf5")]
    Generate(Generate),
}

/// Import a file.
#[cfg(feature = "libhdf5")]
#[derive(Debug, Args)]
pub struct Import {
    /// The file; CSV packed with gzip or zstd is read as it is
    pub input: PathBuf,
    /// The HDF5 file to write
    pub output: PathBuf,
    /// The byte between fields, where detection must not decide: `,` `;` `|` or `tab`
    #[arg(long, value_parser = delimiter)]
    pub delimiter: Option<u8>,
    /// Numbers have a comma before their decimals, as in `1,25`
    #[arg(long)]
    pub decimal_comma: bool,
    /// Dates end with the year: `dmy` for DD/MM/YYYY, `mdy` for MM/DD/YYYY
    #[arg(long, value_parser = dates)]
    pub dates: Option<csv::Dates>,
    /// Names of the columns of a CSV file without a header line or of a plain NumPy array, comma separated
    #[arg(long, value_delimiter = ',')]
    pub columns: Option<Vec<String>>,
    /// Columns to leave out, comma separated
    #[arg(long, value_delimiter = ',')]
    pub skip: Vec<String>,
    /// The column of times, where a Parquet, Arrow or NumPy file has several
    #[arg(long)]
    pub time: Option<String>,
    /// What a null of Parquet, Arrow or NumPy is in columns of whole numbers, texts and times, and in CSV a field that is empty or
    /// says NaN, NA, null or none: `fail`, `skip` (the row is left out) or `nan` (columns of whole numbers become
    /// floating-point)
    #[arg(long, default_value = "fail", value_parser = nulls)]
    pub nulls: import::Nulls,
    /// The highest zstd level of a column, 1 (fast) to 19 (small); a lower one is taken where little is lost
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(i32).range(1..=19))]
    pub level: i32,
    /// How columns are stored: `auto`, in the fewest bytes in which each value comes back bit by bit (prices as whole numbers and
    /// the attribute `diapason_divisor`, which other programs must apply); `timed`, also by the time that decoding takes here; or
    /// `plain`, 64 bits a value
    #[arg(long, default_value = "auto", value_parser = codec)]
    pub codec: Choice,
    /// Put the rows behind those that the output has already; it is replaced whole, or not at all
    #[arg(long)]
    pub append: bool,
}

/// Inspect an HDF5 file.
#[derive(Debug, Args)]
pub struct Inspect {
    #[command(flatten)]
    pub input: table::Input,
}

/// Generate a market.
#[cfg(feature = "libhdf5")]
#[derive(Debug, Args)]
pub struct Generate {
    /// The HDF5 file to write
    pub output: PathBuf,
    /// How many bars
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub rows: u64,
    /// Equal seeds give equal files
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// Leave out Saturdays and Sundays
    #[arg(long)]
    pub weekends_closed: bool,
    /// The highest zstd level of a column, 1 (fast) to 19 (small); a lower one is taken where little is lost
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(i32).range(1..=19))]
    pub level: i32,
    /// How columns are stored: `auto`, in the fewest bytes in which each value comes back bit by bit (prices as whole numbers and
    /// the attribute `diapason_divisor`, which other programs must apply); `timed`, also by the time that decoding takes here; or
    /// `plain`, 64 bits a value
    #[arg(long, default_value = "auto", value_parser = codec)]
    pub codec: Choice,
}

/// Runs one of the data commands.
///
/// # Errors
/// [`Failure`] with the file, the place and the remedy.
pub fn run(command: &Command, console: &Console) -> Result<(), Failure> {
    match command {
        #[cfg(feature = "libhdf5")]
        Command::Import(arguments) => {
            match import::Format::of(&arguments.input) {
                // What is in the way of reading it at all is told as for CSV.
                Ok(import::Format::Text) | Err(_) => {
                    let report = import(arguments, console)?;
                    Ok(console.show(&report, import_text)?)
                }
                Ok(import::Format::Hdf5) => table::repack(&arguments.as_repack()?, console),
                Ok(_) => {
                    let report = import_other(arguments, console)?;
                    Ok(console.show(&report, import_other_text)?)
                }
            }
        }
        Command::Inspect(arguments) => {
            let table = arguments.input.open()?;
            Ok(console.show(table.inspect(), inspection_text)?)
        }
        Command::Head(arguments) => table::head(arguments, console),
        Command::Tail(arguments) => tail::run(arguments, console),
        #[cfg(feature = "libhdf5")]
        Command::Verify(arguments) => table::verify(arguments, console),
        #[cfg(feature = "libhdf5")]
        Command::Repack(arguments) => table::repack(arguments, console),
        Command::Export(arguments) => table::export(arguments, console),
        #[cfg(feature = "libhdf5")]
        Command::Generate(arguments) => {
            let report = generate(arguments, console)?;
            Ok(console.show(&report, |_, report| {
                format!(
                    "{}: {} bars, {} in {} ({})",
                    arguments.output.display(),
                    console::count(report.rows),
                    console::bytes(report.bytes_out),
                    console::time(report.elapsed),
                    console::rate(report.rows, report.elapsed, "rows"),
                )
            })?)
        }
    }
}

#[cfg(feature = "libhdf5")]
impl Import {
    /// The same as a repacking, for an input that is HDF5.
    fn as_repack(&self) -> Result<table::Repack, Failure> {
        let group = "/".to_owned();
        let opened = table::Input { file: self.input.clone(), group: group.clone() }.open()?;
        for name in &self.skip {
            opened.position(name)?;
        }
        let kept = |name: &String| !self.skip.contains(name);
        let all = opened.columns().iter().map(|column| column.name.clone());
        Ok(table::Repack {
            inputs: vec![self.input.clone()],
            output: self.output.clone(),
            group,
            columns: Some(
                self.columns.clone().unwrap_or_else(|| all.collect()).into_iter().filter(kept).collect(),
            ),
            only: None,
            chunk_rows: CHUNK_ROWS,
            level: self.level,
            codec: self.codec,
            append: self.append,
        })
    }
}

/// Imports one file of another program.
#[cfg(feature = "libhdf5")]
fn import_other(arguments: &Import, console: &Console) -> Result<import::Report, Failure> {
    write::ready(&arguments.output, &[&arguments.input])?;
    let options = import::Options {
        columns: arguments.columns.clone(),
        skip: arguments.skip.clone(),
        time: arguments.time.clone(),
        nulls: arguments.nulls,
        level: arguments.level,
        choice: arguments.codec,
        append: arguments.append,
        ..import::Options::default()
    };
    Ok(intake::other(&arguments.input, &arguments.output, &options, console)?)
}

/// Imports one CSV file.
///
/// # Errors
/// As the loader's import.
#[cfg(feature = "libhdf5")]
pub fn import(arguments: &Import, console: &Console) -> Result<csv::Report, Failure> {
    write::ready(&arguments.output, &[&arguments.input])?;
    let options = csv::Options {
        delimiter: arguments.delimiter,
        dialect: csv::Dialect { decimal_comma: arguments.decimal_comma, dates: arguments.dates },
        columns: arguments.columns.clone(),
        skip: arguments.skip.clone(),
        nulls: arguments.nulls,
        level: arguments.level,
        choice: arguments.codec,
        append: arguments.append,
        ..csv::Options::default()
    };
    Ok(intake::text(&arguments.input, &arguments.output, &options, console)?)
}

/// Generates one file with a progress bar.
///
/// # Errors
/// As the loader's generator.
#[cfg(feature = "libhdf5")]
pub fn generate(arguments: &Generate, console: &Console) -> Result<market::Report, Failure> {
    write::ready(&arguments.output, &[])?;
    let bar = console.progress("generate", arguments.rows);
    let options = market::Options {
        rows: arguments.rows,
        seed: arguments.seed,
        weekends_closed: arguments.weekends_closed,
        level: arguments.level,
        choice: arguments.codec,
        ..market::Options::default()
    };
    let report =
        market::generate(&arguments.output, &options, &mut |progress| bar.set_position(progress.rows));
    bar.finish_and_clear();
    Ok(report?)
}

#[cfg(feature = "libhdf5")]
fn delimiter(text: &str) -> Result<u8, String> {
    match text {
        "tab" | "\t" | "\\t" => Ok(b'\t'),
        "," | ";" | "|" => Ok(text.as_bytes()[0]),
        _ => Err("expected one of , ; | tab".to_owned()),
    }
}

#[cfg(feature = "libhdf5")]
fn dates(text: &str) -> Result<csv::Dates, String> {
    match text {
        "dmy" => Ok(csv::Dates::DayMonthYear),
        "mdy" => Ok(csv::Dates::MonthDayYear),
        _ => Err("expected dmy or mdy".to_owned()),
    }
}

/// What the storage of columns is chosen by.
#[cfg(feature = "libhdf5")]
fn codec(text: &str) -> Result<Choice, String> {
    match text {
        "auto" => Ok(Choice::Counted),
        "timed" => Ok(Choice::Timed),
        "plain" => Ok(Choice::Plain),
        _ => Err("expected auto, timed or plain".to_owned()),
    }
}

#[cfg(feature = "libhdf5")]
fn nulls(text: &str) -> Result<import::Nulls, String> {
    match text {
        "fail" => Ok(import::Nulls::Fail),
        "skip" => Ok(import::Nulls::Skip),
        "nan" => Ok(import::Nulls::Nan),
        _ => Err("expected fail, skip or nan".to_owned()),
    }
}

/// What an import of another program's file did, in words.
#[cfg(feature = "libhdf5")]
fn import_other_text(console: &Console, report: &import::Report) -> String {
    let columns: Vec<String> =
        report.columns.iter().map(|column| format!("{} ({})", column.name, column.source_type)).collect();
    format!(
        "{} rows, {} -> {} in {} ({})\n  columns    {}\n  time       {}\n  content    {}{}",
        console::count(report.rows),
        console::bytes(report.bytes_in),
        console::bytes(report.bytes_out),
        console::time(report.elapsed),
        console::rate(report.rows, report.elapsed, "rows"),
        columns.join(", "),
        report.zone.as_deref().unwrap_or("none"),
        console.paint(Tone::Faint, &report.content_hash),
        if report.rows_skipped > 0 {
            format!("\n  left out   {} rows with a null", console::count(report.rows_skipped))
        } else {
            String::new()
        },
    )
}

/// What an import did, in words.
#[cfg(feature = "libhdf5")]
pub fn import_text(console: &Console, report: &csv::Report) -> String {
    let columns: Vec<String> = report.columns.iter().map(|c| format!("{} ({})", c.name, c.role)).collect();
    format!(
        "{} rows, {} -> {} in {} ({})\n  columns    {}\n  time       {}, {}\n  delimiter  {:?}, {}\n  content    {}{}{}{}",
        console::count(report.rows),
        console::bytes(report.bytes_in),
        console::bytes(report.bytes_out),
        console::time(report.elapsed),
        console::rate(report.rows, report.elapsed, "rows"),
        columns.join(", "),
        report.timestamp,
        report.zone,
        report.delimiter,
        if report.header { "header line" } else { "no header line" },
        console.paint(Tone::Faint, &report.content_hash),
        if report.crossed > 0 {
            format!("\n  crossed    {} quotes with bid above ask were kept", console::count(report.crossed))
        } else {
            String::new()
        },
        if report.missing > 0 {
            format!("\n  missing    {} values are NaN", console::count(report.missing))
        } else {
            String::new()
        },
        if report.left_out > 0 {
            format!("\n  left out   {} rows with a value missing", console::count(report.left_out))
        } else {
            String::new()
        },
    )
}

fn inspection_text(console: &Console, table: &Inspection) -> String {
    let rows = table
        .columns
        .iter()
        .map(|column| {
            let ratio = column.raw_bytes as f64 / column.stored_bytes.max(1) as f64;
            vec![
                column.name.clone(),
                column.dtype.clone(),
                column.stored_as.clone(),
                console::count(column.chunk_rows),
                console::count(column.chunks),
                column.filters.join(" | "),
                console::bytes(column.raw_bytes),
                console::bytes(column.stored_bytes),
                format!("{ratio:.2}"),
            ]
        })
        .collect();
    let mut text = format!(
        "{}: {} rows, {}\n{}\n",
        table.path.display(),
        console::count(table.rows),
        console::bytes(table.file_bytes),
        console.table(
            &["column", "type", "stored as", "chunk rows", "chunks", "filters", "raw", "stored", "ratio"],
            rows
        ),
    );
    for column in &table.columns {
        if let Some(tried) = column.text("packing") {
            text.push_str(&format!("  {} is stored as its first chunk told: {tried}\n", column.name));
        }
    }
    for (name, value) in &table.attributes {
        let value = serde_json::to_string(value).unwrap_or_default();
        text.push_str(&format!("  {name} = {value}\n"));
    }
    for skipped in &table.skipped {
        text.push_str(&format!("  {} left out: {}\n", skipped.name, skipped.reason));
    }
    text
}
