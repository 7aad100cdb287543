//! Processors by role: which are for the workload alone, and which for everything else.
//!
//! A profile says `isolated` or `housekeeping`, never `2-7`: which processors those are is a matter of the machine,
//! of its own file or, where that is silent, of its topology.

use std::collections::BTreeSet;

use serde::Serialize;

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

/// Which processors have which role on a machine, as lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Roles {
    /// Those that are online.
    pub online: String,
    /// Those for everything else.
    pub housekeeping: String,
    /// Those for the workload alone; empty where there are none.
    pub isolated: String,
    /// Who said so.
    pub origin: Origin,
}

/// Whether values of this form may name a role: they are lists or masks of processors.
#[must_use]
pub const fn takes(form: &Form) -> bool {
    let _ = form;
    false
}

impl Roles {
    /// The roles on a machine whose own file says `isolated` and `housekeeping`, or nothing.
    #[must_use]
    pub fn of(host: &Host, isolated: Option<&str>, housekeeping: Option<&str>) -> Self {
        let online: BTreeSet<u32> = (0..u32::try_from(host.cpu.online).unwrap_or(0)).collect();
        let booted = host.cpu.isolated.as_deref();
        let (set, origin) = match (isolated, housekeeping, booted) {
            (Some(list), _, _) => (numbers(list).unwrap_or_default(), Origin::Machine),
            (None, Some(list), _) => {
                (online.difference(&numbers(list).unwrap_or_default()).copied().collect(), Origin::Machine)
            }
            (None, None, Some(list)) => (numbers(list).unwrap_or_default(), Origin::CommandLine),
            (None, None, None) => (BTreeSet::new(), Origin::Topology),
        };
        let set: BTreeSet<u32> = set.intersection(&online).copied().collect();
        let rest: BTreeSet<u32> = match housekeeping {
            Some(list) => numbers(list).unwrap_or_default().intersection(&online).copied().collect(),
            None => online.difference(&set).copied().collect(),
        };
        Self { online: list(&online), housekeeping: list(&rest), isolated: list(&set), origin }
    }

    /// The processors of a role, as a list.
    #[must_use]
    pub fn list(&self, role: Role) -> &str {
        match role {
            Role::Isolated => &self.isolated,
            Role::Housekeeping => &self.housekeeping,
            Role::Online => &self.online,
        }
    }

    /// How many processors have a role.
    #[must_use]
    pub fn count(&self, role: Role) -> u64 {
        numbers(self.list(role)).map_or(0, |set| set.len() as u64)
    }
}

fn numbers(list: &str) -> Option<BTreeSet<u32>> {
    let mut set = BTreeSet::new();
    for part in list.trim().split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        set.extend(first.trim().parse::<u32>().ok()?..=last.trim().parse::<u32>().ok()?.min(8191));
    }
    Some(set)
}

fn list(set: &BTreeSet<u32>) -> String {
    set.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

/// Whether a text is a list of processors, or empty.
pub(super) fn is_list(text: &str) -> bool {
    numbers(text).is_some()
}
