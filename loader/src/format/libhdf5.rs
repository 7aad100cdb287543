//! Writes a file of columns through libhdf5.
//!
//! ```text
//! values -> one open chunk a column -> (fewer bytes) -> (shuffle) -> zstd -> H5Dwrite_chunk -> hidden file -> fsync -> name
//! ```
//!
//! One one-dimensional data set a column, in the fewest bytes that hold its values ([`form`]), filter 32015 (zstd), with a
//! byte shuffle before it where that is cheaper ([`packing`]). What the first chunk told is held to by each that follows; one
//! whose values do not fit has the column written anew in a wider form, up to the plain one that holds any.
//! Chunks are compressed here and written as they are, so the library's own filter pipeline never runs. Library bounds are the
//! earliest, so every HDF5 library since 1.8 reads the file. Time stamps
//! of objects are off: equal contents give equal files.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::codec;
use crate::format::scale;
use crate::parallel;

mod error;

mod destination;
mod ffi;

mod form;

mod packing;

mod dataset;

pub(crate) use crate::source::is_environment;
use destination::Destination;
pub(crate) use destination::is_same_file;
pub use error::Error;
use form::{BYTES, Form};
pub use packing::Choice;
use packing::{Packing, Room};

/// The name of the format in the attribute `format` of the root group.
pub const FORMAT: &str = "diapason-table";
/// The version of the format in the attribute `format_version`: 2 where a column is whole numbers and a divisor, which who
/// knows version 1 only would take for the values, else 1.
pub const FORMAT_VERSION: i64 = 2;
/// The most columns of a file: each holds a chunk in memory, and the attribute with their names must stay below the
/// 64 KiB that the library's object headers allow.
pub const COLUMNS_MAX: usize = 1024;
/// The most bytes of a column's name.
pub const NAME_BYTES_MAX: usize = 1024;
/// The most texts that a column's whole numbers may stand for: their list is an attribute, which HDF5 holds in at most 64 KiB of
/// references.
pub(crate) const SYMBOLS_MAX: usize = 2048;
/// How often a column is written anew in a wider form before it is stored as it is for good.
const CHANGES_MAX: u32 = 3;

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Whole numbers of 64 bits.
    I64,
    /// Floating-point numbers of 64 bits.
    F64,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::I64 => "i64",
            Self::F64 => "f64",
        }
    }
}

/// A column to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What its values are.
    pub kind: Kind,
    /// What a value counts, as the attribute `unit`.
    pub unit: String,
    /// What the column is for, as the attribute `role`.
    pub role: String,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A whole number.
    Int(i64),
    /// A text.
    Text(String),
    /// Texts in order.
    Texts(Vec<String>),
}

/// A finished file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Rows of each column.
    pub rows: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// BLAKE3 over name, type, length and values of each column in order, in hexadecimal.
    pub content_hash: String,
}

/// Values of one column.
#[derive(Clone, Copy, Debug)]
pub enum Values<'a> {
    /// Of [`Kind::I64`].
    I64(&'a [i64]),
    /// Of [`Kind::F64`].
    F64(&'a [f64]),
}

impl Values<'_> {
    const fn len(&self) -> usize {
        match self {
            Self::I64(values) => values.len(),
            Self::F64(values) => values.len(),
        }
    }
}

struct Open {
    column: Column,
    dataset: Option<hdf5_metno::Dataset>,
    /// Attributes beside our own.
    notes: Vec<(&'static str, Value)>,
    /// How chunks are stored, from the first one on, and how often that was changed.
    packing: Option<Packing>,
    changes: u32,
    /// Whether a number stands for NaN somewhere.
    has_nan: bool,
    /// The values of the open chunk, little-endian.
    chunk: Vec<u8>,
    rows: u64,
}

impl Open {
    /// Adds values to the open chunk.
    fn extend(&mut self, values: impl ExactSizeIterator<Item = [u8; BYTES]>) {
        let (from, count) = (self.chunk.len(), values.len());
        self.chunk.resize(from + count * BYTES, 0);
        // In this form it is a copy to the compiler.
        for (place, value) in self.chunk[from..].as_chunks_mut().0.iter_mut().zip(values) {
            *place = value;
        }
        self.rows += count as u64;
    }

