//! Every windowed entry of the catalogue on the torture set: spikes, gaps, offsets, flat stretches, mixed magnitudes.
//!
//! The set: pandas issues 52407 (negative variance), 42064 (mixed magnitudes), vectorbt issue 714 and TA-Lib issue 118
//! (a spike that stays in running sums for ever).

use diapason_kernels::feature::entry::Stability;
use diapason_kernels::feature::{CATALOGUE, Entry, Plan};

use crate::series::{COLUMNS, Random, Series, series};

/// Entries whose values depend on a window alone, with short and with default periods.
fn windowed() -> Vec<(&'static Entry, Plan)> {
    let finite = |entry: &&&Entry| matches!(entry.stability, Stability::Exact | Stability::Epsilon);
    let plan = |entry: &&'static Entry| (*entry, Plan::parse(&entry.call(), &COLUMNS).unwrap());
    CATALOGUE.iter().filter(finite).map(plan).collect()
}

/// The same bars with another number in one row.
fn with(data: &Series, row: usize, change: impl Fn(f64) -> f64) -> Series {
    let mut other = data.clone();
    for (_, values) in other.0.iter_mut().filter(|(name, _)| *name != "timestamp") {
        values[row] = change(values[row]);
    }
    other
}

#[test]
fn beyond_its_lookback_no_row_changes_a_bit() {
    let data = series("walk", 500, 21);
    let plans = windowed();
    assert!(plans.len() > 80);
    for (entry, plan) in plans {
        let whole = data.batch(&plan);
        for (spike, at) in [(1e12, 137), (-1e12, 200), (f64::NAN, 260), (0.0, 59)] {
            let other = with(&data, at, |value| value * spike).batch(&plan);
            for (output, lookback) in plan.lookbacks().iter().enumerate() {
                for row in (0..at).chain(at + lookback + 1..data.rows()) {
                    let (a, b) = (whole[(row, output)], other[(row, output)]);
                    assert_eq!(
                        a.to_bits(),
                        b.to_bits(),
                        "{} {spike:e} at {at}, row {row}: {a} and {b}",
                        entry.name
                    );
                }
            }
        }
    }
}

/// Series on which sums cancel.
fn hard(kind: usize, rows: usize) -> Series {
    let mut data = series("walk", rows, 30 + kind as u64);
    let mut random = Random(kind as u64);
    for (name, values) in data.0.iter_mut().filter(|(name, _)| *name != "timestamp") {
        for (row, value) in values.iter_mut().enumerate() {
            *value = match kind {
                0 => 1e8 + *value * 1e-6,
                1 if row % 97 == 50 => *value * 1e12,
                2 => *value * 10_f64.powi((row / 40 % 17) as i32 - 8),
                3 if row % 150 > 60 => 100.0,
                4 => *value * 1e150,
                5 => *value * 1e-150,
                6 if random.below(40) == 0 && name != "volume" => f64::NAN,
                _ => *value,
            };
        }
    }
    data
}

/// What a value cannot be outside of, by its meaning.
const BOUNDS: &[(&str, f64, f64)] = &[
    ("rsi", 0.0, 100.0),
    ("stoch", 0.0, 100.0),
    ("stochf", 0.0, 100.0),
    ("willr", -100.0, 0.0),
    ("cmo", -100.0, 100.0),
    ("mfi", 0.0, 100.0),
    ("dx", 0.0, 100.0),
    ("adx", 0.0, 100.0),
    ("adxr", 0.0, 100.0),
    ("aroon", 0.0, 100.0),
    ("aroonosc", -100.0, 100.0),
    ("er", 0.0, 1.0),
    ("var", 0.0, f64::MAX),
    ("stddev", 0.0, f64::MAX),
    ("ewm_var", 0.0, f64::MAX),
    ("avgdev", 0.0, f64::MAX),
    ("mad", 0.0, f64::MAX),
    ("correl", -1.0, 1.0),
    ("rsquare", 0.0, 1.0),
    ("rank", 0.0, 1.0),
    ("robust_zscore", -3.0, 3.0),
    ("ibs", 0.0, 1.0),
    ("realised_variance", 0.0, f64::MAX),
    ("bipower_variation", 0.0, f64::MAX),
    ("linearreg_angle", -90.0, 90.0),
    ("trade_imbalance", -1.0, 1.0),
    ("depth_imbalance5", -1.0, 1.0),
    ("depth_imbalance10", -1.0, 1.0),
];

#[test]
fn nothing_leaves_the_bounds_of_its_meaning() {
    for kind in 0..7 {
        let mut data = hard(kind, 600);
        // Bars stay bars: the range holds open and close.
        for row in 0..data.rows() {
            let bar = ["open", "high", "low", "close"].map(|name| data.column(name)[row]);
            let (high, low) =
                (bar.iter().copied().fold(bar[1], f64::max), bar.iter().copied().fold(bar[2], f64::min));
            data.0.get_mut("high").unwrap()[row] = high;
            data.0.get_mut("low").unwrap()[row] = low;
        }
        for (name, low, high) in BOUNDS {
            let entry = CATALOGUE.iter().find(|entry| entry.name == *name).unwrap();
            let plan = Plan::parse(&entry.call(), &COLUMNS).unwrap();
            for ((row, _), value) in data.batch(&plan).indexed_iter() {
                let room = 1e-9 * high.abs().min(100.0);
                let inside = value.is_nan() || (low - room..=high + room).contains(value);
                assert!(inside, "{name} on series {kind}, row {row}: {value}");
            }
        }
    }
}

