//! Arrow's files of record batches (Feather, version 2), one record batch at a time.
//!
//! The lengths that a file states are held against its size, and those of packed buffers against a bound, before the reader of the
//! Arrow project gets them: it takes as much memory as they say.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_ipc::reader::{FileReader, FileReaderBuilder};
use arrow_ipc::{Block, root_as_footer, root_as_message};

use super::arrow::{Converter, fields};
use super::batch::{Batch, Field};
use super::error::Error;

const FORMAT: &str = "Arrow";
const MAGIC: &[u8] = b"ARROW1";
/// The most bytes that a record batch may take in memory.
const BATCH_BYTES_MAX: u64 = 1 << 30;
/// Rows that are handed on together.
const ROWS: usize = 8192;

/// An open file.
pub(super) struct Reader {
    path: PathBuf,
    fields: Vec<Field>,
    rows: FileReader<File>,
    places: Vec<usize>,
    /// The record batch under way and how many of its rows were taken.
    record: Option<(RecordBatch, usize)>,
    converter: Converter,
}

impl Reader {
    pub fn open(path: &Path) -> Result<Self, Error> {
        check(path)?;
        let rows = FileReaderBuilder::new().build(super::open(path)?);
        let rows = rows.map_err(|error| broken(path, &error))?;
        let fields = fields(&rows.schema());
        let (path, places) = (path.to_path_buf(), Vec::new());
        Ok(Self { path, fields, rows, places, record: None, converter: Converter::new(0) })
    }

    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    pub fn choose(&mut self, numbers: &[usize]) -> Result<(), Error> {
        let mut sorted = numbers.to_vec();
        sorted.sort_unstable();
        self.places = numbers.iter().map(|number| sorted.partition_point(|other| other < number)).collect();
        self.converter = Converter::new(numbers.len());
        let rows = FileReaderBuilder::new().with_projection(sorted).build(super::open(&self.path)?);
        self.rows = rows.map_err(|error| broken(&self.path, &error))?;
        Ok(())
    }

    /// Takes these as the first symbols of a chosen field.
    pub fn know(&mut self, lane: usize, symbols: &[String]) {
        self.converter.know(lane, symbols);
    }

    pub fn next(&mut self) -> Result<Option<Batch>, Error> {
        loop {
            if let Some((record, taken)) = &mut self.record
                && *taken < record.num_rows()
            {
                let rows = ROWS.min(record.num_rows() - *taken);
                let piece = record.slice(*taken, rows);
                *taken += rows;
                return self.converter.convert(&self.path, &piece).map(Some);
            }
            let Some(record) = self.rows.next() else { return Ok(None) };
            let ordered = record.and_then(|record| record.project(&self.places));
            self.record = Some((ordered.map_err(|error| broken(&self.path, &error))?, 0));
        }
    }
}

/// Whether every length in the file can be meant.
fn check(path: &Path) -> Result<(), Error> {
    const END_BYTES: u64 = 10;
    let refused = |error| Error::input(path, error);
    let wrong = |problem: &str| broken(path, &problem);
    let mut file = super::open(path)?;
    let size = file.metadata().map_err(refused)?.len();
    if size < END_BYTES + MAGIC.len() as u64 + 2 {
        return Err(wrong("it ends before its footer"));
    }
    let end = read(&mut file, size - END_BYTES, END_BYTES).map_err(refused)?;
    let (length, magic) = end.split_at(4);
    if magic != MAGIC {
        return Err(wrong("it does not end with ARROW1, so it was cut off or never finished"));
    }
    let length = length.first_chunk().map_or(0, |length| i32::from_le_bytes(*length));
    let length = u64::try_from(length).ok().filter(|length| *length <= size - END_BYTES);
    let length = length.ok_or_else(|| wrong("its footer is longer than the file"))?;
    let footer = read(&mut file, size - END_BYTES - length, length).map_err(refused)?;
    let footer = root_as_footer(&footer).map_err(|error| broken(path, &error))?;
    let blocks =
        footer.dictionaries().into_iter().flatten().chain(footer.recordBatches().into_iter().flatten());
    for block in blocks {
        block_is_sound(path, &mut file, size, block)?;
    }
    Ok(())
}

/// Whether the lengths in a block can be meant.
fn block_is_sound(path: &Path, file: &mut File, size: u64, block: &Block) -> Result<(), Error> {
    let wrong = |problem: &str| broken(path, &problem);
    let whole = |number: i64| u64::try_from(number).ok();
    let parts = (whole(block.offset()), whole(block.metaDataLength().into()), whole(block.bodyLength()));
    let (Some(offset), Some(head), Some(body)) = parts else {
        return Err(wrong("a length in its footer is below 0"));
    };
    let is_inside =
        offset.checked_add(head).and_then(|end| end.checked_add(body)).is_some_and(|end| end <= size);
    if !is_inside {
        return Err(wrong("a record batch reaches past the end of the file"));
    }
    let message = read(file, offset, head).map_err(|error| Error::input(path, error))?;
    // Files before version 0.15 have no marker before the length.
    const MARKER: &[u8] = &[0xFF; 4];
    let skipped = if message.starts_with(MARKER) { 8 } else { 4 };
    let message = message.get(skipped..).ok_or_else(|| wrong("a message is too short"))?;
    let message = root_as_message(message).map_err(|error| broken(path, &error))?;
    let record = match (message.header_as_record_batch(), message.header_as_dictionary_batch()) {
        (Some(record), _) => Some(record),
        (None, Some(dictionary)) => dictionary.data(),
        (None, None) => None,
    };
    let Some(record) = record else { return Err(wrong("a message is no record batch")) };
    let mut bytes = 0u64;
    for buffer in record.buffers().into_iter().flatten() {
        let (Some(at), Some(length)) = (whole(buffer.offset()), whole(buffer.length())) else {
            return Err(wrong("a buffer has a length below 0"));
        };
        if at.checked_add(length).is_none_or(|end| end > body) {
            return Err(wrong("a buffer reaches past its record batch"));
        }
        let unpacked = if record.compression().is_some() && length >= 8 {
            let stated = read(file, offset + head + at, 8).map_err(|error| Error::input(path, error))?;
            let stated = stated.first_chunk().map_or(0, |bytes| i64::from_le_bytes(*bytes));
            // -1 says that the buffer is not packed after all.
            if stated == -1 { length } else { whole(stated).unwrap_or(u64::MAX) }
        } else {
            length
        };
        bytes = bytes.saturating_add(unpacked);
    }
    if bytes > BATCH_BYTES_MAX {
        let (path, what) = (path.to_path_buf(), "a record batch".to_owned());
        return Err(Error::TooLarge { path, what, bytes, bytes_max: BATCH_BYTES_MAX });
    }
    Ok(())
}

fn read(file: &mut File, at: u64, bytes: u64) -> std::io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(at))?;
    let mut found = vec![0; bytes as usize];
    file.read_exact(&mut found)?;
    Ok(found)
}

fn broken(path: &Path, error: &dyn ToString) -> Error {
    Error::Broken { path: path.to_path_buf(), format: FORMAT, problem: error.to_string() }
}
