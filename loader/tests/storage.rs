//! Columns in the fewest bytes that hold them: every value comes back with its bits, through our reader and through h5py.
#![cfg(feature = "libhdf5")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use diapason_loader::format::libhdf5::{Choice, Column, Kind, Values, Writer, Written};
use diapason_loader::repack;
use diapason_loader::table::{self, Attribute, Damage, Options, Table};
use diapason_loader::verify::{Hash, verify};
use diapason_tests::{need, oracle::ask, require};
use proptest::prelude::*;

const CHUNK: usize = 500;
const ROWS: usize = 3210;

/// A column: its name, its values, and what it is to be stored as.
type Case = (&'static str, table::Values, &'static str);

/// Pseudo-random numbers below `end`.
fn draw(row: usize, end: u64) -> f64 {
    let mixed = (row as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((mixed ^ mixed >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 33) as f64 % end as f64
}

fn floats(value: impl Fn(usize) -> f64) -> table::Values {
    table::Values::Float((0..ROWS).map(value).collect())
}

fn whole(value: impl Fn(usize) -> i64) -> table::Values {
    table::Values::Whole((0..ROWS).map(value).collect())
}

/// As `first` says, but for one row of a later chunk.
fn but(first: impl Fn(usize) -> f64, other: f64) -> table::Values {
    floats(move |row| if row == 2222 { other } else { first(row) })
}

fn cases() -> Vec<Case> {
    let price = |row| (10_000.0 + draw(row, 300)) / 100.0;
    let noise = |row: usize| (row as f64 + 2.0).sqrt();
    vec![
        ("time", whole(|row| 1_640_995_200_000_000_000 + row as i64 * 60_000_000_000), "i64"),
        ("price", floats(price), "i16 / 100"),
        ("quarter", floats(|row| 5000.0 + draw(row, 40) * 0.25), "f32"),
        ("volume", floats(|row| draw(row, 60)), "i8 / 1"),
        ("single price", floats(|row| f64::from(price(row) as f32)), "i16 / 100 as f32"),
        ("signed", floats(|row| (draw(row, 300) - 150.0) / 10.0), "i16 / 10"),
        ("product", floats(|row| (10_000.0 + draw(row, 300)) * 0.01), "f64"),
        ("noise", floats(noise), "f64"),
        ("single", floats(|row| f64::from(noise(row) as f32)), "f32"),
        ("side", whole(|row| row as i64 % 3 - 1), "i8"),
        ("nan", floats(|row| if row % 7 == 3 { f64::NAN } else { price(row) }), "i16 / 100"),
        ("later nan", but(price, f64::NAN), "i16 / 100"),
        ("later wider", but(price, 98_765.43), "i32 / 100"),
        ("later finer", but(price, 101.375), "i32 / 1000"),
        ("later much wider", but(price, 98_765_432_101.37), "i64 / 100"),
        ("later noise", but(price, 1.0f64.exp()), "f64"),
        ("later zero", but(price, -0.0), "f64"),
        ("later infinite", but(price, f64::INFINITY), "f64"),
        ("later other nan", but(price, f64::from_bits(0x7FF8_0000_0000_0001)), "f64"),
        ("later huge", but(price, f64::MAX), "f64"),
        ("later double", but(|row| f64::from(noise(row) as f32), 1.0f64.exp()), "f64"),
        ("later more", whole(|row| if row == 2999 { 70_000 } else { row as i64 % 50 }), "i32"),
        ("later most", whole(|row| if row == 3000 { i64::MIN } else { row as i64 % 50 }), "i64"),
        ("last row", floats(|row| if row + 1 == ROWS { 0.001 } else { price(row) }), "i32 / 1000"),
        // Each chunk needs a finer step than those before it, so it is given up.
        ("finer and finer", floats(|row| 1.0 + draw(row, 9) / 10f64.powi((row / CHUNK) as i32)), "f64"),
    ]
}

fn write(path: &Path, cases: &[Case], choice: Choice, threads: usize) -> Written {
    let columns: Vec<Column> = cases
        .iter()
        .map(|(name, values, _)| Column {
            name: (*name).to_owned(),
            kind: if matches!(values, table::Values::Float(_)) { Kind::F64 } else { Kind::I64 },
            unit: "1".to_owned(),
            role: "other".to_owned(),
        })
        .collect();
    let mut writer = Writer::create(path, &columns, CHUNK, 3).unwrap().choosing(choice);
    for from in (0..ROWS).step_by(700) {
        let rows = from..ROWS.min(from + 700);
        let some: Vec<Values<'_>> = cases
            .iter()
            .map(|(_, values, _)| match values {
                table::Values::Whole(values) => Values::I64(&values[rows.clone()]),
                table::Values::Float(values) => Values::F64(&values[rows.clone()]),
            })
            .collect();
        writer.push_rows(&some, threads).unwrap();
    }
    writer.finish(&[]).unwrap()
}

fn bits(values: &table::Values) -> Vec<u64> {
    match values {
        table::Values::Whole(values) => values.iter().map(|value| value.cast_unsigned()).collect(),
        table::Values::Float(values) => values.iter().map(|value| value.to_bits()).collect(),
    }
}

/// Every value of `cases` through every way of reading.
fn check(table: &Table, cases: &[Case]) {
    for (name, values, _) in cases {
        let expected = bits(values);
        let all = 0..ROWS as u64;
        assert!(bits(&table.read(name, all.clone()).unwrap()) == expected, "{name}");
        for rows in [0..1, 499..502, 2200..2300, 3000..3210] {
            let part = bits(&table.read(name, rows.start as u64..rows.end as u64).unwrap());
            assert!(part == expected[rows.clone()], "{name} {rows:?}");
        }
        let table::Values::Float(floats) = values else { continue };
        let mut singles = vec![0.0f32; ROWS];
        let selection = table.select(&[name]).unwrap();
        table.read_selected(&selection, all.clone(), &mut singles, Damage::Fail).unwrap();
        let same = |(found, value): (&f32, &f64)| found.to_bits() == (*value as f32).to_bits();
        assert!(singles.iter().zip(floats).all(same), "{name} as f32");
        let refused = table.read_i64(name, 0..1, &mut [0]).unwrap_err().to_string();
        assert!(refused.contains("f64"), "{refused}");
    }
    let names: Vec<&str> = cases
        .iter()
        .filter(|(_, values, _)| matches!(values, table::Values::Float(_)))
        .map(|(name, ..)| *name)
        .collect();
    let mut rows = vec![0.0f64; ROWS * names.len()];
    table.read_selected(&table.select(&names).unwrap(), 0..ROWS as u64, &mut rows, Damage::Fail).unwrap();
    for (at, name) in names.iter().enumerate() {
        let found: Vec<u64> =
            rows.iter().skip(at).step_by(names.len()).map(|value| value.to_bits()).collect();
        assert!(found == bits(&table.read(name, 0..ROWS as u64).unwrap()), "{name} in rows");
    }
}

#[test]
fn each_column_is_stored_as_it_is_told_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let (path, cases) = (folder.path().join("auto.h5"), cases());
    let written = write(&path, &cases, Choice::Counted, 2);
    let table = Table::open(&path).unwrap();
    let told: Vec<(&str, &str)> = cases.iter().map(|(name, _, stored_as)| (*name, *stored_as)).collect();
    let found = table.columns().iter().map(|column| (column.name.as_str(), column.stored_as.as_str()));
    assert_eq!(found.collect::<Vec<_>>(), told);
    for ((name, values, _), column) in cases.iter().zip(table.columns()) {
        assert_eq!(column.is_float(), matches!(values, table::Values::Float(_)), "{name}");
        assert_eq!(column.raw_bytes, ROWS as u64 * 8, "{name}");
        let has_nan = column.attributes.contains_key("diapason_nan");
        assert_eq!(has_nan, name.ends_with("nan") && *name != "later other nan", "{name}");
    }
    check(&table, &cases);
    assert_eq!(table.attributes().get("format_version"), Some(&Attribute::Int(2)));
    // A side-car keeps what the numbers stand for.
    let options = Options { sidecar: Some(folder.path().join("auto.idx")), ..Options::default() };
    drop(Table::open_with(&path, &options).unwrap());
    let again = Table::open_with(&path, &options).unwrap();
    assert!(matches!(again.index(), table::Index::SideCar));
    assert_eq!(again.columns(), table.columns());
    check(&again, &cases);
    let verified = verify(&table, &mut |_| {});
    assert!(verified.is_good && verified.columns.iter().all(|column| column.hash == Hash::Matches));
    // Any number of threads, and the same bytes; any choice, and the same content.
    assert_eq!(write(&folder.path().join("one.h5"), &cases, Choice::Counted, 1), written);
    assert!(std::fs::read(folder.path().join("one.h5")).unwrap() == std::fs::read(&path).unwrap());
    for choice in [Choice::Plain, Choice::Timed] {
        let other = folder.path().join("other.h5");
        let plain = write(&other, &cases, choice, 2);
        assert_eq!((plain.rows, &plain.content_hash), (written.rows, &written.content_hash));
        let other = Table::open(&other).unwrap();
        check(&other, &cases);
        let is_plain = |column: &table::Column| column.stored_as == column.dtype;
        assert!(choice == Choice::Timed || other.columns().iter().all(is_plain));
    }
    let repacked = folder.path().join("repacked.h5");
    let report = repack::repack(&[&table], &repacked, &repack::Options::default(), &mut |_| {}).unwrap();
    assert_eq!(report.content_hash, written.content_hash);
    check(&Table::open(&repacked).unwrap(), &cases);
}

#[test]
fn h5py_finds_every_bit() {
    require!(Oracles);
    let folder = tempfile::tempdir().unwrap();
    let (path, cases) = (folder.path().join("auto.h5"), cases());
    let expected: Vec<u8> =
        cases.iter().flat_map(|(_, values, _)| bits(values)).flat_map(u64::to_le_bytes).collect();
    let script = need::repository().join("loader/tests/oracles/read_forms.py");
    for choice in [Choice::Counted, Choice::Timed, Choice::Plain] {
        write(&path, &cases, choice, 2);
        let told = String::from_utf8(ask(&script, &[path.to_str().unwrap()], &expected)).unwrap();
        assert_eq!(told.lines().count(), cases.len());
        if choice == Choice::Counted {
            for line in [
                "price int16 100",
                "volume int8 1",
                "single float32 1",
                "later noise float64 1",
                "later finer int32 1000",
            ] {
                assert!(told.lines().any(|told| told == line), "{line}: {told}");
            }
        }
    }
}

#[test]
fn a_note_that_no_writer_makes_leaves_a_column_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.h5");
    write(&path, &cases()[1..2], Choice::Counted, 1);
    let good = std::fs::read(&path).unwrap();
    let name = b"diapason_divisor\0";
    let at = good.windows(name.len()).position(|window| window == name).unwrap();
    let value = at + good[at..].windows(8).position(|window| window == 100i64.to_le_bytes()).unwrap();
    for (divisor, reason) in
        [(0i64, "Some(0)"), (-100, "Some(-100)"), (i64::MAX, "Some(9223372036854775807)")]
    {
        let mut bad = good.clone();
        bad[value..value + 8].copy_from_slice(&divisor.to_le_bytes());
        std::fs::write(&path, bad).unwrap();
        let refused = Table::open(&path).unwrap_err().to_string();
        assert!(refused.contains(reason), "{refused}");
    }
}

