//! The messages of the families `ethtool` and, for one address, `route`.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::sys::socket::SockProtocol;

use super::super::netlink::{ASK, Attributes, LIST, attributes, exchange, list};
use super::{Feature, Group, Settings};

/// Bytes of `struct genlmsghdr`: command, version, two reserved.
const GENERIC_HEAD: usize = 4;
/// The family that knows the numbers of the others (`GENL_ID_CTRL`).
const CONTROL: u16 = 0x10;
/// `ETHTOOL_FLAG_OMIT_REPLY`: an acknowledgement is enough.
const OMIT_REPLY: u32 = 2;

/// `ETHTOOL_MSG_FEATURES_GET` and `ETHTOOL_MSG_FEATURES_SET`.
const FEATURES: (u8, u8) = (11, 12);
/// Attributes of the features: what the driver can change, what was asked for, what is on, what must not change.
const HARDWARE: u16 = 2;
const WANTED: u16 = 3;
const ACTIVE: u16 = 4;
const NOCHANGE: u16 = 5;
/// `ETHTOOL_A_BITSET_NOMASK`: the listed bits are those that are set.
const BITSET_NOMASK: u16 = 1;
/// `ETHTOOL_A_BITSET_BITS`, a list of `ETHTOOL_A_BITSET_BITS_BIT`.
const BITSET_BITS: u16 = 3;
const BITSET_BIT: u16 = 1;
/// `ETHTOOL_A_BITSET_BIT_NAME` and `_VALUE`.
const BIT_NAME: u16 = 2;
const BIT_VALUE: u16 = 3;

impl Group {
    /// The commands that get and set it.
    const fn commands(self) -> (u8, u8) {
        match self {
            Self::Ring => (15, 16),
            Self::Channels => (17, 18),
            Self::Coalesce => (19, 20),
            Self::Pause => (21, 22),
        }
    }

    /// Its settings: ethtool's name, the attribute's number, whether it is one byte.
    const fn settings(self) -> &'static [(&'static str, u16, bool)] {
        match self {
            Self::Ring => &[("rx-max", 2, false), ("tx-max", 5, false), ("rx", 6, false), ("tx", 9, false)],
            Self::Channels => &[
                ("rx-max", 2, false),
                ("tx-max", 3, false),
                ("combined-max", 5, false),
                ("rx", 6, false),
                ("tx", 7, false),
                ("combined", 9, false),
            ],
            Self::Coalesce => &[
                ("rx-usecs", 2, false),
                ("rx-frames", 3, false),
                ("rx-usecs-irq", 4, false),
                ("rx-frames-irq", 5, false),
                ("tx-usecs", 6, false),
                ("tx-frames", 7, false),
                ("tx-usecs-irq", 8, false),
                ("tx-frames-irq", 9, false),
                ("adaptive-rx", 11, true),
                ("adaptive-tx", 12, true),
                ("cqe-mode-tx", 24, true),
                ("cqe-mode-rx", 25, true),
            ],
            Self::Pause => &[("autoneg", 2, true), ("rx", 3, true), ("tx", 4, true)],
        }
    }
}

/// The settings of a group.
pub(super) fn read(device: &str, group: Group) -> Result<Settings, Errno> {
    let answer = ask(group.commands().0, &header(device, 0))?;
    let named = |one: super::super::netlink::Attribute<'_>| {
        let (name, _, _) = group.settings().iter().find(|(_, kind, _)| *kind == one.kind)?;
        Some(((*name).to_owned(), one.number()?))
    };
    Ok(attributes(answer.get(GENERIC_HEAD..).unwrap_or_default()).filter_map(named).collect())
}

/// Sets one setting of a group.
pub(super) fn write(device: &str, group: Group, name: &str, value: u32) -> Result<(), Errno> {
    let setting = group.settings().iter().find(|(known, _, _)| *known == name);
    let (_, kind, is_byte) = setting.ok_or(Errno::EOPNOTSUPP)?;
    let header = header(device, OMIT_REPLY);
    let all = match (is_byte, u8::try_from(value)) {
        (true, Ok(byte)) => header.with(*kind, &[byte]),
        (true, Err(_)) => return Err(Errno::ERANGE),
        (false, _) => header.with_u32(*kind, value),
    };
    ask(group.commands().1, &all).map(drop)
}

/// The features of an interface, those it has never heard of left out.
pub(super) fn features(device: &str) -> Result<BTreeMap<String, Feature>, Errno> {
    let answer = ask(FEATURES.0, &header(device, 0))?;
    let body = answer.get(GENERIC_HEAD..).unwrap_or_default();
    let mut features: BTreeMap<String, Feature> = BTreeMap::new();
    for set in attributes(body).filter(|set| (HARDWARE..=NOCHANGE).contains(&set.kind)) {
        for (name, value) in bits(set.payload) {
            let feature = features.entry(name).or_insert(Feature { fixed: true, ..Feature::default() });
            match set.kind {
                HARDWARE => feature.fixed &= !value,
                WANTED => feature.wanted = value,
                ACTIVE => feature.active = value,
                _ => feature.fixed |= value,
            }
        }
    }
    Ok(features)
}

/// Asks for a feature to be on or off.
pub(super) fn set_feature(device: &str, name: &str, wanted: bool) -> Result<(), Errno> {
    let bit = Attributes::default().with_text(BIT_NAME, name);
    let bit = if wanted { bit.with(BIT_VALUE, &[]) } else { bit };
    let bits = Attributes::default().with_nest(BITSET_BIT, &bit);
    let set = Attributes::default().with_nest(BITSET_BITS, &bits);
    ask(FEATURES.1, &header(device, OMIT_REPLY).with_nest(WANTED, &set)).map(drop)
}

