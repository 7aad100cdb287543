//! The real daemon on a tree: what comes over the socket, and what a restart of the machine does.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail by panicking, as the test does")]

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use diapason_daemon::apply::report::Ending;
use diapason_daemon::client::{Client, ClientError};

struct Daemon {
    child: Child,
    prefix: PathBuf,
}

impl Daemon {
    fn start(prefix: &Path) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_diapasond"))
            .arg("--root")
            .arg(prefix)
            .stderr(Stdio::null())
            .spawn();
        let daemon = Self { child: child.unwrap(), prefix: prefix.to_owned() };
        daemon.client();
        daemon
    }

    fn socket(&self) -> PathBuf {
        self.prefix.join("run/diapason/control.sock")
    }

    fn client(&self) -> Client {
        let start = Instant::now();
        loop {
            match Client::connect(&self.socket()) {
                Ok(client) => return client,
                Err(error) => assert!(start.elapsed() < Duration::from_secs(20), "{error}"),
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Sends bytes and returns everything up to the next NUL, or nothing when the daemon hangs up.
    fn say(&self, bytes: &[u8]) -> String {
        let mut stream = UnixStream::connect(self.socket()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // The daemon may hang up before it has read everything.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = BufReader::new(&mut stream).read_until(0, &mut answer);
        String::from_utf8(answer).unwrap().trim_end_matches('\0').to_owned()
    }

    fn stop(mut self) {
        let id = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM).unwrap();
        assert!(self.child.wait().unwrap().success());
        assert!(!self.socket().exists(), "the socket file goes with the daemon that made it");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn machine() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    put("proc/sys/vm/swappiness", "60\n");
    put("proc/sys/vm/stat_interval", "1\n");
    put("proc/sys/kernel/random/boot_id", "one\n");
    put("dev/cpu_dma_latency", "2000000000\n");
    put("etc/systemd/system.conf", "");
    put(
        "etc/diapason/profiles/mine.toml",
        "summary = \"Mine\"\n[knob.\"vm.swappiness\"]\nvalue = 10\nreason = \"r\"\nsource = \"s\"\n\
         [knob.\"systemd.environment\"]\nvalue = \"A=1\"\nreason = \"r\"\nsource = \"s\"\n",
    );
    put(
        "etc/diapason/profiles/hold.toml",
        "summary = \"Hold\"\n[knob.\"cpu.dma_latency\"]\nvalue = 10\nreason = \"r\"\nsource = \"s\"\n",
    );
    put("etc/diapason/profiles/wrong.toml", "summary = \"Wrong\"\n[knob.\"vm.swapiness\"]\nvalue = 10\n");
    folder
}

fn swappiness(folder: &tempfile::TempDir) -> String {
    std::fs::read_to_string(folder.path().join("proc/sys/vm/swappiness")).unwrap()
}

#[test]
fn a_client_applies_verifies_and_rolls_back() {
    let folder = machine();
    let daemon = Daemon::start(folder.path());
    let mut client = daemon.client();
    assert!(
        matches!(client.verify(None), Err(ClientError::Refused { error, .. }) if error.ends_with("NothingApplied"))
    );
    assert_eq!(client.apply("mine").unwrap().ending, Ending::Applied);
    assert_eq!(swappiness(&folder), "10\n");
    assert!(client.verify(None).unwrap().holds);
    assert_eq!(client.status().unwrap().profile.as_deref(), Some("mine"));
    let refused = client.apply("wrong").unwrap_err().to_string();
    assert!(
        refused.contains("wrong.toml:2:7: unknown knob \"vm.swapiness\"; did you mean \"vm.swappiness\"?"),
        "{refused}"
    );
    let refused = client.apply("../../etc/shadow").unwrap_err().to_string();
    assert!(refused.contains("is no profile name"), "{refused}");
    assert!(client.rollback().unwrap().complete);
    assert_eq!(swappiness(&folder), "60\n");
    daemon.stop();
}

#[test]
fn a_second_daemon_does_not_start() {
    let folder = machine();
    let daemon = Daemon::start(folder.path());
    let second =
        Command::new(env!("CARGO_BIN_EXE_diapasond")).arg("--root").arg(folder.path()).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8(second.stderr).unwrap().contains("another diapasond holds"));
    assert!(daemon.client().status().is_ok(), "the first one still answers");
}

#[test]
fn the_machine_starts_anew_and_the_profile_is_in_force() {
    let folder = machine();
    let daemon = Daemon::start(folder.path());
    daemon.client().apply("mine").unwrap();
    daemon.stop();
    // A boot: volatile values are the kernel's again, /run is empty, /etc is as it was left.
    std::fs::write(folder.path().join("proc/sys/vm/swappiness"), "61\n").unwrap();
    std::fs::write(folder.path().join("proc/sys/kernel/random/boot_id"), "two\n").unwrap();
    std::fs::remove_dir_all(folder.path().join("run")).unwrap();
    let daemon = Daemon::start(folder.path());
    let status = daemon.client().status().unwrap();
    assert_eq!(swappiness(&folder), "10\n", "{status:?}");
    assert!(status.found.iter().any(|line| line.contains("mine is applied again")), "{status:?}");
    let back = daemon.client().rollback().unwrap();
    assert!(back.complete);
    assert_eq!(swappiness(&folder), "61\n", "the original of this boot");
    assert!(!folder.path().join("etc/systemd/system.conf.d").exists(), "{back:?}");
}

#[test]
fn the_protocol_is_varlink() {
    let folder = machine();
    let daemon = Daemon::start(folder.path());
    let said = daemon.say(b"{\"method\":\"org.varlink.service.GetInfo\"}\0");
    assert!(said.contains("\"interfaces\":[\"org.varlink.service\",\"io.diapason.Tuning\"]"), "{said}");
    let said = daemon.say(b"{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":{\"interface\":\"io.diapason.Tuning\"}}\0");
    assert!(said.contains("method Apply(profile: string, disruption: ?Disruption)"), "{said}");
    let said = daemon.say(b"{\"method\":\"io.diapason.Tuning.Explode\"}\0");
    assert!(said.contains("org.varlink.service.MethodNotFound"), "{said}");
    let said = daemon.say(b"{\"method\":\"io.diapason.Tuning.Apply\",\"parameters\":{\"profile\":7}}\0");
    assert!(said.contains("org.varlink.service.InvalidParameter"), "{said}");
    // A call without an answer, then one with.
    let said =
        daemon.say(b"{\"method\":\"io.diapason.Tuning.Status\",\"oneway\":true}\0{\"method\":\"nothing\"}\0");
    assert!(said.contains("InterfaceNotFound"), "{said}");
}

#[test]
fn junk_is_answered_by_hanging_up() {
    let folder = machine();
    let daemon = Daemon::start(folder.path());
    assert_eq!(daemon.say(b"\0"), "");
    assert_eq!(daemon.say(b"{\"method\":7}\0"), "");
    assert_eq!(daemon.say(&[0xff; 100_000]), "");
    assert_eq!(daemon.say(&vec![b'['; 1 << 20]), "");
    let mut crowd: Vec<UnixStream> = (0..40).map(|_| UnixStream::connect(daemon.socket()).unwrap()).collect();
    let mut hung_up = 0;
    for stream in &mut crowd {
        stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        hung_up += usize::from(matches!(stream.read(&mut [0; 1]), Ok(0)));
    }
    assert!(hung_up >= 40 - 16, "{hung_up}");
    drop(crowd);
    assert!(daemon.client().status().is_ok());
}

#[test]
fn options_are_checked() {
    let run = |words: &[&str]| Command::new(env!("CARGO_BIN_EXE_diapasond")).args(words).output().unwrap();
    assert!(String::from_utf8(run(&["--help"]).stdout).unwrap().contains("--root DIR"));
    assert!(String::from_utf8(run(&["--version"]).stdout).unwrap().starts_with("diapasond 0."));
    assert_eq!(run(&["--rot", "/"]).status.code(), Some(2));
    assert_eq!(run(&["--root"]).status.code(), Some(2));
    assert_eq!(run(&["--root", "/nowhere/at/all"]).status.code(), Some(1));
}

#[test]
fn the_service_manager_hears_of_start_life_and_stop() {
    let folder = machine();
    let notify = folder.path().join("notify");
    let manager = std::os::unix::net::UnixDatagram::bind(&notify).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_diapasond"))
        .arg("--root")
        .arg(folder.path())
        .env("NOTIFY_SOCKET", &notify)
        .env("WATCHDOG_USEC", "200000")
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let daemon = Daemon { child, prefix: folder.path().to_owned() };
    let hear = || {
        let mut message = [0; 4096];
        let bytes = manager.recv(&mut message).unwrap();
        String::from_utf8_lossy(&message[..bytes]).into_owned()
    };
    let first = hear();
    assert!(first.contains("READY=1") && first.contains("STATUS=no profile is in force"), "{first}");
    assert!(hear().contains("WATCHDOG=1"));
    let id = nix::unistd::Pid::from_raw(i32::try_from(daemon.child.id()).unwrap());
    nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM).unwrap();
    while !hear().contains("STOPPING=1") {}
}

#[test]
fn a_passed_socket_is_served() {
    let folder = machine();
    let socket = folder.path().join("passed.sock");
    // systemd's own tool passes the socket; a machine without systemd has nothing to pass one.
    let started = Command::new("systemd-socket-activate")
        .arg("--listen")
        .arg(&socket)
        .arg(env!("CARGO_BIN_EXE_diapasond"))
        .arg("--root")
        .arg(folder.path())
        .stderr(Stdio::null())
        .spawn();
    let Ok(child) = started else { return };
    let daemon = Daemon { child, prefix: folder.path().to_owned() };
    let start = Instant::now();
    let mut client = loop {
        match Client::connect(&socket) {
            Ok(client) => break client,
            Err(error) => assert!(start.elapsed() < Duration::from_secs(20), "{error}"),
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    assert_eq!(client.status().unwrap().profile, None);
    assert!(!daemon.socket().exists(), "no second socket is made");
}

/// Runs this test program again as the user nobody, who is in no group of ours.
#[test]
fn strangers_may_look_and_change_nothing() {
    diapason_tests::require!(Root);
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    let folder = machine();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let daemon = Daemon::start(folder.path());
    // Where nobody can reach it.
    let program = folder.path().join("program");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let ran = Command::new(&program)
        .args(["--exact", "a_stranger", "--nocapture"])
        .env("DIAPASON_TEST_SOCKET", daemon.socket())
        .current_dir("/")
        .uid(65_534)
        .gid(65_534)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(ran.status.success() && said.contains("a stranger was refused"), "{said}");
    assert_eq!(swappiness(&folder), "60\n");
}

/// What the test above runs as nobody; without its environment there is nothing to do.
#[test]
fn a_stranger() {
    let Some(socket) = std::env::var_os("DIAPASON_TEST_SOCKET") else { return };
    let mut client = Client::connect(Path::new(&socket)).unwrap();
    assert_eq!(client.status().unwrap().profile, None);
    assert!(
        matches!(client.apply("mine"), Err(ClientError::Refused { error, .. }) if error.ends_with("NotPermitted"))
    );
    assert!(
        matches!(client.rollback(), Err(ClientError::Refused { error, .. }) if error.ends_with("NotPermitted"))
    );
    println!("a stranger was refused");
}

/// What a service manager does with a descriptor in its store: the daemon gets it, under its name, as the
/// descriptor 3.
fn start_with_stored(prefix: &Path) -> Daemon {
    let script = "exec env LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=cpu.dma_latency \"$0\" --root \"$1\" 3<>\"$1/dev/cpu_dma_latency\"";
    let child = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_diapasond")])
        .arg(prefix)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let daemon = Daemon { child, prefix: prefix.to_owned() };
    daemon.client();
    daemon
}

#[test]
fn a_hold_goes_to_the_service_manager_and_comes_back() {
    let folder = machine();
    let notify = folder.path().join("notify");
    let manager = std::os::unix::net::UnixDatagram::bind(&notify).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let hear = |word: &str| loop {
        let mut message = [0; 4096];
        let bytes = manager.recv(&mut message).unwrap();
        let said = String::from_utf8_lossy(&message[..bytes]).into_owned();
        if said.contains(word) {
            return said;
        }
    };
    let latency = || std::fs::read_to_string(folder.path().join("dev/cpu_dma_latency")).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_diapasond"))
        .arg("--root")
        .arg(folder.path())
        .env("NOTIFY_SOCKET", &notify)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let daemon = Daemon { child, prefix: folder.path().to_owned() };
    assert_eq!(daemon.client().apply("hold").unwrap().ending, Ending::Applied);
    assert!(hear("FDSTORE=1").contains("FDNAME=cpu.dma_latency"));
    assert_eq!(latency(), "10\n");
    assert!(daemon.client().rollback().unwrap().complete);
    assert!(hear("FDSTOREREMOVE=1").contains("FDNAME=cpu.dma_latency"));
    assert_eq!(latency(), "2000000000\n");
    daemon.client().apply("hold").unwrap();
    drop(daemon);

    let daemon = start_with_stored(folder.path());
    let status = daemon.client().status().unwrap();
    assert_eq!((status.found.len(), status.held.len(), status.held[0].drifted), (0, 1, false), "{status:?}");
    drop(daemon);
    // Nobody kept it: it is held again, and the gap is said.
    let daemon = Daemon::start(folder.path());
    let status = daemon.client().status().unwrap();
    assert!(status.found.iter().any(|line| line.contains("had been let go")), "{status:?}");
    assert!(daemon.client().rollback().unwrap().complete);
    drop(daemon);
    // A descriptor that is nobody's any more is let go.
    std::fs::write(folder.path().join("dev/cpu_dma_latency"), "10\n").unwrap();
    drop(start_with_stored(folder.path()));
    assert_eq!(latency(), "2000000000\n");
}

fn put(folder: &tempfile::TempDir, name: &str, text: &str) {
    let path = folder.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn content(folder: &tempfile::TempDir, name: &str) -> String {
    std::fs::read_to_string(folder.path().join(name)).unwrap_or_default()
}

/// Waits until `true_now`, for as long as any machine could need.
fn until(what: &str, mut true_now: impl FnMut() -> bool) {
    let start = Instant::now();
    while !true_now() {
        assert!(start.elapsed() < Duration::from_secs(20), "in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn disk(folder: &tempfile::TempDir, name: &str, sequence: u32) {
    put(folder, &format!("sys/block/{name}/diskseq"), &format!("{sequence}\n"));
    put(folder, &format!("sys/block/{name}/queue/scheduler"), "[mq-deadline] none\n");
}

/// Says in the words of the kernel that a disk came or went.
fn tell(daemon: &Daemon, action: &str, name: &str) {
    let message =
        format!("{action}@/devices/pci0/block/{name}\0ACTION={action}\0SUBSYSTEM=block\0DEVTYPE=disk\0");
    let socket = std::os::unix::net::UnixDatagram::unbound().unwrap();
    socket.send_to(message.as_bytes(), daemon.prefix.join("run/diapason/uevents")).unwrap();
}

const DISKS: &str =
    "summary = \"Disks\"\n[knob.\"block.scheduler\"]\nvalue = \"none\"\nreason = \"r\"\nsource = \"s\"\n";

#[test]
fn a_disk_that_comes_is_as_one_that_was_there() {
    let folder = machine();
    put(&folder, "etc/diapason/profiles/disks.toml", DISKS);
    disk(&folder, "sda", 1);
    let daemon = Daemon::start(folder.path());
    daemon.client().apply("disks").unwrap();
    let scheduler = |name: &str| content(&folder, &format!("sys/block/{name}/queue/scheduler"));
    assert_eq!(scheduler("sda"), "mq-deadline [none]\n");
    disk(&folder, "sdb", 2);
    tell(&daemon, "add", "sdb");
    until("the scheduler of sdb", || scheduler("sdb") == "mq-deadline [none]\n");
    let held =
        || daemon.client().status().unwrap().held.into_iter().map(|held| held.knob).collect::<Vec<_>>();
    until("both are held", || held() == ["block.sda.scheduler", "block.sdb.scheduler"]);
    // It goes, and another disk comes under its name while many say so: its own original counts.
    std::fs::remove_dir_all(folder.path().join("sys/block/sdb")).unwrap();
    tell(&daemon, "remove", "sdb");
    until("sdb is closed", || held() == ["block.sda.scheduler"]);
    disk(&folder, "sdb", 3);
    put(&folder, "sys/block/sdb/queue/scheduler", "mq-deadline none [bfq]\n");
    (0..300).for_each(|_| tell(&daemon, "add", "sdb"));
    until("the new sdb", || scheduler("sdb") == "mq-deadline [none] bfq\n");
    // Somebody else's change of the first disk is none of this.
    assert!(daemon.client().rollback().unwrap().complete);
    assert_eq!(scheduler("sda"), "[mq-deadline] none\n");
    assert_eq!(scheduler("sdb"), "mq-deadline none [bfq]\n");
    let socket = folder.path().join("run/diapason/uevents");
    daemon.stop();
    assert!(!socket.exists());
}

#[test]
fn drift_is_found_and_policies_differ() {
    for (policy, after, held) in [("report", "42\n", 2), ("reapply", "10\n", 2), ("back-off", "42\n", 1)] {
        let folder = machine();
        put(&folder, "etc/diapason/machine.toml", &format!("drift = \"{policy}\"\n"));
        let child = Command::new(env!("CARGO_BIN_EXE_diapasond"))
            .args(["--compare", "1", "--root"])
            .arg(folder.path())
            .stderr(Stdio::null())
            .spawn();
        let daemon = Daemon { child: child.unwrap(), prefix: folder.path().to_owned() };
        daemon.client().apply("mine").unwrap();
        // An apply is answered before its files are watched; whoever is answered next finds them watched.
        daemon.client().status().unwrap();
        // A process of its own, as the daemon's and the test's are not somebody else's to the kernel.
        let script = "echo 42 > \"$0\"; read wait";
        let mut writer = Command::new("sh")
            .args(["-c", script])
            .arg(folder.path().join("proc/sys/vm/swappiness"))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        until("the drift", || !daemon.client().status().unwrap().drift.is_empty());
        until("what follows", || swappiness(&folder) == after);
        until("what is held", || daemon.client().status().unwrap().held.len() == held);
        let status = daemon.client().status().unwrap();
        let drift = &status.drift[0];
        assert_eq!(
            (drift.knob.as_str(), drift.current.as_deref()),
            ("vm.swappiness", Some("42")),
            "{policy}"
        );
        // Only a privileged daemon is told who it was.
        let name = format!("sh (process {})", writer.id());
        let told = drift.writer.as_deref() == Some(name.as_str());
        assert!(told || !nix::unistd::geteuid().is_root(), "{drift:?}");
        drop(writer.stdin.take());
        writer.wait().unwrap();
        assert!(daemon.client().rollback().unwrap().complete);
        assert_eq!(swappiness(&folder), if policy == "reapply" { "60\n" } else { "42\n" });
    }
}

#[test]
fn figures_are_in_a_file() {
    let folder = machine();
    let daemon = Daemon::start(folder.path());
    let figures = || content(&folder, "run/diapason/metrics.prom");
    daemon.client().apply("mine").unwrap();
    for line in [
        "diapason_profile_info{profile=\"mine\"} 1",
        "diapason_held_knobs 2",
        "diapason_last_apply_success 1",
    ] {
        until(line, || figures().lines().any(|other| other == line));
    }
    daemon.client().rollback().unwrap();
    until("nothing is held", || figures().contains("diapason_held_knobs 0\n"));
}

#[test]
fn what_the_daemon_may_not_do_its_helper_does() {
    let folder = machine();
    let socket = folder.path().join("run/diapason/admin.sock");
    std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
    let start = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_diapasond"));
        command.args(words).arg("--root").arg(folder.path()).stderr(Stdio::null()).spawn().unwrap()
    };
    let mut helper = start(&["--helper"]);
    until("the helper", || socket.exists());
    let child = start(&["--admin", socket.to_str().unwrap()]);
    let daemon = Daemon { child, prefix: folder.path().to_owned() };
    daemon.client();
    assert_eq!(daemon.client().apply("mine").unwrap().ending, Ending::Applied);
    let drop_in = "etc/systemd/system.conf.d/50-diapason.conf";
    assert!(content(&folder, drop_in).contains("A=1"));
    assert!(daemon.client().rollback().unwrap().complete);
    assert!(!folder.path().join(drop_in).exists());
    assert_eq!(daemon.client().apply("hold").unwrap().ending, Ending::Applied);
    assert_eq!(content(&folder, "dev/cpu_dma_latency"), "10\n");
    // Without it, what is its own is refused, and nothing is left half done.
    helper.kill().unwrap();
    helper.wait().unwrap();
    let report = daemon.client().apply("mine").unwrap();
    let error = report.error.unwrap_or_default();
    assert_eq!(report.ending, Ending::Undone);
    assert!(error.contains("cannot reach the helper") && error.contains("diapason-admin.socket"), "{error}");
    assert_eq!(swappiness(&folder), "60\n");
    assert_eq!(daemon.client().status().unwrap().profile.as_deref(), Some("hold"));
}

#[test]
fn a_full_run_and_a_read_only_proc_have_their_messages() {
    diapason_tests::require!(Root);
    let folder = machine();
    let script = "mount -t tmpfs -o size=64k none \"$1/run\" && mount --bind \"$1/proc\" \"$1/proc\" && \
        mount -o remount,bind,ro \"$1/proc\" && exec \"$0\" --root \"$1\"";
    std::fs::create_dir_all(folder.path().join("run")).unwrap();
    // A mount namespace of its own, which ends with the daemon.
    let child = Command::new("unshare")
        .args(["--mount", "sh", "-c", script, env!("CARGO_BIN_EXE_diapasond")])
        .arg(folder.path())
        .stderr(Stdio::null())
        .spawn();
    let Ok(child) = child else { return };
    let daemon = Daemon { child, prefix: PathBuf::new() };
    let view = PathBuf::from(format!("/proc/{}/root", daemon.child.id()))
        .join(folder.path().strip_prefix("/").unwrap());
    let socket = view.join("run/diapason/control.sock");
    let connect = || {
        let start = Instant::now();
        loop {
            match Client::connect(&socket) {
                Ok(client) => return client,
                Err(error) => assert!(start.elapsed() < Duration::from_secs(20), "{error}"),
            }
        }
    };
    let report = connect().apply("mine").unwrap();
    let error = report.error.unwrap_or_default();
    assert_eq!(report.ending, Ending::Undone);
    assert!(error.contains("vm.swappiness") && error.contains("Read-only file system"), "{error}");
    // Fills what is left of /run: the intent cannot be recorded, so nothing is written.
    let _ = std::fs::write(view.join("run/filler"), vec![0; 1 << 20]);
    // Its last page takes some more records.
    let mut refused = String::new();
    for _ in 0..200 {
        refused = match connect().apply("mine") {
            Err(error) => error.to_string(),
            Ok(report) => report.error.unwrap_or_default(),
        };
        if !refused.contains("Read-only") {
            break;
        }
    }
    assert!(refused.contains("the journal in ") && refused.contains("No space left on device"), "{refused}");
    assert_eq!(connect().status().unwrap().profile, None);
}
