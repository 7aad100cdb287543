//! What the kernel says about devices that come and go (`NETLINK_KOBJECT_UEVENT`; kernel `lib/kobject_uevent.c`).
//!
//! Flow: `bytes -> Uevent -> Device -> Batch`. Parsing and gathering are pure; [`Source`] is the socket.

mod batch;
mod source;

pub use batch::{Batch, Gathering};
pub use source::{Heard, Source};

/// A device that a knob may be on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Device {
    /// A whole disk, by its name below /sys/block.
    Disk(String),
    /// A network interface.
    Interface(String),
    /// A CPU, by its number.
    Cpu(u32),
}

impl std::fmt::Display for Device {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Disk(name) | Self::Interface(name) => formatter.write_str(name),
            Self::Cpu(number) => write!(formatter, "cpu{number}"),
        }
    }
}

/// What happened to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is there: added, renamed to this name, or switched on.
    Came,
    /// It is not there any more.
    Went,
}

/// One message about a device that a knob may be on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uevent {
    /// The device.
    pub device: Device,
    /// What happened to it.
    pub change: Change,
}

impl Uevent {
    /// The message in `bytes`: `ACTION@PATH`, then `KEY=VALUE` words, each ended by NUL. `None` for everything else: a
    /// message of udev, a device that no knob is on, something that is no message at all.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut words = text.split('\0');
        let (action, path) = words.next()?.split_once('@')?;
        let value = |wanted: &str| {
            words
                .clone()
                .find_map(|word| word.strip_prefix(wanted)?.strip_prefix('='))
                .filter(|v| !v.is_empty())
        };
        let name = path.rsplit('/').next().filter(|name| is_name(name))?;
        let device = match value("SUBSYSTEM")? {
            "block" if value("DEVTYPE") == Some("disk") => Device::Disk(name.to_owned()),
            "net" => {
                Device::Interface(value("INTERFACE").filter(|name| is_name(name)).unwrap_or(name).to_owned())
            }
            "cpu" => Device::Cpu(name.strip_prefix("cpu")?.parse().ok()?),
            _ => return None,
        };
        let change = match action {
            "add" | "online" | "move" => Change::Came,
            "remove" | "offline" => Change::Went,
            _ => return None,
        };
        Some(Self { device, change })
    }
}

/// Whether `name` can be a folder's name below /sys/class.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains('/') && name.len() < 256
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Option<(String, Change)> {
        Uevent::parse(text.as_bytes()).map(|event| (event.device.to_string(), event.change))
    }

    #[test]
    fn messages_of_the_kernel() {
        let disk = "add@/devices/pci0000:00/0000:00:03.0/virtio0/block/vdb\0ACTION=add\0DEVPATH=/devices/pci0000:00/0000:00:03.0/virtio0/block/vdb\0SUBSYSTEM=block\0MAJOR=254\0MINOR=16\0DEVNAME=vdb\0DEVTYPE=disk\0DISKSEQ=12\0SEQNUM=1234\0";
        assert_eq!(parsed(disk), Some(("vdb".to_owned(), Change::Came)));
        assert_eq!(parsed(&disk.replace("DEVTYPE=disk", "DEVTYPE=partition")), None);
        assert_eq!(parsed(&disk.replace("add@", "remove@")), Some(("vdb".to_owned(), Change::Went)));
        assert_eq!(parsed(&disk.replace("add@", "change@")), None);
        let renamed = "move@/devices/pci0/net/enp1s0\0ACTION=move\0SUBSYSTEM=net\0DEVPATH_OLD=/devices/pci0/net/eth0\0INTERFACE=enp1s0\0IFINDEX=3\0SEQNUM=7\0";
        assert_eq!(parsed(renamed), Some(("enp1s0".to_owned(), Change::Came)));
        let cpu = "online@/devices/system/cpu/cpu12\0ACTION=online\0SUBSYSTEM=cpu\0SEQNUM=9\0";
        assert_eq!(parsed(cpu), Some(("cpu12".to_owned(), Change::Came)));
        assert_eq!(parsed(&cpu.replace("online", "offline")), Some(("cpu12".to_owned(), Change::Went)));
    }

    #[test]
    fn everything_else_is_nothing() {
        for text in [
            "",
            "libudev\0\u{fe}\u{ed}ca",
            "add@/devices/virtual/bdi/7:0\0ACTION=add\0SUBSYSTEM=bdi\0",
            "add@\0SUBSYSTEM=net\0",
            "add@/devices/system/cpu/cpufreq\0SUBSYSTEM=cpu\0",
            "add@/x/..\0SUBSYSTEM=net\0",
            "add@/x/eth0\0SUBSYSTEM=\0",
        ] {
            assert_eq!(parsed(text), None, "{text:?}");
        }
        let climbing = "add@/x/eth0\0SUBSYSTEM=net\0INTERFACE=../../etc\0";
        assert_eq!(parsed(climbing), Some(("eth0".to_owned(), Change::Came)));
    }

    proptest! {
        #[test]
        fn junk_names_no_path(junk in proptest::collection::vec(any::<u8>(), 0..300), words in "(add|remove)@[/a-z.]{0,20}\0SUBSYSTEM=(net|block|cpu)\0(INTERFACE=[./a-z]{0,9}\0)?(DEVTYPE=disk\0)?") {
            for bytes in [&junk[..], words.as_bytes()] {
                if let Some(event) = Uevent::parse(bytes) {
                    let name = event.device.to_string();
                    prop_assert!(is_name(&name), "{}", name);
                }
            }
        }
    }
}
