//! A machine on which everybody has a say.

use super::*;
use crate::profile::Library;

fn machine() -> (tempfile::TempDir, Root) {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in [
        ("proc/sys/vm/swappiness", "60\n"),
        ("proc/sys/vm/dirty_ratio", "20\n"),
        ("proc/sys/vm/dirty_bytes", "0\n"),
        ("proc/sys/vm/stat_interval", "1\n"),
        ("proc/sys/vm/max_map_count", "65530\n"),
        ("proc/cmdline", "quiet transparent_hugepage=always\n"),
        ("sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n"),
        ("sys/block/sda/queue/scheduler", "none [mq-deadline]\n"),
        ("sys/block/sda/queue/rotational", "1\n"),
        ("etc/sysctl.d/50-a.conf", "vm.swappiness = 60\nvm.max_map_count = 1048576\n"),
        ("usr/lib/sysctl.d/60-b.conf", "vm.swappiness = 10\nvm.dirty_ratio = 5\nvm.dirty_bytes = 0\n"),
        ("etc/udev/rules.d/60-io.rules", "KERNEL==\"sd*\", ATTR{queue/scheduler}=\"bfq\"\n"),
        ("etc/tmpfiles.d/thp.conf", "w /sys/kernel/mm/transparent_hugepage/enabled - - - - madvise\n"),
        ("etc/tuned/active_profile", "mine\n"),
        ("etc/tuned/mine/tuned.conf", "[sysctl]\nvm.stat_interval=10\n"),
        ("proc/4711/comm", "tuned\n"),
        (
            "etc/diapason/profiles/test.toml",
            "summary = \"t\"\n\
             [knob.\"vm.swappiness\"]\nvalue = 10\nreason = \"r\"\nsource = \"s\"\n\
             [knob.\"vm.dirty\"]\nvalue = \"ratio 40\"\nreason = \"r\"\nsource = \"s\"\n\
             [knob.\"vm.stat_interval\"]\nvalue = 30\nreason = \"r\"\nsource = \"s\"\n\
             [knob.\"hugepages.enabled\"]\nvalue = \"never\"\nreason = \"r\"\nsource = \"s\"\n",
        ),
    ] {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let root = Root::new(folder.path());
    (folder, root)
}

#[test]
fn who_says_what_and_who_wins() {
    let (_folder, root) = machine();
    let host = Host::read(&root).unwrap();
    let all = Conflicts::find(&root, &host, None).unwrap();
    let told: Vec<_> = all.contests.iter().map(|one| (one.knob.as_str(), one.outcome.as_str())).collect();
    assert_eq!(
        told,
        [
            (
                "hugepages.enabled",
                "tmpfiles.d has the last word at boot: madvise (/etc/tmpfiles.d/thp.conf:1)"
            ),
            ("vm.swappiness", "sysctl.d has the last word at boot: 10 (/usr/lib/sysctl.d/60-b.conf:1)"),
            (
                "vm.stat_interval",
                "service has the last word at boot: 10 (tuned, /etc/tuned/mine/tuned.conf:2)"
            ),
            ("vm.max_map_count", "sysctl.d has the last word at boot: 1048576 (/etc/sysctl.d/50-a.conf:2)"),
            ("vm.dirty", "sysctl.d has the last word at boot: ratio 5 (/usr/lib/sysctl.d/60-b.conf:2)"),
            ("block.sda.scheduler", "udev has the last word at boot: bfq (/etc/udev/rules.d/60-io.rules:1)"),
        ]
    );
    assert_eq!((all.rivals[0].name.as_str(), &all.rivals[0].pids[..]), ("tuned", &[4711][..]));
    let replaced: Vec<bool> =
        all.about("vm.swappiness")[0].claims.iter().map(|claim| claim.replaced).collect();
    assert_eq!(replaced, [true, false]);
}

#[test]
fn beside_a_profile() {
    let (_folder, root) = machine();
    let host = Host::read(&root).unwrap();
    let profile = Library::new(&root).load("test").unwrap();
    let plan = Plan::make(&profile, &host, &root).unwrap();
    let found = Conflicts::find(&root, &host, Some(&plan)).unwrap();
    let told: Vec<_> = found.contests.iter().map(|one| (one.knob.as_str(), one.verdict)).collect();
    assert_eq!(
        told,
        [
            ("hugepages.enabled", Verdict::OursAtBoot),
            ("vm.swappiness", Verdict::Agree),
            ("vm.stat_interval", Verdict::Race),
            ("vm.dirty", Verdict::OursAtBoot),
        ]
    );
    assert!(found.is_contested());
    let text = serde_json::to_string(&found).unwrap();
    assert_eq!(serde_json::from_str::<Conflicts>(&text).unwrap(), found);
}
