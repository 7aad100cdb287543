//! B-trees of version 1: of names in a group, and of chunks in a data set.
//!
//! A node holds keys and children in turn, one key more than children. Children of a node are one level below it,
//! so a tree is as deep as its root says, and the walk stops any loop.

use super::error::Error;
use super::input::{Cursor, Input, Walk};

/// Which tree it is, which decides what a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tree {
    /// Keys are offsets of names.
    Group,
    /// Keys are places of chunks of so many dimensions, that of the element counted.
    Chunks {
        /// The dimensions.
        rank: u8,
    },
}

impl Tree {
    const fn what(self) -> &'static str {
        match self {
            Self::Group => "group B-tree node",
            Self::Chunks { .. } => "chunk B-tree node",
        }
    }

    const fn key_bytes(self, length_bytes: u8) -> u64 {
        match self {
            Self::Group => length_bytes as u64,
            Self::Chunks { rank } => 8 + 8 * rank as u64,
        }
    }
}

/// Calls `leaf` with the key and the address of each child of the lowest nodes, from left to right.
pub(super) fn leaves(
    input: &Input,
    walk: &mut Walk,
    tree: Tree,
    root: u64,
    leaf: &mut dyn FnMut(Cursor<'_>, u64, &mut Walk) -> Result<(), Error>,
) -> Result<(), Error> {
    let what = tree.what();
    let header_bytes = 8 + 2 * u64::from(input.widths.address);
    let key_bytes = tree.key_bytes(input.widths.length);
    let mut open: Vec<(u64, Option<u8>)> = vec![(root, None)];
    while let Some((address, expected_level)) = open.pop() {
        let header = walk.visit(input, what, address, header_bytes)?;
        let mut cursor = Cursor::new(what, address, &header, input.widths);
        cursor.signature(b"TREE")?;
        let (kind, level, count) = (cursor.u8()?, cursor.u8()?, cursor.u16()?);
        if kind != u8::from(tree != Tree::Group) {
            return Err(cursor.broken("it is of the other kind of tree"));
        }
        if expected_level.is_some_and(|expected| expected != level) {
            return Err(cursor.broken("its level is not one below its parent's"));
        }
        let bytes = u64::from(count) * (key_bytes + u64::from(input.widths.address));
        let entries = walk.more(input, what, address.saturating_add(header_bytes), bytes)?;
        let mut cursor = Cursor::new(what, address, &entries, input.widths);
        let mut children = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            let key = Cursor::new(what, address, cursor.take(key_bytes as usize)?, input.widths);
            let child = cursor.defined()?;
            match level.checked_sub(1) {
                None => leaf(key, child, walk)?,
                Some(below) => children.push((child, Some(below))),
            }
        }
        open.extend(children.into_iter().rev());
    }
    Ok(())
}
