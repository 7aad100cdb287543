//! What a scheduler of disk requests lets itself be told: /sys/block/DEVICE/queue/iosched.
//!
//! The files belong to the scheduler and go with it, and one that comes starts with its own values. So each knob
//! knows its scheduler, and reads `not in force` while the disk has another one: then the values that a disk had
//! under its old scheduler are on record before the change, and come back with it.

use super::form::FormError;
use super::identity::Identity;
use super::spec::{Risk, Spec};
use super::{Form, Knob, KnobError};
use crate::root::Root;

const DEADLINE: &str = "kernel Documentation/block/deadline-iosched.rst";
const KYBER: &str = "kernel Documentation/block/kyber-iosched.rst";
const BFQ: &str = "kernel Documentation/block/bfq-iosched.rst";
const ABSENT: &str = "not in force";

const fn spec(name: &'static str, form: Form, source: &'static str) -> Spec {
    Spec::new(name, form).from(source).per_device(Identity::Disk, super::block::SKIPS)
}

/// The names of the knobs here: what changing the scheduler changes as well.
pub(super) const NAMES: [&str; 12] = [
    "block.iosched.read_expire",
    "block.iosched.write_expire",
    "block.iosched.writes_starved",
    "block.iosched.front_merges",
    "block.iosched.fifo_batch",
    "block.iosched.prio_aging_expire",
    "block.iosched.read_lat_nsec",
    "block.iosched.write_lat_nsec",
    "block.iosched.low_latency",
    "block.iosched.slice_idle",
    "block.iosched.strict_guarantees",
    "block.iosched.timeout_sync",
];

pub(super) static KNOBS: &[&dyn Knob] = &[
    &Tunable {
        spec: spec(NAMES[0], Form::integer(0, 600_000), DEADLINE)
            .why("after how long a read goes first, in milliseconds")
            .risk(Risk::Low, "a short time costs throughput on a disk that seeks"),
        scheduler: "mq-deadline",
        leaf: "read_expire",
    },
    &Tunable {
        spec: spec(NAMES[1], Form::integer(0, 600_000), DEADLINE)
            .why("after how long a write goes first, in milliseconds")
            .risk(Risk::Low, "a short time delays reads"),
        scheduler: "mq-deadline",
        leaf: "write_expire",
    },
    &Tunable {
        spec: spec(NAMES[2], Form::integer(0, 1_000_000), DEADLINE)
            .why("how often reads may go before writes that wait")
            .risk(Risk::Low, "a large number starves writers"),
        scheduler: "mq-deadline",
        leaf: "writes_starved",
    },
    &Tunable {
        spec: spec(NAMES[3], Form::flag(), DEADLINE)
            .why("whether a request may be joined to the front of another")
            .risk(Risk::Low, "0 spares a look-up that rarely finds anything"),
        scheduler: "mq-deadline",
        leaf: "front_merges",
    },
    &Tunable {
        spec: spec(NAMES[4], Form::integer(0, 1_000_000), DEADLINE)
            .why("how many requests go in a row before deadlines are looked at")
            .risk(Risk::Low, "1 is best for latency and costs throughput on a disk that seeks"),
        scheduler: "mq-deadline",
        leaf: "fifo_batch",
    },
    &Tunable {
        spec: spec(NAMES[5], Form::integer(0, 600_000), DEADLINE)
            .why("after how long a request of a lower priority goes all the same, in milliseconds")
            .risk(Risk::Low, "a long time starves the idle class"),
        scheduler: "mq-deadline",
        leaf: "prio_aging_expire",
    },
    &Tunable {
        spec: spec(NAMES[6], Form::integer(1, 10_000_000_000), KYBER)
            .why("the time that a read should take, in nanoseconds")
            .risk(Risk::Low, "a short time leaves the device idle"),
        scheduler: "kyber",
        leaf: "read_lat_nsec",
    },
    &Tunable {
        spec: spec(NAMES[7], Form::integer(1, 10_000_000_000), KYBER)
            .why("the time that a synchronous write should take, in nanoseconds")
            .risk(Risk::Low, "a short time leaves the device idle"),
        scheduler: "kyber",
        leaf: "write_lat_nsec",
    },
    &Tunable {
        spec: spec(NAMES[8], Form::flag(), BFQ)
            .why("whether programs that look interactive go first")
            .risk(Risk::Low, "0 for servers: a heuristic that costs throughput"),
        scheduler: "bfq",
        leaf: "low_latency",
    },
    &Tunable {
        spec: spec(NAMES[9], Form::integer(0, 1_000), BFQ)
            .why("how long the disk waits for the next request of a program, in milliseconds")
            .risk(Risk::Low, "0 for flash; on a disk that seeks it breaks up sequential readers"),
        scheduler: "bfq",
        leaf: "slice_idle",
    },
    &Tunable {
        spec: spec(NAMES[10], Form::flag(), BFQ)
            .why("whether only one program's requests are at the device at a time")
            .risk(Risk::Low, "1 costs throughput"),
        scheduler: "bfq",
        leaf: "strict_guarantees",
    },
    &Tunable {
        spec: spec(NAMES[11], Form::integer(1, 60_000), BFQ)
            .why("how long a program may have the disk at a time, in milliseconds")
            .risk(Risk::Low, "a long time makes others wait"),
        scheduler: "bfq",
        leaf: "timeout_sync",
    },
];

