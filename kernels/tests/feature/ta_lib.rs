//! Parity with the official Rust port of TA-Lib, 0.8.3: values and lookback, on random walks and on real bars.

use diapason_kernels::feature::{CATALOGUE, Entry, Plan};
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
    let [open, high, low, close, volume] =
        ["open", "high", "low", "close", "volume"].map(|column| data.column(column));
    let (simple, exponential) = (MAType::SMA, MAType::EMA);
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
        "wma" => (1, core.wma(0, last, close, p[0], a)?),
        "trima" => (1, core.trima(0, last, close, p[0], a)?),
        "hma" => (1, core.hma(0, last, close, p[0], a)?),
        "dema" => (1, core.dema(0, last, close, p[0], a)?),
        "tema" => (1, core.tema(0, last, close, p[0], a)?),
        "t3" => (1, core.t3(0, last, close, p[0], 0.7, a)?),
        "kama" => (1, core.kama(0, last, close, p[0], a)?),
        "stochf" => (2, core.stochf(0, last, high, low, close, p[0], p[1], simple, a, b)?),
        "stoch" => (2, core.stoch(0, last, high, low, close, p[0], p[1], simple, p[2], simple, a, b)?),
        "willr" => (1, core.willr(0, last, high, low, close, p[0], a)?),
        "cci" => (1, core.cci(0, last, high, low, close, p[0], a)?),
        "cmo" => (1, core.cmo(0, last, close, p[0], a)?),
        "apo" => (1, core.apo(0, last, close, p[0], p[1], exponential, a)?),
        "ppo" => (1, core.ppo(0, last, close, p[0], p[1], exponential, a)?),
        "trix" => (1, core.trix(0, last, close, p[0], a)?),
        "ultosc" => (1, core.ultosc(0, last, high, low, close, p[0], p[1], p[2], a)?),
        "bop" => (1, core.bop(0, last, open, high, low, close, a)?),
        "aroon" => (2, core.aroon(0, last, high, low, p[0], a, b)?),
        "aroonosc" => (1, core.aroonosc(0, last, high, low, p[0], a)?),
        "er" => (1, core.er(0, last, close, p[0], a)?),
        "chop" => (1, core.chop(0, last, high, low, close, p[0], a)?),
        "plus_dm" => (1, core.plus_dm(0, last, high, low, p[0], a)?),
        "minus_dm" => (1, core.minus_dm(0, last, high, low, p[0], a)?),
        "plus_di" => (1, core.plus_di(0, last, high, low, close, p[0], a)?),
        "minus_di" => (1, core.minus_di(0, last, high, low, close, p[0], a)?),
        "dx" => (1, core.dx(0, last, high, low, close, p[0], a)?),
        "adx" => (1, core.adx(0, last, high, low, close, p[0], a)?),
        "adxr" => (1, core.adxr(0, last, high, low, close, p[0], a)?),
        "linearreg" => (1, core.linearreg(0, last, close, p[0], a)?),
        "linearreg_slope" => (1, core.linearreg_slope(0, last, close, p[0], a)?),
        "linearreg_intercept" => (1, core.linearreg_intercept(0, last, close, p[0], a)?),
        "linearreg_angle" => (1, core.linearreg_angle(0, last, close, p[0], a)?),
        "tsf" => (1, core.tsf(0, last, close, p[0], a)?),
        "correl" => (1, core.correl(0, last, close, volume, p[0], a)?),
        "beta" => (1, core.beta(0, last, open, close, p[0], a)?),
        "sum" => (1, core.sum(0, last, close, p[0], a)?),
        "avgdev" => (1, core.avgdev(0, last, close, p[0], a)?),
        "median" => (1, core.median(0, last, close, p[0], a)?),
        "percentile" => (1, core.percentile(0, last, close, p[0], 50.0, a)?),
        "kurtosis" => (1, core.kurtosis(0, last, close, p[0], a)?),
        "donchian" => (3, core.donchian(0, last, high, low, p[0], a, b, c)?),
        "kc" => (3, core.kc(0, last, high, low, close, p[0], p[1], 2.0, a, b, c)?),
        "midpoint" => (1, core.midpoint(0, last, close, p[0], a)?),
        "midprice" => (1, core.midprice(0, last, high, low, p[0], a)?),
        "rogerssatchell" => (1, core.rogerssatchell(0, last, open, high, low, close, p[0], 1.0, a)?),
        "obv" => (1, core.obv(0, last, close, volume, a)?),
        "ad" => (1, core.ad(0, last, high, low, close, volume, a)?),
        "adosc" => (1, core.adosc(0, last, high, low, close, volume, p[0], p[1], a)?),
        "cmf" => (1, core.cmf(0, last, high, low, close, volume, p[0], a)?),
        "mfi" => (1, core.mfi(0, last, high, low, close, volume, p[0], a)?),
        "efi" => (1, core.efi(0, last, close, volume, p[0], a)?),
        "vwma" => (1, core.vwma(0, last, close, volume, p[0], a)?),
        "medprice" => (1, core.medprice(0, last, high, low, a)?),
        "wclprice" => (1, core.wclprice(0, last, high, low, close, a)?),
        "avgprice" => (1, core.avgprice(0, last, open, high, low, close, a)?),
        other => panic!("{other} has a TA-Lib name and no judge"),
    };
    out.truncate(outputs);
    Ok((out, range))
}

