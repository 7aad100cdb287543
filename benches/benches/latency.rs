//! How long a tick takes, to the last of ten million: p50, p99, p99.9, p99.99 and the longest.
//!
//! ```text
//! cargo bench --bench latency -- [--ticks N] [--gap LEAST-MOST] [WORDS]
//! ```
//!
//! runs every case whose name has all of the words, such as `a/bf16/ahead`; without any, all of them, with a few thousand
//! ticks each. Every case is first held against `predict`, bit by bit. What is timed is from the row to the prediction
//! (`push`), and with work ahead also the whole tick (`push`, then `prepare`), which is what limits a sustained rate.
//!
//! - *contiguous*: one tick after the other; *spaced*: pauses between them, of 20 to 200 us unless `--gap` says otherwise;
//!   *cold*: between ticks the core reads 4 MiB of other memory, so that its own caches hold nothing of the model.
//! - *2-cores*: the calling thread and one worker, each pinned; else the calling thread alone, pinned.
//! - *window*: each prediction from zero state, else the state is carried.
//!
//! The floor is what the same machine needs to read the weights of the timed path once: their bytes, without padding, over the
//! rate at which one core of it just read as much memory again and again; half of them on two cores. What two cores cost each
//! other stands beside it: the round trip of a cache line between them, just before.
//!
//! Cases go to `target/latency/`, from where `cargo xtask record` keeps them with the facts of the host.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark that cannot run must not give a number"
)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use diapason_kernels::lstm::{CompileOptions, Executable, Head, Lstm, Precision, Spec, StreamOptions, Wait};
use hdrhistogram::Histogram;
use ndarray::{Array2, Array3};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// A shape, its window, and the ticks that it is worth where nobody asks for more.
struct Shape {
    name: &'static str,
    spec: Spec,
    window: usize,
    ticks: u64,
}

const fn shape(
    name: &'static str,
    (input, hidden, layers): (usize, usize, usize),
    window: usize,
    ticks: u64,
) -> Shape {
    Shape { name, spec: Spec { input, hidden, layers, output: 1, head: Head::Linear }, window, ticks }
}

/// The reference workload, and the shapes of public trading benchmarks (unaudited).
const SHAPES: [Shape; 4] = [
    shape("w", (32, 128, 2), 60, 5000),
    shape("a", (100, 100, 2), 50, 5000),
    shape("b", (250, 200, 3), 100, 1000),
    shape("c", (500, 1000, 4), 100, 50),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pace {
    Contiguous,
    Spaced,
    Cold,
}

struct Case<'a> {
    shape: &'a Shape,
    precision: Precision,
    windowed: bool,
    ahead: bool,
    cores: usize,
    pace: Pace,
    /// Least and most of a pause, in microseconds.
    gap: (u64, u64),
}

impl Case<'_> {
    fn name(&self) -> String {
        format!(
            "{}/{}/{}{}/{}/{}",
            self.shape.name,
            self.precision,
            if self.ahead { "ahead" } else { "whole" },
            if self.windowed { "-window" } else { "" },
            if self.cores == 1 { "1-core" } else { "2-cores" },
            match self.pace {
                Pace::Contiguous => "contiguous".to_owned(),
                Pace::Spaced => format!("spaced-{}-{}us", self.gap.0, self.gap.1),
                Pace::Cold => "cold".to_owned(),
            }
        )
    }

    /// Bytes of weights that the timed path reads.
    fn bytes(&self) -> usize {
        let Spec { input, hidden, layers, .. } = self.shape.spec;
        let values = |layer| {
            let own = if layer == 0 { input } else { hidden };
            4 * hidden * if self.ahead { own } else { own + hidden }
        };
        let size = match self.precision {
            Precision::F32 => 4,
            Precision::Bf16 => 2,
            Precision::Int8 => 1,
        };
        size * (0..layers).map(values).sum::<usize>()
    }
}

/// Every case of a shape.
fn cases(shape: &Shape, gap: (u64, u64)) -> Vec<Case<'_>> {
    let mut cases = Vec::new();
    for precision in Precision::ALL {
        for (cores, ahead) in [(1, false), (1, true), (2, false), (2, true)] {
            let case = |windowed, pace| Case { shape, precision, windowed, ahead, cores, pace, gap };
            cases.push(case(false, Pace::Contiguous));
            if ahead {
                cases.push(case(true, Pace::Contiguous));
                cases.push(case(false, Pace::Spaced));
            }
            // Another thread on the worker's core would take it away from the worker.
            if cores == 1 {
                cases.push(case(false, Pace::Cold));
            }
        }
    }
    cases
}

struct Options {
    once: bool,
    ticks: Option<u64>,
    gap: (u64, u64),
    words: Vec<String>,
}

