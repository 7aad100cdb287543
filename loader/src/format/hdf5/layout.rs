//! Where the elements of a data set are.

use super::error::Error;
use super::input::Cursor;

/// The most dimensions of a chunk, with the one of the element size.
const RANK_MAX: u8 = 33;

/// Where the elements are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layout {
    /// In the header itself.
    Compact {
        /// The elements.
        bytes: Vec<u8>,
    },
    /// In one piece; without an address nothing was written yet.
    Contiguous {
        /// Where it is.
        address: Option<u64>,
        /// How long it is.
        bytes: u64,
    },
    /// In chunks of one size.
    Chunked {
        /// The shape of a chunk.
        chunk: Vec<u64>,
        /// Bytes of an element.
        element_bytes: u64,
        /// How to find the chunks; without an address nothing was written yet.
        index: Index,
        /// Where the index is.
        address: Option<u64>,
        /// Whether chunks that reach over the edge are stored without filters.
        edges_unfiltered: bool,
    },
}

/// How chunks are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Index {
    /// A B-tree of version 1.
    BTree1,
    /// There is only one chunk.
    Single {
        /// Its bytes and filter mask when it is filtered.
        filtered: Option<(u64, u32)>,
    },
    /// All chunks stand in a row, unfiltered.
    Implicit,
    /// A table of as many entries as there are chunks.
    FixedArray,
    /// A table that grows with one dimension.
    ExtensibleArray,
    /// A B-tree of version 2.
    BTree2,
}

/// Reads a data layout message.
pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Layout, Error> {
    let version = cursor.u8()?;
    match version {
        1 | 2 => return old(cursor),
        3..=5 => {}
        _ => return Err(cursor.unsupported(format!("version {version}"))),
    }
    match cursor.u8()? {
        0 => {
            let bytes = usize::from(cursor.u16()?);
            Ok(Layout::Compact { bytes: cursor.take(bytes)?.to_vec() })
        }
        1 => Ok(Layout::Contiguous { address: cursor.address()?, bytes: cursor.length()? }),
        2 if version == 3 => chunked_v3(cursor),
        2 => chunked_v4(cursor),
        3 => Err(cursor.unsupported("a virtual data set")),
        class => Err(cursor.unsupported(format!("class {class}"))),
    }
}

fn rank(cursor: &mut Cursor<'_>) -> Result<u8, Error> {
    let rank = cursor.u8()?;
    if (2..=RANK_MAX).contains(&rank) {
        Ok(rank)
    } else {
        Err(cursor.broken("its number of dimensions is impossible"))
    }
}

/// Splits off the element size, which stands behind the dimensions of the chunk.
fn chunk(cursor: &Cursor<'_>, mut dims: Vec<u64>) -> Result<(Vec<u64>, u64), Error> {
    let element_bytes = dims.pop().unwrap_or(0);
    if element_bytes == 0 || dims.contains(&0) {
        return Err(cursor.broken("a dimension of its chunks is 0"));
    }
    Ok((dims, element_bytes))
}

/// Versions 1 and 2, of HDF5 1.4 and before.
fn old(cursor: &mut Cursor<'_>) -> Result<Layout, Error> {
    const COMPACT: u8 = 0;
    const CONTIGUOUS: u8 = 1;
    let (rank, class) = (cursor.u8()?, cursor.u8()?);
    if rank > RANK_MAX {
        return Err(cursor.broken("its number of dimensions is impossible"));
    }
    cursor.skip(5)?;
    let address = if class == COMPACT { None } else { cursor.address()? };
    let dims = (0..rank).map(|_| Ok(u64::from(cursor.u32()?))).collect::<Result<Vec<_>, Error>>()?;
    match class {
        COMPACT => {
            let bytes = cursor.u32()? as usize;
            Ok(Layout::Compact { bytes: cursor.take(bytes)?.to_vec() })
        }
        // How long it is follows from the data set.
        CONTIGUOUS => Ok(Layout::Contiguous { address, bytes: 0 }),
        2 => {
            let (chunk, element_bytes) = chunk(cursor, dims)?;
            Ok(Layout::Chunked {
                chunk,
                element_bytes,
                index: Index::BTree1,
                address,
                edges_unfiltered: false,
            })
        }
        class => Err(cursor.unsupported(format!("class {class}"))),
    }
}

fn chunked_v3(cursor: &mut Cursor<'_>) -> Result<Layout, Error> {
    let rank = rank(cursor)?;
    let address = cursor.address()?;
    let dims = (0..rank).map(|_| Ok(u64::from(cursor.u32()?))).collect::<Result<_, Error>>()?;
    let (chunk, element_bytes) = chunk(cursor, dims)?;
    Ok(Layout::Chunked { chunk, element_bytes, index: Index::BTree1, address, edges_unfiltered: false })
}

fn chunked_v4(cursor: &mut Cursor<'_>) -> Result<Layout, Error> {
    const EDGES_UNFILTERED: u8 = 1;
    const SINGLE_FILTERED: u8 = 2;
    let flags = cursor.u8()?;
    let rank = rank(cursor)?;
    let width = cursor.u8()?;
    if !(1..=8).contains(&width) {
        return Err(cursor.broken("the width of its dimensions is impossible"));
    }
    let dims = (0..rank).map(|_| cursor.uint(width)).collect::<Result<_, _>>()?;
    let (chunk, element_bytes) = chunk(cursor, dims)?;
    let index = match cursor.u8()? {
        1 if flags & SINGLE_FILTERED != 0 => {
            Index::Single { filtered: Some((cursor.length()?, cursor.u32()?)) }
        }
        1 => Index::Single { filtered: None },
        2 => Index::Implicit,
        3 => {
            cursor.skip(1)?;
            Index::FixedArray
        }
        4 => {
            // How the array is made, which its own header says too.
            cursor.skip(5)?;
            Index::ExtensibleArray
        }
        5 => {
            cursor.skip(6)?;
            Index::BTree2
        }
        kind => return Err(cursor.unsupported(format!("chunk index {kind}"))),
    };
    let address = cursor.address()?;
    let edges_unfiltered = flags & EDGES_UNFILTERED != 0;
    Ok(Layout::Chunked { chunk, element_bytes, index, address, edges_unfiltered })
}
