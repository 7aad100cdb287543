//! One column's elements: where they are, and how to get a chunk of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::facts::{Attribute, Skipped};
use super::matlab;
use crate::codec::{self, Pipeline};
use crate::format::hdf5::{self, Chunk, Dataset, Datatype, Field, Layout};
use crate::source::{self, Source};

/// Bytes that are read at once where the file has no chunks.
const PIECE_BYTES: usize = 512 << 10;
/// The widest row of a record or a grid: a piece holds one at least.
const ROW_BYTES_MAX: usize = 512 << 10;
/// The most columns of a grid.
const COLUMNS_MAX: u64 = 1024;

/// Why a chunk cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Its bytes cannot be read.
    #[error(transparent)]
    Source(#[from] source::Error),
    /// Its bytes cannot be decoded.
    #[error(transparent)]
    Codec(#[from] codec::Error),
    /// It claims more bytes than any encoder writes.
    #[error("{stored} bytes are stored for a chunk of {bytes}, which no filter does")]
    TooLarge {
        /// The bytes stored.
        stored: u64,
        /// The bytes of a decoded chunk.
        bytes: usize,
    },
}

/// Where the elements are.
#[derive(Debug)]
enum Place {
    Compact(Vec<u8>),
    /// `None` when nothing was ever written.
    Contiguous(Option<u64>),
    Chunked {
        chunks: Vec<Chunk>,
        pipeline: Pipeline,
        edges_unfiltered: bool,
    },
}

/// A column's elements: a value in each row of an array, of which other columns may be other values.
#[derive(Clone, Debug)]
pub(super) struct Storage {
    pub datatype: Datatype,
    pub rows: u64,
    /// Bytes from one row to the next.
    pub element_bytes: usize,
    /// Where the value begins in the row.
    pub offset: usize,
    /// Rows of a chunk, or of the pieces that a column without chunks is read in.
    pub chunk_rows: u64,
    /// In a grid: which of the chunks of a row of chunks, and how many there are.
    chunk_column: (u64, u64),
    /// Whether the last chunk to the right is not full.
    is_right_edge: bool,
    place: Arc<Place>,
    fill: Arc<Vec<u8>>,
}

/// Columns with their names within the data set, and what in it is no column.
type Columns = (Vec<(String, Storage)>, Vec<Skipped>);

/// Why a data set is no column, or that it is broken.
#[derive(Debug)]
pub(super) enum Refusal {
    NoColumn(String),
    Broken(hdf5::Error),
}

impl From<hdf5::Error> for Refusal {
    fn from(error: hdf5::Error) -> Self {
        Self::Broken(error)
    }
}

impl Storage {
    /// The columns of `dataset` with their names within it: one without a name for a row of numbers, one for each
    /// number of a record, one for each column of a grid; and the values that are no column.
    pub fn columns(
        file: &hdf5::File,
        stored: Dataset,
        notes: &BTreeMap<String, Attribute>,
    ) -> Result<Columns, Refusal> {
        let no_column = |reason: String| Err(Refusal::NoColumn(reason));
        // Where its chunks are is said by the shape that it is stored in.
        let dataset = matlab::upright(stored.clone(), notes).map_err(Refusal::NoColumn)?;
        let is_record = !dataset.fields.is_empty();
        if !is_record && dataset.datatype.number_bytes().is_none() {
            return no_column(format!("its elements are {}, not numbers", dataset.datatype));
        }
        let (rows, width) = match dataset.shape.dims[..] {
            [rows] => (rows, None),
            [_, width] if !is_record && !(1..=COLUMNS_MAX).contains(&width) => {
                return no_column(format!("it has {width} columns, a table has 1 to {COLUMNS_MAX}"));
            }
            [rows, width] if !is_record => (rows, Some(width)),
            _ => {
                let dims = dataset.shape.dims.len();
                return no_column(format!("it has {dims} dimensions, a column has one and a grid two"));
            }
        };
        let one_bytes = match dataset.datatype {
            Datatype::Record { bytes } => bytes as usize,
            datatype => datatype.number_bytes().unwrap_or(1),
        };
        let row_bytes = one_bytes.saturating_mul(width.unwrap_or(1) as usize);
        if row_bytes == 0 || row_bytes > ROW_BYTES_MAX {
            return no_column(format!("a row of it has {row_bytes} bytes, at most {ROW_BYTES_MAX} are read"));
        }
        let chunks = file.chunks(&stored)?;
        let bytes = rows.saturating_mul(row_bytes as u64);
        let piece_rows = (PIECE_BYTES / row_bytes).max(1) as u64;
        let (chunk_rows, chunk_width, place) = match dataset.layout {
            Layout::Compact { bytes: held } if (held.len() as u64) < bytes => {
                let (expected, found) = (bytes, held.len());
                return no_column(format!("it should hold {expected} bytes in its header and holds {found}"));
            }
            Layout::Compact { bytes } => (piece_rows, width, Place::Compact(bytes)),
            Layout::Contiguous { address, .. } => {
                let place = address.map(|address| file.place(address, bytes)).transpose()?;
                (piece_rows, width, Place::Contiguous(place))
            }
            Layout::Chunked { chunk, edges_unfiltered, .. } => {
                let pipeline = match Pipeline::new(&dataset.filters) {
                    Ok(pipeline) => pipeline,
                    Err(error) => return no_column(error.to_string()),
                };
                let chunk_rows = chunk.first().copied().unwrap_or(1);
                (chunk_rows, chunk.get(1).copied(), Place::Chunked { chunks, pipeline, edges_unfiltered })
            }
        };
        let chunk_width = width.and(chunk_width).unwrap_or(1).max(1);
        let Some(element_bytes) =
            (one_bytes as u64).checked_mul(chunk_width).and_then(|bytes| usize::try_from(bytes).ok())
        else {
            return no_column("a chunk of it is too wide".to_owned());
        };
        let whole = Self {
            datatype: dataset.datatype,
            rows,
            element_bytes,
            offset: 0,
            chunk_rows,
            chunk_column: (0, width.unwrap_or(1).div_ceil(chunk_width)),
            is_right_edge: false,
            place: Arc::new(place),
            fill: Arc::new(dataset.fill.unwrap_or_else(|| vec![0; one_bytes])),
        };
        if let Some(width) = width {
            let column = |place: u64| {
                let (chunk, inside) = (place / chunk_width, place % chunk_width);
                let offset = inside as usize * one_bytes;
                let chunk_column = (chunk, whole.chunk_column.1);
                let is_right_edge = (chunk + 1) * chunk_width > width;
                let name = if width == 1 { String::new() } else { format!("[{place}]") };
                (name, Self { offset, chunk_column, is_right_edge, ..whole.clone() })
            };
            return Ok(((0..width).map(column).collect(), Vec::new()));
        }
        if !is_record {
            return Ok((vec![(String::new(), whole)], Vec::new()));
        }
        let (mut columns, mut skipped) = (Vec::new(), Vec::new());
        for Field { name, offset, datatype } in dataset.fields {
            if datatype.number_bytes().is_some() {
                columns.push((name, Self { datatype, offset: offset as usize, ..whole.clone() }));
            } else {
                skipped.push(Skipped { name, reason: format!("it is {datatype}, no number") });
            }
        }
        Ok((columns, skipped))
    }

    /// The bytes of all elements of a small data set of texts; `None` when it is of a kind that is not read.
    pub fn texts(
        file: &hdf5::File,
        source: &dyn Source,
        dataset: &Dataset,
        count: u64,
    ) -> Option<Result<Vec<u8>, hdf5::Error>> {
        let Datatype::Text { bytes } = dataset.datatype else { return None };
        let [_] = dataset.shape.dims[..] else { return None };
        let bytes = bytes as usize * count as usize;
        match &dataset.layout {
            Layout::Compact { bytes: held } => held.get(..bytes).map(|held| Ok(held.to_vec())),
            Layout::Contiguous { address: Some(address), .. } => {
                let mut read = vec![0; bytes];
                let place = file.place(*address, bytes as u64);
                Some(place.and_then(|place| Ok(source.read_at(place, &mut read)?)).map(|()| read))
            }
            Layout::Contiguous { .. } | Layout::Chunked { .. } => None,
        }
    }

    /// Bytes of a decoded chunk, saturated.
    pub fn chunk_bytes(&self) -> u64 {
        self.chunk_rows.saturating_mul(self.element_bytes as u64)
    }

    /// The number of the chunk that holds the values from row `row_chunk * chunk_rows` on.
    pub const fn number_of(&self, row_chunk: u64) -> u64 {
        let (column, columns) = self.chunk_column;
        row_chunk.saturating_mul(columns).saturating_add(column)
    }

    /// How many chunks are stored, and their bytes: this column's share where others are in the same chunks.
    pub fn stored(&self) -> (u64, u64) {
        let own_bytes = self.datatype.number_bytes().unwrap_or(0) as u64;
        let bytes = self.rows.saturating_mul(own_bytes);
        match &*self.place {
            Place::Compact(_) => (1, bytes),
            Place::Contiguous(place) => place.map_or((0, 0), |_| (1, bytes)),
            Place::Chunked { chunks, .. } => {
                let (column, columns) = self.chunk_column;
                let own = || chunks.iter().filter(|chunk| columns <= 1 || chunk.number % columns == column);
                let stored = own().fold(0u64, |sum, chunk| sum.saturating_add(chunk.bytes));
                let share = u128::from(stored) * u128::from(own_bytes) / self.element_bytes.max(1) as u128;
                (own().count() as u64, share as u64)
            }
        }
    }

    /// The filters in words.
    pub fn filters(&self) -> Vec<String> {
        match &*self.place {
            Place::Chunked { pipeline, .. } => pipeline.names(),
            Place::Compact(_) | Place::Contiguous(_) => Vec::new(),
        }
    }

    /// Whether a decoded chunk is worth keeping.
    pub fn is_chunked(&self) -> bool {
        matches!(*self.place, Place::Chunked { .. })
    }

    /// The bytes of the chunk of rows number `row_chunk`, made in `raw`, with `stored` as room; `None` when it was never
    /// written.
    pub fn chunk(
        &self,
        source: &dyn Source,
        row_chunk: u64,
        stored: &mut Vec<u8>,
        mut raw: Vec<u8>,
    ) -> Result<Option<Vec<u8>>, Error> {
        let first = row_chunk * self.chunk_rows;
        let number = self.number_of(row_chunk);
        let rows = self.chunk_rows.min(self.rows - first);
        match &*self.place {
            Place::Compact(bytes) => {
                let (from, count) = (first as usize * self.element_bytes, rows as usize * self.element_bytes);
                Ok(Some(bytes[from..from + count].to_vec()))
            }
            Place::Contiguous(None) => Ok(None),
            Place::Contiguous(Some(place)) => {
                let mut bytes = vec![0; rows as usize * self.element_bytes];
                source.read_at(place + first * self.element_bytes as u64, &mut bytes)?;
                Ok(Some(bytes))
            }
            Place::Chunked { chunks, pipeline, edges_unfiltered } => {
                let Ok(at) = chunks.binary_search_by_key(&number, |chunk| chunk.number) else {
                    return Ok(None);
                };
                let (chunk, bytes) = (chunks[at], self.chunk_bytes() as usize);
                if chunk.bytes > pipeline.stored_bytes_max(bytes) as u64 {
                    return Err(Error::TooLarge { stored: chunk.bytes, bytes });
                }
                stored.clear();
                stored.resize(chunk.bytes as usize, 0);
                source.read_at(chunk.place, stored)?;
                let is_bare = *edges_unfiltered && (rows < self.chunk_rows || self.is_right_edge);
                let mask = if is_bare { u32::MAX } else { chunk.mask };
                pipeline.decode(mask, stored, &mut raw, bytes)?;
                Ok(Some(raw))
            }
        }
    }

    /// Where the chunk of rows number `row_chunk` is in the source, for errors.
    pub fn place_of(&self, row_chunk: u64) -> u64 {
        match &*self.place {
            Place::Compact(_) | Place::Contiguous(None) => 0,
            Place::Contiguous(Some(place)) => place + row_chunk * self.chunk_bytes(),
            Place::Chunked { chunks, .. } => {
                let at = chunks.binary_search_by_key(&self.number_of(row_chunk), |chunk| chunk.number);
                at.map_or(0, |at| chunks[at].place)
            }
        }
    }

    /// The bytes of a value that was never written.
    pub fn fill(&self) -> &[u8] {
        // The fill value is one element: the whole record, or one value of a grid.
        let offset = if self.fill.len() == self.element_bytes { self.offset } else { 0 };
        self.fill.get(offset..).unwrap_or_default()
    }
}
