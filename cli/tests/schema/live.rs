//! The command and a running daemon on a tree: what they print together, and what a switch does to the files.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{faults, schema};

/// A daemon on a tree of its own.
struct Daemon {
    child: Child,
    folder: tempfile::TempDir,
}

impl Daemon {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        for (name, text) in [("swappiness", "60\n"), ("stat_interval", "1\n"), ("max_map_count", "65530\n")] {
            put(&format!("proc/sys/vm/{name}"), text);
        }
        put("proc/sys/kernel/random/boot_id", "one\n");
        put("sys/class/net/eth0/ifindex", "2\n");
        put("sys/class/net/eth0/mtu", "1500\n");
        let knob = |name: &str, value: u32| {
            format!("[knob.\"{name}\"]\nvalue = {value}\nreason = \"r\"\nsource = \"s\"\n")
        };
        for (name, knobs) in [
            ("trade", [("vm.swappiness", 10), ("vm.stat_interval", 10)]),
            ("train", [("vm.swappiness", 10), ("vm.max_map_count", 262_144)]),
            ("jumbo", [("vm.swappiness", 10), ("nic.eth0.mtu", 9000)]),
        ] {
            let text: String = knobs.iter().map(|(name, value)| knob(name, *value)).collect();
            put(&format!("etc/diapason/profiles/{name}.toml"), &format!("summary = \"{name}\"\n{text}"));
        }
        let child =
            Command::new(program()).arg("--root").arg(folder.path()).stderr(Stdio::null()).spawn().unwrap();
        let daemon = Self { child, folder };
        let begun = Instant::now();
        while !daemon.socket().exists() {
            assert!(begun.elapsed() < Duration::from_secs(20), "the daemon does not listen");
            std::thread::sleep(Duration::from_millis(1));
        }
        daemon
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("run/diapason/control.sock")
    }

    /// What `diapason --json tune` prints and ends with; held against the schema of the first word.
    fn tune(&self, line: &str) -> (Option<i32>, Value) {
        let words: Vec<&str> = line.split(' ').collect();
        let mut command = Command::new(env!("CARGO_BIN_EXE_diapason"));
        command.args(["--json", "tune"]).args(&words).arg("--socket").arg(self.socket());
        if matches!(words[..], ["plan" | "verify", _]) {
            command.arg("--root").arg(self.folder.path());
        }
        let output = command.output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        let value: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("{line}: {error}: {:?} {told}", String::from_utf8_lossy(&output.stdout))
        });
        // A switch prints what an apply prints.
        let name = if words[0] == "switch" { "apply" } else { words[0] };
        assert_eq!(faults(&schema(&format!("tune-{name}")), &value), Vec::<String>::new(), "{line}");
        (output.status.code(), value)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn value(&self, name: &str) -> String {
        std::fs::read_to_string(self.file(name)).unwrap().trim().to_owned()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The daemon beside the command; built where the tests of this package alone are run.
fn program() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_diapason")).with_file_name("diapasond");
    if !program.exists() {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--package", "diapason-daemon"]);
        if program.parent().is_some_and(|folder| folder.ends_with("release")) {
            cargo.arg("--release");
        }
        assert!(cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap().success());
    }
    program
}

/// Name and another member of each entry of a list.
fn pairs(report: &Value, list: &str, member: &str) -> Vec<Value> {
    report[list].as_array().unwrap().iter().map(|entry| json!([entry["knob"], entry[member]])).collect()
}

#[test]
fn what_a_running_daemon_says_is_what_is_published() {
    let daemon = Daemon::start();
    let [swappiness, interval, maps, mtu] = [
        "proc/sys/vm/swappiness",
        "proc/sys/vm/stat_interval",
        "proc/sys/vm/max_map_count",
        "sys/class/net/eth0/mtu",
    ];
    let (code, status) = daemon.tune("status");
    assert_eq!((code, &status["profile"]), (Some(0), &Value::Null));
    assert_eq!(daemon.tune("plan trade").1["in_force"], Value::Null);

    let (code, applied) = daemon.tune("apply trade");
    assert_eq!((code, &applied["ending"]), (Some(0), &json!("applied")));
    assert_eq!((daemon.value(swappiness), daemon.value(interval)), ("10".into(), "10".into()));

    // A plan knows what is in force: what both want stays, what only the first wants goes back.
    let (code, plan) = daemon.tune("plan train");
    assert_eq!((code, &plan["in_force"]), (Some(0), &json!("trade")));
    assert_eq!(
        pairs(&plan, "changes", "state"),
        [json!(["vm.swappiness", "already"]), json!(["vm.max_map_count", "change"])]
    );
    assert_eq!(pairs(&plan, "back", "wanted"), [json!(["vm.stat_interval", "1"])]);

    // A tree gives a file that is written another inode.
    let inode = |name: &str| std::fs::metadata(daemon.file(name)).unwrap().ino();
    let before = inode(swappiness);
    let (code, switched) = daemon.tune("switch train");
    assert_eq!((code, &switched["ending"]), (Some(0), &json!("applied")));
    assert_eq!(inode(swappiness), before, "what is equal in both is not written");
    assert_eq!((daemon.value(interval), daemon.value(maps)), ("1".into(), "262144".into()));
    let (code, verified) = daemon.tune("verify");
    assert_eq!((code, &verified["holds"], &verified["profile"]), (Some(0), &json!(true), &json!("train")));
    assert_eq!(daemon.tune("verify train").0, Some(0));
    assert_eq!(daemon.tune("verify trade").0, Some(1));

    // A switch does not disturb unless it is told to.
    let (code, refused) = daemon.tune("switch jumbo");
    assert_eq!((code, &refused["ending"]), (Some(1), &json!("refused")));
    assert_eq!((daemon.value(mtu), daemon.value(maps)), ("1500".into(), "262144".into()));
    assert_eq!(daemon.tune("status").1["profile"], json!("train"));
    assert_eq!(daemon.tune("switch jumbo --no-disrupt=allow").0, Some(0));
    assert_eq!((daemon.value(mtu), daemon.value(maps)), ("9000".into(), "65530".into()));

    // Somebody else sets a knob: it differs, and is kept.
    std::fs::write(daemon.file(swappiness), "42\n").unwrap();
    let (code, verified) = daemon.tune("verify");
    assert_eq!((code, &verified["holds"]), (Some(1), &json!(false)));
    let (_, status) = daemon.tune("status");
    assert!(pairs(&status, "held", "drifted").contains(&json!(["vm.swappiness", true])), "{status}");
    let (code, rolled_back) = daemon.tune("rollback");
    assert_eq!((code, &rolled_back["complete"]), (Some(0), &json!(true)));
    assert!(pairs(&rolled_back, "outcomes", "fate").contains(&json!(["vm.swappiness", "foreign"])));
    let now = [swappiness, interval, maps, mtu].map(|name| daemon.value(name));
    assert_eq!(now, ["42", "1", "65530", "1500"]);
}
