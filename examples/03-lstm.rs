//! Loads a model that PyTorch saved, compiles it, runs it over a window at once and row by row, then trains it further.
//!
//! `03-lstm.safetensors` is the `state_dict` of a `torch.nn.LSTM` and a `torch.nn.Linear`, half trained to add up eight numbers;
//! `03-lstm.py` made it, and left PyTorch's own prediction in it.
#![expect(clippy::print_stdout, reason = "an example shows its result")]

use std::path::Path;

use anyhow::{Context, Result};
use diapason_kernels::lstm::{CompileOptions, Executable, Lstm, StreamOptions, TrainOptions, Trainer};
use ndarray::{Array2, Array3, s};

const TIME: usize = 8;

fn main() -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("03-lstm.safetensors");
    let model = Lstm::load(&path)?;
    let theirs = model.metadata().get("prediction").context("03-lstm.py wrote it")?.clone();
    let mut executable = model.compile(&CompileOptions::default())?;
    println!("{}", executable.explain());

    let (x, y) = batch(256);
    let ours = predict(&mut executable, &x)?;
    println!("sum {:+.6}; PyTorch {theirs}, in a batch {ours:+.6}", y[[0, 0]]);

    // Each prediction is that of the last eight rows; the state could be carried on for ever as well.
    let mut stream = executable.stream(&StreamOptions { window: Some(TIME), ..StreamOptions::default() })?;
    let mut last = None;
    for row in x.slice(s![0, .., 0]) {
        last = stream.push(0, &[*row])?.map(|out| out[0]);
    }
    println!("row by row {:+.6}", last.context("a full window gives a prediction")?);

    let options = TrainOptions { learning_rate: 1e-2, ..TrainOptions::default() };
    let mut trainer = Trainer::new(model, options)?;
    for step in 0..=300 {
        let report = trainer.step(x.view(), y.view())?;
        if step % 100 == 0 {
            println!("step {step:3}: loss {:.5}", report.loss);
        }
    }
    let trained = predict(&mut trainer.model().compile(&CompileOptions::default())?, &x)?;
    println!("trained {trained:+.6}");
    Ok(())
}

/// The prediction for the first window.
fn predict(executable: &mut Executable, x: &Array3<f32>) -> Result<f32> {
    let mut out = Array2::zeros((1, 1));
    executable.predict(x.slice(s![..1, .., ..]), out.view_mut())?;
    Ok(out[[0, 0]])
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
