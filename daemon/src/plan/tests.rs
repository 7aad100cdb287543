//! Plans of profiles on small trees.

use super::*;
use crate::profile::Library;

/// A tree with two disks, a card and the given files; its profile `test` is `text`.
fn planned(files: &[(&str, &str)], machine: &str, text: &str) -> Plan {
    let (folder, root) = tree(files);
    let put = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    put("etc/diapason/machine.toml", machine);
    put("etc/diapason/profiles/base.toml", BASE);
    put("etc/diapason/profiles/test.toml", text);
    let profile = Library::new(&root).load("test").unwrap_or_else(|error| panic!("{error}"));
    let host = Host::read(&root).unwrap();
    let before = crate_tree(folder.path());
    let plan = Plan::make(&profile, &host, &root).unwrap();
    assert_eq!(plan, Plan::make(&profile, &host, &root).unwrap(), "a plan is a function of what it reads");
    assert_eq!(before, crate_tree(folder.path()), "a plan writes nothing");
    plan
}

fn tree(files: &[(&str, &str)]) -> (tempfile::TempDir, Root) {
    let folder = tempfile::tempdir().unwrap();
    let standard = [
        ("proc/sys/vm/swappiness", "60\n"),
        ("proc/sys/vm/stat_interval", "1\n"),
        ("proc/sys/vm/min_free_kbytes", "67584\n"),
        ("proc/meminfo", "MemTotal: 8388608 kB\nMemAvailable: 4000000 kB\n"),
        (
            "proc/cpuinfo",
            "processor : 0\nvendor_id : GenuineIntel\nflags : fpu hypervisor\n\nprocessor : 1\n",
        ),
        ("proc/sys/kernel/osrelease", "6.1.0\n"),
        ("sys/block/sda/queue/scheduler", "none [mq-deadline] bfq\n"),
        ("sys/block/sda/queue/rotational", "1\n"),
        ("sys/block/sdb/queue/scheduler", "none [mq-deadline]\n"),
        ("sys/block/sdb/queue/rotational", "0\n"),
    ];
    for (path, text) in standard.iter().chain(files) {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let root = Root::new(folder.path());
    (folder, root)
}

fn crate_tree(folder: &std::path::Path) -> std::collections::BTreeMap<std::path::PathBuf, Vec<u8>> {
    let mut found = std::collections::BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.clone(), std::fs::read(path).unwrap());
            }
        }
    }
    found
}

const SAID: &str = "reason = \"r\"\nsource = \"s\"\n";
const BASE: &str = "summary = \"b\"\n[knob.\"vm.swappiness\"]\nvalue = 30\nreason = \"r\"\nsource = \"s\"\n";

fn told(plan: &Plan) -> Vec<String> {
    let change = |change: &Change| format!("{} -> {} {:?}", change.knob, change.wanted, change.state);
    let passed = |passed: &Passed| format!("{} {:?}: {}", passed.knob, passed.because, passed.detail);
    plan.changes.iter().map(change).chain(plan.passed.iter().map(passed)).collect()
}

#[test]
fn a_condition_chooses_between_layers() {
    let top = |fact: &str| {
        format!(
            "summary = \"t\"\ninclude = \"base\"\n[when.c]\n{fact}\n[when.c.knob.\"vm.swappiness\"]\nvalue = 1\n{SAID}"
        )
    };
    assert_eq!(
        told(&planned(&[], "", &top("virtualisation = \"any\""))),
        ["vm.swappiness -> 1 Change"],
        "the layer above replaces the one below where it holds"
    );
    assert_eq!(
        told(&planned(&[], "", &top("cpu_vendor = \"amd\""))),
        [
            "vm.swappiness -> 30 Change",
            "vm.swappiness Condition: cpu_vendor is intel, GenuineIntel, asked for amd"
        ]
    );
}

#[test]
fn the_machine_has_the_last_word() {
    let text =
        format!("summary = \"t\"\ninclude = \"base\"\n[knob.\"block.scheduler\"]\nvalue = \"none\"\n{SAID}");
    let machine = "[knob.\"vm.swappiness\"]\nvalue = 5\nreason = \"measured\"\n\
                   [knob.\"vm.stat_interval\"]\nvalue = 20\nreason = \"measured\"\n\
                   [[never]]\ndevice = \"sdb\"\nreason = \"it is fragile\"\n";
    assert_eq!(
        told(&planned(&[], machine, &text)),
        [
            "vm.swappiness -> 5 Change",
            "vm.stat_interval -> 20 Change",
            "block.sda.scheduler -> none Change",
            "block.sdb.scheduler Never: never on this machine: it is fragile",
        ]
    );
}

