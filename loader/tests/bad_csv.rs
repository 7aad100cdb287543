//! Bad CSV input: each gives one error that names the place, the value and the remedy, and leaves nothing behind.
#![cfg(feature = "libhdf5")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use diapason_loader::csv::{self, Options};
use proptest::prelude::*;

/// What an import of `text` ends with: rows, or the message without the folder's name.
fn outcome(text: &[u8], options: &Options) -> Result<u64, String> {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in.csv"), folder.path().join("out.h5"));
    std::fs::write(&input, text).unwrap();
    let report = csv::import(&input, &output, options, &mut |_| {});
    // The input, and the output exactly when it succeeded; no temporary file.
    let files = std::fs::read_dir(&folder).unwrap().count();
    assert_eq!(files, 1 + usize::from(report.is_ok()));
    let folder = format!("{}/", folder.path().display());
    report.map(|report| report.rows).map_err(|error| error.to_string().replace(&folder, ""))
}

fn refused(text: &str) -> String {
    outcome(text.as_bytes(), &Options::default()).unwrap_err()
}

const BARS: &str = "timestamp,open,high,low,close,volume\n2022-01-01 00:00,1,2,1,2,5\n";

/// The message for a second row of bars.
fn second(row: &str) -> String {
    refused(&format!("{BARS}{row}\n2022-01-01 00:09,1,2,1,2,5\n"))
}

#[test]
fn values() {
    let cases = [
        (
            "2022-01-01 00:01,x,2,1,2,5",
            "in.csv:3: column \"open\": \"x\" is not a number; correct it, or leave",
        ),
        ("2022-01-01 00:01,1,2,1,2,", "in.csv:3: column \"volume\": \"\" is no value, a number is needed"),
        (
            "2022-01-01 00:01,1,2,1,NaN,5",
            "in.csv:3: column \"close\": \"NaN\" is no value, a number is needed",
        ),
        ("2022-01-01 00:01,1,inf,1,2,5", "in.csv:3: column \"high\": \"inf\" is not finite"),
        ("2022-01-01 00:01,1,1e999,1,2,5", "in.csv:3: column \"high\": \"1e999\" is not finite"),
        (
            "2022-01-01 00:01,0,2,1,2,5",
            "in.csv:3: column \"open\": \"0\" is out of range: a price must be above 0",
        ),
        (
            "2022-01-01 00:01,1,2,-1,2,5",
            "in.csv:3: column \"low\": \"-1\" is out of range: a price must be above 0",
        ),
        ("2022-01-01 00:01,1,2,1,2,-5", "\"volume\": \"-5\" is out of range: an amount must not be negative"),
        ("2022-01-01 00:01,1,1,2,1,5", "\"high\": \"1\" is out of range: the high must not be below the low"),
        ("2022-01-01 00:01,3,2,1,2,5", "\"open\": \"3\" is out of range: it must not be above the high"),
        (
            "2022-01-01 00:01,1,2,1",
            "in.csv:3: the row has 4 fields, 6 are expected; complete the row or remove it",
        ),
        ("2022-01-01 00:01,1,2,1,2,5,", "in.csv:3: the row has 7 fields, 6 are expected"),
        ("\"2022-01-01 00:01,1,2,1,2,5", "in.csv:3: a quoted field does not end; correct the quotes"),
        ("\"2022-01-01\" 00:01,1,2,1,2,5", "in.csv:3: text follows the end of a quoted field"),
        (
            "yesterday,1,2,1,2,5",
            "\"timestamp\": \"yesterday\" is not a time of the form YYYY-MM-DD HH:MM:SS without a zone",
        ),
        ("2022-01-01 00:01Z,1,2,1,2,5", "\"2022-01-01 00:01Z\" is not a time of the form"),
        (
            "2021-12-31 23:59,1,2,1,2,5",
            "\"2021-12-31 23:59\" is before 2022-01-01 00:00 in the row above; sort the rows by time",
        ),
        (
            "2022-01-01 00:00,1,2,1,2,5",
            "\"2022-01-01 00:00\" is the time of the row above too; bars need one row for each",
        ),
    ];
    for (row, message) in cases {
        let found = second(row);
        assert!(found.contains(message), "{row}\n  gives {found}\n  wants {message}");
    }
}

