//! What a plan says of itself, and the default plans on data of each kind.

use diapason_kernels::feature::{CATALOGUE, Plan, PlanError, SnapshotError};
use diapason_tests::require;

use crate::series::{COLUMNS, bitcoin, euro_quotes, pound, series};

const BARS: [&str; 6] = ["timestamp", "open", "high", "low", "close", "volume"];

#[test]
fn equal_meaning_has_one_spelling_and_one_hash() {
    let short = Plan::parse("rsi(), ema(20)/close - 1,macd().hist", &BARS).unwrap();
    let long = Plan::parse(
        "rsi(close,period=14)\n, ema(close,2*10)/close-1, # the trend\n macd(close,12,26,9).hist,",
        &["volume", "close"],
    )
    .unwrap();
    assert_eq!(short.canonical(), "rsi(close,14), ema(close,20)/close-1, macd(close,12,26,9).hist");
    assert_eq!(short.canonical(), long.canonical());
    assert_eq!(short.hash(), long.hash());
    assert_eq!(short.inputs(), ["close"]);
    let again = Plan::parse(short.canonical(), &BARS).unwrap();
    assert_eq!((again.canonical(), again.hash()), (short.canonical(), short.hash()));
    let other = Plan::parse("rsi(15), ema(20)/close - 1, macd().hist", &BARS).unwrap();
    assert_ne!(short.hash(), other.hash());
}

#[test]
fn arithmetic_keeps_its_order() {
    let data = series("walk", 50, 1);
    let text = "close-(open-low), (close-open)-low, -(close+open)*2, close/(open*low), close/open*low, --close, close-2/(1+3)";
    let plan = Plan::parse(text, &BARS).unwrap();
    let expected = "close-(open-low), close-open-low, -(close+open)*2, close/(open*low), close/open*low, --close, close-2/(1+3)";
    assert_eq!(plan.canonical(), expected);
    let out = data.batch(&plan);
    for row in 0..50 {
        let [open, low, close] = ["open", "low", "close"].map(|name| data.column(name)[row]);
        let expected = [
            close - (open - low),
            close - open - low,
            -(close + open) * 2.0,
            close / (open * low),
            close / open * low,
            close,
            close - 0.5,
        ];
        for (output, expected) in expected.iter().enumerate() {
            assert_eq!(
                out[(row, output)].to_bits(),
                expected.to_bits(),
                "{} row {row}",
                plan.names()[output]
            );
        }
    }
}

#[test]
fn a_feature_of_several_outputs_stands_for_all_of_them() {
    let plan = Plan::parse("macd(), bbands(10).upper", &BARS).unwrap();
    let names = [
        "macd(close,12,26,9).macd",
        "macd(close,12,26,9).signal",
        "macd(close,12,26,9).hist",
        "bbands(close,10,2,2).upper",
    ];
    assert_eq!(plan.names(), names);
    assert_eq!(plan.lookbacks(), [33, 33, 33, 9]);
    assert_eq!(plan.lookback(), 33);
    assert_eq!(plan.inputs(), ["close"]);
}

#[test]
fn equal_parts_are_computed_once_and_unused_ones_not_at_all() {
    let plan = Plan::parse("zscore(20), stddev(20), bbands(20).upper, percentb(20), bbw(20)", &BARS).unwrap();
    let explanation = plan.explain();
    let windows = explanation.nodes.iter().filter(|node| node.operation.contains("variance of 20 rows"));
    assert_eq!(windows.count(), 1);
    assert_eq!(explanation.state_bytes, plan.state_bytes());
    assert_eq!(explanation.state_bytes, (4 + 3 * 20) * 8);
    let upper = Plan::parse("bbands(20).upper", &BARS).unwrap().explain();
    assert!(upper.nodes.iter().all(|node| node.uses > 0));
    assert!(upper.to_string().contains("mean and variance of 20 rows of close"));
}

#[test]
fn one_quantity_has_the_same_bits_under_all_its_names() {
    let data = series("gaps", 500, 12);
    let pairs = "sma(20), bbands(20).middle, stddev(9), sqrt(var(9)), rma(trange(),14), atr(14), \
                 vwap_rolling(1)*1, typprice()*volume/volume, rocr(3)*1, close/lag(3)";
    let plan = Plan::parse(pairs, &BARS).unwrap();
    let out = data.batch(&plan);
    for row in 0..data.rows() {
        for pair in 0..plan.names().len() / 2 {
            let (one, other) = (out[(row, 2 * pair)], out[(row, 2 * pair + 1)]);
            assert_eq!(
                one.to_bits(),
                other.to_bits(),
                "{} row {row}: {one} and {other}",
                plan.names()[2 * pair]
            );
        }
    }
}

