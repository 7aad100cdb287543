//! Kernel, hypervisor, clock, and programs that tune the same machine.

use serde::{Deserialize, Serialize};

use super::{fact, field};
use crate::root::{Root, RootError};

/// The kernel and what it runs on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kernel {
    /// `6.1.0-49-amd64`.
    pub release: Option<String>,
    /// The parameters it was booted with.
    pub command_line: Option<String>,
    /// This boot's random identity.
    pub boot_id: Option<String>,
    /// The hypervisor or container manager; `None` on bare metal, or where nothing gives it away.
    pub virtualisation: Option<String>,
    /// The clock in use, `tsc`, `kvm-clock`, `hpet`.
    pub clocksource: Option<String>,
    /// The clocks it could use.
    pub clocksources: Vec<String>,
    /// Whether it is a real-time kernel.
    pub realtime: bool,
}

/// A program that sets knobs and would fight over them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rival {
    /// The name of its service, `tuned`.
    pub name: String,
    /// Its process.
    pub pid: u32,
}

/// Process names (at most 15 letters in /proc/PID/comm) of programs that set the same knobs.
const RIVALS: &[(&str, &str)] = &[
    ("tuned", "tuned"),
    ("tuned-ppd", "tuned-ppd"),
    ("irqbalance", "irqbalance"),
    ("tlp", "tlp"),
    ("tlp-pd", "tlp-pd"),
    ("power-profiles-", "power-profiles-daemon"),
    ("auto-cpufreq", "auto-cpufreq"),
    ("bpftune", "bpftune"),
    ("thermald", "thermald"),
];

pub(super) fn kernel(root: &Root) -> Result<Kernel, RootError> {
    let clock = "/sys/devices/system/clocksource/clocksource0";
    let clocks = fact(root, &format!("{clock}/available_clocksource"))?.unwrap_or_default();
    Ok(Kernel {
        release: fact(root, "/proc/sys/kernel/osrelease")?,
        command_line: fact(root, "/proc/cmdline")?,
        boot_id: fact(root, "/proc/sys/kernel/random/boot_id")?,
        virtualisation: virtualisation(root)?,
        clocksource: fact(root, &format!("{clock}/current_clocksource"))?,
        clocksources: clocks.split_whitespace().map(str::to_owned).collect(),
        realtime: fact(root, "/sys/kernel/realtime")?.as_deref() == Some("1"),
    })
}

/// The name of the hypervisor by the firmware's words, then by the CPU flag that every hypervisor sets.
fn virtualisation(root: &Root) -> Result<Option<String>, RootError> {
    if let Some(container) = fact(root, "/run/systemd/container")? {
        return Ok(Some(container));
    }
    let mut words = String::new();
    for leaf in ["sys_vendor", "product_name", "board_vendor", "bios_vendor"] {
        words.push_str(&fact(root, &format!("/sys/class/dmi/id/{leaf}"))?.unwrap_or_default());
        words.push('\n');
    }
    let known = [
        ("KVM", "kvm"),
        ("QEMU", "qemu"),
        ("VMware", "vmware"),
        ("VirtualBox", "virtualbox"),
        ("Xen", "xen"),
        ("Amazon EC2", "amazon"),
        ("Google Compute", "google"),
        ("Virtual Machine", "hyper-v"),
        ("Parallels", "parallels"),
    ];
    let info = root.read("/proc/cpuinfo")?.unwrap_or_default();
    let under_hypervisor =
        field(&info, "flags").is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor"));
    // Amazon's firmware says the same on bare metal, hence the processor flag.
    let named = known.iter().find(|(word, _)| words.contains(word)).map(|(_, name)| (*name).to_owned());
    if !under_hypervisor && !info.is_empty() && field(&info, "flags").is_some() {
        return Ok(None);
    }
    Ok(named.or_else(|| under_hypervisor.then(|| "unnamed hypervisor".to_owned())))
}

pub(super) fn rivals(root: &Root) -> Result<Vec<Rival>, RootError> {
    let mut rivals = Vec::new();
    for name in root.list("/proc")? {
        let Ok(pid) = name.parse::<u32>() else { continue };
        // A process may end between the listing and the reading: then it is no rival.
        let Ok(Some(comm)) = root.read(&format!("/proc/{pid}/comm")) else { continue };
        if let Some((_, rival)) = RIVALS.iter().find(|(process, _)| *process == comm.trim()) {
            rivals.push(Rival { name: (*rival).to_owned(), pid });
        }
    }
    Ok(rivals)
}
