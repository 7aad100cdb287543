//! Network interfaces: /sys/class/net.

use serde::{Deserialize, Serialize};

use super::{fact, link_name, number};
use crate::root::{Root, RootError};

/// One network interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nic {
    /// The kernel's name, `eth0`.
    pub name: String,
    /// The driver, `mlx5_core`, `ena`; `None` for interfaces without a device below them.
    pub driver: Option<String>,
    /// Speed in Mbit/s; `None` while the link is down or where it has none.
    pub speed_mbit: Option<u32>,
    /// Largest packet in bytes.
    pub mtu: Option<u32>,
    /// `up`, `down`, `unknown`...
    pub state: Option<String>,
    /// Receive queues.
    pub rx_queues: usize,
    /// The NUMA node its device hangs on; `None` without NUMA.
    pub numa_node: Option<u32>,
}

pub(super) fn read(root: &Root) -> Result<Vec<Nic>, RootError> {
    let mut nics = Vec::new();
    for name in root.list("/sys/class/net")? {
        let at = |leaf: &str| format!("/sys/class/net/{name}/{leaf}");
        // /sys/class/net also holds plain files (bonding_masters).
        let Some(state) = fact(root, &at("operstate"))? else { continue };
        let queues = root.list(&at("queues"))?;
        nics.push(Nic {
            driver: link_name(root, &at("device/driver"))?,
            speed_mbit: number::<i64>(root, &at("speed"))?.and_then(|speed| u32::try_from(speed).ok()),
            mtu: number(root, &at("mtu"))?,
            state: Some(state),
            rx_queues: queues.iter().filter(|queue| queue.starts_with("rx-")).count(),
            numa_node: number(root, &at("device/numa_node"))?,
            name,
        });
    }
    Ok(nics)
}
