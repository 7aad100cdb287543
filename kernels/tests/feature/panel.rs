//! A panel gives each symbol the bits that a stream gives it alone, whatever its neighbours, the chunks and the place.

use diapason_kernels::feature::{Panel, PanelError, Plan};
use ndarray::{Array2, Array3, ArrayView2, s};

use crate::one_truth::everything;
use crate::series::{COLUMNS, Random, SHAPES, Series, assert_same, series};

/// `[row, symbol]` of each column that the plan reads.
fn columns<T: Copy>(plan: &Plan, all: &[Series], of: impl Fn(f64) -> T) -> Vec<Array2<T>> {
    let rows = all[0].rows();
    plan.inputs()
        .iter()
        .map(|name| {
            Array2::from_shape_fn((rows, all.len()), |(row, symbol)| of(all[symbol].column(name)[row]))
        })
        .collect()
}

/// As many symbols as asked, of all shapes but the short one.
fn symbols(count: usize, rows: usize) -> Vec<Series> {
    let shapes: Vec<&str> = SHAPES.into_iter().filter(|shape| *shape != "short").collect();
    (0..count).map(|symbol| series(shapes[symbol % shapes.len()], rows, symbol as u64)).collect()
}

/// Runs the panel over chunks of random lengths.
fn chunked<T: diapason_kernels::feature::Number>(
    panel: &mut Panel<T>,
    columns: &[Array2<T>],
    out: &mut Array3<T>,
    random: &mut Random,
) {
    let rows = out.dim().1;
    let mut at = 0;
    while at < rows {
        let count = (random.below(60) + 1).min(rows - at);
        let views: Vec<ArrayView2<'_, T>> =
            columns.iter().map(|column| column.slice(s![at..at + count, ..])).collect();
        panel.extend(&views, out.slice_mut(s![.., at..at + count, ..])).unwrap();
        at += count;
    }
}

#[test]
fn every_symbol_has_the_bits_of_its_own_stream() {
    let plan = everything();
    for (count, rows) in [(1, 150), (16, 500), (37, 300)] {
        let all = symbols(count, rows);
        let columns = columns(&plan, &all, |x| x);
        let mut out = Array3::zeros((plan.names().len(), rows, count));
        let mut panel = plan.panel::<f64>(count).unwrap();
        chunked(&mut panel, &columns, &mut out, &mut Random(count as u64));
        assert_eq!(panel.rows(), rows as u64);
        for (symbol, data) in all.iter().enumerate() {
            let own = out.slice(s![.., .., symbol]).t().to_owned();
            assert_same(&data.batch(&plan), &own, plan.names(), &format!("symbol {symbol} of {count}"));
        }
    }
}

#[test]
fn symbols_that_lie_row_after_row_have_the_same_bits() {
    let plan = everything();
    let (count, rows) = (21, 333);
    let all = symbols(count, rows);
    let columns = columns(&plan, &all, |x| x);
    // `[symbol][row]` in memory.
    let turned: Vec<Array2<f64>> =
        columns.iter().map(|column| column.t().as_standard_layout().into_owned()).collect();
    let views: Vec<ArrayView2<'_, f64>> = columns.iter().map(|column| column.view()).collect();
    let mut expected = Array3::zeros((plan.names().len(), rows, count));
    plan.panel::<f64>(count).unwrap().extend(&views, expected.view_mut()).unwrap();
    let mut out = Array3::from_elem((plan.names().len(), count, rows), -1.0);
    let mut panel = plan.panel::<f64>(count).unwrap();
    for (from, to) in [(0, 1), (1, 48), (48, 50), (50, rows)] {
        let views: Vec<ArrayView2<'_, f64>> =
            turned.iter().map(|column| column.slice(s![.., from..to]).reversed_axes()).collect();
        let part = out.slice_mut(s![.., .., from..to]).permuted_axes([0, 2, 1]);
        panel.extend(&views, part).unwrap();
    }
    for symbol in 0..count {
        let own = out.slice(s![.., symbol, ..]).t().to_owned();
        let other = expected.slice(s![.., .., symbol]).t().to_owned();
        assert_same(&other, &own, plan.names(), &format!("symbol {symbol}"));
    }
}