fn options() -> Options {
    let mut options = Options { once: false, ticks: None, gap: (20, 200), words: Vec::new() };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--test" => options.once = true,
            "--bench" => {}
            "--ticks" => {
                let count = words.next().expect("--ticks has a number");
                options.ticks = Some(count.parse().expect("--ticks has a number"));
            }
            "--gap" => {
                let gap = words.next().expect("--gap has two numbers, as 20-200");
                let (least, most) = gap.split_once('-').expect("--gap has two numbers, as 20-200");
                options.gap = (least.parse().expect("a number"), most.parse().expect("a number"));
                assert!(options.gap.0 <= options.gap.1, "--gap begins with the least");
            }
            _ => options.words.push(word),
        }
    }
    options
}

/// The cores of this process, of which the first is taken by the calling thread.
fn cores() -> Vec<usize> {
    let set = sched_getaffinity(Pid::from_raw(0)).expect("the kernel says where this runs");
    let cores: Vec<usize> = (0..CpuSet::count()).filter(|&core| set.is_set(core).unwrap_or(false)).collect();
    pin(cores[0]);
    cores
}

fn pin(core: usize) {
    let mut set = CpuSet::new();
    set.set(core).expect("it was in the set");
    sched_setaffinity(Pid::from_raw(0), &set).expect("a thread may be pinned where it may run");
}

/// Reads words as fast as they come.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn read_avx2(words: &[u64]) -> u64 {
    read(words)
}

#[inline(always)]
fn read(words: &[u64]) -> u64 {
    let mut sums = [0_u64; 32];
    for words in words.as_chunks::<32>().0 {
        for (sum, word) in sums.iter_mut().zip(words) {
            *sum ^= word;
        }
    }
    sums.iter().fold(0, |all, sum| all ^ sum)
}

fn read_fast(words: &[u64]) -> u64 {
    #[cfg(target_arch = "x86_64")]
    if diapason_kernels::Isa::Avx2Fma.is_available() {
        // SAFETY: `is_available` found AVX2 on the line above.
        return unsafe { read_avx2(words) };
    }
    read(words)
}

/// Nanoseconds in which this core reads as many bytes, when it has read them just before: the least of many.
fn floor(bytes: usize) -> f64 {
    let words = vec![1_u64; (bytes / 8).next_multiple_of(32)];
    // Short readings are repeated, as the clock takes time too.
    let again = (1 << 20) / bytes.max(1) + 1;
    let mut least = Duration::MAX;
    for _ in 0..40 {
        let start = Instant::now();
        for _ in 0..again {
            black_box(read_fast(black_box(&words)));
        }
        least = least.min(start.elapsed());
    }
    least.as_secs_f64() * 1e9 / again as f64
}

/// Nanoseconds of an empty measurement.
fn clock() -> f64 {
    let mut least = Duration::MAX;
    for _ in 0..100 {
        let start = Instant::now();
        for _ in 0..1000 {
            black_box(Instant::now());
        }
        least = least.min(start.elapsed());
    }
    least.as_secs_f64() * 1e6
}

/// Nanoseconds in which a cache line goes to another core and back: the least of many. Some virtual machines move their
/// processors about, and then it is not always the same.
fn round_trip(core: usize) -> f64 {
    const TRIPS: u64 = 10_000;
    let line = AtomicU64::new(0);
    let there = Barrier::new(2);
    let mut least = Duration::MAX;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            pin(core);
            there.wait();
            for trip in 0..20 * TRIPS {
                while line.load(Ordering::Acquire) != 2 * trip + 1 {}
                line.store(2 * trip + 2, Ordering::Release);
            }
        });
        // Asleep until then: the other thread starts on this one's core.
        there.wait();
        for round in 0..20 {
            let start = Instant::now();
            for trip in round * TRIPS..(round + 1) * TRIPS {
                line.store(2 * trip + 1, Ordering::Release);
                while line.load(Ordering::Acquire) != 2 * trip + 2 {}
            }
            least = least.min(start.elapsed());
        }
    });
    least.as_secs_f64() * 1e9 / TRIPS as f64
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(60_000_000_000, 3).expect("the bounds are in order")
}