    /// Compresses the open chunk, the first of which decides how; whether its values fit what that one decided.
    fn pack(
        &mut self,
        settings: (Choice, i32),
        rows: usize,
        room: &mut Room,
        stored: &mut Vec<u8>,
    ) -> Result<bool, codec::Error> {
        let packing = match &mut self.packing {
            Some(packing) => packing,
            none => {
                let ranked = Packing::ranked(self.column.kind, &self.chunk, None, settings)?;
                let Some(first) = ranked.into_iter().next() else { return Ok(false) };
                none.insert(first)
            }
        };
        let packed = packing.pack(&self.chunk, rows, room, stored)?;
        self.has_nan |= packed.unwrap_or(false);
        Ok(packed.is_some())
    }

    /// What is noted of the way in which the column is stored.
    fn stored_as(&self) -> Vec<(&'static str, Value)> {
        let Some(Packing { form, note, .. }) = &self.packing else { return Vec::new() };
        let mut notes = vec![("packing", Value::Text(note.clone()))];
        if !matches!(form, Form::Plain(_)) {
            notes.push((scale::TYPE, Value::Text(self.column.kind.name().to_owned())));
        }
        if let Form::Ticks { divisor, is_single, .. } = form {
            notes.push((scale::DIVISOR, Value::Int((*divisor).into())));
            if self.has_nan {
                notes.push((scale::NAN, Value::Int(form.nan())));
            }
            if *is_single {
                notes.push((scale::SINGLE, Value::Int(1)));
            }
        }
        notes
    }
}

/// A file being written. Dropped before [`Writer::finish`], it leaves nothing behind.
pub struct Writer {
    // The library's handles are declared, and so closed, before the temporary name is unlinked.
    columns: Vec<Open>,
    file: hdf5_metno::File,
    destination: Destination,
    output: PathBuf,
    chunk_rows: usize,
    choice: Choice,
    level: i32,
    /// The hash over the values of each column.
    hashes: Vec<blake3::Hasher>,
    /// The compressed chunk of each column.
    packed: Vec<Vec<u8>>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("output", &self.output)
            .field("rows", &self.rows())
            .finish_non_exhaustive()
    }
}

impl Writer {
    /// Begins a file that [`Writer::finish`] will put at `output`.
    ///
    /// # Errors
    /// [`Error`] when there are more than [`COLUMNS_MAX`] columns, a name cannot be taken, the folder of `output` cannot
    /// be written to, or libhdf5 declines.
    pub fn create(output: &Path, columns: &[Column], chunk_rows: usize, level: i32) -> Result<Self, Error> {
        check(output, columns)?;
        let library = |verb| library(verb, output);
        ffi::register_zstd().map_err(library("register the zstd filter"))?;
        let create = |path: &Path| {
            let mut builder = hdf5_metno::FileBuilder::new();
            let created = builder.with_fapl(|plist| plist.libver_earliest()).create(path);
            let file = created.map_err(library("create a file"))?;
            file.flush().map_err(library("flush the file"))?;
            Ok(file)
        };
        let (destination, file) = Destination::open(output, create, |file, nameless| {
            ffi::exchange(file, nameless).map_err(library("exchange the file"))
        })?;
        let open = |column: &Column| Open {
            column: column.clone(),
            dataset: None,
            notes: Vec::new(),
            packing: None,
            changes: 0,
            has_nan: false,
            chunk: Vec::with_capacity(chunk_rows.max(1) * BYTES),
            rows: 0,
        };
        Ok(Self {
            columns: columns.iter().map(open).collect(),
            file,
            destination,
            output: output.to_path_buf(),
            chunk_rows: chunk_rows.max(1),
            choice: Choice::default(),
            level,
            hashes: vec![blake3::Hasher::new(); columns.len()],
            packed: vec![Vec::new(); columns.len()],
        })
    }

    /// As it is, with the storage of columns chosen by `choice`.
    #[must_use]
    pub fn choosing(self, choice: Choice) -> Self {
        Self { choice, ..self }
    }

