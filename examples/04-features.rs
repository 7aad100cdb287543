//! A plan over bars: what it computes, that a live feed gets the very same bits as a batch, the same for many symbols side by
//! side, and a tick that goes through features and normaliser into a model without a stop.
#![expect(clippy::print_stdout, reason = "an example shows its result")]

use anyhow::{Context, Result};
use diapason_kernels::feature::{Fit, Plan};
use diapason_kernels::lstm::{CompileOptions, Head, Lstm, Spec, StreamOptions};
use ndarray::{Array2, Array3, s};

fn main() -> Result<()> {
    let columns = ["high", "low", "close"];
    let plan = Plan::parse("rsi(14)/100, ema(close,20)/close-1, atr(14)/close", &columns)?;
    println!("{}", plan.explain());

    let rows = 500;
    let close: Vec<f64> = (0..rows).map(|row| 100.0 + (f64::from(row) * 0.1).sin()).collect();
    let high: Vec<f64> = close.iter().map(|price| price + 0.5).collect();
    let low: Vec<f64> = close.iter().map(|price| price - 0.5).collect();
    let series = |name: &str| match name {
        "high" => high.as_slice(),
        "low" => low.as_slice(),
        _ => close.as_slice(),
    };
    let inputs: Vec<&[f64]> = plan.inputs().iter().map(|name| series(name)).collect();
    let mut batch = Array2::zeros((close.len(), plan.names().len()));
    plan.batch(&inputs, batch.view_mut())?;

    let mut stream = plan.stream();
    let mut out = vec![0.0; plan.names().len()];
    let mut equal = 0;
    for row in 0..close.len() {
        let values: Vec<f64> = inputs.iter().map(|column| column[row]).collect();
        stream.push(&values, &mut out);
        equal += usize::from(out.iter().zip(batch.row(row)).all(|(a, b)| a.to_bits() == b.to_bits()));
    }
    println!("{equal} of {rows} rows have the same bits in batch and in the stream; the last is {out:?}");

    side_by_side(&plan, &inputs, &batch)?;
    into_a_model(&plan, &inputs, &batch)
}

/// Forty symbols at once, of which each gets the bits of its own series: `[row, symbol]` in, `[output, row, symbol]` out.
fn side_by_side(plan: &Plan, inputs: &[&[f64]], batch: &Array2<f64>) -> Result<()> {
    let (rows, outputs) = batch.dim();
    let symbols = 40;
    let columns: Vec<Array2<f64>> =
        inputs.iter().map(|column| Array2::from_shape_fn((rows, symbols), |(row, _)| column[row])).collect();
    let views: Vec<_> = columns.iter().map(|column| column.view()).collect();
    let mut out = Array3::zeros((outputs, rows, symbols));
    plan.panel::<f64>(symbols)?.extend(&views, out.view_mut())?;
    let of_symbol = out.slice(s![.., .., symbols - 1]);
    let equal = of_symbol.t().iter().zip(batch).filter(|(a, b)| a.to_bits() == b.to_bits()).count();
    println!(
        "symbol {symbols} of {symbols} side by side: {equal} of {} values have the same bits",
        batch.len()
    );
    Ok(())
}

/// A tick at a time: features, their normalisation and the model, in memory that is used again and again.
fn into_a_model(plan: &Plan, inputs: &[&[f64]], batch: &Array2<f64>) -> Result<()> {
    let (rows, outputs) = batch.dim();
    // Means and deviations of the rows that a model would learn from.
    let mut fit = Fit::new(outputs);
    fit.extend(&batch.slice(s![..rows / 2, ..]));
    let normaliser = fit.finish();
    let spec = Spec { input: outputs, hidden: 32, layers: 1, output: 1, head: Head::Linear };
    let executable = Lstm::new(spec, 7)?.compile(&CompileOptions::default())?;
    let mut model = executable.stream(&StreamOptions { window: Some(32), ..StreamOptions::default() })?;
    let mut features = plan.stream();
    let (mut bar, mut row) = (vec![0.0; inputs.len()], vec![0.0f32; outputs]);
    let mut last = None;
    for tick in 0..rows {
        bar.iter_mut().zip(inputs).for_each(|(value, column)| *value = column[tick]);
        features.push_into_f32(&bar, &normaliser, &mut row);
        // While the plan warms up there is nothing to predict from.
        if row.iter().all(|value| value.is_finite()) {
            last = model.push(0, &row)?.map(|prediction| prediction[0]);
        }
    }
    println!(
        "from bar to prediction, tick by tick: {:+.6}",
        last.context("a full window gives a prediction")?
    );
    Ok(())
}
