//! Features beside the official Rust port of TA-Lib computing the same: a panel of symbols, one long series, ticks.
//!
//! The panel runs once where everything fits the caches and once through memory, beside a copy of its output: the limit.
//! TA-Lib takes the symbols one after the other, as it must, each in its own column. A long series is run on one thread and on
//! two, into ordinary memory whose pages have been touched; its limit is the rate at which one core writes. Ticks stand beside the
//! same rows in a batch. Answers are compared before times are.
#![expect(clippy::expect_used, reason = "a benchmark that cannot run must not give a number")]

use std::hint::black_box;
use std::num::NonZero;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use diapason_benches::market::bars;
use diapason_kernels::feature::{Fit, Number, Plan};
use ndarray::{Array2, ArrayView2, ArrayViewMut3};
use ta_lib::{Core, MAType, OutRange};

const ROWS: usize = 1 << 20;
const INPUTS: [&str; 3] = ["high", "low", "close"];

/// What both compute, and how many series each gives.
const FEATURES: &[(&str, usize)] = &[
    ("rocp(close,1)", 1),
    ("ema(close,12)", 1),
    ("ema(close,26)", 1),
    ("macd(close,12,26,9)", 3),
    ("rsi(close,14)", 1),
    ("sma(close,20)", 1),
    ("stddev(close,20)", 1),
    ("bbands(close,20)", 3),
    ("rocp(close,10)", 1),
    ("atr(14)", 1),
];

fn plan_text() -> String {
    FEATURES.iter().map(|(text, _)| *text).collect::<Vec<_>>().join(", ")
}

/// The series of one feature by TA-Lib, and the row at which they begin.
fn rival(text: &str, [high, low, close]: [&[f64]; 3], out: &mut [Vec<f64>]) -> usize {
    let core = Core::new();
    let last = close.len() - 1;
    let range: Result<OutRange, _> = match (text, out) {
        ("rocp(close,1)", [a, ..]) => core.rocp(0, last, close, 1, a),
        ("rocp(close,10)", [a, ..]) => core.rocp(0, last, close, 10, a),
        ("ema(close,12)", [a, ..]) => core.ema(0, last, close, 12, a),
        ("ema(close,26)", [a, ..]) => core.ema(0, last, close, 26, a),
        ("macd(close,12,26,9)", [a, b, c, ..]) => core.macd(0, last, close, 12, 26, 9, a, b, c),
        ("rsi(close,14)", [a, ..]) => core.rsi(0, last, close, 14, a),
        ("sma(close,20)", [a, ..]) => core.sma(0, last, close, 20, a),
        ("stddev(close,20)", [a, ..]) => core.stddev(0, last, close, 20, 1.0, a),
        ("bbands(close,20)", [a, b, c, ..]) => {
            core.bbands(0, last, close, 20, 2.0, 2.0, MAType::SMA, a, b, c)
        }
        ("atr(14)", [a, ..]) => core.atr(0, last, high, low, close, 14, a),
        (other, _) => unreachable!("{other} has no rival"),
    };
    range.expect("a valid call").beg_idx
}

/// All features of one series by TA-Lib: where each begins.
fn rivals(columns: [&[f64]; 3], out: &mut [Vec<f64>]) -> Vec<usize> {
    let mut at = 0;
    let of = |(text, series): &(&str, usize)| {
        let begin = rival(text, columns, &mut out[at..at + series]);
        at += series;
        std::iter::repeat_n(begin, *series)
    };
    FEATURES.iter().flat_map(of).collect()
}

fn compare(ours: impl Fn(usize, usize) -> f64, theirs: &[Vec<f64>], begin: &[usize], tolerance: f64) {
    for (output, (values, begin)) in theirs.iter().zip(begin).enumerate() {
        for row in *begin..values.len() {
            let (a, b) = (ours(output, row), values[row - begin]);
            // Differences of prices are as exact as the prices.
            let scale = if tolerance < 1e-6 { b.abs().max(1e-3) } else { 1000.0 };
            assert!((a - b).abs() <= tolerance * scale, "output {output}, row {row}: {a}, TA-Lib {b}");
        }
    }
}

