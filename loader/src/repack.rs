//! A table from one file into another: the layout of this project from any HDF5 file that is read, with other chunks or
//! another level, with the rows of one symbol only, or with further rows behind its own.
//!
//! Whole numbers become i64, others f64; a value that would not be the same there is an error. Rows go through memory in pieces
//! of some thousand.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::append::{self, Before};
use crate::format::libhdf5::{self, Choice, Kind, SYMBOLS_MAX, Value, Writer};
use crate::parallel;
use crate::table::{self, Attribute, Column, Table};

mod taken;

use taken::{Lists, Taken};

/// A column and the value that rows must have there to be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Only {
    /// The column.
    pub column: String,
    /// The value as text: one of the column's texts, or a number.
    pub value: String,
}

/// How a table is written.
#[derive(Clone, Debug)]
pub struct Options {
    /// Columns to take, in this order; all when absent.
    pub columns: Option<Vec<String>>,
    /// The rows to take; all when absent.
    pub only: Option<Only>,
    /// Rows in one chunk of the output.
    pub chunk_rows: usize,
    /// The highest zstd level that columns of the output may have.
    pub level: i32,
    /// What the storage of each column is chosen by.
    pub choice: Choice,
    /// Whether the output is there, and the rows are put behind its own.
    pub append: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            columns: None,
            only: None,
            chunk_rows: 65_536,
            level: 3,
            choice: Choice::default(),
            append: false,
        }
    }
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Rows of each column.
    pub rows: u64,
    /// The columns in order.
    pub columns: Vec<String>,
    /// Bytes of the file.
    pub bytes_out: u64,
    /// BLAKE3 over names, types and values of all columns, in hexadecimal.
    pub content_hash: String,
}

