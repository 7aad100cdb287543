//! The LSTM on one core: a batch of windows, a training step and a tick, on every instruction set of this machine.
//!
//! The naive version is the scalar kernel of the same table; the limit is the fused multiply-add rate that a loop
//! without memory reaches on the same core (`limit/fma`). Elements are floating-point operations.
#![expect(clippy::expect_used, reason = "a benchmark that cannot run must not give a number")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use diapason_kernels::Isa;
use diapason_kernels::lstm::{CompileOptions, Head, Lstm, Spec, StreamOptions, TrainOptions, Trainer};
use ndarray::{Array2, Array3};

const TIME: usize = 32;
const INPUT: usize = 12;
const BATCH: usize = 256;

fn model(hidden: usize) -> Lstm {
    Lstm::new(Spec { input: INPUT, hidden, layers: 1, output: 1, head: Head::Linear }, 1)
        .expect("a valid shape")
}

fn windows() -> Array3<f32> {
    Array3::from_shape_fn((BATCH, TIME, INPUT), |(b, t, i)| {
        ((b * 31 + t * 7 + i * 3) % 41) as f32 / 20.0 - 1.0
    })
}

/// Floating-point operations of one window, forward: both matrix products, a multiply and an add each.
fn flop(hidden: usize) -> u64 {
    (2 * TIME * 4 * hidden * (INPUT + hidden)) as u64
}

fn predict(c: &mut Criterion) {
    let x = windows();
    for hidden in [32, 64] {
        let model = model(hidden);
        let run = |isa| {
            let options = CompileOptions { isa: Some(isa), threads: 1, ..CompileOptions::default() };
            let mut executable = model.compile(&options).expect("available");
            let mut out = Array2::zeros((BATCH, 1));
            executable.predict(x.view(), out.view_mut()).expect("the shape fits");
            (executable, out)
        };
        let (_, expected) = run(Isa::Scalar);
        let mut group = c.benchmark_group(format!("lstm/predict/h{hidden}"));
        group.throughput(Throughput::Elements(flop(hidden) * BATCH as u64));
        for isa in Isa::available() {
            let (mut executable, mut out) = run(isa);
            let worst = (&out - &expected).iter().fold(0.0f32, |worst, e| worst.max(e.abs()));
            assert!(worst < 1e-5, "{isa} differs from the scalar kernel by {worst}");
            group.bench_function(isa.name(), |b| {
                b.iter(|| executable.predict(black_box(x.view()), out.view_mut()));
            });
        }
        group.finish();
    }
}

fn train(c: &mut Criterion) {
    let x = windows();
    let y = Array2::from_shape_fn((BATCH, 1), |(b, _)| x[[b, TIME - 1, 0]]);
    for hidden in [32, 64] {
        let trainer = |isa| {
            let options = TrainOptions { isa: Some(isa), threads: 1, ..TrainOptions::default() };
            Trainer::new(model(hidden), options).expect("available")
        };
        let expected = trainer(Isa::Scalar).step(x.view(), y.view()).expect("finite").loss;
        let mut group = c.benchmark_group(format!("lstm/train/h{hidden}"));
        // Backward is two products of the same size for each one forward.
        group.throughput(Throughput::Elements(3 * flop(hidden) * BATCH as u64));
        for isa in Isa::available() {
            let mut trainer = trainer(isa);
            let loss = trainer.step(x.view(), y.view()).expect("finite").loss;
            assert!((loss - expected).abs() <= 1e-5 * expected, "{isa}: loss {loss}, scalar {expected}");
            group.bench_function(isa.name(), |b| b.iter(|| trainer.step(black_box(x.view()), y.view())));
        }
        group.finish();
    }
}

fn tick(c: &mut Criterion) {
    let x = windows();
    for (name, window) in [("carried", None), ("window", Some(TIME))] {
        let mut group = c.benchmark_group(format!("lstm/tick-{name}/h32"));
        for isa in Isa::available() {
            let options = CompileOptions { isa: Some(isa), threads: 1, ..CompileOptions::default() };
            let mut executable = model(32).compile(&options).expect("available");
            let mut out = Array2::zeros((BATCH, 1));
            executable.predict(x.view(), out.view_mut()).expect("the shape fits");
            let mut stream = executable
                .stream(&StreamOptions { instances: 1, window, ahead: false, ..StreamOptions::default() })
                .expect("one instance is allowed");
            let rows: Vec<Vec<f32>> = (0..TIME).map(|t| (0..INPUT).map(|i| x[[0, t, i]]).collect()).collect();
            let mut last = f32::NAN;
            for row in &rows {
                last = stream.push(0, row).expect("the width fits").map_or(f32::NAN, |out| out[0]);
            }
            assert!((last - out[[0, 0]]).abs() < 1e-5, "{isa}: tick {last}, batch {}", out[[0, 0]]);
            let mut next = 0;
            group.bench_function(isa.name(), |b| {
                b.iter(|| {
                    next = (next + 1) % TIME;
                    stream.push(0, black_box(&rows[next])).map(|out| out.map(|out| out[0]))
                });
            });
        }
        group.finish();
    }
}

/// Registers of independent sums: enough to hide the latency of a multiply-add on two ports.
const SUMS: usize = 12;
const STEPS: usize = 4096;

/// Chains of multiply-adds that touch no memory: what one core can do at most with 256-bit registers, and on Zen 4, whose
/// 512-bit registers take two passes, at all. A core with two 512-bit units can do twice that.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn chains_avx2(sums: &mut [[f32; 8]; SUMS], factor: f32) {
    for _ in 0..STEPS {
        sums.iter_mut().flatten().for_each(|sum| *sum = sum.mul_add(factor, 1e-3));
    }
}

#[cfg(target_arch = "x86_64")]
fn limit(c: &mut Criterion) {
    let mut group = c.benchmark_group("limit/fma");
    if Isa::Avx2Fma.is_available() {
        let mut sums = [[1.0f32; 8]; SUMS];
        group.throughput(Throughput::Elements((2 * STEPS * 8 * SUMS) as u64));
        group.bench_function("avx2", |b| {
            // SAFETY: `is_available` found AVX2 and FMA on the line above.
            b.iter(|| unsafe { chains_avx2(&mut sums, black_box(0.999_9)) });
        });
        assert!(sums.iter().flatten().all(|sum| sum.is_finite()), "the chains converge");
    }
    group.finish();
}

#[cfg(not(target_arch = "x86_64"))]
fn limit(_: &mut Criterion) {}

criterion_group!(benches, predict, train, tick, limit);
criterion_main!(benches);
