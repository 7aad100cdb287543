//! Where the rows of a data set are, piece by piece, and how to decode one.
//!
//! A data set of two dimensions holds a column in each place of its rows. Where its chunks divide the rows as well,
//! each column of chunks is a storage of its own, so that a storage is always a sequence of pieces of whole rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::facts::Attribute;
use super::matlab;
use crate::codec::{self, Pipeline, Room};
use crate::format::hdf5::{self, Chunk, Dataset, Datatype, Layout};
use crate::source::{self, Source, Span};

/// Rows that are read at once where the file has no chunks, and the bytes of such a piece.
const PIECE_ROWS: u64 = 65_536;
const PIECE_BYTES: u64 = 512 << 10;
/// The most columns in one data set: more are no market data, and each costs memory for its name and facts.
const COLUMNS_MAX: u64 = 4096;

/// The longest record: a piece holds one at least.
const ROW_BYTES_MAX: usize = 512 << 10;

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

/// Where the rows are.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Compact(Arc<[u8]>),
    /// `None` when nothing was ever written.
    Contiguous(Option<u64>),
    Chunked(Chunked),
}

/// One column of the grid of chunks.
#[derive(Clone, Debug)]
pub(super) struct Chunked {
    /// All chunks of the data set by number.
    pub chunks: Arc<[Chunk]>,
    pub edges_unfiltered: bool,
    /// How many columns the grid has, and which of them this is.
    pub grid_columns: u64,
    pub grid_column: u64,
    /// Whether the chunks reach over the last column of the data set.
    pub is_edge: bool,
}

/// A data set's rows, or a part of each of them.
#[derive(Clone, Debug)]
pub(super) struct Storage {
    pub datatype: Datatype,
    pub rows: u64,
    pub element_bytes: usize,
    /// Elements of a row that belong to the data set.
    pub width: usize,
    /// Bytes of a row in a decoded piece; a chunk over the edge has more than `width` elements in a row.
    pub row_bytes: usize,
    /// Rows of a chunk, or of the pieces that rows without chunks are read in.
    pub chunk_rows: u64,
    pub pipeline: Pipeline,
    pub place: Place,
    pub fill: Vec<u8>,
}

