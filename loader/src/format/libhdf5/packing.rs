//! How the values of a column are stored: tried out on a sample of its first chunk, since nobody can tell beforehand.
//!
//! ```text
//! chunk -> forms that hold it -> (shuffle) -> zstd, a few levels -> the cheapest of all
//! ```
//!
//! Each [`Form`] that gives back every bit is packed with and without a byte shuffle, at some levels of zstd. Taken is what is small
//! and quick to read: a byte that is decoded costs a quarter of one that is stored, and what is not shuffled an eighth more. That is
//! counted rather than timed, so equal contents give equal files on every machine; [`Choice::Timed`] takes the clock. What was
//! tried is noted in the file.
//!
//! Measured on the columns of `benches/rivals/loader.py` (one core of an AMD EPYC, Zen 4, chunks of 65,536 rows, least of seven,
//! 2026-11-23): stored bytes and decoding nanoseconds a value.
//!
//! ```text
//!               zstd 3        zstd 6        shuffle, zstd 1   shuffle, zstd 3   shuffle, zstd 6   bit shuffle, LZ4
//! price, i16    0.94, 2.4     0.86, 2.6     1.01, 0.4         1.01, 0.4         0.87, 1.0         0.74, 1.7
//! price, i32    1.03, 4.3     0.92, 3.6     1.01, 0.6         0.89, 1.2         0.99, 0.6         0.76, 4.2
//! price, f32    1.00, 4.5     0.95, 3.7     1.51, 2.5         1.26, 3.7         1.35, 2.9         2.07, 2.7
//! price, f64    1.23, 7.7     1.14, 5.7     2.07, 4.2         1.76, 5.5         1.73, 5.4         2.11, 6.2
//! volume, i16   1.00, 2.5     1.03, 2.7     0.82, 0.9         0.82, 0.9         0.81, 0.9         0.98, 1.7
//! noise, f32    3.70, 3.0     3.70, 3.0     3.53, 2.4         3.48, 2.6         3.50, 2.3         3.66, 1.9
//! noise, f64    4.51, 11.7    4.40, 11.2    3.43, 4.4         3.48, 5.0         3.46, 5.0         3.70, 4.9
//! time, i64     6.33, 5.5     6.63, 4.9     0.19, 3.4         0.18, 3.3         0.08, 2.8         1.92, 7.7
//! ```
//!
//! So prices are whole numbers, shuffled: the low bytes, which are noise, are copied, and the high ones are a few symbols. A
//! bit shuffle with LZ4 was written for a while and given up: of the twelve columns together it saved 4 % of the bytes and took twice
//! the time, and it needs a check sum beside it. LZ4 behind a byte shuffle is nowhere smaller than zstd (through h5py: a price 1.02
//! bytes, a volume 1.04, noise 3.73).
//!
//! All twelve columns of 8 million rows that were f32, read whole as f32 on two cores, median of five:
//!
//! ```text
//!                                  bytes       as columns   as rows
//! Counted                          152.8 MB     80 ms       147 ms
//! Plain                            168.1 MB    337 ms       400 ms
//! Parquet, zstd 3 (pyarrow 21)     228.4 MB    175 ms (Polars 2.1; 145 to 175)
//! ```

use std::time::Instant;

use super::Kind;
use super::form::{BYTES, Form};
use crate::codec::{self, Error, Pipeline};

/// What the storage of a column is chosen by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// The bytes of a sample, stored and decoded: in the fewest bytes in which every value comes back with its very bits. Prices
    /// become whole numbers and a divisor, which programs other than this one must apply.
    #[default]
    Counted,
    /// As [`Choice::Counted`], with the time that decoding the sample takes on this machine, so that equal contents may give
    /// different files.
    Timed,
    /// Values stay as they are, in eight bytes; only the byte shuffle is chosen.
    Plain,
}

/// Rows of the sample.
const SAMPLE_ROWS: usize = 32_768;
/// Levels of zstd that are tried, up to the one that is asked for.
const LEVELS: [i32; 6] = [1, 3, 6, 9, 12, 15];
/// One part in so many must be gained by a higher level.
const WORTH: usize = 64;
/// One part in so many must be gained by a byte shuffle where only sizes count.
const SHUFFLED: usize = 32;
/// What part of the cost of a stored byte one costs that is decoded, and that is not shuffled: it takes two to seven times as
/// long, unless its element has eight bytes.
const DECODED: usize = 4;
const TANGLED: usize = 8;
/// How often the sample is decoded: the quickest counts.
const DECODES: usize = 3;

/// How the chunks of a column are stored.
#[derive(Clone, Debug)]
pub(super) struct Packing {
    pub form: Form,
    pub is_shuffled: bool,
    pub level: i32,
    pipeline: Pipeline,
    /// What was tried, in words.
    pub note: String,
}

