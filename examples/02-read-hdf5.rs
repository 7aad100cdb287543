//! Writes generated bars, reads a few rows of one column (only the chunk that holds them is decoded), then streams every
//! window of 60 rows once, shuffled, within 32 MiB.
#![expect(clippy::print_stdout, reason = "an example shows its result")]

use std::sync::Arc;

use anyhow::Result;
use diapason_loader::market::{self, Options};
use diapason_loader::sampler::{Order, Shape, Windows};
use diapason_loader::stream::{self, Loader};
use diapason_loader::table::Table;

fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("bars.h5");
    market::generate(&file, &Options { rows: 200_000, ..Options::default() }, &mut |_| {})?;

    let table = Table::open(&file)?;
    for column in table.columns() {
        println!(
            "{:9} {} in {} chunks, {} -> {} bytes",
            column.name, column.dtype, column.chunks, column.raw_bytes, column.stored_bytes
        );
    }
    let mut close = [0.0; 5];
    table.read_f64("close", 150_000..150_005, &mut close)?;
    println!("close[150000..150005] = {close:?}");

    let windows = Windows::new(0..table.rows(), &[], Shape { length: 60, stride: 1, horizon: 5 })?;
    let names = |names: [&str; 5]| names.map(str::to_owned).to_vec();
    let options = stream::Options {
        features: names(["open", "high", "low", "close", "volume"]),
        targets: vec!["close".to_owned()],
        order: Order::Shuffled { seed: 1 },
        budget_bytes: 32 << 20,
        ..stream::Options::default()
    };
    let loader = Loader::new(Arc::new(table), windows, &options)?;
    println!("{}", loader.explain());
    let mut count = 0;
    for batch in loader.batches(0)? {
        let batch = batch?;
        // `[window][row][feature]` and `[window][target]`, views of memory that is used again for a later batch.
        count += batch.windows().dim().0.min(batch.targets().dim().0);
    }
    println!("{count} windows");
    Ok(())
}
