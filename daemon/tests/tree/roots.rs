//! Each case: plan, apply, verify, apply again, roll back.

use std::path::Path;

use diapason_daemon::apply::report::{Ending, Fate};
use diapason_daemon::apply::verify;
use diapason_daemon::plan::State;

use crate::case::{Machine, Tree, cases, differences, tree};

/// The plan as lines: knob, current value, wanted value, state, detail. What a person would check by hand.
fn told(machine: &Machine, profile: &Path) -> String {
    let plan = machine.plan(profile);
    let line = |change: &diapason_daemon::plan::Change| {
        let short = |text: &str| text.lines().next().unwrap_or_default().to_owned();
        let current = change.current.as_deref().map_or("-".to_owned(), short);
        let state = serde_json::to_value(change.state).unwrap();
        let detail = change.detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
        format!(
            "{}: {current} -> {}, {}{detail}\n",
            change.knob,
            short(&change.wanted),
            state.as_str().unwrap()
        )
    };
    plan.changes.iter().map(line).collect()
}

#[test]
fn every_case_does_what_it_says_and_comes_back() {
    for case in cases() {
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let (machine, profile) = (Machine::of(&case), case.join("profile.toml"));
        let before = machine.tree();

        let report = std::fs::read_to_string(case.join("report.txt")).unwrap_or_default();
        assert_eq!(told(&machine, &profile), report, "{name}: plan");
        assert_eq!(differences(&before, &machine.tree()), "", "{name}: a plan writes nothing");

        let applied = machine.apply(&profile);
        let refused = machine.plan(&profile).obstacles().count() > 0;
        assert_eq!(
            applied.ending,
            if refused { Ending::Refused } else { Ending::Applied },
            "{name}: {applied:?}"
        );
        let mut expected = before.clone();
        for (path, content) in tree(&case.join("expected")) {
            expected.insert(path, content);
        }
        // What a swap area looks like inside is tested by its knob.
        let inside =
            |tree: &Tree| -> Tree { tree.clone().into_iter().filter(|(path, _)| !is_swap(path)).collect() };
        assert_eq!(differences(&inside(&expected), &inside(&machine.tree())), "", "{name}: applied");

        if !refused {
            let verified = verify(&machine.plan(&profile));
            assert!(verified.holds, "{name}: {verified:?}");
            let plan = machine.plan(&profile);
            assert_eq!(
                plan.changes.iter().filter(|change| change.state == State::Change).count(),
                0,
                "{name}"
            );
            let again = machine.apply(&profile);
            assert!(again.outcomes.iter().all(|outcome| outcome.fate != Fate::Written), "{name}: {again:?}");
        }
        let back = machine.rollback();
        assert!(back.complete, "{name}: {back:?}");
        assert_eq!(differences(&before, &machine.tree()), "", "{name}: rolled back");
        assert_eq!(machine.open(None).unwrap().journal().ledger().held, [], "{name}");
    }
}

fn is_swap(path: &Path) -> bool {
    let names =
        ["dev/zram0", "var/lib/diapason/swap", "sys/block/zram0", "proc/swaps", "proc/sys/vm/page-cluster"];
    names.iter().any(|name| path.starts_with(name))
}

#[test]
fn swap_is_where_the_profile_wants_it() {
    let case = cases().into_iter().find(|case| case.ends_with("04-swap")).unwrap();
    let machine = Machine::of(&case);
    machine.apply(&case.join("profile.toml"));
    let swaps = std::fs::read_to_string(machine.prefix.join("proc/swaps")).unwrap();
    let lines: Vec<_> = swaps.lines().skip(1).collect();
    assert_eq!(lines, ["/dev/zram0 partition 2097148 0 100", "/var/lib/diapason/swap file 65532 0 10"]);
}

#[test]
fn a_switch_writes_only_what_differs() {
    for case in cases().into_iter().filter(|case| case.join("second.toml").exists()) {
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let (machine, straight) = (Machine::of(&case), Machine::of(&case));
        let before = machine.tree();
        machine.apply(&case.join("profile.toml"));
        let first = machine.tree();
        let switched = machine.apply(&case.join("second.toml"));
        assert_eq!(switched.ending, Ending::Applied, "{name}: {switched:?}");
        for outcome in
            switched.outcomes.iter().filter(|outcome| matches!(outcome.fate, Fate::Written | Fate::Restored))
        {
            assert_ne!(outcome.before, outcome.after, "{name}: {outcome:?}");
        }
        // The machine is as if only the second profile had ever been applied.
        straight.apply(&case.join("second.toml"));
        assert_eq!(differences(&straight.tree(), &machine.tree()), "", "{name}: switched");
        machine.apply(&case.join("profile.toml"));
        assert_eq!(differences(&first, &machine.tree()), "", "{name}: switched back");
        assert!(machine.rollback().complete);
        assert_eq!(differences(&before, &machine.tree()), "", "{name}: rolled back");
    }
}

#[test]
fn what_somebody_else_set_is_kept() {
    let case = cases().into_iter().find(|case| case.ends_with("01-sysctl")).unwrap();
    let machine = Machine::of(&case);
    machine.apply(&case.join("profile.toml"));
    std::fs::write(machine.prefix.join("proc/sys/vm/swappiness"), "33\n").unwrap();
    let status = machine.open(None).unwrap().status(&[]);
    let drifted: Vec<_> =
        status.held.iter().filter(|held| held.drifted).map(|held| held.knob.as_str()).collect();
    assert_eq!(drifted, ["vm.swappiness"]);
    let back = machine.rollback();
    let swappiness = back.outcomes.iter().find(|outcome| outcome.knob == "vm.swappiness").unwrap();
    assert_eq!((swappiness.fate, swappiness.after.as_deref()), (Fate::Foreign, Some("33")));
    assert!(back.complete);
    let read = |file: &str| std::fs::read_to_string(machine.prefix.join(file)).unwrap();
    assert_eq!(read("proc/sys/vm/swappiness"), "33\n");
    assert_eq!(read("proc/sys/net/ipv4/tcp_rmem"), "4096\t131072\t6291456\n");
}

