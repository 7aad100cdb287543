//! Heaps: the local one with the names of a group, the global one with texts of any length.

use super::error::Error;
use super::input::{Cursor, Input, Walk};

/// The names of a group.
#[derive(Debug)]
pub(super) struct LocalHeap {
    address: u64,
    bytes: Vec<u8>,
}

impl LocalHeap {
    const WHAT: &str = "local heap";
    /// The longest name that is taken.
    const NAME_BYTES_MAX: usize = 4096;

    pub fn read(input: &Input, walk: &mut Walk, address: u64) -> Result<Self, Error> {
        let header_bytes = 8 + 2 * u64::from(input.widths.length) + u64::from(input.widths.address);
        let header = walk.visit(input, Self::WHAT, address, header_bytes)?;
        let mut cursor = Cursor::new(Self::WHAT, address, &header, input.widths);
        cursor.signature(b"HEAP")?;
        cursor.version(0)?;
        cursor.skip(3)?;
        let bytes = cursor.length()?;
        cursor.length()?;
        let data = cursor.defined()?;
        Ok(Self { address, bytes: walk.visit(input, Self::WHAT, data, bytes)? })
    }

    /// The name at `offset`, which ends with a zero byte.
    pub fn name(&self, walk: &mut Walk, offset: u64) -> Result<String, Error> {
        let broken = |problem| Error::Broken { what: Self::WHAT, address: self.address, problem };
        let rest = usize::try_from(offset).ok().and_then(|offset| self.bytes.get(offset..));
        let rest = rest.ok_or_else(|| broken("a name lies outside of it"))?;
        let rest = &rest[..rest.len().min(Self::NAME_BYTES_MAX)];
        let end =
            rest.iter().position(|&byte| byte == 0).ok_or_else(|| broken("a name in it does not end"))?;
        walk.charge(Self::WHAT, self.address, end as u64)?;
        Ok(String::from_utf8_lossy(&rest[..end]).into_owned())
    }
}

/// The text that a reference of a variable-length element points to: its length, the heap, and its number there.
pub(super) fn global_text(
    input: &Input,
    walk: &mut Walk,
    reference: &mut Cursor<'_>,
) -> Result<String, Error> {
    const WHAT: &str = "global heap";
    let bytes = u64::from(reference.u32()?);
    let Some(heap) = reference.address()?.filter(|heap| *heap != 0) else { return Ok(String::new()) };
    let number = reference.u32()?;
    if bytes == 0 {
        return Ok(String::new());
    }
    let header_bytes = 8 + u64::from(input.widths.length);
    let header = walk.more(input, WHAT, heap, header_bytes)?;
    let mut cursor = Cursor::new(WHAT, heap, &header, input.widths);
    cursor.signature(b"GCOL")?;
    cursor.version(1)?;
    cursor.skip(3)?;
    let heap_bytes = cursor.length()?;
    let heap_bytes =
        heap_bytes.checked_sub(header_bytes).ok_or_else(|| cursor.broken("its size is too small"))?;
    let content = walk.more(input, WHAT, heap.saturating_add(header_bytes), heap_bytes)?;
    let mut cursor = Cursor::new(WHAT, heap, &content, input.widths);
    let object_header_bytes = 8 + usize::from(input.widths.length);
    while cursor.rest().len() >= object_header_bytes {
        let found = u32::from(cursor.u16()?);
        cursor.skip(6)?;
        let size = cursor.length()?;
        // Object 0 is the free space up to the end.
        if found == 0 {
            break;
        }
        let size = usize::try_from(size).map_err(|_| cursor.broken("an object in it is too large"))?;
        let object = cursor.take(size)?;
        if found == number {
            let text = usize::try_from(bytes).ok().and_then(|bytes| object.get(..bytes));
            let text =
                text.ok_or_else(|| cursor.broken("a text in it is shorter than its reference says"))?;
            let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
            return Ok(String::from_utf8_lossy(text).into_owned());
        }
        let padding = size.next_multiple_of(8) - size;
        cursor.skip(padding.min(cursor.rest().len()))?;
    }
    Err(cursor.broken("a text that is referred to is not in it"))
}
