//! Features beside outside programs: NumPy in extended precision, pandas, Polars, and the formulas of Alpha158.

use std::collections::BTreeSet;

use diapason_kernels::feature::{CATALOGUE, Plan};
use diapason_tests::{need::repository, oracle::ask, require};

use crate::series::{COLUMNS, Series, series};

/// What a script says of the columns: expressions of a plan, and their values row by row.
fn told(script: &str, columns: &[&str], data: &Series) -> (Vec<String>, Vec<f64>) {
    let input: Vec<u8> = (0..data.rows())
        .flat_map(|row| columns.iter().map(move |name| (row, name)))
        .flat_map(|(row, name)| data.column(name)[row].to_le_bytes())
        .collect();
    let answer = ask(&repository().join("kernels/tests/oracles").join(script), columns, &input);
    let end = answer.windows(2).position(|pair| pair == b"\n\n").unwrap();
    let names = std::str::from_utf8(&answer[..end]).unwrap().lines().map(str::to_owned).collect();
    let values = answer[end + 2..].chunks_exact(8);
    (names, values.map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap())).collect())
}

/// Holds the plan of `texts` against `expected`, to `bound` of the value or, near zero, of `floor`.
fn agree(texts: &[String], columns: &[&str], data: &Series, expected: &[f64], [bound, floor]: [f64; 2]) {
    let plan = Plan::parse(&texts.join(", "), columns).unwrap();
    let out = data.batch(&plan);
    assert_eq!(expected.len(), out.len());
    let mut wrong = BTreeSet::new();
    let mut messages = Vec::new();
    for (((row, output), ours), expected) in out.indexed_iter().zip(expected) {
        // Some features pass through zero, where only an absolute bound makes sense.
        let room = bound * expected.abs().max(floor);
        let equal = if expected.is_nan() { ours.is_nan() } else { (ours - expected).abs() <= room };
        if !equal && wrong.insert(output) {
            messages.push(format!("{} row {row}: {ours} and {expected}", texts[output]));
        }
    }
    assert!(messages.is_empty(), "{}", messages.join("\n"));
}

#[test]
fn features_of_our_own_agree_with_numpy() {
    require!(Oracles);
    let data = series("walk", 1700, 4);
    let (names, expected) = told("feature.py", &COLUMNS, &data);
    agree(&names, &COLUMNS, &data, &expected, [1e-9, 1e-3]);
    // No feature escapes both judges.
    for entry in CATALOGUE.iter().filter(|entry| entry.ta_lib.is_none()) {
        let call = format!("{}(", entry.name);
        assert!(names.iter().any(|name| name.starts_with(&call)), "{} has no judge", entry.name);
    }
}

#[test]
fn rolling_features_are_those_of_pandas_and_polars() {
    require!(Oracles);
    for shape in ["walk", "gaps"] {
        let data = series(shape, 1200, 8);
        let (names, expected) = told("rolling.py", &["close", "volume"], &data);
        agree(&names, &["close", "volume"], &data, &expected, [1e-8, 0.1]);
    }
}

#[test]
fn alpha158_is_what_its_formulas_are_in_pandas() {
    require!(Oracles);
    let mut data = series("walk", 400, 6);
    let vwap = (0..data.rows()).map(|row| (data.column("high")[row] + 2.0 * data.column("low")[row]) / 3.0);
    let vwap = vwap.collect();
    data.0.insert("vwap".to_owned(), vwap);
    // A day without volume would divide by zero in both, differently.
    data.0.get_mut("volume").unwrap().iter_mut().for_each(|volume| *volume += 1.0);
    let columns = ["open", "high", "low", "close", "volume", "vwap"];
    let (names, expected) = told("alpha158.py", &columns, &data);
    let ours = Plan::alpha158();
    assert_eq!(names, ours.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>());
    assert_eq!(ours.len(), 158);
    let texts: Vec<String> = ours.into_iter().map(|(_, text)| text).collect();
    agree(&texts, &columns, &data, &expected, [1e-8, 1e-3]);
}
