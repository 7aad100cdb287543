//! Some rows of some columns, decoded into the memory where they are wanted.
//!
//! ```text
//! columns, rows -> pieces -> spans of the file, neighbours joined -> bytes -> decode -> (convert) -> rows
//! ```
//!
//! Where a piece holds the wanted rows as they stand in memory, the last filter writes them there itself; elsewhere the
//! piece is decoded beside and converted column by column. Everything here runs on one thread.

use std::ops::{ControlFlow, Range};
use std::time::{Duration, Instant};

use super::error::Error;
use super::facts::Inspection;
use super::number::{self, Number};
use super::storage::{self, Piece, Storage};
use crate::codec::Room;
use crate::format::hdf5::Datatype;
use crate::format::scale::Scale;
use crate::source::{self, Source, Span};

/// Neighbours in the file are read at once up to so many bytes: more gains nothing on any device.
const RUN_BYTES: usize = 1 << 20;
/// Bytes between two pieces that are read and thrown away rather than skipped by another read.
const HOLE_BYTES: u64 = 16 << 10;

/// Columns in the order in which they stand in a row; made by [`Table::select`](super::Table::select).
#[derive(Clone, Debug)]
pub struct Selection {
    parts: Vec<Part>,
    width: usize,
}

/// The wanted columns of one storage.
#[derive(Clone, Debug)]
struct Part {
    storage: usize,
    lanes: Vec<Lane>,
}

/// Where a column is in the rows of its storage.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub storage: usize,
    /// Bytes from the begin of a row to its element.
    pub offset: usize,
    /// What the element is: in a storage of records each column has its own.
    pub datatype: Datatype,
    /// What a number of it stands for, where that is not the value itself.
    pub scale: Option<Scale>,
}

/// One column on its way: its number in the table, where it is and where it goes.
#[derive(Clone, Copy, Debug)]
struct Lane {
    column: usize,
    offset: usize,
    datatype: Datatype,
    scale: Option<Scale>,
    place: usize,
}

/// What becomes of rows whose chunk is damaged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Damage {
    /// Reading ends with the error.
    #[default]
    Fail,
    /// They become NaN, and the chunk is listed.
    Fill,
}

/// A chunk that cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// Its columns.
    pub columns: Vec<String>,
    /// Its rows.
    pub rows: Range<u64>,
    /// Where it is in the file.
    pub place: u64,
    /// What is wrong with it.
    pub problem: String,
}

/// Memory that a thread uses again from job to job.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    run: Vec<u8>,
    room: Room,
    raw: Vec<u8>,
    pub done: Done,
}

/// What was read and decoded with a [`Scratch`] so far, and the time that took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Done {
    pub bytes_read: u64,
    pub chunks: u64,
    pub reading: Duration,
    pub decoding: Duration,
}

impl Done {
    pub fn add(&mut self, more: &Self) {
        self.bytes_read += more.bytes_read;
        self.chunks += more.chunks;
        self.reading += more.reading;
        self.decoding += more.decoding;
    }
}

/// What is read from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origins<'a> {
    pub source: &'a dyn Source,
    pub inspection: &'a Inspection,
    pub storages: &'a [Storage],
}

impl Selection {
    /// The columns with these numbers and origins.
    pub(super) fn new(columns: &[(usize, Origin)]) -> Self {
        let mut parts: Vec<Part> = Vec::new();
        for (place, &(column, Origin { storage, offset, datatype, scale })) in columns.iter().enumerate() {
            let lane = Lane { column, offset, datatype, scale, place };
            match parts.iter_mut().find(|part| part.storage == storage) {
                Some(part) => part.lanes.push(lane),
                None => parts.push(Part { storage, lanes: vec![lane] }),
            }
        }
        Self { parts, width: columns.len() }
    }

    /// Values in a row.
    #[must_use]
    pub const fn width(&self) -> usize {
        self.width
    }

    /// The storages that are read.
    pub(super) fn storages<'a>(&self, all: &'a [Storage]) -> impl Iterator<Item = &'a Storage> {
        self.parts.iter().filter_map(|part| all.get(part.storage))
    }

    /// Rows of the longest piece.
    pub(super) fn chunk_rows(&self, all: &[Storage]) -> u64 {
        self.storages(all).map(|storage| storage.chunk_rows).max().unwrap_or(1)
    }

    /// Bytes of [`Scratch`] that a thread needs at most.
    pub(super) fn scratch_bytes(&self, all: &[Storage]) -> u64 {
        let own = self.storages(all).map(Storage::scratch_bytes).max().unwrap_or(0);
        own.saturating_add(RUN_BYTES as u64)
    }

    /// The first column that cannot be read as `T`.
    pub(super) fn unreadable<T: Number>(&self) -> Option<usize> {
        let mut lanes = self.parts.iter().flat_map(|part| &part.lanes);
        let refused = |lane: &&Lane| !number::is_readable::<T>(lane.datatype, lane.scale.is_some());
        lanes.find(refused).map(|lane| lane.column)
    }
}

