//! NumPy's `.npy`: an array of records, whose fields are the columns, or a plain array of one or two dimensions.
//!
//! Magic, version, the length of the header, a header that is a Python dictionary, and the elements (NumPy 2.1,
//! numpy.lib.format, versions 1 to 3). Arrays of Python objects hold a program (a pickle) and are declined.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

mod header;
mod literal;

use crate::format::libhdf5::SYMBOLS_MAX;

use super::batch::{Batch, Field, Lane};
use super::error::Error;
use super::symbols::Symbols;
use header::{Element, Header, Place};

/// Bytes that are read at once, roughly.
const BYTES: usize = 1 << 20;
const FORMAT: &str = "NumPy";

/// An open file.
pub(super) struct Reader {
    path: PathBuf,
    file: File,
    header: Header,
    fields: Vec<Field>,
    chosen: Vec<usize>,
    symbols: Vec<Symbols>,
    row: u64,
}

impl Reader {
    pub fn open(path: &Path) -> Result<Self, Error> {
        let broken = |problem: String| Error::Broken { path: path.to_path_buf(), format: FORMAT, problem };
        let file = super::open(path)?;
        let size = file.metadata().map_err(|error| Error::input(path, error))?.len();
        let header = Header::read(&file, size).map_err(|refusal| match refusal {
            header::Refusal::Io(error) => Error::input(path, error),
            header::Refusal::Broken(problem) => broken(problem),
            header::Refusal::Unsupported(what, remedy) => {
                Error::Unsupported { path: path.to_path_buf(), what, remedy }
            }
        })?;
        let field = |place: &Place| Field {
            name: place.name.clone(),
            found: place.found.clone(),
            sort: place.element.sort(),
        };
        let fields = header.places.iter().map(field).collect();
        let path = path.to_path_buf();
        Ok(Self { path, file, header, fields, chosen: Vec::new(), symbols: Vec::new(), row: 0 })
    }

    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The fields, where they have no names of their own.
    pub fn unnamed(&mut self) -> Option<&mut [Field]> {
        (!self.header.has_names).then_some(&mut self.fields[..])
    }

    pub fn choose(&mut self, numbers: &[usize]) {
        self.chosen = numbers.to_vec();
        self.symbols = vec![Symbols::default(); numbers.len()];
        self.row = 0;
    }

    /// Takes these as the first symbols of a chosen field.
    pub fn know(&mut self, lane: usize, symbols: &[String]) {
        self.symbols[lane].know(symbols);
    }

    pub fn next(&mut self) -> Result<Option<Batch>, Error> {
        let row_bytes = self.header.places.iter().map(|place| place.element.bytes()).sum::<usize>().max(1);
        let rows =
            ((BYTES / row_bytes.max(self.header.row_bytes)).max(1) as u64).min(self.header.rows - self.row);
        if rows == 0 {
            return Ok(None);
        }
        let mut batch = Batch { rows: rows as usize, ..Batch::default() };
        let together = if self.header.is_by_column { None } else { Some(self.bytes(self.row, 0, rows)?) };
        for lane in 0..self.chosen.len() {
            let place = self.header.places[self.chosen[lane]].clone();
            let alone;
            let (bytes, offset, stride) = match &together {
                Some(bytes) => (bytes, place.offset, self.header.row_bytes),
                None => {
                    alone = self.bytes(self.row, self.chosen[lane] as u64, rows)?;
                    (&alone, 0, place.element.bytes())
                }
            };
            let elements = bytes.chunks(stride).map(|row| &row[offset..offset + place.element.bytes()]);
            let values = self.lane(lane, &place, elements, &mut batch.missing)?;
            batch.lanes.push(values);
            let new = self.symbols[lane].take_new();
            if !new.is_empty() {
                batch.symbols.push((lane, new));
            }
        }
        self.row += rows;
        Ok(Some(batch))
    }

    /// The bytes of `rows` rows from `row` on; of one column where they stand one after the other.
    fn bytes(&self, row: u64, column: u64, rows: u64) -> Result<Vec<u8>, Error> {
        let header = &self.header;
        let step =
            if header.is_by_column { header.row_bytes / header.places.len() } else { header.row_bytes };
        let first = if header.is_by_column { column * header.rows + row } else { row };
        let mut bytes = vec![0; rows as usize * step];
        let read = self.file.read_exact_at(&mut bytes, header.bytes + first * step as u64);
        read.map_err(|error| Error::input(&self.path, error))?;
        Ok(bytes)
    }

    fn lane<'b>(
        &mut self,
        lane: usize,
        place: &Place,
        elements: impl Iterator<Item = &'b [u8]>,
        missing: &mut Vec<(usize, usize)>,
    ) -> Result<Lane, Error> {
        let (path, column, first) = (&self.path, &self.fields[self.chosen[lane]].name, self.row);
        let inexact = |row: usize, value: String, wanted| Error::Inexact {
            path: path.clone(),
            column: column.clone(),
            found: place.found.clone(),
            row: first + row as u64,
            value,
            wanted,
        };
        match &place.element {
            Element::Float { .. } => Ok(Lane::Float(elements.map(|raw| place.element.float(raw)).collect())),
            Element::Text { .. } => {
                let symbols = &mut self.symbols[lane];
                let one = |(row, raw): (usize, &[u8])| {
                    let text = place.element.text(raw);
                    symbols.number(&text).ok_or_else(|| Error::TooManySymbols {
                        path: path.clone(),
                        column: column.clone(),
                        row: first + row as u64,
                        symbols_max: SYMBOLS_MAX,
                    })
                };
                elements.enumerate().map(one).collect::<Result<_, _>>().map(Lane::Whole)
            }
            Element::Time { ns, .. } => {
                let one = |(row, raw): (usize, &[u8])| {
                    let count = place.element.whole(raw) as i64;
                    // NumPy's "not a time".
                    if count == i64::MIN {
                        missing.push((row, lane));
                        return Ok(0);
                    }
                    let time = count.checked_mul(*ns);
                    time.ok_or_else(|| inexact(row, count.to_string(), "a time between 1677 and 2262"))
                };
                elements.enumerate().map(one).collect::<Result<_, _>>().map(Lane::Whole)
            }
            Element::Int { .. } | Element::Other { .. } => {
                let one = |(row, raw): (usize, &[u8])| {
                    let value = place.element.whole(raw);
                    i64::try_from(value).map_err(|_| inexact(row, value.to_string(), "i64"))
                };
                elements.enumerate().map(one).collect::<Result<_, _>>().map(Lane::Whole)
            }
        }
    }
}
