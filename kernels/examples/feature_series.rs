//! How fast one long series runs, each indicator beside the official Rust port of TA-Lib, and how long a tick takes.
//!
//! `cargo run --release -p diapason-kernels --example feature_series -- [ROWS]`
#![expect(clippy::print_stdout, reason = "a measurement shows its result")]

use std::error::Error;
use std::time::Instant;

use diapason_kernels::feature::Plan;
use ndarray::Array2;
use ta_lib::{Core, MAType, RetCode};

const COLUMNS: [&str; 5] = ["open", "high", "low", "close", "volume"];

/// What TA-Lib is asked for, by the text of the same feature here.
const INDICATORS: &[&str] = &[
    "sma(20)",
    "ema(20)",
    "rsi(14)",
    "macd(12,26,9)",
    "bbands(20)",
    "stddev(20)",
    "atr(14)",
    "natr(14)",
    "roc(10)",
    "mom(10)",
    "min(20)",
    "max(20)",
    "trange()",
    "typprice()",
];

/// A vector of 32 features as a model reads it.
const TICK: &str = "log_return(1), log_return(5), log_return(15), rocp(30), ema(8)/close-1, ema(12)/close-1, \
    ema(26)/close-1, ema(48)/close-1, sma(20)/close-1, sma(60)/close-1, macd(12,26,9), rsi(7), rsi(14), rsi(28), \
    bbands(20), percentb(20), stddev(10), stddev(60), volatility(20), volatility(60), zscore(20), zscore(60), \
    zscore(volume,60), atr(14), natr(14), ibs(), min(20)/close-1, max(20)/close-1";

struct Bars {
    high: Vec<f64>,
    low: Vec<f64>,
    close: Vec<f64>,
    columns: Vec<(&'static str, Vec<f64>)>,
}

fn bars(rows: usize) -> Bars {
    let mut seed = 1_u64;
    let mut unit = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 11) as f64 / (1_u64 << 53) as f64
    };
    let mut price = 100.0;
    let mut columns: Vec<(&'static str, Vec<f64>)> = COLUMNS.map(|name| (name, Vec::new())).into();
    for _ in 0..rows {
        let open = price;
        price *= 1.0 + (unit() - 0.5) * 0.002;
        let row =
            [open, open.max(price) * (1.0 + unit() * 0.001), open.min(price) * (1.0 - unit() * 0.001), price];
        for ((_, column), value) in columns.iter_mut().zip(row.into_iter().chain([(unit() * 1000.0).round()]))
        {
            column.push(value);
        }
    }
    let column = |at: usize| columns[at].1.clone();
    Bars { high: column(1), low: column(2), close: column(3), columns }
}

fn rival(text: &str, bars: &Bars, out: &mut [Vec<f64>; 3]) -> Result<usize, RetCode> {
    let core = Core::new();
    let last = bars.close.len() - 1;
    let (high, low, close) = (&bars.high[..], &bars.low[..], &bars.close[..]);
    let [a, b, c] = out;
    let range = match text {
        "sma(20)" => core.sma(0, last, close, 20, a),
        "ema(20)" => core.ema(0, last, close, 20, a),
        "rsi(14)" => core.rsi(0, last, close, 14, a),
        "macd(12,26,9)" => core.macd(0, last, close, 12, 26, 9, a, b, c),
        "bbands(20)" => core.bbands(0, last, close, 20, 2.0, 2.0, MAType::SMA, a, b, c),
        "stddev(20)" => core.stddev(0, last, close, 20, 1.0, a),
        "atr(14)" => core.atr(0, last, high, low, close, 14, a),
        "natr(14)" => core.natr(0, last, high, low, close, 14, a),
        "roc(10)" => core.roc(0, last, close, 10, a),
        "mom(10)" => core.mom(0, last, close, 10, a),
        "min(20)" => core.min(0, last, close, 20, a),
        "max(20)" => core.max(0, last, close, 20, a),
        "trange()" => core.trange(0, last, high, low, close, a),
        "typprice()" => core.typprice(0, last, high, low, close, a),
        _ => return Err(RetCode::BadParam),
    }?;
    Ok(range.beg_idx)
}

fn least(seconds: f64, mut run: impl FnMut() -> Result<(), Box<dyn Error>>) -> Result<f64, Box<dyn Error>> {
    let mut best = f64::INFINITY;
    let begin = Instant::now();
    while begin.elapsed().as_secs_f64() < seconds {
        let start = Instant::now();
        run()?;
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok(best)
}

fn inputs<'a>(plan: &Plan, bars: &'a Bars) -> Vec<&'a [f64]> {
    let find = |name: &String| bars.columns.iter().find(|(column, _)| column == name);
    plan.inputs().iter().filter_map(find).map(|(_, values)| &values[..]).collect()
}

fn batch(text: &str, bars: &Bars) -> Result<f64, Box<dyn Error>> {
    let rows = bars.close.len();
    let plan = Plan::parse(text, &COLUMNS)?;
    let columns = inputs(&plan, bars);
    let mut out = Array2::zeros((rows, plan.names().len()));
    Ok(least(0.15, || Ok(plan.batch(&columns, out.view_mut())?))? / rows as f64 * 1e9)
}

/// Median nanoseconds of a tick, over batches of 256.
fn tick(text: &str, bars: &Bars) -> Result<(usize, f64), Box<dyn Error>> {
    let plan = Plan::parse(text, &COLUMNS)?;
    let columns = inputs(&plan, bars);
    let mut stream = plan.stream();
    let (mut row, mut out) = (vec![0.0; columns.len()], vec![0.0; plan.names().len()]);
    let mut times = Vec::new();
    for batch in 0..bars.close.len().min(1 << 18) / 256 {
        let start = Instant::now();
        for at in batch * 256..(batch + 1) * 256 {
            for (value, column) in row.iter_mut().zip(&columns) {
                *value = column[at];
            }
            stream.push(&row, &mut out);
        }
        times.push(start.elapsed().as_secs_f64() / 256.0 * 1e9);
    }
    times.sort_by(f64::total_cmp);
    Ok((out.len(), times[times.len() / 2]))
}

fn main() -> Result<(), Box<dyn Error>> {
    let rows = std::env::args().nth(1).map_or(Ok(1 << 20), |text| text.parse())?;
    let bars = bars(rows);
    let mut out = [vec![0.0; rows], vec![0.0; rows], vec![0.0; rows]];
    let (mut alone, mut theirs) = (0.0, 0.0);
    for text in INDICATORS {
        let ours = batch(text, &bars)?;
        let rival = least(0.15, || {
            rival(text, &bars, &mut out).map_err(|code| format!("TA-Lib: {code:?}"))?;
            Ok(())
        })? / rows as f64
            * 1e9;
        println!("{text:16} {ours:6.2} ns a bar, TA-Lib {rival:6.2}: {:.2}x", rival / ours);
        (alone, theirs) = (alone + ours, theirs + rival);
    }
    let together = batch(&INDICATORS.join(", "), &bars)?;
    println!(
        "one by one {alone:.2}, in one plan {together:.2}, TA-Lib {theirs:.2}: {:.2}x",
        theirs / together
    );
    for text in ["sma(20), ema(20), rsi(14)", TICK] {
        let (outputs, tick) = tick(text, &bars)?;
        println!("a tick of {outputs} features {tick:.1} ns");
    }
    Ok(())
}