/// Memory between two steps, used again from chunk to chunk.
#[derive(Debug, Default)]
pub(super) struct Room {
    pub narrow: Vec<u8>,
    stored: Vec<u8>,
    between: codec::Room,
}

/// A packing and what it costs.
struct Tried {
    packing: Packing,
    cost: usize,
    stored: usize,
}

impl Packing {
    fn new(form: Form, is_shuffled: bool, level: i32) -> Result<Self, Error> {
        const SHUFFLE: u16 = 2;
        const ZSTD: u16 = 32_015;
        let shuffle = is_shuffled.then(|| (SHUFFLE, vec![form.bytes() as u32]));
        let filters: Vec<(u16, Vec<u32>)> =
            shuffle.into_iter().chain([(ZSTD, vec![level.cast_unsigned()])]).collect();
        Ok(Self { form, is_shuffled, level, pipeline: Pipeline::new(&filters)?, note: String::new() })
    }

    /// The packings for a column with `chunk`, the cheapest first; where chunks before it are packed as `before`, of forms that may
    /// hold those as well. The last one holds any.
    pub fn ranked(
        kind: Kind,
        chunk: &[u8],
        before: Option<&Self>,
        (choice, level): (Choice, i32),
    ) -> Result<Vec<Self>, Error> {
        let sample = &chunk[..chunk.len().min(SAMPLE_ROWS * BYTES)];
        let forms = match choice {
            Choice::Plain => vec![Form::Plain(kind)],
            Choice::Counted | Choice::Timed => Form::all_of(kind, chunk, before.map(|before| before.form)),
        };
        let mut room = Room::default();
        let mut tried: Vec<Tried> = Vec::with_capacity(forms.len());
        for form in forms {
            tried.push(best(form, sample, (choice, level), &mut room)?);
        }
        // A column that has changed its form once may do so again, and the plain one is for ever.
        tried.sort_by_key(|tried| tried.cost);
        let told: Vec<String> =
            tried.iter().map(|tried| format!("{} {}", tried.stored, tried.packing)).collect();
        let note = format!("of {} bytes remain {}", sample.len(), told.join(", "));
        let note = match before {
            Some(before) => format!("{note}; later rows did not fit {}", before.form.name()),
            None => note,
        };
        let is_plain = |tried: &Tried| tried.packing.form == Form::Plain(kind);
        let end = tried.iter().position(is_plain).map_or(tried.len(), |at| at + 1);
        tried.truncate(end);
        Ok(tried.into_iter().map(|tried| Self { note: note.clone(), ..tried.packing }).collect())
    }

    /// Makes `stored` of `chunk`, lengthened to `rows` by zeros that no reader looks at; `None` when a value of it does not fit,
    /// else whether a number stands for NaN.
    pub fn pack(
        &self,
        chunk: &[u8],
        rows: usize,
        room: &mut Room,
        stored: &mut Vec<u8>,
    ) -> Result<Option<bool>, Error> {
        let Some(has_nan) = self.form.narrow(chunk, &mut room.narrow) else { return Ok(None) };
        room.narrow.resize(rows * self.form.bytes(), 0);
        self.pipeline.encode(&mut room.narrow, stored)?;
        Ok(Some(has_nan))
    }

    /// Makes `chunk` of `rows` values from what they are stored as.
    pub fn unpack(
        &self,
        stored: &[u8],
        rows: usize,
        room: &mut Room,
        chunk: &mut Vec<u8>,
    ) -> Result<(), Error> {
        room.narrow.resize(rows * self.form.bytes(), 0);
        self.pipeline.decode(0, stored, &mut room.between, &mut room.narrow)?;
        self.form.widen(&room.narrow, chunk);
        Ok(())
    }
}

impl std::fmt::Display for Packing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shuffle = if self.is_shuffled { "shuffle and " } else { "" };
        write!(f, "as {} by {shuffle}zstd {}", self.form.name(), self.level)
    }
}

/// The cheapest packing of `sample` in one form.
fn best(form: Form, sample: &[u8], (choice, level): (Choice, i32), room: &mut Room) -> Result<Tried, Error> {
    let rows = sample.len() / BYTES;
    let mut best =
        Tried { packing: Packing::new(form, false, level)?, cost: usize::MAX, stored: sample.len() };
    let levels = LEVELS.into_iter().filter(|tried| choice != Choice::Plain && *tried < level).chain([level]);
    let shuffles = if form.bytes() > 1 { &[false, true][..] } else { &[false] };
    for (level, &is_shuffled) in levels.flat_map(|level| shuffles.iter().map(move |is| (level, is))) {
        let packing = Packing::new(form, is_shuffled, level)?;
        let mut bytes = std::mem::take(&mut room.stored);
        // It holds the whole chunk, and so the sample.
        packing.pack(sample, rows, room, &mut bytes)?;
        let stored = bytes.len();
        let cost = match choice {
            Choice::Timed => stored + time(&packing, &bytes, rows, room)?,
            Choice::Counted => {
                stored + rows * form.bytes() / DECODED + if is_shuffled { 0 } else { stored / TANGLED }
            }
            Choice::Plain => stored + if is_shuffled { stored / SHUFFLED } else { 0 },
        };
        room.stored = bytes;
        let handicap = if level > best.packing.level { stored / WORTH } else { 0 };
        if cost.saturating_add(handicap) < best.cost {
            best = Tried { packing, cost, stored };
        }
    }
    Ok(best)
}

