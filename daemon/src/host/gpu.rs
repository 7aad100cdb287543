//! Graphics and compute devices: the PCI bus, NVIDIA's driver, DRM render nodes and Vulkan's manifests.

use serde::{Deserialize, Serialize};

use super::{fact, link_name};
use crate::root::{Root, RootError};

/// One display or compute device on the PCI bus (class 03, or 12: processing accelerators).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gpu {
    /// PCI address, `0000:01:00.0`.
    pub address: String,
    /// `nvidia`, `amd`, `intel`, or the vendor's PCI number.
    pub vendor: String,
    /// The device's PCI number, `0x2330`.
    pub device: String,
    /// The kernel driver; `None` when none is bound.
    pub driver: Option<String>,
    /// The driver's version, where it gives one (NVIDIA).
    pub driver_version: Option<String>,
    /// The model, where the driver gives one (NVIDIA).
    pub model: Option<String>,
}

/// What Vulkan needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vulkan {
    /// Driver manifests, absolute paths.
    pub manifests: Vec<String>,
    /// Render nodes, `/dev/dri/renderD128`.
    pub render_nodes: Vec<String>,
}

pub(super) fn read(root: &Root) -> Result<Vec<Gpu>, RootError> {
    let mut gpus = Vec::new();
    for address in root.list("/sys/bus/pci/devices")? {
        let at = |leaf: &str| format!("/sys/bus/pci/devices/{address}/{leaf}");
        let class = fact(root, &at("class"))?.unwrap_or_default();
        if !class.starts_with("0x03") && !class.starts_with("0x12") {
            continue;
        }
        let vendor = match fact(root, &at("vendor"))?.unwrap_or_default().as_str() {
            "0x10de" => "nvidia".to_owned(),
            "0x1002" => "amd".to_owned(),
            "0x8086" => "intel".to_owned(),
            other => other.to_owned(),
        };
        let driver = link_name(root, &at("driver"))?;
        let information = fact(root, &format!("/proc/driver/nvidia/gpus/{address}/information"))?;
        let model = information.as_deref().and_then(|text| super::field(text, "Model")).map(str::to_owned);
        let driver_version = if driver.as_deref() == Some("nvidia") { nvidia_version(root)? } else { None };
        gpus.push(Gpu {
            vendor,
            device: fact(root, &at("device"))?.unwrap_or_default(),
            driver,
            driver_version,
            model,
            address,
        });
    }
    Ok(gpus)
}

pub(super) fn vulkan(root: &Root) -> Result<Vulkan, RootError> {
    let mut vulkan = Vulkan::default();
    for folder in ["/etc/vulkan/icd.d", "/usr/share/vulkan/icd.d"] {
        let manifests = root.list(folder)?.into_iter().filter(|name| name.ends_with(".json"));
        vulkan.manifests.extend(manifests.map(|name| format!("{folder}/{name}")));
    }
    let nodes = root.list("/dev/dri")?.into_iter().filter(|name| name.starts_with("renderD"));
    vulkan.render_nodes.extend(nodes.map(|name| format!("/dev/dri/{name}")));
    Ok(vulkan)
}

/// The version word of `NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  ...`: the first with two dots
/// or a dot between digits.
fn nvidia_version(root: &Root) -> Result<Option<String>, RootError> {
    let text = fact(root, "/proc/driver/nvidia/version")?.unwrap_or_default();
    let is_version = |word: &&str| {
        word.contains('.')
            && word.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
    };
    Ok(text.lines().next().unwrap_or_default().split_whitespace().find(is_version).map(str::to_owned))
}
