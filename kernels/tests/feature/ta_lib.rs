//! Parity with the official Rust port of TA-Lib, 0.8.3: values and lookback, on random walks and on real bars.

use diapason_kernels::feature::{CATALOGUE, Plan};
use diapason_tests::require;
use ta_lib::{Core, MAType, OutRange, RetCode};

use crate::series::{COLUMNS, Series, bitcoin, series};

/// The values of one call of TA-Lib: for each output the series, and where it begins.
type Judged = (Vec<Vec<f64>>, OutRange);

/// Calls TA-Lib's function for the feature `name` with the periods `p`.
fn judge(name: &str, data: &Series, p: &[i32]) -> Result<Judged, RetCode> {
    let core = Core::new();
    let rows = data.rows();
    let last = rows - 1;
    let [high, low, close, volume] = ["high", "low", "close", "volume"].map(|column| data.column(column));
    let mut out = vec![vec![0.0; rows]; 3];
    let [a, b, c] = &mut out[..] else { unreachable!() };
    let (outputs, range) = match name {
        "sma" => (1, core.sma(0, last, close, p[0], a)?),
        "ema" => (1, core.ema(0, last, close, p[0], a)?),
        "rma" => (1, core.rma(0, last, close, p[0], a)?),
        "mom" => (1, core.mom(0, last, close, p[0], a)?),
        "roc" => (1, core.roc(0, last, close, p[0], a)?),
        "rocp" => (1, core.rocp(0, last, close, p[0], a)?),
        "rocr" => (1, core.rocr(0, last, close, p[0], a)?),
        "rsi" => (1, core.rsi(0, last, close, p[0], a)?),
        "macd" => (3, core.macd(0, last, close, p[0], p[1], p[2], a, b, c)?),
        "var" => (1, core.var(0, last, close, p[0], 1.0, a)?),
        "stddev" => (1, core.stddev(0, last, close, p[0], 1.0, a)?),
        "bbands" => (3, core.bbands(0, last, close, p[0], 2.0, 2.0, MAType::SMA, a, b, c)?),
        "percentb" => (1, core.percentb(0, last, close, p[0], 2.0, 2.0, MAType::SMA, a)?),
        "bbw" => (1, core.bbw(0, last, close, p[0], 2.0, 2.0, MAType::SMA, a)?),
        "trange" => (1, core.trange(0, last, high, low, close, a)?),
        "atr" => (1, core.atr(0, last, high, low, close, p[0], a)?),
        "natr" => (1, core.natr(0, last, high, low, close, p[0], a)?),
        "typprice" => (1, core.typprice(0, last, high, low, close, a)?),
        "ibs" => (1, core.ibs(0, last, high, low, close, a)?),
        "min" => (1, core.min(0, last, close, p[0], a)?),
        "max" => (1, core.max(0, last, close, p[0], a)?),
        "vwap" => (1, core.vwap(0, last, high, low, close, volume, a)?),
        "ln" => (1, core.ln(0, last, close, a)?),
        "sqrt" => (1, core.sqrt(0, last, close, a)?),
        other => panic!("{other} has a TA-Lib name and no judge"),
    };
    out.truncate(outputs);
    Ok((out, range))
}

/// Features whose order of operations is TA-Lib's, so that the bits are.
const SAME_BITS: &[&str] = &[
    "ema", "rma", "mom", "roc", "rocp", "rocr", "rsi", "macd", "trange", "atr", "typprice", "ibs", "min",
    "max", "ln", "sqrt", "natr",
];

/// Periods to try; as many as a feature takes.
const PERIODS: &[[i32; 3]] = &[[2, 3, 2], [5, 9, 3], [12, 26, 9], [14, 30, 1], [60, 200, 20]];

