//! B-trees of version 2: of chunks, of names and attributes in heaps, of large objects in heaps.
//!
//! All records are alike, in inner nodes and in leaves. How wide the counts in a node are follows from how many
//! records fit into the nodes below it (HDF5 File Format Specification, "Version 2 B-trees").

use super::error::Error;
use super::input::{Cursor, Input, Walk};

/// Signature, version, kind and check sum of a node.
const NODE_PREFIX_BYTES: u64 = 10;
/// A tree that is deeper has more records than any file has bytes.
const DEPTH_MAX: u16 = 32;

/// The kinds of records that are read here, by their numbers in the specification.
pub(super) mod kind {
    pub const HUGE_OBJECTS: u8 = 1;
    pub const LINK_NAMES: u8 = 5;
    pub const ATTRIBUTE_NAMES: u8 = 8;
    pub const CHUNKS: u8 = 10;
    pub const FILTERED_CHUNKS: u8 = 11;
}

/// The sizes of the nodes of one level.
#[derive(Clone, Copy, Debug)]
struct Level {
    /// Records of a node at most.
    records: u64,
    /// Records of the tree below a node of this level at most.
    total: u64,
}

/// Bytes of a number that may be as large as `limit`.
fn width(limit: u64) -> u8 {
    (limit.max(1).ilog2() / 8 + 1) as u8
}

/// Calls `record` with each record of the tree at `address`, which must be of `kind`.
pub(super) fn records(
    input: &Input,
    walk: &mut Walk,
    address: u64,
    kind: u8,
    record: &mut dyn FnMut(Cursor<'_>, &mut Walk) -> Result<(), Error>,
) -> Result<(), Error> {
    const WHAT: &str = "B-tree header";
    let header_bytes = 22 + u64::from(input.widths.address) + u64::from(input.widths.length);
    let header = walk.visit(input, WHAT, address, header_bytes)?;
    let mut cursor = Cursor::new(WHAT, address, &header, input.widths);
    cursor.signature(b"BTHD")?;
    cursor.version(0)?;
    let found = cursor.u8()?;
    let (node_bytes, record_bytes, depth) =
        (u64::from(cursor.u32()?), u64::from(cursor.u16()?), cursor.u16()?);
    cursor.skip(2)?;
    let (root, count) = (cursor.address()?, u64::from(cursor.u16()?));
    cursor.length()?;
    cursor.check_sum()?;
    if found != kind {
        return Err(cursor.broken("it is a tree of another kind"));
    }
    let Some(root) = root.filter(|_| count > 0) else { return Ok(()) };
    let levels = levels(input, node_bytes, record_bytes, depth);
    let levels = levels.ok_or_else(|| cursor.broken("the sizes of its nodes are impossible"))?;
    let tree = Tree { input, kind, record_bytes, levels };
    let mut open = vec![(root, count, usize::from(depth))];
    while let Some((address, count, level)) = open.pop() {
        tree.node(walk, address, count, level, &mut open, record)?;
    }
    Ok(())
}

/// The sizes of the nodes of each level, leaves first.
fn levels(input: &Input, node_bytes: u64, record_bytes: u64, depth: u16) -> Option<Vec<Level>> {
    let room = node_bytes.checked_sub(NODE_PREFIX_BYTES).filter(|_| depth <= DEPTH_MAX)?;
    let leaf = room.checked_div(record_bytes).filter(|records| *records > 0)?;
    let mut levels = vec![Level { records: leaf, total: leaf }];
    for level in 0..usize::from(depth) {
        let below = levels[level];
        let total_bytes = if level == 0 { 0 } else { width(below.total) };
        let pointer_bytes = u64::from(input.widths.address + width(leaf) + total_bytes);
        let records = room.checked_sub(pointer_bytes)? / (record_bytes + pointer_bytes);
        let total = (records + 1).saturating_mul(below.total).saturating_add(records);
        levels.push(Level { records, total });
    }
    Some(levels)
}

struct Tree<'a> {
    input: &'a Input,
    kind: u8,
    record_bytes: u64,
    levels: Vec<Level>,
}

impl Tree<'_> {
    fn node(
        &self,
        walk: &mut Walk,
        address: u64,
        count: u64,
        level: usize,
        open: &mut Vec<(u64, u64, usize)>,
        record: &mut dyn FnMut(Cursor<'_>, &mut Walk) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let (what, signature) = if level == 0 { ("B-tree leaf", b"BTLF") } else { ("B-tree node", b"BTIN") };
        let widths = self.input.widths;
        let count_bytes = width(self.levels[0].records);
        let total_bytes = if level > 1 { width(self.levels[level - 1].total) } else { 0 };
        let pointers = if level == 0 { 0 } else { count + 1 };
        let pointer_bytes = u64::from(widths.address + count_bytes + total_bytes);
        let bytes = NODE_PREFIX_BYTES + count * self.record_bytes + pointers * pointer_bytes;
        let node = walk.visit(self.input, what, address, bytes)?;
        let mut cursor = Cursor::new(what, address, &node, widths);
        if count > self.levels[level].records {
            return Err(cursor.broken("it has more records than fit into it"));
        }
        cursor.signature(signature)?;
        cursor.version(0)?;
        if cursor.u8()? != self.kind {
            return Err(cursor.broken("it is of another kind of tree"));
        }
        let records = cursor.take((count * self.record_bytes) as usize)?;
        let first = open.len();
        for _ in 0..pointers {
            let child = cursor.defined()?;
            let count = cursor.uint(count_bytes)?;
            cursor.skip(usize::from(total_bytes))?;
            open.push((child, count, level - 1));
        }
        open[first..].reverse();
        cursor.check_sum()?;
        for bytes in records.chunks_exact(self.record_bytes as usize) {
            record(Cursor::new("B-tree record", address, bytes, widths), walk)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_of_counts() {
        let widths = [(1, 1), (255, 1), (256, 2), (65_535, 2), (65_536, 3), (u64::MAX, 8)];
        for (limit, bytes) in widths {
            assert_eq!(width(limit), bytes, "{limit}");
        }
    }
}
