//! Which logical CPUs there are, what they share, and who may have them: /sys/devices/system/{cpu,node}.
//!
//! The roles follow from it: a few CPUs keep house (interrupts, kernel threads, services), the others are left to
//! the one job that the machine is for. What was isolated at boot is what its owner decided, so it is kept.

use serde::{Deserialize, Serialize};

use super::{fact, number};
use crate::cpu_set::CpuSet;
use crate::root::{Root, RootError};

const BASE: &str = "/sys/devices/system/cpu";
/// With fewer CPUs than this nothing is isolated unless it was at boot: the rest could not carry the system.
const CPUS_MIN: usize = 4;

/// The logical CPUs of a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topology {
    /// CPUs that could ever be plugged in.
    pub possible: CpuSet,
    /// CPUs that are plugged in.
    pub present: CpuSet,
    /// CPUs that run.
    pub online: CpuSet,
    /// CPUs taken from the scheduler at boot (`isolcpus=`).
    pub isolated: CpuSet,
    /// CPUs without the periodic tick (`nohz_full=`).
    pub nohz_full: CpuSet,
    /// Each CPU that runs, ascending.
    pub cpus: Vec<LogicalCpu>,
}

/// One logical CPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogicalCpu {
    /// The kernel's number.
    pub cpu: u32,
    /// The socket; `None` where the kernel does not say (some ARM machines).
    pub package: Option<u32>,
    /// The core within the socket.
    pub core: Option<u32>,
    /// The NUMA node; `None` where the kernel has no NUMA.
    pub node: Option<u32>,
    /// The CPUs of its physical core, itself among them.
    pub siblings: CpuSet,
}

/// Who has which CPUs. The two sets share none and are all CPUs that run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roles {
    /// For interrupts, kernel threads and services.
    pub housekeeping: CpuSet,
    /// For the one job of the machine; empty on a small one.
    pub isolated: CpuSet,
}

impl Topology {
    /// The usual roles on this topology.
    ///
    /// What was isolated at boot, by `nohz_full=` or `isolcpus=`, stays isolated. Otherwise the first physical core
    /// of each NUMA node keeps house with all its siblings (of each socket where there is no NUMA), since memory and
    /// devices of a node are best served by a CPU of it. With fewer than 4 CPUs, or where nothing would be left
    /// over, nothing is isolated. At least one CPU that runs always keeps house.
    ///
    /// Source: kernel `Documentation/admin-guide/cpu-isolation.rst`.
    #[must_use]
    pub fn roles(&self) -> Roles {
        let rest = |isolated: CpuSet| {
            let housekeeping = self.online.difference(&isolated);
            (!housekeeping.is_empty()).then_some(Roles { housekeeping, isolated })
        };
        let booted = self.isolated.union(&self.nohz_full).intersection(&self.online);
        if !booted.is_empty()
            && let Some(roles) = rest(booted)
        {
            return roles;
        }
        let mut housekeeping = CpuSet::new();
        let mut served = Vec::new();
        for cpu in &self.cpus {
            let place = cpu.node.or(cpu.package);
            if !served.contains(&place) {
                served.push(place);
                housekeeping = housekeeping.union(&cpu.siblings);
            }
        }
        let isolated = self.online.difference(&housekeeping);
        let all = Roles { housekeeping: self.online.clone(), isolated: CpuSet::new() };
        if self.online.len() < CPUS_MIN || housekeeping.is_empty() {
            return all;
        }
        rest(isolated).unwrap_or(all)
    }
}

pub(super) fn read(root: &Root) -> Result<Topology, RootError> {
    let set = |leaf: &str| -> Result<CpuSet, RootError> {
        // A kernel without `nohz_full=` prints "(null)"; a text that is no list is no fact.
        let list = fact(root, &format!("{BASE}/{leaf}"))?;
        Ok(list.and_then(|list| CpuSet::parse_list(&list).ok()).unwrap_or_default())
    };
    let online = set("online")?;
    let nodes = nodes(root)?;
    let mut cpus = Vec::new();
    for cpu in online.iter() {
        let at = |leaf: &str| format!("{BASE}/cpu{cpu}/topology/{leaf}");
        // `core_cpus_list` since Linux 5.3; the older name is still there on newer kernels.
        let siblings = match fact(root, &at("core_cpus_list"))? {
            Some(list) => Some(list),
            None => fact(root, &at("thread_siblings_list"))?,
        };
        let itself: CpuSet = [cpu].into_iter().collect();
        let siblings = siblings.and_then(|list| CpuSet::parse_list(&list).ok()).unwrap_or_default();
        cpus.push(LogicalCpu {
            cpu,
            package: number(root, &at("physical_package_id"))?,
            core: number(root, &at("core_id"))?,
            node: nodes.iter().find(|(_, cpus)| cpus.contains(cpu)).map(|(node, _)| *node),
            siblings: siblings.union(&itself),
        });
    }
    Ok(Topology {
        possible: set("possible")?,
        present: set("present")?,
        isolated: set("isolated")?,
        nohz_full: set("nohz_full")?,
        cpus,
        online,
    })
}

