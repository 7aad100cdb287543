//! Comparisons of symbols: each row by itself, the same however the rows arrive, and only where there are symbols.

use diapason_kernels::feature::{Across, CrossPlan, Plan, PlanError};
use ndarray::{Array2, Array3, ArrayView2, s};

use crate::series::{COLUMNS, Random, SHAPES, series};

const SYMBOLS: usize = 19;
const ROWS: usize = 200;

/// `[row, symbol]` of each column that is read.
fn columns(inputs: &[String]) -> Vec<Array2<f64>> {
    let shapes: Vec<&str> = SHAPES.into_iter().filter(|shape| *shape != "short").collect();
    let all: Vec<_> = (0..SYMBOLS).map(|at| series(shapes[at % shapes.len()], ROWS, at as u64 / 7)).collect();
    inputs
        .iter()
        .map(|name| Array2::from_shape_fn((ROWS, SYMBOLS), |(row, at)| all[at].column(name)[row]))
        .collect()
}

fn run(plan: &CrossPlan, columns: &[Array2<f64>]) -> Array3<f64> {
    let mut out = Array3::zeros((plan.names().len(), ROWS, SYMBOLS));
    let views: Vec<ArrayView2<'_, f64>> = columns.iter().map(|column| column.view()).collect();
    plan.panel(SYMBOLS).unwrap().extend(&views, out.view_mut()).unwrap();
    out
}

#[test]
fn a_value_is_compared_with_the_known_values_of_its_row() {
    let text = "cs_rank(rsi(5)), rsi(5), cs_zscore(close/sma(9)-1), cs_demean(macd(3,5,2)), cs_rank(volume)";
    let plan = CrossPlan::parse(text, &COLUMNS).unwrap();
    let expected = ["cs_rank(rsi(close,5))", "rsi(close,5)", "cs_zscore(close/sma(close,9)-1)"];
    assert_eq!(plan.names()[..3], expected);
    assert_eq!(plan.names().len(), 7);
    let columns = columns(plan.inputs());
    let out = run(&plan, &columns);
    let plain = Plan::parse("rsi(5), close/sma(9)-1, macd(3,5,2), volume", &COLUMNS).unwrap();
    assert_eq!(plain.inputs(), plan.inputs());
    let mut inner = Array3::zeros((6, ROWS, SYMBOLS));
    let views: Vec<ArrayView2<'_, f64>> = columns.iter().map(|column| column.view()).collect();
    plain.panel(SYMBOLS).unwrap().extend(&views, inner.view_mut()).unwrap();
    for row in 0..ROWS {
        for (output, of) in [(0, 0), (1, 0), (2, 1), (3, 2), (4, 3), (5, 4), (6, 5)] {
            let values = inner.slice(s![of, row, ..]);
            let known: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
            let mean = known.iter().sum::<f64>() / known.len() as f64;
            let variance = known.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / known.len() as f64;
            let scale = known.iter().map(|value| value.abs()).fold(0.0, f64::max);
            for (symbol, value) in values.iter().enumerate() {
                let ours = out[(output, row, symbol)];
                assert_eq!(ours.is_nan(), value.is_nan(), "output {output} row {row}");
                if value.is_nan() {
                    continue;
                }
                let below = known.iter().filter(|other| *other < value).count() as f64;
                let equal = known.iter().filter(|other| *other == value).count() as f64;
                let (expected, room) = match output {
                    0 | 6 => ((below + (equal + 1.0) / 2.0) / known.len() as f64, 1e-15),
                    1 => (*value, 0.0),
                    2 if variance <= 1e-30 * scale * scale => continue,
                    2 => ((value - mean) / variance.sqrt(), 1e-9),
                    _ => (value - mean, 1e-12 * scale),
                };
                assert!((ours - expected).abs() <= room, "output {output} row {row}: {ours} and {expected}");
            }
        }
    }
}

#[test]
fn chunks_and_later_rows_change_no_bit() {
    let text = "cs_rank(rsi(5)), cs_zscore(log_return(3)), atr(14)/close, cs_demean(zscore(volume,9))";
    let plan = CrossPlan::parse(text, &COLUMNS).unwrap();
    let columns = columns(plan.inputs());
    let whole = run(&plan, &columns);
    let (mut panel, mut out, mut random) = (plan.panel(SYMBOLS).unwrap(), whole.clone(), Random(3));
    out.fill(8.0);
    let mut at = 0;
    while at < ROWS {
        let end = (at + random.below(40) + 1).min(ROWS);
        let views: Vec<_> = columns.iter().map(|column| column.slice(s![at..end, ..])).collect();
        panel.extend(&views, out.slice_mut(s![.., at..end, ..])).unwrap();
        at = end;
    }
    let bits = |x: &Array3<f64>| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&whole), bits(&out));
}

#[test]
fn one_spelling_is_one_plan_and_what_does_not_fit_is_refused() {
    let plan = CrossPlan::parse("cs_rank( rsi() ) # a comment\n, atr()", &COLUMNS).unwrap();
    let same = CrossPlan::parse("cs_rank(rsi(close,14)), atr(high,low,close,14)", &COLUMNS).unwrap();
    assert_eq!((plan.hash(), plan.lookback()), (same.hash(), 14));
    assert_ne!(plan.hash(), CrossPlan::parse("cs_zscore(rsi()), atr()", &COLUMNS).unwrap().hash());
    let told = |text: &str| CrossPlan::parse(text, &COLUMNS).unwrap_err();
    assert!(matches!(told("cs_rank(rsi(14))*2"), PlanError::Across { .. }));
    assert!(matches!(told("rsi(cs_rank(close),14)"), PlanError::Across { .. }));
    assert!(matches!(told("cs_rank(rsi(14)), cs_rank(rsi())"), PlanError::Repeated { .. }));
    assert!(matches!(told("cs_rank(close,14)"), PlanError::Inputs { .. }));
    let PlanError::UnknownFeature { place, .. } = told("close/open,\n  cs_rank(rsii(14))") else { panic!() };
    assert_eq!((place.line(), place.column()), (2, 11));
    for across in Across::ALL {
        let error = Plan::parse(&format!("{}(close)", across.name()), &COLUMNS).unwrap_err();
        assert!(matches!(error, PlanError::Across { .. }), "{error}");
    }
}
