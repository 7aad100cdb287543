//! What an element is.
//!
//! A number or a text is a [`Datatype`]. A record (a compound type, or an array within an element) is cut into
//! [`Field`]s: every number or text in it, however deep, with its name and its place. An enumeration is the whole
//! number that stores it.

use std::fmt;

use super::error::Error;
use super::input::Cursor;

/// Types within types, beyond which a file is made up.
const DEPTH_MAX: u32 = 32;
/// The most fields that are taken of one record: arrays within an element may claim any number.
const FIELDS_MAX: u64 = 1024;
/// The most bytes of all names of a record together: names of records within records are joined.
const NAME_BYTES_MAX: usize = 64 << 10;

/// The order of the bytes of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The least byte first.
    Little,
    /// The greatest byte first.
    Big,
}

/// The type of the elements of a data set or attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Datatype {
    /// A whole number of 1, 2, 4 or 8 bytes.
    Int {
        /// Its bytes.
        bytes: u8,
        /// Whether it may be negative.
        signed: bool,
        /// Its byte order.
        order: Order,
    },
    /// An IEEE 754 number of 2, 4 or 8 bytes.
    Float {
        /// Its bytes.
        bytes: u8,
        /// Its byte order.
        order: Order,
    },
    /// A text of a fixed number of bytes.
    Text {
        /// Its bytes.
        bytes: u32,
    },
    /// A text of any length, stored in the global heap.
    VariableText,
    /// Several values in one element; see [`Field`].
    Record {
        /// Its bytes.
        bytes: u32,
    },
    /// Something that is not read, with its name in the specification.
    Opaque {
        /// Its bytes.
        bytes: u32,
        /// What it is.
        what: &'static str,
    },
}

/// One value of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name; the names of records within records are joined by `/`, and places of an array follow in brackets.
    pub name: String,
    /// Where it begins in the element.
    pub offset: u64,
    /// What it is.
    pub datatype: Datatype,
}

impl Datatype {
    /// Bytes of one element in the file; `address_bytes` is the width of an address there.
    pub(super) const fn bytes(self, address_bytes: u8) -> u64 {
        match self {
            Self::Int { bytes, .. } | Self::Float { bytes, .. } => bytes as u64,
            Self::Text { bytes } | Self::Record { bytes } | Self::Opaque { bytes, .. } => bytes as u64,
            Self::VariableText => 8 + address_bytes as u64,
        }
    }

    /// Bytes of one number, or `None` when the elements are no numbers.
    #[must_use]
    pub const fn number_bytes(self) -> Option<usize> {
        match self {
            Self::Int { bytes, .. } | Self::Float { bytes, .. } => Some(bytes as usize),
            Self::Text { .. } | Self::VariableText | Self::Record { .. } | Self::Opaque { .. } => None,
        }
    }
}

impl fmt::Display for Datatype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let big = |order: Order| if order == Order::Big { " (big-endian)" } else { "" };
        match *self {
            Self::Int { bytes, signed, order } => {
                write!(f, "{}{}{}", if signed { 'i' } else { 'u' }, u32::from(bytes) * 8, big(order))
            }
            Self::Float { bytes, order } => write!(f, "f{}{}", u32::from(bytes) * 8, big(order)),
            Self::Text { bytes } => write!(f, "text of {bytes} bytes"),
            Self::VariableText => f.write_str("text"),
            Self::Record { bytes } => write!(f, "records of {bytes} bytes"),
            Self::Opaque { what, .. } => f.write_str(what),
        }
    }
}

/// Reads a datatype message. The fields are those of a record, and none otherwise.
pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<(Datatype, Vec<Field>), Error> {
    let parsed = any(cursor, 0)?;
    match parsed {
        Parsed::One(Datatype::Opaque { what, .. }) => Err(cursor.unsupported(what)),
        Parsed::One(datatype) => Ok((datatype, Vec::new())),
        Parsed::Many { bytes, fields } => Ok((Datatype::Record { bytes }, fields)),
    }
}

/// A type in the midst of its reading.
enum Parsed {
    One(Datatype),
    Many { bytes: u32, fields: Vec<Field> },
}

impl Parsed {
    const fn bytes(&self, address_bytes: u8) -> u64 {
        match self {
            Self::One(datatype) => datatype.bytes(address_bytes),
            Self::Many { bytes, .. } => *bytes as u64,
        }
    }

