//! Writes a file of columns through libhdf5.
//!
//! ```text
//! values -> one open chunk a column -> (shuffle) -> zstd -> H5Dwrite_chunk -> hidden file -> fsync -> name
//! ```
//!
//! One one-dimensional data set a column, filter 32015 (zstd), with shuffle before it where the first chunk is smaller so
//! ([`packing`]). Chunks are compressed here and written as they are, so the library's own filter
//! pipeline never runs. Library bounds are the earliest, so every HDF5 library since 1.8 reads the file. Time stamps
//! of objects are off: equal contents give equal files.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use hdf5_metno::types::VarLenUnicode;

use crate::parallel;

mod error;

mod destination;
mod ffi;
mod packing;

pub(crate) use crate::source::is_environment;
use destination::Destination;
pub use error::Error;
use packing::Packing;

/// The name of the format in the attribute `format` of the root group.
pub const FORMAT: &str = "diapason-table";
/// The version of the format in the attribute `format_version`.
pub const FORMAT_VERSION: i64 = 1;
/// The most columns of a file: each holds a chunk in memory, and the attribute with their names must stay below the
/// 64 KiB that the library's object headers allow.
pub const COLUMNS_MAX: usize = 1024;
/// The most bytes of a column's name.
pub const NAME_BYTES_MAX: usize = 1024;

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Whole numbers of 64 bits.
    I64,
    /// Floating-point numbers of 64 bits.
    F64,
}

impl Kind {
    const BYTES: usize = 8;

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
    /// How chunks are stored, from the first one on.
    packing: Option<Packing>,
    /// The values of the open chunk, little-endian.
    chunk: Vec<u8>,
    rows: u64,
}

impl Open {
    /// Adds values to the open chunk.
    fn extend(&mut self, values: impl ExactSizeIterator<Item = [u8; Kind::BYTES]>) {
        let (from, count) = (self.chunk.len(), values.len());
        self.chunk.resize(from + count * Kind::BYTES, 0);
        // In this form it is a copy to the compiler.
        for (place, value) in self.chunk[from..].as_chunks_mut().0.iter_mut().zip(values) {
            *place = value;
        }
        self.rows += count as u64;
    }
}