#[test]
fn files() {
    let cases = [
        ("", "in.csv is empty; it needs at least 1 row of values"),
        ("\n\n \n", "in.csv is empty"),
        ("timestamp,open\n", "in.csv has a header and no rows"),
        ("a,b\n1,2\n", "in.csv: no column of times found among a, b; name one \"timestamp\""),
        (
            "timestamp\n2022-01-01\n",
            "in.csv: no column of values found beside the time; is the delimiter ',' right?",
        ),
        (
            "2022-01-01,1,2,3,4,5,6\n",
            "in.csv: 7 columns without a header may be several things; give their names",
        ),
        ("timestamp,x,x\n2022-01-01,1,2\n", "in.csv: two columns are called \"x\"; rename one"),
        (
            "time,open,high,low\n1640995200,1,1,1\n",
            "in.csv: open, high, low are columns of bars, which need a close too; name it \"close\", or leave",
        ),
        (
            "1640995200,100,99.9\n",
            "in.csv: 3 columns without a header may be bid,ask or price,size; give their names with `--columns`",
        ),
        ("\n\ntime,price\nfoo,1\n", "in.csv:4: column \"time\": \"foo\" is not a time; write times as"),
        (
            "timestamp,open\nsoon,1\n",
            "in.csv:2: column \"timestamp\": \"soon\" is not a time; write times as",
        ),
        ("x\0y", "in.csv is binary data, not CSV text"),
        (
            "PK\u{3}\u{4}",
            "in.csv is a zip archive or a spreadsheet, not CSV text; extract it, or save it as CSV",
        ),
    ];
    for (text, message) in &cases {
        let found = refused(text);
        assert!(found.contains(message), "{text:?}\n  gives {found}\n  wants {message}");
    }
    let gzip = outcome(b"\x1f\x8b\x08\0", &Options::default()).unwrap_err();
    let broken = |name: &str, why: &str| {
        format!("cannot read in.csv: its {name} data are broken ({why}); copy the file again")
    };
    assert_eq!(gzip, broken("gzip", "unexpected end of file"));
    let zstd = outcome(b"\x28\xb5\x2f\xfd\0", &Options::default()).unwrap_err();
    assert_eq!(zstd, broken("zstd", "incomplete frame"));
    let bzip2 = outcome(b"BZh91AY", &Options::default()).unwrap_err();
    assert_eq!(bzip2, "in.csv is bzip2, not CSV text; decompress it first: bunzip2");
    let too_long = "the row is longer than 65536 bytes; is this a CSV file with line ends?";
    for (text, line) in [
        ("7".repeat(70_000), 1),
        (format!("time,price\n1640995200,{}\n", "7".repeat(70_000)), 2),
        (format!("time,price\n1640995200,{}\n", "7".repeat(300_000)), 2),
        (format!("time,price\n1640995200,1\n1640995201,{}", "7".repeat(300_000)), 3),
    ] {
        assert_eq!(refused(&text), format!("in.csv:{line}: {too_long}"));
    }
}

#[test]
fn options() {
    let few = Options { rows_min: 60, ..Options::default() };
    let found = outcome(BARS.as_bytes(), &few).unwrap_err();
    assert_eq!(found, "in.csv has 1 row, at least 60 are needed; give a longer file");
    let skip = Options { skip: vec!["vulome".to_owned()], ..Options::default() };
    let found = outcome(BARS.as_bytes(), &skip).unwrap_err();
    assert!(found.contains("no column \"vulome\" to leave out, did you mean \"volume\"?"), "{found}");
    let skip = Options { skip: vec!["symbol".to_owned()], ..Options::default() };
    assert_eq!(outcome(b"time,symbol,price\n1640995200,ABC,1\n", &skip), Ok(1));
    assert_eq!(outcome(b"time,.,a/b,/,..\n1640995200,1,2,3,4\n", &Options::default()), Ok(1));
    let skip = |name: &str| Options { skip: vec![name.to_owned()], ..Options::default() };
    for name in ["6", "volume"] {
        assert_eq!(outcome(b"2022-01-01,1,2,1,2,5\n", &skip(name)), Ok(1));
    }
    let found = outcome(b"2022-01-01,1,2,1,2,5\n", &skip("7")).unwrap_err();
    assert_eq!(found, "in.csv has no column \"7\" to leave out; its columns are 1, 2, 3, 4, 5, 6");
    let names = |names: &str| Options {
        columns: Some(names.split(',').map(str::to_owned).collect()),
        ..Options::default()
    };
    assert_eq!(outcome(b"2022-01-01,9,1,2,3,4,5\n", &names("time,a,b,c,d,e,f")), Ok(1));
    let found = outcome(b"2022-01-01,9,1\n", &names("time,a")).unwrap_err();
    assert!(found.contains("2 names were given with `--columns`, the file has 3 columns"), "{found}");
}

