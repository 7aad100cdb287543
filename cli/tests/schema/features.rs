//! What the commands on features print, and that the kind of a file makes no difference to them.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use diapason_tests::need::repository;
use serde_json::Value;

use super::{faults, schema};

/// What `diapason --json features` prints for `words` in `folder`, and its exit code.
fn features(folder: &Path, words: &[&str]) -> (Option<i32>, Value) {
    let output = Command::new(env!("CARGO_BIN_EXE_diapason"))
        .args(["--json", "features"])
        .args(words)
        .current_dir(folder)
        .env("XDG_CACHE_HOME", folder)
        .output()
        .unwrap();
    let value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{words:?}: {error}: {}", String::from_utf8_lossy(&output.stderr)));
    let found = faults(&schema(&format!("features-{}", words[0])), &value);
    assert_eq!(found, Vec::<String>::new(), "{words:?}");
    (output.status.code(), value)
}

/// Minute bars whose close is `close(row)`.
fn bars(rows: u32, close: impl Fn(u32) -> f64) -> String {
    let mut text = String::from("timestamp,open,high,low,close,volume\n");
    for row in 0..rows {
        let (price, time) = (close(row), 1_700_000_000 + u64::from(row) * 60);
        let _ = writeln!(text, "{time},{price},{},{},{price},{}", price + 1.0, price - 1.0, 5 + row % 7);
    }
    text
}

#[test]
fn what_is_printed_of_features_is_what_is_published() {
    let folder = repository();
    let (_, list) = features(&folder, &["list"]);
    assert!(list.as_array().is_some_and(|list| list.len() > 30));
    features(&folder, &["explain", "macd"]);
    features(&folder, &["explain", "rsi(14), ema(close,20)/close-1"]);
}

#[test]
fn csv_and_hdf5_give_one_answer() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let wave = |row| 100.0 + (f64::from(row) * 0.3).sin();
    std::fs::write(folder.join("bars.csv"), bars(3000, wave)).unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_diapason"))
        .args(["data", "import", "bars.csv", "bars.h5"])
        .current_dir(folder)
        .status();
    assert!(done.unwrap().success());
    let plan = "rsi(14), zscore(close,50)";
    let without = |value: &Value| {
        let mut value = value.clone();
        for key in ["seconds", "peak_bytes", "cache", "out"] {
            value.as_object_mut().unwrap().remove(key);
        }
        value
    };
    for words in [vec!["check", "bars.FORM"], vec!["compute", "bars.FORM", "-o", "FORM.npy"]] {
        let told: Vec<Value> = ["csv", "h5"]
            .map(|form| {
                let words: Vec<String> = words.iter().map(|word| word.replace("FORM", form)).collect();
                let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
                words.extend(["--features", plan]);
                let (code, value) = features(folder, &words);
                assert_eq!(code, Some(0), "{words:?}");
                without(&value)
            })
            .into();
        assert_eq!(told[0], told[1], "{words:?}");
    }
    let bytes = |form: &str| std::fs::read(folder.join(format!("{form}.npy"))).unwrap();
    assert!(bytes("csv") == bytes("h5"));
    let (_, explained) = features(folder, &["explain", plan, "--data", "bars.csv"]);
    assert_eq!(explained["lookback"], 49);
}

#[test]
fn a_check_finds_what_no_model_can_learn_from() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("trend.csv"), bars(400, |row| 100.0 + f64::from(row))).unwrap();
    let check = |plan: &str| {
        let (code, value) = features(folder, &["check", "trend.csv", "--features", plan]);
        let findings = value["findings"].as_array().unwrap().clone();
        (code, findings.iter().map(|found| found["grade"].to_string()).collect::<Vec<_>>())
    };
    assert_eq!(check("volume"), (Some(0), vec![]));
    assert_eq!(check("sma(500)"), (Some(1), vec!["\"FAIL\"".to_owned()]));
    // A price that rises all the time; one that never moves; one value twice.
    assert_eq!(check("close"), (Some(0), vec!["\"WARN\"".to_owned()]));
    assert_eq!(check("close-close"), (Some(0), vec!["\"WARN\"".to_owned()]));
    assert_eq!(check("mom(volume,1), volume-lag(volume,1)"), (Some(0), vec!["\"WARN\"".to_owned()]));
}

#[test]
fn a_check_finds_infinity_and_a_computation_refuses_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // NumPy's array of records: a time, a price, and a volume that is infinite once.
    let types = "[('timestamp', '<M8[ns]'), ('price', '<f8'), ('volume', '<f8')]";
    let header = format!("{{'descr': {types}, 'fortran_order': False, 'shape': (9,), }}\n");
    let length = u16::try_from(header.len()).unwrap().to_le_bytes();
    let mut array = [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes()].concat();
    for row in 0..9_u32 {
        let volume = if row == 5 { f64::INFINITY } else { f64::from(row) };
        array.extend((1_700_000_000_000_000_000 + i64::from(row)).to_le_bytes());
        array.extend((100.0 + f64::from(row % 2)).to_le_bytes());
        array.extend(volume.to_le_bytes());
    }
    std::fs::write(folder.join("in.npy"), array).unwrap();
    let (code, value) = features(folder, &["check", "in.npy", "--features", "mom(price,1), abs(volume)"]);
    assert_eq!(code, Some(1));
    let fact = value["findings"][0]["fact"].as_str().unwrap();
    assert_eq!(fact, "fed with infinity, first in row 5 of column \"volume\"");
    // What would compute with it refuses it, and names the feature.
    let plan = ["--features", "mom(price,1), abs(volume)"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_diapason"));
    command.current_dir(folder).args(["features", "compute", "in.npy", "-o", "out.npy"]).args(plan);
    let output = command.output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(
        message.contains("'volume' is infinite in row 5") && message.contains("abs(volume)"),
        "{message}"
    );
    assert!(!folder.join("out.npy").exists());
}

#[test]
fn rows_of_several_symbols_are_refused_with_the_command_that_parts_them() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut text = String::from("timestamp,instrument_id,price\n");
    for row in 0..600 {
        let (time, id, price) = (1_700_000_000 + row, 7 + row % 2, 100 + row % 13);
        let _ = writeln!(text, "{time},{id},{price}");
    }
    std::fs::write(folder.join("mixed.csv"), text).unwrap();
    let run = |line: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_diapason"));
        let output = command.args(line.split(' ')).current_dir(folder).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(run("data import mixed.csv mixed.h5").0, Some(0));
    let (code, told) = run("features check mixed.h5 --features mom(price,1)");
    assert_eq!(code, Some(2), "{told}");
    let remedy = told.split('`').nth(1).unwrap().replace("diapason ", "").replace("OUTPUT", "one.h5");
    assert_eq!(run(&remedy).0, Some(0), "{remedy}");
    let (code, value) = features(folder, &["check", "one.h5", "--features", "mom(price,1)"]);
    assert_eq!((code, &value["rows"]), (Some(0), &Value::from(300)));
}
