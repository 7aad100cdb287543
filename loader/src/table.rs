//! A file of columns, read lazily.
//!
//! Opening touches metadata only. Reading decodes the chunks that hold the rows asked for, and keeps the latest used
//! of them within a budget of bytes. A column is a one-dimensional data set of numbers in one group; whatever else
//! lies there is listed with the reason why it is no column.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

mod cache;
mod facts;
mod matlab;
mod number;
mod pandas;
mod storage;

mod error;

use crate::format::hdf5::{self, Kind, Target};
use crate::nearest::nearest;
use crate::source::{Source, pread::Pread, uring::Uring};
use cache::Cache;
pub use error::Error;
pub use facts::{Attribute, Column, Inspection, Skipped};
use number::Number;
pub use storage::Error as ChunkError;
use storage::{Refusal, Storage};

/// The attribute with the names of the columns in order.
const ORDER: &str = "columns";
/// The most columns of a table: a file may lead to one wide data set under any number of names.
const COLUMNS_MAX: usize = 4096;
/// What files of ours say in the attribute `format`, and the newest version that is understood.
const FORMAT: (&str, i64) = ("diapason-table", 1);

/// Through what a file is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// `pread(2)`.
    #[default]
    Pread,
    /// io_uring; an error where [`crate::source::uring::probe`] fails.
    Uring,
}

/// How a table is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The group that the columns are in, such as `/` or `/prices/minute`.
    pub group: String,
    /// Bytes of decoded chunks that are kept at most; a thread that reads holds one more chunk while it does.
    pub budget_bytes: u64,
    /// Through what the file is read.
    pub backend: Backend,
}

impl Default for Options {
    fn default() -> Self {
        Self { group: "/".to_owned(), budget_bytes: Table::BUDGET_BYTES, backend: Backend::Pread }
    }
}

/// An open file of columns; any number of threads may read it at once.
#[derive(Debug)]
pub struct Table {
    source: Arc<dyn Source>,
    inspection: Inspection,
    /// Where the values of each column are, with the number of the data set, which several columns may share.
    storages: Vec<(usize, Storage)>,
    cache: Mutex<Cache>,
}

impl Table {
    /// Bytes of decoded chunks that [`Table::open`] keeps at most.
    pub const BUDGET_BYTES: u64 = 64 << 20;

