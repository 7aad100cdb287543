//! Fractal heaps: the links of a large group of the new style, and the attributes of an object that has many.
//!
//! The heap is a long row of bytes, cut into blocks whose sizes double from row to row of a table. An object is
//! found by its place in that row: an id says offset and length (a managed object), or holds the bytes themselves (a
//! tiny one), or names an entry of a tree (a huge one). HDF5 File Format Specification, "Fractal Heap".

use std::collections::BTreeMap;

use super::btree2;
use super::error::Error;
use super::input::{Cursor, Input, Walk};

const WHAT: &str = "fractal heap";
const SUM_BYTES: u64 = 4;

/// An open heap.
#[derive(Debug)]
pub(super) struct FractalHeap {
    address: u64,
    id_bytes: u16,
    offset_bytes: u8,
    length_bytes: u8,
    has_sums: bool,
    width: u64,
    start_bytes: u64,
    direct_bytes_max: u64,
    root: Option<u64>,
    /// Rows of the root block, when that is a table of blocks.
    root_rows: u64,
    huge_tree: Option<u64>,
    /// Places of large objects by their numbers, once they were asked for.
    huge: Option<BTreeMap<u64, (u64, u64)>>,
    /// The blocks of objects that were read, by their place in the row.
    blocks: BTreeMap<u64, Vec<u8>>,
    /// The tables of blocks that were read, by their address.
    tables: BTreeMap<u64, Vec<Option<u64>>>,
}

impl FractalHeap {
    /// Reads the header of the heap at `address`.
    pub fn read(input: &Input, walk: &mut Walk, address: u64) -> Result<Self, Error> {
        let (o, l) = (u64::from(input.widths.address), u64::from(input.widths.length));
        let header = walk.visit(input, WHAT, address, 22 + 12 * l + 3 * o + SUM_BYTES)?;
        let mut cursor = Cursor::new(WHAT, address, &header, input.widths);
        cursor.signature(b"FRHP")?;
        cursor.version(0)?;
        let (id_bytes, filter_bytes, flags) = (cursor.u16()?, cursor.u16()?, cursor.u8()?);
        let object_bytes_max = u64::from(cursor.u32()?);
        cursor.length()?;
        let huge_tree = cursor.address()?;
        cursor.length()?;
        cursor.address()?;
        // Bytes and counts of managed, huge and tiny objects, which nothing here depends on.
        for _ in 0..8 {
            cursor.length()?;
        }
        let (width, start_bytes) = (u64::from(cursor.u16()?), cursor.length()?);
        let (direct_bytes_max, heap_bits) = (cursor.length()?, cursor.u16()?);
        cursor.skip(2)?;
        let (root, root_rows) = (cursor.address()?, u64::from(cursor.u16()?));
        if filter_bytes != 0 {
            return Err(cursor.unsupported("a heap whose blocks are filtered"));
        }
        cursor.check_sum()?;
        let is_power = |number: u64| number.is_power_of_two();
        let are_powers = is_power(width) && is_power(start_bytes) && is_power(direct_bytes_max);
        if !are_powers
            || heap_bits > 64
            || direct_bytes_max < start_bytes
            || start_bytes.checked_mul(width).is_none()
        {
            return Err(cursor.broken("the sizes of its blocks are impossible"));
        }
        let offset_bytes = heap_bits.div_ceil(8) as u8;
        let of_block = direct_bytes_max.ilog2().div_ceil(8) as u8;
        let of_object = (object_bytes_max.max(1).ilog2() / 8 + 1) as u8;
        Ok(Self {
            address,
            id_bytes,
            offset_bytes,
            length_bytes: of_block.min(of_object),
            has_sums: flags & 2 != 0,
            width,
            start_bytes,
            direct_bytes_max,
            root,
            root_rows,
            huge_tree,
            huge: None,
            blocks: BTreeMap::new(),
            tables: BTreeMap::new(),
        })
    }

    /// Bytes of an object's id.
    pub const fn id_bytes(&self) -> usize {
        self.id_bytes as usize
    }

