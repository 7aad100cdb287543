//! Tables into other tables and into NumPy's form, and what verification says of damaged ones.
#![cfg(feature = "libhdf5")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use diapason_loader::export::{self, Format};
use diapason_loader::format::libhdf5::Choice;
use diapason_loader::table::{Options, Table};
use diapason_loader::verify::{Hash, verify};
use diapason_loader::{market, repack};
use diapason_tests::{need, oracle::ask, require};

fn generated(path: &Path, rows: u64, seed: u64) -> Table {
    let options = market::Options { rows, seed, chunk_rows: 500, ..market::Options::default() };
    market::generate(path, &options, &mut |_| {}).unwrap();
    Table::open(path).unwrap()
}

#[test]
fn repacked_values_have_the_same_hash_in_any_chunks() {
    let folder = tempfile::tempdir().unwrap();
    let table = generated(&folder.path().join("in.h5"), 3210, 1);
    let output = folder.path().join("out.h5");
    for chunk_rows in [7, 500, 100_000] {
        let options = repack::Options { chunk_rows, ..repack::Options::default() };
        let report = repack::repack(&[&table], &output, &options, &mut |_| {}).unwrap();
        let again = Table::open(&output).unwrap();
        assert_eq!((report.rows, again.rows()), (3210, 3210));
        for name in ["content_hash", "source"] {
            assert_eq!(again.attributes().get(name), table.attributes().get(name), "{name}");
        }
        let verified = verify(&again, &mut |_| {});
        assert!(verified.is_good && verified.columns.iter().all(|column| column.hash == Hash::Matches));
    }
    let some = repack::Options {
        columns: Some(vec!["close".into(), "timestamp".into()]),
        ..repack::Options::default()
    };
    let report = repack::repack(&[&table], &output, &some, &mut |_| {}).unwrap();
    assert_eq!(report.columns, ["close", "timestamp"]);
    let missing = repack::Options { columns: Some(vec!["clos".into()]), ..repack::Options::default() };
    let refused = repack::repack(&[&table], &output, &missing, &mut |_| {}).unwrap_err().to_string();
    assert!(refused.contains("did you mean \"close\"?"), "{refused}");
    let refused = repack::repack(&[&table], &folder.path().join("in.h5"), &some, &mut |_| {}).unwrap_err();
    assert!(refused.to_string().ends_with("is both input and output; name another output"), "{refused}");
}

#[test]
fn tables_are_put_one_after_the_other_in_the_order_of_their_times() {
    let folder = tempfile::tempdir().unwrap();
    let whole = generated(&folder.path().join("whole.h5"), 1000, 3);
    let mut times = vec![0; 1000];
    whole.read_i64("timestamp", 0..1000, &mut times).unwrap();
    let csv = |name: &str, rows: std::ops::Range<usize>| {
        let lines: Vec<String> = rows.map(|row| format!("{},{}", times[row], row + 1)).collect();
        let (input, output) = (folder.path().join("in.csv"), folder.path().join(name));
        std::fs::write(&input, format!("timestamp,price\n{}\n", lines.join("\n"))).unwrap();
        diapason_loader::csv::import(&input, &output, &Default::default(), &mut |_| {}).unwrap();
        Table::open(&output).unwrap()
    };
    let (first, second) = (csv("first.h5", 0..400), csv("second.h5", 400..1000));
    let (output, options) = (folder.path().join("out.h5"), repack::Options::default());
    let report = repack::repack(&[&first, &second], &output, &options, &mut |_| {}).unwrap();
    assert_eq!(
        report.content_hash,
        repack::repack(&[&csv("all.h5", 0..1000)], &output, &options, &mut |_| {}).unwrap().content_hash
    );
    let refused = repack::repack(&[&second, &first], &output, &options, &mut |_| {}).unwrap_err().to_string();
    assert!(refused.ends_with("give the files in the order of their times"), "{refused}");
    let refused = repack::repack(&[&first, &whole], &output, &options, &mut |_| {}).unwrap_err().to_string();
    assert!(refused.contains("rows can only be added to equal columns"), "{refused}");
}

