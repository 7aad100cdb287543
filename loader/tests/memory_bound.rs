//! The budget is the memory: an epoch of shuffled windows in a control group that allows little more.
//!
//! A child streams the file. Where this process may make a control group, the child lives in one whose limit is budget + 64 MiB,
//! which holds its page cache too; everywhere its resident set must stay within budget + 32 MiB. The file is small so that a test
//! run stays short; for the record:
//!
//! ```sh
//! MEMORY_ROWS=90000000 cargo test --release -p diapason-loader --features libhdf5 --test memory_bound -- --nocapture
//! ```
#![cfg(feature = "libhdf5")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use diapason_loader::market;
use diapason_loader::sampler::{Order, Shape, Windows};
use diapason_loader::source::uring;
use diapason_loader::stream::{Loader, Options};
use diapason_loader::table::{self, Backend, Table};

const CHILD: &str = "MEMORY_BOUND_FILE";
const NAMES: [&str; 5] = ["open", "high", "low", "close", "volume"];
/// Columns of a row with its time, in bytes.
const ROW_BYTES: u64 = 48;
const MIB: u64 = 1 << 20;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

fn rows() -> u64 {
    number("MEMORY_ROWS", 6_000_000)
}

fn budget_mib() -> u64 {
    number("MEMORY_BUDGET_MIB", 48)
}

/// Not a test of its own: what the next one starts.
#[test]
fn streams_within_its_budget() {
    let Some(file) = std::env::var_os(CHILD) else { return };
    if let Some(group) = std::env::var_os("MEMORY_BOUND_GROUP") {
        std::fs::write(Path::new(&group).join("cgroup.procs"), std::process::id().to_string()).unwrap();
    }
    let backend =
        if std::env::var_os("MEMORY_BOUND_URING").is_some() { Backend::Uring } else { Backend::Pread };
    let table = Arc::new(Table::open_with(file, &table::Options { backend, ..Default::default() }).unwrap());
    let windows = Windows::new(0..table.rows(), &[], Shape { length: 60, stride: 1, horizon: 1 }).unwrap();
    let features = NAMES.map(str::to_owned).to_vec();
    let (order, budget_bytes) = (Order::Shuffled { seed: 1 }, budget_mib() * MIB);
    let options = Options { features, order, budget_bytes, threads: 2, batch: 512, ..Options::default() };
    let loader = Loader::new(table, windows.clone(), &options).unwrap();
    let (mut seen, mut sum) = (0, 0.0);
    for batch in loader.batches(0).unwrap() {
        let batch = batch.unwrap();
        seen += batch.starts().len() as u64;
        sum += batch.windows()[[0, 0, 0]];
    }
    assert!(seen == windows.count() && sum > 0.0);
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = |name: &str| status.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    println!("peak {}", line("VmHWM").split_whitespace().nth(1).unwrap());
    println!("{:?}", loader.metrics());
}

/// A control group of this test's own, with a limit.
struct Group {
    folder: PathBuf,
    is_second: bool,
}

impl Group {
    /// One below the group that this process is in, in version 2 of control groups or in version 1.
    fn new(limit: u64) -> Option<Self> {
        let name = format!("diapason-memory-bound-{}", std::process::id());
        let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
        let own = |controller: &str| {
            groups
                .lines()
                .filter_map(|line| line.splitn(3, ':').collect::<Vec<_>>().try_into().ok())
                .find(|[_, names, _]: &[&str; 3]| *names == controller)
                .map(|[_, _, path]| path.trim_start_matches('/').to_owned())
        };
        let second =
            own("").map(|path| (Path::new("/sys/fs/cgroup").join(path).join(&name), "memory.max", true));
        let first = own("memory").map(|path| {
            (Path::new("/sys/fs/cgroup/memory").join(path).join(&name), "memory.limit_in_bytes", false)
        });
        for (folder, file, is_second) in second.into_iter().chain(first) {
            if std::fs::create_dir(&folder).is_err() {
                continue;
            }
            let group = Self { folder, is_second };
            // Not every folder of that name has the controller.
            if group.folder.join(file).exists()
                && std::fs::write(group.folder.join(file), limit.to_string()).is_ok()
            {
                return Some(group);
            }
        }
        None
    }

    /// The most bytes that were in use, page cache included.
    fn peak(&self) -> Option<u64> {
        let file = if self.is_second { "memory.peak" } else { "memory.max_usage_in_bytes" };
        std::fs::read_to_string(self.folder.join(file)).ok()?.trim().parse().ok()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.folder);
    }
}

#[test]
fn an_epoch_fits_into_its_budget_and_little_more() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bars.h5");
    let options = market::Options { rows: rows(), level: 1, ..market::Options::default() };
    market::generate(&file, &options, &mut |_| {}).unwrap();
    let budget = budget_mib() * MIB;
    let backends = [("pread", false), ("io_uring", true)];
    for (name, is_uring) in backends.into_iter().filter(|(_, is_uring)| !is_uring || uring::probe().is_ok()) {
        let group = Group::new(budget + 64 * MIB);
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "streams_within_its_budget", "--nocapture"]).env(CHILD, &file);
        if is_uring {
            child.env("MEMORY_BOUND_URING", "1");
        }
        if let Some(group) = &group {
            child.env("MEMORY_BOUND_GROUP", &group.folder);
        }
        let ended = child.output().unwrap();
        let said = String::from_utf8_lossy(&ended.stdout).into_owned();
        assert!(
            ended.status.success(),
            "{name}: {:?} {said} {}",
            ended.status,
            String::from_utf8_lossy(&ended.stderr)
        );
        let peak = said.lines().find_map(|line| line.split_once("peak ")).map(|(_, kib)| kib.trim());
        let resident = peak.unwrap().parse::<u64>().unwrap() * 1024;
        let limit = match &group {
            Some(group) => format!(
                "control group: limit {} MiB, peak with page cache {:?} MiB",
                (budget + 64 * MIB) / MIB,
                group.peak().map(|bytes| bytes / MIB)
            ),
            None => "no control group can be made here".to_owned(),
        };
        println!(
            "{name}: {} MiB of values, budget {} MiB, resident {} MiB; {limit}",
            rows() * ROW_BYTES / MIB,
            budget / MIB,
            resident / MIB
        );
        assert!(resident <= budget + 32 * MIB, "{name}: {resident} bytes resident, the budget is {budget}");
    }
}