    /// Opens the columns in the root group of the file at `path`.
    ///
    /// # Errors
    /// [`Error`] when the file cannot be read, is no HDF5, is broken, or has no columns of equal length.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::open_with(path, &Options::default())
    }

    /// As [`Table::open`], keeping at most `budget_bytes` of decoded chunks.
    ///
    /// # Errors
    /// As [`Table::open`], and [`Error::Budget`] when one chunk is larger than that.
    pub fn with_budget(path: impl AsRef<Path>, budget_bytes: u64) -> Result<Self, Error> {
        Self::open_with(path, &Options { budget_bytes, ..Options::default() })
    }

    /// Opens a table as `options` say.
    ///
    /// # Errors
    /// As [`Table::with_budget`], and [`Error::NoGroup`].
    pub fn open_with(path: impl AsRef<Path>, options: &Options) -> Result<Self, Error> {
        let path = path.as_ref();
        let source: std::io::Result<Arc<dyn Source>> = match options.backend {
            Backend::Pread => Pread::open(path).map(|source| Arc::new(source) as _),
            Backend::Uring => Uring::open(path).map(|source| Arc::new(source) as _),
        };
        let source = source.map_err(|error| Error::Io { path: path.to_path_buf(), error })?;
        Self::of_source(source, path, options)
    }

    /// Opens a table in `source`; `path` is what errors call it.
    ///
    /// # Errors
    /// As [`Table::open_with`].
    pub fn of_source(source: Arc<dyn Source>, path: &Path, options: &Options) -> Result<Self, Error> {
        let failed = |object: &str| {
            let object = object.to_owned();
            move |error| error::of_format(path, object, error)
        };
        let file = hdf5::File::open(Arc::clone(&source)).map_err(failed("/"))?;
        let group = find_group(&file, path, &options.group)?;
        let mut attributes: BTreeMap<String, Attribute> = named(group.attributes);
        check_version(path, &attributes)?;
        let (found, mut skipped) = match group.kind {
            Kind::Group(links) => datasets(&file, path, links)?,
            Kind::Dataset(dataset) => {
                (vec![Found { name: String::new(), dataset: *dataset, notes: BTreeMap::new() }], Vec::new())
            }
            Kind::Datatype => {
                return Err(Error::NoGroup { path: path.to_path_buf(), wanted: options.group.clone() });
            }
        };
        // A table of records that is alone in its group is meant by the group's name: its fields are the columns.
        let is_alone = found.len() == 1;
        let last_name = options.group.rsplit('/').next().unwrap_or_default();
        let (mut columns, mut storages) = (Vec::new(), Vec::new());
        let mut names = pandas::Names::default();
        for (store, Found { name, dataset, notes }) in found.into_iter().enumerate() {
            if let Some(texts) = pandas::labels(&file, &*source, &attributes, &name, &dataset) {
                names.add(&name, texts.map_err(failed(&name))?);
            }
            let is_record = !dataset.fields.is_empty();
            let (values, others) = match Storage::columns(&file, dataset, &notes) {
                Ok(found) => found,
                Err(Refusal::NoColumn(reason)) => {
                    skipped.push(Skipped { name, reason });
                    continue;
                }
                Err(Refusal::Broken(error)) => return Err(error::of_format(path, name, error)),
            };
            if columns.len() + values.len() > COLUMNS_MAX {
                let reason =
                    format!("with its {} columns the table would have more than {COLUMNS_MAX}", values.len());
                skipped.push(Skipped { name, reason });
                continue;
            }
            let full_name = |inner: &str| match (inner, name.as_str()) {
                ("", "") => last_name.to_owned(),
                ("", name) => name.to_owned(),
                (inner, _) if is_record && is_alone => inner.to_owned(),
                (inner, "") => format!("{last_name}{inner}"),
                (inner, name) if is_record => format!("{name}/{inner}"),
                (inner, name) => format!("{name}{inner}"),
            };
            skipped.extend(others.into_iter().map(|other| Skipped { name: full_name(&other.name), ..other }));
            let is_one = values.len() == 1;
            for (inner, storage) in values {
                let own = if is_one { notes.clone() } else { BTreeMap::new() };
                columns.push(column(full_name(&inner), &storage, own));
                storages.push((store, storage));
            }
            if is_record && is_alone {
                attributes.extend(notes);
            }
        }
        names.rename(&attributes, &mut columns);
        let mut both: Vec<(Column, (usize, Storage))> = columns.into_iter().zip(storages).collect();
        sort_as_noted(&mut both, &attributes);
        let (columns, storages): (Vec<_>, Vec<_>) = both.into_iter().unzip();
        let rows = check(path, options, &columns, &storages, &skipped)?;
        let budget_bytes = options.budget_bytes;
        let cache = Mutex::new(Cache::new(usize::try_from(budget_bytes).unwrap_or(usize::MAX)));
        let (path, file_bytes) = (path.to_path_buf(), source.size());
        let inspection = Inspection { path, file_bytes, rows, columns, attributes, skipped, budget_bytes };
        Ok(Self { source, inspection, storages, cache })
    }

    /// Rows of each column.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.inspection.rows
    }

    /// The columns in order.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.inspection.columns
    }

    /// What else lies in the group and is not a column, with the reason.
    #[must_use]
    pub fn skipped(&self) -> &[Skipped] {
        &self.inspection.skipped
    }

    /// What is noted at the table.
    #[must_use]
    pub const fn attributes(&self) -> &BTreeMap<String, Attribute> {
        &self.inspection.attributes
    }

    /// All that is known without reading a value.
    #[must_use]
    pub const fn inspect(&self) -> &Inspection {
        &self.inspection
    }

    /// The number of the column called `name`.
    ///
    /// # Errors
    /// [`Error::Unreadable`] with the reason when it is there and no column, else [`Error::NoColumn`] with the
    /// nearest name.
    pub fn position(&self, name: &str) -> Result<usize, Error> {
        let names = || self.inspection.columns.iter().map(|column| column.name.as_str());
        names().position(|column| column == name).ok_or_else(|| {
            let (path, wanted) = (self.inspection.path.clone(), name.to_owned());
            match self.skipped().iter().find(|skipped| skipped.name == name) {
                Some(skipped) => Error::Unreadable { path, wanted, reason: skipped.reason.clone() },
                None => Error::NoColumn {
                    path,
                    wanted,
                    suggestion: nearest(name, names()).map(str::to_owned),
                    columns: names().map(str::to_owned).collect(),
                },
            }
        })
    }

    /// Reads `rows` of `column` as `f64` into `values`, which has one place for each row.
    ///
    /// Whole numbers are read too, as long as f64 holds them exactly.
    ///
    /// # Errors
    /// [`Error`] when there is no such column or row, a value does not fit, or the file is broken there.
    pub fn read_f64(&self, column: &str, rows: Range<u64>, values: &mut [f64]) -> Result<(), Error> {
        self.read(column, rows, values)
    }

    /// Reads `rows` of `column` as `i64` into `values`, which has one place for each row.
    ///
    /// # Errors
    /// As [`Table::read_f64`], and [`Error::WrongType`] when the column holds floating-point numbers.
    pub fn read_i64(&self, column: &str, rows: Range<u64>, values: &mut [i64]) -> Result<(), Error> {
        self.read(column, rows, values)
    }

    fn read<T: Number>(&self, column: &str, rows: Range<u64>, values: &mut [T]) -> Result<(), Error> {
        let number = self.position(column)?;
        let storage = &self.storages[number].1;
        let (path, name) = (|| self.inspection.path.clone(), || column.to_owned());
        if rows.start > rows.end || rows.end > self.rows() {
            return Err(Error::OutOfRange { path: path(), wanted: rows, rows: self.rows() });
        }
        if rows.end - rows.start != values.len() as u64 {
            return Err(Error::Room { rows: rows.end - rows.start, places: values.len() });
        }
        if !number::is_readable::<T>(storage.datatype) {
            let dtype = storage.datatype.to_string();
            return Err(Error::WrongType { path: path(), column: name(), dtype, wanted: T::NAME });
        }
        let mut stored = Vec::new();
        let (mut row, mut rest) = (rows.start, values);
        while !rest.is_empty() {
            let (chunk, inside) = (row / storage.chunk_rows, (row % storage.chunk_rows) as usize);
            let count = rest.len().min((storage.chunk_rows - inside as u64).try_into().unwrap_or(usize::MAX));
            let (now, later) = rest.split_at_mut(count);
            let bytes = self.chunk(number, chunk, &mut stored)?;
            let converted = match &bytes {
                Some(bytes) => {
                    let from = inside * storage.element_bytes + storage.offset;
                    number::convert(storage.datatype, &bytes[from..], storage.element_bytes, now)
                }
                None => fill(storage, now),
            };
            converted.map_err(|inexact| Error::Inexact {
                path: path(),
                column: name(),
                row: row + inexact.at as u64,
                value: inexact.value,
                wanted: T::NAME,
            })?;
            (row, rest) = (row + count as u64, later);
        }
        Ok(())
    }

    /// The decoded chunk, from memory or from the file; `None` when it was never written.
    fn chunk(&self, column: usize, chunk: u64, stored: &mut Vec<u8>) -> Result<Option<Arc<Vec<u8>>>, Error> {
        let (store, storage) = &self.storages[column];
        let key = (*store, storage.number_of(chunk));
        let cache = || self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = cache().get(key) {
            return Ok(Some(kept));
        }
        // Room first, so that what is kept and what is being decoded fit together.
        let room = if storage.is_chunked() { storage.chunk_bytes() as usize } else { 0 };
        let spare = cache().make_room(room);
        // Not while the cache is locked: threads decode side by side.
        let decoded = storage.chunk(&*self.source, chunk, stored, spare).map_err(|error| Error::Chunk {
            path: self.inspection.path.clone(),
            column: self.inspection.columns[column].name.clone(),
            chunk,
            place: storage.place_of(chunk),
            error,
        })?;
        let Some(decoded) = decoded.map(Arc::new) else { return Ok(None) };
        if storage.is_chunked() {
            cache().put(key, Arc::clone(&decoded));
        }
        Ok(Some(decoded))
    }
}

