//! Processors by role: which are for the workload alone, and which for everything else.
//!
//! A profile says `isolated` or `housekeeping`, never `2-7`: which processors those are is a matter of the machine,
//! of its own file or, where that is silent, of its topology.

use serde::Serialize;

use crate::cpu_set::CpuSet;
use crate::host::Host;
use crate::knob::Form;

/// A role that processors can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Those for the workload alone.
    Isolated,
    /// Those for everything else.
    Housekeeping,
    /// All that are online.
    Online,
}

impl Role {
    /// The role of a word in a profile.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        match word {
            "isolated" => Some(Self::Isolated),
            "housekeeping" => Some(Self::Housekeeping),
            "online" => Some(Self::Online),
            _ => None,
        }
    }

    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Isolated => "isolated",
            Self::Housekeeping => "housekeeping",
            Self::Online => "online",
        }
    }
}

/// Where the roles are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The machine's own file says so.
    Machine,
    /// The kernel was booted so (`isolcpus=`).
    CommandLine,
    /// Nobody said anything; they follow from the topology.
    Topology,
}

/// Which processors have which role on a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Roles {
    /// Those that run.
    pub online: CpuSet,
    /// Those for everything else.
    pub housekeeping: CpuSet,
    /// Those for the workload alone; empty where there are none.
    pub isolated: CpuSet,
    /// Who said so.
    pub origin: Origin,
}

/// Whether values of this form may name a role: they are lists or masks of processors.
#[must_use]
pub const fn takes(form: &Form) -> bool {
    matches!(form, Form::Cpus | Form::CpusOr(_))
}

/// `text` with `{isolated}` and the like replaced by lists; of a text without them it is a copy.
///
/// # Errors
/// The first role of the text that `list` has no CPUs for.
pub fn fill(text: &str, list: impl Fn(Role) -> String) -> Result<String, Role> {
    let mut filled = text.to_owned();
    for role in [Role::Isolated, Role::Housekeeping, Role::Online] {
        let place = format!("{{{}}}", role.word());
        if filled.contains(&place) {
            let cpus = list(role);
            if cpus.is_empty() {
                return Err(role);
            }
            filled = filled.replace(&place, &cpus);
        }
    }
    Ok(filled)
}

impl Roles {
    /// The roles on a machine whose own file gives these CPUs to the workload or to everything else; where it gives
    /// one of the two, the others have the other role. CPUs that do not run have none.
    #[must_use]
    pub fn of(host: &Host, isolated: Option<&CpuSet>, housekeeping: Option<&CpuSet>) -> Self {
        let topology = &host.topology;
        let online = topology.online.clone();
        let running = |set: &CpuSet| set.intersection(&online);
        let rest = |set: &CpuSet| online.difference(set);
        let booted = !topology.isolated.union(&topology.nohz_full).is_empty();
        let (isolated, housekeeping, origin) = match (isolated, housekeeping) {
            (Some(one), Some(other)) => (running(one), running(other), Origin::Machine),
            (Some(one), None) => (running(one), rest(one), Origin::Machine),
            (None, Some(other)) => (rest(other), running(other), Origin::Machine),
            (None, None) => {
                let usual = topology.roles();
                let origin = if booted { Origin::CommandLine } else { Origin::Topology };
                (usual.isolated, usual.housekeeping, origin)
            }
        };
        Self { online, housekeeping, isolated, origin }
    }

    /// The processors of a role.
    #[must_use]
    pub const fn of_role(&self, role: Role) -> &CpuSet {
        match role {
            Role::Isolated => &self.isolated,
            Role::Housekeeping => &self.housekeeping,
            Role::Online => &self.online,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::root::Root;

    fn host(cpus: u32, isolated: &CpuSet) -> Host {
        let mut host = Host::read(&Root::nowhere()).unwrap();
        host.topology.online = (0..cpus).collect();
        host.topology.isolated = isolated.clone();
        let cpu = |cpu| crate::host::LogicalCpu {
            cpu,
            package: Some(0),
            core: Some(cpu),
            node: Some(0),
            siblings: [cpu].into_iter().collect(),
        };
        host.topology.cpus = (0..cpus).map(cpu).collect();
        host
    }

    fn set() -> impl Strategy<Value = CpuSet> {
        prop::collection::vec(0..12_u32, 0..8).prop_map(|cpus| cpus.into_iter().collect())
    }

    #[test]
    fn a_text_is_filled_with_lists() {
        let list = |role| if role == Role::Isolated { "2-7".to_owned() } else { String::new() };
        let text = "nohz_full={isolated} rcu_nocbs={isolated}";
        assert_eq!(fill(text, list), Ok("nohz_full=2-7 rcu_nocbs=2-7".to_owned()));
        assert_eq!(fill("irqaffinity={housekeeping}", list), Err(Role::Housekeeping));
        assert_eq!(fill("quiet {x}", list), Ok("quiet {x}".to_owned()));
    }

    proptest! {
        /// No CPU has two roles, and none has one that does not run; where the file gives at most one role, every
        /// CPU that runs has one.
        #[test]
        fn each_running_cpu_has_one_role(cpus in 1..12_u32, isolated in prop::option::of(set()), booted in set()) {
            let roles = Roles::of(&host(cpus, &booted), isolated.as_ref(), None);
            prop_assert!(roles.isolated.intersection(&roles.housekeeping).is_empty());
            prop_assert_eq!(roles.isolated.union(&roles.housekeeping), roles.online.clone());
            if let Some(isolated) = isolated {
                prop_assert_eq!(&roles.isolated, &isolated.intersection(&roles.online));
                let other = Roles::of(&host(cpus, &booted), None, Some(&roles.housekeeping));
                prop_assert_eq!(other.isolated, roles.isolated);
            } else {
                prop_assert!(!roles.housekeeping.is_empty());
            }
        }
    }
}
