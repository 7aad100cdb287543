//! What the header of an array says of its elements, and where in a row each column is.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::literal::Literal;
use crate::import::batch::Sort;

const MAGIC: &[u8] = b"\x93NUMPY";
/// The longest header that is read; NumPy itself reads 10,000 bytes unless it is told to trust the file.
const HEADER_BYTES_MAX: u32 = 1 << 20;
/// The most columns of an array.
const COLUMNS_MAX: usize = 16_384;

/// Why a header is not taken.
#[derive(Debug)]
pub(in crate::import) enum Refusal {
    Io(io::Error),
    Broken(String),
    /// What is not read, and the remedy.
    Unsupported(String, &'static str),
}

/// One element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::import) enum Element {
    Int {
        bytes: usize,
        signed: bool,
        is_big: bool,
    },
    Float {
        bytes: usize,
        is_big: bool,
    },
    /// A moment, in so many nanoseconds.
    Time {
        ns: i64,
        is_big: bool,
    },
    /// Text of a fixed length: bytes, or characters of four bytes.
    Text {
        bytes: usize,
        is_wide: bool,
        is_big: bool,
    },
    /// No column.
    Other {
        bytes: usize,
    },
}

impl Element {
    fn parse(word: &str) -> Result<Self, Refusal> {
        let unsupported =
            || Refusal::Unsupported(format!("an array of elements {word:?}"), "save it as numbers");
        let mut letters = word.chars();
        let (is_big, rest) = match letters.next() {
            Some('>') => (true, letters.as_str()),
            Some('<' | '|' | '=') => (false, letters.as_str()),
            _ => (false, word),
        };
        let (kind, size) = rest.split_at_checked(1).ok_or_else(unsupported)?;
        if kind == "O" {
            let what = "an array of Python objects".to_owned();
            return Err(Refusal::Unsupported(what, "save it as numbers, with a type such as float64"));
        }
        if kind == "M" {
            let unit =
                size.strip_prefix("8[").and_then(|unit| unit.strip_suffix(']')).ok_or_else(unsupported)?;
            const SECOND_NS: i64 = 1_000_000_000;
            let ns = match unit {
                "ns" => 1,
                "us" => 1000,
                "ms" => 1_000_000,
                "s" => SECOND_NS,
                "m" => 60 * SECOND_NS,
                "h" => 3600 * SECOND_NS,
                "D" => 86_400 * SECOND_NS,
                _ => return Err(unsupported()),
            };
            return Ok(Self::Time { ns, is_big });
        }
        const ELEMENT_BYTES_MAX: usize = 1 << 20;
        let size: usize =
            size.parse().ok().filter(|size| *size <= ELEMENT_BYTES_MAX).ok_or_else(unsupported)?;
        match (kind, size) {
            ("b", 1) => Ok(Self::Int { bytes: 1, signed: false, is_big }),
            ("i", 1 | 2 | 4 | 8) => Ok(Self::Int { bytes: size, signed: true, is_big }),
            ("u", 1 | 2 | 4 | 8) => Ok(Self::Int { bytes: size, signed: false, is_big }),
            ("f", 2 | 4 | 8) => Ok(Self::Float { bytes: size, is_big }),
            ("S" | "a", _) => Ok(Self::Text { bytes: size, is_wide: false, is_big }),
            ("U", _) => Ok(Self::Text { bytes: size * 4, is_wide: true, is_big }),
            ("f" | "c", _) => Ok(Self::Other { bytes: size }),
            ("m", 8) | ("V", _) => Ok(Self::Other { bytes: size }),
            _ => Err(unsupported()),
        }
    }

    pub const fn bytes(&self) -> usize {
        match self {
            Self::Int { bytes, .. } | Self::Float { bytes, .. } | Self::Text { bytes, .. } => *bytes,
            Self::Other { bytes } => *bytes,
            Self::Time { .. } => 8,
        }
    }

    pub const fn sort(&self) -> Option<Sort> {
        match self {
            Self::Int { .. } => Some(Sort::Whole),
            Self::Float { .. } => Some(Sort::Float),
            Self::Time { .. } => Some(Sort::Time { zone: None }),
            Self::Text { .. } => Some(Sort::Text),
            Self::Other { .. } => None,
        }
    }