/// What decoding costs by the clock: a nanosecond as much as a stored byte, which a disk of 1 GB/s takes for it.
fn time(packing: &Packing, stored: &[u8], rows: usize, room: &mut Room) -> Result<usize, Error> {
    let mut least = usize::MAX;
    room.narrow.resize(rows * packing.form.bytes(), 0);
    for _ in 0..DECODES {
        let begun = Instant::now();
        packing.pipeline.decode(0, stored, &mut room.between, &mut room.narrow)?;
        least = least.min(usize::try_from(begun.elapsed().as_nanos()).unwrap_or(usize::MAX));
    }
    Ok(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: u64 = 20_000;

    fn ints(value: impl Fn(u64) -> i64) -> Vec<u8> {
        (0..ROWS).flat_map(|row| value(row).to_le_bytes()).collect()
    }

    fn floats(value: impl Fn(u64) -> f64) -> Vec<u8> {
        (0..ROWS).flat_map(|row| value(row).to_le_bytes()).collect()
    }

    fn walk(row: u64) -> u64 {
        (row.wrapping_mul(6_364_136_223_846_793_005) >> 33) % 200
    }

    fn first(kind: Kind, chunk: &[u8], choice: Choice) -> Packing {
        Packing::ranked(kind, chunk, None, (choice, 3)).unwrap().swap_remove(0)
    }

    #[test]
    fn each_column_as_suits_it() {
        let times = ints(|row| 1_600_000_000_000_000_000 + row as i64 * 60_000_000_000);
        let prices = floats(|row| (157_000 + walk(row)) as f64 / 100_000.0);
        let volumes = floats(|row| walk(row) as f64 * 50.0);
        let noise = floats(|row| {
            f64::from_bits(0x3FF0_0000_0000_0000 | row.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 12)
        });
        let single = floats(|row| f64::from((row as f32).sqrt()));
        let symbols = ints(|row| row as i64 % 3);
        let ticks = |bytes, divisor| Form::Ticks { bytes, divisor, is_single: false };
        for (kind, chunk, form, plain_is_shuffled) in [
            (Kind::I64, &times, Form::Plain(Kind::I64), Some(true)),
            (Kind::F64, &prices, ticks(4, 100_000), Some(false)),
            (Kind::F64, &volumes, ticks(2, 1), None),
            (Kind::F64, &noise, Form::Plain(Kind::F64), Some(true)),
            (Kind::F64, &single, Form::Single, None),
            (Kind::I64, &symbols, Form::Short { bytes: 1 }, None),
        ] {
            let packing = first(kind, chunk, Choice::Counted);
            assert_eq!(packing.form, form, "{}", packing.note);
            let plain = first(kind, chunk, Choice::Plain);
            assert_eq!(plain.form, Form::Plain(kind));
            assert!(plain_is_shuffled.is_none_or(|is| plain.is_shuffled == is), "{}", plain.note);
            for packing in [packing, plain] {
                let (mut room, mut stored, mut back) = (Room::default(), Vec::new(), Vec::new());
                let rows = ROWS as usize + 10;
                assert_eq!(packing.pack(chunk, rows, &mut room, &mut stored).unwrap(), Some(false));
                packing.unpack(&stored, rows, &mut room, &mut back).unwrap();
                assert!(
                    back[..chunk.len()] == chunk[..] && back[chunk.len()..].iter().all(|byte| *byte == 0)
                );
            }
        }
    }

    #[test]
    fn what_goes_on_may_become_wider_and_ends_as_it_is() {
        let before = first(Kind::F64, &floats(|row| walk(row) as f64 / 10.0), Choice::Counted);
        assert_eq!(before.form, Form::Ticks { bytes: 2, divisor: 10, is_single: false });
        let chunk = floats(|row| walk(row) as f64 / 1000.0);
        let ranked = Packing::ranked(Kind::F64, &chunk, Some(&before), (Choice::Counted, 3)).unwrap();
        let forms: Vec<Form> = ranked.iter().map(|packing| packing.form).collect();
        let ticks = |bytes| Form::Ticks { bytes, divisor: 1000, is_single: false };
        assert_eq!(forms[..2], [ticks(2), ticks(4)]);
        assert_eq!(forms.last(), Some(&Form::Plain(Kind::F64)));
        assert!(ranked[0].note.ends_with("later rows did not fit i16 / 10"), "{}", ranked[0].note);
    }
}
