//! Two files that bound each other: the lowest and the highest frequency or performance.
//!
//! The kernel refuses, or silently bends, a lowest above the highest. Kept as two knobs, some change would be refused
//! in either order; as one, `LOWEST HIGHEST`, the order follows from where it is: a lowest above the present
//! highest raises the highest first, every other change sets the lowest first. Between the two writes there is a
//! range like any other, so that a crash there leaves nothing special.

use std::time::{Duration, Instant};

use super::form::FormError;
use super::identity::Identity;
use super::spec::{Class, Risk, Spec};
use super::{Form, Knob, KnobError};
use crate::root::Root;

const EXPECTED: &str = "`LOWEST HIGHEST`; `min` and `max` stand for the limits of the hardware";
const FREQUENCY: &str = "kernel Documentation/admin-guide/pm/cpufreq.rst";

pub(super) static KNOBS: &[&dyn Knob] = &[
    &Range {
        spec: Spec::new("cpu.perf_pct", Form::Special(EXPECTED))
            .why("the lowest and the highest performance of Intel processors, in per cent of the highest")
            .risk(Risk::Low, "a high lowest costs power; the processor has a lowest of its own, often 10 to 30")
            .from("kernel Documentation/admin-guide/pm/intel_pstate.rst"),
        folder: "/sys/devices/system/cpu/intel_pstate",
        low: "min_perf_pct",
        high: "max_perf_pct",
        limits: Limits::Numbers(0, 100),
    },
    &Range {
        spec: Spec::new("cpu.scaling_freq", Form::Special(EXPECTED))
            .why("the lowest and the highest frequency that the governor may choose, in kHz")
            .risk(Risk::Low, "equal numbers keep the frequency and cost power; with boost switched in the same profile give numbers, as `max` is read before")
            .from(FREQUENCY)
            .per_device(Identity::Machine, &[]),
        folder: "/sys/devices/system/cpu/cpufreq/*",
        low: "scaling_min_freq",
        high: "scaling_max_freq",
        limits: Limits::Files("cpuinfo_min_freq", "cpuinfo_max_freq"),
    },
    &Range {
        spec: Spec::new("uncore.freq_khz", Form::Special(EXPECTED))
            .why("the lowest and the highest frequency of the cache and the mesh of an Intel socket, in kHz")
            .risk(Risk::Medium, "equal numbers keep memory latency steady and cost power that the cores could use")
            .from("kernel Documentation/admin-guide/pm/intel_uncore_frequency_scaling.rst")
            // The firmware may move both by itself, so that the original was one of its choices.
            .class(Class::BestEffort)
            .per_device(Identity::Machine, &[])
            .since(5, 6),
        folder: "/sys/devices/system/cpu/intel_uncore_frequency/*",
        low: "min_freq_khz",
        high: "max_freq_khz",
        limits: Limits::Files("initial_min_freq_khz", "initial_max_freq_khz"),
    },
];

/// The kernel takes a bound of the frequency at once and puts it in force by a work item (`cpufreq_notifier_min`), and
/// until then shows the old one: as long as this on a CPU that is busy or has just come, and not longer.
const SETTLING_MAX: Duration = Duration::from_millis(200);

struct Range {
    spec: Spec,
    /// `*` stands for the device.
    folder: &'static str,
    low: &'static str,
    high: &'static str,
    limits: Limits,
}

/// Where the limits of the hardware are.
#[derive(Clone, Copy)]
enum Limits {
    Numbers(u64, u64),
    /// Files of the same folder.
    Files(&'static str, &'static str),
}

impl Range {
    /// Waits until a number is shown, or for long enough: what it then is instead, the comparison after the write tells.
    fn settle_down(&self, root: &Root, target: &str, leaf: &str, number: u64) -> Result<(), KnobError> {
        let end = Instant::now() + SETTLING_MAX;
        while self.number(root, target, leaf)? != Some(number) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    fn path(&self, target: &str, leaf: &str) -> String {
        format!("{}/{leaf}", self.folder.replace('*', target))
    }

    fn number(&self, root: &Root, target: &str, leaf: &str) -> Result<Option<u64>, KnobError> {
        let Some(text) = root.read(&self.path(target, leaf))? else { return Ok(None) };
        let bad = || FormError::NotInteger { given: text.trim().to_owned() };
        Ok(Some(text.trim().parse().map_err(|_| bad())?))
    }

    /// What `min` and `max` stand for on this machine.
    fn limits(&self, root: &Root, target: &str) -> Result<(Option<u64>, Option<u64>), KnobError> {
        match self.limits {
            Limits::Numbers(low, high) => Ok((Some(low), Some(high))),
            Limits::Files(low, high) => {
                Ok((self.number(root, target, low)?, self.number(root, target, high)?))
            }
        }
    }
}

fn bad(given: &str) -> FormError {
    FormError::Special { given: given.to_owned(), expected: EXPECTED }
}

fn pair(text: &str) -> Result<[&str; 2], FormError> {
    <[&str; 2]>::try_from(text.split_whitespace().collect::<Vec<_>>()).map_err(|_| bad(text))
}

impl Knob for Range {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn targets(&self, root: &Root) -> Result<Vec<String>, KnobError> {
        let Some(parent) = self.folder.strip_suffix("/*") else { return Ok(vec![String::new()]) };
        let mut targets = Vec::new();
        for name in root.list(parent)? {
            if root.exists(&self.path(&name, self.low))? {
                targets.push(name);
            }
        }
        Ok(targets)
    }

