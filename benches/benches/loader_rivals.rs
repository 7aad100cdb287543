//! The loader beside h5py, pyarrow and Polars: the same values, the same answers, one run of each in turn.
//!
//! `make rivals-loader` sets their environment up and runs this; without it (`RIVALS_PYTHON` names its interpreter) nothing
//! is measured, and that is said. Hot means that the page cache holds the file; cold means that it was dropped before
//! each run, and the bytes that came from the device are printed. Results go where criterion's go, so that
//! `cargo xtask record` keeps them as well.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark that cannot run must not give a number"
)]

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use diapason_loader::codec::{Pipeline, Room};
use diapason_loader::sampler::{Order, Shape, Windows};
use diapason_loader::stream::{self, Loader};
use diapason_loader::table::{Backend, Damage, Options, Table};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use serde_json::{Value, json};

const ROWS: u64 = 8_000_000;
const WIDTH: usize = 12;
const LENGTH: u64 = 60;
const BUDGET_BYTES: u64 = 256 << 20;

/// The rivals' process.
struct Rivals {
    child: Child,
    answers: Box<dyn Iterator<Item = String>>,
}

impl Rivals {
    fn start() -> Option<Self> {
        let python = std::env::var_os("RIVALS_PYTHON").map(PathBuf::from)?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("rivals/loader.py");
        let mut command = Command::new(python);
        command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("RIVALS_PYTHON starts");
        let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        Some(Self { child, answers: Box::new(lines.map_while(Result::ok)) })
    }

    /// Runs a task once: its seconds and its sum, or nothing when a library is missing.
    fn run(&mut self, request: &Value) -> Option<(f64, f64)> {
        let input = self.child.stdin.as_mut().expect("it is piped");
        writeln!(input, "{request}").expect("the rivals listen");
        let answer = self.answers.find(|line| line.starts_with('{')).expect("the rivals answer");
        let answer: Value = serde_json::from_str(&answer).expect("an answer is JSON");
        if let Some(missing) = answer["missing"].as_str() {
            println!("not measured: {missing} is missing");
            return None;
        }
        Some((answer["seconds"].as_f64()?, answer["sum"].as_f64()?))
    }
}

/// What is measured: a name, how many units a run does, and a run that gives seconds and a sum.
struct Entrant<'a> {
    name: String,
    units: f64,
    run: Box<dyn FnMut() -> Option<(f64, f64)> + 'a>,
}

fn entrant<'a>(name: &str, units: f64, run: impl FnMut() -> Option<(f64, f64)> + 'a) -> Entrant<'a> {
    Entrant { name: name.to_owned(), units, run: Box::new(run) }
}

/// Runs all entrants in turn and prints units a second: the median, the greatest and the least, and how many times the
/// first one's. The sums of those that have one must agree to `tolerance`.
fn race(group: &str, unit: &str, entrants: &mut [Entrant<'_>], rounds: usize, tolerance: f64) {
    let (mut times, mut sum) = (vec![Vec::new(); entrants.len()], f64::NAN);
    for _ in 0..rounds {
        for (entrant, times) in entrants.iter_mut().zip(&mut times) {
            let Some((seconds, found)) = (entrant.run)() else { continue };
            if sum.is_nan() {
                sum = found;
            }
            let off = (found - sum).abs() / sum.abs().max(1.0);
            assert!(
                found.is_nan() || off <= tolerance,
                "{group}: {} sums to {found}, not {sum}",
                entrant.name
            );
            times.push(seconds);
        }
    }
    let mut first = f64::NAN;
    for (entrant, times) in entrants.iter().zip(&mut times) {
        if times.is_empty() {
            continue;
        }
        times.sort_by(f64::total_cmp);
        let [least, median, most] = [times[0], times[times.len() / 2], times[times.len() - 1]];
        if first.is_nan() {
            first = entrant.units / median;
        }
        let rate = |seconds: f64| entrant.units / seconds / 1e6;
        println!(
            "{group}/{:<24} {:>10.3} M{unit}/s ({:.3} to {:.3}), {:.2}x",
            entrant.name,
            rate(median),
            rate(most),
            rate(least),
            entrant.units / median / first
        );
        keep(&format!("{group}/{}", entrant.name), [least, median, most], entrant.units);
    }
}

/// Leaves a result where criterion leaves its own.
fn keep(name: &str, seconds: [f64; 3], units: f64) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/criterion").join(name).join("new");
    std::fs::create_dir_all(&folder).expect("the folder of results can be made");
    let [low, median, high] = seconds.map(|seconds| seconds * 1e9);
    let interval = json!({ "lower_bound": low, "upper_bound": high });
    let estimates = json!({ "median": { "point_estimate": median, "confidence_interval": interval } });
    let throughput = if name.contains("windows") { "Elements" } else { "Bytes" };
    let benchmark = json!({ "full_id": name, "throughput": { throughput: units as u64 } });
    for (file, value) in [("estimates.json", estimates), ("benchmark.json", benchmark)] {
        std::fs::write(folder.join(file), value.to_string()).expect("a result can be written");
    }
}

