//! A plan over bars: what it computes, and that a live feed gets the very same bits as a batch.
#![expect(clippy::print_stdout, reason = "an example shows its result")]

use anyhow::Result;
use diapason_kernels::feature::Plan;
use ndarray::Array2;

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
    Ok(())
}
