//! Environment and limits of services: drop-in files of systemd.
//!
//! A drop-in takes effect when systemd has reloaded it and the service starts again, so these knobs are of the
//! class `needs-reboot`: nothing here restarts a service of somebody else. For a single command there is
//! `diapason tune env`, which needs no file at all.

use super::drop_in::{accepts, assignments, read, state, write};
use super::identity::Identity;
use super::spec::{Class, Risk, Spec};
use super::{Form, Knob, KnobError, rlimit};
use crate::root::Root;

const ASSIGNMENTS: &str = "a list of NAME=VALUE, each name once";
const SOURCE: &str = "systemd.exec(5)";

pub(super) static KNOBS: &[&dyn Knob] = &[
    &DropIn {
        spec: Spec::new("systemd.environment", Form::Special(ASSIGNMENTS))
            .why("variables that every service gets; in force after `systemctl daemon-reexec`, as services start")
            .risk(Risk::Medium, "it reaches services that have nothing to do with the workload")
            .from("systemd-system.conf(5)")
            .class(Class::NeedsReboot)
            .persistent(),
        content: Content::Manager,
    },
    &DropIn {
        spec: Spec::new("unit.environment", Form::Special(ASSIGNMENTS))
            .why("variables that one service gets; in force after `systemctl daemon-reload`, when it starts again")
            .risk(Risk::Low, "a variable of the service's own file with the same name is replaced")
            .from(SOURCE)
            .class(Class::NeedsReboot)
            .per_device(Identity::Machine, &["*"])
            .persistent(),
        content: Content::Environment,
    },
    &DropIn {
        spec: Spec::new("unit.limits", Form::Special(rlimit::EXPECTED))
            .why("processors, priority and limits of one service; in force when it starts again")
            .risk(Risk::Medium, "a real-time service that spins starves the others on its processors")
            .from(SOURCE)
            .class(Class::NeedsReboot)
            .per_device(Identity::Machine, &["*"])
            .persistent(),
        content: Content::Limits,
    },
];

struct DropIn {
    spec: Spec,
    content: Content,
}

enum Content {
    Manager,
    Environment,
    Limits,
}

impl DropIn {
    fn path(&self, unit: &str) -> String {
        match self.content {
            Content::Manager => "/etc/systemd/system.conf.d/50-diapason.conf".to_owned(),
            Content::Environment => format!("/etc/systemd/system/{unit}.d/50-diapason-environment.conf"),
            Content::Limits => format!("/etc/systemd/system/{unit}.d/50-diapason-limits.conf"),
        }
    }
}

impl Knob for DropIn {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn targets(&self, root: &Root) -> Result<Vec<String>, KnobError> {
        if self.spec.is_single() {
            return Ok(vec![String::new()]);
        }
        let mut units = Vec::new();
        for folder in
            ["/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"]
        {
            units.extend(root.list(folder)?.into_iter().filter(|name| name.ends_with(".service")));
        }
        units.sort();
        units.dedup();
        Ok(units)
    }

    fn read(&self, root: &Root, target: &str) -> Result<Option<String>, KnobError> {
        read(root, &self.path(target))
    }

    fn settle(&self, _root: &Root, _target: &str, asked: &str) -> Result<String, KnobError> {
        let pairs = assignments(asked, ASSIGNMENTS)?;
        let variable = |key: &str| {
            let line = |(name, value): &(&str, &str)| format!("{key}=\"{name}={}\"", escaped(value));
            pairs.iter().map(line).collect::<Vec<_>>()
        };
        Ok(match self.content {
            Content::Manager => state("Manager", &variable("DefaultEnvironment")),
            Content::Environment => state("Service", &variable("Environment")),
            Content::Limits => {
                let line = |(name, value): &(&str, &str)| format!("{name}={}", value.replace('%', "%%"));
                state("Service", &rlimit::settings(asked)?.iter().map(line).collect::<Vec<_>>())
            }
        })
    }

    /// Whether the processes of the service run with it, which they do only from their next start on.
    fn remark(&self, root: &Root, target: &str, current: Option<&str>) -> Result<Option<String>, KnobError> {
        let lines = current.and_then(|value| value.strip_prefix("file\n")).unwrap_or_default().lines();
        let set: Vec<String> = lines.map(|line| line.replace("%%", "%")).collect();
        for pid in processes(root, target)? {
            let missing = match self.content {
                Content::Manager => return Ok(None),
                Content::Environment => unset(root, &pid, &set),
                Content::Limits => {
                    let pairs: Vec<_> = set.iter().filter_map(|line| line.split_once('=')).collect();
                    rlimit::lacking(root, &pid, &pairs)
                }
            };
            if !missing.is_empty() {
                let missing = missing.join(", ");
                return Ok(Some(format!(
                    "written, not in force for process {pid}: {missing}; run `systemctl daemon-reload` and restart {target}"
                )));
            }
        }
        Ok(None)
    }

    fn write(&self, root: &Root, target: &str, value: &str) -> Result<(), KnobError> {
        write(root, &self.path(target), value)
    }

    fn is_effect(&self, wanted: &str, actual: &str) -> bool {
        accepts(wanted, actual)
    }
}

/// The processes of a system service; none where it does not run.
fn processes(root: &Root, unit: &str) -> Result<Vec<String>, KnobError> {
    let list = root.read(&format!("/sys/fs/cgroup/system.slice/{unit}/cgroup.procs"))?;
    Ok(list.unwrap_or_default().split_whitespace().map(str::to_owned).collect())
}

/// The variables that a process does not have.
fn unset(root: &Root, pid: &str, set: &[String]) -> Vec<String> {
    // The variables of a process are its own affair unless the kernel lets us look.
    let Some(has) = root.read(&format!("/proc/{pid}/environ")).ok().flatten() else { return Vec::new() };
    let written = set.iter().filter_map(|line| line.strip_prefix("Environment=\"")?.strip_suffix('"'));
    let plain = written.map(|variable| variable.replace("\\\"", "\"").replace("\\\\", "\\"));
    let missing = plain.filter(|variable| !has.split('\0').any(|one| one == variable));
    missing
        .map(|variable| format!("{} is not set so", variable.split('=').next().unwrap_or_default()))
        .collect()
}

/// A value inside double quotes of a unit file: quotes and backslashes escaped, no specifiers.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_and_settings_are_known() {
        let root = Root::new("/nonexistent");
        let text = KNOBS[1].settle(&root, "x.service", "B=a \"b\" 50%\nA=1").unwrap();
        assert!(
            text.ends_with("[Service]\nEnvironment=\"A=1\"\nEnvironment=\"B=a \\\"b\\\" 50%%\"\n"),
            "{text}"
        );
        assert!(KNOBS[2].settle(&root, "x.service", "LimitRTPRIO=99").unwrap().ends_with("LimitRTPRIO=99\n"));
        assert!(KNOBS[2].settle(&root, "x.service", "ExecStart=/bin/true").is_err());
    }
}