fn nodes(root: &Root) -> Result<Vec<(u32, CpuSet)>, RootError> {
    let base = "/sys/devices/system/node";
    let mut nodes = Vec::new();
    for name in root.list(base)? {
        let Some(node) = name.strip_prefix("node").and_then(|digits| digits.parse().ok()) else { continue };
        let list = fact(root, &format!("{base}/{name}/cpulist"))?.unwrap_or_default();
        nodes.push((node, CpuSet::parse_list(&list).unwrap_or_default()));
    }
    Ok(nodes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn list(text: &str) -> CpuSet {
        CpuSet::parse_list(text).unwrap()
    }

    /// Packages of cores of `threads` siblings, numbered as Intel's firmware does: the first thread of every core
    /// first, then the second of each.
    fn machine(packages: u32, cores: u32, threads: u32, numa: bool) -> Topology {
        let all = packages * cores;
        let cpu = |cpu: u32| LogicalCpu {
            cpu,
            package: Some(cpu % all / cores),
            core: Some(cpu % all % cores),
            node: numa.then_some(cpu % all / cores),
            siblings: (0..threads).map(|thread| cpu % all + thread * all).collect(),
        };
        let cpus: Vec<_> = (0..all * threads).map(cpu).collect();
        let online: CpuSet = cpus.iter().map(|cpu| cpu.cpu).collect();
        Topology { possible: online.clone(), present: online.clone(), online, cpus, ..Topology::default() }
    }

    #[test]
    fn the_first_core_of_each_node_keeps_house() {
        let roles = machine(2, 4, 2, true).roles();
        assert_eq!((roles.housekeeping, roles.isolated), (list("0,4,8,12"), list("1-3,5-7,9-11,13-15")));
        let roles = machine(2, 2, 1, false).roles();
        assert_eq!((roles.housekeeping, roles.isolated), (list("0,2"), list("1,3")));
        for small in [machine(1, 2, 1, true), machine(1, 3, 1, true), machine(2, 1, 2, true)] {
            let roles = small.roles();
            assert_eq!((roles.housekeeping, roles.isolated), (small.online, list("")));
        }
        assert_eq!(Topology::default().roles(), Roles::default());
    }

    #[test]
    fn what_was_isolated_at_boot_stays_so() {
        let mut topology = machine(1, 8, 1, true);
        (topology.isolated, topology.nohz_full) = (list("4-5"), list("5-7,40"));
        let roles = topology.roles();
        assert_eq!((roles.housekeeping, roles.isolated), (list("0-3"), list("4-7")));
        topology.isolated = list("0-7");
        assert_eq!(topology.roles().housekeeping, list("0"));
    }

    proptest! {
        #[test]
        fn roles_share_nothing_and_leave_nobody_out(
            packages in 1..5_u32, cores in 1..9_u32, threads in 1..5_u32, numa: bool, boot in "[0-9]{0,1}",
        ) {
            let mut topology = machine(packages, cores, threads, numa);
            topology.nohz_full = list(&boot);
            let roles = topology.roles();
            prop_assert_eq!(roles.housekeeping.union(&roles.isolated), topology.online);
            prop_assert!(roles.housekeeping.intersection(&roles.isolated).is_empty());
            prop_assert!(!roles.housekeeping.is_empty());
            if boot.is_empty() {
                // A core is not shared between the roles: its siblings disturb each other.
                for cpu in &topology.cpus {
                    let whole = cpu.siblings.is_subset(&roles.housekeeping)
                        || cpu.siblings.is_subset(&roles.isolated);
                    prop_assert!(whole);
                }
            }
        }
    }
}
