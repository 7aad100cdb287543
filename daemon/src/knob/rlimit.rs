//! Limits, processors and priorities of a process, in the words of systemd.exec(5).
//!
//! One reader for two ends: the drop-in of a service keeps the words, `diapason tune env -- COMMAND` sets what they mean
//! for the command. So a value that systemd would take and log as nonsense is refused in the profile already.

use nix::sys::resource::Resource;

use super::drop_in::assignments;
use super::form::{Form, FormError, one_of};
use crate::cpu_set::CpuSet;
use crate::root::{Root, Running};

pub(super) const EXPECTED: &str = "a list of SETTING=VALUE of systemd.exec(5), each once";

/// What a value of a setting is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A limit in bytes, `64M` or `infinity`, or two of them, `soft:hard`.
    Bytes(Resource, &'static str),
    /// A limit that counts.
    Count(Resource, &'static str),
    /// A limit in microseconds.
    Microseconds(Resource, &'static str),
    /// The limit of the nice value: `-10`, or 1 to 40 as the kernel counts.
    NiceLimit,
    Processors,
    Policy,
    Priority,
    Nice,
    DiskClass,
    DiskPriority,
    MemoryPolicy,
    MemoryNodes,
    Slack,
    OutOfMemory,
}

/// Settings that say how a program runs, and none of those that say which. Besides the limits their line in
/// /proc/PID/limits.
const SETTINGS: &[(&str, Kind)] = &[
    ("CPUAffinity", Kind::Processors),
    ("CPUSchedulingPolicy", Kind::Policy),
    ("CPUSchedulingPriority", Kind::Priority),
    ("IOSchedulingClass", Kind::DiskClass),
    ("IOSchedulingPriority", Kind::DiskPriority),
    ("LimitCORE", Kind::Bytes(Resource::RLIMIT_CORE, "Max core file size")),
    ("LimitMEMLOCK", Kind::Bytes(Resource::RLIMIT_MEMLOCK, "Max locked memory")),
    ("LimitNICE", Kind::NiceLimit),
    ("LimitNOFILE", Kind::Count(Resource::RLIMIT_NOFILE, "Max open files")),
    ("LimitNPROC", Kind::Count(Resource::RLIMIT_NPROC, "Max processes")),
    ("LimitRTPRIO", Kind::Count(Resource::RLIMIT_RTPRIO, "Max realtime priority")),
    ("LimitRTTIME", Kind::Microseconds(Resource::RLIMIT_RTTIME, "Max realtime timeout")),
    ("LimitSTACK", Kind::Bytes(Resource::RLIMIT_STACK, "Max stack size")),
    ("NUMAMask", Kind::MemoryNodes),
    ("NUMAPolicy", Kind::MemoryPolicy),
    ("Nice", Kind::Nice),
    ("OOMScoreAdjust", Kind::OutOfMemory),
    ("TimerSlackNSec", Kind::Slack),
];

/// Words of policies and classes with the kernel's numbers (`linux/sched.h`, `linux/ioprio.h`, `linux/mempolicy.h`).
const POLICIES: &[(&str, i32)] = &[("other", 0), ("fifo", 1), ("rr", 2), ("batch", 3), ("idle", 5)];
const CLASSES: &[(&str, i32)] = &[("none", 0), ("realtime", 1), ("best-effort", 2), ("idle", 3)];
const MEMORY: &[(&str, i32)] =
    &[("default", 0), ("preferred", 1), ("bind", 2), ("interleave", 3), ("local", 4)];

/// The settings of a list as `(name, value)`, sorted, each known and with a value that it can have.
pub(super) fn settings(asked: &str) -> Result<Vec<(&str, &str)>, FormError> {
    let pairs = assignments(asked, EXPECTED)?;
    for (name, value) in &pairs {
        let name = one_of(name, SETTINGS.iter().map(|(known, _)| *known))?;
        check(kind(&name), value)?;
    }
    Ok(pairs)
}

fn kind(name: &str) -> Kind {
    SETTINGS.iter().find(|(known, _)| *known == name).map_or(Kind::Nice, |(_, kind)| *kind)
}

fn check(kind: Kind, value: &str) -> Result<(), FormError> {
    let number = |min, max| Form::integer(min, max).canonical(value).map(drop);
    let word = |words: &[(&'static str, i32)]| one_of(value, words.iter().map(|(word, _)| *word)).map(drop);
    match kind {
        Kind::Bytes(..) | Kind::Count(..) | Kind::Microseconds(..) | Kind::NiceLimit => {
            limit(kind, value).map(drop)
        }
        Kind::Processors | Kind::MemoryNodes => Form::Cpus.canonical(value).map(drop),
        Kind::Policy => word(POLICIES),
        Kind::Priority => number(1, 99),
        Kind::Nice => number(-20, 19),
        Kind::DiskClass => word(CLASSES),
        Kind::DiskPriority => number(0, 7),
        Kind::MemoryPolicy => word(MEMORY),
        Kind::Slack => number(1, i64::MAX),
        Kind::OutOfMemory => number(-1_000, 1_000),
    }
}

/// Soft and hard limit; `None` is no limit.
fn limit(kind: Kind, value: &str) -> Result<(Option<u64>, Option<u64>), FormError> {
    let expected = match kind {
        Kind::Bytes(..) => "a limit such as `64M`, `infinity` or `8M:64M`",
        Kind::NiceLimit => "a limit such as `-10` (a nice value) or `30` (20 less the nice value)",
        _ => "a limit such as `65536`, `infinity` or `1024:65536`",
    };
    let bad = || FormError::Special { given: value.to_owned(), expected };
    let one = |word: &str| {
        if word == "infinity" {
            return Ok(None);
        }
        let units = [("K", 10), ("M", 20), ("G", 30), ("T", 40)];
        let unit = units.iter().find_map(|(unit, shift)| Some((word.strip_suffix(unit)?, *shift)));
        let (digits, shift) = unit.filter(|_| matches!(kind, Kind::Bytes(..))).unwrap_or((word, 0));
        if kind == Kind::NiceLimit {
            // With a sign it is a nice value, without one what the kernel counts.
            let signed = word.starts_with(['+', '-']);
            let nice: i64 = word.parse().map_err(|_| bad())?;
            let counted = if signed { 20 - nice } else { nice };
            let counted = u64::try_from(counted).ok().filter(|counted| (1..=40).contains(counted));
            return counted.map(Some).ok_or_else(bad);
        }
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.parse::<u64>().ok().filter(|_| is_number);
        number.and_then(|number| number.checked_mul(1 << shift)).map(Some).ok_or_else(bad)
    };
    let (soft, hard) = match value.split_once(':') {
        Some((soft, hard)) => (one(soft)?, one(hard)?),
        None => (one(value)?, one(value)?),
    };
    // No limit is above every limit.
    if hard.is_some_and(|hard| soft.is_none_or(|soft| soft > hard)) {
        return Err(bad());
    }
    Ok((soft, hard))
}

/// Why a process cannot run as a list of settings asks.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LimitError {
    /// The list is wrong.
    #[error(transparent)]
    Form(#[from] FormError),
    /// The kernel refused.
    #[error(
        "cannot set {setting} for this process: {}; run as root, or raise what the user may have in limits.conf(5)",
        crate::root::said(*errno)
    )]
    Refused {
        /// The setting with its value.
        setting: String,
        /// The kernel's answer.
        errno: nix::errno::Errno,
    },
}

/// How a command is to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessLimits {
    steps: Vec<(String, Running)>,
}

impl ProcessLimits {
    /// What the settings of `unit.limits` mean for a process.
    ///
    /// # Errors
    /// When a setting is unknown or has a value that it cannot have.
    pub fn parse(asked: &str) -> Result<Self, FormError> {
        let pairs = settings(asked)?;
        let find = |name: &str| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        let number = |value: &str| value.parse::<i32>().unwrap_or(0);
        let code = |words: &[(&str, i32)], word: Option<&str>| {
            words.iter().find(|(known, _)| Some(*known) == word).map(|(_, code)| *code)
        };
        let mut steps = Vec::new();
        // Limits come before what they allow, and who may run at all before memory and policy.
        for (name, value) in &pairs {
            let (resource, (soft, hard)) = match kind(name) {
                known @ (Kind::Bytes(resource, _)
                | Kind::Count(resource, _)
                | Kind::Microseconds(resource, _)) => (resource, limit(known, value)?),
                Kind::NiceLimit => (Resource::RLIMIT_NICE, limit(Kind::NiceLimit, value)?),
                _ => continue,
            };
            steps.push((format!("{name}={value}"), Running::Limit(resource, soft, hard)));
        }
        let mut add = |name: &str, running: Option<Running>| {
            if let (Some(value), Some(running)) = (find(name), running) {
                steps.push((format!("{name}={value}"), running));
            }
        };
        let set = |name: &str| find(name).and_then(|value| CpuSet::parse_list(value).ok());
        add("CPUAffinity", set("CPUAffinity").map(Running::Processors));
        let nodes = set("NUMAMask").unwrap_or_default();
        add("NUMAPolicy", code(MEMORY, find("NUMAPolicy")).map(|mode| Running::Memory(mode, nodes)));
        let level = find("IOSchedulingPriority").map_or(4, number);
        // systemd takes a level without a class for the class best-effort.
        let class = code(CLASSES, find("IOSchedulingClass"));
        add("IOSchedulingClass", class.map(|class| Running::Disks(class, level)));
        if class.is_none() {
            add("IOSchedulingPriority", Some(Running::Disks(2, level)));
        }
        add("Nice", find("Nice").map(|nice| Running::Nice(number(nice))));
        let priority = find("CPUSchedulingPriority").map(number);
        let policy = code(POLICIES, find("CPUSchedulingPolicy"));
        // The priority is that of the real-time policies; others take none, and one of them alone does nothing.
        let policy = policy.map(|policy| {
            let priority = if (1..=2).contains(&policy) { priority.unwrap_or(1) } else { 0 };
            Running::Policy(policy, priority)
        });
        add("CPUSchedulingPolicy", policy);
        add(
            "TimerSlackNSec",
            find("TimerSlackNSec").and_then(|value| value.parse().ok()).map(Running::Slack),
        );
        add("OOMScoreAdjust", find("OOMScoreAdjust").map(|value| Running::OutOfMemory(number(value))));
        Ok(Self { steps })
    }

    /// Makes the calling process, and the command that takes its place, run so.
    ///
    /// # Errors
    /// When the kernel refuses one of them; those before it are set.
    pub fn enter(&self) -> Result<(), LimitError> {
        for (setting, running) in &self.steps {
            running.set().map_err(|errno| LimitError::Refused { setting: setting.clone(), errno })?;
        }
        Ok(())
    }
}

/// The settings of a list that the process `pid` does not have, in words.
pub(super) fn lacking(root: &Root, pid: &str, pairs: &[(&str, &str)]) -> Vec<String> {
    let read = |leaf: &str| root.read(&format!("/proc/{pid}/{leaf}")).ok().flatten().unwrap_or_default();
    let (limits, status) = (read("limits"), read("status"));
    let shown = |(name, value): &(&str, &str)| {
        let line = match kind(name) {
            known @ (Kind::Bytes(_, line) | Kind::Count(_, line) | Kind::Microseconds(_, line)) => {
                Some((line, limit(known, value).ok()?))
            }
            Kind::NiceLimit => Some(("Max nice priority", limit(Kind::NiceLimit, value).ok()?)),
            Kind::Processors => {
                let has = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?.trim();
                let wanted = CpuSet::parse_list(value).ok()?.to_string();
                return (has != wanted).then(|| format!("{name} is {has}"));
            }
            // What /proc does not show in words is not judged.
            _ => None,
        };
        let (line, (soft, hard)) = line?;
        let has = limits.lines().find_map(|text| text.strip_prefix(line))?;
        let mut has = has.split_whitespace();
        let (has_soft, has_hard) = (has.next()?, has.next()?);
        let word =
            |limit: Option<u64>| limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string());
        let same = word(soft) == has_soft && word(hard) == has_hard;
        (!same).then(|| format!("{name} is {has_soft}:{has_hard}"))
    };
    pairs.iter().filter_map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_that_systemd_takes() {
        for good in [
            "LimitMEMLOCK=infinity",
            "LimitSTACK=8M:64M",
            "LimitNOFILE=1024:65536",
            "LimitNICE=-10",
            "LimitNICE=30",
            "LimitRTPRIO=99",
            "CPUAffinity=2-7,9",
            "CPUSchedulingPolicy=fifo",
            "CPUSchedulingPriority=99",
            "Nice=-20",
            "IOSchedulingClass=best-effort",
            "NUMAPolicy=bind",
            "NUMAMask=0-1",
            "OOMScoreAdjust=-1000",
            "LimitNOFILE=1024:infinity",
            "TimerSlackNSec=1000",
        ] {
            assert!(settings(good).is_ok(), "{good}");
        }
        for bad in [
            "LimitMEMLOCK=64X",
            "LimitNOFILE=9:8",
            "LimitNOFILE=infinity:8",
            "LimitNOFILE=8K",
            "LimitNICE=-40",
            "LimitNICE=0",
            "CPUAffinity=",
            "CPUSchedulingPolicy=deadline",
            "CPUSchedulingPriority=100",
            "Nice=20",
            "ExecStart=/bin/sh",
            "LimitMEMLOCK=-1",
            "LimitMEMLOCK=+1",
            "OOMScoreAdjust=1001",
            "LimitRTPRIO=99 LimitRTPRIO=1",
        ] {
            assert!(settings(bad).is_err(), "{bad}");
        }
        let said = settings("LimitRTPRI=9").unwrap_err().to_string();
        assert!(said.ends_with("did you mean \"LimitRTPRIO\"?"), "{said}");
    }

    #[test]
    fn limits_come_before_what_they_allow() {
        let limits =
            ProcessLimits::parse("CPUSchedulingPolicy=rr Nice=-5 LimitRTPRIO=50 CPUSchedulingPriority=40")
                .unwrap();
        let names: Vec<_> = limits.steps.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["LimitRTPRIO=50", "Nice=-5", "CPUSchedulingPolicy=rr"]);
        assert_eq!(limits.steps[2].1, Running::Policy(2, 40));
        let disks = ProcessLimits::parse("IOSchedulingPriority=2").unwrap();
        assert_eq!(disks.steps[0].1, Running::Disks(2, 2));
    }

    #[test]
    fn a_process_that_runs_otherwise_is_told() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("proc/7")).unwrap();
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max open files            1024                 524288               files     \n\
                      Max locked memory         unlimited            unlimited            bytes     \n";
        std::fs::write(folder.path().join("proc/7/limits"), limits).unwrap();
        std::fs::write(folder.path().join("proc/7/status"), "Cpus_allowed_list:\t0-3\n").unwrap();
        let asked = settings("LimitNOFILE=65536 LimitMEMLOCK=infinity CPUAffinity=2,3").unwrap();
        let said = lacking(&Root::new(folder.path()), "7", &asked);
        assert_eq!(said, ["CPUAffinity is 0-3", "LimitNOFILE is 1024:524288"]);
    }
}
