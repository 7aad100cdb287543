//! A file of columns, read lazily.
//!
//! Opening touches metadata only. Reading decodes the chunks that hold the rows asked for, and keeps the latest used
//! of them within a budget of bytes; what is longer than a few chunks is decoded on several threads straight to where
//! it is wanted. A column is a one-dimensional data set of numbers in one group, or one place in the rows of a
//! two-dimensional one; whatever else lies there is listed with the reason why it is no column.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

mod cache;
mod facts;
mod matlab;
mod number;
mod storage;
mod stored;

pub(crate) mod error;

mod rows;

mod sidecar;

mod pandas;

mod open;

mod values;

use crate::codec::Room;
use crate::format::hdf5;
use crate::nearest::nearest;
use crate::parallel;
pub use crate::source::Backend;
use crate::source::account::Account;
use crate::source::uring::Access;
use crate::source::{self, Source};
use cache::Cache;
pub use error::Error;
pub use facts::{Attribute, Column, Inspection, Skipped};
pub use number::Number;
pub use rows::{Damage, Damaged, Selection};
pub(crate) use rows::{Done, Scratch};
use rows::{Origin, Origins};
use sidecar::Known;
pub use storage::Error as ChunkError;
use storage::Storage;
pub use values::Values;

/// A range of one column over more whole chunks than this is decoded on several threads.
const LONG_CHUNKS: u64 = 2;
/// Bytes of rows in a job of a thread at least, unless a chunk is larger.
const JOB_BYTES: u64 = 512 << 10;
/// And at most: within a job, later pieces are read while earlier ones are decoded, so of long ranges jobs are long.
const JOB_BYTES_MAX: u64 = 16 << 20;
/// Jobs for each thread at least, so that none has much more to do than others.
const JOBS_A_THREAD: u64 = 8;

/// How a table is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The group that the columns are in, such as `/` or `/prices/minute`.
    pub group: String,
    /// Bytes of decoded chunks that are kept at most; a thread that reads holds one more chunk while it does.
    pub budget_bytes: u64,
    /// Through what the file is read.
    pub backend: Backend,
    /// How what the page cache does not hold is read through io_uring.
    pub access: Access,
    /// Threads that decode a long range of rows, the calling one included; 0 for as many as there are processors.
    pub threads: usize,
    /// Where what opening finds is kept for the next time; it is written when it is not there or is not of this file.
    pub sidecar: Option<PathBuf>,
}

/// Where the index of the chunks came from.
#[derive(Debug)]
pub enum Index {
    /// From the file.
    File,
    /// From the file, and it is in the side-car now.
    Kept,
    /// From the file, and the side-car could not be written.
    NotKept(std::io::Error),
    /// From the side-car.
    SideCar,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            group: "/".to_owned(),
            budget_bytes: Table::BUDGET_BYTES,
            backend: Backend::default(),
            access: Access::default(),
            threads: 0,
            sidecar: None,
        }
    }
}

