//! Strikes at the calls of every operation, and what must hold after each.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::Arc;

use diapason_daemon::host::Host;
use diapason_daemon::root::{Break, Fuse, Root};
use nix::sched::{CloneFlags, unshare};

use crate::bed::{Bed, Ground, Picture, namespace};
use crate::child::Operation;
use crate::trace::{Call, Event, calls, events, strace};

/// What may happen at a call. EINTR is what a signal does, the other errors are what a broken or full disk does; the
/// results are short writes, of nothing at all and of one byte.
const STRIKES: &[&str] = &[
    "signal=KILL",
    "error=EIO",
    "error=EINVAL",
    "error=ENOSPC",
    "error=EPERM",
    "error=EINTR",
    "retval=0",
    "retval=1",
];

/// Whether a strike at a call is something that can happen there.
fn is_possible(call: &Call, strike: &str) -> bool {
    let is_write = call.name == "write";
    match strike {
        "retval=0" => is_write,
        // strace gives the result and does not make the call: said of a file that keeps what is written, one byte
        // would be a lie. A kernel's parameter may take it and do nothing. (Files that may not grow beyond any length
        // are the short writes of the others.)
        "retval=1" => is_write && call.text.contains("</proc/sys/"),
        // Closing cannot fail in a way that a program could answer.
        _ => call.name != "close" || !strike.starts_with("error"),
    }
}

/// An operation, and what comes before it.
struct Scene {
    name: &'static str,
    /// Profiles that are applied in good order before.
    before: &'static [&'static str],
    /// An operation that dies half way before.
    died: Option<Operation>,
    operation: Operation,
}

const fn scene(
    name: &'static str,
    before: &'static [&'static str],
    died: Option<Operation>,
    operation: Operation,
) -> Scene {
    Scene { name, before, died, operation }
}

const SCENES: &[Scene] = &[
    scene("apply", &[], None, Operation::Apply("a")),
    scene("apply again", &["a"], None, Operation::Apply("a")),
    scene("switch", &["a"], None, Operation::Apply("b")),
    scene("rollback", &["a"], None, Operation::Rollback),
    scene("rollback of a switch", &["a", "b"], None, Operation::Rollback),
    scene("recovery of an apply", &[], Some(Operation::Apply("a")), Operation::Recover),
    scene("recovery of a switch", &["a"], Some(Operation::Apply("b")), Operation::Recover),
    scene("recovery of a rollback", &["a"], Some(Operation::Rollback), Operation::Recover),
];

/// A state that is allowed after a strike: the profile in force, and every file.
type State = (Option<String>, Picture);

struct Worker {
    bed: Bed,
    originals: Picture,
    host: Host,
}

/// `GROUND SHARD SHARDS EVERY NAMESPACE`: strikes every so manieth call, of those its share.
pub fn run(words: &[String]) {
    let (ground, shard, shards, every) = (
        Ground::of(&words[0]),
        words[1].parse::<usize>().unwrap(),
        words[2].parse::<usize>().unwrap(),
        words[3].parse::<usize>().unwrap(),
    );
    if ground == Ground::Kernel {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        assert_ne!(namespace(), words[4], "the test must not change the machine");
    }
    let memory = std::path::Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    let bed = Bed::make(folder.path(), ground);
    let (originals, host) = (bed.originals(), Host::read(&Root::nowhere()).unwrap());
    let worker = Worker { bed, originals, host };
    if shard == 0 {
        worker.order();
    }
    let (mut turn, mut points, mut strikes, mut deaths, mut short) = (0, 0, 0, 0, 0);
    for scene in SCENES {
        let calls = worker.calls(scene);
        let allowed = worker.allowed(scene);
        points += calls.len();
        for call in &calls {
            for strike in STRIKES.iter().filter(|strike| is_possible(call, strike)) {
                turn += 1;
                if turn % (every * shards) == shard * every {
                    strikes += 1;
                    deaths += usize::from(worker.strike(scene, call, strike, &allowed));
                }
            }
        }
        let limit = worker.journal_bytes(scene);
        for bytes in 0..=limit {
            turn += 1;
            if turn % (every * shards) == shard * every {
                short += 1;
                worker.short(scene, bytes, &allowed);
            }
        }
    }
    println!("calls of all operations {points}");
    println!("strikes {strikes}");
    println!("strikes that killed {deaths}");
    println!("short writes {short}");
}

impl Worker {
    /// Everything up to the operation.
    fn set_up(&self, scene: &Scene) {
        self.bed.reset(&self.originals);
        for profile in scene.before {
            self.apply(profile, None);
        }
        if let Some(died) = scene.died {
            let count = Arc::new(Fuse::of(Vec::new()));
            let (folder, bed) = self.copy();
            self.operate(&bed, died, &count);
            drop(folder);
            if self.bed.ground == Ground::Kernel {
                // The rehearsal has changed the one kernel there is.
                self.bed.reset(&self.originals);
                scene.before.iter().for_each(|profile| self.apply(profile, None));
            }
            self.operate(&self.bed, died, &Arc::new(Fuse::new(count.changes() * 2 / 3, Break::Die)));
        }
    }

