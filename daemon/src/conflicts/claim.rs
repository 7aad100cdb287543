//! Somebody else's word about a knob.

use serde::{Deserialize, Serialize};

/// When it is said, in the order of a boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Stage {
    /// By the boot loader, before anything runs.
    CommandLine,
    /// When a module is loaded.
    Modprobe,
    /// When a device appears, and again whenever udev looks at it.
    Udev,
    /// By systemd-sysctl.
    Sysctl,
    /// By systemd-tmpfiles.
    Tmpfiles,
    /// By a service that nothing orders against diapasond.
    Service,
}

impl Stage {
    /// Who says it.
    #[must_use]
    pub const fn who(self) -> &'static str {
        match self {
            Self::CommandLine => "kernel command line",
            Self::Modprobe => "modprobe.d",
            Self::Udev => "udev",
            Self::Sysctl => "sysctl.d",
            Self::Tmpfiles => "tmpfiles.d",
            Self::Service => "service",
        }
    }
}

/// One line of somebody else's configuration that sets a knob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Claim {
    /// The full name of the knob.
    pub knob: String,
    /// When it is said.
    pub stage: Stage,
    /// Where: file and line, or the name of a service.
    pub place: String,
    /// What is said, as it is written.
    pub value: String,
    /// Whether a later line of the same kind replaces it.
    pub replaced: bool,
    /// What it depends on, where only its owner can judge it.
    pub condition: Option<String>,
}

/// The kernel files of the knobs of this machine, and whose they are.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// Path, knob, device.
    entries: Vec<(String, String, String)>,
}

impl Files {
    pub fn new(entries: Vec<(String, String, String)>) -> Self {
        Self { entries }
    }

    /// The knobs whose file is `path`, or is covered by it where it is a pattern.
    pub fn named(&self, path: &str) -> impl Iterator<Item = (&str, &str)> {
        let covered = move |own: &str| own == path || crate::pattern::covers_path(path, own);
        self.entries
            .iter()
            .filter(move |(own, _, _)| covered(own))
            .map(|(own, knob, _)| (own.as_str(), knob.as_str()))
    }

    /// The knobs below `prefix`: the rest of the path, and the knob.
    pub fn below(&self, prefix: &str) -> impl Iterator<Item = (&str, &str)> {
        self.entries
            .iter()
            .filter_map(move |(path, knob, _)| Some((path.strip_prefix(prefix)?, knob.as_str())))
    }

    /// The knobs on devices: path, knob, device.
    pub fn on_devices(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        let on_device = |entry: &&(String, String, String)| !entry.2.is_empty();
        self.entries
            .iter()
            .filter(on_device)
            .map(|(path, knob, device)| (path.as_str(), knob.as_str(), device.as_str()))
    }
}
