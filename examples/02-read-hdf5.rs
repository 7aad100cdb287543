//! Writes generated bars, then reads a few rows of one column: only the chunk that holds them is decoded.
#![expect(clippy::print_stdout, reason = "an example shows its result")]

use anyhow::Result;
use diapason_loader::market::{self, Options};
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
    Ok(())
}
