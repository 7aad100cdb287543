//! What the firmware says of the machine: /sys/class/dmi/id, and whether it runs on a battery.

use serde::{Deserialize, Serialize};

use super::{fact, number};
use crate::root::{Root, RootError};

/// The machine in the words of its firmware (SMBIOS).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firmware {
    /// Who made it, `Dell Inc.`.
    pub vendor: Option<String>,
    /// The model, `PowerEdge R760`.
    pub product: Option<String>,
    /// What it is in: `desktop`, `laptop`, `server`, `other`; `None` where the firmware does not say.
    pub chassis: Option<String>,
    /// Whether it has a battery of its own, not that of a mouse.
    pub battery: bool,
}

pub(super) fn read(root: &Root) -> Result<Firmware, RootError> {
    let dmi = |leaf: &str| fact(root, &format!("/sys/class/dmi/id/{leaf}"));
    Ok(Firmware {
        vendor: dmi("sys_vendor")?,
        product: dmi("product_name")?,
        chassis: number(root, "/sys/class/dmi/id/chassis_type")?.and_then(chassis).map(str::to_owned),
        battery: battery(root)?,
    })
}

/// The enclosure types of the SMBIOS specification, 7.4.1, in four words.
const fn chassis(kind: u32) -> Option<&'static str> {
    match kind {
        3..=7 | 13 | 15 | 16 | 24 | 34..=36 => Some("desktop"),
        8..=10 | 14 | 30..=32 => Some("laptop"),
        17 | 23 | 25 | 28 | 29 => Some("server"),
        0..=2 => None,
        _ => Some("other"),
    }
}

fn battery(root: &Root) -> Result<bool, RootError> {
    let base = "/sys/class/power_supply";
    for name in root.list(base)? {
        let is_battery = fact(root, &format!("{base}/{name}/type"))?.as_deref() == Some("Battery");
        // Scope `Device` is the battery of something attached: a mouse, a headset.
        if is_battery && fact(root, &format!("{base}/{name}/scope"))?.as_deref() != Some("Device") {
            return Ok(true);
        }
    }
    Ok(false)
}
