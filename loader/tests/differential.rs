//! Files drawn at random over layout x type x byte order x filter x chunk shape x fill x library version, written by h5py,
//! hdf5plugin and PyTables: every value has the bits that they read back.
//!
//! A hundred files a run; `DIFFERENTIAL_FILES=10000 cargo test -p diapason-loader --test differential` for a long one, with
//! `DIFFERENTIAL_SEED` for other files.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking and says what it did")]

use std::path::Path;

use diapason_loader::table::{Options, Table};
use diapason_tests::{need, oracle::ask, require};

/// Files that are on disk at once.
const BATCH: u64 = 100;

/// Compares one file; gives the number of values.
fn compare(folder: &Path, case: &str, lines: &[&str]) -> usize {
    let blob = std::fs::read(folder.join(format!("{case}.bin"))).unwrap();
    let mut raws = blob.as_chunks::<8>().0.iter();
    let first: Vec<&str> = lines[0].split('\t').collect();
    let options = Options { group: first[1].to_owned(), ..Options::default() };
    let table = Table::open_with(folder.join(format!("{case}.h5")), &options);
    let table = table.unwrap_or_else(|error| panic!("{case}: {error}\n{}", first[5]));
    let mut values = 0;
    for line in lines {
        let words: Vec<&str> = line.split('\t').collect();
        let (column, sort, count, told) = (words[2], words[3], words[4].parse().unwrap(), words[5]);
        assert_eq!(table.rows(), count, "{case}, {told}");
        let expected: Vec<[u8; 8]> = raws.by_ref().take(count as usize).copied().collect();
        let found: Vec<[u8; 8]> = if sort == "f" {
            let mut found = vec![0.0; count as usize];
            let read = table.read_f64(column, 0..count, &mut found);
            read.unwrap_or_else(|error| panic!("{case}, {column}: {error}\n{told}"));
            found.into_iter().map(f64::to_le_bytes).collect()
        } else {
            let mut found = vec![0; count as usize];
            let read = table.read_i64(column, 0..count, &mut found);
            read.unwrap_or_else(|error| panic!("{case}, {column}: {error}\n{told}"));
            found.into_iter().map(i64::to_le_bytes).collect()
        };
        let differs = found.iter().zip(&expected).position(|(found, expected)| found != expected);
        if let Some(row) = differs {
            panic!("{case}, {column}, row {row}: {:?}, h5py has {:?}\n{told}", found[row], expected[row]);
        }
        values += found.len();
    }
    values
}

#[test]
fn every_value_has_the_bits_that_its_writer_reads_back() {
    require!(Oracles);
    let asked = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |text| text.parse().expect("a whole number"))
    };
    let (files, seed) = (asked("DIFFERENTIAL_FILES", 100), asked("DIFFERENTIAL_SEED", 1));
    let script = need::repository().join("loader/tests/oracles/write_differential.py");
    let (mut cases, mut values) = (0, 0);
    for batch in 0..files.div_ceil(BATCH) {
        let folder = tempfile::tempdir().unwrap();
        let (seed, count) =
            ((seed * 1_000_000 + batch).to_string(), BATCH.min(files - batch * BATCH).to_string());
        let listing = ask(&script, &[folder.path().to_str().unwrap(), &seed, &count], b"");
        let listing = String::from_utf8(listing).unwrap();
        let lines: Vec<&str> = listing.lines().collect();
        let case = |line: &&str| line.split('\t').next().unwrap_or_default().to_owned();
        for lines in lines.chunk_by(|a, b| case(a) == case(b)) {
            values += compare(folder.path(), &case(&lines[0]), lines);
            cases += 1;
        }
    }
    println!("{cases} files, {values} values");
    assert!(cases * 100 >= files * 95, "{cases} files of {files} had a column");
}
