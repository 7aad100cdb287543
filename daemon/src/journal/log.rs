//! One log file: appended to, read once when it is opened, and now and then written anew.

use std::fs::File;

use super::JournalError;
use super::line::{decode, encode};
use super::record::{Record, VERSION};
use crate::root::{Root, RootError};

const FILE: &str = "/journal";

/// Sixteen times what makes a log be written anew: more is not a log of ours.
const FILE_BYTES_MAX: u64 = 16 << 20;

#[derive(Debug)]
pub(super) struct Log {
    root: Root,
    durable: bool,
    next: u64,
    bytes: u64,
    damaged: usize,
    torn: bool,
    /// Whether a refused append may have left a part of a line.
    dirty: bool,
    /// Records of what has happened that were refused or can wait; nothing is appended before them.
    owed: Vec<Record>,
    /// The file, open for as long as a transaction is.
    file: Option<File>,
}

impl Log {
    pub(super) fn open(root: Root, durable: bool) -> Result<(Self, Vec<Record>), JournalError> {
        let bytes = root.read_bytes(FILE, FILE_BYTES_MAX);
        let bytes = bytes.map_err(|error| JournalError::at(&root, error))?.unwrap_or_default();
        let content = decode(&bytes);
        let later = content.records.iter().find_map(|record| match record {
            Record::Open { version, .. } if *version > VERSION => Some(*version),
            _ => None,
        });
        if let Some(found) = later {
            let path = root.prefix().join("journal").display().to_string();
            return Err(JournalError::Version { path, found, known: VERSION });
        }
        let log = Self {
            root,
            durable,
            next: content.next,
            bytes: content.whole_bytes,
            damaged: content.damaged,
            torn: content.torn,
            dirty: content.torn,
            owed: Vec::new(),
            file: None,
        };
        Ok((log, content.records))
    }

    /// Where it is.
    pub(super) fn path(&self) -> String {
        self.root.prefix().join("journal").display().to_string()
    }

    fn failed(&self, error: RootError) -> JournalError {
        JournalError::at(&self.root, error)
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) const fn damaged(&self) -> usize {
        self.damaged
    }

    pub(super) const fn torn(&self) -> bool {
        self.torn
    }

    /// Nothing that was read counts any more.
    pub(super) const fn forget(&mut self) {
        (self.next, self.bytes, self.damaged, self.dirty) = (0, 0, 0, true);
    }

    /// Keeps what was refused, or can wait, for the next append.
    pub(super) fn owe(&mut self, record: &Record) {
        self.owed.push(record.clone());
    }

    /// Closes the file: what happens to it until the next transaction is then seen by that one.
    pub(super) fn close(&mut self) {
        self.file = None;
    }

    /// Appends what is owed.
    pub(super) fn settle(&mut self) -> Result<(), JournalError> {
        if self.owed.is_empty() { Ok(()) } else { self.append(&[]) }
    }

    /// Appends `records` in one write, after what is owed; when it fails, none of them is in the log.
    pub(super) fn append(&mut self, records: &[Record]) -> Result<(), JournalError> {
        let records = [self.owed.as_slice(), records].concat();
        let bytes = encode(&records, self.next)?;
        if self.dirty {
            self.root.truncate(FILE, self.bytes).map_err(|error| self.failed(error))?;
            self.dirty = false;
        }
        if let Err(error) = self.root.append(&mut self.file, FILE, &bytes, self.durable) {
            // Cut off what may have arrived now, as there may be no next append; what is refused here is tried again.
            self.dirty = self.root.truncate(FILE, self.bytes).is_err();
            return Err(self.failed(error));
        }
        self.bytes += bytes.len() as u64;
        self.next += records.len() as u64;
        self.owed.clear();
        Ok(())
    }

    /// Replaces the whole log.
    pub(super) fn renew(&mut self, records: &[Record]) -> Result<(), JournalError> {
        let bytes = encode(records, 0)?;
        self.close();
        let replaced = self.root.replace(FILE, &bytes, 0o600).map_err(|error| self.failed(error));
        // Refused after it took the name, the new file is there all the same.
        let there = || self.root.read_bytes(FILE, FILE_BYTES_MAX).ok().flatten();
        if replaced.is_ok() || there().is_some_and(|there| there == bytes) {
            (self.next, self.bytes) = (records.len() as u64, bytes.len() as u64);
            (self.damaged, self.dirty) = (0, false);
            self.owed.clear();
        }
        replaced
    }
}
