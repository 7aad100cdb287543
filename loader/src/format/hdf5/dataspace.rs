//! How many elements there are, and in which shape.

use super::error::Error;
use super::input::Cursor;

/// The most dimensions that HDF5 allows.
const RANK_MAX: u8 = 32;

/// The sizes of the dimensions, slowest first; empty for one single element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The sizes.
    pub dims: Vec<u64>,
    /// The sizes they may grow to; all ones for without end.
    pub max: Vec<u64>,
    /// Whether there is no element at all.
    pub is_null: bool,
}

impl Shape {
    /// How many elements there are, or `None` when that overflows.
    #[must_use]
    pub fn count(&self) -> Option<u64> {
        if self.is_null {
            return Some(0);
        }
        self.dims.iter().try_fold(1u64, |count, &dim| count.checked_mul(dim))
    }
}

/// Reads a dataspace message.
pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Shape, Error> {
    let (version, rank, flags) = (cursor.u8()?, cursor.u8()?, cursor.u8()?);
    if rank > RANK_MAX {
        return Err(cursor.broken("it has more than 32 dimensions"));
    }
    let is_null = match version {
        1 => cursor.skip(5).map(|()| false)?,
        2 => cursor.u8()? == 2,
        _ => return Err(cursor.unsupported(format!("version {version}"))),
    };
    let dims = (0..rank).map(|_| cursor.length()).collect::<Result<Vec<_>, _>>()?;
    let has_max = flags & 1 != 0;
    let max =
        if has_max { (0..rank).map(|_| cursor.length()).collect::<Result<_, _>>()? } else { dims.clone() };
    Ok(Shape { dims, max, is_null })
}
