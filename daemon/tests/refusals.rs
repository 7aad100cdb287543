//! What the machine may refuse, and what is said then: the knob, the path, the value and what helps.
//!
//! Wrong profiles are in the command's own table (`cli/tests/bad_input.rs`), wrong callers and wrong messages in
//! `daemon.rs`, short writes at every byte in `every_syscall.rs`.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail by panicking, as the test does")]

use std::path::Path;
use std::sync::Arc;

use diapason_daemon::apply::Tuning;
use diapason_daemon::apply::report::{Ending, Fate};
use diapason_daemon::host::Host;
use diapason_daemon::journal::{Journal, JournalError};
use diapason_daemon::plan::Plan;
use diapason_daemon::profile::Library;
use diapason_daemon::root::{Break, Fuse, Root};
use diapason_tests::require;
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let machine = Self { folder: tempfile::tempdir().unwrap() };
        machine.put("machine/proc/sys/vm/swappiness", "60\n");
        machine.put("machine/sys/block/sda/queue/scheduler", "[none] mq-deadline \n");
        machine.put("machine/sys/block/sda/diskseq", "7\n");
        std::fs::create_dir(machine.folder.path().join("run")).unwrap();
        std::fs::create_dir(machine.folder.path().join("state")).unwrap();
        machine
    }

    fn put(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    fn journal(&self, boot: &str) -> Result<Journal, JournalError> {
        let folder = |name| Root::new(self.folder.path().join(name));
        Journal::open(folder("run"), folder("state"), boot)
    }

    fn tuning(&self, root: Root) -> Tuning {
        Tuning::open(root, self.journal("boot").unwrap())
    }

    fn root(&self) -> Root {
        Root::new(self.folder.path().join("machine"))
    }

    fn plan(&self, root: &Root, knob: &str, value: &str) -> Plan {
        let text = format!(
            "summary = \"s\"\n[knob.\"{knob}\"]\nvalue = \"{value}\"\nreason = \"r\"\nsource = \"s\"\n"
        );
        self.put("p.toml", &text);
        let path = self.folder.path().join("p.toml");
        let profile = Library::new(root).load(path.to_str().unwrap()).unwrap();
        Plan::make(&profile, &Host::read(root).unwrap(), root).unwrap()
    }
}

#[test]
fn a_refused_write_names_knob_path_value_and_remedy() {
    for (errno, remedy) in [
        (Errno::EINVAL, "give another one"),
        (Errno::EPERM, "CapabilityBoundingSet"),
        (Errno::EBUSY, "try again when it is not"),
        (Errno::EROFS, "tune the host itself"),
    ] {
        let machine = Machine::new();
        let plan = machine.plan(&machine.root(), "vm.swappiness", "10");
        // The change after the records that announce it is the write of the knob.
        let count = Arc::new(Fuse::of(Vec::new()));
        let mut tuning = machine.tuning(machine.root().with_fuse(Arc::clone(&count)));
        let before = count.changes();
        count.renew(vec![(before, Break::RefuseWith(errno))]);
        let report = tuning.apply(&plan).unwrap();
        assert_eq!(report.ending, Ending::Undone, "{report:?}");
        let said = report.error.unwrap();
        for part in ["vm.swappiness: ", "/proc/sys/vm/swappiness", "\"10\"", errno.desc(), remedy] {
            assert!(said.contains(part), "{said:?} lacks {part:?}");
        }
        assert_eq!(machine.read("machine/proc/sys/vm/swappiness"), "60\n");
        assert!(tuning.rollback().unwrap().outcomes.is_empty());
    }
}

#[test]
fn a_device_that_vanishes_is_let_go_and_told() {
    let machine = Machine::new();
    let mut tuning = machine.tuning(machine.root());
    let plan = machine.plan(&machine.root(), "block.sda.scheduler", "mq-deadline");
    assert_eq!(tuning.apply(&plan).unwrap().ending, Ending::Applied);
    std::fs::remove_dir_all(machine.folder.path().join("machine/sys/block/sda")).unwrap();
    // Gone between plan and apply: there is nothing to write, and that is no failure.
    let again = tuning.apply(&plan).unwrap();
    assert_eq!(again.ending, Ending::Applied, "{again:?}");
    let back = tuning.rollback().unwrap();
    assert!(back.complete, "{back:?}");
    assert_eq!((back.outcomes[0].knob.as_str(), back.outcomes[0].fate), ("block.sda.scheduler", Fate::Gone));
}

#[test]
fn a_journal_that_is_junk_is_said_and_forbids_applying_until_a_rollback() {
    for (file, junk) in
        [("run/journal", "nonsense\n".repeat(20)), ("state/journal", "\0".repeat(4_096) + "\n")]
    {
        let machine = Machine::new();
        machine.put(file, &junk);
        let mut tuning = machine.tuning(machine.root());
        let found = tuning.found().join("; ");
        assert!(found.contains(file) && found.contains("roll back before the next apply"), "{file}: {found}");
        let plan = machine.plan(&machine.root(), "vm.swappiness", "10");
        let said = tuning.apply(&plan).unwrap_err().to_string();
        assert!(said.contains("damaged") && said.contains("roll back first"), "{said}");
        assert_eq!(machine.read("machine/proc/sys/vm/swappiness"), "60\n");
        assert!(tuning.rollback().unwrap().complete);
        assert_eq!(tuning.apply(&plan).unwrap().ending, Ending::Applied, "{file}");
    }
}

