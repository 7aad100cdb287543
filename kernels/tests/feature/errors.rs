//! Bad plans and what they are told; the messages are in `feature_errors.txt`, to be read by people.

use std::fmt::Write as _;

use diapason_kernels::IsaError;
use diapason_kernels::feature::{DataError, Plan, PlanError, Rows};

const BARS: [&str; 6] = ["timestamp", "open", "high", "low", "close", "volume"];
const NO_VOLUME: [&str; 5] = ["timestamp", "open", "high", "low", "close"];
const QUOTES: [&str; 3] = ["timestamp", "bid", "ask"];

/// Bad plans with the columns of the data.
const BAD: &[(&str, &[&str])] = &[
    ("", &BARS),
    ("# only a comment", &BARS),
    ("rsii(14)", &BARS),
    ("RSI(14)", &BARS),
    ("wavelet(close,8)", &BARS),
    ("ema(clsoe,20)/close-1", &BARS),
    ("ema(price,20)", &BARS),
    ("zscore(volume,100)", &NO_VOLUME),
    ("rsi(14), close/vwap_rolling(60)-1, ema(20)/close-1, zscore(volume,60)", &NO_VOLUME),
    ("rsi(14)", &QUOTES),
    ("atr(14)/close", &QUOTES),
    ("spread()", &BARS),
    ("rsi", &BARS),
    ("rsi(0)", &BARS),
    ("rsi(-14)", &BARS),
    ("sma(200000)", &BARS),
    ("rsi(14.5)", &BARS),
    ("rsi(14,20)", &BARS),
    ("trange(14)", &BARS),
    ("atr(close,14)", &BARS),
    ("ema(20,close)", &BARS),
    ("ema(open,close,20)", &BARS),
    ("ema(perod=20)", &BARS),
    ("ema(20,period=30)", &BARS),
    ("ema(period=close)", &BARS),
    ("macd(26,12,9)", &BARS),
    ("macd()/close", &BARS),
    ("macd(12,26,9).histogram", &BARS),
    ("rsi(14).value", &BARS),
    ("close.open", &BARS),
    ("rsi(14", &BARS),
    ("rsi(14))", &BARS),
    ("rsi(14) ema(20)", &BARS),
    ("rsi(14),,ema(20)", &BARS),
    ("close *", &BARS),
    ("close % 2", &BARS),
    ("2 * 3", &BARS),
    ("close / 1e999", &BARS),
    ("close / 1.2.3", &BARS),
    ("rsi(14), rsi()", &BARS),
    ("log_return(1),\nema(close,20)/close-1,\nzscoer(close,60)", &BARS),
    (
        "ema(close,20)/close-1, ema(close,40)/close-1, ema(close,80)/close-1, emma(close,160)/close-1, ema(close,320)/close-1, rsi(14)",
        &BARS,
    ),
    ("rsi(14), “ema”(20)", &BARS),
    ("rsi(14), cs_rank(rsi(14))", &BARS),
    ("depth_imbalance5()", &QUOTES),
];

/// Rows that are good but for what a case changes.
struct Data {
    close: Vec<f64>,
    times: Vec<i64>,
    symbols: Vec<u32>,
}

/// Good plans on data that does not suit them.
fn bad_data() -> Vec<(&'static str, &'static str, Data)> {
    let rows = |count: i64| Data {
        close: (0..count).map(|row| 100.0 + row as f64).collect(),
        times: (0..count).map(|row| 1_640_995_200_000_000_000 + 60_000_000_000 * row).collect(),
        symbols: vec![7; count as usize],
    };
    let (mut infinite, mut unsorted, mut mixed, mut twice) = (rows(300), rows(300), rows(300), rows(300));
    infinite.close[250] = f64::INFINITY;
    unsorted.times[120] -= 90_000_000_000;
    mixed.symbols[200..].fill(8);
    twice.times.pop();
    vec![
        ("rsi(14), stddev(close,5000)/close", "1000 rows", rows(1000)),
        ("rsi(14)", "no rows", rows(0)),
        ("close/open-1,\nema(volume,20)", "an infinite value", infinite),
        ("close/open-1, ema(20)/close-1", "row 120 before row 119", unsorted),
        ("close/open-1, ema(20)/close-1", "two symbols", mixed),
        ("rsi(14)", "a time too few", twice),
    ]
}

#[test]
fn data_that_suits_a_plan_is_left_alone() {
    let plan = Plan::parse("rsi(14), close", &BARS).unwrap();
    let close: Vec<f64> = (0..15).map(f64::from).collect();
    let rows = Rows { columns: &[&close], times: None, symbols: None };
    assert_eq!(plan.check(&rows), Ok(()));
    // A gap is data, and a time may come twice in ticks.
    let gap = [&close[..9], &[f64::NAN], &close[9..]].concat();
    assert_eq!(
        plan.check(&Rows { columns: &[&gap], times: Some(&[5; 16]), symbols: Some(&[1; 16]) }),
        Ok(())
    );
    assert!(matches!(plan.check(&Rows { columns: &[], ..rows }), Err(DataError::Shape { .. })));
}

