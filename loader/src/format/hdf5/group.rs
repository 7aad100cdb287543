//! Groups: which names lead to which objects.

use super::btree::{self, Tree};
use super::btree2;
use super::error::Error;
use super::fractal_heap::FractalHeap;
use super::header::{Message, kind};
use super::heap::LocalHeap;
use super::input::{Cursor, Input, Walk};

/// Where a name leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// To the object header at this address.
    Object(u64),
    /// To another name, in this file or another; not followed.
    Name,
}

/// A name in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The name.
    pub name: String,
    /// Where it leads.
    pub target: Target,
}

/// Whether these are the messages of a group.
pub(super) fn is_group(messages: &[Message]) -> bool {
    messages.iter().any(|message| matches!(message.kind, kind::SYMBOL_TABLE | kind::LINK_INFO | kind::LINK))
}

/// The links of a group, in the order in which they are stored.
pub(super) fn links(input: &Input, messages: &[Message]) -> Result<Vec<Link>, Error> {
    let mut links = Vec::new();
    for message in messages {
        match message.kind {
            kind::SYMBOL_TABLE => symbol_table(input, message, &mut links)?,
            kind::LINK_INFO => dense(input, message, &mut links)?,
            kind::LINK => links.push(link(message.cursor("link message", input)?)?),
            _ => {}
        }
    }
    Ok(links)
}

/// A group of the old style: a B-tree of tables, with the names in a heap.
fn symbol_table(input: &Input, message: &Message, links: &mut Vec<Link>) -> Result<(), Error> {
    let mut cursor = message.cursor("symbol table message", input)?;
    let (tree, heap) = (cursor.defined()?, cursor.defined()?);
    let mut walk = input.walk();
    let heap = LocalHeap::read(input, &mut walk, heap)?;
    btree::leaves(input, &mut walk, Tree::Group, tree, &mut |_, node, walk| {
        table_node(input, walk, node, &heap, links)
    })
}

fn table_node(
    input: &Input,
    walk: &mut Walk,
    node: u64,
    heap: &LocalHeap,
    links: &mut Vec<Link>,
) -> Result<(), Error> {
    const WHAT: &str = "symbol table node";
    const CACHED_NAME: u32 = 2;
    let header = walk.visit(input, WHAT, node, 8)?;
    let mut cursor = Cursor::new(WHAT, node, &header, input.widths);
    cursor.signature(b"SNOD")?;
    cursor.version(1)?;
    cursor.skip(1)?;
    let count = u64::from(cursor.u16()?);
    let entry_bytes = 2 * u64::from(input.widths.address) + 24;
    let entries = walk.more(input, WHAT, node.saturating_add(8), count * entry_bytes)?;
    let mut cursor = Cursor::new(WHAT, node, &entries, input.widths);
    for _ in 0..count {
        let name = cursor.uint(input.widths.address)?;
        let object = cursor.address()?;
        let cached = cursor.u32()?;
        cursor.skip(20)?;
        let target = object.filter(|_| cached != CACHED_NAME).map_or(Target::Name, Target::Object);
        links.push(Link { name: heap.name(walk, name)?, target });
    }
    Ok(())
}

/// A group of the new style keeps its links in a heap when they are many; a tree has their ids by the sum of the name.
fn dense(input: &Input, message: &Message, links: &mut Vec<Link>) -> Result<(), Error> {
    const SUM_BYTES: usize = 4;
    let mut cursor = message.cursor("link info message", input)?;
    cursor.version(0)?;
    let flags = cursor.u8()?;
    if flags & 1 != 0 {
        cursor.skip(8)?;
    }
    let Some(heap) = cursor.address()? else { return Ok(()) };
    let names = cursor.defined()?;
    let mut walk = input.walk();
    let mut heap = FractalHeap::read(input, &mut walk, heap)?;
    let first = links.len();
    btree2::records(input, &mut walk, names, btree2::kind::LINK_NAMES, &mut |mut record, walk| {
        record.skip(SUM_BYTES)?;
        let (address, object) = heap.object(input, walk, record.take(heap.id_bytes())?)?;
        links.push(link(Cursor::new("link message", address, &object, input.widths))?);
        Ok(())
    })?;
    // The order of the sums means nothing to anybody; libhdf5 shows them by name, and so do we.
    links[first..].sort_by(|a, b| a.name.cmp(&b.name));
    Ok(())
}

fn link(mut cursor: Cursor<'_>) -> Result<Link, Error> {
    const KIND: u8 = 0x08;
    const CREATION_ORDER: u8 = 0x04;
    const CHARACTER_SET: u8 = 0x10;
    cursor.version(1)?;
    let flags = cursor.u8()?;
    let kind = if flags & KIND != 0 { cursor.u8()? } else { 0 };
    if flags & CREATION_ORDER != 0 {
        cursor.skip(8)?;
    }
    if flags & CHARACTER_SET != 0 {
        cursor.skip(1)?;
    }
    let bytes = cursor.uint(1 << (flags & 3))?;
    let name = usize::try_from(bytes).map_err(|_| cursor.broken("its name is too long"))?;
    let name = String::from_utf8_lossy(cursor.take(name)?).into_owned();
    let target = if kind == 0 { Target::Object(cursor.defined()?) } else { Target::Name };
    Ok(Link { name, target })
}