/// Features whose order of operations is TA-Lib's, so that the bits are.
const SAME_BITS: &[&str] = &[
    "ema", "rma", "mom", "roc", "rocp", "rocr", "rsi", "macd", "trange", "atr", "typprice", "ibs", "min",
    "max", "ln", "sqrt", "natr", "dema", "apo", "willr", "bop", "aroon", "aroonosc", "donchian", "midpoint",
    "midprice", "medprice", "efi",
];

/// Features that pass through zero, where a relative bound means nothing: theirs is relative to their usual size.
const CENTRED: &[&str] = &[
    "cci",
    "cmo",
    "ppo",
    "trix",
    "linearreg_slope",
    "linearreg_angle",
    "correl",
    "beta",
    "kurtosis",
    "ad",
    "adosc",
    "cmf",
    "kama",
    "dx",
    "plus_dm",
    "minus_dm",
    "plus_di",
    "minus_di",
    "obv",
    "mfi",
    "stoch",
    "stochf",
    "chop",
];

/// Periods to try, where they are in the bounds; as many as a feature takes.
const PERIODS: &[[i32; 3]] =
    &[[2, 3, 2], [5, 9, 3], [12, 26, 9], [14, 30, 1], [60, 200, 20], [4, 5, 6], [7, 14, 28]];

/// What disagrees first, if anything.
fn compare(entry: &Entry, text: &str, periods: &[i32], data: &Series, jumps: bool) -> Result<(), String> {
    let name = entry.name;
    let columns: Vec<&str> = data.0.keys().map(String::as_str).collect();
    let plan = Plan::parse(text, &columns).unwrap();
    let ours = data.batch(&plan);
    let (theirs, range) = judge(name, data, periods).unwrap();
    assert_eq!(theirs.len(), plan.names().len(), "{text}");
    for (output, values) in theirs.iter().enumerate() {
        let known = values[..range.count].iter().filter(|value| value.is_finite());
        let usual = known.map(|value| value.abs()).sum::<f64>() / range.count as f64;
        let scale = match name {
            // A place in a band has the rounding of the band's limits.
            "percentb" => 1.0,
            // After a jump, TA-Lib's running sums keep the rounding of the larger values, so the bound is wider there;
            // that ours forget it is for the torture set to show.
            _ if jumps || CENTRED.contains(&name) => usual,
            _ => 0.0,
        };
        if plan.lookbacks()[output] != range.beg_idx || data.rows() - range.beg_idx != range.count {
            return Err(format!("lookback of {text}: {} and {}", plan.lookbacks()[output], range.beg_idx));
        }
        for row in 0..data.rows() {
            let our = ours[(row, output)];
            let Some(place) = row.checked_sub(range.beg_idx) else {
                assert!(our.is_nan(), "{text} row {row}: {our} before its lookback");
                continue;
            };
            let their = values[place];
            let room = if jumps { 1e-7 } else { 1e-9 } * their.abs().max(scale);
            let agree = if SAME_BITS.contains(&name) {
                our.to_bits() == their.to_bits()
            } else if our.is_nan() {
                their.is_nan() || (their == 0.0 && entry.nan.contains("TA-Lib gives 0"))
            } else {
                (our - their).abs() <= room || nearer(name, data, periods[0], row, [our, their])
            };
            if !agree {
                return Err(format!("{text} output {output} row {row}: {our} and {their}"));
            }
        }
    }
    Ok(())
}