#[test]
fn every_bad_plan_gets_one_clear_message() {
    let mut report = String::from(
        "Bad plans and what they are told. Written by `cargo test -p diapason-kernels --test feature errors` with\n\
         BLESS=1; read the difference before you commit it.\n",
    );
    for (text, columns) in BAD {
        let error = Plan::parse(text, columns).expect_err(text);
        let quoted = text.replace('\n', "\n      ");
        write!(report, "\nplan: {quoted}\nover: {}\n\n{error}\n", columns.join(", ")).unwrap();
        report.push_str(&"-".repeat(110));
        report.push('\n');
    }
    for (text, what, data) in bad_data() {
        let plan = Plan::parse(text, &BARS).unwrap();
        let columns: Vec<&[f64]> = plan.inputs().iter().map(|_| data.close.as_slice()).collect();
        let rows = Rows { columns: &columns, times: Some(&data.times), symbols: Some(&data.symbols) };
        let error = plan.check(&rows).expect_err(what);
        let quoted = text.replace('\n', "\n      ");
        write!(report, "\nplan: {quoted}\ndata: {what}\n\n{error}\n").unwrap();
        report.push_str(&"-".repeat(110));
        report.push('\n');
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/feature_errors.txt");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &report).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    for (line, (ours, expected)) in report.lines().zip(expected.lines()).enumerate() {
        assert_eq!(ours, expected, "line {}", line + 1);
    }
    assert_eq!(report.lines().count(), expected.lines().count());
}

#[test]
fn a_plan_cannot_exhaust_the_stack_or_the_memory() {
    let deep = format!("{}close{}", "(".repeat(5000), ")".repeat(5000));
    assert!(Plan::parse(&deep, &BARS).unwrap_err().to_string().contains("levels of nesting"));
    let minus = format!("{}close", "-".repeat(60_000));
    assert!(Plan::parse(&minus, &BARS).unwrap_err().to_string().contains("levels of nesting"));
    let long = "rsi(14), ".repeat(10_000);
    assert!(Plan::parse(&long, &BARS).unwrap_err().to_string().contains("bytes"));
    let chain = vec!["close"; 10_000].join("+");
    let wide = (0..900).map(|n| format!("stddev(open*{n},100000)")).collect::<Vec<_>>().join(",");
    assert!(Plan::parse(&wide, &BARS).unwrap_err().to_string().contains("bytes of state"));
    let many = (0..2500).map(|n| format!("open*{n}+1")).collect::<Vec<_>>().join(",");
    assert!(Plan::parse(&many, &BARS).unwrap_err().to_string().contains("operations"));
    assert!(Plan::parse(&chain, &BARS).unwrap_err().to_string().contains("operators in one feature"));
}

#[test]
fn no_text_makes_the_parser_panic() {
    let mut random = crate::series::Random(9);
    let pieces = [
        "rsi",
        "(",
        ")",
        "14",
        ",",
        "close",
        ".",
        "hist",
        "macd",
        "+",
        "-",
        "*",
        "/",
        " ",
        "\n",
        "=",
        "period",
        "é",
        "#",
        "1e",
        "0.",
        "volume",
        "\t",
        "😀",
        "ema(close,20)",
        "..",
        "mid()",
    ];
    for _ in 0..20_000 {
        let count = random.below(12);
        let text: String = (0..count).map(|_| pieces[random.below(pieces.len())]).collect();
        if let Err(error) = Plan::parse(&text, &BARS) {
            assert!(!error.to_string().is_empty());
        }
    }
}

/// The choice comes from the environment of a process, so the test runs itself in another one.
#[test]
fn an_unknown_instruction_set_is_an_error() {
    const VARIABLE: &str = "KERNELS_ISA";
    if std::env::var(VARIABLE).is_ok_and(|name| name == "sse9") {
        let error = Plan::parse("rsi(14)", &BARS).unwrap_err();
        assert!(matches!(error, PlanError::Isa(IsaError::Unknown { .. })), "{error}");
        return;
    }
    let this = ["--exact", "errors::an_unknown_instruction_set_is_an_error"];
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    let output = child.args(this).env(VARIABLE, "sse9").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
fn a_plan_that_would_not_read_back_is_refused() {
    let plan = |features: usize| {
        let text: Vec<String> = (1..=features).map(|n| format!("close+{n}e300")).collect();
        Plan::parse(&text.join(","), &BARS)
    };
    let fits = plan(200).unwrap();
    assert_eq!(Plan::parse(fits.canonical(), &BARS).unwrap().hash(), fits.hash());
    let message = plan(300).unwrap_err().to_string();
    assert!(message.contains("bytes with all defaults written out and the limit is 65536"), "{message}");
}
