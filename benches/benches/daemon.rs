//! The daemon: from its start until it is ready, and 200 knobs applied, applied again and given back.
//!
//! `tree` is a folder in memory that stands for a machine, where writing a file is writing a file; `kernel` are settings of
//! network interfaces in a network namespace of the benchmark's own, and needs root. `limit` writes the same files
//! without a daemon: one open, one write and one close each. The outside rival, TuneD, runs in the guest of the tests only.

#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use diapason_daemon::apply::Tuning;
use diapason_daemon::apply::report::{Ending, Fate};
use diapason_daemon::host::Host;
use diapason_daemon::journal::Journal;
use diapason_daemon::plan::Plan;
use diapason_daemon::profile::Library;
use diapason_daemon::root::Root;
use nix::sched::{CloneFlags, unshare};

/// Knobs of a disk of the tree, with what is there and what is wanted.
const DISK: &[(&str, &str, &str)] = &[
    ("nr_requests", "64", "128"),
    ("read_ahead_kb", "128", "256"),
    ("rq_affinity", "1", "2"),
    ("nomerges", "0", "2"),
];

/// Knobs of a virtual interface, with what is wanted.
const NIC: &[(&str, &str)] = &[
    ("napi_defer_hard_irqs", "7"),
    ("gro_flush_timeout", "12345"),
    ("tx_queue_len", "777"),
    ("mtu", "1400"),
];

const DEVICES: usize = 50;

/// A machine with a profile of 200 knobs, and what is given to the benchmark beside it.
struct Bed {
    folder: tempfile::TempDir,
    root: Root,
    tuning: Tuning,
    files: Vec<(PathBuf, &'static str)>,
}

fn put(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn profile<'a>(folder: &Path, entries: impl Iterator<Item = (String, &'a str)>) {
    let entry = |(knob, value): (String, &str)| {
        format!("[knob.\"{knob}\"]\nvalue = {value}\nreason = \"a benchmark\"\nsource = \"a benchmark\"\n")
    };
    let text: String = entries.map(entry).collect();
    put(folder, "profiles/many.toml", &format!("summary = \"Many\"\n{text}"));
}

impl Bed {
    fn tree() -> Self {
        let folder = tempfile::tempdir_in("/dev/shm").unwrap();
        let mut files = Vec::new();
        for disk in 0..DEVICES {
            put(folder.path(), &format!("sys/block/nvme{disk}n1/diskseq"), &format!("{disk}\n"));
            for (leaf, before, wanted) in DISK {
                let name = format!("sys/block/nvme{disk}n1/queue/{leaf}");
                put(folder.path(), &name, &format!("{before}\n"));
                files.push((folder.path().join(name), *wanted));
            }
        }
        profile(folder.path(), DISK.iter().map(|(leaf, _, wanted)| (format!("block.{leaf}"), *wanted)));
        let root = Root::new(folder.path());
        Self::new(folder, root, files)
    }

    /// Settings of the real kernel, in namespaces of this process alone; `None` without the right to make them.
    fn kernel() -> Option<Self> {
        unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).ok()?;
        let run = |line: &str| {
            let mut words = line.split(' ');
            Command::new(words.next().unwrap()).args(words).status().is_ok_and(|status| status.success())
        };
        // The folder /sys/class/net of the new namespace, seen by nobody else.
        let mounted = run("mount --make-rprivate /") && run("mount -t sysfs sysfs /sys");
        let pairs =
            (0..DEVICES / 2).all(|pair| run(&format!("ip link add a{pair} type veth peer name b{pair}")));
        if !(mounted && pairs) {
            return None;
        }
        let folder = tempfile::tempdir_in("/dev/shm").unwrap();
        let names = (0..DEVICES / 2).flat_map(|pair| [format!("a{pair}"), format!("b{pair}")]);
        let files = |name: String| {
            NIC.iter()
                .map(move |(leaf, wanted)| (PathBuf::from(format!("/sys/class/net/{name}/{leaf}")), *wanted))
        };
        let files = names.flat_map(files).collect();
        profile(folder.path(), NIC.iter().map(|(leaf, wanted)| (format!("nic.{leaf}"), *wanted)));
        Some(Self::new(folder, Root::new("/"), files))
    }

    fn new(folder: tempfile::TempDir, root: Root, files: Vec<(PathBuf, &'static str)>) -> Self {
        let create = |name: &str| Root::create(&folder.path().join(name)).unwrap();
        let journal = Journal::open(create("run/diapason"), create("var/lib/diapason"), "one").unwrap();
        let tuning = Tuning::open(root.clone(), journal);
        Self { folder, root, tuning, files }
    }

    /// Everything that the daemon does for a call of `Apply`.
    fn apply(&mut self) -> usize {
        let library = Library::new(&self.root).with_folder(Root::new(self.folder.path().join("profiles")));
        let profile = library.named("many").unwrap();
        let host = Host::of_plan(&self.root, profile.asks()).unwrap();
        let ledger = self.tuning.journal().ledger();
        let held = |knob: &str| ledger.held(knob).map(|held| held.original.clone());
        let plan = Plan::over(&profile, &host, &self.root, &held).unwrap();
        let report = self.tuning.apply(&plan).unwrap();
        assert_eq!(report.ending, Ending::Applied, "{:?}", report.error);
        report.outcomes.iter().filter(|outcome| outcome.fate == Fate::Written).count()
    }

    fn values(&self) -> Vec<String> {
        self.files.iter().map(|(path, _)| std::fs::read_to_string(path).unwrap().trim().to_owned()).collect()
    }
}

