//! The loader beside limits of the same machine: the disk through fio, memory through a copy, and its own codecs.
//!
//! ```text
//! random   256 KiB at random places: pread and io_uring, hot and cold, beside fio with as many reads in flight
//! cache    a kept result: the time until its values are in hand, and a checked copy beside a copy
//! codec    the share of the loader's work that its codecs are, with windows lent in place
//! ```
//!
//! A word on the command line chooses one of them. Without fio (`apt install fio`) its line is left out, and that is said.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark that cannot run must not give a number"
)]

#[path = "loader/meters.rs"]
mod meters;

use std::convert::Infallible;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use diapason_benches::race::{Entrant, entrant, race};
use diapason_loader::cache::{Key, Outcome, Store};
use diapason_loader::market;
use diapason_loader::sampler::{Order, Shape, Windows};
use diapason_loader::source::pread::Pread;
use diapason_loader::source::uring::{self, Access, Uring};
use diapason_loader::source::{Source, Span};
use diapason_loader::stream::{Loader, Options};
use diapason_loader::table::Table;
use meters::{cpu_ms, device_bytes, drop_cache};
use serde_json::Value;

/// Bytes of a read, and reads that io_uring has in flight in one thread of the loader.
const READ_BYTES: usize = 256 << 10;
const DEPTH: usize = 8;
const FILE_BYTES: u64 = 1 << 30;

/// Places for `count` reads, none twice.
fn places(count: usize, round: usize) -> Vec<Span> {
    let all = FILE_BYTES / READ_BYTES as u64;
    // An odd step visits every place of a power of two.
    let step = 2 * (round as u64 * 977 + 1531) + 1;
    (0..count as u64)
        .map(|at| Span {
            offset: (at * step + round as u64 * 31) % all * READ_BYTES as u64,
            bytes: READ_BYTES,
        })
        .collect()
}

/// Reads the places: seconds, and how many of them began with their own number.
fn visit(source: &dyn Source, spans: &[Span], room: &mut Vec<u8>) -> (f64, f64) {
    let (start, mut good) = (Instant::now(), 0.0);
    source.read_each(spans, room, &mut |number, bytes| {
        let bytes = bytes.expect("the file is whole");
        let own = spans[number].offset / READ_BYTES as u64;
        good += f64::from(u8::from(bytes[..8] == own.to_le_bytes()));
        ControlFlow::Continue(())
    });
    (start.elapsed().as_secs_f64(), good)
}

/// Seconds that fio needs for as many bytes, by its rate at random places.
fn fio(path: &Path, direct: bool, bytes: f64) -> Option<f64> {
    let mut command = Command::new("fio");
    command
        .args([
            "--name=random",
            "--rw=randread",
            "--ioengine=io_uring",
            "--output-format=json",
            "--norandommap=0",
        ])
        .args([
            format!("--bs={READ_BYTES}"),
            format!("--iodepth={DEPTH}"),
            format!("--direct={}", u8::from(direct)),
        ])
        .args([format!("--size={FILE_BYTES}"), format!("--io_size={bytes}"), "--invalidate=1".to_owned()])
        .arg(format!("--filename={}", path.display()));
    let ended = command.output().ok().filter(|ended| ended.status.success())?;
    let text = String::from_utf8_lossy(&ended.stdout).into_owned();
    let report: Value = serde_json::from_str(text.get(text.find('{')?..)?).ok()?;
    Some(bytes / report["jobs"][0]["read"]["bw_bytes"].as_f64()?)
}

fn random(folder: &Path, rounds: usize) {
    const READS: usize = 1024;
    let path = folder.join("random");
    let mut file = std::fs::File::create(&path).expect("a file can be made");
    let mut piece = vec![0u8; READ_BYTES];
    for number in 0..FILE_BYTES / READ_BYTES as u64 {
        // What no device can make smaller.
        let mut state = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        for word in piece.chunks_exact_mut(8) {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            word.copy_from_slice(&state.to_le_bytes());
        }
        piece[..8].copy_from_slice(&number.to_le_bytes());
        file.write_all(&piece).expect("the disk has room");
    }
    file.sync_all().expect("it is written");
    let bytes = (READS * READ_BYTES) as f64;
    let backend = |name: &str| -> Option<Arc<dyn Source>> {
        match name {
            "pread" => Some(Arc::new(Pread::open(&path).expect("it is there"))),
            _ if uring::probe().is_err() => None,
            "io_uring" => Some(Arc::new(Uring::open(&path, Access::Buffered).expect("it is there"))),
            _ => Some(Arc::new(Uring::open(&path, Access::Direct).expect("it is there"))),
        }
    };
    for is_cold in [false, true] {
        let ours = |name: &'static str| {
            let (source, path, mut room, mut round) = (backend(name), path.clone(), Vec::new(), 0);
            entrant(name, bytes, move || {
                round += 1;
                let spans = places(READS, round);
                if is_cold {
                    drop_cache(&path);
                }
                let (device, cpu) = (device_bytes(), cpu_ms());
                let source = source.as_deref()?;
                let found = visit(source, &spans, &mut room);
                let (device, cpu) = (device_bytes() - device, cpu_ms() - cpu);
                println!("{name}: {:.0} MB from the device, {cpu:.0} ms of processor", device as f64 / 1e6);
                if round == rounds {
                    println!("{name}: {}, {:?}", source.account().choice, source.account().ways);
                }
                Some(found)
            })
        };
        let mut entrants = vec![ours("pread"), ours("io_uring"), ours("io_uring-direct")];
        if is_cold {
            for (name, direct) in [("fio-io_uring-cached", false), ("fio-io_uring-direct", true)] {
                let path = &path;
                let run = move || {
                    drop_cache(path);
                    Some((fio(path, direct, bytes)?, READS as f64))
                };
                entrants.push(entrant(name, bytes, run));
            }
        } else {
            std::fs::copy(&path, "/dev/null").expect("it can be read");
        }
        let state = if is_cold { "cold" } else { "hot" };
        race(&format!("loader/random-256KiB-{state}"), "B", &mut entrants, rounds, 0.0);
    }
}

