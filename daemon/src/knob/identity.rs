//! Which very device a knob is on: a name is given anew, to another disk that is plugged in, or by udev to the same network
//! interface.
//!
//! What was recorded with an original is compared before it is restored. A device that has another name now is looked
//! for under all names: it keeps what it was given, and so its original must find it.

use crate::root::{Root, RootError};

/// What tells a device from another one that gets its name later in the same boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Identity {
    /// There is one per machine.
    Machine,
    /// There is one per network namespace, told by its inode.
    NetNamespace,
    /// A disk, told by the sequence number that the kernel gives each one (`diskseq`, since Linux 5.15).
    Disk,
    /// A network interface, told by its index and the address burnt into it, in a network namespace. The kernel gives an
    /// index once in the life of a namespace, unless it is asked for a certain one.
    Interface,
    /// A mount, told by its number and its device.
    Mount,
    /// A queue `eth0.rx-0` of a network interface, told by its interface.
    Queue,
    /// An interrupt, told by its number, its chip and what has taken it.
    Interrupt,
}

impl Identity {
    /// The folder that is there for as long as the device is; `None` for what does not go, or comes back as the same
    /// thing (a CPU that is switched off).
    #[must_use]
    pub fn folder(self, target: &str) -> Option<String> {
        match self {
            Self::Disk => Some(format!("/sys/block/{target}")),
            Self::Interface => Some(format!("/sys/class/net/{target}")),
            Self::Queue => {
                let (device, queue) = target.rsplit_once('.')?;
                Some(format!("/sys/class/net/{device}/queues/{queue}"))
            }
            Self::Machine | Self::NetNamespace | Self::Interrupt | Self::Mount => None,
        }
    }

    pub(super) fn read(self, root: &Root, target: &str) -> Result<Option<String>, RootError> {
        let namespace = || root.link("/proc/self/ns/net");
        match self {
            Self::Machine => Ok(None),
            Self::NetNamespace => namespace(),
            Self::Interrupt => {
                let interrupt = crate::host::interrupt(root, target)?;
                Ok(interrupt.map(|interrupt| interrupt.identity()))
            }
            Self::Disk => {
                Ok(root.read(&format!("/sys/block/{target}/diskseq"))?.map(|text| text.trim().to_owned()))
            }
            Self::Mount => {
                let mounts = root.mounts()?.into_iter();
                let mut here = mounts.filter(|mount| super::mount::escaped(&mount.point) == target);
                Ok(here.next().map(|mount| format!("{}/{}", mount.id, mount.device)))
            }
            Self::Queue => Self::Interface.read(root, interface(target)),
            Self::Interface => {
                let Some((index, burnt)) = root.interface(target)? else { return Ok(None) };
                let burnt = burnt.map(|address| format!("/{address}")).unwrap_or_default();
                let namespace = namespace()?.unwrap_or_default();
                Ok(Some(format!("{namespace}{target}/{index}{burnt}")))
            }
        }
    }

    /// Whether `now` is the device that `then` was. An interface is the same under another name.
    #[must_use]
    pub fn is_same(self, then: &str, now: &str) -> bool {
        match self {
            Self::Interface | Self::Queue => lasting(then) == lasting(now),
            _ => then == now,
        }
    }

    /// What the device `then`, which was `target`, is called now, where that is something else.
    ///
    /// # Errors
    /// When the machine cannot be read.
    pub fn moved(self, root: &Root, target: &str, then: &str) -> Result<Option<String>, RootError> {
        let device = match self {
            Self::Interface => target,
            Self::Queue => interface(target),
            _ => return Ok(None),
        };
        let (_, lasting_part) = lasting(then);
        let wanted = lasting_part.split('/').next().unwrap_or_default();
        // One read where nothing has moved, which is almost always.
        if index(root, device)?.is_some_and(|index| index == wanted) {
            return Ok(None);
        }
        for name in root.list("/sys/class/net")? {
            let may_be = name != device && index(root, &name)?.is_some_and(|index| index == wanted);
            if may_be && Self::Interface.read(root, &name)?.is_some_and(|now| self.is_same(then, &now)) {
                let queue = target.strip_prefix(device).unwrap_or_default();
                return Ok(Some(format!("{name}{queue}")));
            }
        }
        Ok(None)
    }
}