/// Numbers that begin on a cache line.
struct Lines<T> {
    numbers: Vec<T>,
    begin: usize,
    len: usize,
}

impl<T: Number> Lines<T> {
    fn new(len: usize) -> Self {
        let numbers = vec![T::of(0.0); len + 64 / size_of::<T>()];
        let begin = numbers.as_ptr().align_offset(64);
        Self { numbers, begin, len }
    }

    fn all(&mut self) -> &mut [T] {
        &mut self.numbers[self.begin..][..self.len]
    }
}

fn panel<T: Number>(c: &mut Criterion, name: &str, symbols: usize, rows: usize) {
    let series: Vec<[Vec<f64>; 3]> = (1..=symbols as u64).map(|seed| bars(rows, seed)).collect();
    let plan = Plan::parse(&plan_text(), &INPUTS).expect("a valid plan");
    let outputs = plan.names().len();
    let mut columns: Vec<Lines<T>> = (0..3).map(|_| Lines::new(rows * symbols)).collect();
    for (which, column) in columns.iter_mut().enumerate() {
        for (place, slot) in column.all().iter_mut().enumerate() {
            *slot = T::of(series[place % symbols][which][place / symbols]);
        }
    }
    let views: Vec<ArrayView2<'_, T>> = columns
        .iter_mut()
        .map(|column| ArrayView2::from_shape((rows, symbols), column.all()).expect("the shape"))
        .collect();
    let (mut out, mut copy) =
        (Lines::<T>::new(outputs * rows * symbols), Lines::new(outputs * rows * symbols));
    let shape = (outputs, rows, symbols);
    let mut theirs = vec![vec![0.0; rows]; outputs];
    let ours = |out: &mut Lines<T>| {
        let out = ArrayViewMut3::from_shape(shape, out.all()).expect("the shape");
        plan.panel::<T>(symbols).expect("no times").extend(&views, out).expect("the shape fits");
    };
    ours(&mut out);
    for symbol in [0, symbols - 1] {
        let [high, low, close] = &series[symbol];
        let begin = rivals([high, low, close], &mut theirs);
        let tolerance = if size_of::<T>() == 8 { 1e-9 } else { 1e-3 };
        let all = out.all();
        compare(
            |output, row| all[(output * rows + row) * symbols + symbol].wide(),
            &theirs,
            &begin,
            tolerance,
        );
    }
    let mut group = c.benchmark_group(format!("features/panel-{name}"));
    group.throughput(Throughput::Elements((outputs * rows * symbols) as u64));
    let place = format!("{symbols}x{rows}");
    group.bench_function(BenchmarkId::new("diapason", &place), |b| b.iter(|| ours(&mut out)));
    group.bench_function(BenchmarkId::new("ta-lib-f64", &place), |b| {
        b.iter(|| {
            for [high, low, close] in black_box(&series) {
                black_box(rivals([high, low, close], &mut theirs));
            }
        });
    });
    group.bench_function(BenchmarkId::new("limit-copy", &place), |b| {
        b.iter(|| copy.all().copy_from_slice(black_box(out.all())));
    });
    group.finish();
}

fn panels(c: &mut Criterion) {
    panel::<f32>(c, "f32", 16, 1024);
    panel::<f32>(c, "f32", 512, 8192);
    panel::<f64>(c, "f64", 16, 512);
    panel::<f64>(c, "f64", 512, 8192);
}

