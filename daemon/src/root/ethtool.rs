//! Settings of network interfaces that ethtool(8) shows: generic netlink on the machine, files in a tree.
//!
//! On a tree `/netlink/ethtool/DEVICE/GROUP/SETTING` stands for a setting and `SETTING-max` beside it for its bound;
//! a file `step` in the group's folder makes the pretended driver round up to its multiples. A feature is the file
//! `features/NAME` with `on` or `off`, followed by `fixed` where the driver allows no other.
//!
//! Source: Documentation/networking/ethtool-netlink.rst and `linux/ethtool_netlink.h` of the kernel (Linux 5.7).

mod message;

use std::collections::BTreeMap;

use nix::errno::Errno;

use super::{Root, RootError};

/// A group of settings that the kernel reads and writes together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// How interrupts are gathered (`ethtool -c`).
    Coalesce,
    /// Descriptors in each ring (`ethtool -g`).
    Ring,
    /// Queues (`ethtool -l`).
    Channels,
    /// Ethernet flow control (`ethtool -a`).
    Pause,
}

impl Group {
    /// The name of its folder in a tree.
    const fn name(self) -> &'static str {
        match self {
            Self::Coalesce => "coalesce",
            Self::Ring => "ring",
            Self::Channels => "channels",
            Self::Pause => "pause",
        }
    }
}

/// The settings of a group by the names that ethtool(8) gives them; `NAME-max` is the bound of `NAME`.
pub type Settings = BTreeMap<String, u32>;

/// An offload of an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Feature {
    /// Whether it is on.
    pub active: bool,
    /// Whether it was asked for; it may be off all the same, because another one that it needs is off.
    pub wanted: bool,
    /// Whether the driver allows no change.
    pub fixed: bool,
}

impl Root {
    /// The settings of a group; `None` when the interface, the group in its driver, or ethtool's netlink is missing.
    ///
    /// # Errors
    /// When the kernel refuses for another reason.
    pub fn ethtool(&self, device: &str, group: Group) -> Result<Option<Settings>, RootError> {
        let path = format!("/netlink/ethtool/{device}/{}", group.name());
        self.alive()?;
        if self.is_machine() {
            return absent(message::read(device, group), path);
        }
        if !self.exists(&path)? {
            return Ok(None);
        }
        let mut settings = Settings::new();
        for name in self.list(&path)? {
            if let Some(Ok(value)) = self.read(&format!("{path}/{name}"))?.map(|text| text.trim().parse()) {
                settings.insert(name, value);
            }
        }
        Ok(Some(settings))
    }

    /// Sets one setting of a group.
    ///
    /// # Errors
    /// When the kernel or the driver refuses it.
    pub fn ethtool_set(&self, device: &str, group: Group, name: &str, value: u32) -> Result<(), RootError> {
        let path = format!("/netlink/ethtool/{device}/{}/{name}", group.name());
        let refused = |errno| RootError::Write { path: path.clone(), data: value.to_string(), errno };
        self.spend(&path, &value.to_string())?;
        if self.is_machine() {
            return message::write(device, group, name, value).map_err(refused);
        }
        let settings = self.ethtool(device, group)?.unwrap_or_default();
        let step = settings.get("step").copied().unwrap_or(1).max(1);
        let made = value.checked_next_multiple_of(step).ok_or_else(|| refused(Errno::EINVAL))?;
        if settings.get(&format!("{name}-max")).is_some_and(|max| made > *max) {
            return Err(refused(Errno::EINVAL));
        }
        self.picture(&path, Some(&made.to_string()))
    }

    /// The features of an interface by the kernel's names; `None` when the interface or ethtool's netlink is missing.
    ///
    /// # Errors
    /// When the kernel refuses for another reason.
    pub fn features(&self, device: &str) -> Result<Option<BTreeMap<String, Feature>>, RootError> {
        let path = format!("/netlink/ethtool/{device}/features");
        self.alive()?;
        if self.is_machine() {
            return absent(message::features(device), path);
        }
        if !self.exists(&path)? {
            return Ok(None);
        }
        let mut features = BTreeMap::new();
        for name in self.list(&path)? {
            let text = self.read(&format!("{path}/{name}"))?.unwrap_or_default();
            let active = text.starts_with("on");
            features.insert(name, Feature { active, wanted: active, fixed: text.trim().ends_with(" fixed") });
        }
        Ok(Some(features))
    }

