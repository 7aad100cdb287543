//! The detectors of stuck CPUs: /proc/sys/kernel/{watchdog,soft_watchdog,nmi_watchdog}.
//!
//! Three switches that are not what they look like. `watchdog` is both detectors at once. And to read one of the files
//! while its detector does not run makes the kernel forget that it was wanted: `echo 0 > watchdog; cat
//! soft_watchdog; echo 1 > watchdog` leaves all of them off, and so does any order of writes with a read after each
//! (met on Linux 6.1 by the exam in a guest). So a write here says everything anew, the detectors that shall
//! run first and the common switch last, and reads nothing in between.
//!
//! Source: kernel `kernel/watchdog.c` (`proc_watchdog_common`, `lockup_detector_update_enable`).

use super::spec::{Risk, Spec};
use super::{Form, Knob, KnobError};
use crate::root::Root;

const SOURCE: &str = "kernel Documentation/admin-guide/sysctl/kernel.rst";
const BOTH: &str = "/proc/sys/kernel/watchdog";
const SOFT: &str = "/proc/sys/kernel/soft_watchdog";
const HARD: &str = "/proc/sys/kernel/nmi_watchdog";

/// The common switch first: what it changes along the way is brought back by the other two, and of these the one
/// that may start to run before the one that may stop.
pub(super) static KNOBS: &[&dyn Knob] = &[
    &Watchdog {
        spec: Spec::new("kernel.watchdog", Form::flag())
            .why("the detectors of stuck CPUs, a timer on each CPU")
            .risk(Risk::Medium, "hangs are not reported; 1 where both are off switches on the one that needs no performance counter")
            .from(SOURCE)
            .disturbs(&["kernel.nmi_watchdog", "kernel.soft_watchdog"]),
        which: Which::Both,
    },
    &Watchdog {
        spec: Spec::new("kernel.nmi_watchdog", Form::flag())
            .why("the detector of hard lock-ups, which takes a performance counter")
            .risk(Risk::Medium, "hard lock-ups are not reported")
            .from(SOURCE)
            .disturbs(&["kernel.watchdog"]),
        which: Which::Hard,
    },
    &Watchdog {
        spec: Spec::new("kernel.soft_watchdog", Form::flag())
            .why("the detector of CPUs that no longer schedule")
            .risk(Risk::Medium, "such hangs are not reported")
            .from(SOURCE)
            .disturbs(&["kernel.watchdog"]),
        which: Which::Soft,
    },
];

#[derive(Clone, Copy)]
enum Which {
    Both,
    Soft,
    Hard,
}

struct Watchdog {
    spec: Spec,
    which: Which,
}

fn runs(root: &Root, path: &str) -> Result<Option<bool>, KnobError> {
    Ok(root.read(path)?.map(|text| text.trim() == "1"))
}

/// Switches to these detectors.
fn switch(root: &Root, soft: bool, hard: bool) -> Result<(), KnobError> {
    if !soft && !hard {
        return Ok(root.write(BOTH, "0")?);
    }
    let now = [(SOFT, soft), (HARD, hard)].map(|(path, wanted)| (path, wanted, runs(root, path)));
    for starts in [true, false] {
        for (path, wanted, now) in &now {
            // Without the hardware a write of the hard detector's own 0 is refused, so only a change is written.
            let differs = now.as_ref().is_ok_and(|now| now.is_some_and(|now| now != *wanted));
            if *wanted == starts && differs {
                root.write(path, if *wanted { "1" } else { "0" })?;
            }
        }
    }
    Ok(root.write(BOTH, "1")?)
}

impl Knob for Watchdog {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn targets(&self, _root: &Root) -> Result<Vec<String>, KnobError> {
        Ok(vec![String::new()])
    }

    fn read(&self, root: &Root, _target: &str) -> Result<Option<String>, KnobError> {
        let value = match self.which {
            Which::Soft => runs(root, SOFT)?,
            Which::Hard => runs(root, HARD)?,
            Which::Both => match (runs(root, SOFT)?, runs(root, HARD)?) {
                (None, None) => runs(root, BOTH)?,
                (soft, hard) => Some(soft == Some(true) || hard == Some(true)),
            },
        };
        Ok(value.map(|runs| u8::from(runs).to_string()))
    }

    fn settle(&self, _root: &Root, _target: &str, asked: &str) -> Result<String, KnobError> {
        Ok(self.spec.form.canonical(asked)?)
    }

    fn write(&self, root: &Root, _target: &str, value: &str) -> Result<(), KnobError> {
        let on = self.spec.form.canonical(value)? == "1";
        let (soft, hard) = (runs(root, SOFT)?, runs(root, HARD)?);
        let is_on = |detector: Option<bool>| detector == Some(true);
        match self.which {
            Which::Both if soft.is_none() && hard.is_none() => Ok(root.write(BOTH, value)?),
            Which::Both if on && (is_on(soft) || is_on(hard)) => Ok(()),
            Which::Both => switch(root, on && soft.is_some(), on && soft.is_none()),
            Which::Soft => switch(root, on, is_on(hard)),
            Which::Hard => switch(root, is_on(soft), on),
        }
    }

    fn files(&self, _target: &str) -> Vec<String> {
        [BOTH, SOFT, HARD].map(str::to_owned).to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_pair_of_detectors_follows_any_other() {
        let tree = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(tree.path().join("proc/sys/kernel")).unwrap();
        for name in ["watchdog", "soft_watchdog", "nmi_watchdog"] {
            std::fs::write(tree.path().join("proc/sys/kernel").join(name), "0\n").unwrap();
        }
        let root = Root::new(tree.path());
        let read = || KNOBS.iter().map(|knob| knob.read(&root, "").unwrap().unwrap()).collect::<String>();
        // Common, hard, soft.
        let states = ["000", "110", "101", "111"];
        for from in states {
            for to in states {
                for state in [from, to] {
                    // As a rollback does: one knob after the other, each read before and after.
                    for (knob, value) in KNOBS.iter().zip(state.chars()) {
                        if knob.read(&root, "").unwrap() != Some(value.to_string()) {
                            knob.write(&root, "", &value.to_string()).unwrap();
                        }
                    }
                }
                assert_eq!(read(), to, "from {from}");
            }
        }
    }
}