    fn read(&self, root: &Root, target: &str) -> Result<Option<String>, KnobError> {
        let low = self.number(root, target, self.low)?;
        let both = low.zip(self.number(root, target, self.high)?);
        Ok(both.map(|(low, high)| format!("{low} {high}")))
    }

    fn settle(&self, root: &Root, target: &str, asked: &str) -> Result<String, KnobError> {
        let words = pair(asked)?;
        let (floor, ceiling) = self.limits(root, target)?;
        let mut numbers = [None; 2];
        for (word, number) in words.iter().zip(&mut numbers) {
            *number = match *word {
                "min" => floor,
                "max" => ceiling,
                digits => Some(digits.parse::<u64>().map_err(|_| bad(asked))?),
            };
        }
        // Without a machine `min` and `max` stay words.
        let [Some(low), Some(high)] = numbers else { return Ok(words.join(" ")) };
        if low > high {
            return Err(FormError::Order { given: asked.to_owned() }.into());
        }
        let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let (min, max) = (floor.map_or(0, signed), ceiling.map_or(i64::MAX, signed));
        for given in [signed(low), signed(high)] {
            if !(min..=max).contains(&given) {
                return Err(FormError::Range { given, min, max }.into());
            }
        }
        Ok(format!("{low} {high}"))
    }

    fn write(&self, root: &Root, target: &str, value: &str) -> Result<(), KnobError> {
        let [low, high] = pair(value)?;
        let number = |digits: &str| digits.parse::<u64>().map_err(|_| bad(value));
        let (low_now, high_now) =
            (self.number(root, target, self.low)?, self.number(root, target, self.high)?);
        let raise_first = high_now.is_some_and(|now| number(low).is_ok_and(|low| low > now));
        let mut writes = [(self.low, low, low_now), (self.high, high, high_now)];
        if raise_first {
            writes.reverse();
        }
        for (leaf, digits, now) in writes {
            if now != Some(number(digits)?) {
                root.write(&self.path(target, leaf), digits)?;
                self.settle_down(root, target, leaf, number(digits)?)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> (tempfile::TempDir, Root) {
        let folder = tempfile::tempdir().unwrap();
        let policy = folder.path().join("sys/devices/system/cpu/cpufreq/policy0");
        std::fs::create_dir_all(&policy).unwrap();
        for (name, khz) in [
            ("cpuinfo_min_freq", "800000"),
            ("cpuinfo_max_freq", "3700000"),
            ("scaling_min_freq", "800000"),
            ("scaling_max_freq", "2000000"),
        ] {
            std::fs::write(policy.join(name), format!("{khz}\n")).unwrap();
        }
        let root = Root::new(folder.path());
        (folder, root)
    }

    #[test]
    fn any_range_follows_any_other() {
        let (_folder, root) = machine();
        let knob = KNOBS[1];
        let ranges =
            ["800000 2000000", "2500000 3700000", "800000 800000", "3700000 3700000", "900000 3000000"];
        for range in ranges.iter().chain(ranges.iter().rev()) {
            // The tree refuses a lowest above the highest, as kernels do.
            knob.write(&root, "policy0", range).unwrap();
            assert_eq!(knob.read(&root, "policy0").unwrap().as_deref(), Some(*range));
        }
        assert_eq!(knob.targets(&root).unwrap(), ["policy0"]);
        assert_eq!(knob.read(&root, "policy1").unwrap(), None);
    }

    #[test]
    fn words_stand_for_the_limits() {
        let (_folder, root) = machine();
        let settle = |asked| KNOBS[1].settle(&root, "policy0", asked);
        assert_eq!(settle("max max").unwrap(), "3700000 3700000");
        assert_eq!(settle(" min  2000000 ").unwrap(), "800000 2000000");
        assert_eq!(KNOBS[1].settle(&Root::nowhere(), "", "min max").unwrap(), "min max");
        assert_eq!(KNOBS[0].settle(&Root::nowhere(), "", "min max").unwrap(), "0 100");
        assert_eq!(
            settle("800000 4000000").unwrap_err().to_string(),
            "4000000 is out of range; give 800000 to 3700000"
        );
        for bad in ["", "max", "1 2 3", "max min", "3000000 2000000", "-1 2", "a b"] {
            assert!(settle(bad).is_err(), "{bad:?}");
        }
    }
}