fn fill<T: Number>(storage: &Storage, values: &mut [T]) -> Result<(), number::Inexact> {
    let Some((first, others)) = values.split_first_mut() else { return Ok(()) };
    number::convert(storage.datatype, storage.fill(), storage.element_bytes, std::slice::from_mut(first))?;
    others.fill(*first);
    Ok(())
}

fn named(attributes: Vec<(String, hdf5::Value)>) -> BTreeMap<String, Attribute> {
    attributes.into_iter().map(|(name, value)| (name, value.into())).collect()
}

/// A data set of the group, and what is noted at it.
struct Found {
    name: String,
    dataset: hdf5::Dataset,
    notes: BTreeMap<String, Attribute>,
}

/// The data sets that `links` lead to, and what else they lead to.
fn datasets(
    file: &hdf5::File,
    path: &Path,
    links: Vec<hdf5::Link>,
) -> Result<(Vec<Found>, Vec<Skipped>), Error> {
    let (mut found, mut skipped) = (Vec::new(), Vec::new());
    for hdf5::Link { name, target } in links {
        let mut skip = |name: String, reason: String| skipped.push(Skipped { name, reason });
        let Target::Object(address) = target else {
            skip(name, "it is a link to another name".to_owned());
            continue;
        };
        let object = match file.object(address) {
            Err(hdf5::Error::Unsupported { what, found, .. }) => {
                skip(name, format!("its {what} is not supported: {found}"));
                continue;
            }
            Err(error) => return Err(error::of_format(path, name, error)),
            Ok(object) => object,
        };
        match object.kind {
            Kind::Dataset(dataset) => {
                found.push(Found { name, dataset: *dataset, notes: named(object.attributes) });
            }
            Kind::Group(_) => skip(name, "it is a group".to_owned()),
            Kind::Datatype => skip(name, "it is a type".to_owned()),
        }
    }
    Ok((found, skipped))
}

