//! Oscillators: where a price is in its recent range, and how averages of it stand to each other.

use crate::feature::average::{cascade, efficiency, exponential};
use crate::feature::bar::{true_range, typical_price};
use crate::feature::entry::{
    CLOSE, Entry, Family, HIGH, LAST, LOW, OPEN, Parameter, SINGLE, Stability, Unit, rows,
};
use crate::feature::graph::{Graph, Register};
use crate::feature::op::Op;
use crate::feature::parts::{greatest, lag, least, mean, quotient, scaled, shifted, sum};

/// The raw stochastic of Lane: 100 times the place of the close in the range of the window.
fn raw_stochastic(graph: &mut Graph, bar: &[Register], period: f64) -> Register {
    let (high, low) = (greatest(graph, bar[0], period), least(graph, bar[1], period));
    let height = graph.add(Op::Subtract, &[bar[2], low]);
    let range = graph.add(Op::Subtract, &[high, low]);
    let place = quotient(graph, height, range, 0.0);
    scaled(graph, place, 100.0)
}

/// `line` from where its average is known, and the average.
fn with_average(graph: &mut Graph, line: Register, period: f64) -> Vec<Register> {
    let average = mean(graph, line, period);
    vec![graph.add(Op::Where, &[line, average]), average]
}

/// A fast and a slow average. Unlike in MACD, each is seeded with its own first rows, as in TA-Lib.
fn fast_and_slow(graph: &mut Graph, x: Register, p: &[f64]) -> [Register; 2] {
    [p[0], p[1]].map(|period| exponential(graph, x, period, 0))
}

/// Rows since the last extremum of a window, as 100 for none and 0 for all of them.
fn freshness(graph: &mut Graph, x: Register, period: f64, greatest: bool) -> Register {
    let age = graph.add(Op::Age { rows: period as usize + 1, greatest, oldest: false }, &[x]);
    let back = graph.add(Op::Negate, &[age]);
    let left = shifted(graph, back, period);
    scaled(graph, left, 100.0 / period)
}

const FAST_AND_SLOW: &[Parameter] = &[rows("fast", 12.0, 2.0), rows("slow", 26.0, 2.0).rising()];

pub(crate) static STOCHF: Entry = Entry {
    name: "stochf",
    family: Family::Oscillator,
    summary: "fast stochastic: place of the close in the range of the window, and its average",
    formula: "fastk = 100 (close - L)/(H - L), L = min(low,fastk), H = max(high,fastk); fastd = sma(fastk,fastd)",
    source: "G. C. Lane, Lane's stochastics, 1984; TA-Lib STOCHF with a simple average",
    inputs: &[HIGH, LOW, LAST],
    parameters: &[rows("fastk", 5.0, 1.0), rows("fastd", 3.0, 1.0)],
    outputs: &["fastk", "fastd"],
    lookback: "fastk + fastd - 2",
    nan: "while a NaN is in the window; fastk is 0 in a window without range",
    unit: Unit::Percent,
    stability: Stability::Epsilon,
    ta_lib: Some("STOCHF"),
    lower: |graph, bar, p| {
        let raw = raw_stochastic(graph, bar, p[0]);
        with_average(graph, raw, p[1])
    },
};

pub(crate) static STOCH: Entry = Entry {
    name: "stoch",
    family: Family::Oscillator,
    summary: "slow stochastic: place of the close in the range of the window, smoothed, and the average of that",
    formula: "slowk = sma(100 (close - L)/(H - L),slowk), L = min(low,fastk), H = max(high,fastk); slowd = sma(slowk,slowd)",
    source: "G. C. Lane, Lane's stochastics, 1984; TA-Lib STOCH with simple averages",
    inputs: &[HIGH, LOW, LAST],
    parameters: &[rows("fastk", 5.0, 1.0), rows("slowk", 3.0, 1.0), rows("slowd", 3.0, 1.0)],
    outputs: &["slowk", "slowd"],
    lookback: "fastk + slowk + slowd - 3",
    nan: "while a NaN is in the window; a window without range counts as 0",
    unit: Unit::Percent,
    stability: Stability::Epsilon,
    ta_lib: Some("STOCH"),
    lower: |graph, bar, p| {
        let raw = raw_stochastic(graph, bar, p[0]);
        let slow = mean(graph, raw, p[1]);
        with_average(graph, slow, p[2])
    },
};

