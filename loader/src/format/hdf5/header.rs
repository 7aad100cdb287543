//! Object headers: the messages that say what an object is.
//!
//! A header is one block of messages with continuations elsewhere. Version 1 aligns to eight bytes and has no check
//! sum; version 2 is packed and sums each block.

use super::error::Error;
use super::input::{Cursor, Input};

const WHAT: &str = "object header";

/// The messages that this reader knows, by their numbers in the specification.
pub(super) mod kind {
    pub const DATASPACE: u16 = 0x01;
    pub const LINK_INFO: u16 = 0x02;
    pub const DATATYPE: u16 = 0x03;
    pub const FILL_OLD: u16 = 0x04;
    pub const FILL: u16 = 0x05;
    pub const LINK: u16 = 0x06;
    pub const EXTERNAL: u16 = 0x07;
    pub const LAYOUT: u16 = 0x08;
    pub const FILTERS: u16 = 0x0B;
    pub const ATTRIBUTE: u16 = 0x0C;
    pub const CONTINUATION: u16 = 0x10;
    pub const SYMBOL_TABLE: u16 = 0x11;
    pub const ATTRIBUTE_INFO: u16 = 0x15;
}

/// One message.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub kind: u16,
    /// Whether the bytes only point to a message that is stored elsewhere.
    pub is_shared: bool,
    /// Where the message is, for errors.
    pub address: u64,
    pub bytes: Vec<u8>,
}

impl Message {
    /// The bytes of the message, to be read; a shared message is declined by name.
    pub fn cursor(&self, what: &'static str, input: &Input) -> Result<Cursor<'_>, Error> {
        let cursor = Cursor::new(what, self.address, &self.bytes, input.widths);
        if self.is_shared { Err(cursor.unsupported("a shared or committed message")) } else { Ok(cursor) }
    }
}

/// A block of messages still to be read.
struct Block {
    address: u64,
    bytes: u64,
}

/// All messages of the object whose header is at `address`.
pub(super) fn read(input: &Input, address: u64) -> Result<Vec<Message>, Error> {
    let start = input.read(WHAT, address, 4)?;
    if start == b"OHDR" { read_v2(input, address) } else { read_v1(input, address) }
}

fn read_v1(input: &Input, address: u64) -> Result<Vec<Message>, Error> {
    const PREFIX_BYTES: u64 = 16;
    let mut walk = input.walk();
    let prefix = walk.visit(input, WHAT, address, PREFIX_BYTES)?;
    let mut cursor = Cursor::new(WHAT, address, &prefix, input.widths);
    cursor.version(1)?;
    cursor.skip(1)?;
    let count = usize::from(cursor.u16()?);
    cursor.skip(4)?;
    let bytes = u64::from(cursor.u32()?);
    let mut blocks = vec![Block { address: address.saturating_add(PREFIX_BYTES), bytes }];
    let (mut messages, mut next) = (Vec::new(), 0);
    while let Some(block) = blocks.get(next) {
        let at = block.address;
        let bytes = walk.visit(input, WHAT, at, block.bytes)?;
        let mut cursor = Cursor::new(WHAT, at, &bytes, input.widths);
        // A rest too short for a message is padding.
        while cursor.rest().len() >= 8 && messages.len() < count {
            let (kind, len, flags) = (cursor.u16()?, cursor.u16()?, cursor.u8()?);
            cursor.skip(3)?;
            let address = at + cursor.at() as u64;
            let bytes = cursor.take(usize::from(len))?.to_vec();
            let message = Message { kind, is_shared: flags & 2 != 0, address, bytes };
            follow(input, &message, &mut blocks)?;
            messages.push(message);
        }
        next += 1;
    }
    Ok(messages)
}

fn read_v2(input: &Input, address: u64) -> Result<Vec<Message>, Error> {
    const TIMES: u8 = 0x20;
    const PHASE_CHANGE: u8 = 0x10;
    const CREATION_ORDER: u8 = 0x04;
    const SUM_BYTES: u64 = 4;
    let mut walk = input.walk();
    let prefix = walk.visit(input, WHAT, address, 6)?;
    let flags = prefix[5];
    let mut cursor = Cursor::new(WHAT, address, &prefix, input.widths);
    cursor.skip(4)?;
    cursor.version(2)?;
    let times = if flags & TIMES != 0 { 16 } else { 0 };
    let phases = if flags & PHASE_CHANGE != 0 { 4 } else { 0 };
    let width = 1u8 << (flags & 3);
    let skipped = 6 + times + phases;
    let whole_prefix = input.read(WHAT, address, skipped + u64::from(width))?;
    let mut cursor = Cursor::new(WHAT, address, &whole_prefix, input.widths);
    cursor.skip(skipped as usize)?;
    let bytes = cursor.uint(width)?;
    let prefix_bytes = skipped + u64::from(width);

    let mut blocks =
        vec![Block { address, bytes: bytes.saturating_add(prefix_bytes).saturating_add(SUM_BYTES) }];
    let (mut messages, mut next) = (Vec::new(), 0);
    while let Some(block) = blocks.get(next) {
        let at = block.address;
        let bytes = if next == 0 {
            walk.more(input, WHAT, at, block.bytes)?
        } else {
            walk.visit(input, WHAT, at, block.bytes)?
        };
        let sum_at = bytes.len().checked_sub(SUM_BYTES as usize);
        let mut cursor = Cursor::new(WHAT, at, &bytes, input.widths);
        let sum_at = sum_at.ok_or_else(|| cursor.broken("a block of it is too short"))?;
        let mut sum = cursor.clone();
        sum.skip(sum_at)?;
        sum.check_sum()?;
        if next == 0 {
            cursor.skip(prefix_bytes as usize)?;
        } else {
            cursor.signature(b"OCHK")?;
        }
        let message_prefix = if flags & CREATION_ORDER != 0 { 6 } else { 4 };
        while cursor.at() + message_prefix <= sum_at {
            let (kind, len, flags) = (u16::from(cursor.u8()?), cursor.u16()?, cursor.u8()?);
            cursor.skip(message_prefix - 4)?;
            let address = at + cursor.at() as u64;
            if cursor.at() + usize::from(len) > sum_at {
                return Err(cursor.broken("a message of it is too long"));
            }
            let bytes = cursor.take(usize::from(len))?.to_vec();
            let message = Message { kind, is_shared: flags & 2 != 0, address, bytes };
            follow(input, &message, &mut blocks)?;
            messages.push(message);
        }
        next += 1;
    }
    Ok(messages)
}

/// Notes the block that a continuation message points to.
fn follow(input: &Input, message: &Message, blocks: &mut Vec<Block>) -> Result<(), Error> {
    if message.kind == kind::CONTINUATION {
        let mut cursor = message.cursor("object header continuation", input)?;
        blocks.push(Block { address: cursor.defined()?, bytes: cursor.length()? });
    }
    Ok(())
}