/// A file being written. Dropped before [`Writer::finish`], it leaves nothing behind.
pub struct Writer {
    // The library's handles are declared, and so closed, before the temporary name is unlinked.
    columns: Vec<Open>,
    file: hdf5_metno::File,
    destination: Destination,
    output: PathBuf,
    chunk_bytes: usize,
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
            chunk: Vec::with_capacity(chunk_rows.max(1) * Kind::BYTES),
            rows: 0,
        };
        Ok(Self {
            columns: columns.iter().map(open).collect(),
            file,
            destination,
            output: output.to_path_buf(),
            chunk_bytes: chunk_rows.max(1) * Kind::BYTES,
            level,
            hashes: vec![blake3::Hasher::new(); columns.len()],
            packed: vec![Vec::new(); columns.len()],
        })
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
        self.push(column, values.len(), values.iter().map(|value| value.to_le_bytes()))
    }

    /// Adds `values` to the column with number `column`, which holds [`Kind::F64`].
    ///
    /// # Errors
    /// As [`Writer::push_i64`].
    pub fn push_f64(&mut self, column: usize, values: &[f64]) -> Result<(), Error> {
        debug_assert_eq!(self.columns[column].column.kind, Kind::F64);
        self.push(column, values.len(), values.iter().map(|value| value.to_le_bytes()))
    }

    /// Notes an attribute at the column with number `column`, which has rows by the time of [`Writer::finish`].
    pub fn note(&mut self, column: usize, name: &'static str, value: Value) {
        self.columns[column].notes.push((name, value));
    }

    fn push(
        &mut self,
        number: usize,
        count: usize,
        mut values: impl Iterator<Item = [u8; 8]>,
    ) -> Result<(), Error> {
        let mut rest = count;
        while rest > 0 {
            let open = &mut self.columns[number];
            let some = rest.min((self.chunk_bytes - open.chunk.len()) / Kind::BYTES);
            for value in values.by_ref().take(some) {
                open.chunk.extend_from_slice(&value);
            }
            open.rows += some as u64;
            rest -= some;
            if open.chunk.len() == self.chunk_bytes {
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
            let held = self.columns.first().map_or(0, |open| open.chunk.len());
            let some = (count - done).min((self.chunk_bytes - held) / Kind::BYTES);
            let range = done..done + some;
            for (open, values) in self.columns.iter_mut().zip(rows) {
                match values {
                    Values::I64(values) => open.extend(values[range.clone()].iter().map(|v| v.to_le_bytes())),
                    Values::F64(values) => open.extend(values[range.clone()].iter().map(|v| v.to_le_bytes())),
                }
            }
            done += some;
            if held + some * Kind::BYTES == self.chunk_bytes {
                self.flush_all(threads)?;
            }
        }
        Ok(())
    }

    /// Compresses and writes the open chunks of all columns, which are full.
    fn flush_all(&mut self, threads: usize) -> Result<(), Error> {
        let (level, chunk_bytes) = (self.level, self.chunk_bytes);
        let open = self.columns.iter_mut().map(|open| (&mut open.chunk, &mut open.packing));
        let jobs = open.zip(self.hashes.iter_mut().zip(&mut self.packed));
        let packed = parallel::run(
            threads,
            jobs,
            || (),
            |(), ((chunk, packing), (hash, stored))| {
                hash.update(chunk);
                packing::pack(chunk, (packing, level), chunk_bytes, stored)
            },
        );
        packed.map_err(|error| {
            let column = self.columns.first().map(|open| open.column.name.clone()).unwrap_or_default();
            Error::Codec { column, path: self.output.clone(), error }
        })?;
        (0..self.columns.len()).try_for_each(|number| self.write(number))
    }

    /// Writes the open chunk of a column.
    fn flush(&mut self, number: usize) -> Result<(), Error> {
        let open = &mut self.columns[number];
        self.hashes[number].update(&open.chunk);
        let packing = (&mut open.packing, self.level);
        let packed = packing::pack(&mut open.chunk, packing, self.chunk_bytes, &mut self.packed[number]);
        packed.map_err(|error| Error::Codec {
            column: open.column.name.clone(),
            path: self.output.clone(),
            error,
        })?;
        self.write(number)
    }

    /// Writes the compressed chunk of a column.
    fn write(&mut self, number: usize) -> Result<(), Error> {
        let library = |verb| library(verb, &self.output);
        let open = &mut self.columns[number];
        let chunk_rows = self.chunk_bytes / Kind::BYTES;
        let is_shuffled = open.packing.as_ref().is_some_and(|packing| packing.is_shuffled);
        let dataset = match &mut open.dataset {
            Some(dataset) => dataset,
            none => none.insert(
                dataset(&self.file, (&open.column, is_shuffled), chunk_rows, self.level)
                    .map_err(library("create a data set"))?,
            ),
        };
        open.chunk.clear();
        // The extent is only ever enlarged: shrinking would make the library run the filter on the last chunk.
        let first = (open.rows - 1) / chunk_rows as u64 * chunk_rows as u64;
        dataset.resize(open.rows as usize).map_err(library("enlarge a data set"))?;
        ffi::write_chunk(dataset, first, &self.packed[number]).map_err(library("write a chunk"))
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
        if rows > 0 && rows < (self.chunk_bytes / Kind::BYTES) as u64 {
            self.chunk_bytes = rows as usize * Kind::BYTES;
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
                attribute(dataset, "index", &Value::Int(number as i64))?;
                attribute(dataset, "unit", &Value::Text(open.column.unit.clone()))?;
                attribute(dataset, "role", &Value::Text(open.column.role.clone()))?;
                attribute(dataset, "blake3", &Value::Text(hash.to_hex().to_string()))?;
                for (name, value) in &open.notes {
                    attribute(dataset, name, value)?;
                }
                if let Some(packing) = &open.packing {
                    attribute(dataset, "packing", &Value::Text(packing.note.clone()))?;
                }
            }
        }
        let content_hash = content.finalize().to_hex().to_string();
        let names = self.columns.iter().map(|open| open.column.name.clone()).collect();
        let own = [
            ("format", Value::Text(FORMAT.to_owned())),
            ("format_version", Value::Int(FORMAT_VERSION)),
            ("rows", Value::Int(self.rows().cast_signed())),
            ("columns", Value::Texts(names)),
            ("content_hash", Value::Text(content_hash.clone())),
        ];
        for (name, value) in own
            .iter()
            .map(|(name, value)| (name, value))
            .chain(attributes.iter().map(|(name, value)| (name, value)))
        {
            attribute(&self.file, name, value)?;
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

/// An empty data set for `column` that may grow.
fn dataset(
    file: &hdf5_metno::File,
    (column, is_shuffled): (&Column, bool),
    chunk_rows: usize,
    level: i32,
) -> hdf5_metno::Result<hdf5_metno::Dataset> {
    let builder = file.new_dataset_builder();
    let make = |builder: hdf5_metno::DatasetBuilderEmpty| {
        let builder = builder.shape(0..).chunk(chunk_rows);
        let builder = if is_shuffled { builder.shuffle() } else { builder };
        builder
            .obj_track_times(false)
            .add_filter(ffi::ZSTD, &[level.cast_unsigned()])
            .create(column.name.as_str())
    };
    match column.kind {
        Kind::I64 => make(builder.empty::<i64>()),
        Kind::F64 => make(builder.empty::<f64>()),
    }
}

fn attribute(at: &hdf5_metno::Location, name: &str, value: &Value) -> hdf5_metno::Result<()> {
    // The library's texts end at a NUL; a name with one, which no file system allows, is cut there.
    let text = |text: &str| text.split('\0').next().unwrap_or_default().parse::<VarLenUnicode>();
    let refused = |error: hdf5_metno::types::StringError| hdf5_metno::Error::Internal(error.to_string());
    match value {
        Value::Int(number) => at.new_attr::<i64>().create(name)?.write_scalar(number),
        Value::Text(value) => {
            at.new_attr::<VarLenUnicode>().create(name)?.write_scalar(&text(value).map_err(refused)?)
        }
        Value::Texts(values) => {
            let values =
                values.iter().map(|value| text(value).map_err(refused)).collect::<Result<Vec<_>, _>>()?;
            at.new_attr::<VarLenUnicode>().shape(values.len()).create(name)?.write_raw(&values)
        }
    }
}