/// The greatest error of a plan of one output against `exact` of each window of `n` rows, in units of `scale`.
fn worst(text: &str, columns: [&[f64]; 2], n: usize, exact: impl Fn(&[f64], &[f64]) -> (f64, f64)) -> f64 {
    let [x, y] = columns;
    let data = Series([("x".to_owned(), x.to_vec()), ("y".to_owned(), y.to_vec())].into());
    let plan = Plan::parse(text, &["x", "y"]).unwrap();
    let out = data.batch(&plan);
    let mut worst: f64 = 0.0;
    for (place, (x, y)) in x.windows(n).zip(y.windows(n)).enumerate() {
        let (expected, scale) = exact(x, y);
        let ours = out[(place + n - 1, 0)];
        assert!(ours.is_finite() || scale == 0.0, "{text} row {}: {ours}", place + n - 1);
        if scale > 0.0 {
            worst = worst.max((ours - expected).abs() / scale);
        }
    }
    worst
}

/// Exact distances from the mean, in two passes.
fn centred(x: &[f64]) -> Vec<f64> {
    let distances: Vec<f64> = x.iter().map(|value| value - x[0]).collect();
    let mean = distances.iter().sum::<f64>() / x.len() as f64;
    let rest = distances.iter().map(|value| value - mean).sum::<f64>() / x.len() as f64;
    distances.iter().map(|value| value - mean - rest).collect()
}

fn moment(x: &[f64], power: i32) -> f64 {
    x.iter().map(|value| value.powi(power)).sum::<f64>() / x.len() as f64
}

#[test]
fn lines_covariances_and_higher_moments_keep_their_digits() {
    let mut random = Random(77);
    let rows = 1500;
    let base: Vec<f64> = (0..rows).map(|_| random.normal()).collect();
    let other: Vec<f64> = base.iter().map(|x| 0.3 * x + random.normal()).collect();
    let moved = |x: &[f64], offset: f64, size: f64| x.iter().map(|x| offset + size * x).collect::<Vec<f64>>();
    let mut spiked = moved(&base, 100.0, 1.0);
    (0..rows).step_by(211).for_each(|row| spiked[row] = 1e9);
    let mixed: Vec<f64> = base
        .iter()
        .enumerate()
        .map(|(row, x)| (2.0 + 0.1 * x) * 10_f64.powi((row / 50 % 9) as i32 - 4))
        .collect();
    let cases = [moved(&base, 0.0, 1.0), moved(&base, 1e8, 2.0), moved(&base, 1e12, 1.0), spiked, mixed];
    for (case, x) in cases.iter().enumerate() {
        for n in [5, 20, 100] {
            let slope = worst(&format!("linearreg_slope(x,{n})"), [x, &other], n, |x, _| {
                let (d, middle) = (centred(x), (n as f64 - 1.0) / 2.0);
                let along: f64 = d.iter().enumerate().map(|(t, d)| (t as f64 - middle) * d).sum();
                let room: f64 = (0..n).map(|t| (t as f64 - middle).powi(2)).sum();
                (along / room, (moment(&d, 2) * n as f64 / room).sqrt())
            });
            let covariance = worst(&format!("cov(x,y,{n})"), [x, &other], n, |x, y| {
                let (a, b) = (centred(x), centred(y));
                let product = a.iter().zip(&b).map(|(a, b)| a * b).sum::<f64>() / n as f64;
                (product, (moment(&a, 2) * moment(&b, 2)).sqrt())
            });
            let tails = worst(&format!("kurtosis(x,{n})"), [x, &other], n, |x, _| {
                let (d, n) = (centred(x), n as f64);
                let kurtosis = moment(&d, 4) / moment(&d, 2).powi(2);
                let scale = (n - 1.0) / ((n - 2.0) * (n - 3.0));
                (scale * ((n + 1.0) * (kurtosis - 3.0) + 6.0), n)
            });
            let skew = worst(&format!("skew(x,{n})"), [x, &other], n, |x, _| {
                let (d, n) = (centred(x), n as f64);
                let skew = moment(&d, 3) / moment(&d, 2).powf(1.5);
                ((n * (n - 1.0)).sqrt() / (n - 2.0) * skew, n.sqrt())
            });
            for (what, error) in
                [("slope", slope), ("covariance", covariance), ("kurtosis", tails), ("skew", skew)]
            {
                assert!(error < 1e-9, "{what} over {n} rows of case {case}: {error:e}");
            }
        }
    }
}
