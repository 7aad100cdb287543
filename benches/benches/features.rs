//! One plan over a million bars, beside the official Rust port of TA-Lib computing the same indicators.
#![expect(clippy::expect_used, reason = "a benchmark that cannot run must not give a number")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use diapason_kernels::feature::Plan;
use ndarray::Array2;

const ROWS: usize = 1 << 20;
const PLAN: &str = "sma(close,20), ema(close,20), rsi(close,14)";

fn bars() -> Vec<f64> {
    let (mut state, mut price) = (1u64, 1000.0);
    let step = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        price += f64::from((state >> 40) as u32 % 2001) / 1000.0 - 1.0;
        price
    };
    (0..ROWS).map(step).collect()
}

/// What TA-Lib writes for the same plan, aligned to the rows.
fn rival(close: &[f64], out: &mut [Vec<f64>; 3]) -> [usize; 3] {
    let core = ta_lib::Core::new();
    let last = close.len() - 1;
    let [sma, ema, rsi] = out;
    [
        core.sma(0, last, close, 20, sma).expect("a valid call").beg_idx,
        core.ema(0, last, close, 20, ema).expect("a valid call").beg_idx,
        core.rsi(0, last, close, 14, rsi).expect("a valid call").beg_idx,
    ]
}

fn panel(c: &mut Criterion) {
    let close = bars();
    let plan = Plan::parse(PLAN, &["close"]).expect("a valid plan");
    let mut ours = Array2::zeros((ROWS, 3));
    plan.batch(&[&close], ours.view_mut()).expect("the shape fits");
    let mut theirs = [vec![0.0; ROWS], vec![0.0; ROWS], vec![0.0; ROWS]];
    let begin = rival(&close, &mut theirs);
    for (feature, (values, begin)) in theirs.iter().zip(begin).enumerate() {
        for row in begin..ROWS {
            let (a, b) = (ours[[row, feature]], values[row - begin]);
            assert!((a - b).abs() <= 1e-9 * b.abs(), "feature {feature}, row {row}: {a}, TA-Lib {b}");
        }
    }
    let mut group = c.benchmark_group("features/sma-ema-rsi");
    group.throughput(Throughput::Elements(3 * ROWS as u64));
    group.bench_function("diapason-batch", |b| {
        b.iter(|| plan.batch(black_box(&[&close]), ours.view_mut()));
    });
    group.bench_function("ta-lib", |b| b.iter(|| rival(black_box(&close), &mut theirs)));
    group.bench_function("diapason-stream", |b| {
        b.iter(|| {
            let (mut stream, mut out) = (plan.stream(), [0.0; 3]);
            for price in black_box(&close) {
                stream.push(&[*price], &mut out);
            }
            out
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = panel
}
criterion_main!(benches);
