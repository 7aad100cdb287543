//! Heaps: the local one with the names of a group, the global one with texts of any length.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Range;

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

/// The collections of the global heap that were read: texts of one attribute mostly share one.
#[derive(Debug, Default)]
pub(super) struct GlobalHeap {
    collections: BTreeMap<u64, Collection>,
}

#[derive(Debug)]
struct Collection {
    content: Vec<u8>,
    /// Where in `content` each object is, by its number.
    objects: BTreeMap<u32, Range<usize>>,
}

impl GlobalHeap {
    const WHAT: &str = "global heap";

    /// The text that a reference of a variable-length element points to: its length, the collection, and its number
    /// there.
    pub fn text(
        &mut self,
        input: &Input,
        walk: &mut Walk,
        reference: &mut Cursor<'_>,
    ) -> Result<String, Error> {
        let bytes = u64::from(reference.u32()?);
        let Some(address) = reference.address()?.filter(|heap| *heap != 0) else { return Ok(String::new()) };
        let number = reference.u32()?;
        if bytes == 0 {
            return Ok(String::new());
        }
        let collection = match self.collections.entry(address) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(Self::collection(input, walk, address)?),
        };
        let broken = |problem| Error::Broken { what: Self::WHAT, address, problem };
        let object = collection.objects.get(&number).cloned();
        let object = object.ok_or_else(|| broken("a text that is referred to is not in it"))?;
        let object = &collection.content[object];
        let text = usize::try_from(bytes).ok().and_then(|bytes| object.get(..bytes));
        let text = text.ok_or_else(|| broken("a text in it is shorter than its reference says"))?;
        let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
        // Any number of references may point to one text.
        walk.charge(Self::WHAT, address, text.len() as u64)?;
        Ok(String::from_utf8_lossy(text).into_owned())
    }

    fn collection(input: &Input, walk: &mut Walk, address: u64) -> Result<Collection, Error> {
        let header_bytes = 8 + u64::from(input.widths.length);
        let header = walk.more(input, Self::WHAT, address, header_bytes)?;
        let mut cursor = Cursor::new(Self::WHAT, address, &header, input.widths);
        cursor.signature(b"GCOL")?;
        cursor.version(1)?;
        cursor.skip(3)?;
        let bytes = cursor.length()?;
        let bytes = bytes.checked_sub(header_bytes).ok_or_else(|| cursor.broken("its size is too small"))?;
        let content = walk.more(input, Self::WHAT, address.saturating_add(header_bytes), bytes)?;
        let mut objects = BTreeMap::new();
        let mut cursor = Cursor::new(Self::WHAT, address, &content, input.widths);
        let object_header_bytes = 8 + usize::from(input.widths.length);
        while cursor.rest().len() >= object_header_bytes {
            let number = u32::from(cursor.u16()?);
            cursor.skip(6)?;
            let size = cursor.length()?;
            // Object 0 is the free space up to the end.
            if number == 0 {
                break;
            }
            let size = usize::try_from(size).map_err(|_| cursor.broken("an object in it is too large"))?;
            let start = content.len() - cursor.rest().len();
            cursor.skip(size)?;
            objects.entry(number).or_insert(start..start + size);
            let padding = size.next_multiple_of(8) - size;
            cursor.skip(padding.min(cursor.rest().len()))?;
        }
        Ok(Collection { content, objects })
    }
}