/// One plan over a million bars, each feature alone, and as ticks.
fn series(c: &mut Criterion) {
    let [high, low, close] = bars(ROWS, 1);
    let columns = [&high[..], &low[..], &close[..]];
    let plan = Plan::parse(&plan_text(), &INPUTS).expect("a valid plan");
    let outputs = plan.names().len();
    let mut ours = Array2::zeros((outputs, ROWS));
    plan.batch(&columns, ours.view_mut().reversed_axes()).expect("the shape fits");
    let mut theirs = vec![vec![0.0; ROWS]; outputs];
    let begin = rivals(columns, &mut theirs);
    compare(|output, row| ours[[output, row]], &theirs, &begin, 1e-9);
    let mut group = c.benchmark_group("features/series");
    group.throughput(Throughput::Elements((outputs * ROWS) as u64));
    group.bench_function("diapason-batch", |b| {
        b.iter(|| plan.batch(black_box(&columns), ours.view_mut().reversed_axes()));
    });
    let two = plan.clone().with_threads(NonZero::<usize>::MIN.saturating_add(1));
    group.bench_function("diapason-batch-2-threads", |b| {
        b.iter(|| two.batch(black_box(&columns), ours.view_mut().reversed_axes()));
    });
    group.bench_function("ta-lib", |b| b.iter(|| rivals(black_box(columns), &mut theirs)));
    group.bench_function("diapason-stream", |b| {
        b.iter(|| {
            let (mut stream, mut out) = (plan.stream(), vec![0.0; outputs]);
            for row in 0..ROWS {
                stream.push(&[high[row], low[row], close[row]], &mut out);
            }
            out
        });
    });
    group.throughput(Throughput::Elements(ROWS as u64));
    let mut at = 0;
    for (text, series) in FEATURES {
        let plan = Plan::parse(text, &INPUTS).expect("a valid plan");
        let wanted = |name: &String| INPUTS.iter().position(|input| input == name);
        let read: Vec<&[f64]> = plan.inputs().iter().filter_map(wanted).map(|place| columns[place]).collect();
        let mut ours = Array2::zeros((*series, ROWS));
        let name = match *text {
            "ema(close,26)" => "ema-26",
            "rocp(close,10)" => "rocp-10",
            other => other.split('(').next().unwrap_or(other),
        };
        group.bench_function(BenchmarkId::new("diapason-one", name), |b| {
            b.iter(|| plan.batch(black_box(&read), ours.view_mut().reversed_axes()));
        });
        group.bench_function(BenchmarkId::new("ta-lib-one", name), |b| {
            b.iter(|| rival(text, black_box(columns), &mut theirs[at..at + series]));
        });
        at += series;
    }
    group.finish();
}

/// Indicators one by one: what both compute, and how many series each gives.
const SINGLE: &[(&str, usize)] = &[
    ("sma(20)", 1),
    ("ema(20)", 1),
    ("wma(20)", 1),
    ("kama(20)", 1),
    ("trix(20)", 1),
    ("rsi(14)", 1),
    ("macd(12,26,9)", 3),
    ("bbands(20)", 3),
    ("stddev(20)", 1),
    ("roc(10)", 1),
    ("mom(10)", 1),
    ("min(20)", 1),
    ("max(20)", 1),
    ("atr(14)", 1),
    ("adx(14)", 1),
    ("cci(14)", 1),
    ("stoch(5,3,3)", 2),
    ("willr(14)", 1),
    ("mfi(14)", 1),
    ("obv()", 1),
    ("correl(close,volume,30)", 1),
];

