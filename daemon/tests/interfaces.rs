//! Settings of network interfaces over netlink on the real kernel, in a network namespace of their own, beside
//! ethtool(8): what it reads after we wrote, and what we read after it wrote.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

use diapason_daemon::apply::Tuning;
use diapason_daemon::apply::report::{Ending, Fate};
use diapason_daemon::host::Host;
use diapason_daemon::journal::Journal;
use diapason_daemon::knob::{Instance, KnobError};
use diapason_daemon::plan::Plan;
use diapason_daemon::profile::Library;
use diapason_daemon::root::Root;
use diapason_tests::need::met;
use diapason_tests::{Need, require};
use nix::sched::{CloneFlags, unshare};

/// Runs `test` in a network namespace with a pair of virtual interfaces and, where the kernel has them, a tap.
fn with_interfaces(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        let queues = ["numrxqueues", "4", "numtxqueues", "4"];
        let pair = [&["link", "add", "one"][..], &queues, &["type", "veth", "peer", "name", "two"], &queues];
        run("ip", &pair.concat());
        test();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn has_tools() -> bool {
    let lacking = ["ethtool", "ip"].into_iter().find(|tool| Command::new(tool).output().is_err());
    met(Need::Root, lacking.map(|tool| format!("{tool} is not installed")))
}

fn value(name: &str) -> Option<String> {
    Instance::find(name).unwrap().read(&Root::new("/")).unwrap()
}

fn set(name: &str, asked: &str) -> Result<String, KnobError> {
    let (root, instance) = (Root::new("/"), Instance::find(name).unwrap());
    let wanted = instance.knob.settle(&root, &instance.target, asked)?;
    instance.write(&root, &wanted)?;
    let actual = instance.read(&root)?.unwrap();
    assert!(instance.knob.is_effect(&wanted, &actual), "{name}: {wanted} became {actual}");
    Ok(actual)
}

/// What ethtool says of a name, in the last part of its output.
fn told(option: &str, device: &str, name: &str) -> String {
    let output = run("ethtool", &[option, device]);
    let line = output.lines().rfind(|line| line.trim().split(':').next() == Some(name)).unwrap();
    line.split(':').nth(1).unwrap().trim().to_owned()
}

#[test]
fn features_are_those_that_ethtool_shows() {
    require!(Root);
    if !has_tools() {
        return;
    }
    with_interfaces(|| {
        let features = Root::new("/").features("one").unwrap().unwrap();
        let shown = run("ethtool", &["-k", "one"]);
        let mut compared = 0;
        for line in shown.lines().filter(|line| !line.starts_with("Features")) {
            let (name, state) = line.trim().split_once(": ").unwrap();
            // The old names of ethtool stand for groups, and are not the kernel's.
            let Some(feature) = features.get(name) else { continue };
            let word = if feature.active { "on" } else { "off" };
            let rest = match (feature.fixed, feature.active == feature.wanted) {
                (true, _) => " [fixed]",
                (false, true) => "",
                (false, false) if feature.wanted => " [requested on]",
                (false, false) => " [requested off]",
            };
            assert_eq!(state, format!("{word}{rest}"), "{name}");
            compared += 1;
        }
        assert!(compared > 40, "{compared} features compared");
    });
}

#[test]
fn features_go_and_come_back() {
    require!(Root);
    if !has_tools() {
        return;
    }
    with_interfaces(|| {
        let name = "nic.one.feature.rx-gro";
        let original = value(name).unwrap();
        let other = if original == "on" { "off" } else { "on" };
        assert_eq!(set(name, other).unwrap(), other);
        assert_eq!(told("-k", "one", "generic-receive-offload"), other);
        run("ethtool", &["-K", "one", "gro", &original]);
        assert_eq!(value(name).unwrap(), original);

        // What goes off with another one comes on with it again, and only if it was asked for.
        assert_eq!(value("nic.one.feature.tx-tcp-segmentation").as_deref(), Some("on"));
        run("ethtool", &["-K", "one", "tx-udp-segmentation", "off"]);
        set("nic.one.feature.tx-scatter-gather", "off").unwrap();
        let resting = value("nic.one.feature.tx-tcp-segmentation");
        assert_eq!(resting.as_deref(), Some("off, requested on"));
        assert_eq!(value("nic.one.feature.tx-udp-segmentation").as_deref(), Some("off"));
        set("nic.one.feature.tx-scatter-gather", "on").unwrap();
        assert_eq!(value("nic.one.feature.tx-tcp-segmentation").as_deref(), Some("on"));
        assert_eq!(value("nic.one.feature.tx-udp-segmentation").as_deref(), Some("off"));

        // A fixed one is not a setting.
        assert_eq!(value("nic.one.feature.rx-lro"), None);
        let said = set("nic.one.feature.rx-lro", "on").unwrap_err().to_string();
        assert_eq!(said, "the driver of one offers no nic.feature.rx-lro; there is nothing to set");
    });
}

#[test]
fn channels_go_and_come_back() {
    require!(Root);
    if !has_tools() {
        return;
    }
    with_interfaces(|| {
        assert_eq!(value("nic.one.channels.rx").as_deref(), Some("4"));
        assert_eq!(set("nic.one.channels.rx", "2").unwrap(), "2");
        assert_eq!(told("-l", "one", "RX"), "2");
        run("ethtool", &["-L", "one", "tx", "3"]);
        assert_eq!(value("nic.one.channels.tx").as_deref(), Some("3"));
        assert_eq!(set("nic.one.channels.rx", "max").unwrap(), "4");
        let said = set("nic.one.channels.rx", "5").unwrap_err().to_string();
        assert_eq!(said, "5 is out of range; give 0 to 4");
        // A veth has no combined queues, no rings and nothing to gather.
        for name in ["channels.combined", "ring.rx", "coalesce.rx-usecs", "pause.rx"] {
            assert_eq!(value(&format!("nic.one.{name}")), None, "{name}");
        }
        assert_eq!(value("nic.none.channels.rx"), None, "an interface that is not there");
    });
}

#[test]
fn gathering_goes_and_comes_back() {
    require!(Root);
    let no_tap = (!std::path::Path::new("/dev/net/tun").exists()).then(|| "no /dev/net/tun".to_owned());
    if !has_tools() || !met(Need::Root, no_tap) {
        return;
    }
    with_interfaces(|| {
        run("ip", &["tuntap", "add", "dev", "tap0", "mode", "tap"]);
        assert_eq!(value("nic.tap0.coalesce.rx-frames").as_deref(), Some("0"));
        assert_eq!(value("nic.tap0.coalesce.rx-usecs"), None);
        assert_eq!(set("nic.tap0.coalesce.rx-frames", "16").unwrap(), "16");
        assert_eq!(told("-c", "tap0", "rx-frames"), "16");
        run("ethtool", &["-C", "tap0", "rx-frames", "3"]);
        assert_eq!(value("nic.tap0.coalesce.rx-frames").as_deref(), Some("3"));
    });
}

#[test]
fn the_burnt_in_address_is_that_of_ethtool() {
    if !has_tools() {
        return;
    }
    // Read only, of the machine's own interfaces as well.
    let root = Root::new("/");
    for device in root.list("/sys/class/net").unwrap() {
        let shown = run("ethtool", &["-P", &device]);
        // `not set`, or nothing but zeros.
        let theirs = shown.trim().rsplit(' ').next().unwrap();
        let is_one = theirs.split(':').count() == 6 && theirs != "00:00:00:00:00:00";
        let theirs = is_one.then(|| theirs.to_owned());
        assert_eq!(root.permanent_address(&device).unwrap(), theirs, "{device}");
        let index = std::fs::read_to_string(format!("/sys/class/net/{device}/ifindex")).unwrap();
        assert_eq!(root.interface(&device).unwrap(), Some((index.trim().to_owned(), theirs)), "{device}");
    }
    assert_eq!(root.permanent_address("none").unwrap(), None);
    assert_eq!(root.interface("none").unwrap(), None);
}

#[test]
fn a_renamed_interface_gets_its_original_back() {
    require!(Root);
    if !has_tools() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["run", "state"] {
        std::fs::create_dir(at(name)).unwrap();
    }
    let profile = at("renamed.toml");
    let values = [
        ("nic.one.gro_flush_timeout", "20000"),
        ("nic.one.tx_queue_len", "1500"),
        ("nic.one.feature.rx-gro", "\"off\""),
        ("nic.one.rp_filter", "2"),
        ("nic.one.rx-1.rps_cpus", "\"0\""),
    ];
    let mut text = "summary = \"s\"\n".to_owned();
    for (knob, value) in values {
        text.push_str(&format!("[knob.\"{knob}\"]\nvalue = {value}\nreason = \"r\"\nsource = \"s\"\n"));
    }
    std::fs::write(&profile, text).unwrap();
    let [run_folder, state] = ["run", "state"].map(at);
    with_interfaces(move || {
        // The names below /sys/class/net are those of the namespace in which it was mounted.
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        run("mount", &["--make-rprivate", "/"]);
        run("mount", &["-t", "sysfs", "sysfs", "/sys"]);
        let root = Root::new("/");
        let open = || {
            let folder = |path: &std::path::Path| Root::new(path);
            let journal = Journal::open(folder(&run_folder), folder(&state), "boot").unwrap();
            Tuning::open(root.clone(), journal)
        };
        let all = |name: &str| values.map(|(knob, ..)| value(&knob.replace(".one.", &format!(".{name}."))));
        let before = all("one");
        let profile = Library::new(&root).load(profile.to_str().unwrap()).unwrap();
        let plan = Plan::make(&profile, &Host::read(&root).unwrap(), &root).unwrap();
        let mut tuning = open();
        let report = tuning.apply(&plan).unwrap();
        assert_eq!(report.ending, Ending::Applied, "{report:?}");
        let applied = all("one");
        assert!(applied.iter().zip(&before).filter(|(now, then)| now != then).count() >= 4, "{applied:?}");
        run("ip", &["link", "set", "one", "name", "lan0"]);
        // While the daemon runs, and again while it does not.
        assert_eq!(tuning.follow_names().unwrap().len(), tuning.journal().ledger().held.len());
        assert_eq!(tuning.close_gone().unwrap(), Vec::<String>::new());
        drop(tuning);
        run("ip", &["link", "set", "lan0", "name", "lan1"]);
        let mut tuning = open();
        let status = tuning.status(&[]);
        assert!(
            status.held.iter().all(|held| held.knob.starts_with("nic.lan1.") && !held.drifted),
            "{status:?}"
        );
        let report = tuning.rollback().unwrap();
        assert!(
            report.complete && report.outcomes.iter().all(|one| one.fate == Fate::Restored),
            "{report:?}"
        );
        assert_eq!(all("lan1"), before);
    });
}