    /// Rows of the first column so far.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.columns.first().map_or(0, |column| column.rows)
    }

    /// Adds `values` to the column with number `column`, which holds [`Kind::I64`].
    ///
    /// # Errors
    /// [`Error`] when a full chunk cannot be written.
    pub fn push_i64(&mut self, column: usize, values: &[i64]) -> Result<(), Error> {
        debug_assert_eq!(self.columns[column].column.kind, Kind::I64);
        self.push(column, values, i64::to_le_bytes)
    }

    /// Adds `values` to the column with number `column`, which holds [`Kind::F64`].
    ///
    /// # Errors
    /// As [`Writer::push_i64`].
    pub fn push_f64(&mut self, column: usize, values: &[f64]) -> Result<(), Error> {
        debug_assert_eq!(self.columns[column].column.kind, Kind::F64);
        self.push(column, values, f64::to_le_bytes)
    }

    /// Notes an attribute at the column with number `column`, which has rows by the time of [`Writer::finish`].
    pub fn note(&mut self, column: usize, name: &'static str, value: Value) {
        self.columns[column].notes.push((name, value));
    }

    fn push<T: Copy>(
        &mut self,
        number: usize,
        mut values: &[T],
        bytes: fn(T) -> [u8; BYTES],
    ) -> Result<(), Error> {
        while !values.is_empty() {
            let open = &mut self.columns[number];
            let room = self.chunk_rows - open.chunk.len() / BYTES;
            let (now, later) = values.split_at(room.min(values.len()));
            open.extend(now.iter().map(|value| bytes(*value)));
            values = later;
            if open.chunk.len() == self.chunk_rows * BYTES {
                self.flush(number)?;
            }
        }
        Ok(())
    }

    /// Adds rows to all columns: `rows` has as many values for each of them, of its kind. Full chunks are compressed on up
    /// to `threads` threads, and written in the order of the columns.
    ///
    /// # Errors
    /// As [`Writer::push_i64`].
    pub fn push_rows(&mut self, rows: &[Values<'_>], threads: usize) -> Result<(), Error> {
        debug_assert_eq!(self.columns.len(), rows.len());
        let (mut done, count) = (0, rows.first().map_or(0, Values::len));
        while done < count {
            let held = self.columns.first().map_or(0, |open| open.chunk.len() / BYTES);
            let some = (count - done).min(self.chunk_rows - held);
            let range = done..done + some;
            for (open, values) in self.columns.iter_mut().zip(rows) {
                match values {
                    Values::I64(values) => open.extend(values[range.clone()].iter().map(|v| v.to_le_bytes())),
                    Values::F64(values) => open.extend(values[range.clone()].iter().map(|v| v.to_le_bytes())),
                }
            }
            done += some;
            if held + some == self.chunk_rows {
                self.flush_all(threads)?;
            }
        }
        Ok(())
    }

    /// Compresses and writes the open chunks of all columns, which are full.
    fn flush_all(&mut self, threads: usize) -> Result<(), Error> {
        let (settings, rows) = ((self.choice, self.level), self.chunk_rows);
        let jobs = self.columns.iter_mut().zip(self.hashes.iter_mut().zip(&mut self.packed));
        let output = &self.output;
        let fits = parallel::run(threads, jobs, Room::default, |room, (open, (hash, stored))| {
            hash.update(&open.chunk);
            let fits = open.pack(settings, rows, room, stored);
            fits.map_err(|error| of_codec(&open.column, output, error))
        })?;
        for (number, fits) in fits.into_iter().enumerate() {
            self.write(number, fits)?;
        }
        Ok(())
    }

    /// Writes the open chunk of a column.
    fn flush(&mut self, number: usize) -> Result<(), Error> {
        let open = &mut self.columns[number];
        self.hashes[number].update(&open.chunk);
        let settings = (self.choice, self.level);
        let fits = open.pack(settings, self.chunk_rows, &mut Room::default(), &mut self.packed[number]);
        let fits = fits.map_err(|error| of_codec(&open.column, &self.output, error))?;
        self.write(number, fits)
    }

    /// Writes the compressed chunk of a column, after the column itself in another form where the chunk does not fit.
    fn write(&mut self, number: usize, fits: bool) -> Result<(), Error> {
        if !fits {
            self.change(number)?;
        }
        let library = |verb| library(verb, &self.output);
        let open = &mut self.columns[number];
        let Some(packing) = &open.packing else { return Err(no_form(&self.output)) };
        let dataset = match &mut open.dataset {
            Some(dataset) => dataset,
            none => none.insert(
                dataset::create(&self.file, &open.column.name, packing, self.chunk_rows)
                    .map_err(library("create a data set"))?,
            ),
        };
        open.chunk.clear();
        dataset::extend(dataset, open.rows, self.chunk_rows, &self.packed[number])
            .map_err(library("write a chunk"))
    }

    /// Writes the chunks of a column anew, in a form that holds them and the open one, and compresses that.
    ///
    /// The memory of the file that this sets free is used for the chunks that follow.
    fn change(&mut self, number: usize) -> Result<(), Error> {
        let Self { columns, file, output, chunk_rows, choice, level, packed, .. } = self;
        let (open, rows, stored) = (&mut columns[number], *chunk_rows, &mut packed[number]);
        let library = |verb| library(verb, output);
        let (Some(before), Some(old)) = (open.packing.take(), open.dataset.take()) else {
            return Err(no_form(output));
        };
        let column = open.column.clone();
        let of_codec = |error| of_codec(&column, output, error);
        open.changes += 1;
        let choice = if open.changes < CHANGES_MAX { *choice } else { Choice::Plain };
        let kind = open.column.kind;
        let ranked = Packing::ranked(kind, &open.chunk, Some(&before), (choice, *level)).map_err(of_codec)?;
        let chunks = (open.rows as usize - open.chunk.len() / BYTES) / rows;
        let (mut room, mut chunk) = (Room::default(), Vec::new());
        let get = |at: usize, stored: &mut Vec<u8>, room: &mut Room, chunk: &mut Vec<u8>| {
            ffi::read_chunk(&old, (at * rows) as u64, stored).map_err(library("read a chunk"))?;
            before.unpack(stored, rows, room, chunk).map_err(of_codec)
        };
        let mut chosen = None;
        'next: for packing in ranked {
            for at in 0..chunks {
                get(at, stored, &mut room, &mut chunk)?;
                if packing.form.narrow(&chunk, &mut room.narrow).is_none() {
                    continue 'next;
                }
            }
            chosen = Some(packing);
            break;
        }
        // The last of them holds any value.
        let Some(packing) = chosen else { return Err(no_form(output)) };
        file.unlink(&column.name).map_err(library("replace a data set"))?;
        let new =
            dataset::create(file, &column.name, &packing, rows).map_err(library("create a data set"))?;
        open.has_nan = false;
        for at in 0..chunks {
            get(at, stored, &mut room, &mut chunk)?;
            open.has_nan |= packing.pack(&chunk, rows, &mut room, stored).map_err(of_codec)?.unwrap_or(false);
            dataset::extend(&new, ((at + 1) * rows) as u64, rows, stored)
                .map_err(library("write a chunk"))?;
        }
        open.has_nan |=
            packing.pack(&open.chunk, rows, &mut room, stored).map_err(of_codec)?.unwrap_or(false);
        (open.dataset, open.packing) = (Some(new), Some(packing));
        Ok(())
    }

    /// Writes what is open, notes `attributes` beside our own, and puts the file at its place.
    ///
    /// # Errors
    /// [`Error`] when columns are uneven or the disk or libhdf5 refuses; nothing is left behind then.
    pub fn finish(mut self, attributes: &[(&str, Value)]) -> Result<Written, Error> {
        let rows = self.rows();
        if let Some(open) = self.columns.iter().find(|open| open.rows != rows) {
            let (column, path) = (open.column.name.clone(), self.output.clone());
            return Err(Error::Uneven { column, path, rows: open.rows, expected: rows });
        }
        if rows > 0 && rows < self.chunk_rows as u64 {
            self.chunk_rows = rows as usize;
        }
        for number in 0..self.columns.len() {
            if !self.columns[number].chunk.is_empty() {
                self.flush(number)?;
            }
        }
        let content_hash = self.annotate(attributes).map_err(library("write an attribute", &self.output))?;
        let Self { columns, file, destination, output, .. } = self;
        drop(columns);
        file.flush().map_err(library("flush the file", &output))?;
        file.close().map_err(library("close the file", &output))?;
        let bytes = destination.reveal()?;
        Ok(Written { rows, bytes, content_hash })
    }

    /// Writes the attributes of the columns and of the file, and returns the content hash.
    fn annotate(&self, attributes: &[(&str, Value)]) -> hdf5_metno::Result<String> {
        let mut content = blake3::Hasher::new();
        for (number, open) in self.columns.iter().enumerate() {
            let (name, kind) = (&open.column.name, open.column.kind.name());
            let hash = self.hashes[number].finalize();
            content.update(format!("{name}\0{kind}\0{}\0", open.rows).as_bytes()).update(hash.as_bytes());
            if let Some(dataset) = &open.dataset {
                dataset::attribute(dataset, "index", &Value::Int(number as i64))?;
                dataset::attribute(dataset, "unit", &Value::Text(open.column.unit.clone()))?;
                dataset::attribute(dataset, "role", &Value::Text(open.column.role.clone()))?;
                dataset::attribute(dataset, "blake3", &Value::Text(hash.to_hex().to_string()))?;
                for (name, value) in &open.notes {
                    dataset::attribute(dataset, name, value)?;
                }
                for (name, value) in open.stored_as() {
                    dataset::attribute(dataset, name, &value)?;
                }
            }
        }
        let content_hash = content.finalize().to_hex().to_string();
        let names = self.columns.iter().map(|open| open.column.name.clone()).collect();
        let is_scaled =
            |open: &Open| matches!(&open.packing, Some(packing) if packing.form.scale().is_some());
        let version = if self.columns.iter().any(is_scaled) { FORMAT_VERSION } else { 1 };
        let own = [
            ("format", Value::Text(FORMAT.to_owned())),
            ("format_version", Value::Int(version)),
            ("rows", Value::Int(self.rows().cast_signed())),
            ("columns", Value::Texts(names)),
            ("content_hash", Value::Text(content_hash.clone())),
        ];
        for (name, value) in own
            .iter()
            .map(|(name, value)| (name, value))
            .chain(attributes.iter().map(|(name, value)| (name, value)))
        {
            dataset::attribute(&self.file, name, value)?;
        }
        Ok(content_hash)
    }
}

