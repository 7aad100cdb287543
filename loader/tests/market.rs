//! The made-up market against its documentation written once more in Python, bit for bit, through the file.
#![cfg(feature = "libhdf5")]

use diapason_loader::market::{self, Options};
use diapason_loader::table::Table;
use diapason_tests::{need, oracle::ask, require};

const COLUMNS: [&str; 5] = ["open", "high", "low", "close", "volume"];

#[test]
fn every_bit_is_as_documented() {
    require!(Oracles);
    let folder = tempfile::tempdir().unwrap();
    let script = need::repository().join("loader/tests/oracles/market.py");
    for (seed, rows, weekends_closed) in [(7u64, 20_000u64, false), (u64::MAX, 9_000, true)] {
        let path = folder.path().join(seed.to_string());
        let options = Options { rows, seed, weekends_closed, chunk_rows: 4096, ..Options::default() };
        market::generate(&path, &options, &mut |_| {}).unwrap();
        let table = Table::open(&path).unwrap();
        let mut times = vec![0; rows as usize];
        table.read_i64("timestamp", 0..rows, &mut times).unwrap();
        let values = COLUMNS.map(|column| {
            let mut values = vec![0.0; rows as usize];
            table.read_f64(column, 0..rows, &mut values).unwrap();
            values
        });
        let found: Vec<u8> = (0..rows as usize)
            .flat_map(|row| {
                let time = times[row].to_le_bytes().to_vec();
                values.iter().fold(time, |bytes, column| [bytes, column[row].to_le_bytes().to_vec()].concat())
            })
            .collect();
        let closed = if weekends_closed { "1" } else { "0" };
        let expected = ask(&script, &[&seed.to_string(), &rows.to_string(), closed], b"");
        let row = found.chunks(48).zip(expected.chunks(48)).position(|(found, expected)| found != expected);
        assert_eq!((found.len(), row), (expected.len(), None));
    }
}
