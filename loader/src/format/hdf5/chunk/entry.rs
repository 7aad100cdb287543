//! An entry of a table of chunks, as fixed and extensible arrays have them: an address, and for filtered chunks how
//! many bytes are stored and which filters were skipped.

use super::super::error::Error;
use super::super::input::{Cursor, Widths};

/// One entry of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub address: u64,
    /// The bytes and the filter mask, in a table of filtered chunks.
    pub filtered: Option<(u64, u32)>,
}

/// How entries are stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    /// Bytes of an entry.
    pub bytes: u64,
    /// The width of the number of stored bytes, in a table of filtered chunks.
    size_bytes: Option<u8>,
}

impl Form {
    /// The form that a header declares with its client number and the bytes of an entry.
    pub fn of(
        header: &Cursor<'_>,
        widths: Widths,
        is_filtered: bool,
        client: u8,
        bytes: u8,
    ) -> Result<Self, Error> {
        const MASK_BYTES: u8 = 4;
        if client != u8::from(is_filtered) {
            return Err(
                header.broken("it is for filtered chunks and the data set has no filter, or the reverse")
            );
        }
        let size_bytes = bytes.checked_sub(widths.address.saturating_add(MASK_BYTES));
        let size_bytes = size_bytes.filter(|size| is_filtered && (1..=8).contains(size));
        if size_bytes.is_some() != is_filtered || !is_filtered && bytes != widths.address {
            return Err(header.broken("the size of its entries is impossible"));
        }
        Ok(Self { bytes: bytes.into(), size_bytes })
    }

    /// The next entry; `None` when its chunk was never written.
    pub fn read(self, cursor: &mut Cursor<'_>) -> Result<Option<Entry>, Error> {
        let address = cursor.address()?;
        let filtered = match self.size_bytes {
            Some(width) => Some((cursor.uint(width)?, cursor.u32()?)),
            None => None,
        };
        Ok(address.map(|address| Entry { address, filtered }))
    }
}
