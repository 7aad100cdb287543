//! Import of a CSV file beside Polars: the same bars, the same sum of closes, one run of each in turn.
//!
//! Ours is the whole way: parse, check, pack, write, fsync. Polars parses into memory, with times and with times left as texts, and
//! in a third run writes Parquet with zstd. `make rivals-loader` sets its environment up and runs this as well; without
//! it (`RIVALS_PYTHON` names the interpreter) only ours is timed. Results go where criterion's go, so that `cargo xtask record`
//! keeps them. The file is in the page cache.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark that cannot run must not give a number"
)]

use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

use diapason_benches::kept::{Units, keep};
use diapason_benches::rival::Rival;
use diapason_loader::csv;
use diapason_loader::table::Table;
use serde_json::{Value, json};

const ROWS: u64 = 2_000_000;
const ROUNDS: usize = 5;

/// Bars of a minute: a price that walks in steps of a hundredth, and volumes with two decimals.
fn bars(rows: u64) -> String {
    let mut text = "timestamp,open,high,low,close,volume\n".to_owned();
    let (mut state, mut price) = (1u64, 4_631_900i64);
    let mut draw = |range: u64| {
        // Knuth's multiplier of 64 bits; the high bits are the draw.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        ((u128::from(state) * u128::from(range)) >> 64) as i64
    };
    for row in 0..rows {
        let (minute, day) = (row % 1440, row / 1440);
        let (month, year) = (day / 28 % 12, day / 336);
        let open = price;
        price = (price + draw(401) - 200).max(1000);
        let (high, low) = (open.max(price) + draw(50), open.min(price) - draw(50));
        let decimal = |value: i64| format!("{}.{:02}", value / 100, value % 100);
        let _ = writeln!(
            text,
            "{:04}-{:02}-{:02} {:02}:{:02}:00,{},{},{},{},{}",
            2000 + year,
            month + 1,
            day % 28 + 1,
            minute / 60,
            minute % 60,
            decimal(open),
            decimal(high),
            decimal(low),
            decimal(price),
            decimal(draw(100_000_000)),
        );
    }
    text
}

/// Runs a task of Polars once: its seconds and its sum.
fn theirs(polars: &mut Rival, request: &Value) -> (f64, Option<f64>) {
    let answer = polars.ask(request);
    (answer["seconds"].as_f64().expect("seconds"), answer["sum"].as_f64())
}

/// Imports on so many threads: seconds, and the sum of the closes.
fn ours(input: &Path, output: &Path, threads: usize) -> (f64, Option<f64>) {
    let options = csv::Options { threads, level: 1, ..csv::Options::default() };
    let start = Instant::now();
    let report = csv::import(input, output, &options, &mut |_| {}).expect("the bars are good");
    let seconds = start.elapsed().as_secs_f64();
    let table = Table::open(output).expect("it was written");
    let mut closes = vec![0.0; report.rows as usize];
    table.read_f64("close", 0..report.rows, &mut closes).expect("it is whole");
    (seconds, Some(closes.iter().sum()))
}

fn main() {
    let once = std::env::args().any(|word| word == "--test");
    let (rows, rounds) = if once { (20_000, 1) } else { (ROWS, ROUNDS) };
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (input, output) = (folder.path().join("bars.csv"), folder.path().join("bars.h5"));
    let text = bars(rows);
    std::fs::write(&input, &text).expect("a file can be written");
    let bytes = text.len() as u64;
    drop(text);
    let mut polars = Rival::start("import.py");
    if polars.is_none() {
        println!(
            "import: Polars is not measured; RIVALS_PYTHON names no interpreter (see `make rivals-loader`)"
        );
    }
    let to = folder.path().join("bars.parquet");
    let names = [
        "ours-1-thread",
        "ours-2-threads",
        "polars-parse",
        "polars-parse-without-times",
        "polars-to-parquet",
    ];
    let mut times = vec![Vec::new(); names.len()];
    for _ in 0..rounds {
        let mut sums = Vec::new();
        for (name, times) in names.iter().zip(&mut times) {
            let request = |task: &str| json!({ "task": task, "path": input, "to": to });
            let (seconds, sum) = match (*name, &mut polars) {
                ("ours-1-thread", _) => ours(&input, &output, 1),
                ("ours-2-threads", _) => ours(&input, &output, 2),
                (_, None) => continue,
                ("polars-parse", Some(polars)) => theirs(polars, &request("read")),
                ("polars-parse-without-times", Some(polars)) => theirs(polars, &request("numbers")),
                (_, Some(polars)) => theirs(polars, &request("parquet")),
            };
            times.push(seconds);
            sums.extend(sum);
        }
        // Sums in another order differ in their last bits.
        assert!(sums.iter().all(|sum| (sum - sums[0]).abs() <= sums[0].abs() * 1e-9), "{sums:?}");
    }
    let mut first = f64::NAN;
    for (name, times) in names.iter().zip(&mut times).filter(|(_, times)| !times.is_empty()) {
        times.sort_by(f64::total_cmp);
        let [least, median, most] = [times[0], times[times.len() / 2], times[times.len() - 1]];
        let rate = |seconds: f64| bytes as f64 / seconds / 1e6;
        first = if first.is_nan() { rate(median) } else { first };
        println!(
            "import/{name:<28} {:>8.1} MB/s ({:.1} to {:.1}), {:.2}x",
            rate(median),
            rate(most),
            rate(least),
            rate(median) / first
        );
        let nanoseconds = [least, median, most].map(|seconds| seconds * 1e9);
        keep(&format!("import/{name}"), nanoseconds, Units::Bytes(bytes));
    }
}