    /// The object with this id: its address, for errors, and its bytes.
    pub fn object(&mut self, input: &Input, walk: &mut Walk, id: &[u8]) -> Result<(u64, Vec<u8>), Error> {
        const TINY_EXTENDED_FROM: u16 = 18;
        let mut cursor = Cursor::new("fractal heap id", self.address, id, input.widths);
        let first = cursor.u8()?;
        match first >> 4 {
            0 => {
                let (offset, length) = (cursor.uint(self.offset_bytes)?, cursor.uint(self.length_bytes)?);
                let object = self.managed(input, walk, offset, length)?;
                Ok((self.address, object))
            }
            1 => {
                let rest = cursor.rest().len();
                if rest >= usize::from(input.widths.address) + usize::from(input.widths.length) {
                    let (address, bytes) = (cursor.defined()?, cursor.length()?);
                    return Ok((address, walk.more(input, WHAT, address, bytes)?));
                }
                let number = cursor.uint(rest.min(8) as u8)?;
                self.huge(input, walk, number)
            }
            2 => {
                let low = usize::from(first & 0x0F);
                let is_extended = self.id_bytes > TINY_EXTENDED_FROM;
                let length = if is_extended { low << 8 | usize::from(cursor.u8()?) } else { low };
                Ok((self.address, cursor.take(length + 1)?.to_vec()))
            }
            _ => Err(cursor.unsupported(format!("a heap id that begins with {first:#04x}"))),
        }
    }

    /// The large object with this number.
    fn huge(&mut self, input: &Input, walk: &mut Walk, number: u64) -> Result<(u64, Vec<u8>), Error> {
        let broken = |problem| Error::Broken { what: WHAT, address: self.address, problem };
        let tree = self.huge_tree.ok_or_else(|| broken("a large object in it has no tree"))?;
        let huge = match &mut self.huge {
            Some(huge) => huge,
            none => {
                let mut huge = BTreeMap::new();
                btree2::records(input, walk, tree, btree2::kind::HUGE_OBJECTS, &mut |mut record, _| {
                    let (address, bytes) = (record.defined()?, record.length()?);
                    huge.insert(record.length()?, (address, bytes));
                    Ok(())
                })?;
                none.insert(huge)
            }
        };
        let missing = Error::Broken {
            what: WHAT,
            address: self.address,
            problem: "a large object that is referred to is not in it",
        };
        let &(address, bytes) = huge.get(&number).ok_or(missing)?;
        Ok((address, walk.more(input, WHAT, address, bytes)?))
    }

    fn managed(
        &mut self,
        input: &Input,
        walk: &mut Walk,
        offset: u64,
        length: u64,
    ) -> Result<Vec<u8>, Error> {
        let (what, address) = (WHAT, self.address);
        let broken = |problem| Error::Broken { what, address, problem };
        walk.charge(WHAT, self.address, length)?;
        let (first, bytes, address) = self.block_of(input, walk, offset)?;
        if !self.blocks.contains_key(&first) {
            let block = self.block(input, walk, address, bytes)?;
            self.blocks.insert(first, block);
        }
        let block = self.blocks.get(&first).map(Vec::as_slice).unwrap_or_default();
        let start = usize::try_from(offset - first).ok();
        let object = start
            .zip(usize::try_from(length).ok())
            .and_then(|(start, length)| block.get(start..)?.get(..length));
        object.map(<[u8]>::to_vec).ok_or_else(|| broken("an object in it lies outside of its block"))
    }

