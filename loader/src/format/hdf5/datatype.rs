//! What an element is.

use std::fmt;

use super::error::Error;
use super::input::Cursor;

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
    /// An IEEE 754 number of 4 or 8 bytes.
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
}

impl Datatype {
    /// Bytes of one element in the file; `address_bytes` is the width of an address there.
    pub(super) const fn bytes(self, address_bytes: u8) -> u64 {
        match self {
            Self::Int { bytes, .. } | Self::Float { bytes, .. } => bytes as u64,
            Self::Text { bytes } => bytes as u64,
            Self::VariableText => 8 + address_bytes as u64,
        }
    }

    /// Bytes of one number, or `None` when the elements are no numbers.
    #[must_use]
    pub const fn number_bytes(self) -> Option<usize> {
        match self {
            Self::Int { bytes, .. } | Self::Float { bytes, .. } => Some(bytes as usize),
            Self::Text { .. } | Self::VariableText => None,
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
        }
    }
}

/// Reads a datatype message.
pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Datatype, Error> {
    let class_and_version = cursor.u8()?;
    let bits = cursor.uint(3)?;
    let size = cursor.u32()?;
    let order = if bits & 1 == 0 { Order::Little } else { Order::Big };
    match class_and_version & 0x0F {
        0 => {
            let (offset, precision) = (cursor.u16()?, cursor.u16()?);
            if !matches!(size, 1 | 2 | 4 | 8) || offset != 0 || u32::from(precision) != size * 8 {
                return Err(cursor.unsupported(format!("a whole number of {precision} bits in {size} bytes")));
            }
            Ok(Datatype::Int { bytes: size as u8, signed: bits & 8 != 0, order })
        }
        1 => {
            // Offset, precision, place and size of exponent and mantissa, bias; and where the sign stands.
            let shape = (cursor.u16()?, cursor.u16()?, cursor.take(4)?, cursor.u32()?, bits >> 8 & 0xFF);
            let mixed_order = bits & 0x40 != 0;
            let is_ieee = matches!(
                (size, shape),
                (4, (0, 32, [23, 8, 0, 23], 127, 31)) | (8, (0, 64, [52, 11, 0, 52], 1023, 63))
            );
            if mixed_order || !is_ieee {
                return Err(cursor.unsupported(format!(
                    "a floating-point number of {size} bytes that is not IEEE 754 single or double"
                )));
            }
            Ok(Datatype::Float { bytes: size as u8, order })
        }
        3 => Ok(Datatype::Text { bytes: size }),
        9 if bits & 0x0F == 1 => Ok(Datatype::VariableText),
        class => Err(cursor.unsupported(class_name(class))),
    }
}

const fn class_name(class: u8) -> &'static str {
    match class {
        2 => "a time type",
        4 => "a bit field",
        5 => "an opaque type",
        6 => "a compound type",
        7 => "a reference",
        8 => "an enumeration",
        9 => "a variable-length sequence",
        10 => "an array type",
        11 => "a complex number",
        _ => "an unknown class",
    }
}