    /// The same bed elsewhere, to see how many changes an operation makes.
    fn copy(&self) -> (tempfile::TempDir, Bed) {
        let folder = tempfile::tempdir_in(self.bed.folder.parent().unwrap()).unwrap();
        let copied =
            Command::new("cp").arg("-a").arg(self.bed.folder.join(".")).arg(folder.path()).status().unwrap();
        assert!(copied.success());
        let bed = Bed { folder: folder.path().to_owned(), ground: self.bed.ground };
        (folder, bed)
    }

    fn operate(&self, bed: &Bed, operation: Operation, fuse: &Arc<Fuse>) {
        let Ok(mut tuning) = bed.open(Some(fuse)) else { return };
        match operation {
            Operation::Apply(name) => {
                let plan = bed.plan(&tuning, &bed.profile(name), &self.host);
                let _ = tuning.apply(&plan);
            }
            Operation::Rollback => drop(tuning.rollback()),
            Operation::Recover => {}
        }
    }

    fn apply(&self, profile: &str, fuse: Option<&Arc<Fuse>>) {
        let mut tuning = self.bed.open(fuse).unwrap();
        let plan = self.bed.plan(&tuning, &self.bed.profile(profile), &self.host);
        let report = tuning.apply(&plan).unwrap();
        assert_eq!(report.error, None, "{report:?}");
    }

    /// The calls of the operation itself.
    fn calls(&self, scene: &Scene) -> Vec<Call> {
        self.set_up(scene);
        calls(&self.bed, scene.operation).into_iter().filter(|call| call.inside).collect()
    }

    /// What may be after a strike: all as before, or all as after; a recovery may find either.
    fn allowed(&self, scene: &Scene) -> Vec<State> {
        let whole = |profiles: &[&str], rolled_back: bool| {
            self.bed.reset(&self.originals);
            profiles.iter().for_each(|profile| self.apply(profile, None));
            let mut tuning = self.bed.open(None).unwrap();
            if rolled_back {
                assert!(tuning.rollback().unwrap().complete);
            }
            (tuning.profile().map(str::to_owned), self.bed.now())
        };
        let mut profiles = scene.before.to_vec();
        let before = whole(&profiles, false);
        let after = match scene.died.unwrap_or(scene.operation) {
            Operation::Apply(profile) => {
                profiles.push(profile);
                whole(&profiles, false)
            }
            Operation::Rollback => whole(&profiles, true),
            Operation::Recover => before.clone(),
        };
        vec![before, after]
    }

    /// One strike; whether it killed.
    fn strike(&self, scene: &Scene, call: &Call, strike: &str, allowed: &[State]) -> bool {
        self.set_up(scene);
        let out = self.bed.folder.join("strike");
        let inject = format!("inject={}:{strike}:when={}", call.name, call.number);
        let ran =
            strace(&self.bed, scene.operation, &out, &["-e", &format!("trace={}", call.name), "-e", &inject]);
        let killed = ran.status.signal() == Some(9);
        let told = format!("{}: {inject}: {}", scene.name, String::from_utf8_lossy(&ran.stdout));
        let struck = killed || std::fs::read_to_string(&out).unwrap().contains("(INJECTED)");
        assert!(struck && killed == strike.starts_with("signal"), "{told}: not struck, {ran:?}");
        self.check(&told, allowed, killed);
        killed
    }

    /// How long the longest file of the operation gets.
    fn journal_bytes(&self, scene: &Scene) -> u64 {
        self.set_up(scene);
        self.operate(&self.bed, scene.operation, &Arc::new(Fuse::of(Vec::new())));
        let bytes = |name: &str| std::fs::metadata(self.bed.folder.join(name)).unwrap().len();
        bytes("run/journal").max(bytes("state/journal"))
    }

    /// No file may grow beyond `bytes`: the write that would is short, and the next one is refused.
    fn short(&self, scene: &Scene, bytes: u64, allowed: &[State]) {
        self.set_up(scene);
        let ran = Command::new(std::env::current_exe().unwrap())
            .arg("child")
            .arg(&self.bed.folder)
            .args([self.bed.ground.word(), scene.operation.word(), &bytes.to_string()])
            .output()
            .unwrap();
        let told =
            format!("{}: files of {bytes} bytes: {}", scene.name, String::from_utf8_lossy(&ran.stdout));
        assert!(ran.status.success(), "{told}: {ran:?}");
        self.check(&told, allowed, false);
    }

