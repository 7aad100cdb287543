//! Extensible arrays: a table of chunks for data sets that grow without end in one dimension.
//!
//! The first entries stand in an index block, the others in data blocks. Super block u (counted, not always stored)
//! has 2^(u/2) data blocks of 2^((u+1)/2) times the least number of entries. The data blocks of the first super
//! blocks hang off the index block itself; those of the others off a stored super block, and data blocks that are
//! large have their entries in pages, with a bit for each page that says whether it was ever written.

use super::super::error::Error;
use super::super::input::{Cursor, Input, Walk};
use super::entry::{Entry, Form};

const SUM_BYTES: u64 = 4;

/// What the header says, and where it is.
struct Array<'a> {
    input: &'a Input,
    walk: Walk,
    header: u64,
    form: Form,
    /// Entries of the array; those after the last one that was ever written are not looked for.
    count: u64,
    /// Bytes of an entry's number in a block's prefix.
    offset_bytes: u64,
    block_entries_min: u64,
    page_entries: u64,
    found: &'a mut dyn FnMut(u64, Entry) -> Result<(), Error>,
}

/// Calls `found` with the number and the entry of each chunk that was written.
pub(super) fn entries(
    input: &Input,
    address: u64,
    is_filtered: bool,
    found: &mut dyn FnMut(u64, Entry) -> Result<(), Error>,
) -> Result<(), Error> {
    const WHAT: &str = "extensible array header";
    let mut walk = input.walk();
    let widths = input.widths;
    let header_bytes = 12 + 6 * u64::from(widths.length) + u64::from(widths.address) + SUM_BYTES;
    let header = walk.visit(input, WHAT, address, header_bytes)?;
    let mut cursor = Cursor::new(WHAT, address, &header, widths);
    cursor.signature(b"EAHD")?;
    cursor.version(0)?;
    let (client, entry_bytes, count_bits) = (cursor.u8()?, cursor.u8()?, cursor.u8()?);
    let (index_entries, block_entries_min) = (u64::from(cursor.u8()?), u64::from(cursor.u8()?));
    let (pointers_min, page_bits) = (u64::from(cursor.u8()?), cursor.u8()?);
    // How many super blocks and data blocks there are, and their bytes.
    for _ in 0..4 {
        cursor.length()?;
    }
    let count = cursor.length()?;
    cursor.length()?;
    let index = cursor.address()?;
    cursor.check_sum()?;
    let form = Form::of(&cursor, widths, is_filtered, client, entry_bytes)?;
    let is_power = |number: u64| number.is_power_of_two();
    let supers = u64::from(count_bits).checked_sub(u64::from(block_entries_min.max(1).ilog2()));
    let supers = supers.map(|supers| supers + 1).filter(|_| count_bits <= 64);
    let direct_supers = 2 * u64::from(pointers_min.max(1).ilog2());
    let (Some(supers), true) =
        (supers, is_power(block_entries_min) && is_power(pointers_min) && page_bits < 32)
    else {
        return Err(cursor.broken("its sizes are impossible"));
    };
    let Some(indirect_supers) = supers.checked_sub(direct_supers) else {
        return Err(cursor.broken("its index block has more super blocks than the array"));
    };
    let Some(index) = index else { return Ok(()) };
    let array = Array {
        input,
        walk,
        header: address,
        form,
        count,
        offset_bytes: u64::from(count_bits).div_ceil(8),
        block_entries_min,
        page_entries: 1 << page_bits,
        found,
    };
    array.index_block(index, index_entries, direct_supers, indirect_supers)
}

/// The data blocks of super block `number`, and the entries of each.
const fn shape(number: u64, block_entries_min: u64) -> (u64, u64) {
    // At most 65 super blocks of at most 2^8 entries: below 2^42.
    (1 << (number / 2), (1 << number.div_ceil(2)) * block_entries_min)
}