fn cache(folder: &Path, rounds: usize) {
    const VALUES: usize = 32 << 20;
    let store = Store::open(folder.join("cache"), 1 << 30).expect("a folder can be made");
    let key = Key::of(&[("bench", b"cache")]);
    let piece: Vec<f32> = (0..1 << 16).map(|at| at as f32).collect();
    let made = store.get_or_make::<Infallible>(key, |sink| {
        (0..VALUES / piece.len()).for_each(|_| sink.push(&piece));
        Ok(())
    });
    assert!(matches!(made, Ok(Outcome::Made(_))), "{made:?}");
    let (first, last) = (f64::from(piece[1]), f64::from(piece[piece.len() - 1]));
    // A handing over is one unit; the check is that the values at both ends are right.
    let hand_over = || {
        let start = Instant::now();
        let found = store.get(key)?;
        let values = found.values::<f32>();
        let sum = f64::from(values[1]) + f64::from(values[VALUES - 1]);
        let seconds = start.elapsed().as_secs_f64();
        assert!(sum == first + last);
        Some((seconds, sum))
    };
    race(
        "loader/cache-hit-windows",
        "results",
        &mut [entrant("hand-over-128MiB", 1.0, hand_over)],
        20 * rounds,
        0.0,
    );
    let found = store.get(key).expect("it was made");
    found.check().expect("it is whole");
    let bytes = found.bytes().to_vec();
    let mut out = vec![1u8; bytes.len()];
    let mut again = vec![1u8; bytes.len()];
    let copy: Entrant<'_> = entrant("limit-copy", bytes.len() as f64, || {
        let start = Instant::now();
        std::hint::black_box(&mut out).copy_from_slice(std::hint::black_box(&bytes));
        Some((start.elapsed().as_secs_f64(), f64::NAN))
    });
    let checked = entrant("checked-copy", bytes.len() as f64, || {
        let start = Instant::now();
        found.copy_to(std::hint::black_box(&mut again)).ok()?;
        Some((start.elapsed().as_secs_f64(), f64::NAN))
    });
    race("loader/cache-copy", "B", &mut [copy, checked], rounds, 0.0);
}

fn codec(folder: &Path, rounds: usize) {
    const ROWS: u64 = 4 << 20;
    let path = folder.join("bars.h5");
    market::generate(&path, &market::Options { rows: ROWS, ..market::Options::default() }, &mut |_| {})
        .expect("it is written");
    let table = Arc::new(Table::open(&path).expect("it is ours"));
    let windows = Windows::new(0..ROWS, &[], Shape { length: 60, stride: 1, horizon: 1 }).expect("they fit");
    let features = ["open", "high", "low", "close", "volume"].map(str::to_owned).to_vec();
    for (name, order) in [("sequential", Order::Sequential), ("shuffled", Order::Shuffled { seed: 1 })] {
        let options = Options { features: features.clone(), order, threads: 2, ..Options::default() };
        let loader =
            Loader::new(Arc::clone(&table), windows.clone(), &options).expect("the budget is enough");
        let mut before = loader.metrics();
        for round in 0..rounds as u64 {
            let count: usize = loader
                .references(round)
                .expect("there is memory")
                .map(|windows| windows.expect("the file is whole").iter().count())
                .sum();
            assert_eq!(count as u64, windows.count());
            let after = loader.metrics();
            let ms = |now: std::time::Duration, then: std::time::Duration| (now - then).as_secs_f64() * 1e3;
            let (plan, read) = (ms(after.planning, before.planning), ms(after.reading, before.reading));
            let (decode, place) = (ms(after.decoding, before.decoding), ms(after.placing, before.placing));
            println!(
                "loader/codec-share/{name}: {:.1} % in codecs ({decode:.0} ms; planning {plan:.0}, reading {read:.0}, placing {place:.0})",
                100.0 * decode / (plan + read + decode + place)
            );
            before = after;
        }
    }
}

type Group = fn(&Path, usize);

fn main() {
    let once = std::env::args().any(|word| word == "--test");
    let rounds = if once { 1 } else { 5 };
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let groups: [(&str, Group); 3] = [("random", random), ("cache", cache), ("codec", codec)];
    let is_chosen = |name: &str| std::env::args().any(|word| word == name);
    let all = !groups.iter().any(|(name, _)| is_chosen(name));
    for (name, group) in groups {
        if all || is_chosen(name) {
            group(folder.path(), rounds);
        }
    }
}
