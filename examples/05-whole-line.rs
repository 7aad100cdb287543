//! The data line as a program: compressed file -> features -> windows -> training -> predictions.
//!
//! The loader and the kernels do not know each other; this is how a program puts them together. The `diapason`
//! command does the same for files that do not fit in memory.
#![expect(clippy::print_stdout, reason = "an example shows its result")]

use anyhow::Result;
use diapason_kernels::feature::Plan;
use diapason_kernels::lstm::{CompileOptions, Head, Lstm, Spec, TrainOptions, Trainer};
use diapason_loader::market::{self, Options};
use diapason_loader::sampler::{Order, Shape, Split, Windows};
use diapason_loader::table::Table;
use ndarray::{Array2, Array3, s};

const WINDOW: usize = 16;
const BATCH: usize = 128;

fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("bars.h5");
    market::generate(&file, &Options { rows: 20_000, ..Options::default() }, &mut |_| {})?;
    let table = Table::open(&file)?;
    let rows = usize::try_from(table.rows())?;

    let names: Vec<&str> = table.columns().iter().map(|column| column.name.as_str()).collect();
    let plan = Plan::parse("log_return(close)*1000, rsi(14)/100-0.5", &names)?;
    let mut columns = vec![vec![0.0; rows]; plan.inputs().len()];
    for (name, column) in plan.inputs().iter().zip(&mut columns) {
        table.read_f64(name, 0..table.rows(), column)?;
    }
    let inputs: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
    let mut features = Array2::zeros((rows, plan.names().len()));
    plan.batch(&inputs, features.view_mut())?;
    let features = features.mapv(|value: f64| value as f32);

    let shape = Shape { length: WINDOW as u64, stride: 1, horizon: 1 };
    let split = Split::in_time(table.rows(), 0.2, 0.0, 1, shape.span())?;
    let train = Windows::new(plan.lookback() as u64..split.train.end, &[], shape)?;
    let check = Windows::new(split.validation, &[], shape)?;
    let target = |start: usize| features[[start + WINDOW, 0]];

    let spec = Spec { input: plan.names().len(), hidden: 16, layers: 1, output: 1, head: Head::Linear };
    let mut trainer = Trainer::new(Lstm::new(spec, 1)?, TrainOptions::default())?;
    let gather = |starts: &[u64]| -> (Array3<f32>, Array2<f32>) {
        let mut x = Array3::zeros((starts.len(), WINDOW, plan.names().len()));
        let mut y = Array2::zeros((starts.len(), 1));
        for (index, start) in starts.iter().enumerate() {
            let start = usize::try_from(*start).unwrap_or(usize::MAX);
            x.slice_mut(s![index, .., ..]).assign(&features.slice(s![start..start + WINDOW, ..]));
            y[[index, 0]] = target(start);
        }
        (x, y)
    };
    for epoch in 1..=3 {
        let (mut loss, mut steps) = (0.0, 0u32);
        for block in train.epoch(Order::Shuffled { seed: 1 }, epoch, 65_536)? {
            for starts in block.starts.chunks(BATCH) {
                let (x, y) = gather(starts);
                loss += trainer.step(x.view(), y.view())?.loss;
                steps += 1;
            }
        }
        println!("epoch {epoch}: training loss {:.5}", loss / f64::from(steps));
    }
    let mut executable = trainer.model().compile(&CompileOptions::default())?;
    let (mut error, mut zero, mut count) = (0.0, 0.0, 0u32);
    for block in check.epoch(Order::Sequential, 0, 65_536)? {
        for starts in block.starts.chunks(BATCH) {
            let (x, y) = gather(starts);
            let mut out = Array2::zeros(y.dim());
            executable.predict(x.view(), out.view_mut())?;
            error += (&out - &y).mapv(|e| e * e).sum();
            zero += y.mapv(|e| e * e).sum();
            count += u32::try_from(starts.len())?;
        }
    }
    println!("{count} validation windows: squared error {:.4} of that of predicting zero", error / zero);
    Ok(())
}
