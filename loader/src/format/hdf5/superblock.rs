//! The superblock: where the file begins, how wide its addresses are, and where its root group is.

use std::sync::Arc;

use super::error::Error;
use super::input::{Cursor, Input, Widths};
use crate::source::Source;

const WHAT: &str = "superblock";
const SIGNATURE: &[u8; 8] = b"\x89HDF\r\n\x1a\n";
/// Bytes that hold any superblock: version 1 with addresses of 8 bytes needs 100.
const BYTES_MAX: u64 = 128;

/// What the superblock says.
#[derive(Clone, Debug)]
pub(super) struct Superblock {
    pub version: u8,
    pub input: Input,
    /// The address of the root group's header.
    pub root: u64,
    pub state: State,
}

/// Whether somebody writes the file; version 3 says so, and only the newer forms of the other structures can be read then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It was closed, or nobody can tell.
    Closed,
    /// It is open for writing, or its writer died.
    Writing,
    /// It is open for writing by one who lets others read meanwhile (SWMR), or who died.
    Shared,
}

/// Finds and reads the superblock.
pub(super) fn read(source: Arc<dyn Source>) -> Result<Superblock, Error> {
    let size = source.size();
    // A user block of any power of two from 512 bytes on may stand before the file.
    let mut base = 0u64;
    loop {
        let mut signature = [0; SIGNATURE.len()];
        if base.checked_add(signature.len() as u64).is_none_or(|end| end > size) {
            return Err(Error::Foreign);
        }
        source.read_at(base, &mut signature)?;
        if signature == *SIGNATURE {
            break;
        }
        base = if base == 0 { 512 } else { base.saturating_mul(2) };
    }
    let mut bytes = vec![0; BYTES_MAX.min(size - base) as usize];
    source.read_at(base, &mut bytes)?;
    let expected = base.saturating_add(whole_bytes(&bytes));
    if expected > size && bytes.len() < BYTES_MAX as usize {
        return Err(Error::CutOff { expected, found: size });
    }
    parse(source, base, &bytes)
}

/// The bytes of a superblock, or the least that any has while its version is still unread.
fn whole_bytes(bytes: &[u8]) -> u64 {
    let (version, old_width, new_width) = (bytes.get(8), bytes.get(13), bytes.get(9));
    let addresses = |count: u64, width: Option<&u8>| count * u64::from(width.copied().unwrap_or(0));
    match version {
        Some(0) => 48 + addresses(6, old_width),
        Some(1) => 52 + addresses(6, old_width),
        Some(_) => 16 + addresses(4, new_width),
        None => 16,
    }
}

fn parse(source: Arc<dyn Source>, found_at: u64, bytes: &[u8]) -> Result<Superblock, Error> {
    let widths = |cursor: &mut Cursor<'_>| {
        let (address, length) = (cursor.u8()?, cursor.u8()?);
        let valid = |width| matches!(width, 2 | 4 | 8);
        if !valid(address) || !valid(length) {
            return Err(cursor.unsupported(format!("addresses of {address} bytes, lengths of {length}")));
        }
        Ok(Widths { address, length })
    };
    let mut cursor = Cursor::new(WHAT, found_at, bytes, Widths { address: 8, length: 8 });
    cursor.skip(SIGNATURE.len())?;
    let version = cursor.u8()?;
    let mut state = State::Closed;
    let (widths, base, end, root) = match version {
        0 | 1 => {
            cursor.skip(4)?;
            let widths = widths(&mut cursor)?;
            // Reserved, the ranks of group trees, consistency flags; version 1 adds the rank of chunk trees.
            cursor.skip(if version == 0 { 9 } else { 13 })?;
            let mut cursor = Cursor::new(WHAT, found_at, bytes, widths).skipped(cursor.at())?;
            let base = cursor.defined()?;
            cursor.address()?;
            let end = cursor.defined()?;
            cursor.address()?;
            // The root group's symbol table entry begins with the offset of its name.
            cursor.address()?;
            (widths, base, end, cursor.defined()?)
        }
        2 | 3 => {
            let widths = widths(&mut cursor)?;
            const WRITING: u8 = 1;
            const SHARED: u8 = 4;
            state = match cursor.u8()? {
                flags if version < 3 || flags & WRITING == 0 => State::Closed,
                flags if flags & SHARED == 0 => State::Writing,
                _ => State::Shared,
            };
            let mut cursor = Cursor::new(WHAT, found_at, bytes, widths).skipped(cursor.at())?;
            let base = cursor.defined()?;
            cursor.address()?;
            let end = cursor.defined()?;
            let root = cursor.defined()?;
            cursor.check_sum()?;
            (widths, base, end, root)
        }
        _ => return Err(cursor.unsupported(format!("version {version}"))),
    };
    if base != found_at {
        return Err(cursor.broken("its base address is not where it stands"));
    }
    let (expected, found) = (end, source.size());
    // A writer takes room before it fills it; what is read lies within the file all the same.
    if expected > found && state != State::Shared {
        return Err(Error::CutOff { expected, found });
    }
    Ok(Superblock { version, input: Input { source, base, widths }, root, state })
}

impl Cursor<'_> {
    fn skipped(mut self, count: usize) -> Result<Self, Error> {
        self.skip(count)?;
        Ok(self)
    }
}
