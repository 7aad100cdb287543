//! Trains a small LSTM to carry a sum, then runs it over a window at once and row by row: the numbers agree.
#![expect(clippy::print_stdout, reason = "an example shows its result")]

use anyhow::{Context, Result};
use diapason_kernels::lstm::{CompileOptions, Head, Lstm, Spec, StreamOptions, TrainOptions, Trainer};
use ndarray::{Array2, Array3, s};

const TIME: usize = 8;

fn main() -> Result<()> {
    let spec = Spec { input: 1, hidden: 16, layers: 1, output: 1, head: Head::Linear };
    let options = TrainOptions { learning_rate: 1e-2, ..TrainOptions::default() };
    let mut trainer = Trainer::new(Lstm::new(spec, 1)?, options)?;
    let (x, y) = batch(256);
    for step in 0..=300 {
        let report = trainer.step(x.view(), y.view())?;
        if step % 100 == 0 {
            println!("step {step:3}: loss {:.5}", report.loss);
        }
    }

    let mut executable = trainer.model().compile(&CompileOptions::default())?;
    println!("{}", executable.explain());
    let mut out = Array2::zeros((1, 1));
    executable.predict(x.slice(s![..1, .., ..]), out.view_mut())?;
    let mut stream = executable.stream(&StreamOptions { window: Some(TIME), ..StreamOptions::default() })?;
    let mut last = None;
    for row in x.slice(s![0, .., 0]) {
        last = stream.push(0, &[*row])?.map(|out| out[0]);
    }
    let last = last.context("a full window gives a prediction")?;
    println!("sum {:+.4}; in a batch {:+.4}, in a stream {last:+.4}", y[[0, 0]], out[[0, 0]]);
    Ok(())
}

/// Windows of small numbers, and the sum of each.
fn batch(windows: usize) -> (Array3<f32>, Array2<f32>) {
    let x = Array3::from_shape_fn((windows, TIME, 1), |(window, time, _)| {
        let mixed = (window * TIME + time).wrapping_mul(2_654_435_761) % 2001;
        mixed as f32 / 1000.0 - 1.0
    });
    let y = Array2::from_shape_fn((windows, 1), |(window, _)| x.slice(s![window, .., 0]).sum());
    (x, y)
}