/// A piece that is wanted, and where it is stored.
#[derive(Clone, Copy)]
struct Want {
    part: usize,
    number: u64,
    span: Span,
    mask: u32,
}

/// Rows that are being filled.
struct Filling<'a, T> {
    origins: Origins<'a>,
    selection: &'a Selection,
    rows: Range<u64>,
    out: &'a mut [T],
    damage: Damage,
    damaged: Vec<Damaged>,
    done: Done,
}

/// Fills `out`, `[row][column]`, with `rows` of the selected columns; returns what was damaged.
pub(super) fn fill<T: Number>(
    origins: Origins<'_>,
    selection: &Selection,
    rows: Range<u64>,
    out: &mut [T],
    (scratch, damage): (&mut Scratch, Damage),
) -> Result<Vec<Damaged>, Error> {
    let done = Done::default();
    let mut filling = Filling { origins, selection, rows, out, damage, damaged: Vec::new(), done };
    let wants = filling.plan(scratch)?;
    let runs = joined(&wants);
    let spans: Vec<Span> = runs.iter().map(|(span, _)| *span).collect();
    let mut outcome = Ok(());
    let Scratch { run, room, raw, done } = scratch;
    // What is not taking a piece is waiting for it.
    let mut asked = Instant::now();
    origins.source.read_each(&spans, run, &mut |number, bytes| {
        filling.done.reading += asked.elapsed();
        let (span, range) = &runs[number];
        filling.done.bytes_read += span.bytes as u64;
        outcome = wants[range.clone()].iter().try_for_each(|want| {
            let bytes = match &bytes {
                Ok(bytes) => {
                    let from = (want.span.offset - span.offset) as usize;
                    Ok(&bytes[from..from + want.span.bytes])
                }
                Err(error) => Err(error),
            };
            filling.take(want, bytes, room, raw)
        });
        asked = Instant::now();
        if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    done.add(&filling.done);
    outcome.map(|()| filling.damaged)
}

/// Spans of the file with the wants in each, neighbours joined.
fn joined(wants: &[Want]) -> Vec<(Span, Range<usize>)> {
    let mut runs: Vec<(Span, Range<usize>)> = Vec::new();
    for (at, want) in wants.iter().enumerate() {
        let end = want.span.offset + want.span.bytes as u64;
        if let Some((span, range)) = runs.last_mut() {
            let run_end = span.offset + span.bytes as u64;
            let bytes = end.max(run_end) - span.offset;
            if want.span.offset <= run_end + HOLE_BYTES && bytes <= RUN_BYTES as u64 {
                (span.bytes, range.end) = (bytes as usize, at + 1);
                continue;
            }
        }
        runs.push((want.span, at..at + 1));
    }
    runs
}

impl<T: Number> Filling<'_, T> {
    /// Fills what needs no reading, and returns the rest in the order of the file.
    fn plan(&mut self, scratch: &mut Scratch) -> Result<Vec<Want>, Error> {
        let mut wants = Vec::new();
        if self.rows.is_empty() {
            return Ok(wants);
        }
        for (at, part) in self.selection.parts.iter().enumerate() {
            let storage = &self.origins.storages[part.storage];
            for number in self.rows.start / storage.chunk_rows..=(self.rows.end - 1) / storage.chunk_rows {
                match storage.piece(number) {
                    Ok(Piece::Here(bytes)) => self.place(part, number, bytes)?,
                    Ok(Piece::Never) => {
                        scratch.raw.clear();
                        for _ in 0..storage.width {
                            scratch.raw.extend_from_slice(storage.fill());
                        }
                        self.repeat(part, number, &scratch.raw)?;
                    }
                    Ok(Piece::Stored { span, mask }) => wants.push(Want { part: at, number, span, mask }),
                    Err(error) => self.broken(part, number, error)?,
                }
            }
        }
        wants.sort_unstable_by_key(|want| want.span.offset);
        Ok(wants)
    }

    /// Decodes a piece to where it is wanted.
    fn take(
        &mut self,
        want: &Want,
        bytes: Result<&[u8], &source::Error>,
        room: &mut Room,
        raw: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let part = &self.selection.parts[want.part];
        let storage = &self.origins.storages[part.storage];
        let alone;
        let stored = match bytes {
            Ok(stored) => stored,
            // Read with its neighbours it failed; it may be one of those.
            Err(_) => {
                let mut own = vec![0; want.span.bytes];
                match self.origins.source.read_at(want.span.offset, &mut own) {
                    Ok(()) => alone = own,
                    Err(error) => return self.broken(part, want.number, error.into()),
                }
                &alone[..]
            }
        };
        self.done.chunks += 1;
        let begun = Instant::now();
        let decoded = match self.direct(part, want.number) {
            Some(out) => storage.decode(want.mask, stored, room, out).map(|()| None),
            None => {
                raw.resize(raw.len().max(storage.bytes_of(want.number)), 0);
                let raw = &mut raw[..storage.bytes_of(want.number)];
                storage.decode(want.mask, stored, room, raw).map(|()| Some(&*raw))
            }
        };
        self.done.decoding += begun.elapsed();
        match decoded {
            Ok(None) => Ok(()),
            Ok(Some(raw)) => self.place(part, want.number, raw),
            Err(error) => self.broken(part, want.number, error.into()),
        }
    }

    /// The rows of a piece that are wanted: first and end in the piece.
    fn inside(&self, storage: &Storage, number: u64) -> Range<u64> {
        let first = number * storage.chunk_rows;
        let end = (first + storage.rows_of(number)).min(self.rows.end);
        self.rows.start.max(first) - first..end - first
    }

    /// Where the rows `inside` a piece go.
    fn room_of(&mut self, storage: &Storage, number: u64, inside: &Range<u64>) -> &mut [T] {
        let first = (number * storage.chunk_rows + inside.start - self.rows.start) as usize;
        let count = (inside.end - inside.start) as usize;
        &mut self.out[first * self.selection.width..(first + count) * self.selection.width]
    }

    /// The bytes of the output that are the whole piece, if there are such.
    fn direct(&mut self, part: &Part, number: u64) -> Option<&mut [u8]> {
        let storage = &self.origins.storages[part.storage];
        let inside = self.inside(storage, number);
        let in_order = |(at, lane): (usize, &Lane)| {
            let is_same = lane.datatype == storage.datatype && lane.scale.is_none();
            is_same && lane.place == at && lane.offset == at * storage.element_bytes
        };
        let is_whole = (inside.end - inside.start) as usize * storage.row_bytes == storage.bytes_of(number)
            && self.selection.width * storage.element_bytes == storage.row_bytes
            && part.lanes.len() == self.selection.width
            && number::is_native::<T>(storage.datatype)
            && part.lanes.iter().enumerate().all(in_order);
        is_whole.then(|| bytemuck::cast_slice_mut(self.room_of(storage, number, &inside)))
    }

    /// Converts the wanted rows of a decoded piece.
    fn place(&mut self, part: &Part, number: u64, raw: &[u8]) -> Result<(), Error> {
        let storage = &self.origins.storages[part.storage];
        let inside = self.inside(storage, number);
        let raw = &raw[inside.start as usize * storage.row_bytes..];
        self.convert(part, number, &inside, (raw, storage.row_bytes))
    }

    /// Converts one row, again and again.
    fn repeat(&mut self, part: &Part, number: u64, row: &[u8]) -> Result<(), Error> {
        let storage = &self.origins.storages[part.storage];
        let inside = self.inside(storage, number);
        let first = inside.start..inside.start + 1;
        self.convert(part, number, &first, (row, storage.row_bytes))?;
        let width = self.selection.width;
        let (row, others) = self.room_of(storage, number, &inside).split_at_mut(width);
        for other in others.chunks_exact_mut(width) {
            for lane in &part.lanes {
                other[lane.place] = row[lane.place];
            }
        }
        Ok(())
    }

    fn convert(
        &mut self,
        part: &Part,
        number: u64,
        inside: &Range<u64>,
        (raw, stride): (&[u8], usize),
    ) -> Result<(), Error> {
        let storage = &self.origins.storages[part.storage];
        let (rows, width) = ((inside.end - inside.start) as usize, self.selection.width);
        let inspection = self.origins.inspection;
        let out = self.room_of(storage, number, inside);
        for lane in &part.lanes {
            let column = number::Column { bytes: &raw[lane.offset..], stride };
            let form = (lane.datatype, lane.scale);
            let converted = number::convert(form, column, rows, (&mut out[lane.place..], width));
            converted.map_err(|inexact| Error::Inexact {
                path: inspection.path.clone(),
                column: inspection.columns[lane.column].name.clone(),
                row: number * storage.chunk_rows + inside.start + inexact.at as u64,
                value: inexact.value,
                wanted: T::NAME,
            })?;
        }
        Ok(())
    }

    /// A piece cannot be had: the error, or NaN and a line in the list.
    fn broken(&mut self, part: &Part, number: u64, error: storage::Error) -> Result<(), Error> {
        let storage = &self.origins.storages[part.storage];
        let name = |lane: &Lane| self.origins.inspection.columns[lane.column].name.clone();
        let place = storage.place_of(number);
        let (Damage::Fill, Some(missing)) = (self.damage, T::MISSING) else {
            return Err(Error::Chunk {
                path: self.origins.inspection.path.clone(),
                column: part.lanes.first().map(name).unwrap_or_default(),
                chunk: number,
                place,
                error,
            });
        };
        let first = number * storage.chunk_rows;
        self.damaged.push(Damaged {
            columns: part.lanes.iter().map(name).collect(),
            rows: first..first + storage.rows_of(number),
            place,
            problem: error.to_string(),
        });
        let (inside, width) = (self.inside(storage, number), self.selection.width);
        for row in self.room_of(storage, number, &inside).chunks_exact_mut(width) {
            for lane in &part.lanes {
                row[lane.place] = missing;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use diapason_tests::{need, oracle::ask, require};

    use super::super::{Options, Table};
    use super::*;
    use crate::source::faulty::Faulty;
    use crate::source::memory::Memory;

    const ROWS: usize = 3217;
    const WIDTH: usize = 4;

    /// What is stored, what it stands for, and where the chunk of rows 1200 to 1299 is.
    fn matrix() -> (Memory, Vec<f32>, u64) {
        let folder = tempfile::tempdir().unwrap();
        let script = need::repository().join("loader/tests/oracles/write_stream.py");
        let said = ask(&script, &[folder.path().to_str().unwrap(), &ROWS.to_string()], b"");
        let place = String::from_utf8(said).unwrap().split_whitespace().next().unwrap().parse().unwrap();
        let bytes = std::fs::read(folder.path().join("values.f32")).unwrap();
        let values = bytes.as_chunks::<4>().0.iter().map(|raw| f32::from_le_bytes(*raw)).collect();
        (Memory::new(std::fs::read(folder.path().join("matrix.h5")).unwrap()), values, place)
    }

    fn read(
        source: Faulty<Memory>,
        threads: usize,
        damage: Damage,
    ) -> (Result<Vec<Damaged>, Error>, Vec<f32>) {
        let options = Options { threads, ..Options::default() };
        let table = Table::of_source(Arc::new(source), "matrix.h5".as_ref(), &options).unwrap();
        let selection = table.select(&["m[0]", "m[1]", "m[2]", "m[3]"]).unwrap();
        let mut values = vec![0.0; ROWS * WIDTH];
        let read = table.read_selected(&selection, 0..ROWS as u64, &mut values, damage);
        (read, values)
    }

    #[test]
    fn short_and_interrupted_reads_change_nothing() {
        require!(Oracles);
        let (memory, values, _) = matrix();
        for (bytes_max, threads) in [(7, 1), (1009, 3), (usize::MAX, 2)] {
            let mut source = Faulty::new(memory.clone());
            (source.bytes_max, source.interrupt_every) = (bytes_max, 3);
            let (read, found) = read(source, threads, Damage::Fail);
            assert_eq!(read.unwrap(), []);
            assert!(found == values, "reads of {bytes_max} bytes");
        }
    }

    #[test]
    fn a_place_that_cannot_be_read_costs_its_chunk_alone() {
        require!(Oracles);
        let (memory, values, place) = matrix();
        // All chunks of the file are neighbours and are read at once; only one holds the place.
        let source = || {
            let mut source = Faulty::new(memory.clone());
            source.broken_at = Some(place + 30);
            source
        };
        for threads in [1, 3] {
            let (refused, _) = read(source(), threads, Damage::Fail);
            let refused = refused.unwrap_err().to_string();
            assert!(refused.contains("chunk 12 at byte") && refused.contains("os error 5"), "{refused}");
            let (filled, found) = read(source(), threads, Damage::Fill);
            let damaged = filled.unwrap();
            assert_eq!((damaged.len(), damaged[0].rows.clone(), damaged[0].place), (1, 1200..1300, place));
            assert_eq!(damaged[0].columns, ["m[0]", "m[1]", "m[2]", "m[3]"]);
            for (at, (found, value)) in found.iter().zip(&values).enumerate() {
                let is_lost = (1200..1300).contains(&(at / WIDTH));
                assert!(if is_lost { found.is_nan() } else { found == value }, "value {at}");
            }
        }
    }
}