fn open(path: &Path, threads: usize, backend: Backend) -> Table {
    Table::open_with(path, &Options { threads, backend, ..Options::default() }).expect("the rivals wrote it")
}

fn names(table: &Table) -> Vec<String> {
    table.columns().iter().map(|column| column.name.clone()).collect()
}

/// Reads the matrix whole into `values`: seconds, and the sum of the first column.
fn read_whole(table: &Table, values: &mut [f32]) -> (f64, f64) {
    let selection = table.select(&names(table)).expect("its own columns");
    let start = Instant::now();
    table.read_selected(&selection, 0..table.rows(), values, Damage::Fail).expect("it is whole");
    let seconds = start.elapsed().as_secs_f64();
    (seconds, values.iter().step_by(WIDTH).map(|value| f64::from(*value)).sum())
}

/// The filters alone, on one thread, on frames that are in memory, into memory that stays in the cache.
fn filters(values: &[f32]) -> impl FnMut() -> Option<(f64, f64)> + use<> {
    const CHUNK: usize = 16_384 * WIDTH;
    let pipeline = Pipeline::new(&[(2, vec![4]), (32_015, vec![3])]).expect("both are known");
    let frames: Vec<Vec<u8>> = values
        .chunks_exact(CHUNK)
        .take(60)
        .map(|chunk| {
            let (mut raw, mut stored) = (Vec::new(), Vec::new());
            chunk.iter().for_each(|value| raw.extend_from_slice(&value.to_le_bytes()));
            pipeline.encode(&mut raw, &mut stored).expect("it compresses");
            stored
        })
        .collect();
    let (mut room, mut raw) = (Room::default(), vec![0; CHUNK * 4]);
    move || {
        let start = Instant::now();
        frames
            .iter()
            .for_each(|frame| pipeline.decode(0, frame, &mut room, &mut raw).expect("it is a frame"));
        Some((start.elapsed().as_secs_f64(), f64::NAN))
    }
}

fn read(rivals: &RefCell<Rivals>, folder: &Path, rounds: usize) {
    let bytes = (ROWS * WIDTH as u64 * 4) as f64;
    let values = RefCell::new(vec![0.0f32; ROWS as usize * WIDTH]);
    for format in ["zstd", "gzip"] {
        let path = folder.join(format!("{format}.h5"));
        let ours = |threads| {
            let (table, values) = (open(&path, threads, Backend::Pread), &values);
            entrant(&format!("diapason-{threads}-threads"), bytes, move || {
                Some(read_whole(&table, &mut values.borrow_mut()))
            })
        };
        let theirs = |library: &'static str, path: PathBuf| {
            let request = json!({ "task": "read", "library": library, "path": path });
            entrant(library, bytes, move || rivals.borrow_mut().run(&request))
        };
        let mut entrants = vec![theirs("h5py", path.clone()), ours(1), ours(2)];
        if format == "zstd" {
            read_whole(&open(&path, 2, Backend::Pread), &mut values.borrow_mut());
            let units = 60.0 * 16_384.0 * WIDTH as f64 * 4.0;
            entrants.push(entrant("limit-filters-1-thread", units, filters(&values.borrow())));
            entrants.push(theirs("pyarrow", folder.join("zstd.parquet")));
            entrants.push(theirs("polars", folder.join("zstd.parquet")));
        }
        race(&format!("rivals/read-{format}-hot"), "B", &mut entrants, rounds, 1e-6);
    }
}

/// Bytes that this process got from devices.
fn device_bytes() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    io.lines().find_map(|line| line.strip_prefix("read_bytes: ")?.parse().ok()).unwrap_or(0)
}

/// Drops what the page cache holds of the file.
fn cool(path: &Path) {
    let file = std::fs::File::open(path).expect("it is there");
    file.sync_all().expect("it is written");
    posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).expect("a regular file");
}

fn cold(rivals: &RefCell<Rivals>, folder: &Path, rounds: usize) {
    let (path, bytes) = (folder.join("zstd.h5"), (ROWS * WIDTH as u64 * 4) as f64);
    let values = RefCell::new(vec![0.0f32; ROWS as usize * WIDTH]);
    let request = json!({ "task": "read", "library": "h5py", "path": path });
    let ours = |name: &str, backend| {
        let (table, values, path) = (open(&path, 2, backend), &values, path.clone());
        let mut is_said = false;
        let name = name.to_owned();
        entrant(&name.clone(), bytes, move || {
            cool(&path);
            let before = device_bytes();
            let result = read_whole(&table, &mut values.borrow_mut());
            if !std::mem::replace(&mut is_said, true) {
                println!("{name}: {:.1} MB came from the device", (device_bytes() - before) as f64 / 1e6);
            }
            Some(result)
        })
    };
    let theirs = entrant("h5py", bytes, || {
        cool(&path);
        rivals.borrow_mut().run(&request)
    });
    let mut entrants = vec![theirs, ours("diapason-pread", Backend::Pread)];
    match diapason_loader::source::uring::probe() {
        Ok(()) => entrants.push(ours("diapason-uring", Backend::Uring)),
        Err(reason) => println!("not measured: {reason}"),
    }
    race("rivals/read-zstd-cold", "B", &mut entrants, rounds, 1e-6);
}