pub(crate) static WILLR: Entry = Entry {
    name: "willr",
    family: Family::Oscillator,
    summary: "Williams' %R: distance of the close from the highest high, -100 to 0",
    formula: "-100 (H - close)/(H - L), L = min(low,period), H = max(high,period)",
    source: "L. Williams, How I Made One Million Dollars Last Year Trading Commodities, 1973; TA-Lib WILLR",
    inputs: &[HIGH, LOW, LAST],
    parameters: &[rows("period", 14.0, 2.0)],
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "while a NaN is in the window; 0 in a window without range",
    unit: Unit::Percent,
    stability: Stability::Exact,
    ta_lib: Some("WILLR"),
    lower: |graph, bar, p| {
        let (high, low) = (greatest(graph, bar[0], p[0]), least(graph, bar[1], p[0]));
        let depth = graph.add(Op::Subtract, &[high, bar[2]]);
        let range = graph.add(Op::Subtract, &[high, low]);
        // The zero of a window without range has no sign, as TA-Lib's.
        let place = quotient(graph, depth, range, -0.0);
        vec![scaled(graph, place, -100.0)]
    },
};

pub(crate) static CCI: Entry = Entry {
    name: "cci",
    family: Family::Oscillator,
    summary: "commodity channel index: distance of the typical price from its mean in mean distances",
    formula: "(t - m)/(0.015 avgdev(t,period)), t = typprice(high,low,close), m = sma(t,period)",
    source: "D. R. Lambert, Commodity channel index, 1980; TA-Lib CCI",
    inputs: &[HIGH, LOW, LAST],
    parameters: &[rows("period", 14.0, 2.0)],
    outputs: SINGLE,
    lookback: "period - 1",
    nan: "while a NaN is in the window; 0 in a window of equal prices",
    unit: Unit::Ratio,
    stability: Stability::Epsilon,
    ta_lib: Some("CCI"),
    lower: |graph, bar, p| {
        let price = typical_price(graph, bar);
        let centre = mean(graph, price, p[0]);
        let deviation = graph.add(Op::Deviation { rows: p[0] as usize }, &[price, centre]);
        let distance = graph.add(Op::Departure, &[price, centre]);
        let unit = scaled(graph, deviation, 0.015);
        vec![quotient(graph, distance, unit, 0.0)]
    },
};

pub(crate) static CMO: Entry = Entry {
    name: "cmo",
    family: Family::Oscillator,
    summary: "Chande's momentum oscillator: gains less losses in all changes, -100 to 100",
    formula: "100 (G - L)/(G + L), G and L Wilder's averages of gains and losses as in rsi",
    source: "T. Chande, The New Technical Trader, 1994; TA-Lib CMO",
    inputs: CLOSE,
    parameters: &[rows("period", 14.0, 2.0)],
    outputs: SINGLE,
    lookback: "period",
    nan: "on the row of a NaN, which is left out; 0 where there was neither a gain nor a loss",
    unit: Unit::Percent,
    stability: Stability::Converging,
    ta_lib: Some("CMO"),
    lower: |graph, x, p| {
        let index = graph.add(Op::Rsi { rows: p[0] as usize }, x);
        let double = scaled(graph, index, 2.0);
        vec![shifted(graph, double, -100.0)]
    },
};

pub(crate) static APO: Entry = Entry {
    name: "apo",
    family: Family::Oscillator,
    summary: "absolute price oscillator: a fast average less a slow one",
    formula: "ema(x,fast) - ema(x,slow)",
    source: "TA-Lib APO with exponential averages",
    inputs: CLOSE,
    parameters: FAST_AND_SLOW,
    outputs: SINGLE,
    lookback: "slow - 1",
    nan: "on the row of a NaN, which is left out",
    unit: Unit::Input,
    stability: Stability::Converging,
    ta_lib: Some("APO"),
    lower: |graph, x, p| {
        let pair = fast_and_slow(graph, x[0], p);
        vec![graph.add(Op::Subtract, &pair)]
    },
};

