//! CPUs taken from everybody else while the machine runs: a partition of the cgroup v2 controller `cpuset`.
//!
//! The knob owns one control group below the root, [`GROUP`]. Its value is the whole state: `controller off`, `no group`,
//! or `isolated 2-5` with the kind of the partition and its CPUs. A write goes through these states one after the
//! other (switch the controller on, make the group, give it CPUs, make it a partition), so that a crash between two
//! of them leaves a state that has a name. The kernel may accept a partition and call it invalid; that is read back
//! and is a refusal with the kernel's own reason.
//!
//! Source: kernel `Documentation/admin-guide/cgroup-v2.rst`, "Cpuset Interface Files"; `cpu-isolation.rst`.

use super::attribute::possible;
use super::form::FormError;
use super::spec::{Class, Risk, Spec};
use super::{Form, Knob, KnobError};
use crate::cpu_set::CpuSet;
use crate::root::Root;

const MOUNT: &str = "/sys/fs/cgroup";
const GROUP: &str = "/sys/fs/cgroup/diapason.isolated";
const EXPECTED: &str =
    "a list of CPUs to isolate like 2-5, or `root CPUS` for a partition that is still balanced inside";
const OFF: &str = "controller off";
const OFF_WITH_GROUP: &str = "controller off, group there";
const NO_GROUP: &str = "no group";
/// Tasks that a refusal names; their number is told as well.
const TASKS_NAMED_MAX: usize = 8;

pub(super) static KNOBS: &[&dyn Knob] = &[&Partition {
    spec: Spec::new("cpuset.partition", Form::Cpus)
        .why("takes CPUs out of the scheduler's balancing while the machine runs, for tasks in /sys/fs/cgroup/diapason.isolated alone")
        .risk(Risk::Medium, "other tasks are moved off the CPUs at once; a service manager that switches the controller off ends the partition, so give some slice AllowedCPUs= under systemd")
        .from("kernel Documentation/admin-guide/cpu-isolation.rst")
        // Rebuilding the scheduling domains stalls the CPUs for a moment.
        .class(Class::Disruptive)
        .since(5, 15),
}];

struct Partition {
    spec: Spec,
}

/// What a group is.
#[derive(Debug, PartialEq, Eq)]
struct Group {
    /// `member`, `root` or `isolated`, with ` invalid` behind where the kernel says so.
    kind: String,
    cpus: CpuSet,
    /// `cpuset.cpus.exclusive` where that is not the same as `cpus`.
    exclusive: Option<CpuSet>,
}

impl Group {
    fn parse(value: &str) -> Result<Self, FormError> {
        let bad = || FormError::Special { given: value.to_owned(), expected: EXPECTED };
        let set = |word: &str| if word == "none" { Ok(CpuSet::new()) } else { CpuSet::parse_list(word) };
        let (rest, exclusive) = match value.split_once(" exclusive ") {
            Some((rest, exclusive)) => (rest, Some(set(exclusive)?)),
            None => (value, None),
        };
        let (word, cpus) = rest.trim().split_once(' ').ok_or_else(bad)?;
        if !["member", "root", "isolated"].contains(&word) {
            return Err(bad());
        }
        let (kind, cpus) = match cpus.trim_start().strip_prefix("invalid ") {
            Some(cpus) => (format!("{word} invalid"), cpus.trim()),
            None => (word.to_owned(), cpus.trim()),
        };
        Ok(Self { cpus: set(cpus)?, kind, exclusive })
    }

    /// The kind without the kernel's verdict.
    fn asked(&self) -> &str {
        self.kind.split(' ').next().unwrap_or(&self.kind)
    }
}

impl std::fmt::Display for Group {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |cpus: &CpuSet| if cpus.is_empty() { "none".to_owned() } else { cpus.to_string() };
        write!(formatter, "{} {}", self.kind, list(&self.cpus))?;
        self.exclusive.as_ref().map_or(Ok(()), |cpus| write!(formatter, " exclusive {}", list(cpus)))
    }
}

fn at(leaf: &str) -> String {
    format!("{GROUP}/{leaf}")
}

fn cpus(root: &Root, path: &str) -> Result<Option<CpuSet>, KnobError> {
    let text = root.read(path)?;
    Ok(text.map(|text| CpuSet::parse_list(&text)).transpose().map_err(FormError::from)?)
}

fn has_word(root: &Root, leaf: &str) -> Result<Option<bool>, KnobError> {
    let text = root.read(&format!("{MOUNT}/{leaf}"))?;
    Ok(text.map(|text| text.split_whitespace().any(|word| word == "cpuset")))
}

fn group(root: &Root) -> Result<Option<Group>, KnobError> {
    let Some(text) = root.read(&at("cpuset.cpus.partition"))? else { return Ok(None) };
    // `isolated invalid (Cpu list in cpuset.cpus not exclusive)`: the reason is for people.
    let kind = text.split('(').next().unwrap_or_default().trim().to_owned();
    let cpus_of = |leaf: &str| cpus(root, &at(leaf));
    let list = cpus_of("cpuset.cpus")?.unwrap_or_default();
    let exclusive = cpus_of("cpuset.cpus.exclusive")?.filter(|exclusive| *exclusive != list);
    Ok(Some(Group { kind, cpus: list, exclusive }))
}