/// The object at `wanted`, from the root.
fn find_group(file: &hdf5::File, path: &Path, wanted: &str) -> Result<hdf5::Object, Error> {
    let failed = |error| error::of_format(path, wanted.to_owned(), error);
    let mut object = file.object(file.root()).map_err(failed)?;
    for name in wanted.split('/').filter(|name| !name.is_empty()) {
        let Kind::Group(links) = &object.kind else { break };
        let target = links.iter().find(|link| link.name == name).map(|link| link.target);
        let Some(Target::Object(address)) = target else {
            return Err(Error::NoGroup { path: path.to_path_buf(), wanted: wanted.to_owned() });
        };
        object = file.object(address).map_err(failed)?;
    }
    Ok(object)
}

fn check_version(path: &Path, attributes: &BTreeMap<String, Attribute>) -> Result<(), Error> {
    let (format, known) = FORMAT;
    let is_ours = attributes.get("format") == Some(&Attribute::Text(format.to_owned()));
    match attributes.get("format_version") {
        Some(Attribute::Int(found)) if is_ours && *found > known => {
            Err(Error::Newer { path: path.to_path_buf(), found: (*found).into(), known })
        }
        _ => Ok(()),
    }
}

fn column(name: String, storage: &Storage, attributes: BTreeMap<String, Attribute>) -> Column {
    let (chunks, stored_bytes) = storage.stored();
    Column {
        name,
        dtype: storage.datatype.to_string(),
        chunk_rows: storage.chunk_rows,
        chunks,
        filters: storage.filters(),
        raw_bytes: storage.rows.saturating_mul(storage.datatype.number_bytes().unwrap_or(0) as u64),
        stored_bytes,
        attributes,
    }
}

/// Sorts the columns as the attribute of the table says; those that it does not name come last.
fn sort_as_noted(columns: &mut [(Column, (usize, Storage))], attributes: &BTreeMap<String, Attribute>) {
    let Some(Attribute::List(order)) = attributes.get(ORDER) else { return };
    let places: BTreeMap<&str, usize> = order
        .iter()
        .enumerate()
        .filter_map(
            |(place, name)| {
                if let Attribute::Text(name) = name { Some((name.as_str(), place)) } else { None }
            },
        )
        .collect();
    columns.sort_by_key(|(column, _)| places.get(column.name.as_str()).copied().unwrap_or(usize::MAX));
}

/// Whether the columns make a table that can be read within the budget; their rows.
fn check(
    path: &Path,
    options: &Options,
    columns: &[Column],
    storages: &[(usize, Storage)],
    skipped: &[Skipped],
) -> Result<u64, Error> {
    let path = || path.to_path_buf();
    let (Some(first), Some(first_name)) =
        (storages.first().map(|(_, storage)| storage), columns.first().map(|column| column.name.clone()))
    else {
        return Err(Error::NoColumns {
            path: path(),
            group: options.group.clone(),
            skipped: skipped.to_vec(),
        });
    };
    for (column, (_, storage)) in columns.iter().zip(storages) {
        let (name, rows) = (column.name.clone(), storage.rows);
        if rows != first.rows {
            return Err(Error::Uneven {
                path: path(),
                column: name,
                rows,
                other: first_name,
                other_rows: first.rows,
            });
        }
        let (needed_bytes, budget_bytes) = (storage.chunk_bytes(), options.budget_bytes);
        if storage.is_chunked() && needed_bytes > budget_bytes {
            return Err(Error::Budget { path: path(), column: name, needed_bytes, budget_bytes });
        }
    }
    Ok(first.rows)
}