/// The interface of a queue.
fn interface(queue: &str) -> &str {
    queue.rsplit_once('.').map_or(queue, |(device, _)| device)
}

fn index(root: &Root, device: &str) -> Result<Option<String>, RootError> {
    Ok(root.read(&format!("/sys/class/net/{device}/ifindex"))?.map(|text| text.trim().to_owned()))
}

/// The identity `net:[4026531833]eth0/2/52:54:00:00:00:01` of an interface without its name: the namespace, and the
/// index with the address.
fn lasting(identity: &str) -> (&str, &str) {
    let (before, after) = identity.split_once('/').unwrap_or((identity, ""));
    (before.rfind(']').and_then(|end| before.get(..=end)).unwrap_or_default(), after)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(interfaces: &[(&str, &str, &str)]) -> (tempfile::TempDir, Root) {
        let folder = tempfile::tempdir().unwrap();
        for (name, index, address) in interfaces {
            let put = |path: String, text: &str| {
                std::fs::create_dir_all(folder.path().join(&path).parent().unwrap()).unwrap();
                std::fs::write(folder.path().join(path), text).unwrap();
            };
            put(format!("sys/class/net/{name}/ifindex"), &format!("{index}\n"));
            if !address.is_empty() {
                put(format!("netlink/route/{name}/perm_address"), &format!("{address}\n"));
            }
        }
        let root = Root::new(folder.path());
        (folder, root)
    }

    #[test]
    fn an_interface_is_itself_under_any_name() {
        let (_before, before) = machine(&[("eth0", "2", "52:54:00:00:00:01"), ("eth1", "3", "")]);
        let [then, other] =
            ["eth0", "eth1"].map(|name| Identity::Interface.read(&before, name).unwrap().unwrap());
        assert_eq!(then, "eth0/2/52:54:00:00:00:01");
        let moved =
            |root: &Root, target: &str, then: &str| Identity::Interface.moved(root, target, then).unwrap();
        assert_eq!(moved(&before, "eth0", &then), None);
        // The two have changed their names.
        let (_after, after) = machine(&[("eth1", "2", "52:54:00:00:00:01"), ("eth0", "3", "")]);
        assert_eq!(moved(&after, "eth0", &then).as_deref(), Some("eth1"));
        assert_eq!(moved(&after, "eth1", &other).as_deref(), Some("eth0"));
        let queue = Identity::Queue.moved(&after, "eth0.rx-3", &then).unwrap();
        assert_eq!(queue.as_deref(), Some("eth1.rx-3"));
        // Another card with the index of the first.
        let (_other, another) = machine(&[("lan0", "2", "52:54:00:00:00:09")]);
        assert_eq!(moved(&another, "eth0", &then), None);
        assert_eq!(moved(&machine(&[]).1, "eth0", &then), None);
    }

    #[test]
    fn namespaces_tell_interfaces_apart() {
        let same = |then, now| Identity::Interface.is_same(then, now);
        assert!(same("net:[4026531833]eth0/2/52:54:00:00:00:01", "net:[4026531833]lan0/2/52:54:00:00:00:01"));
        assert!(!same("net:[4026531833]eth0/2", "net:[4026531834]eth0/2"));
        assert!(!same("net:[4026531833]eth0/2", "net:[4026531833]eth0/3"));
        assert!(!same("net:[4026531833]eth0/2", "net:[4026531833]eth0/2/52:54:00:00:00:01"));
        assert!(!Identity::Disk.is_same("7", "8") && Identity::Disk.is_same("7", "7"));
    }
}
