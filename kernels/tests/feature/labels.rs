//! Labels look ahead by as much as they say, and training rows see nothing of the validation.

use diapason_kernels::feature::label::{
    Barriers, LabelError, Touch, directions, forward_returns, training_rows, triple_barrier,
};
use diapason_kernels::feature::{CATALOGUE, Plan};

use crate::series::{COLUMNS, Random, series};

#[test]
fn a_return_is_that_of_the_rows_ahead_and_its_direction_has_three_values() {
    let close = [100.0, 110.0, 99.0, f64::NAN, 99.0, 0.0, 1.0];
    let returns = forward_returns(&close, 1).unwrap();
    assert!((returns[0] - 0.1).abs() < 1e-15 && (returns[1] + 0.1).abs() < 1e-15 && returns[4] == -1.0);
    assert!([2, 3, 5, 6].iter().all(|row| returns[*row].is_nan()));
    let directions = directions(&returns, 0.1 + 1e-12);
    assert_eq!((directions[0], directions[1], directions[4]), (0.0, 0.0, -1.0));
    assert!(directions[2].is_nan());
    assert!(forward_returns(&close, 100).unwrap().iter().all(|value| value.is_nan()));
    assert_eq!(forward_returns(&close, 0), Err(LabelError::Horizon));
}

const BARRIERS: Barriers = Barriers { upper: 2.0, lower: 1.0, horizon: 3 };

#[test]
fn the_first_barrier_met_is_the_label() {
    let close = [100.0, 101.0, 99.5, 103.0, 100.0, 98.0];
    let high = [100.0, 101.5, 100.0, 103.5, 101.0, 103.0];
    let low = [100.0, 100.5, 99.5, 101.0, 100.0, 98.0];
    let labels = triple_barrier([&high, &low, &close], &[0.01; 6], BARRIERS).unwrap();
    // Up at 102 and down at 99: the high of row 3 is the first to touch.
    assert_eq!(labels[0], Some(Touch { label: 1, row: 3, value: 0.02 }));
    // Up at 103.02, down at 99.99: the low of row 2.
    assert_eq!(labels[1], Some(Touch { label: -1, row: 2, value: -0.01 }));
    assert_eq!(labels[3].map(|touch| (touch.label, touch.row)), Some((-1, 4)));
    // Both within one bar count for the lower.
    assert_eq!(labels[4].map(|touch| (touch.label, touch.row)), Some((-1, 5)));
    assert_eq!(labels[5], None);
    let wide = Barriers { upper: f64::INFINITY, lower: f64::INFINITY, horizon: 3 };
    let labels = triple_barrier([&high, &low, &close], &[0.01; 6], wide).unwrap();
    let horizon = labels[0].unwrap();
    assert_eq!((horizon.label, horizon.row), (0, 3));
    assert!((horizon.value - 0.03).abs() < 1e-12);
    assert_eq!(labels[3..], [None; 3]);
}

#[test]
fn more_rows_never_change_a_label_and_only_the_horizon_does() {
    let data = series("gaps", 400, 3);
    let plan = Plan::parse("volatility(10)", &COLUMNS).unwrap();
    let out = data.batch(&plan);
    let width: Vec<f64> = out.column(0).to_vec();
    let bars = ["high", "low", "close"].map(|name| data.column(name));
    let horizon = 12;
    let barriers = Barriers { upper: 3.0, lower: 2.0, horizon };
    let (labels, returns) =
        (triple_barrier(bars, &width, barriers).unwrap(), forward_returns(bars[2], horizon).unwrap());
    assert!([-1, 0, 1].iter().all(|label| labels.iter().flatten().any(|touch| touch.label == *label)));
    let mut random = Random(1);
    for _ in 0..20 {
        let now = random.below(data.rows()) + 1;
        let past = triple_barrier(bars.map(|column| &column[..now]), &width[..now], barriers).unwrap();
        for (row, (past, label)) in past.iter().zip(&labels).enumerate() {
            assert!(past == label || (past.is_none() && row + horizon >= now), "row {row} of {now}");
        }
        // Rows beyond the horizon are not looked at.
        let mut other = bars.map(<[f64]>::to_vec);
        other.iter_mut().for_each(|column| column[now..].fill(1e9));
        let other = triple_barrier(other.each_ref().map(Vec::as_slice), &width, barriers).unwrap();
        for row in 0..now.saturating_sub(horizon) {
            assert_eq!(other[row], labels[row], "row {row} of {now}");
        }
        let returned = forward_returns(&bars[2][..now], horizon).unwrap();
        for row in 0..now.saturating_sub(horizon) {
            assert_eq!(returned[row].to_bits(), returns[row].to_bits());
        }
    }
}

#[test]
fn no_plan_can_call_a_label() {
    for name in ["forward_return", "forward_returns", "direction", "directions", "triple_barrier", "label"] {
        assert!(CATALOGUE.iter().all(|entry| entry.name != name));
        assert!(Plan::parse(&format!("{name}(close,5)"), &COLUMNS).is_err());
    }
}

#[test]
fn training_rows_share_no_row_with_the_labels_of_the_validation() {
    for (rows, validation, horizon, embargo) in [
        (100, 40..60, 5, 10),
        (100, 0..20, 3, 0),
        (100, 80..100, 7, 30),
        (30, 10..20, 50, 0),
        (10, 5..5, 1, 0),
    ] {
        let parts = training_rows(rows, validation.clone(), horizon, embargo).unwrap();
        for row in parts.into_iter().flatten() {
            assert!(row < rows);
            let before = row + horizon < validation.start;
            let after = row >= validation.end + horizon + embargo;
            assert!(before || after, "row {row}");
        }
    }
    let whole = training_rows(100, 40..60, 5, 10).unwrap();
    assert_eq!(whole, [0..35, 75..100]);
    assert!(matches!(training_rows(10, 5..11, 1, 0), Err(LabelError::Validation { .. })));
}

#[test]
fn what_cannot_be_labelled_is_an_error() {
    let (long, short) = ([1.0; 5], [1.0; 4]);
    let told = |bars, width: &[f64], barriers| triple_barrier(bars, width, barriers).unwrap_err().to_string();
    assert_eq!(
        told([&long, &short, &long], &long, BARRIERS),
        "low has 4 rows and close has 5; all must be of one length"
    );
    assert!(told([&long; 3], &short, BARRIERS).starts_with("width has 4 rows"));
    let none = Barriers { lower: 0.0, ..BARRIERS };
    assert_eq!(
        told([&long; 3], &long, none),
        "the lower barrier is 0 widths away; give a number above zero, infinite for no barrier"
    );
    let still = Barriers { horizon: 0, ..BARRIERS };
    assert_eq!(
        told([&long; 3], &long, still),
        "a label looks at least one row ahead; give a horizon above zero"
    );
}