/// One of them by TA-Lib, from high, low, close and volume, and the row at which it begins.
fn single_rival(text: &str, [high, low, close, volume]: [&[f64]; 4], out: &mut [Vec<f64>]) -> usize {
    let core = Core::new();
    let last = close.len() - 1;
    let range: Result<OutRange, _> = match (text, out) {
        ("sma(20)", [a, ..]) => core.sma(0, last, close, 20, a),
        ("ema(20)", [a, ..]) => core.ema(0, last, close, 20, a),
        ("wma(20)", [a, ..]) => core.wma(0, last, close, 20, a),
        ("kama(20)", [a, ..]) => core.kama(0, last, close, 20, a),
        ("trix(20)", [a, ..]) => core.trix(0, last, close, 20, a),
        ("rsi(14)", [a, ..]) => core.rsi(0, last, close, 14, a),
        ("macd(12,26,9)", [a, b, c, ..]) => core.macd(0, last, close, 12, 26, 9, a, b, c),
        ("bbands(20)", [a, b, c, ..]) => core.bbands(0, last, close, 20, 2.0, 2.0, MAType::SMA, a, b, c),
        ("stddev(20)", [a, ..]) => core.stddev(0, last, close, 20, 1.0, a),
        ("roc(10)", [a, ..]) => core.roc(0, last, close, 10, a),
        ("mom(10)", [a, ..]) => core.mom(0, last, close, 10, a),
        ("min(20)", [a, ..]) => core.min(0, last, close, 20, a),
        ("max(20)", [a, ..]) => core.max(0, last, close, 20, a),
        ("atr(14)", [a, ..]) => core.atr(0, last, high, low, close, 14, a),
        ("adx(14)", [a, ..]) => core.adx(0, last, high, low, close, 14, a),
        ("cci(14)", [a, ..]) => core.cci(0, last, high, low, close, 14, a),
        ("stoch(5,3,3)", [a, b, ..]) => {
            core.stoch(0, last, high, low, close, 5, 3, MAType::SMA, 3, MAType::SMA, a, b)
        }
        ("willr(14)", [a, ..]) => core.willr(0, last, high, low, close, 14, a),
        ("mfi(14)", [a, ..]) => core.mfi(0, last, high, low, close, volume, 14, a),
        ("obv()", [a, ..]) => core.obv(0, last, close, volume, a),
        ("correl(close,volume,30)", [a, ..]) => core.correl(0, last, close, volume, 30, a),
        (other, _) => unreachable!("{other} has no rival"),
    };
    range.expect("a valid call").beg_idx
}

/// Each indicator alone over a million bars, on one thread and on two.
fn single(c: &mut Criterion) {
    let [high, low, close] = bars(ROWS, 1);
    let volume: Vec<f64> = high.iter().zip(&low).map(|(high, low)| ((high - low) * 1e5).round()).collect();
    let (names, columns) = (["high", "low", "close", "volume"], [&high[..], &low, &close, &volume]);
    let mut group = c.benchmark_group("features/single");
    for (text, series) in SINGLE {
        let plan = Plan::parse(text, &names).expect("a valid plan");
        let wanted = |name: &String| names.iter().position(|input| input == name);
        let read: Vec<&[f64]> = plan.inputs().iter().filter_map(wanted).map(|place| columns[place]).collect();
        let (mut ours, mut theirs) = (Array2::zeros((*series, ROWS)), vec![vec![0.0; ROWS]; *series]);
        plan.batch(&read, ours.view_mut().reversed_axes()).expect("the shape fits");
        let begin = single_rival(text, columns, &mut theirs);
        for (output, values) in theirs.iter().enumerate() {
            for row in begin..ROWS {
                let (a, b) = (ours[[output, row]], values[row - begin]);
                assert!((a - b).abs() <= 1e-7 * b.abs().max(1.0), "{text}, row {row}: {a}, TA-Lib {b}");
            }
        }
        group.throughput(Throughput::Bytes((size_of::<f64>() * series * ROWS) as u64));
        let two = plan.clone().with_threads(NonZero::<usize>::MIN.saturating_add(1));
        for (name, plan) in [("diapason", &plan), ("diapason-2-threads", &two)] {
            group.bench_function(BenchmarkId::new(name, text), |b| {
                b.iter(|| plan.batch(black_box(&read), ours.view_mut().reversed_axes()));
            });
        }
        group.bench_function(BenchmarkId::new("ta-lib", text), |b| {
            b.iter(|| single_rival(text, black_box(columns), &mut theirs));
        });
    }
    group.finish();
}