    /// Its fields, where it stands in a larger record.
    fn within(&self, name: &str, offset: u64) -> Vec<Field> {
        match self {
            Self::One(datatype) => vec![Field { name: name.to_owned(), offset, datatype: *datatype }],
            Self::Many { fields, .. } => {
                let joined = |field: &Field| match field.name.as_str() {
                    "" => name.to_owned(),
                    inner if name.is_empty() || inner.starts_with('[') => format!("{name}{inner}"),
                    inner => format!("{name}/{inner}"),
                };
                let moved = |field: &Field| Field {
                    name: joined(field),
                    offset: offset + field.offset,
                    datatype: field.datatype,
                };
                fields.iter().map(moved).collect()
            }
        }
    }
}

fn any(cursor: &mut Cursor<'_>, depth: u32) -> Result<Parsed, Error> {
    if depth > DEPTH_MAX {
        return Err(cursor.broken("it has more than 32 types within types"));
    }
    let class_and_version = cursor.u8()?;
    let (class, version) = (class_and_version & 0x0F, class_and_version >> 4);
    let bits = cursor.uint(3)? as u32;
    let size = cursor.u32()?;
    let order = if bits & 1 == 0 { Order::Little } else { Order::Big };
    let opaque = |what| Parsed::One(Datatype::Opaque { bytes: size, what });
    Ok(match class {
        0 => {
            let (offset, precision) = (cursor.u16()?, cursor.u16()?);
            if matches!(size, 1 | 2 | 4 | 8) && offset == 0 && u32::from(precision) == size * 8 {
                Parsed::One(Datatype::Int { bytes: size as u8, signed: bits & 8 != 0, order })
            } else {
                opaque("a whole number of other than 8, 16, 32 or 64 bits")
            }
        }
        1 => {
            // Offset, precision, place and size of exponent and mantissa, bias; and where the sign stands.
            let shape = (cursor.u16()?, cursor.u16()?, cursor.take(4)?, cursor.u32()?, bits >> 8 & 0xFF);
            let mixed_order = bits & 0x40 != 0;
            let is_ieee = matches!(
                (size, shape),
                (2, (0, 16, [10, 5, 0, 10], 15, 15))
                    | (4, (0, 32, [23, 8, 0, 23], 127, 31))
                    | (8, (0, 64, [52, 11, 0, 52], 1023, 63))
            );
            if is_ieee && !mixed_order {
                Parsed::One(Datatype::Float { bytes: size as u8, order })
            } else {
                opaque("a floating-point number that is not IEEE 754 half, single or double")
            }
        }
        2 => {
            cursor.skip(2)?;
            opaque("a time type")
        }
        3 => Parsed::One(Datatype::Text { bytes: size }),
        4 => {
            cursor.skip(4)?;
            opaque("a bit field")
        }
        5 => {
            cursor.skip((bits & 0xFF) as usize)?;
            opaque("an opaque type")
        }
        6 => compound(cursor, depth, version, bits & 0xFFFF, size)?,
        7 => opaque("a reference"),
        8 => enumeration(cursor, depth, version, bits & 0xFFFF)?,
        9 => {
            any(cursor, depth + 1)?;
            if bits & 0x0F == 1 {
                Parsed::One(Datatype::VariableText)
            } else {
                opaque("a variable-length sequence")
            }
        }
        10 => array(cursor, depth, version, size)?,
        11 => {
            any(cursor, depth + 1)?;
            opaque("a complex number")
        }
        _ => return Err(cursor.unsupported("an unknown class")),
    })
}

/// A name that ends with a zero byte; before version 3 it is padded to a multiple of eight.
fn name(cursor: &mut Cursor<'_>, version: u8) -> Result<String, Error> {
    let rest = cursor.rest();
    let end = rest.iter().position(|byte| *byte == 0);
    let end = end.ok_or_else(|| cursor.broken("a name in it does not end"))?;
    let taken = if version < 3 { (end + 1).next_multiple_of(8) } else { end + 1 };
    cursor.skip(taken)?;
    Ok(String::from_utf8_lossy(&rest[..end]).into_owned())
}