impl Array<'_> {
    fn index_block(
        mut self,
        at: u64,
        entries: u64,
        direct_supers: u64,
        indirect_supers: u64,
    ) -> Result<(), Error> {
        const WHAT: &str = "extensible array index block";
        let address_bytes = u64::from(self.input.widths.address);
        let blocks: u64 = (0..direct_supers).map(|number| shape(number, self.block_entries_min).0).sum();
        let bytes = 6
            + address_bytes
            + entries * self.form.bytes
            + (blocks + indirect_supers) * address_bytes
            + SUM_BYTES;
        let block = self.walk.visit(self.input, WHAT, at, bytes)?;
        let mut cursor = self.prefix(WHAT, b"EAIB", at, &block)?;
        self.take(&mut cursor, 0, entries)?;
        let mut first = entries;
        for number in 0..direct_supers {
            let (blocks, entries) = shape(number, self.block_entries_min);
            for _ in 0..blocks {
                if let Some(block) = cursor.address()?.filter(|_| first < self.count) {
                    self.data_block(block, first, entries, None)?;
                }
                first = first.saturating_add(entries);
            }
        }
        for number in direct_supers..direct_supers + indirect_supers {
            let (blocks, entries) = shape(number, self.block_entries_min);
            if let Some(super_block) = cursor.address()?.filter(|_| first < self.count) {
                self.super_block(super_block, first, blocks, entries)?;
            }
            first = first.saturating_add(blocks.saturating_mul(entries));
        }
        cursor.check_sum()
    }

    fn super_block(&mut self, at: u64, first: u64, blocks: u64, entries: u64) -> Result<(), Error> {
        const WHAT: &str = "extensible array super block";
        let pages = if entries > self.page_entries { entries / self.page_entries } else { 0 };
        let bits_bytes = blocks.saturating_mul(pages.div_ceil(8));
        let address_bytes = u64::from(self.input.widths.address);
        let prefix_bytes = 6 + address_bytes + self.offset_bytes;
        let bytes = bits_bytes.saturating_add(prefix_bytes + blocks * address_bytes + SUM_BYTES);
        let block = self.walk.visit(self.input, WHAT, at, bytes)?;
        let mut cursor = self.prefix(WHAT, b"EASB", at, &block)?;
        cursor.skip(self.offset_bytes as usize)?;
        let written = cursor.take(bits_bytes as usize)?;
        let is_written = |bit: u64| written[(bit / 8) as usize] & (0x80 >> (bit % 8)) != 0;
        for number in 0..blocks {
            let first = first.saturating_add(number.saturating_mul(entries));
            if let Some(block) = cursor.address()?.filter(|_| first < self.count) {
                // The bits of all data blocks stand in one row, without padding between them.
                let pages = (pages > 0).then(|| (0..pages).map(|page| is_written(number * pages + page)));
                self.data_block(block, first, entries, pages.map(Iterator::collect))?;
            }
        }
        cursor.check_sum()
    }

    /// `pages` says of each page whether it was written; `None` where the entries are in the block itself.
    fn data_block(
        &mut self,
        at: u64,
        first: u64,
        entries: u64,
        pages: Option<Vec<bool>>,
    ) -> Result<(), Error> {
        const WHAT: &str = "extensible array data block";
        const PAGE: &str = "extensible array page";
        let inside = if pages.is_some() { 0 } else { entries };
        let prefix_bytes = 6 + u64::from(self.input.widths.address) + self.offset_bytes;
        let bytes = inside.saturating_mul(self.form.bytes).saturating_add(prefix_bytes + SUM_BYTES);
        let block = self.walk.visit(self.input, WHAT, at, bytes)?;
        let mut cursor = self.prefix(WHAT, b"EADB", at, &block)?;
        cursor.skip(self.offset_bytes as usize)?;
        self.take(&mut cursor, first, inside)?;
        cursor.check_sum()?;
        let page_bytes = self.page_entries * self.form.bytes + SUM_BYTES;
        for (number, _) in pages.into_iter().flatten().enumerate().filter(|(_, is_written)| *is_written) {
            let number = number as u64;
            let at = at.saturating_add(bytes).saturating_add(number.saturating_mul(page_bytes));
            let page = self.walk.visit(self.input, PAGE, at, page_bytes)?;
            let mut cursor = Cursor::new(PAGE, at, &page, self.input.widths);
            let first = first.saturating_add(number.saturating_mul(self.page_entries));
            self.take(&mut cursor, first, self.page_entries)?;
            cursor.check_sum()?;
        }
        Ok(())
    }

    fn prefix<'b>(
        &self,
        what: &'static str,
        signature: &[u8; 4],
        at: u64,
        block: &'b [u8],
    ) -> Result<Cursor<'b>, Error> {
        let mut cursor = Cursor::new(what, at, block, self.input.widths);
        cursor.signature(signature)?;
        cursor.version(0)?;
        cursor.skip(1)?;
        if cursor.defined()? == self.header {
            Ok(cursor)
        } else {
            Err(cursor.broken("it belongs to another header"))
        }
    }

    fn take(&mut self, cursor: &mut Cursor<'_>, first: u64, entries: u64) -> Result<(), Error> {
        for number in first..first.saturating_add(entries) {
            if let Some(entry) = self.form.read(cursor)? {
                (self.found)(number, entry)?;
            }
        }
        Ok(())
    }
}