/// Why a table cannot be repacked. Nothing is left behind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The input cannot be read.
    #[error(transparent)]
    Input(#[from] table::Error),
    /// The output cannot be written.
    #[error(transparent)]
    Output(#[from] libhdf5::Error),
    /// The output cannot be lengthened.
    #[error(transparent)]
    Append(#[from] append::Error),
    /// Input and output are the same file.
    #[error("{} is both input and output; name another output", path.display())]
    SameFile {
        /// The file.
        path: PathBuf,
    },
    /// A table to be put behind another has other columns.
    #[error("{} has the columns {}, {} has {}; rows can only be added to equal columns", further.display(), further_columns.join(", "), path.display(), columns.join(", "))]
    Columns {
        /// The first file.
        path: PathBuf,
        /// Its columns.
        columns: Vec<String>,
        /// The file behind it.
        further: PathBuf,
        /// The columns of that one.
        further_columns: Vec<String>,
    },
    /// A value that rows should have is no number, and the column holds numbers.
    #[error("column {column:?} of {} holds {dtype}, and {value:?} is none; give a number", path.display())]
    NotANumber {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// Its type.
        dtype: String,
        /// What was asked for.
        value: String,
    },
    /// No row has the value that was asked for.
    #[error("no row has {value:?} in column {column:?}{}", meant.as_ref().map_or_else(String::new, |meant| format!("; did you mean {meant:?}?")))]
    NoRows {
        /// The column.
        column: String,
        /// What was asked for.
        value: String,
        /// What was probably meant.
        meant: Option<String>,
    },
    /// A number of a column of texts stands for none.
    #[error("column {column:?} of {} holds {value}, and has {symbols} texts: the file is broken there", path.display())]
    NoSymbol {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// The value.
        value: i64,
        /// How many texts there are.
        symbols: usize,
    },
    /// The tables have more different texts together than a list holds.
    #[error("column {column:?} has more than {SYMBOLS_MAX} different texts with those of {}; leave it out with --columns, or write fewer files together", path.display())]
    TooManySymbols {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
    },
    /// A table to be put behind another begins before that ends.
    #[error("{} begins at {first_ns} ns since 1970, {} ends at {last_ns}; give the files in the order of their times", further.display(), path.display())]
    Order {
        /// The first file.
        path: PathBuf,
        /// Its last time.
        last_ns: i64,
        /// The file behind it.
        further: PathBuf,
        /// The first time of that one.
        first_ns: i64,
    },
}

impl Error {
    /// Whether the machine is in the way rather than the input.
    #[must_use]
    pub fn is_environment(&self) -> bool {
        match self {
            Self::Input(error) => error.is_environment(),
            Self::Output(error) => error.is_environment(),
            Self::Append(error) => error.is_environment(),
            _ => false,
        }
    }
}

/// Writes the rows of `tables`, one after the other, to `output`. `progress` is told the rows written so far.
///
/// # Errors
/// [`Error`] names the file, the place and the remedy.
pub fn repack(
    tables: &[&Table],
    output: &Path,
    options: &Options,
    progress: &mut dyn FnMut(u64),
) -> Result<Report, Error> {
    let before = if options.append { Some(Before::open(output)?) } else { None };
    let tables: Vec<&Table> =
        before.iter().map(|before| &before.table).chain(tables.iter().copied()).collect();
    let Some(first) = tables.first() else {
        return Ok(Report { rows: 0, columns: Vec::new(), bytes_out: 0, content_hash: String::new() });
    };
    let names: Vec<String> = match &options.columns {
        Some(names) => names.clone(),
        None => first.columns().iter().map(|column| column.name.clone()).collect(),
    };
    for (at, table) in tables.iter().enumerate() {
        // The file that is lengthened is the output by intent.
        let others = if options.append && at == 0 { None } else { Some(output) };
        fits(first, table, &names, others)?;
    }
    // The times of some rows are looked at as they come.
    if options.only.is_none() {
        for pair in tables.windows(2) {
            follows(pair[0], pair[1], &names)?;
        }
    }
    let columns: Vec<&Column> = names
        .iter()
        .map(|name| Ok(&first.columns()[first.position(name)?]))
        .collect::<Result<_, table::Error>>()?;
    let own: Vec<libhdf5::Column> = columns.iter().map(|column| written(column)).collect();
    let writer = Writer::create(output, &own, options.chunk_rows, options.level)?;
    let mut writer = writer.choosing(options.choice);
    let mut lists = Lists::new(first, &names)?;
    let mut taken = Vec::new();
    for (at, table) in tables.iter().enumerate() {
        let only = options.only.as_ref().filter(|_| !(options.append && at == 0));
        taken.push(Taken::new(table, &names, only, &mut lists)?);
    }
    write(&taken, &names, &mut writer, progress)?;
    for (at, texts) in lists.texts() {
        writer.note(at, "symbols", Value::Texts(texts.clone()));
    }
    if let (Some(only), 0) = (&options.only, writer.rows()) {
        let (column, value) = (only.column.clone(), only.value.clone());
        return Err(Error::NoRows { column, value, meant: taken::meant(&tables, only) });
    }
    let notes = notes(first);
    let notes: Vec<(&str, Value)> =
        notes.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    let libhdf5::Written { rows, bytes, content_hash } = writer.finish(&notes)?;
    let columns = own.into_iter().map(|column| column.name).collect();
    Ok(Report { rows, columns, bytes_out: bytes, content_hash })
}

/// Writes what is taken of each table, in order of time; `progress` is told the rows that were looked at.
fn write(
    taken: &[Taken<'_>],
    names: &[String],
    writer: &mut Writer,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Error> {
    let threads = parallel::threads(0);
    let time = names.iter().position(|name| name == "timestamp");
    let (mut done, mut last): (u64, Option<(i64, &Table)>) = (0, None);
    for from in taken {
        for rows in from.table.pieces(names.len()) {
            let values = from.read(rows.clone())?;
            if let Some(table::Values::Whole(times)) = time.map(|time| &values[time])
                && let (Some(&first_ns), Some(&last_ns)) = (times.first(), times.last())
                && let Some((above_ns, above)) = last.replace((last_ns, from.table))
                && above_ns > first_ns
                && !std::ptr::eq(above, from.table)
            {
                return Err(order(above, above_ns, from.table, first_ns));
            }
            let values: Vec<libhdf5::Values<'_>> = values.iter().map(libhdf5::Values::from).collect();
            writer.push_rows(&values, threads)?;
            progress(done + rows.end);
        }
        done += from.table.rows();
    }
    Ok(())
}

/// Whether `table` can be written to `output`, unless it is the one that is lengthened, with the rows of `first` before its own.
fn fits(first: &Table, table: &Table, names: &[String], output: Option<&Path>) -> Result<(), Error> {
    let (first_path, path) = (&first.inspect().path, &table.inspect().path);
    if output.is_some_and(|output| libhdf5::is_same_file(path, output)) {
        return Err(Error::SameFile { path: path.clone() });
    }
    let kinds = |table: &Table| -> Vec<(String, Option<(Kind, bool)>)> {
        let kind = |name: &String| {
            let column = &table.columns()[table.position(name).ok()?];
            Some((append::kind(column), column.symbols().is_some()))
        };
        names.iter().map(|name| (name.clone(), kind(name))).collect()
    };
    let shown = |table: &Table| {
        table.columns().iter().map(|column| format!("{} ({})", column.name, column.dtype)).collect()
    };
    if kinds(first) == kinds(table) {
        return Ok(());
    }
    Err(Error::Columns {
        path: first_path.clone(),
        columns: shown(first),
        further: path.clone(),
        further_columns: shown(table),
    })
}

/// Whether the times of `table` follow those of `above`, where both have such.
fn follows(above: &Table, table: &Table, names: &[String]) -> Result<(), Error> {
    if !names.iter().any(|name| name == "timestamp") {
        return Ok(());
    }
    let (Some([_, last_ns]), Some([first_ns, _])) = (above.ends()?, table.ends()?) else { return Ok(()) };
    if last_ns < first_ns {
        return Ok(());
    }
    Err(order(above, last_ns, table, first_ns))
}

fn order(above: &Table, last_ns: i64, table: &Table, first_ns: i64) -> Error {
    Error::Order {
        path: above.inspect().path.clone(),
        last_ns,
        further: table.inspect().path.clone(),
        first_ns,
    }
}

/// The column of the output for one of the input.
fn written(column: &Column) -> libhdf5::Column {
    let text = |name: &str, default: &str| column.text(name).unwrap_or(default).to_owned();
    libhdf5::Column {
        // Slashes part the names of groups.
        name: column.name.replace('/', "_"),
        kind: append::kind(column),
        unit: text("unit", "as in the source"),
        role: text("role", if column.name == "timestamp" { "timestamp" } else { "other" }),
    }
}

/// What is noted at a table, without what the writer notes itself.
fn notes(table: &Table) -> Vec<(String, Value)> {
    const OWN: [&str; 5] = ["format", "format_version", "rows", "columns", "content_hash"];
    let value = |attribute: &Attribute| match attribute {
        Attribute::Int(number) => Some(Value::Int(*number)),
        Attribute::Text(text) => Some(Value::Text(text.clone())),
        Attribute::Float(_) | Attribute::List(_) => None,
    };
    let noted = table.attributes().iter().filter(|(name, _)| !OWN.contains(&name.as_str()));
    noted.filter_map(|(name, attribute)| Some((name.clone(), value(attribute)?))).collect()
}
