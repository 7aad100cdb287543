//! The LSTM beside PyTorch, TorchScript, onnxruntime and JAX: the same weights, the same windows, one run of each in turn.
//!
//! Limits of the same core run in turn with them. `limit-f32` and its like are the time in which the multiply-add or dot-product
//! units would do the products' operations ([`Unit`]); for ticks, the time in which the core reads the weights
//! ([`Executable::floor`]). Words on the command line choose races by name, such as `predict` or `train/h64`.
//!
//! `make rivals` sets their environment up and runs this; without it (`RIVALS_PYTHON` names its interpreter) nothing is
//! measured, and that is said. Answers are compared before times are. Results go where criterion's go, so that
//! `cargo xtask record` keeps them as well.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark that cannot run must not give a number"
)]

use std::path::Path;
use std::time::Instant;

use diapason_benches::kept::{Units, keep};
use diapason_benches::peak::Unit;
use diapason_benches::rival::Rival;
use diapason_kernels::lstm::{
    CompileOptions, Executable, Head, Lstm, Precision, Spec, StreamOptions, TrainOptions, Trainer,
};
use ndarray::{Array2, Array3, ArrayView3, Axis, s};
use serde_json::{Value, json};

/// A shape and how much of it.
struct Load {
    name: &'static str,
    spec: Spec,
    batch: usize,
    time: usize,
    /// Rows of a training step.
    rows: usize,
}

impl Load {
    /// Operations of the products of all windows, forward; and with back-propagation, where the features have no gradient.
    fn flop(&self) -> (f64, f64) {
        let Spec { input, hidden, layers, .. } = self.spec;
        let product = |depth: usize| (8 * hidden * depth * self.time * self.batch) as f64;
        let above = (layers - 1) as f64 * product(hidden);
        let recurrent = layers as f64 * product(hidden);
        (product(input) + above + recurrent, 2.0 * product(input) + 3.0 * (above + recurrent))
    }
}

const fn spec(input: usize, hidden: usize, layers: usize) -> Spec {
    Spec { input, hidden, layers, output: 1, head: Head::Linear }
}

const REFERENCE: Load = Load { name: "w", spec: spec(32, 128, 2), batch: 1000, time: 60, rows: 128 };
const TICKS: Load = Load { batch: 1, time: 2000, ..REFERENCE };
const EPOCHS: [Load; 3] = [
    Load { batch: 2048, ..REFERENCE },
    Load { name: "h64", spec: spec(32, 64, 1), batch: 3200, time: 50, rows: 32 },
    Load { name: "qlib", spec: spec(20, 64, 2), batch: 4000, time: 20, rows: 800 },
];

/// The windows of the worker's `windows`.
fn windows(load: &Load) -> Array3<f32> {
    let mut index = 0_u64;
    Array3::from_shape_simple_fn((load.batch, load.time, load.spec.input), || {
        let value = (index * 7919 % 4093) as f32 / 2046.0 - 1.0;
        index += 1;
        value
    })
}

/// What is measured: a name, and a run that gives seconds and the first values of its answer.
type Entrant<'a> = (String, Box<dyn FnMut() -> (f64, Vec<f64>) + 'a>);

/// How far answers may be apart: of the first round, as a distance; of the last, relative to it.
#[derive(Clone, Copy)]
struct Tolerance {
    first: f64,
    last: f64,
}

