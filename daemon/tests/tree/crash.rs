//! The crash matrix: an operation is broken at each of its changes, then the machine is taken over and rolled
//! back, and has to be what it was, byte for byte.

use std::path::Path;
use std::sync::Arc;

use diapason_daemon::apply::report::Ending;
use diapason_daemon::root::{Break, Fuse};

use crate::case::{Machine, cases, differences};

/// Runs `operation` on a new machine, broken at the change `at`; false when it has fewer changes than that.
fn broken(machine: &Machine, at: u64, kind: Break, operation: &dyn Fn(&Machine, &Arc<Fuse>)) -> bool {
    let fuse = Arc::new(Fuse::new(at, kind));
    operation(machine, &fuse);
    fuse.changes() > at
}

fn apply(profile: &Path) -> impl Fn(&Machine, &Arc<Fuse>) {
    move |machine, fuse| {
        let plan = machine.plan(profile);
        if let Ok(mut tuning) = machine.open(Some(fuse)) {
            let _ = tuning.apply(&plan);
        }
    }
}

fn rollback(machine: &Machine, fuse: &Arc<Fuse>) {
    if let Ok(mut tuning) = machine.open(Some(fuse)) {
        let _ = tuning.rollback();
    }
}

fn comes_back(machine: &Machine, before: &crate::case::Tree, what: &str) {
    let report = machine.rollback();
    assert!(report.complete, "{what}: {report:?}");
    assert_eq!(differences(before, &machine.tree()), "", "{what}");
    let again = machine.rollback();
    assert!(again.outcomes.is_empty(), "{what}: a second rollback has nothing to do: {again:?}");
}

#[test]
fn apply_dies_anywhere() {
    for case in cases() {
        for kind in [Break::Die, Break::DieTorn] {
            for at in 0.. {
                let machine = Machine::of(&case);
                let before = machine.tree();
                let what = format!("{} {kind:?} {at}", case.display());
                let more = broken(&machine, at, kind, &apply(&case.join("profile.toml")));
                // The start alone undoes an apply that was not finished, unless it had committed already.
                let committed = machine.open(None).unwrap().profile().is_some();
                if !committed {
                    assert_eq!(differences(&before, &machine.tree()), "", "{what}: after recovery");
                }
                comes_back(&machine, &before, &what);
                if !more {
                    break;
                }
            }
        }
    }
}

#[test]
fn one_refused_write_undoes_everything() {
    for case in cases() {
        for at in 0.. {
            let machine = Machine::of(&case);
            let before = machine.tree();
            let what = format!("{} refused at {at}", case.display());
            let plan = machine.plan(&case.join("profile.toml"));
            let fuse = Arc::new(Fuse::new(at, Break::Refuse));
            let report = machine.open(Some(&fuse)).ok().and_then(|mut tuning| tuning.apply(&plan).ok());
            match report.map(|report| report.ending) {
                // The refusal hit an optional knob, or the journal after the end.
                Some(Ending::Applied | Ending::Refused) => {}
                Some(Ending::Undone) | None => {
                    assert_eq!(differences(&before, &machine.tree()), "", "{what}");
                }
                Some(Ending::Stuck) => panic!("{what}: one refusal cannot stop the undo as well"),
            }
            comes_back(&machine, &before, &what);
            if fuse.changes() <= at {
                break;
            }
        }
    }
}

#[test]
fn rollback_dies_anywhere() {
    for case in cases() {
        for at in 0.. {
            let machine = Machine::of(&case);
            let before = machine.tree();
            machine.apply(&case.join("profile.toml"));
            let more = broken(&machine, at, Break::DieTorn, &rollback);
            comes_back(&machine, &before, &format!("{} rollback {at}", case.display()));
            if !more {
                break;
            }
        }
    }
}

#[test]
fn a_switch_dies_anywhere_and_recovery_dies_too() {
    for case in cases().into_iter().filter(|case| case.join("second.toml").exists()) {
        for at in 0.. {
            let machine = Machine::of(&case);
            let before = machine.tree();
            machine.apply(&case.join("profile.toml"));
            let first = machine.tree();
            let what = format!("{} switch {at}", case.display());
            let more = broken(&machine, at, Break::Die, &apply(&case.join("second.toml")));
            // A second crash while the first is undone, at a place that moves along.
            broken(&machine, at % 7, Break::DieTorn, &|machine, fuse| drop(machine.open(Some(fuse))));
            let tuning = machine.open(None).unwrap();
            let what = format!("{what} {:?}", tuning.found());
            let profile = tuning.profile().map(str::to_owned);
            drop(tuning);
            if profile.as_deref() == Some("profile") {
                assert_eq!(
                    differences(&first, &machine.tree()),
                    "",
                    "{what}: the first profile is in force again"
                );
            }
            comes_back(&machine, &before, &what);
            if !more {
                break;
            }
        }
    }
}

#[test]
fn recovery_dies_anywhere() {
    for case in cases().into_iter().filter(|case| case.ends_with("02-disks") || case.ends_with("04-swap")) {
        for at in 0.. {
            let mut more = false;
            for inner in 0.. {
                let machine = Machine::of(&case);
                let before = machine.tree();
                more = broken(&machine, at, Break::Die, &apply(&case.join("profile.toml")));
                let what = format!("{} dies at {at}, its recovery at {inner}", case.display());
                let again =
                    broken(&machine, inner, Break::DieTorn, &|machine, fuse| drop(machine.open(Some(fuse))));
                if machine.open(None).unwrap().profile().is_none() {
                    assert_eq!(differences(&before, &machine.tree()), "", "{what}");
                }
                comes_back(&machine, &before, &what);
                if !again {
                    break;
                }
            }
            if !more {
                break;
            }
        }
    }
}

#[test]
fn a_damaged_journal_stops_applying_and_loses_nothing_else() {
    let case = cases().into_iter().find(|case| case.ends_with("01-sysctl")).unwrap();
    let bytes = {
        let machine = Machine::of(&case);
        machine.apply(&case.join("profile.toml"));
        std::fs::read(machine.journal()).unwrap()
    };
    for at in (0..bytes.len()).step_by(5) {
        let machine = Machine::of(&case);
        let before = machine.tree();
        machine.apply(&case.join("profile.toml"));
        let mut damaged = std::fs::read(machine.journal()).unwrap();
        damaged[at] ^= 1 << (at % 8);
        std::fs::write(machine.journal(), damaged).unwrap();
        let mut tuning = machine.open(None).unwrap();
        assert!(!tuning.found().is_empty(), "byte {at}: nobody noticed");
        if tuning.journal().damaged() > 0 {
            let refused = tuning.apply(&machine.plan(&case.join("second.toml")));
            assert!(refused.unwrap_err().to_string().contains("roll back first"), "byte {at}");
        }
        drop(tuning);
        machine.rollback();
        // One flipped bit loses at most the records of two lines: at most one knob can stay.
        let left = differences(&before, &machine.tree()).lines().count();
        assert!(left <= 1, "byte {at}: {}", differences(&before, &machine.tree()));
        let applied = machine.apply(&case.join("second.toml"));
        assert_eq!(applied.ending, Ending::Applied, "byte {at}: a rollback clears the damage");
    }
}