    /// The first byte, the size and the address of the block that holds byte `offset` of the row.
    fn block_of(&mut self, input: &Input, walk: &mut Walk, offset: u64) -> Result<(u64, u64, u64), Error> {
        let (what, address) = (WHAT, self.address);
        let broken = |problem| Error::Broken { what, address, problem };
        let outside = || broken("an object lies outside of it");
        let mut table = self.root.ok_or_else(|| broken("it is empty and an object is in it"))?;
        if self.root_rows == 0 {
            return if offset < self.start_bytes { Ok((0, self.start_bytes, table)) } else { Err(outside()) };
        }
        let (mut rows, mut first) = (self.root_rows, 0u64);
        // A table within a table has fewer rows, so this ends.
        loop {
            let inside = offset.checked_sub(first).ok_or_else(outside)?;
            let row_of_start = self.start_bytes * self.width;
            let row = if inside < row_of_start { 0 } else { u64::from((inside / row_of_start).ilog2()) + 1 };
            if row >= rows {
                return Err(outside());
            }
            let block_bytes = self.start_bytes << row.saturating_sub(1);
            let row_first = if row == 0 { 0 } else { row_of_start << (row - 1) };
            let column = (inside - row_first) / block_bytes;
            let entry = (row * self.width + column) as usize;
            let children = self.table(input, walk, table, rows)?;
            let child = children.get(entry).copied().flatten();
            let child = child.ok_or_else(|| broken("an object is in a block that was never written"))?;
            first = first.saturating_add(row_first + column * block_bytes);
            if row < self.direct_rows() {
                return Ok((first, block_bytes, child));
            }
            let below = u64::from(block_bytes.ilog2()).checked_sub(u64::from(row_of_start.ilog2()));
            rows = below.ok_or_else(|| broken("a table in it is smaller than a row"))? + 1;
            table = child;
        }
    }

    /// Rows of blocks of objects; the rows after them are of tables.
    fn direct_rows(&self) -> u64 {
        u64::from(self.direct_bytes_max.ilog2() - self.start_bytes.ilog2()) + 2
    }

    /// The addresses in the table at `address`.
    fn table(
        &mut self,
        input: &Input,
        walk: &mut Walk,
        address: u64,
        rows: u64,
    ) -> Result<&[Option<u64>], Error> {
        const TABLE: &str = "fractal heap indirect block";
        if !self.tables.contains_key(&address) {
            let address_bytes = u64::from(input.widths.address);
            let prefix_bytes = 5 + address_bytes + u64::from(self.offset_bytes);
            let bytes = prefix_bytes + rows * self.width * address_bytes + SUM_BYTES;
            let block = walk.visit(input, TABLE, address, bytes)?;
            let mut cursor = Cursor::new(TABLE, address, &block, input.widths);
            cursor.signature(b"FHIB")?;
            self.belongs(&mut cursor)?;
            let children = (0..rows * self.width).map(|_| cursor.address()).collect::<Result<_, _>>()?;
            cursor.check_sum()?;
            self.tables.insert(address, children);
        }
        Ok(self.tables.get(&address).map(Vec::as_slice).unwrap_or_default())
    }

    /// The bytes of a block of objects, its prefix included: offsets count from the begin of that.
    fn block(&self, input: &Input, walk: &mut Walk, address: u64, bytes: u64) -> Result<Vec<u8>, Error> {
        const BLOCK: &str = "fractal heap direct block";
        let mut block = walk.visit(input, BLOCK, address, bytes)?;
        let mut cursor = Cursor::new(BLOCK, address, &block, input.widths);
        cursor.signature(b"FHDB")?;
        self.belongs(&mut cursor)?;
        if self.has_sums {
            let at = cursor.at();
            let expected = cursor.u32()?;
            // The sum is of the block with zeros in the place of the sum.
            block[at..at + SUM_BYTES as usize].fill(0);
            let found = super::checksum::lookup3(&block);
            if found != expected && !cfg!(fuzzing) {
                return Err(Error::CheckSum { what: BLOCK, address, found, expected });
            }
        }
        Ok(block)
    }

    /// Reads the prefix of a block behind its signature.
    fn belongs(&self, cursor: &mut Cursor<'_>) -> Result<(), Error> {
        cursor.version(0)?;
        if cursor.defined()? != self.address {
            return Err(cursor.broken("it belongs to another heap"));
        }
        cursor.skip(usize::from(self.offset_bytes))
    }
}
