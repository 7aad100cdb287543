//! Netlink, as little of it as generic netlink and one question about links need: messages out of bytes and back.
//!
//! Written here after three crates were looked at. `ethtool` is asynchronous (tokio or async-std, and netlink-proto
//! below it); `neli` brings two procedural macro crates and eight more for a build of ten thousand lines;
//! `netlink-bindings` has no dependencies, but 28,000 generated lines for the ethtool family alone, which nobody
//! audits in a process that runs as root. What is needed are attributes (length, kind, bytes, padding to four) inside
//! messages (length, kind, flags, sequence, port), and they fit on a page. The formats are those of
//! `linux/netlink.h`, `linux/genetlink.h` and the kernel's Documentation/userspace-api/netlink/intro.rst; all
//! numbers are in the machine's byte order.

mod socket;

pub(super) use socket::{ASK, LIST, exchange, list};

/// Bytes of `struct nlmsghdr`.
const HEAD: usize = 16;
/// Bytes of `struct nlattr`.
const ATTRIBUTE_HEAD: usize = 4;
/// `NLA_F_NESTED`: the attribute holds attributes.
const NESTED: u16 = 0x8000;
/// The bits of an attribute's kind that are the kind (`NLA_TYPE_MASK`).
const KIND_MASK: u16 = 0x3fff;
/// `NLMSG_ERROR`: an answer that is only an error number, 0 for success.
const ERROR: u16 = 2;
/// `NLMSG_DONE`: the end of a list.
const DONE: u16 = 3;

/// A list of attributes being written.
#[derive(Clone, Debug, Default)]
pub(super) struct Attributes(Vec<u8>);

impl Attributes {
    /// One more attribute.
    pub(super) fn with(mut self, kind: u16, payload: &[u8]) -> Self {
        // An attribute longer than 65,531 bytes cannot be said; nothing here comes near.
        let length = u16::try_from(ATTRIBUTE_HEAD + payload.len()).unwrap_or(u16::MAX);
        self.0.extend_from_slice(&length.to_ne_bytes());
        self.0.extend_from_slice(&kind.to_ne_bytes());
        self.0.extend_from_slice(payload);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// One more number of four bytes.
    pub(super) fn with_u32(self, kind: u16, value: u32) -> Self {
        self.with(kind, &value.to_ne_bytes())
    }

    /// One more text, which ends with a NUL.
    pub(super) fn with_text(self, kind: u16, text: &str) -> Self {
        self.with(kind, &[text.as_bytes(), b"\0"].concat())
    }

    /// One more attribute that holds `inner`.
    pub(super) fn with_nest(self, kind: u16, inner: &Self) -> Self {
        self.with(kind | NESTED, &inner.0)
    }

    /// A message of `kind` whose body is `head` followed by these attributes.
    pub(super) fn message(&self, kind: u16, flags: u16, head: &[u8]) -> Vec<u8> {
        let length = u32::try_from(HEAD + head.len() + self.0.len()).unwrap_or(u32::MAX);
        let mut message = length.to_ne_bytes().to_vec();
        message.extend_from_slice(&kind.to_ne_bytes());
        message.extend_from_slice(&flags.to_ne_bytes());
        // The sequence number is written by `exchange`; port 0 is the kernel's.
        message.extend_from_slice(&[0; 8]);
        message.extend_from_slice(head);
        message.extend_from_slice(&self.0);
        message
    }
}

/// One attribute as read: its kind and its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attribute<'a> {
    pub(super) kind: u16,
    pub(super) payload: &'a [u8],
}

impl<'a> Attribute<'a> {
    /// A number of one, two or four bytes.
    pub(super) fn number(&self) -> Option<u32> {
        match *self.payload {
            [byte] => Some(u32::from(byte)),
            [a, b] => Some(u32::from(u16::from_ne_bytes([a, b]))),
            [a, b, c, d] => Some(u32::from_ne_bytes([a, b, c, d])),
            _ => None,
        }
    }

    /// A text up to its NUL.
    pub(super) fn text(&self) -> Option<&'a str> {
        std::str::from_utf8(self.payload.split(|byte| *byte == 0).next()?).ok()
    }
}

/// The attributes in `bytes`, up to the first one that claims more than there is.
pub(super) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = Attribute<'_>> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes([*bytes.first()?, *bytes.get(1)?]));
        let kind = u16::from_ne_bytes([*bytes.get(2)?, *bytes.get(3)?]) & KIND_MASK;
        let payload = bytes.get(ATTRIBUTE_HEAD..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Attribute { kind, payload })
    })
}

/// One message as read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message<'a> {
    kind: u16,
    flags: u16,
    sequence: u32,
    /// What follows the head.
    body: &'a [u8],
}

/// The messages in one datagram, up to the first one that claims more than there is.
fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let word = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes);
        let length = usize::try_from(word(0)?).ok()?;
        let kind = u16::from_ne_bytes([*bytes.get(4)?, *bytes.get(5)?]);
        let flags = u16::from_ne_bytes([*bytes.get(6)?, *bytes.get(7)?]);
        let sequence = word(8)?;
        let body = bytes.get(HEAD..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Message { kind, flags, sequence, body })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn attributes_come_back() {
        let inner = Attributes::default().with_text(2, "eth0").with_u32(3, 2);
        let all = Attributes::default().with_nest(1, &inner).with(5, &[1]).with(6, &[]);
        let message = all.message(21, 5, &[15, 1, 0, 0]);
        assert_eq!(message.len() % 4, 0);
        let read: Vec<_> = messages(&message).collect();
        assert_eq!((read.len(), read[0].kind, read[0].sequence), (1, 21, 0));
        let outer: Vec<_> = attributes(&read[0].body[4..]).collect();
        assert_eq!(outer.iter().map(|one| one.kind).collect::<Vec<_>>(), [1, 5, 6]);
        assert_eq!((outer[1].number(), outer[2].number()), (Some(1), None));
        let nested: Vec<_> = attributes(outer[0].payload).collect();
        assert_eq!((nested[0].text(), nested[1].number()), (Some("eth0"), Some(2)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for message in messages(&bytes) {
                prop_assert!(message.body.len() <= bytes.len());
                for attribute in attributes(message.body) {
                    prop_assert!(attribute.payload.len() <= message.body.len());
                    let _ = (attribute.number(), attribute.text());
                }
            }
        }
    }
}