/// Refuses to go on while there are tasks in the group.
fn unoccupied(root: &Root) -> Result<(), KnobError> {
    let tasks = root.read(&at("cgroup.procs"))?.unwrap_or_default();
    let count = tasks.lines().count();
    if count == 0 {
        return Ok(());
    }
    let name = |pid: &str| {
        let comm = root.read(&format!("/proc/{pid}/comm")).ok().flatten().unwrap_or_default();
        format!("{} ({pid})", comm.trim())
    };
    let mut named: Vec<String> = tasks.lines().take(TASKS_NAMED_MAX).map(name).collect();
    if count > TASKS_NAMED_MAX {
        named.push(format!("and {} more", count - TASKS_NAMED_MAX));
    }
    Err(KnobError::Occupied { path: GROUP.to_owned(), tasks: named.join(", ") })
}

impl Partition {
    fn switch(root: &Root, on: bool) -> Result<(), KnobError> {
        if has_word(root, "cgroup.subtree_control")? != Some(on) {
            let word = if on { "+cpuset" } else { "-cpuset" };
            root.write(&format!("{MOUNT}/cgroup.subtree_control"), word)?;
        }
        Ok(())
    }

    fn remove(root: &Root) -> Result<(), KnobError> {
        unoccupied(root)?;
        Ok(root.remove_cgroup(GROUP)?)
    }

    fn set(root: &Root, wanted: &Group) -> Result<(), KnobError> {
        Self::switch(root, true)?;
        root.make_cgroup(GROUP)?;
        let now = group(root)?;
        let write = |leaf: &str, text: &str| root.write(&at(leaf), if text.is_empty() { "\n" } else { text });
        // A plain group may have any CPUs; a partition is given its CPUs before it becomes one.
        if wanted.asked() == "member" && now.as_ref().is_some_and(|now| now.kind != "member") {
            write("cpuset.cpus.partition", "member")?;
        }
        if now.as_ref().is_none_or(|now| now.cpus != wanted.cpus) {
            write("cpuset.cpus", &wanted.cpus.to_string())?;
        }
        let exclusive = wanted.exclusive.as_ref().unwrap_or(&wanted.cpus);
        let there = cpus(root, &at("cpuset.cpus.exclusive"))?;
        if there.is_some_and(|there| there != *exclusive) {
            write("cpuset.cpus.exclusive", &exclusive.to_string())?;
        }
        let kind = |root: &Root| -> Result<String, KnobError> {
            Ok(root.read(&at("cpuset.cpus.partition"))?.unwrap_or_default().trim().to_owned())
        };
        if kind(root)? != wanted.asked() {
            write("cpuset.cpus.partition", wanted.asked())?;
        }
        let answer = kind(root)?;
        if answer.contains("invalid") && !wanted.kind.contains("invalid") {
            return Err(KnobError::InvalidPartition { path: GROUP.to_owned(), answer });
        }
        Ok(())
    }
}

impl Knob for Partition {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn targets(&self, _root: &Root) -> Result<Vec<String>, KnobError> {
        Ok(vec![String::new()])
    }

    fn read(&self, root: &Root, _target: &str) -> Result<Option<String>, KnobError> {
        if has_word(root, "cgroup.controllers")? != Some(true) {
            return Ok(None);
        }
        let on = has_word(root, "cgroup.subtree_control")? == Some(true);
        let there = root.exists(GROUP)?;
        Ok(Some(match (on, there, group(root)?) {
            (_, _, Some(group)) => group.to_string(),
            (true, _, None) => NO_GROUP.to_owned(),
            (false, false, None) => OFF.to_owned(),
            (false, true, None) => OFF_WITH_GROUP.to_owned(),
        }))
    }

    fn settle(&self, root: &Root, _target: &str, asked: &str) -> Result<String, KnobError> {
        let listed = asked.trim_start().starts_with(|letter: char| letter.is_ascii_digit());
        let wanted = Group::parse(&if listed { format!("isolated {asked}") } else { asked.to_owned() })?;
        if wanted.cpus.is_empty() || wanted.exclusive.is_some() || wanted.kind.contains("invalid") {
            return Err(FormError::Special { given: asked.to_owned(), expected: EXPECTED }.into());
        }
        possible(root, &wanted.cpus.to_string())?;
        let online = cpus(root, "/sys/devices/system/cpu/online")?;
        if wanted.kind != "member" && online.is_some_and(|online| online.is_subset(&wanted.cpus)) {
            let expected = "a partition that leaves at least one CPU that runs to everybody else";
            return Err(FormError::Special { given: asked.to_owned(), expected }.into());
        }
        Ok(wanted.to_string())
    }