/// The greatest distance from the expected answer; a limit has no answer.
fn distance(answer: &[f64], expected: &[f64]) -> f64 {
    answer.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// Runs all entrants in turn, after one round that compares their answers with the first one's; the answers of the last round are
/// compared as well. Writes median, least and greatest, per `units`, and which share of its limit an entrant reaches.
fn race(group: &str, entrants: &mut [Entrant], (rounds, units): (usize, usize), tolerance: Tolerance) {
    let expected = entrants[0].1().1;
    for (name, run) in entrants.iter_mut().skip(1) {
        let (worst, most) = (distance(&run().1, &expected), tolerance.first);
        assert!(worst <= most, "{group}: {name} is {worst} away from the first, more than {most}");
    }
    let mut times = vec![Vec::new(); entrants.len()];
    let mut last = vec![Vec::new(); entrants.len()];
    for _ in 0..rounds {
        for (((_, run), times), last) in entrants.iter_mut().zip(&mut times).zip(&mut last) {
            let (seconds, answer) = run();
            times.push(seconds);
            *last = answer;
        }
    }
    let first = last[0].clone();
    let size = first.iter().fold(0.0_f64, |size, x| size.max(x.abs()));
    let mut medians: Vec<(String, f64)> = Vec::new();
    for (((name, _), times), last) in entrants.iter().zip(&mut times).zip(&last) {
        let (apart, most) = (distance(last, &first), tolerance.last * size);
        assert!(apart <= most, "{group}: {name} ends {apart} away from the first, more than {most}");
        times.sort_by(f64::total_cmp);
        let [low, median, high] =
            [0, times.len() / 2, times.len() - 1].map(|at| times[at] * 1e9 / units as f64);
        keep(&format!("{group}/{name}"), [low, median, high], Units::Elements(1));
        let answer = last.first().map_or(String::new(), |answer| format!(", answer {answer:.6}"));
        println!("{group}/{name:<24} {median:>12.1} ns ({low:.1} to {high:.1}){answer}");
        medians.push((name.clone(), median));
    }
    for (name, median) in &medians {
        let limit = |of: &str| name.strip_prefix("diapason").is_some_and(|rest| of == format!("limit{rest}"));
        let limit = medians.iter().find(|(of, _)| limit(of));
        let share = limit
            .map_or(String::new(), |(_, limit)| format!(", {:.1} % of its limit", 100.0 * limit / median));
        println!("{group}/{name:<24} {:.2}x the first{share}", median / medians[0].1);
    }
}

/// The seconds that `flop` operations take at most, measured anew in each round.
fn limits<'a>(flop: f64) -> impl Iterator<Item = Entrant<'a>> {
    Unit::ALL.into_iter().filter(|unit| unit.rate().is_some()).map(move |unit| -> Entrant<'a> {
        let run = move || (flop / unit.rate().unwrap_or(f64::NAN), Vec::new());
        (format!("limit-{}", unit.name()), Box::new(run))
    })
}

fn request(load: &Load, model: &Path, task: &str, (library, precision): (&str, &str)) -> Value {
    json!({
        "task": task, "library": library, "precision": precision, "threads": 1, "model": model,
        "layers": load.spec.layers, "hidden": load.spec.hidden, "input": load.spec.input,
        "batch": load.batch, "time": load.time, "rows": load.rows,
    })
}

/// A rival as an entrant.
fn rival<'a>(rivals: &'a std::cell::RefCell<Rival>, request: Value) -> Entrant<'a> {
    let word = |key: &str| request[key].as_str().unwrap_or_default().to_owned();
    let name = format!("{}-{}", word("library"), word("precision"));
    let run = move || {
        let answer = rivals.borrow_mut().ask(&request);
        let out = answer["out"].as_array().expect("an answer has values").iter().filter_map(Value::as_f64);
        (answer["seconds"].as_f64().expect("an answer has a time"), out.collect())
    };
    (name, Box::new(run))
}

fn values(out: &Array2<f32>) -> Vec<f64> {
    out.iter().take(64).copied().map(f64::from).collect()
}

fn compiled(model: &Lstm, precision: Precision, threads: usize) -> Executable {
    let options = CompileOptions { threads, precision, ..CompileOptions::default() };
    model.compile(&options).expect("this machine has some instruction set")
}

/// Who runs beside us in batches and in ticks.
const RIVALS: [(&str, &str); 5] =
    [("torch", "f32"), ("torch", "bf16"), ("torchscript", "f32"), ("onnxruntime", "f32"), ("jax", "f32")];

fn predict(rivals: &std::cell::RefCell<Rival>, load: &Load, model: &Lstm, path: &Path, rounds: usize) {
    let x = windows(load);
    let x = &x;
    let entrant = |precision, threads| -> Entrant {
        let mut executable = compiled(model, precision, threads);
        let mut out = Array2::zeros((load.batch, 1));
        let run = move || {
            let start = Instant::now();
            executable.predict(x.view(), out.view_mut()).expect("the shape fits");
            (start.elapsed().as_secs_f64(), values(&out))
        };
        let many = if threads == 1 { String::new() } else { format!("-{threads}-threads") };
        (format!("diapason-{precision}{many}"), Box::new(run))
    };
    let ours = Precision::ALL.into_iter().flat_map(|p| [entrant(p, 1), entrant(p, 2)]);
    let theirs = RIVALS.map(|rival_of| rival(rivals, request(load, path, "predict", rival_of)));
    let mut entrants: Vec<Entrant> = ours.chain(theirs).chain(limits(load.flop().0)).collect();
    let tolerance = Tolerance { first: 2e-2, last: 5e-2 };
    race(&format!("rivals/predict/{}", load.name), &mut entrants, (rounds, load.batch), tolerance);
}

