//! The CSV import against Python's csv, datetime and float, and against h5py; and what it says of bad input.
#![cfg(feature = "libhdf5")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use diapason_loader::csv::{self, Error, Options, Progress, Report};
use diapason_loader::table::Table;
use diapason_tests::{need, oracle::ask, require};

fn oracle() -> PathBuf {
    need::repository().join("loader/tests/oracles/check_import.py")
}

fn import(input: &Path, output: &Path, options: &Options) -> Result<(Report, Vec<Progress>), Error> {
    let mut seen = Vec::new();
    let report = csv::import(input, output, options, &mut |progress| seen.push(progress))?;
    Ok((report, seen))
}

/// Imports a real file and has every value compared.
fn check(file: &str, names: &str, columns: &[&str], rows: u64) -> Report {
    let (folder, input) = (tempfile::tempdir().unwrap(), need::shared(file));
    let output = folder.path().join("out.h5");
    // Small chunks, so that there are many, and the last one is not full.
    let options = Options { chunk_rows: 1000, ..Options::default() };
    let (report, seen) = import(&input, &output, &options).unwrap();
    let mut arguments = vec![input.to_str().unwrap(), output.to_str().unwrap(), names];
    arguments.extend(columns);
    let compared = String::from_utf8(ask(&oracle(), &arguments, b"")).unwrap();
    assert_eq!(compared.trim(), (rows * columns.len() as u64).to_string());

    let bytes = std::fs::metadata(&input).unwrap().len();
    assert_eq!((report.rows, report.bytes_in), (rows, bytes));
    assert_eq!(report.bytes_out, std::fs::metadata(&output).unwrap().len());
    assert_eq!(seen.last(), Some(&Progress { bytes, bytes_total: bytes, rows }));
    assert_eq!(report.header, names == "yes");

    // The native reader agrees with h5py: both equal the text.
    let table = Table::open(&output).unwrap();
    let found: Vec<&str> = table.columns().iter().map(|column| column.name.as_str()).collect();
    assert_eq!(found, columns);
    let mut times = vec![0; rows as usize];
    table.read_i64(columns[0], 0..rows, &mut times).unwrap();
    assert_eq!((times[0], times[rows as usize - 1]), (report.first_ns, report.last_ns));
    report
}

#[test]
fn real_bars_without_a_zone() {
    require!(Shared, Oracles);
    let columns = ["timestamp", "open", "high", "low", "close", "volume"];
    let report = check("btc-perp-1m-2022-01.csv", "yes", &columns, 45_031);
    assert!(report.zone.contains("assumed"), "{}", report.zone);
}

#[test]
fn real_bars_with_a_zone_and_gaps() {
    require!(Shared, Oracles);
    let columns = ["timestamp", "open", "high", "low", "close"];
    let report = check("gbpusd-1m-bid-2012.csv", "yes", &columns, 30_117);
    assert!(report.zone.contains("stated"), "{}", report.zone);
}

#[test]
fn real_quotes_without_a_header() {
    require!(Shared, Oracles);
    let report = check("quote-ticks.csv", "no", &["timestamp", "bid", "ask", "volume"], 9_500);
    assert_eq!(report.timestamp, "YYYYMMDD HHMMSSmmm without a zone");
}
