//! What is known of a table without reading a value.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use crate::format::hdf5;

/// One column: a one-dimensional data set of numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Column {
    /// Its name in the file.
    pub name: String,
    /// The type of its values, such as `i64` or `f64`.
    pub dtype: String,
    /// What they are stored as: the same, a shorter type that holds each of them, or whole numbers and a divisor, such as
    /// `i16 / 100`.
    pub stored_as: String,
    /// Rows in one chunk, or in one piece where there are no chunks.
    pub chunk_rows: u64,
    /// How many chunks are stored.
    pub chunks: u64,
    /// The filters a chunk went through when it was written, in that order, with their options.
    pub filters: Vec<String>,
    /// Bytes of the values in memory.
    pub raw_bytes: u64,
    /// Bytes of the values in the file.
    pub stored_bytes: u64,
    /// What is noted at the column.
    pub attributes: BTreeMap<String, Attribute>,
}

impl Column {
    /// The texts that its whole numbers stand for, by the attribute `symbols`, if they do.
    #[must_use]
    pub fn symbols(&self) -> Option<Vec<String>> {
        let text = |symbol: &Attribute| symbol.text().map(str::to_owned);
        match self.attributes.get("symbols")? {
            Attribute::List(symbols) => symbols.iter().map(text).collect(),
            symbol => text(symbol).map(|symbol| vec![symbol]),
        }
    }

    /// The text that is noted at it as `name`.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).and_then(Attribute::text)
    }

    /// Whether its values are floating-point numbers; else they are whole numbers.
    #[must_use]
    pub fn is_float(&self) -> bool {
        self.dtype.starts_with('f')
    }
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Attribute {
    /// A whole number.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// A text; also a whole number beyond 64 bits, and the reason why a value is not read, in brackets.
    Text(String),
    /// A list of such values.
    List(Vec<Attribute>),
}

impl Attribute {
    /// The text that it is, if it is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl From<hdf5::Value> for Attribute {
    fn from(value: hdf5::Value) -> Self {
        match value {
            hdf5::Value::Int(number) => {
                i64::try_from(number).map_or_else(|_| Self::Text(number.to_string()), Self::Int)
            }
            hdf5::Value::Float(number) => Self::Float(number),
            hdf5::Value::Text(text) => Self::Text(text),
            hdf5::Value::List(values) => Self::List(values.into_iter().map(Self::from).collect()),
            hdf5::Value::NotRead(reason) => Self::Text(format!("(not read: {reason})")),
        }
    }
}

/// Everything that is known of a table without reading a value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inspection {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub file_bytes: u64,
    /// Rows of each column.
    pub rows: u64,
    /// The columns in order.
    pub columns: Vec<Column>,
    /// What is noted at the table.
    pub attributes: BTreeMap<String, Attribute>,
    /// What else lies in the same group and is not a column, with the reason.
    pub skipped: Vec<Skipped>,
    /// Bytes of decoded chunks that are kept at most.
    pub budget_bytes: u64,
}

/// An object that is not a column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Its name.
    pub name: String,
    /// Why it is not a column.
    pub reason: String,
}