#[test]
fn in_f32_neighbours_and_chunks_change_no_bit_and_values_are_near_those_of_f64() {
    let plan = everything();
    let names: Vec<&str> = plan.names().iter().map(String::as_str).collect();
    let timeless = names.iter().filter(|name| !name.contains("time")).copied().collect::<Vec<_>>().join(", ");
    let plan = Plan::parse(&timeless, &COLUMNS).unwrap();
    let all = symbols(21, 400);
    let columns = columns(&plan, &all, |x| x as f32);
    let mut whole = Array3::zeros((plan.names().len(), 400, 21));
    let views: Vec<_> = columns.iter().map(|column| column.view()).collect();
    plan.panel::<f32>(21).unwrap().extend(&views, whole.view_mut()).unwrap();
    let mut again = whole.clone();
    chunked(&mut plan.panel::<f32>(21).unwrap(), &columns, &mut again, &mut Random(4));
    let bits = |x: &Array3<f32>| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&whole), bits(&again));
    for symbol in [0, 15, 16, 20] {
        let views: Vec<_> = columns.iter().map(|column| column.slice(s![.., symbol..=symbol])).collect();
        let mut alone = Array3::zeros((plan.names().len(), 400, 1));
        plan.panel::<f32>(1).unwrap().extend(&views, alone.view_mut()).unwrap();
        assert_eq!(bits(&alone), bits(&whole.slice(s![.., .., symbol..=symbol]).to_owned()));
    }
    // A walk of prices in f32 against the same in f64, in features whose conditioning is good.
    let plan =
        Plan::parse("sma(close,20), ema(close,12), rsi(close,14), max(close,9), atr(14)", &COLUMNS).unwrap();
    let all = vec![series("walk", 400, 3)];
    let rounded = Series(
        all[0]
            .0
            .iter()
            .map(|(name, x)| (name.clone(), x.iter().map(|x| f64::from(*x as f32)).collect()))
            .collect(),
    );
    let truth = rounded.batch(&plan);
    let columns = self::columns(&plan, &all, |x| x as f32);
    let views: Vec<_> = columns.iter().map(|column| column.view()).collect();
    let mut out = Array3::zeros((plan.names().len(), 400, 1));
    plan.panel::<f32>(1).unwrap().extend(&views, out.view_mut()).unwrap();
    for ((row, output), value) in truth.indexed_iter() {
        let ours = f64::from(out[(output, row, 0)]);
        assert!(ours.is_nan() == value.is_nan(), "{} row {row}", plan.names()[output]);
        assert!(
            value.is_nan() || (ours - value).abs() <= 1e-4 * value.abs(),
            "{} row {row}: {ours}, {value}",
            plan.names()[output]
        );
    }
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_written() {
    let plan = Plan::parse("close - open", &COLUMNS).unwrap();
    let mut panel = plan.panel::<f64>(2).unwrap();
    let (good, bad) = (Array2::from_elem((3, 2), 1.0), Array2::from_elem((2, 2), 1.0));
    let mut out = Array3::from_elem((1, 3, 2), 8.0);
    assert!(matches!(panel.extend(&[good.view()], out.view_mut()), Err(PanelError::Columns { .. })));
    assert!(matches!(
        panel.extend(&[good.view(), bad.view()], out.view_mut()),
        Err(PanelError::Column { .. })
    ));
    let mut small = Array3::from_elem((1, 3, 1), 8.0);
    assert!(matches!(panel.extend(&[good.view(); 2], small.view_mut()), Err(PanelError::Output { .. })));
    assert!(panel.rows() == 0 && out.iter().all(|x| *x == 8.0));
    // Any layout will do.
    let (turned, mut out) = (Array2::from_elem((2, 3), 1.0), Array3::from_elem((2, 3, 1), 8.0));
    panel.extend(&[turned.t(), turned.t()], out.view_mut().permuted_axes([2, 1, 0])).unwrap();
    assert!(out.iter().all(|x| *x == 0.0));
    let error = Plan::parse("time_of_day()", &COLUMNS).unwrap().panel::<f32>(2).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the plan reads the time of the rows (timestamp), which f32 cannot hold; compute it in f64, or without it"
    );
}
