//! Matrices that h5py wrote: every value equal to what h5py reads back, by column and by row, at any number of threads.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use diapason_loader::table::{Backend, Damage, Index, Options, Table};
use diapason_tests::{need, oracle::ask, require};

/// Little-endian numbers of a file.
fn numbers(path: &Path) -> Vec<f64> {
    let bytes = std::fs::read(path).unwrap();
    bytes.as_chunks::<8>().0.iter().map(|raw| f64::from_le_bytes(*raw)).collect()
}

#[test]
fn every_division_into_chunks() {
    require!(Oracles);
    let folder = tempfile::tempdir().unwrap();
    let script = need::repository().join("loader/tests/oracles/write_matrices.py");
    let listing = String::from_utf8(ask(&script, &[folder.path().to_str().unwrap()], b"")).unwrap();
    let has_uring = diapason_loader::source::uring::probe().is_ok();
    for (at, line) in listing.lines().enumerate() {
        let mut words = line.split(' ');
        let case = words.next().unwrap();
        let columns: Vec<&str> = words.collect();
        let expected: Vec<Vec<f64>> = columns
            .iter()
            .map(|column| numbers(&folder.path().join(format!("{case}.{column}.f64"))))
            .collect();
        let rows = expected[0].len();
        let backend = if has_uring && at % 2 == 0 { Backend::Uring } else { Backend::Pread };
        let options = Options { backend, threads: 1 + at % 3, ..Options::default() };
        let table = Table::open_with(folder.path().join(format!("{case}.h5")), &options);
        let table = table.unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_eq!(table.rows(), rows as u64, "{case}");
        for (column, expected) in columns.iter().zip(&expected) {
            let mut found = vec![f64::NAN; rows];
            table.read_f64(column, 0..table.rows(), &mut found).unwrap();
            assert_eq!(&found, expected, "{case}, {column}");
            table.read_f64(column, 777..1111, &mut found[777..1111]).unwrap();
            assert_eq!(&found, expected, "{case}, a part of {column}");
        }
        // All columns in order, some in another order, and one twice.
        let some = [columns[2], columns[0], columns[2]];
        for names in [&columns[..], &columns[..columns.len() - 1], &some] {
            let selection = table.select(names).unwrap();
            for (from, to) in [(0, rows), (1, rows), (400, 800), (399, 801), (5, 5), (rows - 1, rows)] {
                let mut wide = vec![f64::NAN; (to - from) * names.len()];
                let range = from as u64..to as u64;
                table.read_selected(&selection, range.clone(), &mut wide, Damage::Fail).unwrap();
                let mut narrow = vec![f32::NAN; wide.len()];
                table.read_selected(&selection, range, &mut narrow, Damage::Fail).unwrap();
                for (row, (wide, narrow)) in
                    wide.chunks(names.len()).zip(narrow.chunks(names.len())).enumerate()
                {
                    for (place, name) in names.iter().enumerate() {
                        let column = columns.iter().position(|column| column == name).unwrap();
                        let value = expected[column][from + row];
                        assert_eq!(wide[place], value, "{case}, {name}, row {row} from {from}");
                        assert_eq!(narrow[place], value as f32, "{case}, {name}, row {row} from {from}");
                    }
                }
            }
        }
    }
    let named = Table::open(folder.path().join("named.h5")).unwrap();
    let skipped = named.skipped();
    assert_eq!((skipped.len(), skipped[0].name.as_str()), (1, "other"));
    assert_eq!(skipped[0].reason, "it is a matrix of 2499 rows, the columns have 2500");
    assert!(listing.lines().count() > 100);
}

#[test]
fn a_side_car_is_as_good_as_the_file() {
    require!(Oracles);
    let folder = tempfile::tempdir().unwrap();
    let script = need::repository().join("loader/tests/oracles/write_matrices.py");
    let listing = String::from_utf8(ask(&script, &[folder.path().to_str().unwrap()], b"")).unwrap();
    for case in listing.lines().filter_map(|line| line.split(' ').next()).step_by(7).chain(["named"]) {
        let path = folder.path().join(format!("{case}.h5"));
        let sidecar = folder.path().join(format!("{case}.idx"));
        let options = Options { sidecar: Some(sidecar.clone()), ..Options::default() };
        let open = || Table::open_with(&path, &options).unwrap();
        let read = |table: &Table| {
            let names: Vec<&str> = table.columns().iter().map(|column| column.name.as_str()).collect();
            let mut values = vec![0.0f64; table.rows() as usize * names.len()];
            let selection = table.select(&names).unwrap();
            table.read_selected(&selection, 0..table.rows(), &mut values, Damage::Fail).unwrap();
            values
        };
        let first = open();
        assert!(matches!(first.index(), Index::Kept), "{case}: {:?}", first.index());
        let second = open();
        assert!(matches!(second.index(), Index::SideCar), "{case}");
        assert_eq!(first.inspect(), second.inspect(), "{case}");
        assert_eq!(read(&first), read(&second), "{case}");

        // Every cut and every flipped bit is noticed, and the file is read instead.
        let whole = std::fs::read(&sidecar).unwrap();
        for at in (0..whole.len()).step_by(97) {
            let mut broken = whole.clone();
            broken[at] ^= 1 << (at % 8);
            for bytes in [&whole[..at], &broken] {
                std::fs::write(&sidecar, bytes).unwrap();
                let table = open();
                assert!(matches!(table.index(), Index::Kept), "{case}, byte {at}");
                assert_eq!(table.inspect(), first.inspect());
            }
        }
        assert_eq!(std::fs::read(&sidecar).unwrap(), whole, "{case}");
    }
    // Another time of change, another group: another file.
    let path = folder.path().join("named.h5");
    let options = Options { sidecar: Some(folder.path().join("named.idx")), ..Options::default() };
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    assert!(matches!(Table::open_with(&path, &options).unwrap().index(), Index::Kept));
    // A folder that cannot be written is said, and the table is open all the same.
    let options = Options { sidecar: Some(folder.path().join("none/idx")), ..Options::default() };
    assert!(matches!(Table::open_with(&path, &options).unwrap().index(), Index::NotKept(_)));
}
