//! Files that h5py wrote, read natively: every value equal to what h5py reads back.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use diapason_loader::table::{Backend, Options, Table};
use diapason_tests::{need, oracle::ask, require};

fn oracle(script: &str) -> PathBuf {
    need::repository().join("loader/tests/oracles").join(script)
}

/// Little-endian numbers of a file.
fn numbers(path: &Path) -> Vec<f64> {
    let bytes = std::fs::read(path).unwrap();
    bytes.as_chunks::<8>().0.iter().map(|raw| f64::from_le_bytes(*raw)).collect()
}

#[test]
fn every_layout_that_h5py_writes() {
    require!(Oracles);
    let folder = tempfile::tempdir().unwrap();
    let listing = ask(&oracle("write_tables.py"), &[folder.path().to_str().unwrap()], b"");
    let listing = String::from_utf8(listing).unwrap();
    let mut cases = 0;
    for line in listing.lines() {
        let mut words = line.split(' ');
        let case = words.next().unwrap();
        for backend in [Backend::Pread, Backend::Uring] {
            if backend == Backend::Uring && diapason_loader::source::uring::probe().is_err() {
                continue;
            }
            let options = Options { backend, ..Options::default() };
            let table = Table::open_with(folder.path().join(format!("{case}.h5")), &options);
            let table = table.unwrap_or_else(|error| panic!("{case}: {error}"));
            for column in words.clone() {
                let expected = numbers(&folder.path().join(format!("{case}.{column}.f64")));
                assert_eq!(table.rows(), expected.len() as u64, "{case}");
                let mut found = vec![f64::NAN; expected.len()];
                let read = table.read_f64(column, 0..table.rows(), &mut found);
                read.unwrap_or_else(|error| panic!("{case}: {error}"));
                assert_eq!(found, expected, "{case}, {column}");
                // In pieces that begin and end anywhere.
                let (mut row, mut step) = (0, 1);
                while row < expected.len() {
                    let end = (row + step).min(expected.len());
                    let piece = &mut found[..end - row];
                    piece.fill(f64::NAN);
                    table.read_f64(column, row as u64..end as u64, piece).unwrap();
                    assert_eq!(piece, &expected[row..end], "{case}, {column}, rows {row} to {end}");
                    (row, step) = (end, step * 2 + 1);
                }
                cases += 1;
            }
        }
    }
    assert!(cases > 300, "{cases}");
}

#[test]
fn columns_that_are_parts_of_a_data_set() {
    require!(Oracles);
    let folder = tempfile::tempdir().unwrap();
    let listing = ask(&oracle("write_records.py"), &[folder.path().to_str().unwrap()], b"");
    let listing = String::from_utf8(listing).unwrap();
    let mut values = 0;
    for line in listing.lines() {
        let words: Vec<&str> = line.split('\t').collect();
        let (case, group, columns) = (words[0], words[1], &words[2..]);
        let options = Options { group: group.to_owned(), ..Options::default() };
        let table = Table::open_with(folder.path().join(format!("{case}.h5")), &options);
        let table = table.unwrap_or_else(|error| panic!("{case}: {error}"));
        for (number, column) in columns.iter().enumerate() {
            let expected = numbers(&folder.path().join(format!("{case}.{number}.f64")));
            let mut found = vec![f64::NAN; expected.len()];
            values += expected.len();
            if *column == "timestamp" {
                let mut times = vec![0; expected.len()];
                table.read_i64(column, 0..table.rows(), &mut times).unwrap();
                assert!(
                    times.iter().zip(&expected).all(|(time, expected)| *time as f64 == *expected),
                    "{case}"
                );
                continue;
            }
            table
                .read_f64(column, 0..table.rows(), &mut found)
                .unwrap_or_else(|error| panic!("{case}: {error}"));
            assert_eq!(found, expected, "{case}, {column}");
            let middle = expected.len() / 2..expected.len() / 2 + 70;
            let range = middle.start as u64..middle.end as u64;
            table.read_f64(column, range, &mut found[..70]).unwrap();
            assert_eq!(found[..70], expected[middle], "{case}, {column}");
        }
    }
    assert!(values > 1_000_000, "{values}");
}

#[test]
fn attributes_of_every_kind() {
    require!(Oracles);
    let folder = tempfile::tempdir().unwrap();
    for bound in ["earliest", "latest"] {
        let path = folder.path().join(bound);
        let written = ask(&oracle("read_attributes.py"), &[path.to_str().unwrap(), bound], b"");
        let expected: serde_json::Value = serde_json::from_slice(&written).unwrap();
        let table = Table::open(&path).unwrap();
        let found = serde_json::json!([table.attributes(), table.columns()[0].attributes]);
        assert_eq!(found, expected, "{bound}");
    }
}
