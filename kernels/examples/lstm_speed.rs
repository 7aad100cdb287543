//! Speeds of one processor: multiply-add peak, batches, training and streams of a few models.
//!
//! `cargo run --release -p diapason-kernels --example lstm_speed`. The numbers in `ladder/README.md` come from here;
//! each is the best and the median of some runs, since the machines that we have are shared.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program for its author, not for users")]

use std::hint::black_box;
use std::time::Instant;

use diapason_kernels::Isa;
use diapason_kernels::lstm::{
    Activations, CompileOptions, Head, Lstm, Precision, Spec, StreamOptions, TrainOptions, Trainer,
};
use diapason_kernels::random;
use ndarray::{Array2, Array3};

/// Seconds of each of `runs` runs, sorted.
fn seconds(runs: usize, mut work: impl FnMut()) -> Vec<f64> {
    work();
    let mut times: Vec<f64> = (0..runs)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times
}

#[cfg(target_arch = "x86_64")]
mod peak {
    use std::arch::x86_64::{_mm512_add_ps, _mm512_fmadd_ps, _mm512_reduce_add_ps, _mm512_set1_ps};

    /// 24 independent sums, as in the product's largest tile. FLOP are `768 * steps`.
    #[target_feature(enable = "avx512f")]
    pub fn avx512(steps: usize) -> f32 {
        let mut sums = [_mm512_set1_ps(0.5); 24];
        let (a, b) = (_mm512_set1_ps(0.999), _mm512_set1_ps(0.001));
        for _ in 0..steps {
            for sum in &mut sums {
                *sum = _mm512_fmadd_ps(*sum, a, b);
            }
        }
        let mut total = sums[0];
        for &sum in &sums[1..] {
            total = _mm512_add_ps(total, sum);
        }
        _mm512_reduce_add_ps(total)
    }
}

fn data(batch: usize, time: usize, spec: Spec) -> (Array3<f32>, Array2<f32>) {
    let mut index = 0;
    let mut next = || {
        index += 1;
        2.0 * random::unit(1, index) - 1.0
    };
    let x = Array3::from_shape_simple_fn((batch, time, spec.input), &mut next);
    (x, Array2::from_shape_simple_fn((batch, spec.output), &mut next))
}

/// FLOP of the products of one window: forward, and forward with back-propagation. The features have no gradient, so
/// the first layer's input weights are used twice, all others three times.
fn flop(spec: Spec, time: usize) -> (f64, f64) {
    let part = |layer, passes_x: usize, passes_h: usize| {
        8 * spec.hidden * (passes_x * spec.layer_input(layer) + passes_h * spec.hidden)
    };
    let forward: usize = (0..spec.layers).map(|layer| part(layer, 1, 1)).sum();
    let both: usize = (0..spec.layers).map(|layer| part(layer, if layer == 0 { 2 } else { 3 }, 3)).sum();
    ((forward * time) as f64, (both * time) as f64)
}

fn report(what: &str, times: &[f64], windows: usize, flop: f64) {
    let (best, median) = (times[0], times[times.len() / 2]);
    println!(
        "  {what:<32} {:>10.0} windows/s best, {:>10.0} median; {:>6.1} GFLOP/s best",
        windows as f64 / best,
        windows as f64 / median,
        windows as f64 * flop / best / 1e9,
    );
}

fn model(spec: Spec, batch: usize, time: usize, runs: usize) {
    println!("{spec}, batch {batch}, time {time}");
    let (x, y) = data(batch, time, spec);
    let (forward, both) = flop(spec, time);
    for isa in Isa::available().filter(|isa| *isa != Isa::Scalar) {
        for threads in [1, 2] {
            let lstm = Lstm::new(spec, 1).unwrap();
            let mut executable = lstm
                .compile(&CompileOptions { isa: Some(isa), threads, ..CompileOptions::default() })
                .unwrap();
            let mut out = Array2::zeros((batch, spec.output));
            let times = seconds(runs, || executable.predict(x.view(), out.view_mut()).unwrap());
            report(&format!("predict {isa}, {threads} threads"), &times, batch, forward);
            for precision in Precision::TRAINING {
                let options = TrainOptions { isa: Some(isa), threads, precision, ..TrainOptions::default() };
                let mut trainer = Trainer::new(lstm.clone(), options).unwrap();
                let times = seconds(runs, || {
                    black_box(trainer.step(x.view(), y.view()).unwrap());
                });
                report(&format!("train   {isa}, {precision}, {threads} threads"), &times, batch, both);
            }
        }
    }
}

fn stream(spec: Spec, window: Option<usize>, ticks: usize) {
    let (x, _) = data(1, 4096, spec);
    for isa in Isa::available().filter(|isa| *isa != Isa::Scalar) {
        let options = CompileOptions { isa: Some(isa), threads: 1, ..CompileOptions::default() };
        let executable = Lstm::new(spec, 1).unwrap().compile(&options).unwrap();
        let mut stream = executable
            .stream(&StreamOptions { instances: 1, window, ahead: false, ..StreamOptions::default() })
            .unwrap();
        let rows: Vec<&[f32]> = x.as_slice().unwrap().chunks_exact(spec.input).collect();
        let mut times = Vec::with_capacity(ticks);
        for tick in 0..ticks {
            let start = Instant::now();
            black_box(stream.push(0, rows[tick % rows.len()]).unwrap());
            times.push(start.elapsed().as_nanos() as u64);
        }
        times.sort_unstable();
        let at = |p: f64| times[(p * (ticks - 1) as f64) as usize];
        println!(
            "stream {isa}, {spec}, window {window:?}: p50 {} p99 {} p99.9 {} max {} ns of {ticks} ticks",
            at(0.5),
            at(0.99),
            at(0.999),
            times[ticks - 1]
        );
    }
}

