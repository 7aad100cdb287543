//! The filter pipeline of a data set.

use super::error::Error;
use super::input::Cursor;

/// Filters by number and client data, in the order they ran when the chunk was written.
pub type Filters = Vec<(u16, Vec<u32>)>;

/// The most filters that HDF5 allows.
const FILTERS_MAX: u8 = 32;
/// Filters below this number have no name in version 2.
const NAMED_FROM: u16 = 256;

/// Reads a filter pipeline message.
pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Filters, Error> {
    let (version, count) = (cursor.u8()?, cursor.u8()?);
    if count > FILTERS_MAX {
        return Err(cursor.broken("it has more than 32 filters"));
    }
    match version {
        1 => cursor.skip(6)?,
        2 => {}
        _ => return Err(cursor.unsupported(format!("version {version}"))),
    }
    let mut filters = Filters::new();
    for _ in 0..count {
        let id = cursor.u16()?;
        let name_bytes = if version == 1 || id >= NAMED_FROM { usize::from(cursor.u16()?) } else { 0 };
        cursor.skip(2)?;
        let values = usize::from(cursor.u16()?);
        cursor.skip(if version == 1 { name_bytes.next_multiple_of(8) } else { name_bytes })?;
        let options = (0..values).map(|_| cursor.u32()).collect::<Result<_, _>>()?;
        if version == 1 && values % 2 == 1 {
            cursor.skip(4)?;
        }
        filters.push((id, options));
    }
    Ok(filters)
}
