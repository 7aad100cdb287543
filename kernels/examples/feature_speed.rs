//! How fast a panel of symbols runs, beside a copy of its output: nanoseconds for each value of each feature.
//!
//! `cargo run --release -p diapason-kernels --example feature_speed -- [SYMBOLS [ROWS [PLAN]]]`
#![expect(clippy::print_stdout, reason = "a measurement shows its result")]

use std::error::Error;
use std::time::Instant;

use diapason_kernels::feature::{Number, Plan};
use ndarray::{Array2, ArrayView2, ArrayViewMut3};

const PLAN: &str = "rocp(close,1), ema(close,12), ema(close,26), macd(close,12,26,9), rsi(close,14), sma(close,20), \
                    stddev(close,20), zscore(close,20), rocp(close,10), atr(14)";

fn least(mut run: impl FnMut() -> Result<(), Box<dyn Error>>) -> Result<f64, Box<dyn Error>> {
    let mut best = f64::INFINITY;
    let begin = Instant::now();
    // The first run is left out of the time: it meets memory that nobody has touched.
    for round in 0.. {
        if round > 5 && begin.elapsed().as_secs_f64() > 0.5 {
            break;
        }
        let start = Instant::now();
        run()?;
        if round > 0 {
            best = best.min(start.elapsed().as_secs_f64());
        }
    }
    Ok(best)
}

/// Numbers that begin on a cache line, as `diapason-buffer` gives them: what begins elsewhere costs a half more.
struct Lines<T> {
    numbers: Vec<T>,
    begin: usize,
    len: usize,
}

impl<T: Number> Lines<T> {
    fn new(len: usize, value: T) -> Self {
        let numbers = vec![value; len + 64 / size_of::<T>()];
        let begin = numbers.as_ptr().align_offset(64);
        Self { numbers, begin, len }
    }

    fn all(&mut self) -> &mut [T] {
        &mut self.numbers[self.begin..][..self.len]
    }
}

fn panel<T: Number>(text: &str, symbols: usize, rows: usize) -> Result<(), Box<dyn Error>> {
    let plan = Plan::parse(text, &["high", "low", "close"])?;
    let mut seed = 1_u64;
    let mut price = vec![100.0; symbols];
    let close = Array2::from_shape_fn((rows, symbols), |(_, symbol)| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        price[symbol] *= 1.0 + (f64::from((seed >> 40) as u32 % 2001) / 1000.0 - 1.0) * 0.001;
        price[symbol]
    });
    let number = |x: f64| T::from(x).ok_or("a number");
    let mut columns = Vec::new();
    for (name, factor) in [("high", 1.001), ("low", 0.999), ("close", 1.0)] {
        if plan.inputs().iter().any(|input| input == name) {
            let mut column = Lines::new(rows * symbols, number(0.0)?);
            for (slot, x) in column.all().iter_mut().zip(&close) {
                *slot = number(x * factor)?;
            }
            columns.push(column);
        }
    }
    let shape = (plan.names().len(), rows, symbols);
    let values = shape.0 * rows * symbols;
    let (mut out, mut copy) = (Lines::new(values, number(0.0)?), Lines::new(values, number(0.0)?));
    let views: Result<Vec<_>, _> =
        columns.iter_mut().map(|column| ArrayView2::from_shape((rows, symbols), column.all())).collect();
    let views = views?;
    // A panel of its own for each run, warm-up and all, as the benchmark does it; then rows that follow others.
    let anew = least(|| {
        Ok(plan.panel::<T>(symbols)?.extend(&views, ArrayViewMut3::from_shape(shape, out.all())?)?)
    })?;
    let mut run = plan.panel::<T>(symbols)?;
    let best = least(|| Ok(run.extend(&views, ArrayViewMut3::from_shape(shape, out.all())?)?))?;
    let copy = least(|| {
        copy.all().copy_from_slice(out.all());
        Ok(())
    })?;
    let cells = values as f64;
    println!(
        "{} {text}: {symbols} x {rows}: {:.3} ns a value, {:.3} going on; a copy of the output {:.3}",
        std::any::type_name::<T>(),
        anew / cells * 1e9,
        best / cells * 1e9,
        copy / cells * 1e9
    );
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize, default| arguments.get(place).map_or(Ok(default), |text| text.parse());
    let (symbols, rows) = (number(0, 512)?, number(1, 8192)?);
    let plan = arguments.get(2).map_or(PLAN, String::as_str);
    panel::<f32>(plan, symbols, rows)?;
    panel::<f64>(plan, symbols, rows)
}