pub(crate) static PPO: Entry = Entry {
    name: "ppo",
    family: Family::Oscillator,
    summary: "percentage price oscillator: a fast average less a slow one, in percent of the slow one",
    formula: "100 (ema(x,fast) - ema(x,slow)) / ema(x,slow)",
    source: "TA-Lib PPO with exponential averages",
    inputs: CLOSE,
    parameters: FAST_AND_SLOW,
    outputs: SINGLE,
    lookback: "slow - 1",
    nan: "on the row of a NaN, which is left out; where the slow average is zero",
    unit: Unit::Percent,
    stability: Stability::Converging,
    ta_lib: Some("PPO"),
    lower: |graph, x, p| {
        let [fast, slow] = fast_and_slow(graph, x[0], p);
        let difference = graph.add(Op::Subtract, &[fast, slow]);
        let ratio = graph.add(Op::Divide, &[difference, slow]);
        vec![scaled(graph, ratio, 100.0)]
    },
};

pub(crate) static TRIX: Entry = Entry {
    name: "trix",
    family: Family::Oscillator,
    summary: "change of a triple exponential average over one row, in percent",
    formula: "100 (e / e[1] - 1), e = ema(ema(ema(x,period),period),period)",
    source: "J. Hutson, Good TRIX, 1983; TA-Lib TRIX",
    inputs: CLOSE,
    parameters: &[rows("period", 30.0, 1.0)],
    outputs: SINGLE,
    lookback: "3 (period - 1) + 1",
    nan: "on the row of a NaN, which is left out, and on the row after it",
    unit: Unit::Percent,
    stability: Stability::Converging,
    ta_lib: Some("TRIX"),
    lower: |graph, x, p| {
        let [_, _, triple, ..] = cascade(graph, x[0], p[0]);
        let before = lag(graph, triple, 1.0);
        let ratio = graph.add(Op::Divide, &[triple, before]);
        let change = shifted(graph, ratio, -1.0);
        vec![scaled(graph, change, 100.0)]
    },
};

pub(crate) static ULTOSC: Entry = Entry {
    name: "ultosc",
    family: Family::Oscillator,
    summary: "ultimate oscillator: buying pressure over three periods, 0 to 100",
    formula: "100 (4 r(short) + 2 r(middle) + r(long))/7, r(n) = sum(close - min(low,close[1]),n) / sum(trange,n)",
    source: "L. Williams, The ultimate oscillator, 1985; TA-Lib ULTOSC",
    inputs: &[HIGH, LOW, LAST],
    parameters: &[
        rows("short", 7.0, 1.0),
        rows("middle", 14.0, 1.0).rising(),
        rows("long", 28.0, 1.0).rising(),
    ],
    outputs: SINGLE,
    lookback: "long",
    nan: "while a NaN is in the window; a window without range counts as 0",
    unit: Unit::Percent,
    stability: Stability::Epsilon,
    ta_lib: Some("ULTOSC"),
    lower: |graph, bar, p| {
        let before = lag(graph, bar[2], 1.0);
        let floor = graph.add(Op::Lesser, &[bar[1], before]);
        let pressure = graph.add(Op::Subtract, &[bar[2], floor]);
        let range = true_range(graph, bar);
        let mut total = None;
        for (period, weight) in p.iter().zip([4.0, 2.0, 1.0]) {
            let (bought, moved) = (sum(graph, pressure, *period), sum(graph, range, *period));
            let ratio = quotient(graph, bought, moved, 0.0);
            let term = scaled(graph, ratio, weight * 100.0 / 7.0);
            total = Some(total.map_or(term, |total| graph.add(Op::Add, &[total, term])));
        }
        total.into_iter().collect()
    },
};

pub(crate) static BOP: Entry = Entry {
    name: "bop",
    family: Family::Oscillator,
    summary: "balance of power: change within the bar as a share of its range",
    formula: "(close - open)/(high - low)",
    source: "I. Livshin, Balance of market power, 2001; TA-Lib BOP",
    inputs: &[OPEN, HIGH, LOW, LAST],
    parameters: &[],
    outputs: SINGLE,
    lookback: "0",
    nan: "where an input is NaN; 0 in a bar without range",
    unit: Unit::Ratio,
    stability: Stability::Exact,
    ta_lib: Some("BOP"),
    lower: |graph, bar, _| {
        let body = graph.add(Op::Subtract, &[bar[3], bar[0]]);
        let range = graph.add(Op::Subtract, &[bar[1], bar[2]]);
        vec![quotient(graph, body, range, 0.0)]
    },
};