#[test]
#[cfg(feature = "arrow")]
fn texts_stay_texts_and_rows_are_chosen_by_them() {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
    const FROM: i64 = 1_700_000_000_000_000_000;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let table = |name: &str, from: i64, symbols: &[&str]| {
        let times: Vec<i64> = (0..symbols.len() as i64).map(|row| from + row).collect();
        let prices: Vec<f64> = times.iter().map(|time| (*time - FROM) as f64 * 0.5).collect();
        let columns: [(&str, ArrayRef); 3] = [
            ("timestamp", Arc::new(Int64Array::from(times))),
            ("symbol", Arc::new(StringArray::from(symbols.to_vec()))),
            ("price", Arc::new(Float64Array::from(prices))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let file = std::fs::File::create(path("in.arrow")).unwrap();
        let mut writer = arrow_ipc::writer::FileWriter::try_new(file, &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
        let options = diapason_loader::import::Options::default();
        diapason_loader::import::import(&path("in.arrow"), &path(name), &options, &mut |_| {}).unwrap();
        Table::open(path(name)).unwrap()
    };
    // The lists of texts differ, and so do the numbers of one text.
    let first = table("first.h5", FROM, &["b", "a", "b"]);
    let second = table("second.h5", FROM + 10, &["c", "a"]);
    let read = |path: &Path| {
        let table = Table::open(path).unwrap();
        let column = table.columns()[table.position("symbol").unwrap()].symbols().unwrap();
        let mut numbers = vec![0; table.rows() as usize];
        table.read_i64("symbol", 0..table.rows(), &mut numbers).unwrap();
        numbers.iter().map(|number| column[*number as usize].clone()).collect::<Vec<_>>()
    };
    let pack = |only: Option<(&str, &str)>| {
        let only = only.map(|(column, value)| repack::Only { column: column.into(), value: value.into() });
        let options = repack::Options { only, ..repack::Options::default() };
        let done = repack::repack(&[&first, &second], &path("out.h5"), &options, &mut |_| {});
        done.map(|report| (report.rows, read(&path("out.h5")))).map_err(|error| error.to_string())
    };
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    assert_eq!(pack(None), Ok((5, texts(&["b", "a", "b", "c", "a"]))));
    assert_eq!(pack(Some(("symbol", "a"))), Ok((2, texts(&["a", "a"]))));
    assert_eq!(pack(Some(("symbol", "b"))), Ok((2, texts(&["b", "b"]))));
    assert_eq!(pack(Some(("price", "5"))), Ok((1, texts(&["c"]))));
    assert!(pack(Some(("symbol", "B"))).unwrap_err().contains("no row has \"B\""));
    assert!(pack(Some(("price", "-1"))).unwrap_err().contains("no row has"));
    assert!(pack(Some(("timestamp", "soon"))).unwrap_err().contains("give a number"));
}

#[test]
fn verification_names_each_damaged_chunk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.h5");
    let options = market::Options {
        rows: 3000,
        seed: 1,
        chunk_rows: 500,
        choice: Choice::Plain,
        ..market::Options::default()
    };
    market::generate(&path, &options, &mut |_| {}).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    // Bits in the middle of two frames of zstd.
    let frames: Vec<usize> = bytes
        .windows(4)
        .enumerate()
        .filter(|(_, window)| *window == [0x28, 0xB5, 0x2F, 0xFD])
        .map(|(at, _)| at)
        .collect();
    for frame in [frames[3], frames[10]] {
        bytes[frame + 40] ^= 8;
    }
    std::fs::write(&path, bytes).unwrap();
    let report = verify(&Table::open(&path).unwrap(), &mut |_| {});
    assert!(!report.is_good);
    let damaged: usize = report.columns.iter().map(|column| column.damaged.len()).sum();
    assert_eq!(damaged, 2, "{report:?}");
    assert!(report.columns.iter().all(|column| column.damaged.is_empty() == (column.hash == Hash::Matches)));
    assert!(
        report
            .columns
            .iter()
            .flat_map(|column| &column.damaged)
            .all(|damaged| damaged.error.contains("at byte"))
    );
}

#[test]
fn numpy_loads_what_is_written_for_it() {
    require!(Oracles);
    let folder = tempfile::tempdir().unwrap();
    let table = generated(&folder.path().join("in.h5"), 20_000, 2);
    let path = folder.path().join("out.npy");
    export::write(&table, Format::Npy, std::fs::File::create(&path).unwrap(), &mut |_| {}).unwrap();
    let script = need::repository().join("loader/tests/oracles/read_npy.py");
    let arguments =
        [path.to_str().unwrap(), folder.path().join("in.h5").to_str().unwrap()].map(str::to_owned);
    let told = ask(&script, &[&arguments[0], &arguments[1]], b"");
    assert_eq!(String::from_utf8(told).unwrap().trim(), "20000 timestamp open high low close volume");
}

#[test]
fn a_table_of_records_becomes_one_of_ours() {
    require!(Oracles);
    let folder = tempfile::tempdir().unwrap();
    let script = need::repository().join("loader/tests/oracles/write_records.py");
    let _ = ask(&script, &[folder.path().to_str().unwrap()], b"");
    let options = Options { group: "/bars".to_owned(), ..Options::default() };
    let table = Table::open_with(folder.path().join("pandas-table.h5"), &options).unwrap();
    let output = folder.path().join("out.h5");
    let report = repack::repack(&[&table], &output, &repack::Options::default(), &mut |_| {}).unwrap();
    assert!(
        ["timestamp", "open", "close", "n", "single"]
            .iter()
            .all(|name| report.columns.iter().any(|column| column == name))
    );
    assert!(verify(&Table::open(&output).unwrap(), &mut |_| {}).is_good);
}
