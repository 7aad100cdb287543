//! What opening found, kept in a file beside the table, so that a file of a million chunks is open at once.
//!
//! ```text
//! magic | BLAKE3 of the rest | size, time of change | group | columns, storages, chunks
//! ```
//!
//! It counts only while size and time of change of the table are those it was made of, and while its own sum is right;
//! otherwise the table is opened as if there were none and it is written anew. It is not trusted beyond that: places
//! from it are checked against the file as places from the file are, when they are read.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::facts::{Attribute, Column, Skipped};
use super::rows::Origin;
use super::storage::{Chunked, Place, Storage};
use crate::codec::Pipeline;
use crate::format::hdf5::{Chunk, Datatype, Order};
use crate::format::scale::Scale;
use crate::source::Identity;

/// Changes with every change of what follows.
const MAGIC: &[u8; 8] = b"DIAPIDX3";
const SUM_BYTES: usize = 32;
/// Lists inside of lists of an attribute; HDF5 has one level.
const DEPTH_MAX: usize = 4;

/// What opening a table finds.
#[derive(Debug)]
pub(super) struct Known {
    pub columns: Vec<(Column, Origin)>,
    pub storages: Vec<Storage>,
    pub attributes: std::collections::BTreeMap<String, Attribute>,
    pub skipped: Vec<Skipped>,
}

/// Reads the side-car at `path`; `None` when there is none, or it is of another table, group, time or version, or broken.
pub(super) fn load(path: &Path, identity: Identity, group: &str) -> Option<Known> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.read_to_end(&mut bytes).ok()?;
    let rest = bytes.strip_prefix(MAGIC)?;
    let (sum, content) = rest.split_first_chunk::<SUM_BYTES>()?;
    if blake3::hash(content).as_bytes() != sum {
        return None;
    }
    let mut reader = Reader { rest: content };
    let is_same = reader.u64()? == identity.size
        && reader.take(16)? == identity.modified_ns.to_le_bytes()
        && reader.text()? == group;
    let known = if is_same { reader.known(identity.size) } else { None };
    known.filter(|_| reader.rest.is_empty())
}

/// Writes the side-car at `path`, whole or not at all.
pub(super) fn save(path: &Path, identity: Identity, group: &str, known: &Known) -> io::Result<()> {
    let mut writer = Writer { bytes: Vec::new() };
    writer.u64(identity.size);
    writer.bytes.extend_from_slice(&identity.modified_ns.to_le_bytes());
    writer.text(group);
    writer.known(known)?;
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = PathBuf::from(name);
    let write = || {
        let mut file = File::create(&new)?;
        file.write_all(MAGIC)?;
        file.write_all(blake3::hash(&writer.bytes).as_bytes())?;
        file.write_all(&writer.bytes)?;
        file.sync_all()?;
        std::fs::rename(&new, path)
    };
    write().inspect_err(|_| {
        let _ = std::fs::remove_file(&new);
    })
}

struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    fn u64(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    fn blob(&mut self, bytes: &[u8]) {
        self.u64(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }

    fn text(&mut self, text: &str) {
        self.blob(text.as_bytes());
    }

    fn known(&mut self, known: &Known) -> io::Result<()> {
        // Storages of one data set share its chunks.
        let mut tables: Vec<&Arc<[Chunk]>> = Vec::new();
        for storage in &known.storages {
            if let Place::Chunked(Chunked { chunks, .. }) = &storage.place
                && !tables.iter().any(|table| Arc::ptr_eq(table, chunks))
            {
                tables.push(chunks);
            }
        }
        self.u64(tables.len() as u64);
        for table in &tables {
            self.u64(table.len() as u64);
            for chunk in table.iter() {
                for value in [chunk.number, chunk.place, chunk.bytes, u64::from(chunk.mask)] {
                    self.u64(value);
                }
            }
        }
        self.u64(known.storages.len() as u64);
        for storage in &known.storages {
            self.storage(storage, &tables)?;
        }
        self.u64(known.columns.len() as u64);
        for (column, origin) in &known.columns {
            self.u64(origin.storage as u64);
            self.u64(origin.offset as u64);
            self.datatype(origin.datatype)?;
            match origin.scale {
                None => self.u64(0),
                Some(Scale { divisor, nan, is_single }) => {
                    [1 + u64::from(is_single), divisor.to_bits(), nan.to_bits()]
                        .into_iter()
                        .for_each(|value| self.u64(value));
                }
            }
            self.column(column);
        }
        self.attributes(&known.attributes);
        self.u64(known.skipped.len() as u64);
        for skipped in &known.skipped {
            self.text(&skipped.name);
            self.text(&skipped.reason);
        }
        Ok(())
    }

    fn datatype(&mut self, datatype: Datatype) -> io::Result<()> {
        let is_big = |order: Order| u64::from(order == Order::Big);
        let values = match datatype {
            Datatype::Int { bytes, signed, order } => [u64::from(signed), u64::from(bytes), is_big(order)],
            Datatype::Float { bytes, order } => [2, u64::from(bytes), is_big(order)],
            Datatype::Record { bytes } => [3, u64::from(bytes), 0],
            other => return Err(io::Error::other(format!("elements of {other} are not kept"))),
        };
        values.into_iter().for_each(|value| self.u64(value));
        Ok(())
    }

    fn storage(&mut self, storage: &Storage, tables: &[&Arc<[Chunk]>]) -> io::Result<()> {
        self.datatype(storage.datatype)?;
        self.u64(storage.rows);
        for value in [storage.element_bytes, storage.width, storage.row_bytes] {
            self.u64(value as u64);
        }
        self.u64(storage.chunk_rows);
        let filters = storage.pipeline.filters();
        self.u64(filters.len() as u64);
        for (id, options) in filters {
            self.u64(u64::from(id));
            self.u64(options.len() as u64);
            options.into_iter().for_each(|option| self.u64(u64::from(option)));
        }
        match &storage.place {
            Place::Compact(bytes) => {
                self.u64(0);
                self.blob(bytes);
            }
            Place::Contiguous(None) => self.u64(1),
            Place::Contiguous(Some(place)) => [2, *place].into_iter().for_each(|value| self.u64(value)),
            Place::Chunked(chunked) => {
                self.u64(3);
                let table = tables.iter().position(|table| Arc::ptr_eq(table, &chunked.chunks));
                self.u64(table.unwrap_or_default() as u64);
                let flags = u64::from(chunked.edges_unfiltered) | u64::from(chunked.is_edge) << 1;
                [flags, chunked.grid_columns, chunked.grid_column]
                    .into_iter()
                    .for_each(|value| self.u64(value));
            }
        }
        self.blob(&storage.fill);
        Ok(())
    }

    fn column(&mut self, column: &Column) {
        self.text(&column.name);
        self.text(&column.dtype);
        self.text(&column.stored_as);
        for value in [column.chunk_rows, column.chunks, column.raw_bytes, column.stored_bytes] {
            self.u64(value);
        }
        self.u64(column.filters.len() as u64);
        column.filters.iter().for_each(|filter| self.text(filter));
        self.attributes(&column.attributes);
    }

    fn attributes(&mut self, attributes: &std::collections::BTreeMap<String, Attribute>) {
        self.u64(attributes.len() as u64);
        for (name, value) in attributes {
            self.text(name);
            self.attribute(value);
        }
    }

    fn attribute(&mut self, value: &Attribute) {
        match value {
            Attribute::Int(value) => [0, value.cast_unsigned()].into_iter().for_each(|value| self.u64(value)),
            Attribute::Float(value) => [1, value.to_bits()].into_iter().for_each(|value| self.u64(value)),
            Attribute::Text(text) => {
                self.u64(2);
                self.text(text);
            }
            Attribute::List(values) => {
                [3, values.len() as u64].into_iter().for_each(|value| self.u64(value));
                values.iter().for_each(|value| self.attribute(value));
            }
        }
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn u64(&mut self) -> Option<u64> {
        let (value, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(u64::from_le_bytes(*value))
    }

    fn usize(&mut self) -> Option<usize> {
        self.u64()?.try_into().ok()
    }

    /// A number of things that each take at least `bytes` bytes here, so no memory is taken for what is not there.
    fn count(&mut self, bytes: usize) -> Option<usize> {
        let count = self.usize()?;
        (count.checked_mul(bytes)? <= self.rest.len()).then_some(count)
    }

    fn blob(&mut self) -> Option<&'a [u8]> {
        let count = self.count(1)?;
        self.take(count)
    }

    fn text(&mut self) -> Option<String> {
        std::str::from_utf8(self.blob()?).ok().map(str::to_owned)
    }

    fn list<T>(&mut self, bytes: usize, mut one: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        (0..self.count(bytes)?).map(|_| one(self)).collect()
    }

    fn known(&mut self, size: u64) -> Option<Known> {
        let tables = self.list(8, |reader| reader.chunks(size))?;
        let storages = self.list(8, |reader| reader.storage(&tables))?;
        let columns = self.list(8, |reader| {
            let [storage, offset] = [reader.usize()?, reader.usize()?];
            let datatype = reader.datatype()?;
            let scale = match reader.u64()? {
                0 => None,
                single @ (1 | 2) if matches!(datatype, Datatype::Int { .. }) => {
                    let [divisor, nan] = [f64::from_bits(reader.u64()?), f64::from_bits(reader.u64()?)];
                    Some(Scale { divisor, nan, is_single: single == 2 })
                }
                _ => return None,
            };
            let origin = Origin { storage, offset, datatype, scale };
            let row_bytes = storages.get(storage)?.row_bytes;
            // A number: records are no columns.
            let is_inside = offset.checked_add(origin.datatype.number_bytes()?)? <= row_bytes;
            is_inside.then_some((reader.column()?, origin))
        })?;
        let attributes = self.attributes()?;
        let skipped =
            self.list(16, |reader| Some(Skipped { name: reader.text()?, reason: reader.text()? }))?;
        Some(Known { columns, storages, attributes, skipped })
    }

    fn chunks(&mut self, size: u64) -> Option<Arc<[Chunk]>> {
        let count = self.count(32)?;
        let (numbers, _) = self.take(count * 32)?.as_chunks::<8>();
        let (chunks, _) = numbers.as_chunks::<4>();
        let chunks: Arc<[Chunk]> = chunks
            .iter()
            .map(|chunk| {
                let [number, place, bytes, mask] = chunk.map(u64::from_le_bytes);
                Chunk { number, place, bytes, mask: mask as u32 }
            })
            .collect();
        let is_inside = |chunk: &Chunk| chunk.place.checked_add(chunk.bytes).is_some_and(|end| end <= size);
        let is_sorted = chunks.windows(2).all(|pair| pair[0].number < pair[1].number);
        (is_sorted && chunks.iter().all(is_inside)).then_some(chunks)
    }

    fn datatype(&mut self) -> Option<Datatype> {
        let [class, bytes, is_big] = [self.u64()?, self.u64()?, self.u64()?];
        let order = if is_big == 0 { Order::Little } else { Order::Big };
        match (class, bytes) {
            (0 | 1, 1 | 2 | 4 | 8) => Some(Datatype::Int { bytes: bytes as u8, signed: class == 1, order }),
            (2, 2 | 4 | 8) => Some(Datatype::Float { bytes: bytes as u8, order }),
            (3, _) => Some(Datatype::Record { bytes: u32::try_from(bytes).ok()? }),
            _ => None,
        }
    }

    fn storage(&mut self, tables: &[Arc<[Chunk]>]) -> Option<Storage> {
        let datatype = self.datatype()?;
        let rows = self.u64()?;
        let [element_bytes, width, row_bytes] = [self.usize()?, self.usize()?, self.usize()?];
        let chunk_rows = self.u64()?;
        let filters = self.list(16, |reader| {
            let id = u16::try_from(reader.u64()?).ok()?;
            Some((id, reader.list(8, |reader| u32::try_from(reader.u64()?).ok())?))
        })?;
        let place = match self.u64()? {
            0 => Place::Compact(self.blob()?.into()),
            1 => Place::Contiguous(None),
            2 => Place::Contiguous(Some(self.u64()?)),
            3 => {
                let chunks = Arc::clone(tables.get(self.usize()?)?);
                let [flags, grid_columns, grid_column] = [self.u64()?, self.u64()?, self.u64()?];
                let (edges_unfiltered, is_edge) = (flags & 1 == 1, flags & 2 == 2);
                Place::Chunked(Chunked { chunks, edges_unfiltered, grid_columns, grid_column, is_edge })
            }
            _ => return None,
        };
        let fill = self.blob()?.to_vec();
        let pipeline = Pipeline::new(&filters).ok()?;
        let storage =
            Storage { datatype, rows, element_bytes, width, row_bytes, chunk_rows, pipeline, place, fill };
        storage.is_sound().then_some(storage)
    }

    fn column(&mut self) -> Option<Column> {
        Some(Column {
            name: self.text()?,
            dtype: self.text()?,
            stored_as: self.text()?,
            chunk_rows: self.u64()?,
            chunks: self.u64()?,
            raw_bytes: self.u64()?,
            stored_bytes: self.u64()?,
            filters: self.list(8, Self::text)?,
            attributes: self.attributes()?,
        })
    }

    fn attributes(&mut self) -> Option<std::collections::BTreeMap<String, Attribute>> {
        let both = self.list(16, |reader| Some((reader.text()?, reader.attribute(0)?)))?;
        Some(both.into_iter().collect())
    }

    fn attribute(&mut self, depth: usize) -> Option<Attribute> {
        match self.u64()? {
            0 => Some(Attribute::Int(self.u64()?.cast_signed())),
            1 => Some(Attribute::Float(f64::from_bits(self.u64()?))),
            2 => Some(Attribute::Text(self.text()?)),
            3 if depth < DEPTH_MAX => {
                Some(Attribute::List(self.list(8, |reader| reader.attribute(depth + 1))?))
            }
            _ => None,
        }
    }
}