/// The precisions that the command line names; all of them, where it names none.
fn asked() -> Vec<Precision> {
    let named: Vec<Precision> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    if named.is_empty() { Precision::ALL.to_vec() } else { named }
}

/// A batch of windows in each precision, by one thread and by two.
fn precisions(spec: Spec, batch: usize, time: usize, runs: usize) {
    println!("{spec}, batch {batch}, time {time}");
    let (x, _) = data(batch, time, spec);
    for precision in asked() {
        for (threads, activations) in
            [(1, Activations::Accurate), (1, Activations::Fast), (2, Activations::Accurate)]
        {
            let options = CompileOptions { threads, precision, activations, ..CompileOptions::default() };
            let mut executable = Lstm::new(spec, 1).unwrap().compile(&options).unwrap();
            let mut out = Array2::zeros((batch, spec.output));
            let times = seconds(runs, || executable.predict(x.view(), out.view_mut()).unwrap());
            report(
                &format!("predict {precision}, {activations}, {threads} threads"),
                &times,
                batch,
                flop(spec, time).0,
            );
        }
    }
}

/// Ticks in each precision: whole, and without what was made ahead.
fn ticks(spec: Spec, window: Option<usize>, ticks: usize) {
    let (x, _) = data(1, 4096, spec);
    let rows: Vec<&[f32]> = x.as_slice().unwrap().chunks_exact(spec.input).collect();
    for precision in asked() {
        for ahead in [false, true] {
            let options = CompileOptions { threads: 1, precision, ..CompileOptions::default() };
            let executable = Lstm::new(spec, 1).unwrap().compile(&options).unwrap();
            let mut stream =
                executable.stream(&StreamOptions { window, ahead, ..StreamOptions::default() }).unwrap();
            let mut times = Vec::with_capacity(ticks);
            for tick in 0..ticks {
                let start = Instant::now();
                black_box(stream.push(0, rows[tick % rows.len()]).unwrap());
                times.push(start.elapsed().as_nanos() as u64);
                stream.prepare(0).unwrap();
            }
            times.sort_unstable();
            let at = |p: f64| times[(p * (ticks - 1) as f64) as usize];
            println!(
                "tick {spec}, window {window:?}, {precision}, ahead {ahead}: min {} p50 {} p99 {} ns of {ticks}",
                times[0],
                at(0.5),
                at(0.99),
            );
        }
    }
}

fn main() {
    #[cfg(target_arch = "x86_64")]
    if Isa::Avx512.is_available() {
        let steps = 40_000;
        let times = seconds(301, || {
            // SAFETY: the instruction set was found a few lines above.
            black_box(unsafe { peak::avx512(black_box(steps)) });
        });
        println!(
            "multiply-add peak, one core, avx512: {:.1} GFLOP/s best",
            768.0 * steps as f64 / times[0] / 1e9
        );
    }
    let one = |input, hidden, layers| Spec { input, hidden, layers, output: 1, head: Head::Linear };
    if std::env::args().any(|word| word == "precision") {
        precisions(one(32, 128, 2), 1000, 60, 7);
        if std::env::args().any(|word| word == "batches") {
            return;
        }
        ticks(one(32, 128, 2), None, 40_000);
        ticks(one(100, 100, 2), None, 100_000);
        ticks(one(250, 200, 3), None, 20_000);
        ticks(one(100, 100, 2), Some(50), 10_000);
        return;
    }
    if std::env::args().any(|word| word == "tune") {
        for (spec, batch, time) in
            [(one(12, 32, 1), 256, 32), (one(20, 64, 2), 800, 20), (one(32, 128, 2), 1000, 60)]
        {
            for precision in asked() {
                let options = CompileOptions { threads: 1, precision, ..CompileOptions::default() };
                let model = Lstm::new(spec, 1).unwrap();
                let floor = model.compile(&options).unwrap().floor().unwrap();
                let tuned = model.tune(&options, batch, time).unwrap();
                let gain = tuned.seconds[1] / tuned.seconds[0];
                println!("{spec}, {precision}: {}, {gain:.3} times the default\n{floor}", tuned.tuning);
            }
        }
        return;
    }
    if std::env::args().any(|word| word == "train") {
        model(one(12, 32, 1), 256, 32, 15);
        model(one(32, 64, 1), 32, 50, 15);
        model(one(20, 64, 2), 800, 20, 5);
        model(one(32, 128, 2), 128, 60, 5);
        return;
    }
    if std::env::args().any(|word| word == "short") {
        model(one(12, 32, 1), 256, 32, 101);
        model(one(12, 64, 1), 256, 32, 61);
        return;
    }
    model(one(12, 32, 1), 256, 32, 41);
    model(one(12, 64, 1), 256, 32, 41);
    model(one(12, 128, 1), 256, 32, 15);
    model(one(32, 64, 1), 32, 50, 41);
    model(one(20, 64, 2), 800, 20, 11);
    model(one(32, 128, 2), 128, 60, 9);
    let start = Instant::now();
    let calls = 1_000_000;
    for _ in 0..calls {
        black_box(Instant::now());
    }
    println!("one reading of the clock: {:.1} ns", start.elapsed().as_secs_f64() * 1e9 / f64::from(calls));
    stream(one(12, 32, 1), None, 2_000_000);
    stream(one(12, 64, 1), None, 1_000_000);
    stream(one(32, 128, 2), None, 200_000);
    stream(one(12, 32, 1), Some(32), 200_000);
}