/// Whether the library can take these columns.
fn check(output: &Path, columns: &[Column]) -> Result<(), Error> {
    let path = || output.to_path_buf();
    if columns.len() > COLUMNS_MAX {
        return Err(Error::TooManyColumns { path: path(), columns: columns.len(), columns_max: COLUMNS_MAX });
    }
    let is_good =
        |name: &str| (1..=NAME_BYTES_MAX).contains(&name.len()) && name != "." && !name.contains(['/', '\0']);
    match columns.iter().find(|column| !is_good(&column.name)) {
        Some(column) => {
            let name = column.name.chars().take(40).collect();
            Err(Error::ColumnName { path: path(), name, bytes_max: NAME_BYTES_MAX })
        }
        None => Ok(()),
    }
}

/// No form for a chunk, which cannot be: the plain one holds any.
fn no_form(output: &Path) -> Error {
    library("pack a chunk", output)(hdf5_metno::Error::Internal("no form holds its values".to_owned()))
}

fn of_codec(column: &Column, output: &Path, error: codec::Error) -> Error {
    Error::Codec { column: column.name.clone(), path: output.to_path_buf(), error }
}

fn library(verb: &'static str, output: &Path) -> impl FnOnce(hdf5_metno::Error) -> Error {
    let path = output.to_path_buf();
    move |error| match system(&error) {
        Some(error) => Error::Io { verb: "write", path, error },
        None => Error::Library { verb, path, error },
    }
}

/// The error of the system that is behind one of the library, which has its number in the text (H5FDsec2.c).
fn system(error: &hdf5_metno::Error) -> Option<io::Error> {
    let text = error.to_string();
    let (_, number) = text.split_once("errno = ")?;
    let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok().filter(|number| *number != 0).map(io::Error::from_raw_os_error)
}
