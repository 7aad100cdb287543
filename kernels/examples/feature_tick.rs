//! What a tick costs from a bar to a prediction, and what of it is the model: 32 features of one symbol, normalised,
//! into an LSTM of two layers of 128 units with carried state.
//!
//! `cargo run --release -p diapason-kernels --example feature_tick`
#![expect(clippy::print_stdout, reason = "a measurement shows its result")]

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use diapason_kernels::feature::{Fit, Plan};
use diapason_kernels::lstm::{CompileOptions, Head, Lstm, Spec, StreamOptions};
use ndarray::Array2;

const PLAN: &str = "log_return(1), log_return(5), log_return(15), rocp(30), ema(8)/close-1, ema(12)/close-1, \
    ema(26)/close-1, ema(48)/close-1, sma(20)/close-1, sma(60)/close-1, macd(12,26,9), rsi(7), rsi(14), rsi(28), \
    bbands(20), percentb(20), stddev(10), stddev(60), volatility(20), volatility(60), zscore(20), zscore(60), \
    zscore(volume,60), atr(14), natr(14), ibs(), min(20)/close-1, max(20)/close-1";
/// Bars that warm the plan up and fit the normaliser.
const HISTORY: usize = 1000;
const TICKS: usize = 20_000;

/// Median and 99th percentile, in nanoseconds.
fn percentiles(mut times: Vec<f64>) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], times[times.len() * 99 / 100])
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut seed = 1_u64;
    let mut unit = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 11) as f64 / (1_u64 << 53) as f64
    };
    let mut price = 100.0;
    let columns = ["high", "low", "close", "volume"];
    let bars = Array2::from_shape_fn((HISTORY + TICKS, 4), |(_, column)| match column {
        0 => {
            price *= 1.0 + (unit() - 0.5) * 0.002;
            price * 1.001
        }
        1 => price * 0.999,
        2 => price,
        _ => (unit() * 1000.0).round(),
    });
    let plan = Plan::parse(PLAN, &columns)?;
    assert_eq!(plan.inputs(), columns, "the order of the bars");
    let outputs = plan.names().len();
    let mut stream = plan.stream();
    let (mut features, mut row) = (vec![0.0; outputs], vec![0.0_f32; outputs]);
    let mut fit = Fit::new(outputs);
    for bar in bars.rows().into_iter().take(HISTORY) {
        stream.push(bar.as_slice().ok_or("a row")?, &mut features);
        fit.extend(&ndarray::ArrayView2::from_shape((1, outputs), &features)?);
    }
    let normaliser = fit.finish();
    let spec = Spec { input: outputs, hidden: 128, layers: 2, output: 1, head: Head::Linear };
    let model = Lstm::new(spec, 1)?;
    let options = StreamOptions { instances: 1, window: None, ..StreamOptions::default() };
    let executable = model.compile(&CompileOptions::default())?;
    let (mut whole, mut alone) = (executable.stream(&options)?, executable.stream(&options)?);
    let [mut features_ns, mut both_ns, mut alone_ns] = [Vec::new(), Vec::new(), Vec::new()];
    let mut before = stream.clone();
    for bar in bars.rows().into_iter().skip(HISTORY) {
        let bar = bar.as_slice().ok_or("a row")?;
        let start = Instant::now();
        before.push_into_f32(black_box(bar), &normaliser, &mut row);
        features_ns.push(start.elapsed().as_secs_f64() * 1e9);
        let start = Instant::now();
        stream.push_into_f32(black_box(bar), &normaliser, &mut row);
        black_box(whole.push(0, &row)?);
        both_ns.push(start.elapsed().as_secs_f64() * 1e9);
        let start = Instant::now();
        black_box(alone.push(0, black_box(&row))?);
        alone_ns.push(start.elapsed().as_secs_f64() * 1e9);
    }
    let [features, both, alone] = [features_ns, both_ns, alone_ns].map(percentiles);
    println!("{outputs} features normalised: p50 {:.0} ns, p99 {:.0} ns", features.0, features.1);
    println!("LSTM 2 x 128 alone: p50 {:.0} ns, p99 {:.0} ns", alone.0, alone.1);
    println!(
        "bar to prediction: p50 {:.0} ns, p99 {:.0} ns: {:.3} times the LSTM",
        both.0,
        both.1,
        both.0 / alone.0
    );
    Ok(())
}