fn apply(criterion: &mut Criterion, name: &str, mut bed: Bed) {
    let originals = bed.values();
    assert_eq!(bed.apply(), bed.files.len());
    assert!(bed.values().iter().zip(&bed.files).all(|(now, (_, wanted))| now == wanted));
    assert_eq!(bed.apply(), 0, "applied again, nothing is written");
    assert!(bed.tuning.rollback().unwrap().complete);
    assert_eq!(bed.values(), originals);

    let mut group = criterion.benchmark_group(format!("daemon/{name}"));
    group.throughput(Throughput::Elements(bed.files.len() as u64)).sample_size(20);
    let cell = std::cell::RefCell::new(bed);
    let back = || drop(cell.borrow_mut().tuning.rollback().unwrap());
    let there = || {
        cell.borrow_mut().apply();
    };
    group.bench_function("apply", |b| {
        b.iter_batched(back, |()| cell.borrow_mut().apply(), BatchSize::PerIteration);
    });
    there();
    group.bench_function("apply-again", |b| b.iter(|| cell.borrow_mut().apply()));
    group.bench_function("rollback", |b| {
        b.iter_batched(there, |()| cell.borrow_mut().tuning.rollback().unwrap(), BatchSize::PerIteration);
    });
    back();
    let bed = cell.into_inner();
    let write = |values: &dyn Fn(usize) -> String| {
        for (at, (path, _)) in bed.files.iter().enumerate() {
            std::fs::write(path, values(at)).unwrap();
        }
    };
    group.bench_function("limit-writes", |b| b.iter(|| write(&|at| bed.files[at].1.to_owned())));
    write(&|at| originals[at].clone());
    assert_eq!(bed.values(), originals);
}

/// From the start of the process to its word to the service manager.
fn start(criterion: &mut Criterion) {
    let program = std::env::current_exe().unwrap();
    let program = program.ancestors().nth(2).unwrap().join("diapasond");
    if !program.exists() {
        return;
    }
    let bed = Bed::tree();
    let folder = bed.folder.path().to_owned();
    drop(bed.tuning);
    let socket = folder.join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    let begin = || {
        let mut daemon = Command::new(&program);
        daemon.arg("--root").arg(&folder).env("NOTIFY_SOCKET", &socket).stderr(Stdio::null()).spawn().unwrap()
    };
    let ready = || {
        let mut message = [0; 512];
        let bytes = manager.recv(&mut message).unwrap();
        message[..bytes].starts_with(b"READY=1")
    };
    let mut group = criterion.benchmark_group("daemon/start");
    group.sample_size(20);
    group.bench_function("ready", |b| {
        b.iter_custom(|times| {
            (0..times)
                .map(|_| {
                    let begun = std::time::Instant::now();
                    let mut daemon = begin();
                    while !ready() {}
                    let took = begun.elapsed();
                    daemon.kill().unwrap();
                    daemon.wait().unwrap();
                    took
                })
                .sum()
        });
    });
}

fn all(criterion: &mut Criterion) {
    start(criterion);
    apply(criterion, "tree", Bed::tree());
    if let Some(bed) = Bed::kernel() {
        apply(criterion, "kernel", bed);
    }
}

criterion_group!(benches, all);
criterion_main!(benches);