fn record(histogram: &mut Histogram<u64>, time: Duration) {
    histogram.saturating_record(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
}

/// Rows that follow each other.
fn rows(shape: &Shape, count: usize) -> Vec<Vec<f32>> {
    let value = |t: usize, i: usize| ((t * 7919 + i * 31) % 4093) as f32 / 2046.0 - 1.0;
    (0..count).map(|t| (0..shape.spec.input).map(|i| value(t, i)).collect()).collect()
}

fn stream_options(case: &Case, cores: &[usize]) -> StreamOptions {
    StreamOptions {
        window: case.windowed.then_some(case.shape.window),
        ahead: case.ahead,
        cores: cores[1..case.cores].to_vec(),
        wait: Wait::Spin,
        ..StreamOptions::default()
    }
}

/// The last of some ticks must be what a batch predicts for their rows.
fn check(case: &Case, executable: &mut Executable, cores: &[usize], rows: &[Vec<f32>]) {
    let time = if case.windowed { case.shape.window } else { 5 };
    let x = Array3::from_shape_fn((1, time, case.shape.spec.input), |(_, t, i)| rows[t % rows.len()][i]);
    let mut wanted = Array2::zeros((1, 1));
    executable.predict(x.view(), wanted.view_mut()).expect("the shape fits");
    let mut stream = executable.stream(&stream_options(case, cores)).expect("the cores are there");
    let mut last = f32::NAN;
    for t in 0..time {
        let out = stream.push(0, &rows[t % rows.len()]).expect("the width fits");
        last = out.map_or(f32::NAN, |out| out[0]);
        stream.prepare(0).expect("the instance is there");
    }
    assert_eq!(last.to_bits(), wanted[[0, 0]].to_bits(), "{} differs from a batch", case.name());
}

fn run(case: &Case, executable: &mut Executable, options: &Options, cores: &[usize]) -> String {
    let rows = rows(case.shape, 64);
    check(case, executable, cores, &rows);
    let ticks = match options.ticks {
        Some(ticks) => ticks,
        None if options.once => 20,
        None if case.windowed => (case.shape.ticks / 20).max(10),
        None => case.shape.ticks,
    };
    let floor = floor(case.bytes() / case.cores);
    let trip = cores[1..case.cores].first().map_or(0.0, |&core| round_trip(core));
    let mut stream = executable.stream(&stream_options(case, cores)).expect("the cores are there");
    let (mut pushes, mut wholes) = (histogram(), histogram());
    let others = vec![1_u64; (4 << 20) / 8];
    let warm = if options.once { 5 } else { (ticks / 10).clamp(5, 10_000) };
    let warm = if case.windowed { warm.max(case.shape.window as u64) } else { warm };
    for tick in 0..warm + ticks {
        match case.pace {
            Pace::Contiguous => {}
            Pace::Cold => drop(black_box(read_fast(black_box(&others)))),
            Pace::Spaced => {
                let (least, most) = case.gap;
                let gap = Duration::from_nanos(
                    1000 * least + tick.wrapping_mul(7919) % (1000 * (most - least) + 1),
                );
                let start = Instant::now();
                while start.elapsed() < gap {
                    std::hint::spin_loop();
                }
            }
        }
        let row = &rows[usize::try_from(tick % 64).expect("it is below 64")];
        let start = Instant::now();
        let out = stream.push(0, black_box(row)).expect("the width fits").map(|out| out[0]);
        let push = start.elapsed();
        black_box(out);
        stream.prepare(0).expect("the instance is there");
        let whole = start.elapsed();
        if tick >= warm {
            record(&mut pushes, push);
            record(&mut wholes, whole);
        }
    }
    let at = |histogram: &Histogram<u64>, quantile| histogram.value_at_quantile(quantile);
    let mut line = format!("{},{ticks},{},{floor:.0},{trip:.0}", case.name(), case.bytes());
    for value in
        [0.5, 0.99, 0.999, 0.9999].map(|quantile| at(&pushes, quantile)).into_iter().chain([pushes.max()])
    {
        let _ = write!(line, ",{value}");
    }
    let _ = write!(line, ",{},{}", at(&wholes, 0.5), at(&wholes, 0.99));
    line
}

const HEAD: &str = "case,ticks,weight_bytes,floor_ns,round_trip_ns,p50_ns,p99_ns,p99_9_ns,p99_99_ns,max_ns,whole_p50_ns,whole_p99_ns";

fn main() {
    let options = options();
    let cores = cores();
    println!("an empty measurement takes {:.0} ns, which every time below includes", clock());
    println!("{HEAD}");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/latency");
    std::fs::create_dir_all(&folder).expect("the folder of results can be made");
    let wanted = |case: &Case| options.words.iter().all(|word| case.name().contains(word.as_str()));
    for shape in &SHAPES {
        // A test of the benchmark has no time for 30 million weights.
        if options.once && shape.name == "c" {
            continue;
        }
        let cases: Vec<Case> = cases(shape, options.gap)
            .into_iter()
            .filter(|case| wanted(case) && case.cores <= cores.len())
            .collect();
        let mut compiled: Option<(Precision, Executable)> = None;
        for case in &cases {
            let (_, executable) = match &mut compiled {
                Some(compiled) if compiled.0 == case.precision => compiled,
                other => {
                    let model = Lstm::new(shape.spec, 1).expect("a valid shape");
                    let precision = case.precision;
                    let compile = CompileOptions { threads: 1, precision, ..CompileOptions::default() };
                    let executable = model.compile(&compile).expect("this machine has some instruction set");
                    other.insert((precision, executable))
                }
            };
            let line = run(case, executable, &options, &cores);
            println!("{line}");
            if !options.once {
                let place = folder.join(format!("{}.csv", case.name().replace('/', "_")));
                std::fs::write(place, format!("{line}\n")).expect("a result can be written");
            }
        }
    }
}
