//! The loader beside h5py, pyarrow and Polars: the same values, the same answers, one run of each in turn.
//!
//! `make rivals-loader` sets their environment up and runs this; without it (`RIVALS_PYTHON` names its interpreter) nothing
//! is measured, and that is said. Hot means that the page cache holds the file; cold means that it was dropped before
//! each run, and the bytes that came from the device are printed. Results go where criterion's go, so that
//! `cargo xtask record` keeps them as well. `RIVALS_DATA` names a folder in which the files stay for the next run.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark that cannot run must not give a number"
)]

#[path = "loader/meters.rs"]
mod meters;

use std::cell::RefCell;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use diapason_benches::race::{entrant, race};
use diapason_benches::rival::Rival;
use diapason_loader::codec::{Pipeline, Room};
use diapason_loader::repack;
use diapason_loader::sampler::{Order, Shape, Windows};
use diapason_loader::source::uring::Access;
use diapason_loader::stream::{self, Loader};
use diapason_loader::table::{Backend, Damage, Options, Table};
use meters::{cpu_ms, device_bytes, drop_cache};
use serde_json::{Value, json};

const ROWS: u64 = 8_000_000;
const WIDTH: usize = 12;
const LENGTH: u64 = 60;
const BUDGET_BYTES: u64 = 256 << 20;

