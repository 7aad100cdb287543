//! The real daemon on the real kernel, killed at any moment.
//!
//! A private network namespace has its own copies of many `net.*` parameters: real kernel knobs whose change
//! touches nothing outside. The namespace belongs to one thread of the test and to the daemons that it starts.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail by panicking, as the test does")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use diapason_daemon::apply::report::Ending;
use diapason_daemon::client::Client;
use diapason_tests::require;
use nix::sched::{CloneFlags, unshare};

/// Parameters that each network namespace has for itself, with the value that the test profile wants.
const KNOBS: &[(&str, &str)] = &[
    ("net.core.somaxconn", "1234"),
    ("net.ipv4.tcp_rmem", "4097 131073 6291457"),
    ("net.ipv4.tcp_wmem", "4097 16385 4194305"),
    ("net.ipv4.tcp_fastopen", "3"),
    ("net.ipv4.tcp_slow_start_after_idle", "0"),
    ("net.ipv4.tcp_notsent_lowat", "131072"),
    ("net.ipv4.tcp_autocorking", "0"),
    ("net.ipv4.tcp_keepalive_time", "1111"),
    ("net.ipv4.tcp_keepalive_intvl", "11"),
    ("net.ipv4.tcp_keepalive_probes", "3"),
    ("net.ipv4.tcp_fin_timeout", "22"),
    ("net.ipv4.tcp_mtu_probing", "1"),
    ("net.ipv4.tcp_no_metrics_save", "1"),
    ("net.ipv4.tcp_tw_reuse", "1"),
    ("net.ipv4.ip_local_port_range", "20000 50000"),
];

type Values = BTreeMap<&'static str, String>;

fn values() -> Values {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/sys/{}", name.replace('.', "/"))).unwrap();
    KNOBS.iter().map(|(name, _)| (*name, read(name))).collect()
}

fn wanted() -> Values {
    KNOBS.iter().map(|(name, value)| (*name, format!("{}\n", value.replace(' ', "\t")))).collect()
}

struct Bed {
    folder: tempfile::TempDir,
}

impl Bed {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("profiles")).unwrap();
        let entry = |(name, value): &(&str, &str)| {
            format!("[knob.\"{name}\"]\nvalue = \"{value}\"\nreason = \"a test\"\nsource = \"a test\"\n")
        };
        let knobs: String = KNOBS.iter().map(entry).collect();
        std::fs::write(folder.path().join("profiles/test.toml"), format!("summary = \"A test\"\n{knobs}"))
            .unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn start(&self) -> Daemon {
        let child = Command::new(env!("CARGO_BIN_EXE_diapasond"))
            .args(["--root", "/", "--run"])
            .arg(self.path("run"))
            .arg("--state")
            .arg(self.path("state"))
            .arg("--profiles")
            .arg(self.path("profiles"))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let daemon = Daemon { child, socket: self.path("run/control.sock") };
        drop(daemon.client());
        daemon
    }
}

struct Daemon {
    child: Child,
    socket: PathBuf,
}

impl Daemon {
    fn client(&self) -> Client {
        let start = Instant::now();
        loop {
            match Client::connect(&self.socket) {
                Ok(client) => return client,
                Err(error) => assert!(start.elapsed() < Duration::from_secs(20), "{error}"),
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// SIGKILL: the process gets no chance to do anything.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs `test` in a network namespace of its own and makes sure that nothing outside has changed.
fn in_private_namespace(test: impl FnOnce() + Send + 'static) {
    let (outside, namespace) = (values(), |path: &str| std::fs::read_link(path).unwrap());
    let ours = namespace("/proc/thread-self/ns/net");
    let thread = std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        assert_ne!(namespace("/proc/thread-self/ns/net"), ours);
        test();
    });
    let ended = thread.join();
    assert_eq!(values(), outside, "the test must not change the machine");
    if let Err(panic) = ended {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn killed_after_apply_every_original_comes_back() {
    require!(Root);
    in_private_namespace(|| {
        let (bed, originals) = (Bed::new(), values());
        let daemon = bed.start();
        let applied = daemon.client().apply("test").unwrap();
        assert_eq!(applied.ending, Ending::Applied, "{applied:?}");
        assert_eq!(values(), wanted());
        daemon.kill();
        assert_eq!(values(), wanted(), "a killed daemon leaves the machine as it was applied");

        let daemon = bed.start();
        let status = daemon.client().status().unwrap();
        assert_eq!((status.profile.as_deref(), status.held.len()), (Some("test"), KNOBS.len()));
        assert!(daemon.client().verify(None).unwrap().holds);
        // What a restarted TuneD does here: take the tuned value for the original.
        daemon.client().apply("test").unwrap();
        daemon.kill();

        let daemon = bed.start();
        let back = daemon.client().rollback().unwrap();
        assert!(back.complete, "{back:?}");
        assert_eq!(values(), originals);
        assert_eq!(daemon.client().status().unwrap().held, []);
    });
}

#[test]
fn killed_in_the_middle_of_apply_every_original_comes_back() {
    require!(Root);
    const ROUNDS: u64 = 300;
    in_private_namespace(|| {
        let (bed, originals) = (Bed::new(), values());
        // How long an apply takes here bounds the moments to try.
        let start = Instant::now();
        let daemon = bed.start();
        let begun = Instant::now();
        daemon.client().apply("test").unwrap();
        let whole = begun.elapsed();
        daemon.client().rollback().unwrap();
        drop(daemon);
        let (mut interrupted, mut finished) = (0, 0);
        for round in 0..ROUNDS {
            let daemon = bed.start();
            let mut client = daemon.client();
            let caller = std::thread::spawn(move || client.apply("test").is_ok());
            // Moments spread over most of the apply, in an order that repeats nothing.
            let part = u32::try_from(round * 7919 % ROUNDS).unwrap();
            std::thread::sleep(whole.mul_f64(0.8) * part / u32::try_from(ROUNDS).unwrap());
            daemon.kill();
            let _ = caller.join();

            let daemon = bed.start();
            let status = daemon.client().status().unwrap();
            match status.profile {
                Some(_) => {
                    finished += 1;
                    assert_eq!(values(), wanted(), "round {round}: {status:?}");
                }
                None => {
                    interrupted += usize::from(!status.found.is_empty());
                    assert_eq!(values(), originals, "round {round}: {status:?}");
                }
            }
            let back = daemon.client().rollback().unwrap();
            assert!(back.complete, "round {round}: {back:?}");
            assert_eq!(values(), originals, "round {round}");
            daemon.kill();
        }
        println!(
            "{ROUNDS} kills in {:?}: {interrupted} in the middle of an apply, {finished} after it",
            start.elapsed()
        );
    });
}

#[test]
fn a_value_of_somebody_else_is_kept_on_the_real_kernel() {
    require!(Root);
    in_private_namespace(|| {
        let (bed, originals) = (Bed::new(), values());
        let daemon = bed.start();
        daemon.client().apply("test").unwrap();
        std::fs::write(Path::new("/proc/sys/net/ipv4/tcp_fin_timeout"), "33\n").unwrap();
        let verified = daemon.client().verify(None).unwrap();
        let differing: Vec<_> =
            verified.lines.iter().filter(|line| line.actual.as_deref() != Some(&line.expected)).collect();
        assert_eq!(differing.len(), 1);
        assert_eq!((differing[0].expected.as_str(), differing[0].actual.as_deref()), ("22", Some("33")));
        daemon.client().rollback().unwrap();
        let mut expected = originals;
        expected.insert("net.ipv4.tcp_fin_timeout", "33\n".to_owned());
        assert_eq!(values(), expected);
    });
}