#[test]
fn a_session_begins_at_midnight_and_forgets_an_overflow() {
    const DAY: f64 = 86_400e9;
    let times = [0.0, 0.4, 0.999, 1.0, 1.5, 2.0].map(|day| day * DAY);
    let price = [10.0, 20.0, 30.0, 40.0, 50.0, 60.0];
    let volume = [1.0, 1e308, 1e308, 1.0, 3.0, 0.0];
    let plan = Plan::parse("vwap_session(), vwap_session(offset_hours=12)", &BARS).unwrap();
    let mut stream = plan.stream();
    assert_eq!(plan.inputs(), ["timestamp", "high", "low", "close", "volume"]);
    let mut got = Vec::new();
    for ((time, price), volume) in times.iter().zip(price).zip(volume) {
        let mut out = [0.0; 2];
        stream.push(&[*time, price, price, price, volume], &mut out);
        got.push(out);
    }
    let utc: Vec<Option<f64>> = got.iter().map(|row| Some(row[0]).filter(|value| !value.is_nan())).collect();
    assert_eq!(utc, [Some(10.0), None, None, Some(40.0), Some(47.5), None]);
    // Twelve hours ahead, the day changes at noon.
    assert!(got[4][1] == 50.0 && got[5][1] == 50.0);
}

#[test]
fn default_plans_are_known_after_their_lookback_on_every_kind_of_data() {
    let data = series("walk", 400, 8);
    let kinds: [&[&str]; 6] = [
        &BARS,
        &["timestamp", "open", "high", "low", "close"],
        &["timestamp", "bid", "ask", "volume"],
        &["bid", "ask", "bid_size", "ask_size"],
        &["close"],
        &COLUMNS,
    ];
    for columns in kinds {
        let text = Plan::default_for(columns).unwrap();
        let plan = Plan::parse(&text, columns).unwrap();
        let out = data.batch(&plan);
        for row in plan.lookback()..data.rows() {
            for (output, name) in plan.names().iter().enumerate() {
                let value = out[(row, output)];
                assert!(value.is_finite() && value.abs() < 100.0, "{name} row {row}: {value}");
            }
        }
    }
    assert!(matches!(Plan::default_for(&["timestamp", "volume"]), Err(PlanError::NoDefault { .. })));
}

#[test]
fn the_default_plans_are_known_on_every_row_of_real_data() {
    require!(Shared);
    for data in [bitcoin(), pound(), euro_quotes()] {
        let columns: Vec<&str> = data.0.keys().map(String::as_str).collect();
        let plan = Plan::parse(&Plan::default_for(&columns).unwrap(), &columns).unwrap();
        let out = data.batch(&plan);
        for row in plan.lookback()..data.rows() {
            for (value, name) in out.row(row).iter().zip(plan.names()) {
                assert!(value.is_finite() && value.abs() < 100.0, "{name} row {row}: {value}");
            }
        }
    }
}

#[test]
fn a_snapshot_is_refused_when_damaged_foreign_or_of_another_plan() {
    let plan = Plan::parse("rsi(3), zscore(5)", &BARS).unwrap();
    let data = series("walk", 20, 1);
    let mut stream = plan.stream();
    for row in 0..20 {
        stream.push(&data.row(&plan, row), &mut [0.0; 2]);
    }
    let bytes = stream.snapshot();
    assert_eq!(plan.restore(&bytes).unwrap().rows(), 20);
    assert!(matches!(plan.restore(b"hello"), Err(SnapshotError::Foreign { bytes: 5 })));
    for at in (8..bytes.len()).step_by(7) {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(plan.restore(&changed).is_err(), "byte {at}");
        assert!(plan.restore(&bytes[..at]).is_err(), "cut at {at}");
    }
    let other = Plan::parse("rsi(4), zscore(5)", &BARS).unwrap();
    assert!(matches!(other.restore(&bytes), Err(SnapshotError::Plan { .. })));
}

#[test]
fn the_catalogue_serialises_with_what_a_reader_needs() {
    for entry in CATALOGUE {
        let json = serde_json::to_value(entry).unwrap();
        for key in
            ["name", "family", "summary", "formula", "source", "inputs", "parameters", "outputs", "lookback"]
        {
            assert!(json.get(key).is_some(), "{} lacks {key}", entry.name);
        }
        assert_eq!(json["name"], entry.name);
        assert!(!entry.formula.is_empty() && !entry.source.is_empty() && !entry.nan.is_empty());
    }
}
