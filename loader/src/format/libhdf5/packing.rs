//! How the values of a column are stored: tried out on a sample of its first chunk, since nobody can tell beforehand.
//!
//! ```text
//! chunk -> forms that hold it -> zstd | shuffle, zstd | bit shuffle with LZ4, check sum -> the cheapest of all
//! ```
//!
//! Each [`Form`] that gives back every bit is packed in each [`Way`], with zstd at some levels. The cheapest is taken, by the
//! time that reading it back takes: a byte that is stored costs what a disk of 1 GB/s takes for it, one that is decoded what the
//! way takes for it on a core of an AMD EPYC (Zen 4, 2026-11-23). These are constants rather than a clock, so
//! equal contents give equal files on every machine; [`Choice::Timed`] takes the clock. What was tried is noted in the file.
//!
//! Measured there, through h5py 3.16 with hdf5plugin 7.1 on the columns of `benches/rivals/loader.py`, in stored bytes and decoding
//! nanoseconds a value:
//!
//! ```text
//!               zstd-3        shuffle, zstd-3   shuffle, LZ4   bit shuffle, LZ4   bit shuffle, zstd-1
//! price, i16    0.93, 2.8     1.01, 1.2         1.02, 0.9      0.74, 0.9          0.68, 4.4
//! price, f32    1.00, 5.5     1.26, 5.9         2.06, 2.4      2.06, 2.2          1.98, 9.2
//! price, f64    1.23, 9.1     1.77, 8.2         2.79, 4.4      2.10, 3.6          2.03, 14.9
//! volume, i16   1.00, 2.9     0.82, 2.2         1.04, 1.1      0.98, 1.1          0.92, 5.3
//! noise, f32    3.70, 3.9     3.49, 4.3         3.73, 2.4      3.65, 2.0          3.64, 7.1
//! ```
//!
//! So a price is a whole number, its bits are shuffled, and LZ4 is enough; level 6 of zstd gains 7 parts of 100 on prices and is as
//! slow. A byte shuffle with LZ4 and a bit shuffle with zstd are nowhere the cheapest and are not written. LZ4 has no check sum of its
//! own, so one follows it (filter 3).

use std::time::Instant;

use super::Kind;
use super::form::{BYTES, Form};
use crate::codec::{self, Error, Pipeline, bitshuffle};

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
/// What a stored byte costs, in hundredths of a nanosecond; see [`Way::decoded`].
const STORED: usize = 100;
/// How often the sample is decoded: the quickest counts.
const DECODES: usize = 3;

/// The filters between values and file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Zstd { is_shuffled: bool, level: i32 },
    Bits,
}

impl Way {
    /// Those that are tried for elements of `bytes`.
    fn all(bytes: usize, (choice, level): (Choice, i32)) -> impl Iterator<Item = Self> {
        let levels =
            LEVELS.into_iter().filter(move |tried| choice != Choice::Plain && *tried < level).chain([level]);
        let zstd = levels.flat_map(move |level| {
            let shuffles = [false, true].into_iter().take(if bytes > 1 { 2 } else { 1 });
            shuffles.map(move |is_shuffled| Self::Zstd { is_shuffled, level })
        });
        zstd.chain((choice != Choice::Plain).then_some(Self::Bits))
    }

    /// Filters by number and options, for elements of `bytes`.
    fn filters(self, bytes: usize) -> Vec<(u16, Vec<u32>)> {
        const SHUFFLE: u16 = 2;
        const FLETCHER32: u16 = 3;
        const BITSHUFFLE: u16 = 32_008;
        const ZSTD: u16 = 32_015;
        match self {
            Self::Zstd { is_shuffled, level } => {
                let shuffle = is_shuffled.then(|| (SHUFFLE, vec![bytes as u32]));
                shuffle.into_iter().chain([(ZSTD, vec![level.cast_unsigned()])]).collect()
            }
            Self::Bits => {
                vec![(BITSHUFFLE, bitshuffle::options(bytes as u32).to_vec()), (FLETCHER32, Vec::new())]
            }
        }
    }

    /// What decoding a byte costs, in hundredths of a nanosecond.
    const fn decoded(self) -> usize {
        match self {
            Self::Zstd { is_shuffled: false, .. } => 125,
            Self::Zstd { is_shuffled: true, .. } => 85,
            Self::Bits => 45,
        }
    }

    const fn is_shuffled(self) -> bool {
        matches!(self, Self::Zstd { is_shuffled: true, .. })
    }

    const fn level(self) -> i32 {
        match self {
            Self::Zstd { level, .. } => level,
            Self::Bits => 0,
        }
    }
}

/// How the chunks of a column are stored.
#[derive(Clone, Debug)]
pub(super) struct Packing {
    pub form: Form,
    way: Way,
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
    fn new(form: Form, way: Way) -> Result<Self, Error> {
        let pipeline = Pipeline::new(&way.filters(form.bytes()))?;
        Ok(Self { form, way, pipeline, note: String::new() })
    }

    /// The filters, first to last.
    pub fn filters(&self) -> Vec<(u16, Vec<u32>)> {
        self.pipeline.filters()
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
        let way = match self.way {
            Way::Zstd { is_shuffled: false, level } => format!("zstd {level}"),
            Way::Zstd { is_shuffled: true, level } => format!("shuffle and zstd {level}"),
            Way::Bits => "bit shuffle and LZ4".to_owned(),
        };
        write!(f, "as {} by {way}", self.form.name())
    }
}

/// The cheapest packing of `sample` in one form.
fn best(form: Form, sample: &[u8], (choice, level): (Choice, i32), room: &mut Room) -> Result<Tried, Error> {
    let rows = sample.len() / BYTES;
    let plain = Packing::new(form, Way::Zstd { is_shuffled: false, level })?;
    let mut best = Tried { packing: plain, cost: usize::MAX, stored: sample.len() };
    for way in Way::all(form.bytes(), (choice, level)) {
        let packing = Packing::new(form, way)?;
        let mut bytes = std::mem::take(&mut room.stored);
        // It holds the whole chunk, and so the sample.
        packing.pack(sample, rows, room, &mut bytes)?;
        let decoding = match choice {
            Choice::Timed => time(&packing, &bytes, rows, room)?,
            Choice::Counted => rows * form.bytes() * way.decoded(),
            Choice::Plain if way.is_shuffled() => bytes.len() * STORED / SHUFFLED,
            Choice::Plain => 0,
        };
        let stored = bytes.len();
        room.stored = bytes;
        let handicap = if way.level() > best.packing.way.level() { stored / WORTH } else { 0 };
        let cost = stored * STORED + decoding;
        if cost.saturating_add(handicap * STORED) < best.cost {
            best = Tried { packing, cost, stored };
        }
    }
    Ok(best)
}

/// What decoding takes by the clock, in hundredths of a nanosecond.
fn time(packing: &Packing, stored: &[u8], rows: usize, room: &mut Room) -> Result<usize, Error> {
    let (mut chunk, mut least) = (Vec::new(), usize::MAX);
    for _ in 0..DECODES {
        let begun = Instant::now();
        packing.unpack(stored, rows, room, &mut chunk)?;
        least = least.min(usize::try_from(begun.elapsed().as_nanos() * 100).unwrap_or(usize::MAX));
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
            assert!(plain_is_shuffled.is_none_or(|is| plain.way.is_shuffled() == is), "{}", plain.note);
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
