//! The machine of the stories: a small tree with a knob of every kind, its journals, and what can be asked of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use diapason_daemon::apply::{ApplyError, Tuning};
use diapason_daemon::host::Host;
use diapason_daemon::journal::Journal;
use diapason_daemon::root::{Fuse, Root};

/// Every path of a tree with its content; a folder is `None`.
pub type Tree = BTreeMap<PathBuf, Option<Vec<u8>>>;

const FILES: &[(&str, &str)] = &[
    ("proc/sys/vm/swappiness", "60\n"),
    ("proc/sys/vm/stat_interval", "1\n"),
    ("proc/sys/vm/max_map_count", "65530\n"),
    ("proc/sys/vm/min_free_kbytes", "67584\n"),
    ("proc/sys/net/ipv4/tcp_rmem", "4096\t131072\t6291456\n"),
    ("proc/sys/vm/dirty_ratio", "20\n"),
    ("proc/sys/vm/dirty_bytes", "0\n"),
    ("proc/sys/vm/dirty_background_ratio", "0\n"),
    ("proc/sys/vm/dirty_background_bytes", "1048576\n"),
    ("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"),
    ("sys/block/sda/diskseq", "7\n"),
    ("sys/block/sda/queue/rotational", "1\n"),
    ("sys/block/sda/queue/scheduler", "none [mq-deadline] \n"),
    ("sys/block/sda/queue/nr_requests", "256\n"),
    ("sys/block/sda/queue/read_ahead_kb", "128\n"),
    ("sys/block/sda/queue/wbt_lat_usec", "75000\n"),
    ("sys/block/sdb/diskseq", "8\n"),
    ("sys/block/sdb/queue/rotational", "0\n"),
    ("sys/block/sdb/queue/scheduler", "[none] mq-deadline \n"),
    ("sys/block/sdb/queue/nr_requests", "64\n"),
    ("sys/block/zram0/disksize", "0\n"),
    ("sys/block/zram0/comp_algorithm", "[lzo-rle] lz4 zstd \n"),
    ("sys/block/zram0/reset", "0\n"),
    ("proc/swaps", "Filename Type Size Used Priority\n/dev/sda2 partition 4092 0 5\n"),
    ("proc/meminfo", "MemTotal: 4000000 kB\nMemAvailable: 3000000 kB\n"),
    ("dev/zram0", ""),
    ("etc/systemd/system.conf", ""),
    ("etc/systemd/system/engine.service", "[Service]\n"),
    ("var/lib/diapason/.keep", ""),
];

/// Knobs, and what the profiles of the stories may ask of them: often what they are anyway.
pub const KNOBS: &[(&str, &[&str])] = &[
    ("vm.swappiness", &["10", "60", "1"]),
    ("vm.stat_interval", &["10", "1"]),
    ("vm.max_map_count", &["262144", "65530", "1048576"]),
    ("vm.min_free_kbytes", &["135168", "67584"]),
    ("net.ipv4.tcp_rmem", &["4096 87380 16777216", "4096 131072 6291456"]),
    ("vm.dirty", &["bytes 1GiB", "ratio 30", "ratio 20"]),
    ("vm.dirty_background", &["ratio 5", "bytes 1MiB", "bytes 256MiB"]),
    ("hugepages.enabled", &["never", "madvise", "always"]),
    ("block.scheduler", &["none", "mq-deadline"]),
    ("block.sda.scheduler", &["none", "mq-deadline"]),
    ("block.nr_requests", &["32", "64", "128", "256"]),
    ("block.sda.read_ahead_kb", &["4096", "128"]),
    ("block.wbt_lat_usec", &["0", "75000"]),
    ("systemd.environment", &["A=1", "B=2 C=3"]),
    ("unit.engine.service.environment", &["A=1", "B=2"]),
    ("unit.engine.service.limits", &["LimitRTPRIO=99", "Nice=-5"]),
    ("swap.zram", &["zstd 64MiB", "lz4 32MiB 7", "off"]),
    ("swap.file", &["16MiB 5", "8MiB", "off"]),
    ("swap.devices", &["none"]),
];

/// What somebody else may do: the knob, its file, and what is written to it (`-` takes a file of /etc away).
pub const FOREIGN: &[(&str, &str, &[&str])] = &[
    ("vm.swappiness", "/proc/sys/vm/swappiness", &["42", "10", "60"]),
    ("vm.max_map_count", "/proc/sys/vm/max_map_count", &["99999"]),
    ("net.ipv4.tcp_rmem", "/proc/sys/net/ipv4/tcp_rmem", &["1 2 3"]),
    ("vm.dirty", "/proc/sys/vm/dirty_ratio", &["33"]),
    ("vm.dirty", "/proc/sys/vm/dirty_bytes", &["4194304"]),
    ("hugepages.enabled", "/sys/kernel/mm/transparent_hugepage/enabled", &["always", "never"]),
    ("block.sda.scheduler", "/sys/block/sda/queue/scheduler", &["none", "mq-deadline"]),
    ("block.sda.nr_requests", "/sys/block/sda/queue/nr_requests", &["77"]),
    ("block.sdb.nr_requests", "/sys/block/sdb/queue/nr_requests", &["99"]),
    ("systemd.environment", "/etc/systemd/system.conf.d/50-diapason.conf", &["theirs\n", "-"]),
    (
        "unit.engine.service.limits",
        "/etc/systemd/system/engine.service.d/50-diapason-limits.conf",
        &["theirs\n", "-"],
    ),
];