/// An open file of columns; any number of threads may read it at once.
#[derive(Debug)]
pub struct Table {
    source: Arc<dyn Source>,
    inspection: Inspection,
    index: Index,
    storages: Vec<Storage>,
    /// Where each column is.
    origins: Vec<Origin>,
    threads: usize,
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
        let source = source::open(path, options.backend, options.access)
            .map_err(|error| Error::Io { path: path.to_path_buf(), error })?;
        Self::of_source(source, path, options)
    }

    /// Opens a table in `source`; `path` is what errors call it.
    ///
    /// # Errors
    /// As [`Table::open_with`].
    pub fn of_source(source: Arc<dyn Source>, path: &Path, options: &Options) -> Result<Self, Error> {
        let _span = tracing::debug_span!("open", path = %path.display(), group = options.group).entered();
        let identity = source.identity();
        let sidecar = options.sidecar.as_deref();
        let kept = sidecar.and_then(|sidecar| sidecar::load(sidecar, identity, &options.group));
        let (known, index) = match kept {
            Some(known) => (known, Index::SideCar),
            None => {
                let known = open::known(&source, path, (&options.group, false))?;
                let saved = sidecar.map(|sidecar| sidecar::save(sidecar, identity, &options.group, &known));
                (
                    known,
                    saved.map_or(Index::File, |saved| saved.map_or_else(Index::NotKept, |()| Index::Kept)),
                )
            }
        };
        Self::of_known(source, path, options, (known, index))
    }

    fn of_known(
        source: Arc<dyn Source>,
        path: &Path,
        options: &Options,
        (known, index): (Known, Index),
    ) -> Result<Self, Error> {
        let Known { columns, storages, attributes, skipped } = known;
        let (columns, origins): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
        let rows = check(path, options, (&columns, &origins), &storages, &skipped)?;
        let budget_bytes = options.budget_bytes;
        let cache = Mutex::new(Cache::new(usize::try_from(budget_bytes).unwrap_or(usize::MAX)));
        let (path, file_bytes) = (path.to_path_buf(), source.size());
        let inspection = Inspection { path, file_bytes, rows, columns, attributes, skipped, budget_bytes };
        let threads = parallel::threads(options.threads);
        Ok(Self { source, inspection, index, storages, origins, threads, cache })
    }

    /// As [`Table::of_source`], without a side-car, of a file that grows: as many rows as every column has, up to the first
    /// chunk that is not there yet.
    pub(crate) fn of_growing(source: Arc<dyn Source>, path: &Path, options: &Options) -> Result<Self, Error> {
        let mut known = open::known(&source, path, (&options.group, true))?;
        let rows = known.storages.iter().map(Storage::rows_there).min().unwrap_or(0);
        for storage in &mut known.storages {
            storage.rows = rows;
        }
        Self::of_known(source, path, options, (known, Index::File))
    }

    /// Rows in chunks that are full, of every column.
    pub(crate) fn rows_full(&self) -> u64 {
        self.storages
            .iter()
            .map(|storage| storage.rows / storage.chunk_rows * storage.chunk_rows)
            .min()
            .unwrap_or(0)
    }

    /// Where the index of the chunks came from.
    #[must_use]
    pub const fn index(&self) -> &Index {
        &self.index
    }

    /// What the file was when it was opened.
    #[must_use]
    pub fn identity(&self) -> crate::source::Identity {
        self.source.identity()
    }

    /// How the file is read and why so, and how its reads were answered since it was opened.
    #[must_use]
    pub fn account(&self) -> Account {
        self.source.account()
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
        self.read_into(column, rows, values)
    }

    /// Reads `rows` of `column` as `i64` into `values`, which has one place for each row.
    ///
    /// # Errors
    /// As [`Table::read_f64`], and [`Error::WrongType`] when the column holds floating-point numbers.
    pub fn read_i64(&self, column: &str, rows: Range<u64>, values: &mut [i64]) -> Result<(), Error> {
        self.read_into(column, rows, values)
    }

    fn read_into<T: Number>(&self, column: &str, rows: Range<u64>, values: &mut [T]) -> Result<(), Error> {
        let number = self.position(column)?;
        let origin = self.origins[number];
        let storage = &self.storages[origin.storage];
        let selection = Selection::new(&[(number, origin)]);
        self.refuse::<T>(&selection, &rows, values.len())?;
        if self.is_long(origin.storage, &rows) {
            return self.read_selected(&selection, rows, values, Damage::Fail).map(|_| ());
        }
        let path = || self.inspection.path.clone();
        let mut memory = (Vec::new(), Room::default());
        let (mut row, mut rest) = (rows.start, values);
        while !rest.is_empty() {
            let (chunk, inside) = (row / storage.chunk_rows, (row % storage.chunk_rows) as usize);
            let count = rest.len().min((storage.chunk_rows - inside as u64).try_into().unwrap_or(usize::MAX));
            let (now, later) = rest.split_at_mut(count);
            let bytes = self.chunk(origin.storage, number, chunk, &mut memory)?;
            let converted = match &bytes {
                Some(bytes) => {
                    let bytes = &bytes[inside * storage.row_bytes + origin.offset..];
                    let column = number::Column { bytes, stride: storage.row_bytes };
                    number::convert((origin.datatype, origin.scale), column, count, (now, 1))
                }
                None => fill(storage, origin, now),
            };
            converted.map_err(|inexact| Error::Inexact {
                path: path(),
                column: column.to_owned(),
                row: row + inexact.at as u64,
                value: inexact.value,
                wanted: T::NAME,
            })?;
            (row, rest) = (row + count as u64, later);
        }
        Ok(())
    }

    /// Whether `rows` are worth several threads: some chunks, and not kept already.
    fn is_long(&self, storage: usize, rows: &Range<u64>) -> bool {
        let chunk_rows = self.storages[storage].chunk_rows;
        let (first, end) = (rows.start / chunk_rows, rows.end / chunk_rows);
        let is_kept = |chunk| {
            let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
            cache.get((storage, chunk)).is_some()
        };
        end - first > LONG_CHUNKS && !(is_kept(first) && is_kept(end - 1))
    }

    /// The columns called `names`, in this order.
    ///
    /// # Errors
    /// As [`Table::position`].
    pub fn select<S: AsRef<str>>(&self, names: &[S]) -> Result<Selection, Error> {
        let one = |name: &S| self.position(name.as_ref()).map(|number| (number, self.origins[number]));
        Ok(Selection::new(&names.iter().map(one).collect::<Result<Vec<_>, _>>()?))
    }

    /// Reads `rows` of the selected columns into `values`, `[row][column]`, on [`Options::threads`] threads, or as many
    /// as have room in the budget for a chunk and what it is stored as. Returns the chunks that `damage` let pass.
    ///
    /// The values are the same at any number of threads. Nothing is taken from or kept in the budget of chunks.
    ///
    /// # Errors
    /// [`Error`] when there is no such row, a value does not fit, or the file is broken there; of several the one in
    /// the first rows.
    pub fn read_selected<T: Number>(
        &self,
        selection: &Selection,
        rows: Range<u64>,
        values: &mut [T],
        damage: Damage,
    ) -> Result<Vec<Damaged>, Error> {
        self.refuse::<T>(selection, &rows, values.len())?;
        let width = selection.width().max(1);
        let chunk_rows = selection.chunk_rows(&self.storages);
        // Whole chunks in each job, and of small ones enough that a read is worth its call.
        let bytes = chunk_rows.saturating_mul((width * size_of::<T>()) as u64).max(1);
        let all = (rows.end - rows.start).saturating_mul((width * size_of::<T>()) as u64);
        let job_bytes = all / (JOBS_A_THREAD * self.threads as u64);
        let step = chunk_rows.saturating_mul((job_bytes.clamp(JOB_BYTES, JOB_BYTES_MAX) / bytes).max(1));
        let (mut first, mut rest) = (rows.start, values);
        let jobs = std::iter::from_fn(|| {
            let end = rows.end.min((first / step + 1).saturating_mul(step));
            let (now, later) = std::mem::take(&mut rest).split_at_mut((end - first) as usize * width);
            let job = (first..end, now);
            (first, rest) = (end, later);
            (!job.0.is_empty()).then_some(job)
        });
        let count = usize::try_from((rows.end - rows.start).div_ceil(step)).unwrap_or(usize::MAX);
        let room = self.inspection.budget_bytes / self.scratch_bytes(selection).max(1);
        let threads = self.threads.min(count).min(usize::try_from(room).unwrap_or(usize::MAX)).max(1);
        let (first_row, count) = (rows.start, rows.end - rows.start);
        let _span =
            tracing::debug_span!("read", path = %self.inspection.path.display(), first_row, count, threads)
                .entered();
        let damaged = parallel::run(threads, jobs, Scratch::default, |scratch, (rows, out)| {
            rows::fill(self.origins_of(), selection, rows, out, (scratch, damage))
        })?;
        Ok(damaged.into_iter().flatten().collect())
    }

    /// As [`Table::read_selected`], on this thread alone.
    pub(crate) fn fill<T: Number>(
        &self,
        selection: &Selection,
        rows: Range<u64>,
        values: &mut [T],
        (scratch, damage): (&mut Scratch, Damage),
    ) -> Result<Vec<Damaged>, Error> {
        self.refuse::<T>(selection, &rows, values.len())?;
        rows::fill(self.origins_of(), selection, rows, values, (scratch, damage))
    }

    /// Whether the selected columns can be read as `T` at all.
    pub(crate) fn check<T: Number>(&self, selection: &Selection) -> Result<(), Error> {
        self.refuse::<T>(selection, &(0..0), 0)
    }

    /// Rows of the longest chunk of the selected columns.
    pub(crate) fn chunk_rows(&self, selection: &Selection) -> u64 {
        selection.chunk_rows(&self.storages)
    }

    /// Bytes of [`Scratch`] that a thread needs for the selected columns.
    pub(crate) fn scratch_bytes(&self, selection: &Selection) -> u64 {
        selection.scratch_bytes(&self.storages).saturating_add(source::THREAD_BYTES)
    }

    /// Bytes of what is known of the chunks of all columns.
    pub(crate) fn index_bytes(&self) -> u64 {
        let one = size_of::<hdf5::Chunk>() as u64;
        self.storages
            .iter()
            .filter(|storage| storage.is_chunked())
            .map(|storage| storage.stored().0 * one)
            .sum()
    }

    fn origins_of(&self) -> Origins<'_> {
        Origins { source: &*self.source, inspection: &self.inspection, storages: &self.storages }
    }

    /// Why `rows` of the selection cannot be read into `places` values of `T`.
    fn refuse<T: Number>(
        &self,
        selection: &Selection,
        rows: &Range<u64>,
        places: usize,
    ) -> Result<(), Error> {
        let path = || self.inspection.path.clone();
        if rows.start > rows.end || rows.end > self.rows() {
            return Err(Error::OutOfRange { path: path(), wanted: rows.clone(), rows: self.rows() });
        }
        if (rows.end - rows.start).checked_mul(selection.width() as u64) != Some(places as u64) {
            return Err(Error::Room { rows: rows.end - rows.start, places });
        }
        if let Some(column) = selection.unreadable::<T>() {
            let Column { name, dtype, .. } = &self.inspection.columns[column];
            let (column, dtype) = (name.clone(), dtype.clone());
            return Err(Error::WrongType { path: path(), column, dtype, wanted: T::NAME });
        }
        Ok(())
    }

    /// The decoded chunk, from memory or from the file; `None` when it was never written.
    fn chunk(
        &self,
        number: usize,
        column: usize,
        chunk: u64,
        (stored, room): &mut (Vec<u8>, Room),
    ) -> Result<Option<Arc<Vec<u8>>>, Error> {
        let storage = &self.storages[number];
        let cache = || self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = cache().get((number, chunk)) {
            return Ok(Some(kept));
        }
        // Room first, so that what is kept and what is being decoded fit together.
        let wanted = if storage.is_chunked() { storage.chunk_bytes() as usize } else { 0 };
        let spare = cache().make_room(wanted);
        // Not while the cache is locked: threads decode side by side.
        let decoded = storage.chunk(&*self.source, chunk, (stored, room), spare);
        let decoded = decoded.map_err(|error| Error::Chunk {
            path: self.inspection.path.clone(),
            column: self.inspection.columns[column].name.clone(),
            chunk,
            place: storage.place_of(chunk),
            error,
        })?;
        let Some(decoded) = decoded.map(Arc::new) else { return Ok(None) };
        if storage.is_chunked() {
            cache().put((number, chunk), Arc::clone(&decoded));
        }
        Ok(Some(decoded))
    }
}

