//! The CSV import against Python's csv, datetime and float, and against h5py; and what it says of bad input.
#![cfg(feature = "libhdf5")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use diapason_loader::csv::{self, Error, Nulls, Options, Progress, Report};
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

/// Rows in which every third value of `b` is not there in one of the ways of other programs; long enough for several blocks.
#[test]
fn a_value_that_is_not_there_is_what_was_asked_for() {
    const WAYS: [&str; 6] = ["", "NaN", "NA", "null", "None", "\"\""];
    const ROWS: usize = 60_000;
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in.csv"), folder.path().join("out.h5"));
    let row = |row: usize| {
        let b = if row % 3 == 1 { WAYS[row / 3 % WAYS.len()].to_owned() } else { format!("{row}.5") };
        format!("{},{row},{b}\n", 1_700_000_000 + row)
    };
    // Quotes go another way than lines without.
    for quotes in [true, false] {
        let lines: String =
            (0..ROWS).map(row).map(|line| if quotes { line } else { line.replace('"', "") }).collect();
        std::fs::write(&input, format!("time,a,b\n{lines}")).unwrap();
        let with = |nulls| import(&input, &output, &Options { nulls, ..Options::default() });

        let error = with(Nulls::Fail).unwrap_err().to_string();
        assert!(
            error.contains("in.csv:3: column \"b\": \"\" is no value") && error.contains("--nulls"),
            "{error}"
        );

        let report = with(Nulls::Nan).unwrap().0;
        assert_eq!((report.rows, report.missing, report.left_out), (ROWS as u64, ROWS as u64 / 3, 0));
        let mut values = vec![0.0; ROWS];
        Table::open(&output).unwrap().read_f64("b", 0..ROWS as u64, &mut values).unwrap();
        let expected = |row: usize| row as f64 + 0.5;
        assert!(values.iter().enumerate().all(|(row, value)| match row % 3 {
            1 => value.is_nan(),
            _ => *value == expected(row),
        }));

        let report = with(Nulls::Skip).unwrap().0;
        let kept = ROWS - ROWS / 3;
        assert_eq!((report.rows, report.missing, report.left_out), (kept as u64, 0, ROWS as u64 / 3));
        let mut values = vec![0.0; kept];
        Table::open(&output).unwrap().read_f64("b", 0..kept as u64, &mut values).unwrap();
        let stayed: Vec<f64> = (0..ROWS).filter(|row| row % 3 != 1).map(expected).collect();
        assert!(values == stayed);
    }
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

/// Rows of bars of one second, enough for many blocks; `change` may replace one by its number.
fn bars(rows: usize, change: impl Fn(usize) -> Option<String>) -> String {
    let row = |row: usize| {
        let price = 100.0 + (row % 977) as f64 / 100.0;
        let time = 1_600_000_000 + row;
        change(row)
            .unwrap_or_else(|| format!("{time},{price},{:.2},{price},{price},{}", price + 0.25, row % 5000))
    };
    let lines: Vec<String> = (0..rows).map(row).collect();
    format!("time,open,high,low,close,volume\n{}\n", lines.join("\n"))
}

/// Imports `text` with so many threads.
fn outcome(text: &[u8], threads: usize) -> Result<(Report, Vec<u8>), String> {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in.csv"), folder.path().join("out.h5"));
    std::fs::write(&input, text).unwrap();
    let options = Options { chunk_rows: 5000, threads, ..Options::default() };
    let (mut report, _) = import(&input, &output, &options)
        .map_err(|error| error.to_string().replace(&input.display().to_string(), "in.csv"))?;
    report.elapsed = std::time::Duration::ZERO;
    Ok((report, std::fs::read(output).unwrap()))
}

#[test]
fn any_number_of_threads_gives_the_same_file() {
    let text = bars(120_000, |_| None);
    assert!(text.len() > 4 << 20, "several rounds of blocks");
    let one = outcome(text.as_bytes(), 1).unwrap();
    assert_eq!(one.0.rows, 120_000);
    for threads in [2, 3, 7] {
        assert!(outcome(text.as_bytes(), threads).unwrap() == one, "{threads} threads");
    }
    // A quote near the end, and one in the first row: read another way, with the same outcome.
    for quoted in [119_000, 60_000, 0] {
        let text = text.replace(
            &format!("\n{},", 1_600_000_000 + quoted),
            &format!("\n\"{}\",", 1_600_000_000 + quoted),
        );
        let found = outcome(text.as_bytes(), 2).unwrap();
        assert_eq!((found.0.content_hash, found.0.rows), (one.0.content_hash.clone(), 120_000), "{quoted}");
    }
}

#[test]
fn the_first_error_in_the_file_is_told_at_any_number_of_threads() {
    let time = |row: usize| 1_600_000_000 + row;
    let number = |at: usize| move |row| (row == at).then(|| format!("{},1,2,x,1,5", time(row)));
    for at in [0, 40_000, 99_999] {
        for threads in [1, 3] {
            let found = outcome(bars(100_000, number(at)).as_bytes(), threads).unwrap_err();
            assert!(
                found.starts_with(&format!("in.csv:{}: column \"low\": \"x\" is not a number", at + 2)),
                "{found}"
            );
        }
    }
    // Of two errors the first; a time before the one above it, wherever the blocks are cut.
    let both = |row| if row == 70_000 { Some("x".to_owned()) } else { number(30_000)(row) };
    assert!(outcome(bars(100_000, both).as_bytes(), 3).unwrap_err().starts_with("in.csv:30002:"));
    for at in (9_000..14_000).step_by(250) {
        let back = |row| (row == at).then(|| format!("{},1,2,1,1,5", time(3)));
        let found = outcome(bars(20_000, back).as_bytes(), 2).unwrap_err();
        assert!(found.starts_with(&format!("in.csv:{}: column \"time\"", at + 2)), "{found}");
        assert!(found.contains(&format!("is before {} in the row above", time(at - 1))), "{found}");
    }
}

#[test]
fn gzip_and_zstd_are_read_as_what_they_hold() {
    use std::io::Write;
    let text = bars(30_000, |_| None);
    let plain = outcome(text.as_bytes(), 2).unwrap();
    let zipped = |text: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    // Members one after the other are one text.
    let (first, second) = text.split_at(text.len() / 3);
    let mut members = zipped(first);
    members.extend(zipped(second));
    let zstd = zstd::bulk::compress(text.as_bytes(), 3).unwrap();
    for packed in [zipped(&text), members, zstd] {
        let found = outcome(&packed, 2).unwrap();
        assert_eq!(found.0.content_hash, plain.0.content_hash);
        assert_eq!((found.0.rows, found.0.bytes_in), (30_000, packed.len() as u64));
        let cut = outcome(&packed[..packed.len() - 9], 2).unwrap_err();
        assert!(cut.contains("data are broken") && cut.ends_with("copy the file again"), "{cut}");
    }
}

#[test]
fn decimal_commas_and_dates_that_end_with_the_year() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in.csv"), folder.path().join("out.h5"));
    std::fs::write(&input, "time;price\n01/02/2022 00:00;1,5\n02/02/2022 00:00:07;-0,25\n").unwrap();
    let refused = import(&input, &output, &Options::default()).unwrap_err().to_string();
    assert!(refused.contains("is not a time") && refused.contains("`--dates`"), "{refused}");
    let dates = Some(csv::Dates::DayMonthYear);
    let options =
        Options { dialect: csv::Dialect { dates, ..csv::Dialect::default() }, ..Options::default() };
    let refused = import(&input, &output, &options).unwrap_err().to_string();
    assert!(refused.ends_with("or give `--decimal-comma`"), "{refused}");
    let options = Options { dialect: csv::Dialect { dates, decimal_comma: true }, ..Options::default() };
    let refused = import(&input, &output, &options).unwrap_err().to_string();
    assert!(refused.contains("a price must be above 0"), "{refused}");
    std::fs::write(&input, "time;other\n01/02/2022 00:00;1,5\n02/02/2022 00:00:07;-0,25\n").unwrap();
    let (report, _) = import(&input, &output, &options).unwrap();
    assert_eq!((report.rows, report.timestamp.as_str()), (2, "DD/MM/YYYY HH:MM:SS without a zone"));
    assert_eq!((report.first_ns, report.last_ns), (1_643_673_600_000_000_000, 1_643_760_007_000_000_000));
    let (table, mut values) = (Table::open(&output).unwrap(), [0.0; 2]);
    table.read_f64("other", 0..2, &mut values).unwrap();
    assert_eq!(values, [1.5, -0.25]);
}