    /// Starts anew; every knob has to be as before or after, and a rollback to bring back every original.
    fn check(&self, told: &str, allowed: &[State], killed: bool) {
        let tuning =
            self.bed.open(None).unwrap_or_else(|error| fail(&format!("{told}: does not start: {error}")));
        let (found, profile, now) =
            (tuning.found().to_vec(), tuning.profile().map(str::to_owned), self.bed.now());
        drop(tuning);
        if killed {
            let is_whole = allowed.iter().any(|state| state.0 == profile && state.1 == now);
            assert!(is_whole, "{told}: {profile:?} {found:?}\n{}", differences(allowed, &now));
        }
        // After an error each file is as before or after; which, the report of the operation has said. The list
        // of swap areas has been made anew with another order of lines, and the depth of a queue is the kernel's.
        for (path, content) in &now {
            let known = allowed.iter().any(|(_, picture)| picture.get(path) == Some(content));
            let kernels = path.ends_with("nr_requests") && self.bed.ground == Ground::Tree;
            assert!(known || kernels, "{told}: {found:?}\n{}", differences(allowed, &now));
        }
        let fuse = Arc::new(Fuse::of(Vec::new()));
        let mut tuning = self.bed.open(Some(&fuse)).unwrap();
        assert_eq!(fuse.changes(), 0, "{told}: a second recovery changes something");
        let report = tuning.rollback().unwrap_or_else(|error| fail(&format!("{told}: no rollback: {error}")));
        let back = self.bed.now();
        assert!(
            report.complete && back == self.originals,
            "{told}: {report:?}\n{}",
            differences(&[(None, self.originals.clone())], &back)
        );
    }

    /// What only the order of the calls shows.
    fn order(&self) {
        for scene in SCENES {
            let events = events(&self.bed, &self.calls(scene));
            let mut announced: Vec<String> = Vec::new();
            for event in &events {
                match event {
                    Event::Intents(knobs) => announced.extend(knobs.clone()),
                    Event::Written(path) => {
                        let knob = knob(path);
                        let is_announced = scene.died.is_some()
                            || announced.iter().any(|name| knob.contains(&name.as_str()));
                        assert!(
                            is_announced,
                            "{}: {path} is written and its intent is not on record",
                            scene.name
                        );
                    }
                }
            }
            let written: Vec<&str> = events
                .iter()
                .filter_map(|event| if let Event::Written(path) = event { Some(path.as_str()) } else { None })
                .collect();
            match scene.name {
                "apply again" => assert_eq!(written, Vec::<&str>::new(), "a repeated apply writes"),
                "switch" => {
                    let same = ["swappiness", "somaxconn", "tcp_fin_timeout"];
                    let needless: Vec<_> =
                        written.iter().filter(|path| same.iter().any(|name| path.contains(name))).collect();
                    assert!(
                        needless.is_empty() && written.len() >= 3,
                        "a switch writes what is equal in both: {written:?}"
                    );
                }
                "apply" | "rollback" => assert!(written.len() >= 5, "{}: {written:?}", scene.name),
                _ => {}
            }
        }
    }
}

/// The knobs that a path belongs to.
fn knob(path: &str) -> Vec<&str> {
    match path {
        "proc/sys/vm/swappiness" => vec!["vm.swappiness"],
        "proc/sys/vm/stat_interval" => vec!["vm.stat_interval"],
        "proc/sys/vm/dirty_bytes" | "proc/sys/vm/dirty_ratio" => vec!["vm.dirty"],
        "sys/block/sda/queue/scheduler" => vec!["block.sda.scheduler"],
        "sys/block/sda/queue/nr_requests" => vec!["block.sda.nr_requests"],
        "proc/swaps" | "var/lib/diapason/swap" => vec!["swap.file"],
        path if path.ends_with("-limits.conf") => vec!["unit.engine.service.limits"],
        path if path.ends_with("-environment.conf") => vec!["unit.engine.service.environment"],
        path => vec![path],
    }
}

fn fail(words: &str) -> ! {
    eprintln!("{words}");
    std::process::exit(1)
}

fn differences(allowed: &[State], now: &Picture) -> String {
    let show = |content: Option<&Vec<u8>>| {
        content.map_or("absent".to_owned(), |bytes| {
            format!("{:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(80)]))
        })
    };
    let mut text = String::new();
    for (profile, picture) in allowed {
        let names: std::collections::BTreeSet<_> = picture.keys().chain(now.keys()).collect();
        for name in names.into_iter().filter(|name| picture.get(*name) != now.get(*name)) {
            text.push_str(&format!(
                "{profile:?}: {}: {}, is {}\n",
                name.display(),
                show(picture.get(name)),
                show(now.get(name))
            ));
        }
    }
    text
}