pub(crate) static AROON: Entry = Entry {
    name: "aroon",
    family: Family::Oscillator,
    summary: "Aroon: how fresh the lowest low and the highest high are, 100 for now, 0 for period rows ago",
    formula: "down = 100 (1 - age of min(low,period + 1)/period); up likewise of max(high,period + 1); the newest of equal extrema",
    source: "T. Chande, A time price oscillator, 1995; TA-Lib AROON",
    inputs: &[HIGH, LOW],
    parameters: &[rows("period", 14.0, 2.0)],
    outputs: &["down", "up"],
    lookback: "period",
    nan: "while a NaN is in the window",
    unit: Unit::Percent,
    stability: Stability::Exact,
    ta_lib: Some("AROON"),
    lower: |graph, bar, p| vec![freshness(graph, bar[1], p[0], false), freshness(graph, bar[0], p[0], true)],
};

pub(crate) static AROONOSC: Entry = Entry {
    name: "aroonosc",
    family: Family::Oscillator,
    summary: "Aroon oscillator: freshness of the highest high less that of the lowest low",
    formula: "aroon(high,low,period).up - aroon(high,low,period).down",
    source: "T. Chande, A time price oscillator, 1995; TA-Lib AROONOSC",
    inputs: &[HIGH, LOW],
    parameters: &[rows("period", 14.0, 2.0)],
    outputs: SINGLE,
    lookback: "period",
    nan: "while a NaN is in the window",
    unit: Unit::Percent,
    stability: Stability::Exact,
    ta_lib: Some("AROONOSC"),
    lower: |graph, bar, p| {
        let rows = p[0] as usize + 1;
        let [low, high] = [(bar[1], false), (bar[0], true)]
            .map(|(x, greatest)| graph.add(Op::Age { rows, greatest, oldest: false }, &[x]));
        let fresher = graph.add(Op::Subtract, &[low, high]);
        vec![scaled(graph, fresher, 100.0 / p[0])]
    },
};

pub(crate) static ER: Entry = Entry {
    name: "er",
    family: Family::Oscillator,
    summary: "efficiency ratio: how straight the way was, 1 for a line, 0 for noise",
    formula: "min(|x - x[period]| / sum(|x - x[1]|,period), 1)",
    source: "P. J. Kaufman, Smarter Trading, 1995; TA-Lib ER",
    inputs: CLOSE,
    parameters: &[rows("period", 10.0, 2.0)],
    outputs: SINGLE,
    lookback: "period",
    nan: "while a NaN is in the window; 1 in a window without change",
    unit: Unit::Ratio,
    stability: Stability::Epsilon,
    ta_lib: Some("ER"),
    lower: |graph, x, p| vec![efficiency(graph, x[0], p[0])],
};

pub(crate) static CHOP: Entry = Entry {
    name: "chop",
    family: Family::Oscillator,
    summary: "choppiness: the way of a window over its range, 0 for a line, 100 for a walk in place",
    formula: "100 ln(sum(trange,period)/(max(high,period) - min(low,period))) / ln(period)",
    source: "E. W. Dreiss, 1993; TA-Lib CHOP",
    inputs: &[HIGH, LOW, LAST],
    parameters: &[rows("period", 14.0, 2.0)],
    outputs: SINGLE,
    lookback: "period",
    nan: "while a NaN is in the window; 100 in a window without range",
    unit: Unit::Percent,
    stability: Stability::Epsilon,
    ta_lib: Some("CHOP"),
    lower: |graph, bar, p| {
        let range = true_range(graph, bar);
        let way = sum(graph, range, p[0]);
        let (high, low) = (greatest(graph, bar[0], p[0]), least(graph, bar[1], p[0]));
        let extent = graph.add(Op::Subtract, &[high, low]);
        let ratio = quotient(graph, way, extent, p[0]);
        let logarithm = graph.add(Op::Logarithm, &[ratio]);
        vec![scaled(graph, logarithm, 100.0 / p[0].ln())]
    },
};