    /// The bytes of a number, little-endian and lengthened by its sign.
    fn little(&self, raw: &[u8]) -> [u8; 8] {
        let (is_big, signed) = match *self {
            Self::Int { is_big, signed, .. } => (is_big, signed),
            Self::Time { is_big, .. } => (is_big, true),
            Self::Float { is_big, .. } | Self::Text { is_big, .. } => (is_big, false),
            Self::Other { .. } => (false, false),
        };
        let top = if is_big { raw.first() } else { raw.last() };
        let filled = if signed && top.is_some_and(|top| top & 0x80 != 0) { 0xFF } else { 0 };
        let mut little = [filled; 8];
        for (at, byte) in raw.iter().take(8).enumerate() {
            little[if is_big { raw.len() - 1 - at } else { at }] = *byte;
        }
        little
    }

    /// A whole number, or the count of a moment.
    pub fn whole(&self, raw: &[u8]) -> i128 {
        let little = self.little(raw);
        match self {
            Self::Int { signed: false, .. } => u64::from_le_bytes(little).into(),
            _ => i64::from_le_bytes(little).into(),
        }
    }

    /// A floating-point number.
    pub fn float(&self, raw: &[u8]) -> f64 {
        let bits = u64::from_le_bytes(self.little(raw));
        match self.bytes() {
            2 => crate::format::hdf5::half(bits as u16).into(),
            4 => f32::from_bits(bits as u32).into(),
            _ => f64::from_bits(bits),
        }
    }

    /// A text without the zeros behind it; what is no character is replaced by U+FFFD.
    pub fn text(&self, raw: &[u8]) -> String {
        let text = match self {
            Self::Text { is_wide: true, is_big, .. } => {
                let code = |raw: &[u8; 4]| {
                    let code = if *is_big { u32::from_be_bytes(*raw) } else { u32::from_le_bytes(*raw) };
                    char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
                };
                raw.as_chunks::<4>().0.iter().map(code).collect()
            }
            _ => String::from_utf8_lossy(raw).into_owned(),
        };
        text.trim_end_matches('\0').to_owned()
    }
}

/// One column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::import) struct Place {
    pub name: String,
    /// Its type in NumPy's words.
    pub found: String,
    /// Bytes from the begin of a row.
    pub offset: usize,
    pub element: Element,
}

/// An array.
#[derive(Debug)]
pub(in crate::import) struct Header {
    /// Where the elements begin.
    pub bytes: u64,
    pub rows: u64,
    pub row_bytes: usize,
    pub places: Vec<Place>,
    /// Whether the columns have names of their own.
    pub has_names: bool,
    /// Whether each column stands as a whole, one after the other (Fortran's order).
    pub is_by_column: bool,
}

impl Header {
    pub fn read(file: &File, size: u64) -> Result<Self, Refusal> {
        let broken = |problem: &str| Refusal::Broken(problem.to_owned());
        let mut head = [0; 12];
        let short = "it ends within its header";
        let read = |bytes: &mut [u8], at| {
            if at + bytes.len() as u64 > size {
                Err(broken(short))
            } else {
                file.read_exact_at(bytes, at).map_err(Refusal::Io)
            }
        };
        read(&mut head[..10], 0)?;
        let (length, begin) = match (head.starts_with(MAGIC), head[6]) {
            (true, 1) => (u32::from(u16::from_le_bytes([head[8], head[9]])), 10),
            (true, 2 | 3) => {
                read(&mut head, 0)?;
                (u32::from_le_bytes([head[8], head[9], head[10], head[11]]), 12)
            }
            (true, version) => {
                let what = format!("version {version} of the form");
                return Err(Refusal::Unsupported(what, "save it with another version of NumPy"));
            }
            (false, _) => return Err(broken("it does not begin as an array does")),
        };
        if length > HEADER_BYTES_MAX {
            return Err(broken("its header is longer than any that NumPy writes"));
        }
        let mut text = vec![0; length as usize];
        read(&mut text, begin)?;
        let text = String::from_utf8(text).unwrap_or_else(|error| {
            // Version 1 and 2 are written in Latin-1.
            error.into_bytes().into_iter().map(char::from).collect()
        });
        let header = Literal::parse(&text).ok_or_else(|| broken("its header is no dictionary of Python"))?;
        Self::of(&header, begin + u64::from(length), size)
    }

