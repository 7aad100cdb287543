//! Processors, caches and NUMA nodes: /proc/cpuinfo and /sys/devices/system.

use serde::{Deserialize, Serialize};

use super::{fact, field, number};
use crate::root::{Root, RootError};

/// The processors of a host. Machines with unlike cores are described by their first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cpu {
    /// The marketing name, `AMD EPYC 9R14`.
    pub model: Option<String>,
    /// The vendor as CPUID spells it, `AuthenticAMD`.
    pub vendor: Option<String>,
    /// Family, model number and stepping.
    pub signature: Option<[u32; 3]>,
    /// How many logical CPUs are online.
    pub online: usize,
    /// How many physical cores they belong to, where the kernel says.
    pub cores: Option<usize>,
    /// Instruction sets and features as the kernel spells them, `avx512f`.
    pub flags: Vec<String>,
    /// The caches of CPU 0.
    pub caches: Vec<Cache>,
    /// Simultaneous multi-threading: `on`, `off`, `notsupported`...
    pub smt: Option<String>,
    /// CPUs taken from the scheduler (`isolcpus=`), as a list `2-3,6`; `None` when there are none.
    pub isolated: Option<String>,
    /// CPUs without the periodic tick (`nohz_full=`); `None` when there are none.
    pub nohz_full: Option<String>,
    /// The frequency driver, `intel_pstate`, `amd-pstate-epp`, `acpi-cpufreq`.
    pub frequency_driver: Option<String>,
    /// The frequency governor of CPU 0.
    pub governor: Option<String>,
    /// The idle driver, `intel_idle`, `acpi_idle`, `haltpoll`.
    pub idle_driver: Option<String>,
}

/// One cache of CPU 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cache {
    /// 1 is nearest.
    pub level: u32,
    /// `Data`, `Instruction` or `Unified`.
    pub kind: String,
    /// Capacity in bytes.
    pub bytes: u64,
    /// Which logical CPUs share it, as a list.
    pub shared_by: String,
}

/// One NUMA node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumaNode {
    /// Its number.
    pub node: u32,
    /// Its CPUs, as a list.
    pub cpus: String,
    /// Its memory in bytes.
    pub memory_bytes: u64,
}

pub(super) fn read(root: &Root) -> Result<Cpu, RootError> {
    let info = root.read("/proc/cpuinfo")?.unwrap_or_default();
    let base = "/sys/devices/system/cpu";
    let word = |key| field(&info, key).filter(|value| !value.is_empty()).map(str::to_owned);
    let part = |key| field(&info, key).and_then(|value| value.parse().ok());
    let signature = match (part("cpu family"), part("model"), part("stepping")) {
        (Some(family), Some(model), Some(stepping)) => Some([family, model, stepping]),
        _ => None,
    };
    let flags = field(&info, "flags").or_else(|| field(&info, "Features")).unwrap_or_default();
    Ok(Cpu {
        model: word("model name"),
        vendor: word("vendor_id"),
        signature,
        online: info
            .lines()
            .filter(|line| line.split(':').next().is_some_and(|key| key.trim() == "processor"))
            .count(),
        cores: cores(&info),
        flags: flags.split_whitespace().map(str::to_owned).collect(),
        caches: caches(root)?,
        smt: fact(root, &format!("{base}/smt/control"))?,
        isolated: fact(root, &format!("{base}/isolated"))?,
        nohz_full: fact(root, &format!("{base}/nohz_full"))?.filter(|list| list != "(null)"),
        frequency_driver: fact(root, &format!("{base}/cpu0/cpufreq/scaling_driver"))?,
        governor: fact(root, &format!("{base}/cpu0/cpufreq/scaling_governor"))?,
        idle_driver: fact(root, &format!("{base}/cpuidle/current_driver"))?.filter(|driver| driver != "none"),
    })
}

pub(super) fn numa(root: &Root) -> Result<Vec<NumaNode>, RootError> {
    let base = "/sys/devices/system/node";
    let mut nodes = Vec::new();
    for name in root.list(base)? {
        let Some(node) = name.strip_prefix("node").and_then(|digits| digits.parse().ok()) else { continue };
        let memory = root.read(&format!("{base}/{name}/meminfo"))?.unwrap_or_default();
        let total = memory.lines().find_map(|line| line.split_once("MemTotal:")).map(|(_, rest)| rest);
        let kib = total.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0);
        let cpus = fact(root, &format!("{base}/{name}/cpulist"))?.unwrap_or_default();
        nodes.push(NumaNode { node, cpus, memory_bytes: kib * 1024 });
    }
    Ok(nodes)
}

/// Distinct pairs of socket and core in /proc/cpuinfo; `None` where it does not number them (ARM).
fn cores(info: &str) -> Option<usize> {
    let blocks =
        info.split("\n\n").filter_map(|cpu| Some((field(cpu, "physical id")?, field(cpu, "core id")?)));
    let distinct: std::collections::BTreeSet<_> = blocks.collect();
    (!distinct.is_empty()).then_some(distinct.len())
}

fn caches(root: &Root) -> Result<Vec<Cache>, RootError> {
    let base = "/sys/devices/system/cpu/cpu0/cache";
    let mut caches = Vec::new();
    for index in root.list(base)?.iter().filter(|name| name.starts_with("index")) {
        let at = |leaf: &str| format!("{base}/{index}/{leaf}");
        let (level, kind) = (number(root, &at("level"))?, fact(root, &at("type"))?);
        let bytes = fact(root, &at("size"))?.and_then(|size| bytes(&size));
        let (Some(level), Some(kind), Some(bytes)) = (level, kind, bytes) else { continue };
        caches.push(Cache {
            level,
            kind,
            bytes,
            shared_by: fact(root, &at("shared_cpu_list"))?.unwrap_or_default(),
        });
    }
    Ok(caches)
}

/// `32K` or `16M` in bytes.
fn bytes(size: &str) -> Option<u64> {
    let digits = size.trim_end_matches(['K', 'M', 'G']);
    let shift = match size.get(digits.len()..)? {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_distinct_pairs() {
        let cpu =
            |package, core| format!("processor\t: 0\nphysical id\t: {package}\ncore id\t\t: {core}\n\n");
        let info = [cpu(0, 0), cpu(0, 0), cpu(0, 1), cpu(1, 0)].concat();
        assert_eq!(cores(&info), Some(3));
        assert_eq!(cores("processor : 0\n"), None);
        assert_eq!(bytes("1024K"), Some(1 << 20));
        assert_eq!(bytes("x"), None);
    }
}
