//! What fuzzers call: bytes from anywhere, and the promises that hold for them.
//!
//! Only compiled for tests and under `cfg(fuzzing)`, which `make fuzz` sets; the targets in `fuzz/` are one call each. Under
//! it check sums of metadata are not compared, or no changed byte would ever reach what is behind them.

use std::path::Path;
use std::sync::Arc;

use crate::codec::{self, Pipeline, Room};
use crate::sampler::{Cursor, Order, Shape, Shard, Windows};
use crate::source::memory::Memory;
use crate::table::{Options, Table};

/// Opens `bytes` as a table and reads the first and the last rows of every column: values or an error.
pub fn hdf5(bytes: &[u8]) {
    const BUDGET_BYTES: u64 = 1 << 20;
    const ROWS_MAX: u64 = 1000;
    let options = Options { budget_bytes: BUDGET_BYTES, threads: 1, ..Options::default() };
    let source = Arc::new(Memory::new(bytes.to_vec()));
    let Ok(table) = Table::of_source(source, Path::new("bytes"), &options) else { return };
    let rows = table.rows().min(ROWS_MAX);
    let mut values = vec![0.0; rows as usize];
    for column in table.columns() {
        let _ = table.read_f64(&column.name, 0..rows, &mut values);
        let _ = table.read_f64(&column.name, table.rows() - rows..table.rows(), &mut values);
    }
}

/// Decodes with the filter that the first byte names and the options that follow; never more than there is room.
pub fn codecs(bytes: &[u8]) {
    const OPTIONS: usize = 5;
    let Some((&[number, room, ..], stored)) = bytes.split_first_chunk::<{ 2 + OPTIONS }>() else { return };
    let codec = codec::ALL[usize::from(number) % codec::ALL.len()];
    let options = bytes[2..2 + OPTIONS].iter().map(|&option| option.into()).collect();
    let Ok(pipeline) = Pipeline::new(&[(codec.id(), options)]) else { return };
    let mut raw = vec![0; usize::from(room) * 64];
    let _ = pipeline.decode(0, stored, &mut Room::default(), &mut raw);
}

/// Goes on from a cursor made of bytes: it is refused, or leads through windows that there are, and ends.
///
/// The first bytes choose windows, weights and how they are walked, the last 40 are the cursor; unless the first byte is odd,
/// its plan and seed are made the right ones, or no other byte would ever count.
pub fn cursor(bytes: &[u8]) {
    const CURSOR: usize = 40;
    const RIGHT: usize = 16;
    let Some((chosen, cursor)) = bytes.split_last_chunk::<CURSOR>() else { return };
    let Some(&[flags, rows, gap, length, stride, block, most, world, weight]) = chosen.first_chunk::<9>()
    else {
        return;
    };
    let shape = Shape { length: length.into(), stride: stride.into(), horizon: u64::from(flags >> 4) };
    let rows = u64::from(rows) * 8;
    let Ok(windows) = Windows::new(0..rows, &[gap.into()], shape) else { return };
    let windows = windows.clone().weighted(&[(0, 1.0), (rows / 3 + 1, f64::from(weight))]).unwrap_or(windows);
    let order = if flags & 2 == 0 { Order::Sequential } else { Order::Shuffled { seed: flags.into() } };
    let right = |own: Cursor| {
        let mut bytes = *cursor;
        if flags & 1 == 0 {
            bytes[..RIGHT].copy_from_slice(&own.to_bytes()[..RIGHT]);
        }
        let cursor = Cursor::from_bytes(&bytes);
        assert_eq!(cursor.to_bytes(), bytes);
        cursor
    };
    let is_one =
        |start: u64| start + shape.span() <= rows && windows.starting_in(start..start + 1).count() == 1;
    let Ok(epoch) = windows.epoch(order, 0, block.into()) else { return };
    let most_in_all = windows.count() * windows.times_max();
    if let Ok(rest) = epoch.clone().resume(right(epoch.cursor())) {
        let starts: Vec<u64> = rest.flat_map(|block| block.starts).collect();
        assert!(starts.len() as u64 <= most_in_all && starts.into_iter().all(is_one));
    }
    let shard = Shard { rank: u64::from(flags >> 6), world: world.into() };
    let Ok(mixes) = epoch.mixed(most.into(), shard) else { return };
    let own = right(mixes.cursor());
    if let Ok(rest) = mixes.resume(own) {
        let (block_rows, mut seen) = (rest.block_rows(), 0);
        for mix in rest {
            seen += mix.order.len() as u64;
            let mut starts = mix
                .order
                .iter()
                .map(|place| place.split(block_rows))
                .map(|(at, row)| mix.blocks[at].start + row as u64);
            assert!(starts.all(is_one));
        }
        assert!(seen <= most_in_all);
    }
}

/// Reads `bytes`, whose first says how numbers and dates are written, as CSV: rows or an error.
#[cfg(feature = "libhdf5")]
pub fn csv(bytes: &[u8]) {
    use crate::csv::{Dates, Dialect, Options};
    let Some((&dialect, text)) = bytes.split_first() else { return };
    let dates = [None, Some(Dates::DayMonthYear), Some(Dates::MonthDayYear)][usize::from(dialect >> 1) % 3];
    let dialect = Dialect { decimal_comma: dialect & 1 == 1, dates };
    in_file(text, |path| {
        let _ = crate::csv::read(path, &Options { dialect, ..Options::default() });
    });
}

/// Reads `bytes` as an array of NumPy: rows or an error.
#[cfg(feature = "libhdf5")]
pub fn npy(bytes: &[u8]) {
    in_file(bytes, |path| {
        let _ = crate::import::read(path);
    });
}

/// Calls `read` with a file in memory that holds `bytes`.
#[cfg(feature = "libhdf5")]
fn in_file(bytes: &[u8], read: impl FnOnce(&Path)) {
    let folder = Path::new("/dev/shm");
    let folder = if folder.is_dir() { folder.to_path_buf() } else { std::env::temp_dir() };
    let Ok(mut file) = tempfile::NamedTempFile::new_in(folder) else { return };
    if std::io::Write::write_all(&mut file, bytes).is_ok() {
        read(file.path());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    #[test]
    fn noise_is_refused() {
        super::hdf5(b"\x89HDF\r\n\x1a\nnoise");
        super::codecs(&[8; 100]);
        super::codecs(&[]);
        super::cursor(&[]);
        #[cfg(feature = "libhdf5")]
        {
            super::csv(b"\x00time,close\n1,2\n\"2\",3\n");
            super::csv(b"\x03noise");
            super::npy(b"\x93NUMPY\x01\x00noise");
        }
    }

    proptest! {
        #[test]
        fn any_cursor_is_refused_or_leads_through_windows(mut bytes in proptest::collection::vec(any::<u8>(), 49), near: bool) {
            if near {
                // Block and offset that may be there.
                bytes[9 + 25..9 + 32].fill(0);
                bytes[9 + 34..].fill(0);
            }
            super::cursor(&bytes);
        }
    }
}