#[test]
fn places() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("in.csv"), BARS).unwrap();
    let import = |input: &Path, output: &Path| csv::import(input, output, &Options::default(), &mut |_| {});
    let found = import(&path("none.csv"), &path("out.h5")).unwrap_err().to_string();
    assert!(
        found.contains("cannot read") && found.contains("none.csv") && found.contains("No such file"),
        "{found}"
    );
    let found = import(folder.path(), &path("out.h5")).unwrap_err().to_string();
    assert!(found.contains("it is a directory, a file is needed"), "{found}");
    let found = import(&path("in.csv"), &path("in.csv")).unwrap_err().to_string();
    assert!(found.contains("is both input and output"), "{found}");
    let found = import(&path("in.csv"), &path("nowhere/out.h5")).unwrap_err().to_string();
    assert!(found.contains("cannot write into") && found.contains("nowhere"), "{found}");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    // A failed import leaves the file that was there.
    std::fs::write(path("out.h5"), "older").unwrap();
    std::fs::write(path("bad.csv"), format!("{BARS}x\n")).unwrap();
    assert!(import(&path("bad.csv"), &path("out.h5")).is_err());
    assert_eq!(std::fs::read(path("out.h5")).unwrap(), b"older");
    import(&path("in.csv"), &path("out.h5")).unwrap();
    assert_ne!(std::fs::read(path("out.h5")).unwrap(), b"older");
}

#[test]
fn quotes_may_repeat_a_time_and_cross() {
    let text = b"time,bid,ask\n1640995200,1.0,1.1\n1640995200,1.2,1.1\n1640995200,1.0,1.1\n";
    assert_eq!(outcome(text, &Options::default()), Ok(3));
    let found = refused("time,bid,ask\n1640995200,1.0,1.1\n1640995199,1.2,1.1\n");
    assert!(found.contains("is before 1640995200 in the row above"), "{found}");
}

/// A CSV file in one of the forms that are detected, and the rows that it holds.
fn texts() -> impl Strategy<Value = (String, usize)> {
    let forms = prop_oneof![
        Just("%Y-%m-%d %H:%M:%S"),
        Just("%Y-%m-%dT%H:%M:%S%.3fZ"),
        Just("%Y-%m-%d %H:%M:%S+00:00"),
        Just("%Y.%m.%d %H:%M"),
        Just("%Y/%m/%d %H:%M:%S"),
        Just("%Y%m%d %H%M%S"),
        Just("%s"),
        Just("%s000"),
        Just("%s000000"),
        Just("%s000000000"),
    ];
    let marks =
        (prop_oneof![Just(","), Just(";"), Just("\t"), Just("|")], prop_oneof![Just("\n"), Just("\r\n")]);
    (forms, marks, any::<[bool; 4]>(), 1usize..60).prop_map(
        |(form, (delimiter, end), [header, bom, quoted, last_end], rows)| {
            let mut lines = Vec::new();
            if header {
                lines.push(["timestamp", "open", "high", "low", "close", "volume"].join(delimiter));
            }
            for row in 0..rows {
                let time = jiff::Timestamp::from_second(1_600_000_020 + 60 * row as i64).unwrap();
                let time = time.strftime(form).to_string();
                let time = if quoted { format!("\"{time}\"") } else { time };
                lines.push([time.as_str(), "1.5", "2", "1.25", "1.75", "10"].join(delimiter));
            }
            let mark = if bom { "\u{feff}" } else { "" };
            (format!("{mark}{}{}", lines.join(end), if last_end { end } else { "" }), rows)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn every_form_is_detected((text, rows) in texts()) {
        let folder = tempfile::tempdir().unwrap();
        let (input, output) = (folder.path().join("in.csv"), folder.path().join("out.h5"));
        std::fs::write(&input, &text).unwrap();
        let report = csv::import(&input, &output, &Options::default(), &mut |_| {}).unwrap();
        prop_assert_eq!(report.rows, rows as u64);
        prop_assert_eq!(report.first_ns, 1_600_000_020_000_000_000);
        prop_assert_eq!(report.last_ns, 1_600_000_020_000_000_000 + 60_000_000_000 * (rows as i64 - 1));
        prop_assert_eq!(report.columns.len(), 6);
        let table = diapason_loader::table::Table::open(&output).unwrap();
        let mut values = vec![0.0; rows];
        table.read_f64("close", 0..rows as u64, &mut values).unwrap();
        prop_assert!(values.iter().all(|value| *value == 1.75));
    }

    #[test]
    fn a_file_with_bytes_changed_never_panics((text, _) in texts(), changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = text.into_bytes();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let _ = outcome(&bytes, &Options::default());
    }

    #[test]
    fn noise_never_panics(bytes in proptest::collection::vec(prop_oneof![Just(b','), Just(b'\n'), Just(b'"'), b'0'..=b'9', any::<u8>()], 0..200)) {
        let _ = outcome(&bytes, &Options::default());
    }
}
