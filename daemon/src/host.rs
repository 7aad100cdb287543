//! The facts of a host, read once: what a profile may ask for, what `doctor` shows, what a record is stamped with.
//!
//! What a machine does not have is an empty list or `None`, never an error: a container without /sys/block, a
//! CPU without frequency control and a kernel without NUMA are all ordinary hosts. Every file is read through
//! [`Root`], so a folder with a few files is a host as well.

mod block;
mod cpu;
mod firmware;
mod gpu;
mod interrupt;
mod memory;
mod nic;
mod software;
mod topology;

pub use block::BlockDevice;
pub use cpu::{Cache, Cpu, NumaNode};
pub use firmware::Firmware;
pub use gpu::{Gpu, Vulkan};
pub use interrupt::{Interrupt, interrupt, interrupt_names, interrupts};
pub use memory::{HugePages, Memory, Swap};
pub use nic::Nic;
pub use software::{Kernel, Rival};
pub use topology::{LogicalCpu, Roles, Topology};

use serde::{Deserialize, Serialize};

use crate::root::{Root, RootError};

/// Everything known about a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Processors and their caches.
    pub cpu: Cpu,
    /// The machine in the words of its firmware.
    pub firmware: Firmware,
    /// Which logical CPUs there are, and what they share.
    pub topology: Topology,
    /// NUMA nodes; empty where the kernel has no NUMA.
    pub numa: Vec<NumaNode>,
    /// Main memory, huge pages and their modes.
    pub memory: Memory,
    /// What is swapped to.
    pub swap: Vec<Swap>,
    /// Whole disks, without partitions.
    pub block: Vec<BlockDevice>,
    /// Network interfaces.
    pub nics: Vec<Nic>,
    /// Kernel, its command line and clock, and the hypervisor below it.
    pub kernel: Kernel,
    /// Display and compute devices on the PCI bus.
    pub gpus: Vec<Gpu>,
    /// Vulkan drivers and render nodes.
    pub vulkan: Vulkan,
    /// Other programs that set the same knobs and run now.
    pub rivals: Vec<Rival>,
}

/// Which devices are asked about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Disks.
    pub disks: bool,
    /// Network interfaces.
    pub cards: bool,
    /// GPUs.
    pub gpus: bool,
}

impl Host {
    /// Reads the facts below `root`.
    ///
    /// # Errors
    /// When a file is there but the kernel refuses to read it.
    pub fn read(root: &Root) -> Result<Self, RootError> {
        let all = Asked { disks: true, cards: true, gpus: true };
        Ok(Self { vulkan: gpu::vulkan(root)?, rivals: software::rivals(root)?, ..Self::of_plan(root, all)? })
    }

    /// The facts that a plan hangs on: without the rivals, as finding those asks every process for its name, and
    /// without devices that nobody asks about, of which a machine may have hundreds.
    ///
    /// # Errors
    /// As [`Host::read`].
    pub fn of_plan(root: &Root, asked: Asked) -> Result<Self, RootError> {
        Ok(Self {
            cpu: cpu::read(root)?,
            firmware: firmware::read(root)?,
            topology: topology::read(root)?,
            numa: cpu::numa(root)?,
            memory: memory::read(root)?,
            swap: memory::swaps(root)?,
            block: if asked.disks { block::read(root)? } else { Vec::new() },
            nics: if asked.cards { nic::read(root)? } else { Vec::new() },
            kernel: software::kernel(root)?,
            gpus: if asked.gpus { gpu::read(root)? } else { Vec::new() },
            vulkan: Vulkan::default(),
            rivals: Vec::new(),
        })
    }
}

/// What is swapped to now, in the order of /proc/swaps.
///
/// # Errors
/// When the table is there but cannot be read.
pub fn swaps(root: &Root) -> Result<Vec<Swap>, RootError> {
    memory::swaps(root)
}

/// Main memory now.
///
/// # Errors
/// When a file is there but cannot be read.
pub fn memory(root: &Root) -> Result<Memory, RootError> {
    memory::read(root)
}

/// Other programs that set the same knobs and run now.
///
/// # Errors
/// When /proc cannot be listed.
pub fn rivals(root: &Root) -> Result<Vec<Rival>, RootError> {
    software::rivals(root)
}

/// A file's text without surrounding blanks; `None` when it is absent, empty, or the kernel has no answer in it
/// (sysfs says `EINVAL`, `EIO` or `EOPNOTSUPP`, or `EACCES` to a user who may not know).
fn fact(root: &Root, path: &str) -> Result<Option<String>, RootError> {
    use nix::errno::Errno::{EACCES, EAGAIN, EINVAL, EIO, EOPNOTSUPP, EPERM};
    match root.read(path) {
        Ok(text) => Ok(text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())),
        Err(error) if matches!(error.errno(), Some(EINVAL | EIO | EOPNOTSUPP | EACCES | EPERM | EAGAIN)) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// A file's number; `None` when it is absent or holds none.
fn number<T: std::str::FromStr>(root: &Root, path: &str) -> Result<Option<T>, RootError> {
    Ok(fact(root, path)?.and_then(|text| text.parse().ok()))
}

/// The last part of a link's target: the name of a driver or a bus.
fn link_name(root: &Root, path: &str) -> Result<Option<String>, RootError> {
    Ok(root.link(path)?.and_then(|target| target.rsplit('/').next().map(str::to_owned)))
}

/// The word in brackets of `a [b] c`, or the whole text where there is none.
fn marked(text: &str) -> String {
    let inside = text.split_whitespace().find_map(|word| word.strip_prefix('[')?.strip_suffix(']'));
    inside.unwrap_or(text).to_owned()
}

/// The value after `key` and a colon in a text of `key : value` lines.
fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_tree_is_a_host() {
        let folder = tempfile::tempdir().unwrap();
        let host = Host::read(&Root::new(folder.path())).unwrap();
        assert_eq!(host.cpu.online, 0);
        assert!(host.block.is_empty() && host.gpus.is_empty() && host.kernel.release.is_none());
        let text = serde_json::to_string(&host).unwrap();
        assert_eq!(serde_json::from_str::<Host>(&text).unwrap(), host);
    }

    #[test]
    fn this_machine_is_a_host() {
        let host = Host::read(&Root::new("/")).unwrap();
        assert!(host.cpu.online >= 1 && host.memory.total_bytes > 0);
        assert!(host.kernel.release.is_some());
    }
}