/// A vector of 32 features, as a model may read it.
const THIRTY_TWO: &str = "log_return(1), log_return(5), log_return(15), rocp(30), ema(8)/close-1, ema(12)/close-1, \
    ema(26)/close-1, ema(48)/close-1, sma(20)/close-1, sma(60)/close-1, macd(12,26,9), rsi(7), rsi(14), rsi(28), \
    bbands(20), percentb(20), stddev(10), stddev(60), volatility(20), volatility(60), zscore(20), zscore(60), \
    zscore(volume,60), atr(14), natr(14), ibs(), min(20)/close-1, max(20)/close-1";
const TICKS: usize = 1 << 14;

/// Ticks of one symbol, one after the other, in nanoseconds a row: as features, and as a model reads them. Beside them the same
/// rows in a batch on one thread, which pays once for many rows what a tick pays each time: the limit.
fn ticks(c: &mut Criterion) {
    const WARM: usize = 1000;
    let [high, low, close] = bars(WARM + TICKS, 1);
    let volume: Vec<f64> = high.iter().zip(&low).map(|(high, low)| ((high - low) * 1e5).round()).collect();
    let (names, columns) = (["high", "low", "close", "volume"], [&high[..], &low, &close, &volume]);
    let mut group = c.benchmark_group("features/tick");
    group.throughput(Throughput::Elements(TICKS as u64));
    for text in [plan_text().as_str(), THIRTY_TWO] {
        let plan = Plan::parse(text, &names).expect("a valid plan");
        let wanted = |name: &String| names.iter().position(|input| input == name);
        let read: Vec<&[f64]> = plan.inputs().iter().filter_map(wanted).map(|place| columns[place]).collect();
        let rows: Vec<Vec<f64>> =
            (0..WARM + TICKS).map(|row| read.iter().map(|column| column[row]).collect()).collect();
        let (warm, ticks) = rows.split_at(WARM);
        let (now, later): (Vec<&[f64]>, Vec<&[f64]>) =
            read.iter().map(|column| column.split_at(WARM)).unzip();
        let outputs = plan.names().len();
        let mut warmed = plan.stream();
        warmed.warm_up(&now).expect("the columns fit");
        let mut fit = Fit::new(outputs);
        let (mut history, mut batch) = (Array2::zeros((WARM, outputs)), Array2::zeros((TICKS, outputs)));
        plan.batch(&now, history.view_mut()).expect("the shape fits");
        fit.extend(&history.view());
        let normaliser = fit.finish();
        let (mut out, mut row_of_model) = (vec![0.0; outputs], vec![0.0; outputs]);
        warmed.clone().extend(&later, batch.view_mut()).expect("the shape fits");
        let (mut one_by_one, mut stream) = (plan.stream(), warmed.clone());
        warm.iter().for_each(|row| one_by_one.push(row, &mut out));
        for (row, expected) in ticks.iter().zip(batch.rows()) {
            one_by_one.push(row, &mut out);
            stream.push_into_f32(row, &normaliser, &mut row_of_model);
            for (output, expected) in expected.iter().enumerate() {
                let read = normaliser.apply(output, *expected);
                assert_eq!(out[output].to_bits(), expected.to_bits(), "{text}, output {output}");
                assert_eq!(row_of_model[output].to_bits(), read.to_bits(), "{text}, output {output}");
            }
        }
        group.bench_function(BenchmarkId::new("diapason", outputs), |b| {
            b.iter(|| {
                let mut stream = warmed.clone();
                ticks.iter().for_each(|row| stream.push(black_box(row), black_box(&mut out)));
            });
        });
        group.bench_function(BenchmarkId::new("diapason-into-f32", outputs), |b| {
            b.iter(|| {
                let mut stream = warmed.clone();
                for row in ticks {
                    stream.push_into_f32(black_box(row), &normaliser, black_box(&mut row_of_model));
                }
            });
        });
        group.bench_function(BenchmarkId::new("limit-batch", outputs), |b| {
            b.iter(|| warmed.clone().extend(black_box(&later), batch.view_mut()));
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = panels, series, single, ticks
}
criterion_main!(benches);