/// Where TA-Lib's running sums have lost digits to a jump or a narrow window: whether ours is right, to 1e-9,
/// and nearer than theirs. A window in two passes is the judge.
fn nearer(name: &str, data: &Series, period: i32, row: usize, [our, their]: [f64; 2]) -> bool {
    let period = period as usize;
    if name == "beta" {
        let returns = ["open", "close"].map(|column| {
            let prices = &data.column(column)[row - period..=row];
            prices.windows(2).map(|pair| (pair[1] - pair[0]) / pair[0]).collect::<Vec<f64>>()
        });
        let [x, y] = returns.map(|x| {
            let distances: Vec<f64> = x.iter().map(|value| value - x[0]).collect();
            let mean = distances.iter().sum::<f64>() / period as f64;
            distances.iter().map(|value| value - mean).collect::<Vec<f64>>()
        });
        let sum = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let exact = sum(&x, &y) / sum(&x, &x);
        return (our - exact).abs() <= 1e-9 * exact.abs() && (our - exact).abs() < (their - exact).abs();
    }
    let window = &data.column("close")[row + 1 - period..=row];
    let distances: Vec<f64> = window.iter().map(|value| value - window[0]).collect();
    let mean = distances.iter().sum::<f64>() / period as f64;
    let variance = distances.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / period as f64;
    let middle = (period as f64 - 1.0) / 2.0;
    let along: f64 = distances.iter().enumerate().map(|(t, d)| (t as f64 - middle) * (d - mean)).sum();
    let slope = along / (0..period).map(|t| (t as f64 - middle).powi(2)).sum::<f64>();
    let exact = match name {
        "linearreg_angle" => slope.atan().to_degrees(),
        "var" => variance,
        "stddev" => variance.sqrt(),
        "bbw" => 400.0 * variance.sqrt() / (window[0] + mean),
        "percentb" => 0.5 + (distances[period - 1] - mean) / (4.0 * variance.sqrt()),
        _ => return false,
    };
    (our - exact).abs() <= 1e-9 * exact.abs() && (our - exact).abs() < (their - exact).abs()
}

fn compare_all(data: &Series, jumps: bool) {
    let mut disagreements = Vec::new();
    for entry in CATALOGUE.iter().filter(|entry| entry.ta_lib.is_some()) {
        let whole = entry.parameters.iter().filter(|parameter| parameter.whole).count();
        let mut tried = 0;
        for periods in &PERIODS[..if whole == 0 { 1 } else { PERIODS.len() }] {
            let values: Vec<f64> = periods[..whole].iter().map(|period| f64::from(*period)).collect();
            if entry.lookback_rows(&values).is_none() {
                continue;
            }
            let taken: Vec<String> = periods[..whole].iter().map(i32::to_string).collect();
            let text = format!("{}({})", entry.name, taken.join(","));
            disagreements.extend(compare(entry, &text, periods, data, jumps).err());
            tried += 1;
        }
        assert!(tried >= if whole == 0 { 1 } else { 2 }, "{}", entry.name);
    }
    assert!(disagreements.is_empty(), "{}", disagreements.join("\n"));
}

#[test]
fn percentiles_are_ta_libs_at_any_share() {
    let core = Core::new();
    let data = series("jumps", 900, 4);
    let mut theirs = vec![0.0; data.rows()];
    for (period, percent) in [(2, 0.0), (7, 12.5), (20, 25.0), (64, 90.0), (65, 99.9), (100, 100.0)] {
        let plan = Plan::parse(&format!("percentile(close,{period},{percent})"), &COLUMNS).unwrap();
        let ours = data.batch(&plan);
        let last = data.rows() - 1;
        let range = core.percentile(0, last, data.column("close"), period, percent, &mut theirs).unwrap();
        for (row, their) in (range.beg_idx..data.rows()).zip(&theirs) {
            let our = ours[[row, 0]];
            assert!(
                (our - their).abs() <= 1e-12 * their.abs(),
                "{period} {percent} row {row}: {our} {their}"
            );
        }
    }
}

/// TA-Lib says where an extremum is, and we how long ago it was.
#[test]
fn the_age_of_an_extremum_is_ta_libs_index() {
    let core = Core::new();
    let mut data = series("walk", 900, 3);
    data.0.get_mut("close").unwrap().iter_mut().for_each(|price| *price = (*price * 4.0).round());
    let rows = data.rows();
    for period in [2, 3, 20, 64, 65] {
        let text = format!("since_min(close,{period}), since_max(close,{period})");
        let plan = Plan::parse(&text, &COLUMNS).unwrap();
        let out = data.batch(&plan);
        let mut indices = vec![0; rows];
        for output in 0..2 {
            let close = data.column("close");
            let range = match output {
                0 => core.minindex(0, rows - 1, close, period, &mut indices),
                _ => core.maxindex(0, rows - 1, close, period, &mut indices),
            };
            let range = range.unwrap();
            assert_eq!(plan.lookbacks()[output], range.beg_idx);
            for row in range.beg_idx..rows {
                let age = row as f64 - f64::from(indices[row - range.beg_idx]);
                assert_eq!(out[(row, output)], age, "period {period} row {row}");
            }
        }
    }
}

