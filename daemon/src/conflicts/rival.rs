//! Other programs that set knobs while the machine runs: which are there, which start at boot, what they write.

use serde::{Deserialize, Serialize};

use crate::host::Host;
use crate::root::{Root, RootError};

/// A program that sets the same knobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RivalFound {
    /// The name of its service.
    pub name: String,
    /// Its processes, where it runs.
    pub pids: Vec<u32>,
    /// Whether it starts at boot.
    pub enabled: bool,
    /// What it writes, as patterns of full names.
    pub writes: Vec<String>,
    /// What that means beside diapasond.
    pub meaning: String,
    /// What to do.
    pub remedy: String,
}

/// What is known of such a program.
struct Known {
    name: &'static str,
    writes: &'static [&'static str],
    meaning: &'static str,
    remedy: &'static str,
}

const POWER: &[&str] = &["cpu.*"];

/// Programs that set the same knobs. Their process names are in `host`.
const KNOWN: &[Known] = &[
    Known {
        name: "tuned",
        writes: &["*"],
        meaning: "writes its profile when it starts and when it is told to; nothing orders it against diapasond, and when it stops it writes what it found, which may be ours",
        remedy: "sudo systemctl disable --now tuned",
    },
    Known {
        name: "tuned-ppd",
        writes: &["*"],
        meaning: "switches TuneD's profile when a desktop asks for another power mode",
        remedy: "sudo systemctl disable --now tuned-ppd",
    },
    Known {
        name: "irqbalance",
        writes: &["irq.*"],
        meaning: "moves interrupts every ten seconds, so an affinity that was set does not last",
        remedy: "sudo systemctl disable --now irqbalance, or ban the interrupts and CPUs that a profile sets",
    },
    Known {
        name: "power-profiles-daemon",
        writes: POWER,
        meaning: "writes governor preference and boost whenever the power mode changes",
        remedy: "sudo systemctl disable --now power-profiles-daemon",
    },
    Known {
        name: "tlp",
        writes: &["cpu.*", "block.*", "vm.dirty*", "kernel.nmi_watchdog"],
        meaning: "writes its settings at boot and whenever the power source changes",
        remedy: "sudo systemctl disable --now tlp",
    },
    Known {
        name: "tlp-pd",
        writes: POWER,
        meaning: "writes power settings whenever the power mode changes",
        remedy: "sudo systemctl disable --now tlp-pd",
    },
    Known {
        name: "auto-cpufreq",
        writes: POWER,
        meaning: "writes governor and boost every few seconds by load and battery",
        remedy: "sudo auto-cpufreq --remove",
    },
    Known {
        name: "cpupower",
        writes: POWER,
        meaning: "writes governor and frequencies once at boot; nothing orders it against diapasond",
        remedy: "sudo systemctl disable cpupower",
    },
    Known {
        name: "cpufrequtils",
        writes: POWER,
        meaning: "writes governor and frequencies once at boot; nothing orders it against diapasond",
        remedy: "sudo systemctl disable cpufrequtils",
    },
    Known {
        name: "thermald",
        writes: &["cpu.no_turbo", "cpu.max_perf_pct"],
        meaning: "lowers the clock of a hot processor",
        remedy: "leave it where heat is the limit; else sudo systemctl disable --now thermald",
    },
    Known {
        name: "bpftune",
        writes: &["net.*"],
        meaning: "changes network parameters by what it sees, and stops for a parameter that somebody else sets",
        remedy: "sudo systemctl disable --now bpftune",
    },
];

/// Those that run now or start at boot.
pub(super) fn found(root: &Root, host: &Host) -> Result<Vec<RivalFound>, RootError> {
    let mut rivals = Vec::new();
    for known in KNOWN {
        let running = host.rivals.iter().filter(|rival| rival.name == known.name);
        let pids: Vec<u32> = running.map(|rival| rival.pid).collect();
        let enabled = is_enabled(root, known.name)?;
        if pids.is_empty() && !enabled {
            continue;
        }
        rivals.push(RivalFound {
            name: known.name.to_owned(),
            pids,
            enabled,
            writes: known.writes.iter().map(|pattern| (*pattern).to_owned()).collect(),
            meaning: known.meaning.to_owned(),
            remedy: known.remedy.to_owned(),
        });
    }
    Ok(rivals)
}

/// Whether some unit wants the service when the machine starts, and nobody has masked it.
fn is_enabled(root: &Root, name: &str) -> Result<bool, RootError> {
    let unit = format!("{name}.service");
    let folders = ["/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system"];
    for folder in folders {
        if root.link(&format!("{folder}/{unit}")).ok().flatten().as_deref() == Some("/dev/null") {
            return Ok(false);
        }
    }
    for folder in folders {
        for entry in root.list(folder)? {
            let pulls = entry.ends_with(".wants") || entry.ends_with(".requires");
            let link = format!("{folder}/{entry}/{unit}");
            // The link may point at a file that the tree lacks.
            if pulls && root.link(&link).ok().flatten().is_some() {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_wanted_or_masked() {
        let folder = tempfile::tempdir().unwrap();
        let wants = folder.path().join("etc/systemd/system/multi-user.target.wants");
        std::fs::create_dir_all(&wants).unwrap();
        let root = Root::new(folder.path());
        let host = Host::read(&root).unwrap();
        let names = || found(&root, &host).unwrap().into_iter().map(|rival| rival.name).collect::<Vec<_>>();
        assert!(names().is_empty());
        let link = |target: &str, path: &str| {
            std::os::unix::fs::symlink(target, folder.path().join(path)).unwrap();
        };
        link(
            "/usr/lib/systemd/system/tuned.service",
            "etc/systemd/system/multi-user.target.wants/tuned.service",
        );
        link("/usr/lib/systemd/system/tlp.service", "etc/systemd/system/multi-user.target.wants/tlp.service");
        link("/dev/null", "etc/systemd/system/tlp.service");
        assert_eq!(names(), ["tuned"]);
        let comm = folder.path().join("proc/4711");
        std::fs::create_dir_all(&comm).unwrap();
        std::fs::write(comm.join("comm"), "irqbalance\n").unwrap();
        let host = Host::read(&root).unwrap();
        let rivals = found(&root, &host).unwrap();
        assert_eq!(rivals.iter().map(|rival| rival.pids.clone()).collect::<Vec<_>>(), [vec![], vec![4711]]);
    }
}