#[test]
fn another_disk_of_the_same_name_is_left_alone() {
    let case = cases().into_iter().find(|case| case.ends_with("02-disks")).unwrap();
    let machine = Machine::of(&case);
    machine.apply(&case.join("profile.toml"));
    std::fs::write(machine.prefix.join("sys/block/sda/diskseq"), "8\n").unwrap();
    let back = machine.rollback();
    let gone = back.outcomes.iter().filter(|outcome| outcome.fate == Fate::Gone);
    assert!(
        gone.clone().count() >= 3 && gone.clone().all(|outcome| outcome.knob.contains(".sda.")),
        "{back:?}"
    );
    let scheduler = std::fs::read_to_string(machine.prefix.join("sys/block/sda/queue/scheduler")).unwrap();
    assert_eq!(scheduler, "none [mq-deadline] bfq \n");
}

#[test]
fn a_renamed_interface_takes_its_original_along() {
    let case = cases().into_iter().find(|case| case.ends_with("20-bare-metal")).unwrap();
    let rename = |machine: &Machine, from: &str, to: &str| {
        for folder in ["sys/class/net", "netlink/ethtool", "netlink/route"] {
            let at = |name: &str| machine.prefix.join(folder).join(name);
            std::fs::rename(at(from), at(to)).unwrap();
        }
    };
    let (device, new) = ("enp1s0f0np0", "lan0");
    for is_running in [true, false] {
        let machine = Machine::of(&case);
        let before = machine.tree();
        machine.apply(&case.join("profile.toml"));
        let mut tuning = machine.open(None).unwrap();
        let count = |tuning: &diapason_daemon::apply::Tuning, name: &str| {
            let held = &tuning.journal().ledger().held;
            held.iter().filter(|held| held.knob.starts_with(&format!("nic.{name}."))).count()
        };
        let held = count(&tuning, device);
        assert!(held > 8, "{held}");
        if is_running {
            rename(&machine, device, new);
            let moved = tuning.follow_names().unwrap();
            assert_eq!((moved.len(), count(&tuning, device), count(&tuning, new)), (held, 0, held));
            assert_eq!(tuning.close_gone().unwrap(), Vec::<String>::new());
        } else {
            drop(tuning);
            rename(&machine, device, new);
            tuning = machine.open(None).unwrap();
            assert_eq!((count(&tuning, device), count(&tuning, new)), (0, held), "{:?}", tuning.found());
        }
        let report = tuning.rollback().unwrap();
        assert!(
            report.complete && report.outcomes.iter().all(|outcome| outcome.fate != Fate::Gone),
            "{report:?}"
        );
        rename(&machine, new, device);
        assert_eq!(differences(&before, &machine.tree()), "");
    }
}

#[test]
fn two_interfaces_that_exchange_their_names_keep_their_originals() {
    let case = cases().into_iter().find(|case| case.ends_with("20-bare-metal")).unwrap();
    let machine = Machine::of(&case);
    let at = |folder: &str, name: &str| machine.prefix.join(folder).join(name);
    let folders = ["sys/class/net", "netlink/ethtool", "netlink/route"];
    for (name, value, index) in [("one", "10", "11"), ("two", "20", "12")] {
        for folder in folders {
            std::fs::create_dir_all(at(folder, name)).unwrap();
        }
        std::fs::write(at("sys/class/net", name).join("gro_flush_timeout"), format!("{value}\n")).unwrap();
        std::fs::write(at("sys/class/net", name).join("ifindex"), format!("{index}\n")).unwrap();
    }
    let profile = machine.prefix.with_file_name("both.toml");
    let text =
        "summary = \"s\"\n[knob.\"nic.gro_flush_timeout\"]\nvalue = 500\nreason = \"r\"\nsource = \"s\"\n";
    std::fs::write(&profile, text).unwrap();
    let before = machine.tree();
    machine.apply(&profile);
    let exchange = || {
        for folder in folders {
            std::fs::rename(at(folder, "one"), at(folder, "aside")).unwrap();
            std::fs::rename(at(folder, "two"), at(folder, "one")).unwrap();
            std::fs::rename(at(folder, "aside"), at(folder, "two")).unwrap();
        }
    };
    exchange();
    let report = machine.rollback();
    assert!(report.complete, "{report:?}");
    exchange();
    assert_eq!(differences(&before, &machine.tree()), "");
}

#[test]
fn after_a_restart_of_the_machine_our_files_can_still_be_taken_away() {
    let case = cases().into_iter().find(|case| case.ends_with("04-swap")).unwrap();
    let machine = Machine::of(&case);
    let before = machine.tree();
    machine.apply(&case.join("profile.toml"));
    // What a boot brings back is as before; the swap file is there and not in use.
    for (path, content) in &before {
        if let Some(bytes) = content {
            std::fs::write(machine.prefix.join(path), bytes).unwrap();
        }
    }
    let file = machine.prefix.join("var/lib/diapason/swap");
    assert!(file.exists());
    let mut tuning = machine.open_in("another boot", None).unwrap();
    let held: Vec<_> = tuning.journal().ledger().held.iter().map(|held| held.knob.clone()).collect();
    assert_eq!(held, ["swap.file"]);
    let report = tuning.rollback().unwrap();
    assert!(report.complete, "{report:?}");
    assert_eq!(differences(&before, &machine.tree()), "");
}
