//! A panel of features beside polars-talib's `.over("symbol")` on the same bars: the same sums, one run of each in turn.
//!
//! `make rivals-features` sets its environment up and runs this; without it (`RIVALS_PYTHON` names its interpreter) nothing is
//! measured, and that is said. Polars runs once with one thread and once with as many as it wants, ours on one.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark that cannot run must not give a number"
)]

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use diapason_benches::market::bars;
use diapason_benches::race::{Entrant, entrant, race};
use diapason_benches::rival::Rival;
use diapason_kernels::feature::{Number, Plan};
use ndarray::{Array2, Array3};
use serde_json::json;

const PLAN: &str = "rocp(close,1), ema(close,12), ema(close,26), macd(close,12,26,9), rsi(close,14), sma(close,20), \
                    stddev(close,20), bbands(close,20), rocp(close,10), atr(14)";
const INPUTS: [&str; 3] = ["high", "low", "close"];

/// Ours: `[input][row, symbol]` in memory, and the sum of what is known.
fn ours<'a, T: Number>(name: &str, series: &[[Vec<f64>; 3]], rows: usize) -> Entrant<'a> {
    let symbols = series.len();
    let plan = Plan::parse(PLAN, &INPUTS).expect("a valid plan");
    let column = |input: usize| {
        Array2::from_shape_fn((rows, symbols), |(row, symbol)| T::of(series[symbol][input][row]))
    };
    let columns = [0, 1, 2].map(column);
    let mut out = Array3::from_elem((plan.names().len(), rows, symbols), T::of(0.0));
    let values = out.len() as f64;
    entrant(name, values, move || {
        let views: Vec<_> = columns.iter().map(|column| column.view()).collect();
        let mut panel = plan.panel::<T>(symbols).expect("it reads no times");
        let start = Instant::now();
        panel.extend(&views, out.view_mut()).expect("the shapes fit");
        let seconds = start.elapsed().as_secs_f64();
        Some((seconds, out.iter().map(|value| value.wide()).filter(|value| !value.is_nan()).sum()))
    })
}

/// Polars, with the sum of what is known.
fn theirs<'a>(mut polars: Rival, path: &Path, [symbols, rows]: [usize; 2], values: f64) -> Entrant<'a> {
    let opened = polars.ask(&json!({ "task": "open", "path": path, "symbols": symbols, "rows": rows }));
    let name = format!("polars-talib-{}-threads", opened["threads"]);
    entrant(&name, values, move || {
        let answer = polars.ask(&json!({ "task": "compute" }));
        Some((answer["seconds"].as_f64()?, answer["sum"].as_f64()?))
    })
}

fn main() {
    let once = std::env::args().any(|word| word == "--test");
    let (symbols, rows, rounds) = if once { (32, 512, 1) } else { (512, 8192, 5) };
    let (Some(one), Some(all)) =
        (Rival::start_with("features.py", &[("POLARS_MAX_THREADS", "1")]), Rival::start("features.py"))
    else {
        println!(
            "features: nothing measured; RIVALS_PYTHON names no interpreter (see `make rivals-features`)"
        );
        return;
    };
    let series: Vec<[Vec<f64>; 3]> = (1..=symbols as u64).map(|seed| bars(rows, seed)).collect();
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("bars");
    let mut file = std::fs::File::create(&path).expect("a file can be made");
    for input in 0..INPUTS.len() {
        for columns in &series {
            let bytes: Vec<u8> = columns[input].iter().flat_map(|value| value.to_le_bytes()).collect();
            file.write_all(&bytes).expect("a file can be written");
        }
    }
    let single = ours::<f32>("diapason-f32", &series, rows);
    let double = ours::<f64>("diapason-f64", &series, rows);
    drop(series);
    let plan = Plan::parse(PLAN, &INPUTS).expect("a valid plan");
    let values = (plan.names().len() * rows * symbols) as f64;
    let shape = [symbols, rows];
    let mut entrants = [double, single, theirs(one, &path, shape, values), theirs(all, &path, shape, values)];
    // What f32 rounds and what the definitions leave open at the beginning is far below this.
    race("rivals/features", "values", &mut entrants, rounds, 1e-4);
}