    fn of(header: &Literal, bytes: u64, size: u64) -> Result<Self, Refusal> {
        let broken = |problem: &str| Refusal::Broken(problem.to_owned());
        let (Some(kind), Some(Literal::Bool(is_fortran)), Some(Literal::List(shape))) =
            (header.get("descr"), header.get("fortran_order"), header.get("shape"))
        else {
            return Err(broken("its header lacks descr, fortran_order or shape"));
        };
        let size_of = |size: &Literal| if let Literal::Int(size) = size { Some(*size) } else { None };
        let shape: Vec<u64> = shape
            .iter()
            .map(size_of)
            .collect::<Option<_>>()
            .ok_or_else(|| broken("its shape is no list of sizes"))?;
        let (rows, width) = match (shape[..].as_ref(), kind) {
            ([rows], _) => (*rows, 1),
            ([rows, width], Literal::Text(_)) if *width > 0 => (*rows, *width),
            _ => {
                let what = format!("an array of shape {shape:?}");
                return Err(Refusal::Unsupported(what, "save it as rows and columns, or as records"));
            }
        };
        let width = usize::try_from(width).ok().filter(|width| *width <= COLUMNS_MAX);
        let width = width.ok_or_else(|| broken("it has too many columns"))?;
        let (mut places, mut row_bytes) = (Vec::new(), 0);
        match kind {
            Literal::Text(word) => {
                let element = Element::parse(word)?;
                for at in 0..width {
                    let name = if width == 1 { "value".to_owned() } else { format!("value[{at}]") };
                    let offset = at * element.bytes();
                    places.push(Place { name, found: word.clone(), offset, element: element.clone() });
                }
                row_bytes = width * element.bytes();
            }
            Literal::List(fields) => fields_of(fields, "", &mut places, &mut row_bytes)?,
            _ => return Err(broken("its elements are of no type")),
        }
        let needed = (row_bytes as u64).checked_mul(rows).and_then(|all| all.checked_add(bytes));
        if row_bytes == 0 || needed.is_none_or(|needed| needed > size) {
            return Err(Refusal::Broken(format!(
                "{rows} rows of {row_bytes} bytes are announced, the file has {size} bytes"
            )));
        }
        let (has_names, is_by_column) = (matches!(kind, Literal::List(_)), *is_fortran && width > 1);
        Ok(Self { bytes, rows, row_bytes, places, has_names, is_by_column })
    }
}

/// Adds the columns of a record's fields, and their bytes to `offset`.
fn fields_of(
    fields: &[Literal],
    prefix: &str,
    places: &mut Vec<Place>,
    offset: &mut usize,
) -> Result<(), Refusal> {
    let broken = || Refusal::Broken("a field of its records has no name and type".to_owned());
    for field in fields {
        let Literal::List(parts) = field else { return Err(broken()) };
        let (name, kind, shape) = match &parts[..] {
            [name, kind] => (name, kind, &[][..]),
            [name, kind, Literal::List(shape)] => (name, kind, &shape[..]),
            _ => return Err(broken()),
        };
        let name = match name {
            Literal::Text(name) => name,
            // A title and a name.
            Literal::List(both) => match &both[..] {
                [_, Literal::Text(name)] => name,
                _ => return Err(broken()),
            },
            _ => return Err(broken()),
        };
        let mut count = 1usize;
        for size in shape {
            let Literal::Int(size) = size else { return Err(broken()) };
            count =
                usize::try_from(*size).ok().and_then(|size| count.checked_mul(size)).ok_or_else(broken)?;
        }
        if places.len().saturating_add(count) > COLUMNS_MAX {
            return Err(Refusal::Broken("it has too many columns".to_owned()));
        }
        let name = format!("{prefix}{name}");
        for at in 0..count {
            let name = if shape.is_empty() { name.clone() } else { format!("{name}[{at}]") };
            match kind {
                Literal::Text(word) => {
                    let element = Element::parse(word)?;
                    let bytes = element.bytes();
                    // Bytes without a name keep the next field at its place.
                    if !(matches!(element, Element::Other { .. }) && name == prefix) {
                        places.push(Place { name, found: word.clone(), offset: *offset, element });
                    }
                    *offset += bytes;
                }
                Literal::List(inner) => fields_of(inner, &format!("{name}/"), places, offset)?,
                _ => return Err(broken()),
            }
        }
    }
    Ok(())
}
