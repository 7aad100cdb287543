//! Fixed arrays: a table of chunks for data sets that cannot grow without end.
//!
//! A header tells how many entries there are; they stand in one block, or, when they are many, in pages behind it,
//! with a bit for each page that says whether it was ever written.

use super::super::error::Error;
use super::super::input::{Cursor, Input};
use super::entry::{Entry, Form};

/// Calls `found` with the number and the entry of each chunk that was written.
pub(super) fn entries(
    input: &Input,
    address: u64,
    is_filtered: bool,
    found: &mut dyn FnMut(u64, Entry) -> Result<(), Error>,
) -> Result<(), Error> {
    const WHAT: &str = "fixed array header";
    const SUM_BYTES: u64 = 4;
    let mut walk = input.walk();
    let header_bytes = 8 + u64::from(input.widths.length) + u64::from(input.widths.address) + SUM_BYTES;
    let header = walk.visit(input, WHAT, address, header_bytes)?;
    let mut cursor = Cursor::new(WHAT, address, &header, input.widths);
    cursor.signature(b"FAHD")?;
    cursor.version(0)?;
    let (client, entry_bytes, page_bits) = (cursor.u8()?, cursor.u8()?, cursor.u8()?);
    let count = cursor.length()?;
    let block = cursor.address()?;
    cursor.check_sum()?;
    let form = Form::of(&cursor, input.widths, is_filtered, client, entry_bytes)?;
    if page_bits >= 64 {
        return Err(cursor.broken("the size of its pages is impossible"));
    }
    let Some(block) = block else { return Ok(()) };
    const BLOCK: &str = "fixed array block";
    let too_large = || Error::Broken { what: BLOCK, address: block, problem: "its size overflows" };
    let page_entries = 1u64 << page_bits;
    let pages = if count > page_entries { count.div_ceil(page_entries) } else { 0 };
    let prefix_bytes = 6 + u64::from(input.widths.address);
    let inline = if pages == 0 { count.checked_mul(form.bytes) } else { Some(pages.div_ceil(8)) };
    let block_bytes =
        inline.and_then(|inline| inline.checked_add(prefix_bytes + SUM_BYTES)).ok_or_else(too_large)?;
    let bytes = walk.visit(input, BLOCK, block, block_bytes)?;
    let mut cursor = Cursor::new(BLOCK, block, &bytes, input.widths);
    cursor.signature(b"FADB")?;
    cursor.version(0)?;
    cursor.skip(1)?;
    if cursor.defined()? != address {
        return Err(cursor.broken("it belongs to another header"));
    }
    if pages == 0 {
        for number in 0..count {
            if let Some(entry) = form.read(&mut cursor)? {
                found(number, entry)?;
            }
        }
        return cursor.check_sum();
    }
    let written = cursor.take(pages.div_ceil(8) as usize)?;
    cursor.check_sum()?;
    let page_bytes = page_entries.checked_mul(form.bytes).and_then(|bytes| bytes.checked_add(SUM_BYTES));
    let page_bytes = page_bytes.ok_or_else(too_large)?;
    let mut at = block.checked_add(block_bytes).ok_or_else(too_large)?;
    for page in 0..pages {
        let first = page * page_entries;
        let entries = page_entries.min(count - first);
        let is_written = written[(page / 8) as usize] & (0x80 >> (page % 8)) != 0;
        if is_written {
            let bytes = walk.visit(input, "fixed array page", at, entries * form.bytes + SUM_BYTES)?;
            let mut cursor = Cursor::new("fixed array page", at, &bytes, input.widths);
            for number in first..first + entries {
                if let Some(entry) = form.read(&mut cursor)? {
                    found(number, entry)?;
                }
            }
            cursor.check_sum()?;
        }
        at = at.checked_add(page_bytes).ok_or_else(too_large)?;
    }
    Ok(())
}