/// `RTM_GETLINK`, and the bytes of `struct ifinfomsg`, of which these are the index.
const GET_LINK: u16 = 18;
const LINK_HEAD: usize = 16;
const LINK_INDEX: std::ops::Range<usize> = 4..8;
/// `IFLA_IFNAME`, `IFLA_PERM_ADDRESS`, and `IFLA_EXT_MASK` with `RTEXT_FILTER_SKIP_STATS`.
const LINK_NAME: u16 = 3;
const PERMANENT: u16 = 54;
const WITH: u16 = 29;
const NO_STATISTICS: u32 = 8;

/// The index of an interface and its permanent hardware address; no address when the kernel shows none.
pub(super) type Link = (i32, Option<String>);

/// An interface by its name.
pub(super) fn link(device: &str) -> Result<Link, Errno> {
    let question = Attributes::default().with_text(LINK_NAME, device).with_u32(WITH, NO_STATISTICS);
    let question = question.message(GET_LINK, ASK, &[0; LINK_HEAD]);
    link_of(&exchange(SockProtocol::NetlinkRoute, question)?)
}

/// All interfaces.
pub(super) fn links() -> Result<BTreeMap<String, Link>, Errno> {
    let question = Attributes::default().with_u32(WITH, NO_STATISTICS);
    let answers = list(SockProtocol::NetlinkRoute, question.message(GET_LINK, LIST, &[0; LINK_HEAD]))?;
    let named = |answer: &Vec<u8>| {
        let name = attributes(answer.get(LINK_HEAD..)?).find(|one| one.kind == LINK_NAME)?.text()?.to_owned();
        Some(link_of(answer).map(|link| (name, link)))
    };
    answers.iter().filter_map(named).collect()
}

fn link_of(answer: &[u8]) -> Result<Link, Errno> {
    let index = answer.get(LINK_INDEX).and_then(|bytes| bytes.try_into().ok()).ok_or(Errno::EBADMSG)?;
    let mut all = attributes(answer.get(LINK_HEAD..).unwrap_or_default());
    let address = all.find(|one| one.kind == PERMANENT && one.payload.iter().any(|byte| *byte != 0));
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":");
    Ok((i32::from_ne_bytes(index), address.map(|one| hex(one.payload))))
}

/// The bits that a bitset lists, by name.
fn bits(set: &[u8]) -> Vec<(String, bool)> {
    let no_mask = attributes(set).any(|one| one.kind == BITSET_NOMASK);
    let lists = attributes(set).filter(|one| one.kind == BITSET_BITS);
    let bit = |one: super::super::netlink::Attribute<'_>| {
        let name = attributes(one.payload).find(|part| part.kind == BIT_NAME)?.text()?;
        let value = no_mask || attributes(one.payload).any(|part| part.kind == BIT_VALUE);
        Some((name.to_owned(), value))
    };
    lists.flat_map(|list| attributes(list.payload).filter_map(bit)).collect()
}

/// Whom a message is about. The number of the header's attribute is 1 in every message of the family.
fn header(device: &str, flags: u32) -> Attributes {
    const DEVICE_NAME: u16 = 2;
    const FLAGS: u16 = 3;
    let inner = Attributes::default().with_text(DEVICE_NAME, device);
    let inner = if flags == 0 { inner } else { inner.with_u32(FLAGS, flags) };
    Attributes::default().with_nest(1, &inner)
}

/// Asks the family `ethtool`; the answer begins with the generic head.
fn ask(command: u8, all: &Attributes) -> Result<Vec<u8>, Errno> {
    // The number of a family that is built into the kernel lasts until the next boot.
    static FAMILY: OnceLock<u16> = OnceLock::new();
    let family = match FAMILY.get() {
        Some(family) => *family,
        None => {
            let family = family()?;
            *FAMILY.get_or_init(|| family)
        }
    };
    exchange(SockProtocol::NetlinkGeneric, all.message(family, ASK, &[command, 1, 0, 0]))
}

/// The number of the family `ethtool`.
fn family() -> Result<u16, Errno> {
    const GET_FAMILY: u8 = 3;
    const FAMILY_ID: u16 = 1;
    const FAMILY_NAME: u16 = 2;
    let name = Attributes::default().with_text(FAMILY_NAME, "ethtool");
    let question = name.message(CONTROL, ASK, &[GET_FAMILY, 2, 0, 0]);
    let answer = exchange(SockProtocol::NetlinkGeneric, question)?;
    let mut all = attributes(answer.get(GENERIC_HEAD..).unwrap_or_default());
    let number = all.find(|one| one.kind == FAMILY_ID).and_then(|one| one.number());
    number.and_then(|number| u16::try_from(number).ok()).ok_or(Errno::EBADMSG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bitsets_with_and_without_a_mask() {
        let bit = |name: &str, value: bool| {
            let bit = Attributes::default().with_text(BIT_NAME, name);
            if value { bit.with(BIT_VALUE, &[]) } else { bit }
        };
        let list = |bits: &[Attributes]| {
            bits.iter().fold(Attributes::default(), |all, bit| all.with_nest(BITSET_BIT, bit))
        };
        let read = |set: &Attributes| {
            let message = set.message(1, 0, &[]);
            bits(&message[16..])
        };
        let masked =
            Attributes::default().with_nest(BITSET_BITS, &list(&[bit("rx-gro", true), bit("rx-lro", false)]));
        assert_eq!(read(&masked), [("rx-gro".to_owned(), true), ("rx-lro".to_owned(), false)]);
        let bare =
            Attributes::default().with(BITSET_NOMASK, &[]).with_nest(BITSET_BITS, &list(&[bit("a", false)]));
        assert_eq!(read(&bare), [("a".to_owned(), true)]);
    }
}
