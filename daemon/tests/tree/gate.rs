//! A switch behind a gate: what disturbs is refused with everything else, or left for later and not forgotten.

use std::path::Path;

use diapason_daemon::apply::report::{ApplyReport, Ending, Fate};
use diapason_daemon::apply::verify;
use diapason_daemon::host::Host;
use diapason_daemon::plan::{Gate, Plan};
use diapason_daemon::profile::Library;
use diapason_daemon::switch::{Switch, back};

use crate::case::{Machine, cases, differences};

/// As the daemon does it.
fn apply(machine: &Machine, profile: &Path, gate: Gate) -> ApplyReport {
    let plan = planned(machine, profile);
    let mut tuning = machine.open(None).unwrap();
    let status = tuning.status(&[]);
    let told: Vec<String> =
        Switch::over(plan.clone(), &status).writes().map(|change| change.knob.clone()).collect();
    let held = back(&plan, &status.held);
    let report = tuning.apply(&plan.gated(gate, &held)).unwrap();
    if gate == Gate::Allow {
        let is_written = |fate| matches!(fate, Fate::Written | Fate::Restored);
        let written = report.outcomes.iter().filter(|outcome| is_written(outcome.fate));
        let mut written: Vec<String> = written.map(|outcome| outcome.knob.clone()).collect();
        let mut told = told;
        written.sort();
        told.sort();
        assert_eq!(written, told, "what was told beforehand is what was written");
    }
    report
}

fn planned(machine: &Machine, profile: &Path) -> Plan {
    let (root, tuning) = (machine.root(), machine.open(None).unwrap());
    let profile = Library::new(&root).load(profile.to_str().unwrap()).unwrap();
    let held = |knob: &str| tuning.journal().ledger().held(knob).map(|held| held.original.clone());
    Plan::over(&profile, &Host::read(&root).unwrap(), &root, &held).unwrap()
}

#[test]
fn what_disturbs_is_refused_or_left_for_later() {
    let case = cases().into_iter().find(|case| case.ends_with("04-swap")).unwrap();
    let machine = Machine::of(&case);
    let before = machine.tree();
    let other = machine.prefix.join("other.toml");
    let text = "summary = \"o\"\n[knob.\"vm.swappiness\"]\nvalue = 1\nreason = \"r\"\nsource = \"s\"\n\
                [knob.\"swap.zram\"]\nvalue = \"lz4 1GiB\"\nreason = \"r\"\nsource = \"s\"\n";
    assert_eq!(apply(&machine, &case.join("profile.toml"), Gate::Allow).ending, Ending::Applied);
    std::fs::write(&other, text).unwrap();
    let tuned = machine.tree();

    // The other profile changes one disruptive knob and would give two others back.
    let refused = apply(&machine, &other, Gate::Refuse);
    assert_eq!((refused.ending, refused.outcomes.len()), (Ending::Refused, 3), "{refused:?}");
    assert_eq!(differences(&tuned, &machine.tree()), "", "nothing was written");

    let deferred = apply(&machine, &other, Gate::Defer);
    assert_eq!(deferred.ending, Ending::Applied, "{deferred:?}");
    let read = |path: &str| std::fs::read_to_string(machine.prefix.join(path)).unwrap();
    assert_eq!(read("proc/sys/vm/swappiness").trim(), "1");
    assert_eq!(read("proc/sys/vm/page-cluster").trim(), "3", "what does not disturb was given back");
    assert_eq!(read("proc/swaps").matches("zram0").count(), 1);
    let left = verify(&planned(&machine, &other));
    assert!(!left.holds, "what was deferred is named as differing");

    let rest = apply(&machine, &other, Gate::Allow);
    assert_eq!(rest.ending, Ending::Applied, "{rest:?}");
    assert!(verify(&planned(&machine, &other)).holds);
    assert!(machine.rollback().complete);
    std::fs::remove_file(&other).unwrap();
    let order = |tree: crate::case::Tree| -> crate::case::Tree {
        tree.into_iter().filter(|(path, _)| !path.starts_with("dev")).collect()
    };
    assert_eq!(differences(&order(before), &order(machine.tree())), "");
}