/// Whether a path outlives the boot.
pub fn is_persistent(path: &Path) -> bool {
    path.starts_with("etc") || path.starts_with("var")
}

pub struct Machine {
    folder: tempfile::TempDir,
    pub host: Host,
    boot: u32,
}

impl Machine {
    pub fn new() -> Self {
        let machine = Self { folder: folder(), host: Host::read(&Root::nowhere()).unwrap(), boot: 0 };
        for name in ["machine", "run", "state"] {
            std::fs::create_dir(machine.path(name)).unwrap();
        }
        for (name, content) in FILES {
            let path = machine.path("machine").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let mut area = vec![0; 4096];
        area[1028..1032].copy_from_slice(&1023_u32.to_le_bytes());
        area[4086..].copy_from_slice(b"SWAPSPACE2");
        std::fs::write(machine.path("machine/dev/sda2"), area).unwrap();
        let host = Host::read(&machine.root()).unwrap();
        Self { host, ..machine }
    }

    /// The same machine with the same journals somewhere else.
    pub fn copy(&self) -> Self {
        let other = Self { folder: folder(), host: self.host.clone(), boot: self.boot };
        put(other.folder.path(), &tree(self.folder.path()));
        other
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn root(&self) -> Root {
        Root::new(self.path("machine"))
    }

    pub fn tree(&self) -> Tree {
        tree(&self.path("machine"))
    }

    /// The inode of every file: a file that was written has another one.
    pub fn inodes(&self) -> BTreeMap<PathBuf, u64> {
        use std::os::unix::fs::MetadataExt;
        let inode = |name: &PathBuf| std::fs::metadata(self.path("machine").join(name)).unwrap().ino();
        self.tree().into_keys().map(|name| (name.clone(), inode(&name))).collect()
    }

    /// Opens the journals and takes the machine over, as the daemon does when it starts.
    pub fn open(&self, fuse: &Arc<Fuse>) -> Result<Tuning, ApplyError> {
        let root = |name| Root::new(self.path(name)).with_fuse(Arc::clone(fuse));
        let journal = Journal::open(root("run"), root("state"), &format!("boot {}", self.boot))?;
        Ok(Tuning::open(root("machine"), journal))
    }

    /// Somebody else sets something; nothing happens where it is not there.
    pub fn foreign(&self, path: &str, what: &str) {
        let file = self.path("machine").join(path.trim_start_matches('/'));
        if !path.starts_with("/etc") {
            let _ = self.root().write(path, what);
        } else if what == "-" {
            let _ = std::fs::remove_file(file);
        } else if file.parent().unwrap().is_dir() {
            std::fs::write(file, what).unwrap();
        }
    }

    /// The machine starts anew: what does not outlive the boot is as in `pristine`.
    pub fn reboot(&mut self, pristine: &Tree) {
        self.boot += 1;
        std::fs::remove_dir_all(self.path("run")).unwrap();
        std::fs::create_dir(self.path("run")).unwrap();
        let volatile = pristine.iter().filter(|(name, _)| !is_persistent(name));
        put(
            &self.path("machine"),
            &volatile.map(|(name, content)| (name.clone(), content.clone())).collect(),
        );
    }
}

/// A temporary folder; in memory where there is such a place, as thousands of fsyncs on a disk take minutes.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

fn put(folder: &Path, tree: &Tree) {
    for (name, content) in tree {
        match content {
            // Parents come before what is in them: the names are sorted.
            None => drop(std::fs::create_dir(folder.join(name))),
            Some(bytes) => std::fs::write(folder.join(name), bytes).unwrap(),
        }
    }
}

fn tree(root: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let (path, is_folder) = (entry.path(), entry.file_type().unwrap().is_dir());
            let name = path.strip_prefix(root).unwrap().to_owned();
            if is_folder {
                tree.insert(name, None);
                folders.push(path);
            } else {
                let mut content = std::fs::read(&path).unwrap();
                // The order of the lines is that of switching on.
                if name.ends_with("proc/swaps") {
                    let mut lines: Vec<_> = content.split_inclusive(|byte| *byte == b'\n').collect();
                    lines[1..].sort_unstable();
                    content = lines.concat();
                }
                tree.insert(name, Some(content));
            }
        }
    }
    tree
}
