//! What the operations work on: a tree of files, or the parameters of a network namespace, with the journals
//! in a folder of their own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use diapason_daemon::apply::{ApplyError, Tuning};
use diapason_daemon::host::Host;
use diapason_daemon::journal::Journal;
use diapason_daemon::plan::Plan;
use diapason_daemon::profile::{Library, Profile};
use diapason_daemon::root::{Fuse, Root};

/// Where the knobs are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// Files that stand for a kernel's, and files of systemd.
    Tree,
    /// `/proc/sys/net` of a private network namespace.
    Kernel,
}

/// Every file with its content; a folder is empty.
pub type Picture = BTreeMap<PathBuf, Vec<u8>>;

const FILES: &[(&str, &str)] = &[
    ("proc/sys/vm/swappiness", "60\n"),
    ("proc/sys/vm/stat_interval", "1\n"),
    ("proc/sys/vm/dirty_ratio", "20\n"),
    ("proc/sys/vm/dirty_bytes", "0\n"),
    ("sys/block/sda/diskseq", "7\n"),
    ("sys/block/sda/queue/scheduler", "none [mq-deadline] \n"),
    ("sys/block/sda/queue/nr_requests", "256\n"),
    ("proc/swaps", "Filename Type Size Used Priority\n"),
    ("proc/meminfo", "MemTotal: 4000000 kB\nMemAvailable: 3000000 kB\n"),
    ("etc/systemd/system/engine.service", "[Service]\n"),
    ("var/lib/diapason/.keep", ""),
];

/// Knob, value in the profile `a`, value in the profile `b`; no value where the profile does not name it.
type Knobs = &'static [(&'static str, Option<&'static str>, Option<&'static str>)];

const TREE: Knobs = &[
    ("vm.swappiness", Some("10"), Some("10")),
    ("vm.stat_interval", None, Some("10")),
    ("vm.dirty", Some("bytes 1GiB"), Some("ratio 30")),
    ("block.sda.scheduler", Some("none"), None),
    ("unit.engine.service.limits", Some("LimitRTPRIO=99"), Some("Nice=-5")),
    ("unit.engine.service.environment", Some("A=1"), None),
    ("swap.file", Some("1MiB 5"), None),
];

const KERNEL: Knobs = &[
    ("net.core.somaxconn", Some("1234"), Some("1234")),
    ("net.ipv4.tcp_rmem", Some("4097 131073 6291457"), Some("4098 131074 6291458")),
    ("net.ipv4.tcp_fastopen", Some("3"), None),
    ("net.ipv4.tcp_fin_timeout", Some("22"), Some("22")),
    ("net.ipv4.tcp_keepalive_time", None, Some("1111")),
    ("net.ipv4.ip_local_port_range", Some("20000 50000"), Some("20000 60000")),
];

impl Ground {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Tree => "a tree of files",
            Self::Kernel => "a private network namespace",
        }
    }

    pub fn of(word: &str) -> Self {
        if word == Self::Tree.word() { Self::Tree } else { Self::Kernel }
    }

    const fn knobs(self) -> Knobs {
        match self {
            Self::Tree => TREE,
            Self::Kernel => KERNEL,
        }
    }
}

/// The network namespace of this process.
pub fn namespace() -> String {
    std::fs::read_link("/proc/self/ns/net").unwrap().display().to_string()
}

pub struct Bed {
    pub folder: PathBuf,
    pub ground: Ground,
}

impl Bed {
    /// The profiles, for the children to load.
    pub fn make(folder: &Path, ground: Ground) -> Self {
        for name in ["a", "b"] {
            let mut text = "summary = \"A test\"\n".to_owned();
            for (knob, a, b) in ground.knobs() {
                if let Some(value) = if name == "a" { a } else { b } {
                    let entry =
                        format!("[knob.\"{knob}\"]\nvalue = \"{value}\"\nreason = \"r\"\nsource = \"s\"\n");
                    text.push_str(&entry);
                }
            }
            std::fs::write(folder.join(format!("{name}.toml")), text).unwrap();
        }
        Self { folder: folder.to_owned(), ground }
    }

    pub fn root(&self) -> Root {
        match self.ground {
            Ground::Tree => Root::new(self.folder.join("machine")),
            Ground::Kernel => Root::new("/"),
        }
    }

    pub fn profile(&self, name: &str) -> Profile {
        let path = self.folder.join(format!("{name}.toml"));
        Library::new(&Root::nowhere()).load(path.to_str().unwrap()).unwrap()
    }

    /// Starts as the daemon does.
    pub fn open(&self, fuse: Option<&Arc<Fuse>>) -> Result<Tuning, ApplyError> {
        let fused = |root: Root| fuse.map_or(root.clone(), |fuse| root.with_fuse(Arc::clone(fuse)));
        let folder = |name| fused(Root::new(self.folder.join(name)));
        Ok(Tuning::open(fused(self.root()), Journal::open(folder("run"), folder("state"), "boot")?))
    }

    pub fn plan(&self, tuning: &Tuning, profile: &Profile, host: &Host) -> Plan {
        let held = |knob: &str| tuning.journal().ledger().held(knob).map(|held| held.original.clone());
        Plan::over(profile, host, &self.root(), &held).unwrap()
    }

    /// Fresh journals, and every knob as in `picture`.
    pub fn reset(&self, picture: &Picture) {
        for name in ["run", "state"] {
            let _ = std::fs::remove_dir_all(self.folder.join(name));
            std::fs::create_dir(self.folder.join(name)).unwrap();
        }
        let root = self.root().prefix().to_owned();
        if self.ground == Ground::Tree {
            let _ = std::fs::remove_dir_all(&root);
        }
        for (name, content) in picture {
            let path = root.join(name);
            if self.ground == Ground::Tree {
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            }
            std::fs::write(path, content).unwrap();
        }
    }

    /// What the machine came with.
    pub fn originals(&self) -> Picture {
        match self.ground {
            Ground::Tree => {
                FILES.iter().map(|(name, text)| (PathBuf::from(name), text.as_bytes().to_vec())).collect()
            }
            Ground::Kernel => self.now(),
        }
    }

    /// What it is now.
    pub fn now(&self) -> Picture {
        if self.ground == Ground::Kernel {
            let path = |knob: &str| PathBuf::from(format!("proc/sys/{}", knob.replace('.', "/")));
            let read = |knob: &str| (path(knob), std::fs::read(Path::new("/").join(path(knob))).unwrap());
            return KERNEL.iter().map(|(knob, ..)| read(knob)).collect();
        }
        let (root, mut picture) = (self.root().prefix().to_owned(), Picture::new());
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            let entries: Vec<_> =
                std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
            let name = |path: &Path| path.strip_prefix(&root).unwrap().to_owned();
            if entries.is_empty() {
                picture.insert(name(&folder), Vec::new());
            }
            for path in entries {
                if path.is_dir() {
                    folders.push(path);
                } else if !path.ends_with(".diapason-picture") {
                    // That one is of the tree's own making: a kernel needs no file to prepare another.
                    picture.insert(name(&path), std::fs::read(&path).unwrap());
                }
            }
        }
        // A tree changes two files one after the other where a kernel changes one number.
        if picture[Path::new("proc/sys/vm/dirty_bytes")] != b"0\n" {
            picture.insert(PathBuf::from("proc/sys/vm/dirty_ratio"), b"0\n".to_vec());
        }
        picture
    }
}
