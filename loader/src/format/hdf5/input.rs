//! Bytes of a file, and numbers of bytes, both with every bound checked.
//!
//! An address may be anything, a count may be anything: what is read is compared with the file's size before memory
//! is taken for it, and a [`Walk`] over linked structures never sees more bytes than twice those the file has, nor
//! one address twice, so loops and bushes of pointers end soon.

use std::collections::HashSet;
use std::sync::Arc;

use super::error::Error;
use crate::source::Source;

/// How many bytes an address and a length take in this file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Widths {
    pub address: u8,
    pub length: u8,
}

/// A file whose superblock is known.
#[derive(Clone, Debug)]
pub(super) struct Input {
    pub source: Arc<dyn Source>,
    /// Where the file begins in the source: addresses count from here.
    pub base: u64,
    pub widths: Widths,
}

impl Input {
    /// Where `address` is in the source, when `bytes` bytes are there.
    pub fn place(&self, what: &'static str, address: u64, bytes: u64) -> Result<u64, Error> {
        let size = self.source.size();
        let place = self.base.checked_add(address);
        let end = place.and_then(|place| place.checked_add(bytes));
        match (place, end) {
            (Some(place), Some(end)) if end <= size => Ok(place),
            _ => Err(Error::Outside { what, address, bytes, size }),
        }
    }

    /// The `bytes` bytes at `address`.
    pub fn read(&self, what: &'static str, address: u64, bytes: u64) -> Result<Vec<u8>, Error> {
        let place = self.place(what, address, bytes)?;
        let outside = || Error::Outside { what, address, bytes, size: self.source.size() };
        let mut read = vec![0; usize::try_from(bytes).map_err(|_| outside())?];
        self.source.read_at(place, &mut read)?;
        Ok(read)
    }

    /// A walk over the file, of at most so many bytes as it has.
    pub fn walk(&self) -> Walk {
        // Valid files are read once at most; the rest is for small files, whose structures are read in fixed blocks.
        Walk {
            visited: HashSet::new(),
            bytes_left: self.source.size().saturating_mul(2).saturating_add(64 << 10),
        }
    }
}

/// A walk over linked structures: which were seen, and how many bytes may still be.
#[derive(Debug)]
pub(super) struct Walk {
    visited: HashSet<u64>,
    bytes_left: u64,
}

impl Walk {
    /// The `bytes` bytes at `address`, which must not have been visited on this walk.
    pub fn visit(
        &mut self,
        input: &Input,
        what: &'static str,
        address: u64,
        bytes: u64,
    ) -> Result<Vec<u8>, Error> {
        if !self.visited.insert(address) {
            return Err(Error::Broken {
                what,
                address,
                problem: "it is reached twice, the structure is a loop",
            });
        }
        self.more(input, what, address, bytes)
    }

    /// More bytes of a structure that is being visited.
    pub fn more(
        &mut self,
        input: &Input,
        what: &'static str,
        address: u64,
        bytes: u64,
    ) -> Result<Vec<u8>, Error> {
        self.charge(what, address, bytes)?;
        input.read(what, address, bytes)
    }

    /// Counts bytes that were taken from what is in memory already.
    pub fn charge(&mut self, what: &'static str, address: u64, bytes: u64) -> Result<(), Error> {
        let too_much =
            Error::Broken { what, address, problem: "the structures overlap: more bytes than the file has" };
        self.bytes_left = self.bytes_left.checked_sub(bytes).ok_or(too_much)?;
        Ok(())
    }
}

/// Reads numbers from bytes in order.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    what: &'static str,
    address: u64,
    bytes: &'a [u8],
    at: usize,
    widths: Widths,
}

impl<'a> Cursor<'a> {
    /// The `bytes` of `what`, which is at `address`.
    pub const fn new(what: &'static str, address: u64, bytes: &'a [u8], widths: Widths) -> Self {
        Self { what, address, bytes, at: 0, widths }
    }

    pub const fn broken(&self, problem: &'static str) -> Error {
        Error::Broken { what: self.what, address: self.address, problem }
    }

    pub fn unsupported(&self, found: impl Into<String>) -> Error {
        Error::Unsupported { what: self.what, address: self.address, found: found.into() }
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or_else(|| self.broken("it ends too early"))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    pub fn skip(&mut self, count: usize) -> Result<(), Error> {
        self.take(count).map(|_| ())
    }

    /// Goes on to the next multiple of `step` from the begin of the bytes.
    pub fn align(&mut self, step: usize) -> Result<(), Error> {
        self.skip(self.at.next_multiple_of(step) - self.at)
    }

    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    pub const fn at(&self) -> usize {
        self.at
    }

    /// A little-endian number of 1 to 8 bytes.
    pub fn uint(&mut self, width: u8) -> Result<u64, Error> {
        let mut number = [0; 8];
        let bytes = self.take(usize::from(width))?;
        number
            .get_mut(..bytes.len())
            .ok_or_else(|| self.broken("a number has more than 8 bytes"))?
            .copy_from_slice(bytes);
        Ok(u64::from_le_bytes(number))
    }

    pub fn u8(&mut self) -> Result<u8, Error> {
        Ok(self.uint(1)? as u8)
    }

    pub fn u16(&mut self) -> Result<u16, Error> {
        Ok(self.uint(2)? as u16)
    }

    pub fn u32(&mut self) -> Result<u32, Error> {
        Ok(self.uint(4)? as u32)
    }

    /// An address; `None` when it is undefined, which is all ones.
    pub fn address(&mut self) -> Result<Option<u64>, Error> {
        let width = self.widths.address;
        let undefined = u64::MAX >> (64 - 8 * u32::from(width));
        Ok(Some(self.uint(width)?).filter(|address| *address != undefined))
    }

    /// An address that must be defined.
    pub fn defined(&mut self) -> Result<u64, Error> {
        self.address()?.ok_or_else(|| self.broken("an address in it is undefined"))
    }

    /// Bytes of an address in this file.
    pub const fn address_bytes(&self) -> u8 {
        self.widths.address
    }

    pub fn length(&mut self) -> Result<u64, Error> {
        self.uint(self.widths.length)
    }

    /// Four letters that name the structure.
    pub fn signature(&mut self, signature: &[u8; 4]) -> Result<(), Error> {
        if self.take(4)? == signature { Ok(()) } else { Err(self.broken("its signature is missing")) }
    }

    /// A version, which must be `expected`.
    pub fn version(&mut self, expected: u8) -> Result<(), Error> {
        let version = self.u8()?;
        if version == expected { Ok(()) } else { Err(self.unsupported(format!("version {version}"))) }
    }

    /// Checks the sum stored in the next four bytes against all bytes before it.
    pub fn check_sum(&mut self) -> Result<(), Error> {
        let found = super::checksum::lookup3(&self.bytes[..self.at]);
        let expected = self.u32()?;
        let (what, address) = (self.what, self.address);
        if found == expected || cfg!(fuzzing) {
            Ok(())
        } else {
            Err(Error::CheckSum { what, address, found, expected })
        }
    }
}