    fn write(&self, root: &Root, _target: &str, value: &str) -> Result<(), KnobError> {
        match value {
            OFF => {
                Self::remove(root)?;
                Self::switch(root, false)
            }
            NO_GROUP => {
                Self::remove(root)?;
                Self::switch(root, true)
            }
            OFF_WITH_GROUP => {
                root.make_cgroup(GROUP)?;
                Self::switch(root, false)
            }
            _ => Self::set(root, &Group::parse(value)?),
        }
    }

    fn remark(&self, root: &Root, _target: &str, current: Option<&str>) -> Result<Option<String>, KnobError> {
        if current.is_some() {
            return Ok(None);
        }
        Ok(Some(match has_word(root, "cgroup.controllers")? {
            None => format!("no cgroup v2 is mounted at {MOUNT}"),
            Some(_) => format!("the kernel gives no cpuset controller to {MOUNT}; cgroup v1 may have it"),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(controllers: &str, enabled: &str) -> (tempfile::TempDir, Root) {
        let tree = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = tree.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put("sys/fs/cgroup/cgroup.controllers", controllers);
        put("sys/fs/cgroup/cgroup.subtree_control", enabled);
        put("sys/fs/cgroup/cpuset.cpus.effective", "0-7\n");
        put("sys/fs/cgroup/cpuset.cpus.isolated", "\n");
        put("sys/devices/system/cpu/online", "0-7\n");
        put("sys/devices/system/cpu/possible", "0-7\n");
        put("proc/4711/comm", "engine\n");
        let root = Root::new(tree.path());
        (tree, root)
    }

    fn value(root: &Root) -> String {
        KNOBS[0].read(root, "").unwrap().unwrap()
    }

    #[test]
    fn every_state_follows_any_other() {
        let (_tree, root) = machine("cpuset cpu io memory\n", "cpu memory\n");
        let states = ["controller off", "isolated 2-5", "no group", "root 1,3", "member 0-7", "isolated 6-7"];
        for from in states {
            for to in states {
                KNOBS[0].write(&root, "", from).unwrap();
                assert_eq!(value(&root), from);
                KNOBS[0].write(&root, "", to).unwrap();
                assert_eq!(value(&root), to, "from {from}");
            }
        }
        KNOBS[0].write(&root, "", "isolated 2-5").unwrap();
        let read = |leaf: &str| root.read(&at(leaf)).unwrap().unwrap();
        assert_eq!((read("cpuset.cpus"), read("cpuset.cpus.exclusive")), ("2-5\n".into(), "2-5\n".into()));
        KNOBS[0].write(&root, "", "controller off").unwrap();
        let control = root.read("/sys/fs/cgroup/cgroup.subtree_control").unwrap();
        assert_eq!(control.as_deref(), Some("cpu memory\n"));
        assert!(!root.exists(GROUP).unwrap());
    }

    #[test]
    fn a_group_of_somebody_else_is_kept_as_it_was() {
        let (_tree, root) = machine("cpuset cpu\n", "cpuset cpu\n");
        root.make_cgroup(GROUP).unwrap();
        assert_eq!(value(&root), "member none");
        root.write(&at("cpuset.cpus"), "1-2").unwrap();
        assert_eq!(value(&root), "member 1-2 exclusive none");
        KNOBS[0].write(&root, "", "isolated 4-5").unwrap();
        KNOBS[0].write(&root, "", "member 1-2 exclusive none").unwrap();
        assert_eq!(value(&root), "member 1-2 exclusive none");
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_reason() {
        let (_tree, root) = machine("cpuset cpu\n", "cpuset cpu\n");
        let settle = |asked| KNOBS[0].settle(&root, "", asked);
        assert_eq!(settle(" isolated  5, 4").unwrap(), "isolated 4-5");
        assert_eq!(settle("5, 4,1").unwrap(), "isolated 1,4-5");
        for bad in [
            "",
            "isolated",
            "isolated none",
            "isolated 0-7",
            "isolated 8",
            "free 1",
            "isolated x",
            "isolated invalid 2",
        ] {
            assert!(settle(bad).is_err(), "{bad:?}");
        }
        let said = KNOBS[0].write(&root, "", "isolated 0-7").unwrap_err().to_string();
        assert!(said.contains("isolated invalid (Parent unable to distribute cpu downstream)"), "{said}");
        assert_eq!(value(&root), "isolated invalid 0-7");
        KNOBS[0].write(&root, "", "isolated 2-3").unwrap();
        root.write(&at("cgroup.procs"), "4711").unwrap();
        let said = KNOBS[0].write(&root, "", "no group").unwrap_err().to_string();
        assert!(said.contains("engine (4711)"), "{said}");
        assert_eq!(value(&root), "isolated 2-3");
    }

    #[test]
    fn absence_has_a_reason() {
        let (_tree, root) = machine("cpu memory\n", "cpu\n");
        assert_eq!(KNOBS[0].read(&root, "").unwrap(), None);
        let said = |root: &Root| KNOBS[0].remark(root, "", None).unwrap().unwrap();
        assert!(said(&root).contains("no cpuset controller"));
        assert!(said(&Root::nowhere()).contains("no cgroup v2"));
    }
}