struct Tunable {
    spec: Spec,
    scheduler: &'static str,
    leaf: &'static str,
}

impl Tunable {
    fn path(&self, target: &str) -> String {
        format!("/sys/block/{target}/queue/iosched/{}", self.leaf)
    }
}

impl Knob for Tunable {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Every disk that could have the scheduler.
    fn targets(&self, root: &Root) -> Result<Vec<String>, KnobError> {
        let mut targets = Vec::new();
        for device in root.list("/sys/block")? {
            let offered = root.read(&format!("/sys/block/{device}/queue/scheduler"))?.unwrap_or_default();
            if offers(&offered, self.scheduler) {
                targets.push(device);
            }
        }
        Ok(targets)
    }

    fn read(&self, root: &Root, target: &str) -> Result<Option<String>, KnobError> {
        let Some(schedulers) = root.read(&format!("/sys/block/{target}/queue/scheduler"))? else {
            return Ok(None);
        };
        if !offers(&schedulers, self.scheduler) {
            return Ok(None);
        }
        if Form::of_file(&schedulers) != self.scheduler {
            return Ok(Some(ABSENT.to_owned()));
        }
        Ok(root.read(&self.path(target))?.map(|text| Form::of_file(&text)))
    }

    fn files(&self, target: &str) -> Vec<String> {
        vec![self.path(target)]
    }

    fn settle(&self, _root: &Root, _target: &str, asked: &str) -> Result<String, KnobError> {
        Ok(self.spec.form.canonical(asked)?)
    }

    fn write(&self, root: &Root, target: &str, value: &str) -> Result<(), KnobError> {
        let now = self.read(root, target)?;
        match (value == ABSENT, now.as_deref() == Some(ABSENT)) {
            // It goes with the scheduler, which is a knob of its own.
            (true, _) => Ok(()),
            (false, true) => {
                Err(KnobError::OtherScheduler { device: target.to_owned(), scheduler: self.scheduler })
            }
            (false, false) if value.is_empty() => {
                Err(FormError::NotInteger { given: value.to_owned() }.into())
            }
            (false, false) => Ok(root.write(&self.path(target), value)?),
        }
    }

    /// That the scheduler was not there is given back by giving back the scheduler.
    fn is_effect(&self, wanted: &str, actual: &str) -> bool {
        wanted == actual || wanted == ABSENT
    }
}

fn offers(schedulers: &str, scheduler: &str) -> bool {
    schedulers.split_whitespace().any(|word| word.trim_matches(['[', ']']) == scheduler)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_knobs() {
        let names: Vec<_> = KNOBS.iter().map(|knob| knob.spec().name).collect();
        assert_eq!(names, NAMES);
    }

    #[test]
    fn another_scheduler_is_a_value_and_not_a_wish() {
        let folder = tempfile::tempdir().unwrap();
        let queue = folder.path().join("sys/block/sda/queue/iosched");
        std::fs::create_dir_all(&queue).unwrap();
        std::fs::write(queue.join("../scheduler"), "[none] mq-deadline\n").unwrap();
        std::fs::write(queue.join("fifo_batch"), "16\n").unwrap();
        let (root, knob) = (Root::new(folder.path()), KNOBS[4]);
        assert_eq!(knob.targets(&root).unwrap(), ["sda"]);
        assert_eq!(KNOBS[6].targets(&root).unwrap(), Vec::<String>::new());
        assert_eq!(knob.read(&root, "sda").unwrap().as_deref(), Some(ABSENT));
        let said = knob.write(&root, "sda", "1").unwrap_err().to_string();
        assert_eq!(
            said,
            "sda does not use the scheduler mq-deadline; set block.scheduler to it, or leave this disk out"
        );
        root.write("/sys/block/sda/queue/scheduler", "mq-deadline").unwrap();
        knob.write(&root, "sda", "1").unwrap();
        assert_eq!(knob.read(&root, "sda").unwrap().as_deref(), Some("1"));
        assert!(knob.settle(&root, "sda", ABSENT).is_err());
    }
}