/// Runs a task of the rivals once: its seconds and its sum, or nothing when a library is missing.
fn run(rivals: &RefCell<Rival>, request: &Value) -> Option<(f64, f64)> {
    let answer = rivals.borrow_mut().ask(request);
    if let Some(missing) = answer["missing"].as_str() {
        println!("not measured: {missing} is missing");
        return None;
    }
    Some((answer["seconds"].as_f64()?, answer["sum"].as_f64()?))
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

fn read(rivals: &RefCell<Rival>, folder: &Path, rounds: usize) {
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
            entrant(library, bytes, move || run(rivals, &request))
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

fn cold(rivals: &RefCell<Rival>, folder: &Path, rounds: usize) {
    let (path, bytes) = (folder.join("zstd.h5"), (ROWS * WIDTH as u64 * 4) as f64);
    let values = RefCell::new(vec![0.0f32; ROWS as usize * WIDTH]);
    let request = json!({ "task": "read", "library": "h5py", "path": path });
    let ours = |name: &str, backend, access| {
        let options = Options { threads: 2, backend, access, ..Options::default() };
        let table = Table::open_with(&path, &options).expect("the rivals wrote it");
        let (values, path) = (&values, path.clone());
        let name = name.to_owned();
        entrant(&name.clone(), bytes, move || {
            drop_cache(&path);
            let (device, cpu) = (device_bytes(), cpu_ms());
            let result = read_whole(&table, &mut values.borrow_mut());
            let (device, cpu) = (device_bytes() - device, cpu_ms() - cpu);
            println!("{name}: {:.1} MB from the device, {cpu:.0} ms of processor", device as f64 / 1e6);
            Some(result)
        })
    };
    let theirs = entrant("h5py", bytes, || {
        drop_cache(&path);
        run(rivals, &request)
    });
    let mut entrants = vec![theirs, ours("diapason-pread", Backend::Pread, Access::Automatic)];
    match diapason_loader::source::uring::probe() {
        Ok(()) => entrants.extend([
            ours("diapason-uring", Backend::Uring, Access::Buffered),
            ours("diapason-uring-direct", Backend::Uring, Access::Direct),
        ]),
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

fn windows(rivals: &RefCell<Rival>, folder: &Path, rounds: usize) {
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
        run(rivals, &request).map(|(seconds, _)| (seconds, f64::NAN))
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

/// The same values in our own layout beside Parquet: bytes on disk, and a read of the whole.
fn layout(rivals: &RefCell<Rival>, folder: &Path, rounds: usize) {
    let (bytes, values) =
        ((ROWS * WIDTH as u64 * 4) as f64, RefCell::new(vec![0.0f32; ROWS as usize * WIDTH]));
    let (ours, parquet) = (folder.join("ours.h5"), folder.join("zstd.parquet"));
    let input = open(&folder.join("zstd.h5"), 2, Backend::Pread);
    repack::repack(&[&input], &ours, &repack::Options::default(), &mut |_| {}).expect("it can be repacked");
    let mut before = values.borrow().clone();
    read_whole(&input, &mut before);
    let table = open(&ours, 2, Backend::Pread);
    read_whole(&table, &mut values.borrow_mut());
    assert!(before == *values.borrow(), "the layout loses bits");
    let size = |path: &Path| std::fs::metadata(path).map_or(f64::NAN, |file| file.len() as f64);
    println!(
        "rivals/layout: {:.1} MB of values; ours {:.1} MB, Parquet zstd-3 {:.1} MB, ratio {:.3}; equal in every bit",
        bytes / 1e6,
        size(&ours) / 1e6,
        size(&parquet) / 1e6,
        size(&ours) / size(&parquet)
    );
    let theirs = |library: &'static str| {
        let request = json!({ "task": "read", "library": library, "path": parquet });
        entrant(library, bytes, move || run(rivals, &request))
    };
    // Rows as windows need them, and columns as a data frame has them.
    let rows = entrant("diapason-rows", bytes, || Some(read_whole(&table, &mut values.borrow_mut())));
    let mut columns = vec![vec![0.0f32; ROWS as usize]; WIDTH];
    let columns = entrant("diapason-columns", bytes, || {
        let start = Instant::now();
        for (name, column) in names(&table).iter().zip(&mut columns) {
            let selection = table.select(&[name]).expect("its own column");
            table.read_selected(&selection, 0..ROWS, column, Damage::Fail).expect("it is whole");
        }
        let seconds = start.elapsed().as_secs_f64();
        Some((seconds, columns[0].iter().map(|value| f64::from(*value)).sum()))
    });
    let mut entrants = [theirs("polars"), theirs("pyarrow"), rows, columns];
    race("rivals/layout-hot", "B", &mut entrants, rounds, 1e-6);
}

/// A file of a million chunks: the index read from it, and from a side-car.
fn index(rivals: &RefCell<Rival>, folder: &Path, rounds: usize) {
    const CHUNKS: u64 = 1_000_000;
    let (path, sidecar) = (folder.join("chunks.h5"), folder.join("chunks.idx"));
    if !path.exists() {
        run(rivals, &json!({ "task": "chunks", "count": CHUNKS, "path": path }));
    }
    let one = |sidecar: Option<PathBuf>| {
        let options = Options { sidecar, ..Options::default() };
        let start = Instant::now();
        let table = Table::open_with(&path, &options).expect("the rivals wrote it");
        let seconds = start.elapsed().as_secs_f64();
        let chunks = table.columns()[0].chunks;
        assert_eq!(chunks, CHUNKS);
        // Its last value is its number of rows less one.
        let mut last = [0.0];
        table.read_f64("m", table.rows() - 1..table.rows(), &mut last).expect("it is whole");
        Some((seconds, last[0]))
    };
    one(Some(sidecar.clone()));
    let mut entrants = [
        entrant("from-the-file", CHUNKS as f64, || one(None)),
        entrant("from-the-side-car", CHUNKS as f64, || one(Some(sidecar.clone()))),
    ];
    race("rivals/index-windows", "chunks", &mut entrants, rounds, 0.0);
}

/// What tells a process of this program that it is only to give a batch.
const FIRST: &str = "LOADER_FIRST_BATCH";

/// Opens the file and says when the first batch is there.
fn first_batch(path: &Path) {
    let sidecar = std::env::var_os("LOADER_FIRST_SIDECAR").map(PathBuf::from);
    let table =
        Arc::new(Table::open_with(path, &Options { sidecar, ..Options::default() }).expect("it is there"));
    let windows = Windows::new(0..table.rows(), &[], Shape { length: LENGTH, stride: 1, horizon: 1 });
    let (features, order) = (names(&table), Order::Shuffled { seed: 1 });
    let options =
        stream::Options { features, order, budget_bytes: BUDGET_BYTES, ..stream::Options::default() };
    let loader = Loader::new(table, windows.expect("they fit"), &options).expect("the budget is enough");
    let batch = loader.batches(0).expect("there is memory").next().expect("a batch").expect("it is whole");
    println!("{}", batch.windows()[[0, 0, 0]]);
}

/// From the start of a process to its first batch of shuffled windows.
fn first(_: &RefCell<Rival>, folder: &Path, rounds: usize) {
    let (path, sidecar) = (folder.join("zstd.h5"), folder.join("zstd.idx"));
    let run = |sidecar: Option<&Path>, is_cold: bool| {
        if is_cold {
            drop_cache(&path);
        }
        let mut command = Command::new(std::env::current_exe().expect("it runs"));
        command.env(FIRST, &path).stdout(Stdio::piped());
        if let Some(sidecar) = sidecar {
            command.env("LOADER_FIRST_SIDECAR", sidecar);
        }
        let start = Instant::now();
        let mut child = command.spawn().expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line).expect("it answers");
        let seconds = start.elapsed().as_secs_f64();
        child.wait().expect("it ends");
        Some((seconds, line.trim().parse().expect("a value")))
    };
    run(Some(&sidecar), false);
    let mut entrants = [
        entrant("hot-side-car", 1.0, || run(Some(&sidecar), false)),
        entrant("hot", 1.0, || run(None, false)),
        entrant("cold", 1.0, || run(None, true)),
        entrant("cold-side-car", 1.0, || run(Some(&sidecar), true)),
    ];
    race("rivals/first-batch-windows", "batches", &mut entrants, 3 * rounds, 0.0);
}

type Group = fn(&RefCell<Rival>, &Path, usize);

fn main() {
    if let Some(path) = std::env::var_os(FIRST) {
        return first_batch(Path::new(&path));
    }
    let once = std::env::args().any(|word| word == "--test");
    let rounds = if once { 1 } else { 5 };
    let Some(rivals) = Rival::start("loader.py") else {
        println!("rivals: nothing measured; RIVALS_PYTHON names no interpreter (see `make rivals-loader`)");
        return;
    };
    let rivals = RefCell::new(rivals);
    let temporary = tempfile::tempdir().expect("a temporary folder can be made");
    let kept = std::env::var_os("RIVALS_DATA").map(PathBuf::from);
    let folder = kept.as_deref().unwrap_or(temporary.path());
    if !folder.join("zstd.parquet").exists() {
        run(&rivals, &json!({ "task": "write", "rows": ROWS, "folder": folder }));
    }
    // A word on the command line chooses one group.
    let groups: [(&str, Group); 6] = [
        ("read", read),
        ("cold", cold),
        ("layout", layout),
        ("windows", windows),
        ("first", first),
        ("index", index),
    ];
    let is_chosen = |name: &str| std::env::args().any(|word| word == name);
    let all = !groups.iter().any(|(name, _)| is_chosen(name));
    for (name, group) in groups {
        if all || is_chosen(name) {
            group(&rivals, folder, rounds);
        }
    }
}