fn compound(
    cursor: &mut Cursor<'_>,
    depth: u32,
    version: u8,
    members: u32,
    size: u32,
) -> Result<Parsed, Error> {
    let offset_bytes = if version < 3 { 4 } else { (size.max(1).ilog2() / 8 + 1) as u8 };
    let mut fields = Vec::new();
    for _ in 0..members {
        let name = name(cursor, version)?;
        let offset = cursor.uint(offset_bytes)?;
        let mut places = 1;
        if version == 1 {
            // Version 1 has arrays as a property of the member.
            let rank = cursor.u8()?;
            cursor.skip(11)?;
            let dims = [(); 4].map(|()| cursor.u32());
            for dim in dims.into_iter().take(usize::from(rank.min(4))) {
                places = u64::from(dim?).saturating_mul(places);
            }
            places = if rank == 0 { 1 } else { places };
        }
        let member = any(cursor, depth + 1)?;
        let member = if places == 1 { member } else { repeated(cursor, &member, places)? };
        if offset.checked_add(member.bytes(cursor.address_bytes())).is_none_or(|end| end > size.into()) {
            return Err(cursor.broken("a member of it lies outside of it"));
        }
        let inner = if let Parsed::Many { fields, .. } = &member { fields.len() } else { 1 };
        if name.len().saturating_mul(inner) > NAME_BYTES_MAX {
            return Err(cursor.unsupported("a record of 64 KiB of names"));
        }
        fields.append(&mut member.within(&name, offset));
        let name_bytes: usize = fields.iter().map(|field| field.name.len()).sum();
        if fields.len() as u64 > FIELDS_MAX || name_bytes > NAME_BYTES_MAX {
            return Err(cursor.unsupported("a record of more than 1024 values, or of 64 KiB of names"));
        }
    }
    Ok(Parsed::Many { bytes: size, fields })
}

/// The whole number that stores an enumeration; its names are passed over.
fn enumeration(cursor: &mut Cursor<'_>, depth: u32, version: u8, members: u32) -> Result<Parsed, Error> {
    let base = any(cursor, depth + 1)?;
    for _ in 0..members {
        name(cursor, version)?;
    }
    let bytes = base.bytes(cursor.address_bytes()).checked_mul(members.into());
    let bytes = bytes.and_then(|bytes| usize::try_from(bytes).ok());
    cursor.skip(bytes.ok_or_else(|| cursor.broken("the size of its values overflows"))?)?;
    match base {
        Parsed::One(Datatype::Int { .. }) => Ok(base),
        _ => Err(cursor.broken("an enumeration of something that is no whole number")),
    }
}

fn array(cursor: &mut Cursor<'_>, depth: u32, version: u8, size: u32) -> Result<Parsed, Error> {
    let rank = cursor.u8()?;
    cursor.skip(if version < 3 { 3 } else { 0 })?;
    let mut places = 1u64;
    for _ in 0..rank {
        places = places.saturating_mul(cursor.u32()?.into());
    }
    cursor.skip(if version < 3 { 4 * usize::from(rank) } else { 0 })?;
    let base = any(cursor, depth + 1)?;
    let array = repeated(cursor, &base, places)?;
    if array.bytes(cursor.address_bytes()) == u64::from(size) {
        Ok(array)
    } else {
        Err(cursor.broken("its size is not that of its elements"))
    }
}

/// `base` so many times in a row.
fn repeated(cursor: &Cursor<'_>, base: &Parsed, places: u64) -> Result<Parsed, Error> {
    let one_bytes = base.bytes(cursor.address_bytes());
    let bytes = one_bytes.checked_mul(places).and_then(|bytes| u32::try_from(bytes).ok());
    let bytes = bytes.ok_or_else(|| cursor.broken("the size of an array in it overflows"))?;
    let inner = if let Parsed::Many { fields, .. } = base { fields.len() as u64 } else { 1 };
    if places.saturating_mul(inner) > FIELDS_MAX {
        return Ok(Parsed::One(Datatype::Opaque { bytes, what: "an array of more than 1024 values" }));
    }
    if let Parsed::Many { fields, .. } = base
        && places.saturating_mul(fields.iter().map(|field| field.name.len() as u64).sum())
            > NAME_BYTES_MAX as u64
    {
        return Ok(Parsed::One(Datatype::Opaque {
            bytes,
            what: "an array of records of more than 64 KiB of names",
        }));
    }
    let fields =
        (0..places).flat_map(|place| base.within(&format!("[{place}]"), place * one_bytes)).collect();
    Ok(Parsed::Many { bytes, fields })
}