#[test]
fn values_and_lookbacks_are_ta_libs_on_random_walks() {
    for seed in 0..5 {
        compare_all(&series("walk", 1500, seed), false);
    }
}

/// Bars of equal prices, and bars whose typical prices are one number rounded in two ways.
#[test]
fn values_and_lookbacks_are_ta_libs_on_prices_in_ticks() {
    for (seed, tick) in [(1, 0.01), (2, 0.05), (3, 0.1)] {
        let mut data = series("walk", 1500, seed);
        for column in ["open", "high", "low", "close"] {
            let prices = data.0.get_mut(column).unwrap();
            prices.iter_mut().for_each(|price| *price = (*price / tick).round() * tick);
        }
        compare_all(&data, false);
    }
}

#[test]
fn values_and_lookbacks_are_ta_libs_on_jumps() {
    compare_all(&series("jumps", 1500, 77), true);
}

#[test]
fn values_and_lookbacks_are_ta_libs_on_real_bars() {
    require!(Shared);
    compare_all(&bitcoin(), false);
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
        ("wma", core.wma_lookback(default)),
        ("trima", core.trima_lookback(default)),
        ("hma", core.hma_lookback(default)),
        ("dema", core.dema_lookback(default)),
        ("tema", core.tema_lookback(default)),
        ("t3", core.t3_lookback(default, 0.7)),
        ("trix", core.trix_lookback(default)),
        ("stochf", core.stochf_lookback(default, default, MAType::SMA)),
        ("stoch", core.stoch_lookback(default, default, MAType::SMA, default, MAType::SMA)),
        ("willr", core.willr_lookback(default)),
        ("cci", core.cci_lookback(default)),
        ("cmo", core.cmo_lookback(default)),
        ("apo", core.apo_lookback(default, default, MAType::EMA)),
        ("ppo", core.ppo_lookback(default, default, MAType::EMA)),
        ("ultosc", core.ultosc_lookback(default, default, default)),
        ("aroon", core.aroon_lookback(default)),
        ("aroonosc", core.aroonosc_lookback(default)),
        ("chop", core.chop_lookback(default)),
        ("plus_dm", core.plus_dm_lookback(default)),
        ("minus_dm", core.minus_dm_lookback(default)),
        ("dx", core.dx_lookback(default)),
        ("adx", core.adx_lookback(default)),
        ("adxr", core.adxr_lookback(default)),
        ("linearreg", core.linearreg_lookback(default)),
        ("tsf", core.tsf_lookback(default)),
        ("avgdev", core.avgdev_lookback(default)),
        ("sum", core.sum_lookback(default)),
        ("median", core.median_lookback(default)),
        ("percentile", core.percentile_lookback(default, Core::REAL_DEFAULT)),
        ("kurtosis", core.kurtosis_lookback(default)),
        ("donchian", core.donchian_lookback(default)),
        ("kc", core.kc_lookback(default, default, 2.0)),
        ("midpoint", core.midpoint_lookback(default)),
        ("midprice", core.midprice_lookback(default)),
        ("rogerssatchell", core.rogerssatchell_lookback(default, 1.0)),
        ("adosc", core.adosc_lookback(default, default)),
        ("cmf", core.cmf_lookback(default)),
        ("mfi", core.mfi_lookback(default)),
        ("efi", core.efi_lookback(default)),
    ];
    for (name, lookback) in expected {
        let entry = CATALOGUE.iter().find(|entry| entry.name == name).unwrap();
        assert_eq!(entry.lookback_rows(&[]), Some(lookback.unwrap()), "{name}");
        let least = entry.parameters[0].minimum;
        if entry.parameters.get(1).is_none_or(|next| !next.rising) {
            assert!(Plan::parse(&format!("{name}({least})"), &COLUMNS).is_ok(), "{name}({least})");
        }
        assert!(
            Plan::parse(&format!("{name}({})", least - 1.0), &COLUMNS).is_err(),
            "{name}({})",
            least - 1.0
        );
        let sorted = ["median", "percentile", "kurtosis"].contains(&name);
        assert_eq!(entry.parameters[0].maximum, if sorted { 10_000.0 } else { 100_000.0 }, "{name}");
    }
}
