//! Whole disks: /sys/block.

use serde::{Deserialize, Serialize};

use super::{fact, link_name, marked, number};
use crate::root::{Root, RootError};

/// One disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockDevice {
    /// The kernel's name, `nvme0n1`.
    pub name: String,
    /// Capacity in bytes.
    pub bytes: u64,
    /// Whether it turns; `None` where the kernel does not say.
    pub rotational: Option<bool>,
    /// The active I/O scheduler.
    pub scheduler: Option<String>,
    /// Every scheduler the kernel offers for it.
    pub schedulers: Vec<String>,
    /// Requests the scheduler holds at most.
    pub nr_requests: Option<u64>,
    /// Read-ahead in KiB.
    pub read_ahead_kb: Option<u64>,
    /// The driver, `nvme`, `sd`, `virtio_blk`; `None` for loop and zram devices.
    pub driver: Option<String>,
    /// The model as the device names itself.
    pub model: Option<String>,
    /// Whether it lives only in software: loop, ram, zram, device mapper, md.
    pub is_virtual: bool,
}

pub(super) fn read(root: &Root) -> Result<Vec<BlockDevice>, RootError> {
    let mut disks = Vec::new();
    for name in root.list("/sys/block")? {
        let at = |leaf: &str| format!("/sys/block/{name}/{leaf}");
        let offered = fact(root, &at("queue/scheduler"))?;
        let word = |word: &str| word.trim_matches(['[', ']']).to_owned();
        let target = root.link(&format!("/sys/block/{name}"))?.unwrap_or_default();
        // An NVMe namespace hangs below its controller, which is the one with the driver.
        let driver = match link_name(root, &at("device/driver"))? {
            Some(driver) => Some(driver),
            None => link_name(root, &at("device/device/driver"))?,
        };
        disks.push(BlockDevice {
            bytes: number::<u64>(root, &at("size"))?.unwrap_or(0).saturating_mul(512),
            rotational: number::<u8>(root, &at("queue/rotational"))?.map(|turns| turns == 1),
            scheduler: offered.as_deref().map(marked),
            schedulers: offered.unwrap_or_default().split_whitespace().map(word).collect(),
            nr_requests: number(root, &at("queue/nr_requests"))?,
            read_ahead_kb: number(root, &at("queue/read_ahead_kb"))?,
            driver,
            model: fact(root, &at("device/model"))?,
            is_virtual: target.contains("/devices/virtual/") || is_software(&name),
            name,
        });
    }
    Ok(disks)
}

fn is_software(name: &str) -> bool {
    ["loop", "ram", "zram", "dm-", "md"].iter().any(|prefix| name.starts_with(prefix))
}