#[test]
fn values_in_the_words_of_a_profile() {
    let text = format!(
        "summary = \"t\"\n[knob.\"vm.min_free_kbytes\"]\nat_least = \"1% memory\"\n{SAID}\
         [[knob.\"block.scheduler\"]]\none_of = [\"kyber\", \"bfq\", \"mq-deadline\"]\ndisks = \"rotational\"\n{SAID}\
         [[knob.\"block.scheduler\"]]\none_of = [\"kyber\", \"none\"]\ndisks = \"solid-state\"\n{SAID}"
    );
    assert_eq!(
        told(&planned(&[], "", &text)),
        [
            "vm.min_free_kbytes -> 82944 Change",
            "block.sda.scheduler -> mq-deadline Already",
            "block.sdb.scheduler -> none Change",
        ]
    );
}

#[test]
fn processors_by_role() {
    let mut files = vec![
        ("sys/devices/system/cpu/online".to_owned(), "0-3\n".to_owned()),
        ("proc/irq/default_smp_affinity".to_owned(), "f\n".to_owned()),
        ("sys/devices/system/cpu/possible".to_owned(), "0-3\n".to_owned()),
    ];
    for cpu in 0..4 {
        let at = |leaf: &str| format!("sys/devices/system/cpu/cpu{cpu}/{leaf}");
        files.push((at("power/pm_qos_resume_latency_us"), "0\n".to_owned()));
        files.push((at("topology/core_cpus_list"), format!("{cpu}\n")));
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let text = format!(
        "summary = \"t\"\n[knob.\"cpu.pm_qos_resume_latency_us\"]\nvalue = \"n/a\"\non = \"isolated\"\n{SAID}\
         [knob.\"irq.default_smp_affinity\"]\nvalue = \"housekeeping\"\n{SAID}"
    );
    let told = |machine: &str| told(&planned(&files, machine, &text));
    assert_eq!(
        told("[cpus]\nisolated = \"2-3\"\n"),
        [
            "cpu.cpu2.pm_qos_resume_latency_us -> n/a Change",
            "cpu.cpu3.pm_qos_resume_latency_us -> n/a Change",
            "irq.default_smp_affinity -> 0-1 Change",
        ]
    );
    assert_eq!(
        told("[cpus]\nisolated = \"\"\n"),
        [
            "irq.default_smp_affinity -> 0-3 Already",
            "cpu.pm_qos_resume_latency_us Role: no processor of this machine has the role isolated; give it some in \
             /etc/diapason/machine.toml",
        ]
    );
}

#[test]
fn an_action_is_refused() {
    let text = format!("summary = \"t\"\n[knob.\"vm.drop_caches\"]\nvalue = 3\n{SAID}");
    assert_eq!(planned(&[("proc/sys/vm/drop_caches", "0\n")], "", &text).obstacles().count(), 1);
}

#[test]
fn a_gate_refuses_or_defers_what_disturbs() {
    let files = [("sys/block/zram0/disksize", "0\n"), ("sys/block/zram0/comp_algorithm", "[lzo-rle] zstd\n")];
    let text =
        format!("summary = \"t\"\ninclude = \"base\"\n[knob.\"swap.zram\"]\nvalue = \"zstd 50%\"\n{SAID}");
    let plan = planned(&files, "", &text);
    assert_eq!(plan.disruptive().count(), 1);
    let gated = |gate| told(&plan.clone().gated(gate, &[]));
    let others = "vm.swappiness -> 30 Change";
    assert_eq!(gated(Gate::Allow), [others, "swap.zram -> zstd 4294967296 100 Change"]);
    assert_eq!(gated(Gate::Refuse), [others, "swap.zram -> zstd 4294967296 100 Refused"]);
    assert_eq!(gated(Gate::Defer), [others, "swap.zram -> off lzo-rle Already"]);
    // What would be given back to its original counts as well.
    let held = Change { knob: "swap.file".into(), ..plan.disruptive().next().unwrap().clone() };
    assert_eq!(plan.clone().gated(Gate::Refuse, std::slice::from_ref(&held)).obstacles().count(), 2);
    assert_eq!(plan.gated(Gate::Defer, &[held]).pending().count(), 1);
}