    /// Asks for a feature to be on or off.
    ///
    /// # Errors
    /// When the kernel or the driver refuses it.
    pub fn set_feature(&self, device: &str, name: &str, wanted: bool) -> Result<(), RootError> {
        let path = format!("/netlink/ethtool/{device}/features/{name}");
        let word = if wanted { "on" } else { "off" };
        self.spend(&path, word)?;
        if self.is_machine() {
            let refused = |errno| RootError::Write { path: path.clone(), data: word.to_owned(), errno };
            return message::set_feature(device, name, wanted).map_err(refused);
        }
        self.picture(&path, Some(word))
    }

    /// The address that was burnt into an interface; `None` where it has none (veth, dummy) or the kernel does not
    /// tell (before Linux 5.6). In a tree, the file `/netlink/route/DEVICE/perm_address`.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn permanent_address(&self, device: &str) -> Result<Option<String>, RootError> {
        let path = format!("/netlink/route/{device}/perm_address");
        self.alive()?;
        if self.is_machine() {
            return Ok(absent(message::link(device), path)?.and_then(|(_, address)| address));
        }
        Ok(self.read(&path)?.map(|text| text.trim().to_owned()))
    }

    /// All interfaces with their indices and addresses, in one question; none in a tree. A kernel that does not answer is
    /// asked for each of them.
    pub(super) fn interfaces(&self) -> Option<BTreeMap<String, (i32, Option<String>)>> {
        if self.is_machine() && self.alive().is_ok() { message::links().ok() } else { None }
    }

    /// The index of an interface and the address that was burnt into it, in one question where the kernel has an
    /// answer to it; `None` when there is no such interface.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn interface(&self, device: &str) -> Result<Option<(String, Option<String>)>, RootError> {
        let path = format!("/sys/class/net/{device}/ifindex");
        self.alive()?;
        let listed = self.listed(device);
        let asked = || absent(message::link(device), path.clone());
        if self.is_machine()
            && let Some((index, address)) = listed.map_or_else(asked, |link| Ok(Some(link)))?
        {
            return Ok(Some((index.to_string(), address)));
        }
        let Some(index) = self.read(&path)? else { return Ok(None) };
        Ok(Some((index.trim().to_owned(), self.permanent_address(device)?)))
    }
}

/// What a machine does not have is absent: no such interface (`ENODEV`), nothing of the kind in its driver
/// (`EOPNOTSUPP`), no such family in an old kernel (`ENOENT`), no netlink in a container (`EAFNOSUPPORT`).
fn absent<T>(answer: Result<T, Errno>, path: String) -> Result<Option<T>, RootError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(
            Errno::ENODEV | Errno::EOPNOTSUPP | Errno::ENOENT | Errno::EAFNOSUPPORT | Errno::EPROTONOSUPPORT,
        ) => Ok(None),
        Err(errno) => Err(RootError::Refused { verb: "read", path, errno }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_stand_for_a_driver() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = folder.path().join("netlink/ethtool/eth0").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put("ring/rx", "512\n");
        put("ring/rx-max", "4096\n");
        put("ring/step", "8\n");
        put("features/rx-lro", "off\n");
        put("features/rx-vlan-filter", "on fixed\n");
        let root = Root::new(folder.path());
        root.ethtool_set("eth0", Group::Ring, "rx", 1001).unwrap();
        assert_eq!(root.ethtool("eth0", Group::Ring).unwrap().unwrap()["rx"], 1008);
        let said = root.ethtool_set("eth0", Group::Ring, "rx", 5000).unwrap_err().to_string();
        assert!(
            said.starts_with("cannot write \"5000\" to /netlink/ethtool/eth0/ring/rx: Invalid argument; ")
        );
        assert_eq!(root.ethtool("eth0", Group::Pause).unwrap(), None);
        root.set_feature("eth0", "rx-lro", true).unwrap();
        let features = root.features("eth0").unwrap().unwrap();
        assert_eq!(features["rx-lro"], Feature { active: true, wanted: true, fixed: false });
        assert!(features["rx-vlan-filter"].fixed);
        assert_eq!(root.features("eth1").unwrap(), None);
    }
}
