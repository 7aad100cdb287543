//! A case: `tests/roots/NN-name/` with a tree `in/`, a profile, and what is expected of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use diapason_daemon::apply::report::{ApplyReport, RollbackReport};
use diapason_daemon::apply::{ApplyError, Tuning};
use diapason_daemon::host::Host;
use diapason_daemon::journal::Journal;
use diapason_daemon::plan::Plan;
use diapason_daemon::profile::Library;
use diapason_daemon::root::{Fuse, Root};

/// Every path of a tree with its content; a folder is `None`.
pub type Tree = BTreeMap<PathBuf, Option<Vec<u8>>>;

/// A temporary folder; in memory where there is such a place, as thousands of fsyncs on a disk take minutes.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

pub fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/roots");
    let mut cases: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 9);
    cases
}

pub fn tree(root: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_owned();
            if path.is_dir() {
                tree.insert(name, None);
                folders.push(path);
            } else {
                let mut content = std::fs::read(&path).unwrap();
                // The order of the lines is that of switching on.
                if name.ends_with("proc/swaps") {
                    let mut lines: Vec<_> = content.split_inclusive(|byte| *byte == b'\n').collect();
                    lines[1..].sort();
                    content = lines.concat();
                }
                tree.insert(name, Some(content));
            }
        }
    }
    tree
}

/// A copy of a case's machine, with folders for the journal beside it.
pub struct Machine {
    _folder: tempfile::TempDir,
    pub prefix: PathBuf,
    run: PathBuf,
    state: PathBuf,
}

impl Machine {
    pub fn of(case: &Path) -> Self {
        let folder = folder();
        let [prefix, run, state] = ["machine", "run", "state"].map(|name| folder.path().join(name));
        for path in [&prefix, &run, &state] {
            std::fs::create_dir(path).unwrap();
        }
        for (name, content) in tree(&case.join("in")) {
            match content {
                None => std::fs::create_dir_all(prefix.join(name)).unwrap(),
                Some(bytes) => {
                    std::fs::create_dir_all(prefix.join(&name).parent().unwrap()).unwrap();
                    std::fs::write(prefix.join(name), bytes).unwrap();
                }
            }
        }
        Self { _folder: folder, prefix, run, state }
    }

    pub fn root(&self) -> Root {
        Root::new(&self.prefix)
    }

    /// The file of the volatile journal.
    pub fn journal(&self) -> PathBuf {
        self.run.join("journal")
    }

    /// Opens the journal and takes the machine over, as the daemon does when it starts.
    pub fn open(&self, fuse: Option<&Arc<Fuse>>) -> Result<Tuning, ApplyError> {
        self.open_in("boot", fuse)
    }

    /// The same in a boot of the given identity.
    pub fn open_in(&self, boot: &str, fuse: Option<&Arc<Fuse>>) -> Result<Tuning, ApplyError> {
        let fused = |root: Root| fuse.map_or(root.clone(), |fuse| root.with_fuse(Arc::clone(fuse)));
        let journal = Journal::open(fused(Root::new(&self.run)), fused(Root::new(&self.state)), boot)?;
        Ok(Tuning::open(fused(self.root()), journal))
    }

    pub fn plan(&self, profile: &Path) -> Plan {
        let root = self.root();
        let profile = Library::new(&root).load(profile.to_str().unwrap()).unwrap();
        Plan::make(&profile, &Host::read(&root).unwrap(), &root).unwrap()
    }

    pub fn apply(&self, profile: &Path) -> ApplyReport {
        let mut tuning = self.open(None).unwrap();
        let root = self.root();
        let profile = Library::new(&root).load(profile.to_str().unwrap()).unwrap();
        let held = |knob: &str| tuning.journal().ledger().held(knob).map(|held| held.original.clone());
        let plan = Plan::over(&profile, &Host::read(&root).unwrap(), &root, &held).unwrap();
        tuning.apply(&plan).unwrap()
    }

    pub fn rollback(&self) -> RollbackReport {
        self.open(None).unwrap().rollback().unwrap()
    }

    pub fn tree(&self) -> Tree {
        tree(&self.prefix)
    }
}

/// Where two trees differ, in words.
pub fn differences(expected: &Tree, actual: &Tree) -> String {
    let text = |content: Option<&Option<Vec<u8>>>| match content {
        None => "absent".to_owned(),
        Some(None) => "a folder".to_owned(),
        Some(Some(bytes)) if bytes.len() > 200 => format!("{} bytes", bytes.len()),
        Some(Some(bytes)) => format!("{:?}", String::from_utf8_lossy(bytes)),
    };
    let names: std::collections::BTreeSet<_> = expected.keys().chain(actual.keys()).collect();
    let differing = names.into_iter().filter(|name| expected.get(*name) != actual.get(*name));
    let line = |name: &PathBuf| {
        format!("{}: expected {}, is {}\n", name.display(), text(expected.get(name)), text(actual.get(name)))
    };
    differing.map(line).collect()
}
