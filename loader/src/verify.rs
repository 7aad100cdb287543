//! Reads a whole table and says what of it is as it was written.
//!
//! Decoding a chunk checks what its filters check (zstd's, zlib's and fletcher32's sums). Files of ours carry a BLAKE3 hash
//! of the values of each column as well, which is computed anew and compared.

use std::ops::Range;

use serde::Serialize;

use crate::table::{Attribute, Column, Error, Table};

/// Rows that are read at once.
const ROWS: u64 = 65_536;
/// The most damaged chunks of a column that are listed.
const DAMAGED_MAX: usize = 100;

/// What of one column is as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Its name.
    pub name: String,
    /// What its hash says.
    pub hash: Hash,
    /// What cannot be read, the first hundred of them.
    pub damaged: Vec<Damaged>,
}

/// What the hash of a column says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Hash {
    /// The values are those that were written.
    Matches,
    /// They are others.
    Differs,
    /// The file has none for this column.
    Absent,
    /// Not all values can be read.
    Unknown,
}

/// Rows that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Damaged {
    /// The rows.
    pub rows: Range<u64>,
    /// The error, with the place.
    pub error: String,
}

/// What of a table is as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Rows of each column.
    pub rows: u64,
    /// Each column.
    pub columns: Vec<Verified>,
    /// Whether nothing is damaged and no hash differs.
    pub is_good: bool,
}

/// Verifies every value of `table`; `progress` is told the values read so far.
pub fn verify(table: &Table, progress: &mut dyn FnMut(u64)) -> Report {
    let mut done = 0;
    let mut told = |rows: u64| {
        done += rows;
        progress(done);
    };
    let columns: Vec<Verified> = table.columns().iter().map(|column| one(table, column, &mut told)).collect();
    let is_sound = |column: &Verified| column.damaged.is_empty() && column.hash != Hash::Differs;
    Report { rows: table.rows(), is_good: columns.iter().all(is_sound), columns }
}

fn one(table: &Table, column: &Column, told: &mut dyn FnMut(u64)) -> Verified {
    let is_float = column.is_float();
    // Whole chunks, so that an error is of one of them, and each is decoded once.
    let step = if column.chunk_rows >= ROWS {
        column.chunk_rows
    } else {
        ROWS / column.chunk_rows.max(1) * column.chunk_rows.max(1)
    };
    let step = step.clamp(1, 1 << 22);
    let (mut hash, mut damaged) = (blake3::Hasher::new(), Vec::new());
    let mut first = 0;
    while first < table.rows() {
        let end = first.saturating_add(step).min(table.rows());
        match bytes(table, &column.name, first..end, is_float) {
            Ok(bytes) => {
                hash.update(&bytes);
            }
            Err(_) if damaged.len() < DAMAGED_MAX => {
                // Chunk by chunk, to name each that is damaged.
                let mut from = first;
                while from < end && damaged.len() < DAMAGED_MAX {
                    let to = from.saturating_add(column.chunk_rows.max(1)).min(end);
                    if let Err(error) = bytes(table, &column.name, from..to, is_float) {
                        damaged.push(Damaged { rows: from..to, error: error.to_string() });
                    }
                    from = to;
                }
            }
            Err(_) => {}
        }
        told(end - first);
        first = end;
    }
    let found = hash.finalize().to_hex();
    let is_own = matches!(column.dtype.as_str(), "i64" | "f64");
    let hash = match column.attributes.get("blake3") {
        _ if !damaged.is_empty() => Hash::Unknown,
        Some(Attribute::Text(expected)) if is_own && expected == found.as_str() => Hash::Matches,
        Some(Attribute::Text(_)) if is_own => Hash::Differs,
        _ => Hash::Absent,
    };
    Verified { name: column.name.clone(), hash, damaged }
}

/// The values of `rows` as the writer hashes them: little-endian, eight bytes each.
fn bytes(table: &Table, column: &str, rows: Range<u64>, is_float: bool) -> Result<Vec<u8>, Error> {
    let count = (rows.end - rows.start) as usize;
    if is_float {
        let mut values = vec![0.0; count];
        table.read_f64(column, rows, &mut values)?;
        return Ok(values.iter().flat_map(|value| value.to_le_bytes()).collect());
    }
    let mut values = vec![0; count];
    match table.read_i64(column, rows, &mut values) {
        // A whole number beyond i64 is read well, and only has no place here.
        Ok(()) | Err(Error::Inexact { .. }) => {
            Ok(values.iter().flat_map(|value| value.to_le_bytes()).collect())
        }
        Err(error) => Err(error),
    }
}