#[test]
fn a_journal_that_no_daemon_wrote_is_not_read_into_memory() {
    let machine = Machine::new();
    let file = std::fs::File::create(machine.folder.path().join("run/journal")).unwrap();
    file.set_len(1 << 40).unwrap();
    let said = machine.journal("boot").unwrap_err().to_string();
    let folder = machine.folder.path().join("run").display().to_string();
    assert!(
        said.contains(&folder) && said.contains("/journal is longer than") && said.contains("move it away"),
        "{said}"
    );
}

#[test]
fn a_journal_of_another_boot_is_dropped_and_said() {
    let machine = Machine::new();
    let mut tuning = machine.tuning(machine.root());
    let plan = machine.plan(&machine.root(), "vm.swappiness", "10");
    tuning.apply(&plan).unwrap();
    drop(tuning);
    // The value is another kernel's by now; what the old journal calls the original is not written over it.
    machine.put("machine/proc/sys/vm/swappiness", "30\n");
    let mut tuning = Tuning::open(machine.root(), machine.journal("the next boot").unwrap());
    let found = tuning.found().join("; ");
    assert!(found.contains("of an earlier boot") && found.contains("dropped"), "{found}");
    assert!(tuning.rollback().unwrap().complete);
    assert_eq!(machine.read("machine/proc/sys/vm/swappiness"), "30\n");
}

#[test]
fn a_journal_of_a_later_version_is_left_to_it() {
    let machine = Machine::new();
    drop(machine.journal("boot").unwrap());
    let text = machine.read("run/journal").replace("\"version\":1", "\"version\":9");
    let body = text.trim_end().split_once(' ').unwrap().1;
    machine.put("run/journal", &format!("{:08x} {body}\n", crc32fast::hash(body.as_bytes())));
    let said = machine.journal("boot").unwrap_err().to_string();
    assert!(
        said.contains("run/journal has format 9") && said.contains("roll back with the program"),
        "{said}"
    );
}

#[test]
fn two_at_once_are_told_who_holds_what() {
    let machine = Machine::new();
    let _first = machine.journal("boot").unwrap();
    let said = machine.journal("boot").unwrap_err().to_string();
    let lock = machine.folder.path().join("run/lock").display().to_string();
    assert!(said.contains(&lock) && said.contains("stop it first"), "{said}");
}

/// Runs `test` on a thread with mounts and a network of its own.
fn apart(test: impl FnOnce() + Send + 'static) {
    let ended = std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET).unwrap();
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        test();
    })
    .join();
    if let Err(panic) = ended {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn a_read_only_kernel_as_in_a_container_is_named() {
    require!(Root);
    apart(|| {
        let none = None::<&str>;
        mount(Some("/proc/sys"), "/proc/sys", none, MsFlags::MS_BIND, none).unwrap();
        let read_only = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        mount(none, "/proc/sys", none, read_only, none).unwrap();
        let (machine, root) = (Machine::new(), Root::new("/"));
        let before = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_fin_timeout").unwrap();
        let plan = machine.plan(&root, "net.ipv4.tcp_fin_timeout", "22");
        let report = machine.tuning(root).apply(&plan).unwrap();
        assert_eq!(report.ending, Ending::Undone, "{report:?}");
        let said = report.error.unwrap();
        let parts =
            ["net.ipv4.tcp_fin_timeout", "/proc/sys/net/ipv4/tcp_fin_timeout", "Read-only file system"];
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
        assert_eq!(std::fs::read_to_string("/proc/sys/net/ipv4/tcp_fin_timeout").unwrap(), before);
    });
}

#[test]
fn a_full_run_changes_nothing_and_is_over_when_there_is_room() {
    require!(Root);
    apart(|| {
        let machine = Machine::new();
        let run = machine.folder.path().join("run");
        mount(Some("none"), &run, Some("tmpfs"), MsFlags::empty(), Some("size=8k")).unwrap();
        let mut tuning = machine.tuning(machine.root());
        let plan = machine.plan(&machine.root(), "vm.swappiness", "10");
        assert_eq!(tuning.apply(&plan).unwrap().ending, Ending::Applied);
        fill(&run);
        let other = machine.plan(&machine.root(), "vm.swappiness", "20");
        // The page that the journal has begun takes some records yet; then there is no room.
        let said = (0..100).find_map(|_| match tuning.apply(&other) {
            Err(error) => Some(error.to_string()),
            Ok(report) => report.error,
        });
        let said = said.unwrap();
        let folder = run.display().to_string();
        for part in [folder.as_str(), "No space left on device", "free space there and try again"] {
            assert!(said.contains(part), "{said:?} lacks {part:?}");
        }
        let value = machine.read("machine/proc/sys/vm/swappiness");
        assert!(["10\n", "20\n"].contains(&value.as_str()), "{value}");
        // A start on a full /run serves, and the original is there when there is room again.
        drop(tuning);
        let mut tuning = machine.tuning(machine.root());
        assert!(tuning.profile().is_some());
        std::fs::remove_file(run.join("fill")).unwrap();
        let back = tuning.rollback().unwrap();
        assert!(back.complete, "{back:?}");
        assert_eq!(machine.read("machine/proc/sys/vm/swappiness"), "60\n");
    });
}

fn fill(folder: &Path) {
    use std::io::Write;
    let mut file = std::fs::File::create(folder.join("fill")).unwrap();
    while file.write(&[0; 512]).is_ok_and(|bytes| bytes > 0) {}
}
