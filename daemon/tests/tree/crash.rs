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
