//! NumPy's `.npy`: a table as an array of records, which `numpy.load` gives back with the names of its columns.
//!
//! Magic, version, the length of the header, a header that is a Python dictionary, padded to 64 bytes, and the records, each value
//! eight bytes, little-endian (NumPy 2.1, numpy.lib.format; version 2.0 of the form, whose header may be long).

use std::io::{BufWriter, Write};

use super::Error;
use crate::table::{Table, Values};

const ALIGNMENT: usize = 64;

/// Magic, version and header of an array of `rows` records with these fields: names, and whether the values are floating
/// point; else they are whole numbers. Either takes eight bytes, little-endian.
#[must_use]
pub fn header<'a>(fields: impl IntoIterator<Item = (&'a str, bool)>, rows: u64) -> Vec<u8> {
    const PREFIX_BYTES: usize = 12;
    let quoted =
        |name: &str| format!("'{}'", name.replace('\\', "\\\\").replace('\'', "\\'").replace('\n', "\\n"));
    let kind = |is_float| if is_float { "<f8" } else { "<i8" };
    let fields = fields.into_iter().map(|(name, is)| format!("({}, '{}'), ", quoted(name), kind(is)));
    let fields: String = fields.collect();
    let mut text = format!(
        "{{'descr': [{}], 'fortran_order': False, 'shape': ({rows},), }}",
        fields.trim_end_matches(", ")
    );
    let bytes = PREFIX_BYTES + text.len() + 1;
    text.push_str(&" ".repeat(bytes.next_multiple_of(ALIGNMENT) - bytes));
    text.push('\n');
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes();
    [b"\x93NUMPY\x02\x00", &length[..], text.as_bytes()].concat()
}

/// Writes all rows of `table` to `output`; `progress` is told the rows so far.
pub(super) fn write(table: &Table, output: impl Write, progress: &mut dyn FnMut(u64)) -> Result<(), Error> {
    const BYTES: usize = 8;
    let mut output = BufWriter::with_capacity(1 << 20, output);
    let columns = table.columns();
    let fields = columns.iter().map(|column| (column.name.as_str(), column.is_float()));
    output.write_all(&header(fields, table.rows()))?;
    let (row_bytes, mut records) = (columns.len() * BYTES, Vec::new());
    for rows in table.pieces(columns.len()) {
        records.resize((rows.end - rows.start) as usize * row_bytes, 0);
        for (place, column) in columns.iter().enumerate() {
            let values: Vec<[u8; BYTES]> = match table.read(&column.name, rows.clone())? {
                Values::Whole(values) => values.into_iter().map(i64::to_le_bytes).collect(),
                Values::Float(values) => values.into_iter().map(f64::to_le_bytes).collect(),
            };
            for (record, value) in records.chunks_exact_mut(row_bytes).zip(values) {
                record[place * BYTES..(place + 1) * BYTES].copy_from_slice(&value);
            }
        }
        output.write_all(&records)?;
        progress(rows.end);
    }
    Ok(output.flush()?)
}
