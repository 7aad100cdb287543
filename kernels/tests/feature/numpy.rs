//! Features without a TA-Lib name against NumPy in extended precision, each value from its own window.

use diapason_kernels::feature::{CATALOGUE, Plan};
use diapason_tests::{need::repository, oracle::ask, require};

use crate::series::{COLUMNS, series};

#[test]
fn features_of_our_own_agree_with_numpy() {
    require!(Oracles);
    let data = series("walk", 1700, 4);
    let input: Vec<u8> = (0..data.rows())
        .flat_map(|row| COLUMNS.map(|name| data.column(name)[row]))
        .flat_map(f64::to_le_bytes)
        .collect();
    let answer = ask(&repository().join("kernels/tests/oracles/feature.py"), &COLUMNS, &input);
    let end = answer.windows(2).position(|pair| pair == b"\n\n").unwrap();
    let names: Vec<&str> = std::str::from_utf8(&answer[..end]).unwrap().lines().collect();
    let expected: Vec<f64> = answer[end + 2..]
        .chunks_exact(8)
        .map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap()))
        .collect();

    let plan = Plan::parse(&names.join(", "), &COLUMNS).unwrap();
    let out = data.batch(&plan);
    assert_eq!(expected.len(), out.len());
    for (value, expected) in out.indexed_iter().zip(&expected) {
        let ((row, output), ours) = value;
        assert_eq!(ours.is_nan(), expected.is_nan(), "{} row {row}", names[output]);
        // Scores and returns pass through zero, where only an absolute bound makes sense.
        let room = 1e-9 * expected.abs().max(1e-3);
        assert!(
            ours.is_nan() || (ours - expected).abs() <= room,
            "{} row {row}: {ours} and {expected}",
            names[output]
        );
    }
    // No feature escapes both judges.
    for entry in CATALOGUE.iter().filter(|entry| entry.ta_lib.is_none()) {
        assert!(
            names.iter().any(|name| name.starts_with(&format!("{}(", entry.name))),
            "{} has no judge",
            entry.name
        );
    }
}