fn ticks(rivals: &std::cell::RefCell<Rival>, load: &Load, model: &Lstm, path: &Path, rounds: usize) {
    let x = windows(load);
    let x = &x;
    let entrant = |precision, ahead| -> Entrant {
        let executable = compiled(model, precision, 1);
        let options = StreamOptions { ahead, ..StreamOptions::default() };
        let mut stream = executable.stream(&options).expect("one instance is allowed");
        let run = move || {
            stream.reset(0).expect("the instance is there");
            let mut seconds = 0.0;
            let mut last = 0.0;
            for row in x.index_axis(Axis(0), 0).outer_iter() {
                let row = row.to_slice().expect("rows are contiguous");
                let start = Instant::now();
                let out = stream.push(0, row).expect("the width fits").map(|out| out[0]);
                seconds += start.elapsed().as_secs_f64();
                last = out.map_or(f64::NAN, f64::from);
                stream.prepare(0).expect("the instance is there");
            }
            (seconds, vec![last])
        };
        (format!("diapason-{precision}{}", if ahead { "-ahead" } else { "" }), Box::new(run))
    };
    let ours = Precision::ALL.into_iter().flat_map(|p| [entrant(p, false), entrant(p, true)]);
    let theirs = RIVALS.map(|rival_of| rival(rivals, request(load, path, "tick", rival_of)));
    // What a whole tick reads; one with work ahead reads less before its prediction, which the suite `latency` knows.
    let limits = Precision::ALL.map(|precision| -> Entrant {
        let executable = compiled(model, precision, 1);
        let run = move || {
            let floor = executable.floor().expect("there is memory");
            (load.time as f64 * floor.bytes as f64 / floor.bytes_per_second, Vec::new())
        };
        (format!("limit-{precision}"), Box::new(run))
    });
    let mut entrants: Vec<Entrant> = ours.chain(theirs).chain(limits).collect();
    let tolerance = Tolerance { first: 3e-2, last: 1e-1 };
    race(&format!("rivals/tick/{}", load.name), &mut entrants, (rounds, load.time), tolerance);
}

fn train(rivals: &std::cell::RefCell<Rival>, load: &Load, model: &Lstm, path: &Path, rounds: usize) {
    let x = windows(load);
    let y = x.slice(s![.., load.time - 1, ..1]).to_owned();
    let (x, y) = (&x, &y);
    let entrant = |precision| -> Entrant {
        let options = TrainOptions {
            threads: 1,
            clip_norm: None,
            weight_decay: 0.0,
            precision,
            ..TrainOptions::default()
        };
        let mut trainer = Trainer::new(model.clone(), options).expect("the options are valid");
        let run = move || {
            let start = Instant::now();
            let mut loss = f64::NAN;
            for first in (0..load.batch).step_by(load.rows) {
                let part = first..load.batch.min(first + load.rows);
                let (x, y): (ArrayView3<f32>, _) = (x.slice(s![part.clone(), .., ..]), y.slice(s![part, ..]));
                loss = trainer.step(x, y).expect("the data are finite").loss;
            }
            (start.elapsed().as_secs_f64(), vec![loss])
        };
        (format!("diapason-{precision}"), Box::new(run))
    };
    let theirs = rival(rivals, request(load, path, "train", ("torch", "f32")));
    let limits = limits(load.flop().1).filter(|(name, _)| name != "limit-int8");
    let ours = Precision::TRAINING.map(entrant);
    let mut entrants: Vec<Entrant> = ours.into_iter().chain([theirs]).chain(limits).collect();
    // The losses of the last minibatch: after one epoch, and after all.
    let tolerance = Tolerance { first: 1e-2, last: 5e-2 };
    race(&format!("rivals/train/{}", load.name), &mut entrants, (rounds, load.batch), tolerance);
}

fn main() {
    let once = std::env::args().any(|word| word == "--test");
    let rounds = if once { 1 } else { 9 };
    let Some(rivals) = Rival::start("worker.py") else {
        println!("rivals: nothing measured; RIVALS_PYTHON names no interpreter (see `make rivals`)");
        return;
    };
    let rivals = std::cell::RefCell::new(rivals);
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let model = |spec: Spec| {
        let model = Lstm::new(spec, 1).expect("a valid shape");
        let path = folder.path().join(format!("{}-{}.safetensors", spec.input, spec.hidden));
        model.save(&path).expect("the folder is writable");
        (model, path)
    };
    let (reference, path) = model(REFERENCE.spec);
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let asked = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    if asked("predict/w") {
        predict(&rivals, &REFERENCE, &reference, &path, rounds);
    }
    if asked("tick/w") {
        ticks(&rivals, &TICKS, &reference, &path, rounds);
    }
    for load in EPOCHS.iter().filter(|load| asked(&format!("train/{}", load.name))) {
        let (model, path) = model(load.spec);
        train(&rivals, load, &model, &path, rounds.min(5));
    }
}