/// Where a piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// In memory, as it is.
    Here(&'a [u8]),
    /// Nowhere: it was never written.
    Never,
    /// In the source; the filters whose bits are set in `mask` were skipped.
    Stored { span: Span, mask: u32 },
}

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
    /// The rows of `dataset`, if it has one or two dimensions and holds numbers or records of them; `notes` are
    /// its attributes.
    pub fn of(
        file: &hdf5::File,
        dataset: Dataset,
        notes: &BTreeMap<String, Attribute>,
    ) -> Result<Vec<Self>, Refusal> {
        let no_column = |reason: String| Err(Refusal::NoColumn(reason));
        // Where its chunks are is said by the shape that it is stored in.
        let stored = dataset;
        let dataset = matlab::upright(stored.clone(), notes).map_err(Refusal::NoColumn)?;
        let element_bytes = match dataset.datatype {
            Datatype::Record { bytes } if (1..=ROW_BYTES_MAX).contains(&(bytes as usize)) => bytes as usize,
            Datatype::Record { bytes } => {
                return no_column(format!("its records have {bytes} bytes, 1 to {ROW_BYTES_MAX} are read"));
            }
            datatype => match datatype.number_bytes() {
                Some(bytes) => bytes,
                None => return no_column(format!("its elements are {datatype}, not numbers")),
            },
        };
        let is_record = !dataset.fields.is_empty();
        let (rows, width) = match dataset.shape.dims[..] {
            [rows] => (rows, 1),
            [_, width] if width == 0 || width > COLUMNS_MAX => {
                return no_column(format!("its rows have {width} values, 1 to {COLUMNS_MAX} can be columns"));
            }
            [rows, width] if !is_record || width == 1 => (rows, width),
            [_, width] => return no_column(format!("its rows have {width} records, a table has one")),
            _ => {
                let rank = dataset.shape.dims.len();
                return no_column(format!("it has {rank} dimensions, a column has one and a matrix two"));
            }
        };
        let chunks = file.chunks(&stored)?;
        let fill = dataset.fill.unwrap_or_else(|| vec![0; element_bytes]);
        let row_bytes = width as usize * element_bytes;
        let bytes = rows.saturating_mul(row_bytes as u64);
        let whole = |place, pipeline, chunk_rows| Self {
            datatype: dataset.datatype,
            rows,
            element_bytes,
            width: width as usize,
            row_bytes,
            chunk_rows,
            pipeline,
            place,
            fill,
        };
        let piece_rows = PIECE_ROWS.min(PIECE_BYTES / row_bytes as u64).max(1);
        match dataset.layout {
            Layout::Compact { bytes: held } if (held.len() as u64) < bytes => {
                let (expected, found) = (bytes, held.len());
                no_column(format!("it should hold {expected} bytes in its header and holds {found}"))
            }
            Layout::Compact { bytes } => {
                Ok(vec![whole(Place::Compact(bytes.into()), Pipeline::default(), piece_rows)])
            }
            Layout::Contiguous { address, .. } => {
                let place = address.map(|address| file.place(address, bytes)).transpose()?;
                Ok(vec![whole(Place::Contiguous(place), Pipeline::default(), piece_rows)])
            }
            Layout::Chunked { chunk, edges_unfiltered, .. } => {
                let pipeline = match Pipeline::new(&dataset.filters) {
                    Ok(pipeline) => pipeline,
                    Err(error) => return no_column(error.to_string()),
                };
                let chunk_rows = chunk.first().copied().unwrap_or(1);
                let chunk_width = chunk.get(1).copied().unwrap_or(1).max(1);
                let (chunks, grid_columns) = (Arc::<[Chunk]>::from(chunks), width.div_ceil(chunk_width));
                let first =
                    Chunked { chunks, edges_unfiltered, grid_columns, grid_column: 0, is_edge: false };
                let whole = whole(Place::Chunked(first.clone()), pipeline, chunk_rows);
                let column = |grid_column: u64| {
                    let inside = chunk_width.min(width - grid_column * chunk_width);
                    let is_edge = inside < chunk_width;
                    Self {
                        width: inside as usize,
                        row_bytes: usize::try_from(chunk_width)
                            .unwrap_or(usize::MAX)
                            .saturating_mul(element_bytes),
                        place: Place::Chunked(Chunked { grid_column, is_edge, ..first.clone() }),
                        ..whole.clone()
                    }
                };
                Ok((0..grid_columns).map(column).collect())
            }
        }
    }

    /// Whether the numbers fit together, as those that [`Storage::of`] finds do.
    pub fn is_sound(&self) -> bool {
        let bytes_of = match self.datatype {
            Datatype::Record { bytes } => Some(bytes as usize),
            datatype => datatype.number_bytes(),
        };
        let bytes = self.rows.checked_mul(self.row_bytes as u64);
        let has_room = match &self.place {
            Place::Compact(held) => bytes.is_some_and(|bytes| bytes <= held.len() as u64),
            Place::Contiguous(None) => true,
            Place::Contiguous(Some(place)) => bytes.and_then(|bytes| place.checked_add(bytes)).is_some(),
            Place::Chunked(chunked) => chunked.grid_column < chunked.grid_columns,
        };
        has_room
            && bytes_of == Some(self.element_bytes)
            && (1..=ROW_BYTES_MAX.max(COLUMNS_MAX as usize * 8)).contains(&self.element_bytes)
            && (1..=COLUMNS_MAX).contains(&(self.width as u64))
            && self.width * self.element_bytes <= self.row_bytes
            && self.chunk_rows > 0
            && (self.is_chunked() || self.chunk_rows <= PIECE_ROWS)
            && self.fill.len() == self.element_bytes
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

    /// Bytes of a decoded piece, saturated.
    pub fn chunk_bytes(&self) -> u64 {
        self.chunk_rows.saturating_mul(self.row_bytes as u64)
    }

    /// Bytes that a thread needs beside the output while it decodes pieces, saturated.
    pub fn scratch_bytes(&self) -> u64 {
        let bytes = usize::try_from(self.chunk_bytes()).unwrap_or(usize::MAX);
        let between = self.pipeline.room_bytes(bytes).saturating_add(bytes);
        (between as u64).saturating_add(self.stored_bytes_max())
    }

    /// The most bytes that a piece is stored in.
    pub fn stored_bytes_max(&self) -> u64 {
        match &self.place {
            Place::Compact(_) => 0,
            Place::Contiguous(_) => self.chunk_bytes(),
            Place::Chunked(chunked) => {
                let bound = self.pipeline.stored_bytes_max(self.chunk_bytes() as usize) as u64;
                chunked.own().map(|chunk| chunk.bytes).max().unwrap_or(0).min(bound)
            }
        }
    }

    /// The rows up to the first chunk that was never written.
    pub fn rows_there(&self) -> u64 {
        let Place::Chunked(chunked) = &self.place else { return self.rows };
        let numbers = chunked.own().map(|chunk| chunk.number / chunked.grid_columns);
        let there = numbers.zip(0..).take_while(|(number, wanted)| number == wanted).count() as u64;
        self.rows.min(there.saturating_mul(self.chunk_rows))
    }

    /// How many pieces are stored, and their bytes.
    pub fn stored(&self) -> (u64, u64) {
        let bytes = self.rows.saturating_mul(self.row_bytes as u64);
        match &self.place {
            Place::Compact(_) => (1, bytes),
            Place::Contiguous(place) => place.map_or((0, 0), |_| (1, bytes)),
            Place::Chunked(chunked) => {
                chunked.own().fold((0, 0), |(count, bytes), chunk| (count + 1, bytes + chunk.bytes))
            }
        }
    }

    /// The filters in words.
    pub fn filters(&self) -> Vec<String> {
        self.pipeline.names()
    }

    /// Whether a decoded piece is worth keeping.
    pub const fn is_chunked(&self) -> bool {
        matches!(self.place, Place::Chunked { .. })
    }

    /// Whether a piece is stored as it is in memory.
    pub fn is_bare(&self) -> bool {
        self.pipeline.is_empty()
    }

    /// The rows of piece `number` that the data set has.
    pub fn rows_of(&self, number: u64) -> u64 {
        self.chunk_rows.min(self.rows.saturating_sub(number.saturating_mul(self.chunk_rows)))
    }

    /// Bytes of piece `number` when it is decoded: chunks over the edge are whole.
    pub fn bytes_of(&self, number: u64) -> usize {
        let rows = if self.is_chunked() { self.chunk_rows } else { self.rows_of(number) };
        rows as usize * self.row_bytes
    }

    /// Where piece `number` is.
    pub fn piece(&self, number: u64) -> Result<Piece<'_>, Error> {
        let bytes = self.bytes_of(number);
        match &self.place {
            Place::Compact(held) => {
                let first = (number * self.chunk_bytes()) as usize;
                Ok(Piece::Here(&held[first..first + bytes]))
            }
            Place::Contiguous(None) => Ok(Piece::Never),
            Place::Contiguous(Some(place)) => {
                let offset = place + number * self.chunk_bytes();
                Ok(Piece::Stored { span: Span { offset, bytes }, mask: 0 })
            }
            Place::Chunked(chunked) => {
                let Some(chunk) = chunked.find(number) else { return Ok(Piece::Never) };
                if chunk.bytes > self.pipeline.stored_bytes_max(bytes) as u64 {
                    return Err(Error::TooLarge { stored: chunk.bytes, bytes });
                }
                let is_over = chunked.is_edge || self.rows_of(number) < self.chunk_rows;
                let mask = if chunked.edges_unfiltered && is_over { u32::MAX } else { chunk.mask };
                let span = Span { offset: chunk.place, bytes: chunk.bytes as usize };
                Ok(Piece::Stored { span, mask })
            }
        }
    }

    /// Fills `raw` with the piece that `stored` stands for.
    pub fn decode(
        &self,
        mask: u32,
        stored: &[u8],
        room: &mut Room,
        raw: &mut [u8],
    ) -> Result<(), codec::Error> {
        self.pipeline.decode(mask, stored, room, raw)
    }

    /// The bytes of piece `number`, made in `raw`, with `stored` and `room` as memory in between; `None` when it was
    /// never written.
    pub fn chunk(
        &self,
        source: &dyn Source,
        number: u64,
        (stored, room): (&mut Vec<u8>, &mut Room),
        mut raw: Vec<u8>,
    ) -> Result<Option<Vec<u8>>, Error> {
        raw.resize(self.bytes_of(number), 0);
        match self.piece(number)? {
            Piece::Never => return Ok(None),
            Piece::Here(bytes) => raw.copy_from_slice(bytes),
            Piece::Stored { span, .. } if self.is_bare() && span.bytes == raw.len() => {
                source.read_at(span.offset, &mut raw)?;
            }
            Piece::Stored { span, mask } => {
                stored.resize(span.bytes, 0);
                source.read_at(span.offset, stored)?;
                self.decode(mask, stored, room, &mut raw)?;
            }
        }
        Ok(Some(raw))
    }

    /// Where piece `number` is in the source, for errors.
    pub fn place_of(&self, number: u64) -> u64 {
        match &self.place {
            Place::Compact(_) | Place::Contiguous(None) => 0,
            Place::Contiguous(Some(place)) => place + number * self.chunk_bytes(),
            Place::Chunked(chunked) => chunked.find(number).map_or(0, |chunk| chunk.place),
        }
    }

    /// The bytes of an element that was never written.
    pub fn fill(&self) -> &[u8] {
        &self.fill
    }
}

impl Chunked {
    fn find(&self, number: u64) -> Option<Chunk> {
        let wanted = number.checked_mul(self.grid_columns)?.checked_add(self.grid_column)?;
        let at = self.chunks.binary_search_by_key(&wanted, |chunk| chunk.number).ok()?;
        self.chunks.get(at).copied()
    }

    /// The chunks of this column of the grid.
    fn own(&self) -> impl Iterator<Item = &Chunk> {
        self.chunks.iter().filter(|chunk| chunk.number % self.grid_columns == self.grid_column)
    }
}
