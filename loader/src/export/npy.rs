//! NumPy's `.npy`: a table as an array of records, which `numpy.load` gives back with the names of its columns.
//!
//! Magic, version, the length of the header, a header that is a Python dictionary, padded to 64 bytes, and the records, each value
//! eight bytes, little-endian (NumPy 2.1, numpy.lib.format; version 2.0 of the form, whose header may be long).

use std::io::{self, BufWriter, Write};

use super::meaning::Field;
use crate::table::Values;

const ALIGNMENT: usize = 64;

/// Magic, version and header of an array of `rows` records with these fields: names, and whether the values are floating
/// point; else they are whole numbers. Either takes eight bytes, little-endian.
fn header<'a>(fields: impl IntoIterator<Item = (&'a str, bool)>, rows: u64) -> Vec<u8> {
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

/// Records on their way.
pub(super) struct Records<W: Write> {
    output: BufWriter<W>,
    bytes: Vec<u8>,
}

impl<W: Write> Records<W> {
    /// Begins an array of `rows` records.
    pub(super) fn new(fields: &[Field], rows: u64, output: W) -> io::Result<Self> {
        let mut output = BufWriter::with_capacity(1 << 20, output);
        let names = fields.iter().map(|field| (field.name.as_str(), field.meaning.is_float()));
        output.write_all(&header(names, rows))?;
        Ok(Self { output, bytes: Vec::new() })
    }

    pub(super) fn push(&mut self, columns: &[Values]) -> io::Result<()> {
        const BYTES: usize = 8;
        let row_bytes = columns.len() * BYTES;
        for (place, column) in columns.iter().enumerate() {
            self.bytes.resize(column.len() * row_bytes, 0);
            let places =
                self.bytes.chunks_exact_mut(row_bytes).map(|record| &mut record[place * BYTES..][..BYTES]);
            match column {
                Values::Whole(values) => {
                    places.zip(values).for_each(|(to, value)| to.copy_from_slice(&value.to_le_bytes()));
                }
                Values::Float(values) => {
                    places.zip(values).for_each(|(to, value)| to.copy_from_slice(&value.to_le_bytes()));
                }
            }
        }
        self.output.write_all(&self.bytes)
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.output.flush()
    }
}