/// A value of one of some sorts: steps, other steps, noise, and what is special.
fn value(sort: u8, number: i32) -> f64 {
    let number = f64::from(number);
    match sort {
        0 => number / 100.0,
        1 => f64::from((number / 1000.0) as f32),
        2 => (number % 128.0).trunc(),
        3 => number.sin(),
        4 => f64::from(number.sin() as f32),
        5 => f64::NAN,
        6 => -0.0,
        _ => f64::from_bits(number.to_bits().rotate_left(17)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn any_values_come_back(
        parts in proptest::collection::vec((0u8..8, 1usize..120, any::<i32>()), 1..8),
        chunk_rows in 1usize..90,
    ) {
        let values: Vec<f64> = parts
            .iter()
            .flat_map(|&(sort, count, seed)| {
                (0..count).map(move |at| value(sort, seed.wrapping_add((at as i32).wrapping_mul(7919)) >> (sort * 3)))
            })
            .collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("any.h5");
        let column = Column { name: "x".into(), kind: Kind::F64, unit: "1".into(), role: "other".into() };
        let mut writer = Writer::create(&path, &[column], chunk_rows, 1).unwrap();
        writer.push_f64(0, &values).unwrap();
        writer.finish(&[]).unwrap();
        let table = Table::open(&path).unwrap();
        let found = table.read("x", 0..values.len() as u64).unwrap();
        prop_assert_eq!(bits(&found), bits(&table::Values::Float(values)));
        let verified = verify(&table, &mut |_| ());
        prop_assert!(verified.is_good);
    }
}
