//! One column's elements: where they are, and how to get a chunk of them.

use crate::codec::{self, Pipeline};
use crate::format::hdf5::{self, Chunk, Dataset, Datatype, Layout};
use crate::source::{self, Source};

/// Rows that are read at once where the file has no chunks.
const PIECE_ROWS: u64 = 65_536;

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

/// A column's elements.
#[derive(Debug)]
pub(super) struct Storage {
    pub datatype: Datatype,
    pub rows: u64,
    pub element_bytes: usize,
    /// Rows of a chunk, or of the pieces that a column without chunks is read in.
    pub chunk_rows: u64,
    place: Place,
    fill: Vec<u8>,
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
    /// The elements of `dataset`, if it is one-dimensional and of numbers.
    pub fn new(file: &hdf5::File, dataset: Dataset) -> Result<Self, Refusal> {
        let no_column = |reason: String| Err(Refusal::NoColumn(reason));
        let Some(element_bytes) = dataset.datatype.number_bytes() else {
            return no_column(format!("its elements are {}, not numbers", dataset.datatype));
        };
        let [rows] = dataset.shape.dims[..] else {
            return no_column(format!("it has {} dimensions, a column has one", dataset.shape.dims.len()));
        };
        let chunks = file.chunks(&dataset)?;
        let fill = dataset.fill.unwrap_or_else(|| vec![0; element_bytes]);
        let bytes = rows.saturating_mul(element_bytes as u64);
        let (chunk_rows, place) = match dataset.layout {
            Layout::Compact { bytes: held } if (held.len() as u64) < bytes => {
                let (expected, found) = (bytes, held.len());
                return no_column(format!("it should hold {expected} bytes in its header and holds {found}"));
            }
            Layout::Compact { bytes } => (PIECE_ROWS, Place::Compact(bytes)),
            Layout::Contiguous { address, .. } => {
                let place = address.map(|address| file.place(address, bytes)).transpose()?;
                (PIECE_ROWS, Place::Contiguous(place))
            }
            Layout::Chunked { chunk, edges_unfiltered, .. } => {
                let pipeline = match Pipeline::new(&dataset.filters) {
                    Ok(pipeline) => pipeline,
                    Err(error) => return no_column(error.to_string()),
                };
                let chunk_rows = chunk.first().copied().unwrap_or(1);
                (chunk_rows, Place::Chunked { chunks, pipeline, edges_unfiltered })
            }
        };
        Ok(Self { datatype: dataset.datatype, rows, element_bytes, chunk_rows, place, fill })
    }

    /// Bytes of a decoded chunk, saturated.
    pub fn chunk_bytes(&self) -> u64 {
        self.chunk_rows.saturating_mul(self.element_bytes as u64)
    }

    /// How many chunks are stored, and their bytes.
    pub fn stored(&self) -> (u64, u64) {
        let bytes = self.rows.saturating_mul(self.element_bytes as u64);
        match &self.place {
            Place::Compact(_) => (1, bytes),
            Place::Contiguous(place) => place.map_or((0, 0), |_| (1, bytes)),
            Place::Chunked { chunks, .. } => {
                (chunks.len() as u64, chunks.iter().map(|chunk| chunk.bytes).sum())
            }
        }
    }

    /// The filters in words.
    pub fn filters(&self) -> Vec<String> {
        match &self.place {
            Place::Chunked { pipeline, .. } => pipeline.names(),
            Place::Compact(_) | Place::Contiguous(_) => Vec::new(),
        }
    }

    /// Whether a decoded chunk is worth keeping.
    pub const fn is_chunked(&self) -> bool {
        matches!(self.place, Place::Chunked { .. })
    }

    /// The bytes of chunk `number`, made in `raw`, with `stored` as room; `None` when it was never written.
    pub fn chunk(
        &self,
        source: &dyn Source,
        number: u64,
        stored: &mut Vec<u8>,
        mut raw: Vec<u8>,
    ) -> Result<Option<Vec<u8>>, Error> {
        let first = number * self.chunk_rows;
        let rows = self.chunk_rows.min(self.rows - first);
        match &self.place {
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
                let is_bare = *edges_unfiltered && rows < self.chunk_rows;
                let mask = if is_bare { u32::MAX } else { chunk.mask };
                pipeline.decode(mask, stored, &mut raw, bytes)?;
                Ok(Some(raw))
            }
        }
    }

    /// Where chunk `number` is in the source, for errors.
    pub fn place_of(&self, number: u64) -> u64 {
        match &self.place {
            Place::Compact(_) | Place::Contiguous(None) => 0,
            Place::Contiguous(Some(place)) => place + number * self.chunk_bytes(),
            Place::Chunked { chunks, .. } => {
                let at = chunks.binary_search_by_key(&number, |chunk| chunk.number);
                at.map_or(0, |at| chunks[at].place)
            }
        }
    }

    /// The bytes of an element that was never written.
    pub fn fill(&self) -> &[u8] {
        &self.fill
    }
}
