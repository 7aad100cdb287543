//! The rules one by one, and against systemd-sysctl itself in a network namespace of its own.

use std::collections::BTreeMap;
use std::process::Command;

use diapason_tests::require;
use proptest::prelude::*;

use super::*;

fn file(path: &str, text: &str) -> File {
    File { path: path.to_owned(), text: text.to_owned() }
}

fn value(text: &str, key: &str) -> Option<String> {
    let all = read(&[file("a.conf", text)]);
    winner(&merged(&all), key).and_then(|assignment| assignment.value.clone())
}

#[test]
fn the_rules_of_the_manual() {
    assert_eq!(value("# c\n; c\nvm.swappiness = 10\n", "vm/swappiness"), Some("10".into()));
    assert_eq!(value("vm/swappiness=10\nvm.swappiness=20", "vm/swappiness"), Some("20".into()));
    assert_eq!(value("-vm.swappiness = 10", "vm/swappiness"), Some("10".into()));
    assert_eq!(value("net.ipv4.conf.*.rp_filter = 2", "net/ipv4/conf/eth0/rp_filter"), Some("2".into()));
    let with_name = "net.ipv4.conf.eth0.rp_filter = 1\nnet.ipv4.conf.*.rp_filter = 2";
    assert_eq!(value(with_name, "net/ipv4/conf/eth0/rp_filter"), Some("1".into()));
    let kept_away = "net.ipv4.conf.*.rp_filter = 2\n-net.ipv4.conf.eth0.rp_filter";
    assert_eq!(value(kept_away, "net/ipv4/conf/eth0/rp_filter"), None);
    assert_eq!(value("net.ipv4.conf.eth0/100.x = 1", "net/ipv4/conf/eth0.100/x"), Some("1".into()));
    assert_eq!(value("vm.swappiness\n", "vm/swappiness"), None);
    assert_eq!(value("net.*.rp_filter = 2", "net/ipv4/conf/eth0/rp_filter"), None);
    // The same value again does not move the line to the end, so the narrower pattern is written last.
    let again = "net.ipv4.conf.*.x = 1\nnet.ipv4.conf.e*.x = 2\nnet.ipv4.conf.*.x = 1";
    assert_eq!(value(again, "net/ipv4/conf/eth0/x"), Some("2".into()));
}

/// Integer parameters of a network namespace that take these values in any order.
const KEYS: &[&str] = &[
    "net/ipv4/tcp_fin_timeout",
    "net/ipv4/tcp_keepalive_intvl",
    "net/ipv4/tcp_keepalive_probes",
    "net/ipv4/conf/all/rp_filter",
    "net/ipv4/conf/default/rp_filter",
    "net/ipv4/conf/lo/rp_filter",
];

/// A line about one of the keys, by name or by a pattern, in either spelling.
fn line() -> impl Strategy<Value = String> {
    let patterns = [
        "net/ipv4/tcp_*",
        "net/ipv4/tcp_keepalive_*",
        "net/ipv4/conf/*/rp_filter",
        "net/ipv4/conf/[al]*/rp_filter",
        "net/ipv4/conf/d?fault/rp_filter",
    ];
    // The wide pattern would also reach parameters that do not take small numbers.
    let keys: Vec<&str> = KEYS.iter().copied().chain(patterns.into_iter().skip(1)).collect();
    (prop::sample::select(keys), 0..3_u32, 0..8_u32, any::<bool>()).prop_map(|(key, number, kind, dots)| {
        let key = if dots { key.replace('/', ".") } else { key.to_owned() };
        match kind {
            0 => format!("-{key}"),
            1 => format!("-{key} = {number}"),
            2 => format!("# {key} = {number}"),
            3 => format!("  {key}={number}  "),
            _ => format!("{key} = {number}"),
        }
    })
}

#[test]
fn systemd_sysctl_does_the_same() {
    let program = "/usr/lib/systemd/systemd-sysctl";
    require!(Root);
    if !std::path::Path::new(program).exists() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 60,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let files = prop::collection::vec(prop::collection::vec(line(), 1..6), 1..4);
    runner
        .run(&files, |texts| {
            let files: Vec<File> = texts
                .iter()
                .enumerate()
                .map(|(number, lines)| {
                    let path = folder.path().join(format!("{number}.conf")).display().to_string();
                    std::fs::write(&path, lines.join("\n")).unwrap();
                    file(&path, &lines.join("\n"))
                })
                .collect();
            // Values that no line gives, so that what nobody sets stays visible; then systemd, then a look.
            let set: String = KEYS.iter().map(|key| format!("echo 7 > /proc/sys/{key};")).collect();
            let show: String = KEYS.iter().map(|key| format!("cat /proc/sys/{key};")).collect();
            let names: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
            let script = format!("{set} {program} {} 2>/dev/null; {show}", names.join(" "));
            let output = Command::new("unshare").args(["-n", "sh", "-c", &script]).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            let theirs: BTreeMap<&str, &str> = KEYS.iter().copied().zip(text.lines()).collect();
            let all = read(&files);
            let merged = merged(&all);
            for key in KEYS {
                let ours = winner(&merged, key).and_then(|assignment| assignment.value.as_deref());
                prop_assert_eq!(ours.unwrap_or("7"), theirs[key], "{}: {:?}", key, texts);
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn systemd_analyze_reads_the_same_files() {
    let folder = tempfile::tempdir().unwrap();
    let put = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    for (path, text) in [
        ("usr/lib/sysctl.d/50-a.conf", "vm.a = 1"),
        ("usr/local/lib/sysctl.d/50-a.conf", "vm.a = 2"),
        ("run/sysctl.d/60-b.conf", "vm.b = 3"),
        ("etc/sysctl.d/60-b.conf", "vm.b = 4"),
        ("etc/sysctl.d/10-c.conf", "vm.c = 5"),
        ("usr/lib/sysctl.d/70-d.conf", "vm.d = 6"),
        ("etc/sysctl.d/99-e.txt", "vm.e = 7"),
    ] {
        put(path, text);
    }
    std::os::unix::fs::symlink("/dev/null", folder.path().join("etc/sysctl.d/70-d.conf")).unwrap();
    let root = format!("--root={}", folder.path().display());
    let output = Command::new("systemd-analyze").args([&root, "cat-config", "sysctl.d"]).output();
    // The judge is systemd; where it is not installed there is nothing to compare with.
    let Ok(output) = output else { return };
    if !output.status.success() {
        return;
    }
    let text = String::from_utf8(output.stdout).unwrap();
    let theirs: Vec<&str> = text.lines().filter(|line| line.starts_with("vm.")).collect();
    let ours = super::super::layered::files(
        &crate::root::Root::new(folder.path()),
        "sysctl.d",
        ".conf",
        &mut Vec::new(),
    )
    .unwrap();
    let ours: Vec<&str> = ours.iter().map(|file| file.text.as_str()).collect();
    assert_eq!(ours, theirs);
}
