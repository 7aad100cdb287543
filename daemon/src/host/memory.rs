//! Memory, huge pages and swap: /proc/meminfo, /sys/kernel/mm and /proc/swaps.

use serde::{Deserialize, Serialize};

use super::{fact, field, marked, number};
use crate::root::{Root, RootError};

/// Main memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// All that the kernel manages, in bytes.
    pub total_bytes: u64,
    /// What can be given to programs without swapping, in bytes.
    pub available_bytes: u64,
    /// The mode of transparent huge pages: `always`, `madvise`, `never`.
    pub transparent_hugepages: Option<String>,
    /// Reserved huge pages, one entry a size.
    pub hugepages: Vec<HugePages>,
}

/// Reserved huge pages of one size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HugePages {
    /// Bytes of one page.
    pub page_bytes: u64,
    /// Pages reserved.
    pub total: u64,
    /// Pages reserved and not in use.
    pub free: u64,
}

/// One file or device that is swapped to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swap {
    /// Path of the file or device.
    pub path: String,
    /// `partition` or `file`.
    pub kind: String,
    /// Capacity in bytes.
    pub bytes: u64,
    /// Bytes in use.
    pub used_bytes: u64,
    /// Higher is used first; the kernel's own choice is negative.
    pub priority: i32,
}

pub(super) fn read(root: &Root) -> Result<Memory, RootError> {
    let info = root.read("/proc/meminfo")?.unwrap_or_default();
    let bytes = |key| {
        let kib = field(&info, key).and_then(|value| value.split_whitespace().next()?.parse::<u64>().ok());
        kib.unwrap_or(0).saturating_mul(1024)
    };
    let base = "/sys/kernel/mm/hugepages";
    let mut hugepages = Vec::new();
    for name in root.list(base)? {
        let kib =
            name.strip_prefix("hugepages-").and_then(|rest| rest.strip_suffix("kB")?.parse::<u64>().ok());
        let Some(kib) = kib else { continue };
        let total = number(root, &format!("{base}/{name}/nr_hugepages"))?.unwrap_or(0);
        let free = number(root, &format!("{base}/{name}/free_hugepages"))?.unwrap_or(0);
        hugepages.push(HugePages { page_bytes: kib * 1024, total, free });
    }
    Ok(Memory {
        total_bytes: bytes("MemTotal"),
        available_bytes: bytes("MemAvailable"),
        transparent_hugepages: fact(root, "/sys/kernel/mm/transparent_hugepage/enabled")?
            .map(|text| marked(&text)),
        hugepages,
    })
}

pub(super) fn swaps(root: &Root) -> Result<Vec<Swap>, RootError> {
    let table = root.read("/proc/swaps")?.unwrap_or_default();
    Ok(table.lines().skip(1).filter_map(swap).collect())
}

/// One line of /proc/swaps; the kernel writes blanks in a path as `\040`.
fn swap(line: &str) -> Option<Swap> {
    let mut words = line.split_whitespace();
    let path = words.next()?.replace("\\040", " ").replace("\\011", "\t");
    let kind = words.next()?.to_owned();
    let mut kib = || words.next()?.parse::<u64>().ok();
    let (bytes, used_bytes) = (kib()? * 1024, kib()? * 1024);
    Some(Swap { path, kind, bytes, used_bytes, priority: words.next()?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_swaps() {
        let line = "/swap\\040file                           file\t\t524284\t\t1024\t\t-2";
        let swap = swap(line).unwrap();
        assert_eq!((swap.path.as_str(), swap.bytes, swap.priority), ("/swap file", 524_284 * 1024, -2));
        assert_eq!(super::swap("short line"), None);
    }
}