/// An epoch of shuffled windows, or its first `most` windows.
fn epoch(loader: &Loader, most: usize) -> (f64, f64) {
    let start = Instant::now();
    let (mut count, mut sum) = (0, 0.0);
    for batch in loader.batches(1).expect("there is memory") {
        let batch = batch.expect("the file is whole");
        sum += f64::from(batch.windows()[[0, 0, 0]]);
        count += batch.starts().len();
        if count >= most {
            break;
        }
    }
    assert!(count >= most && sum.is_finite(), "windows are missing");
    (start.elapsed().as_secs_f64() * most as f64 / count as f64, f64::NAN)
}

fn windows(rivals: &RefCell<Rivals>, folder: &Path, rounds: usize) {
    const THEIRS: usize = 200;
    let path = folder.join("zstd.h5");
    let shape = Shape { length: LENGTH, stride: 1, horizon: 1 };
    let table = Arc::new(open(&path, 2, Backend::Pread));
    let windows = || Windows::new(0..ROWS, &[], shape).expect("they fit");
    let all = windows().count() as usize;
    let loader = |threads, budget_bytes| {
        let (features, order) = (names(&table), Order::Shuffled { seed: 1 });
        let options =
            stream::Options { features, order, threads, budget_bytes, ..stream::Options::default() };
        Loader::new(Arc::clone(&table), windows(), &options).expect("the budget is enough")
    };
    let request = json!({ "task": "windows", "path": path, "count": THEIRS });
    let mut entrants = vec![entrant("h5py", THEIRS as f64, || {
        rivals.borrow_mut().run(&request).map(|(seconds, _)| (seconds, f64::NAN))
    })];
    for (name, threads, budget) in [
        ("diapason-256MiB-1-thread", 1, BUDGET_BYTES),
        ("diapason-256MiB-2-threads", 2, BUDGET_BYTES),
        ("diapason-64MiB-2-threads", 2, 64 << 20),
        ("diapason-unlimited-2-threads", 2, 8 << 30),
    ] {
        let loader = loader(threads, budget);
        println!("{name}:\n{}", loader.explain());
        entrants.push(entrant(name, all as f64, move || Some(epoch(&loader, all))));
    }
    let lender = loader(2, BUDGET_BYTES);
    entrants.push(entrant("diapason-256MiB-in-place", all as f64, move || {
        let start = Instant::now();
        let (mut count, mut sum) = (0, 0.0);
        for windows in lender.references(1).expect("there is memory") {
            for window in windows.expect("the file is whole").iter() {
                sum += f64::from(window.rows[0]);
                count += 1;
            }
        }
        assert!(count == all && f64::is_finite(sum), "windows are missing");
        Some((start.elapsed().as_secs_f64(), f64::NAN))
    }));
    let mut values = vec![0.0f32; ROWS as usize * WIDTH];
    read_whole(&table, &mut values);
    entrants.push(entrant("limit-copy-1-thread", 1e6, move || Some(gather(&values))));
    race("rivals/windows-60x12", "windows", &mut entrants, rounds, 0.0);
}

/// A million random windows copied out of memory that holds everything, on one thread.
fn gather(values: &[f32]) -> (f64, f64) {
    const BATCH: usize = 1024;
    let one = LENGTH as usize * WIDTH;
    let mut slab = vec![0.0f32; BATCH * one];
    let (mut state, start) = (1u64, Instant::now());
    for number in 0..1_000_000 {
        // Knuth's multiplier of 64 bits; the high bits choose the row.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let row = ((u128::from(state) * u128::from(ROWS - LENGTH)) >> 64) as usize;
        let window = &values[row * WIDTH..row * WIDTH + one];
        slab[number % BATCH * one..][..one].copy_from_slice(window);
        std::hint::black_box(&mut slab);
    }
    (start.elapsed().as_secs_f64(), f64::NAN)
}

type Group = fn(&RefCell<Rivals>, &Path, usize);

fn main() {
    let once = std::env::args().any(|word| word == "--test");
    let rounds = if once { 1 } else { 5 };
    let Some(rivals) = Rivals::start() else {
        println!("rivals: nothing measured; RIVALS_PYTHON names no interpreter (see `make rivals-loader`)");
        return;
    };
    let rivals = RefCell::new(rivals);
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    rivals.borrow_mut().run(&json!({ "task": "write", "rows": ROWS, "folder": folder.path() }));
    // A word on the command line chooses one group.
    let groups: [(&str, Group); 3] = [("read", read), ("cold", cold), ("windows", windows)];
    let is_chosen = |name: &str| std::env::args().any(|word| word == name);
    let all = !groups.iter().any(|(name, _)| is_chosen(name));
    for (name, group) in groups {
        if all || is_chosen(name) {
            group(&rivals, folder.path(), rounds);
        }
    }
    let _ = rivals.into_inner().child.kill();
}