fn compare(name: &str, text: &str, periods: &[i32], data: &Series) {
    let columns: Vec<&str> = data.0.keys().map(String::as_str).collect();
    let plan = Plan::parse(text, &columns).unwrap();
    let ours = data.batch(&plan);
    let (theirs, range) = judge(name, data, periods).unwrap();
    assert_eq!(theirs.len(), plan.names().len(), "{text}");
    // A place in a band has the rounding of the band's limits.
    let scale = if name == "percentb" { 1.0 } else { 0.0 };
    for (output, values) in theirs.iter().enumerate() {
        assert_eq!(plan.lookbacks()[output], range.beg_idx, "lookback of {text}");
        assert_eq!(data.rows() - range.beg_idx, range.count);
        for row in 0..data.rows() {
            let our = ours[(row, output)];
            if row < range.beg_idx {
                assert!(our.is_nan(), "{text} row {row}: {our} before its lookback");
                continue;
            }
            let their = values[row - range.beg_idx];
            if SAME_BITS.contains(&name) {
                assert_eq!(our.to_bits(), their.to_bits(), "{text} row {row}: {our} and {their}");
            } else {
                let room = 1e-9 * their.abs().max(scale);
                let agree = (our - their).abs() <= room || nearer(name, data, periods[0], row, [our, their]);
                assert!(agree, "{text} row {row}: {our} and {their}");
            }
        }
    }
}

/// Where TA-Lib's running sums have lost digits to a jump or a narrow window: whether ours is right, to 1e-9,
/// and nearer than theirs. A window in two passes is the judge.
fn nearer(name: &str, data: &Series, period: i32, row: usize, [our, their]: [f64; 2]) -> bool {
    let period = period as usize;
    let window = &data.column("close")[row + 1 - period..=row];
    let distances: Vec<f64> = window.iter().map(|value| value - window[0]).collect();
    let mean = distances.iter().sum::<f64>() / period as f64;
    let variance = distances.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / period as f64;
    let exact = match name {
        "var" => variance,
        "stddev" => variance.sqrt(),
        "bbw" => 400.0 * variance.sqrt() / (window[0] + mean),
        "percentb" => 0.5 + (distances[period - 1] - mean) / (4.0 * variance.sqrt()),
        _ => return false,
    };
    (our - exact).abs() <= 1e-9 * exact.abs() && (our - exact).abs() < (their - exact).abs()
}

fn compare_all(data: &Series) {
    for entry in CATALOGUE.iter().filter(|entry| entry.ta_lib.is_some()) {
        let whole = entry.parameters.iter().filter(|parameter| parameter.whole).count();
        for periods in &PERIODS[..if whole == 0 { 1 } else { PERIODS.len() }] {
            let taken: Vec<String> = periods[..whole].iter().map(i32::to_string).collect();
            compare(entry.name, &format!("{}({})", entry.name, taken.join(",")), periods, data);
        }
    }
}

#[test]
fn values_and_lookbacks_are_ta_libs_on_random_walks() {
    for seed in 0..5 {
        compare_all(&series("walk", 1500, seed));
    }
}

#[test]
fn values_and_lookbacks_are_ta_libs_on_jumps() {
    compare_all(&series("jumps", 1500, 77));
}

#[test]
fn values_and_lookbacks_are_ta_libs_on_real_bars() {
    require!(Shared);
    compare_all(&bitcoin());
}

#[test]
fn defaults_and_bounds_are_ta_libs() {
    let core = Core::new();
    let default = Core::INTEGER_DEFAULT;
    let expected = [
        ("sma", core.sma_lookback(default)),
        ("ema", core.ema_lookback(default)),
        ("rma", core.rma_lookback(default)),
        ("mom", core.mom_lookback(default)),
        ("roc", core.roc_lookback(default)),
        ("rsi", core.rsi_lookback(default)),
        ("macd", core.macd_lookback(default, default, default)),
        ("var", core.var_lookback(default, 1.0)),
        ("stddev", core.stddev_lookback(default, 1.0)),
        ("bbands", core.bbands_lookback(default, 2.0, 2.0, MAType::SMA)),
        ("atr", core.atr_lookback(default)),
        ("natr", core.natr_lookback(default)),
        ("min", core.min_lookback(default)),
        ("max", core.max_lookback(default)),
    ];
    for (name, lookback) in expected {
        let entry = CATALOGUE.iter().find(|entry| entry.name == name).unwrap();
        assert_eq!(entry.lookback_rows(&[]), Some(lookback.unwrap()), "{name}");
        let least = entry.parameters[0].minimum;
        assert!(Plan::parse(&format!("{name}({least})"), &COLUMNS).is_ok(), "{name}({least})");
        assert!(
            Plan::parse(&format!("{name}({})", least - 1.0), &COLUMNS).is_err(),
            "{name}({})",
            least - 1.0
        );
        assert_eq!(entry.parameters[0].maximum, 100_000.0);
    }
}