fn fill<T: Number>(storage: &Storage, origin: Origin, values: &mut [T]) -> Result<(), number::Inexact> {
    let Some((first, others)) = values.split_first_mut() else { return Ok(()) };
    // One element is kept: the whole record, or one value of a matrix.
    let offset = if origin.datatype == storage.datatype { 0 } else { origin.offset };
    let column = number::Column { bytes: &storage.fill()[offset..], stride: storage.element_bytes };
    number::convert((origin.datatype, origin.scale), column, 1, (std::slice::from_mut(first), 1))?;
    others.fill(*first);
    Ok(())
}

/// Whether the columns make a table that can be read within the budget; their rows.
fn check(
    path: &Path,
    options: &Options,
    (columns, origins): (&[Column], &[Origin]),
    storages: &[Storage],
    skipped: &[Skipped],
) -> Result<u64, Error> {
    let path = || path.to_path_buf();
    let mut both = columns.iter().zip(origins.iter().filter_map(|origin| storages.get(origin.storage)));
    let Some((first_column, first)) = both.next() else {
        return Err(Error::NoColumns {
            path: path(),
            group: options.group.clone(),
            skipped: skipped.to_vec(),
        });
    };
    for (column, storage) in std::iter::once((first_column, first)).chain(both) {
        let (name, rows) = (column.name.clone(), storage.rows);
        if rows != first.rows {
            return Err(Error::Uneven {
                path: path(),
                column: name,
                rows,
                other: first_column.name.clone(),
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
