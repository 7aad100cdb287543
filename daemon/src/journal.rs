//! What was there before: recorded before it is changed, and readable after a crash at any point.
//!
//! There are two logs. Volatile knobs end with the boot, so theirs is on /run and needs no fsync: a killed
//! process loses nothing that it wrote. Persistent knobs are files, so theirs is on /var/lib and every record that
//! announces a change is on the disk before the file is touched. That a change was seen to end is recorded together with
//! whatever comes next: a log that lacks it says that the knob may have any value of ours, and it is undone. Both carry the boot's identity; a volatile log of another boot is
//! dropped, because its knobs are gone too.
//!
//! Four rules, tested by the crash matrix:
//! 1. an [`Record::Intent`] is in the log before its knob is written;
//! 2. the first original of a knob wins for as long as the knob is held, so no restart ever takes a value of
//!    ours for an original;
//! 3. undoing compares first, so it can be repeated, and what somebody else wrote since is kept;
//! 4. a [`Record::Commit`] follows only when everything was read back.
//!
//! A log is lines of `CRC32 SEQUENCE JSON`. A last line without its end is a torn write: the write it announces
//! never happened, and it is cut off. Any other bad line is damage: all other records still count for a rollback,
//! and applying is refused until one was made.

mod record;

mod ledger;
mod line;

mod log;

pub use ledger::{Intent, Ledger, Transaction};
pub use record::{Held, Kind, Record};

use std::fs::File;

use nix::fcntl::Flock;

use crate::knob::Lifetime;
use crate::root::{Root, RootError};
use log::Log;

/// A log beyond this is written anew with only what still counts: some hundred profile switches.
const LOG_BYTES_MAX: u64 = 1 << 20;

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The machine refused.
    #[error("the journal in {folder} fails: {error}")]
    Root {
        /// Its folder.
        folder: String,
        /// What the machine said.
        error: RootError,
    },
    /// Another daemon works on the same folder.
    #[error("another diapasond holds {path}; stop it first")]
    Busy {
        /// The lock file.
        path: String,
    },
    /// A record cannot be written as text.
    #[error("the journal cannot store a record: {0}")]
    Encode(#[from] serde_json::Error),
    /// The log was written by a later version.
    #[error(
        "{path} has format {found}, this program knows {known}; roll back with the program that wrote it"
    )]
    Version {
        /// The log.
        path: String,
        /// Its format.
        found: u32,
        /// The format of this program.
        known: u32,
    },
}

impl JournalError {
    fn at(root: &Root, error: RootError) -> Self {
        Self::Root { folder: root.prefix().display().to_string(), error }
    }
}

/// Both logs and what they add up to.
#[derive(Debug)]
pub struct Journal {
    volatile: Log,
    persistent: Log,
    ledger: Ledger,
    boot: String,
    damaged: usize,
    found: Vec<String>,
    same_boot: bool,
    _lock: Flock<File>,
}

impl Journal {
    /// Opens the logs in the folders `run` and `state`, for the boot of identity `boot`.
    ///
    /// # Errors
    /// When a folder cannot be used, another process uses it, or a log is of a later version.
    pub fn open(run: Root, state: Root, boot: &str) -> Result<Self, JournalError> {
        let busy = || JournalError::Busy { path: run.prefix().join("lock").display().to_string() };
        let lock = run.lock("/lock").map_err(|error| JournalError::at(&run, error))?.ok_or_else(busy)?;
        let (mut volatile, mut volatile_records) = Log::open(run, false)?;
        let (persistent, persistent_records) = Log::open(state, true)?;
        let mut found: Vec<String> = Vec::new();
        found.extend(
            volatile
                .torn()
                .then(|| "the last record of the volatile journal was torn and is cut off".to_owned()),
        );
        found.extend(
            persistent
                .torn()
                .then(|| "the last record of the persistent journal was torn and is cut off".to_owned()),
        );
        let boot_of = |records: &[Record]| {
            records.iter().find_map(|record| match record {
                Record::Open { boot, .. } | Record::Begin { boot, .. } => Some(boot.clone()),
                _ => None,
            })
        };
        let last_boot = boot_of(&volatile_records);
        let same_boot = last_boot.as_deref() == Some(boot);
        // Where no line tells the boot any more it has to be this one: another one's log is gone with /run.
        let unknown = last_boot.is_none() && volatile.damaged() > 0;
        if !same_boot && !unknown {
            if !volatile_records.is_empty() {
                found.push(
                    "the volatile journal is of an earlier boot, with which its knobs ended; it is dropped"
                        .to_owned(),
                );
            }
            volatile_records.clear();
            volatile.forget();
        }
        let damaged = volatile.damaged() + persistent.damaged();
        if damaged > 0 {
            found.push(format!(
                "{damaged} journal records in {} and {} are damaged; roll back before the next apply",
                volatile.path(),
                persistent.path()
            ));
        }
        let ledger = Ledger::fold(&volatile_records, &persistent_records);
        let mut journal = Self {
            volatile,
            persistent,
            ledger,
            boot: boot.to_owned(),
            damaged,
            found,
            same_boot,
            _lock: lock,
        };
        let open = journal.open_record();
        if volatile_records.is_empty() && journal.volatile.damaged() == 0 {
            journal.volatile.renew(std::slice::from_ref(&open))?;
        }
        if persistent_records.is_empty() && journal.persistent.damaged() == 0 {
            journal.persistent.renew(std::slice::from_ref(&open))?;
        }
        Ok(journal)
    }

    /// What the logs add up to.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// How many records cannot be read.
    #[must_use]
    pub const fn damaged(&self) -> usize {
        self.damaged
    }

    /// The lengths of the volatile and of the persistent log.
    #[must_use]
    pub const fn bytes(&self) -> [u64; 2] {
        [self.volatile.bytes(), self.persistent.bytes()]
    }

    /// What opening found, in words.
    #[must_use]
    pub fn found(&self) -> &[String] {
        &self.found
    }

    /// Whether the volatile log is of this boot: whether this is a restart of the daemon, not of the machine.
    #[must_use]
    pub const fn same_boot(&self) -> bool {
        self.same_boot
    }

    /// Starts a transaction in both logs.
    ///
    /// In the persistent one the start of an apply waits for the first record that follows it, its end at the latest:
    /// until then no file that outlives the boot has changed, and after a power cut there is nothing to be undone.
    /// A rollback is on the disk when this returns: once begun, it is finished by the next boot.
    ///
    /// # Errors
    /// When a log refuses it.
    pub fn begin(&mut self, kind: Kind, profile: Option<&str>) -> Result<u64, JournalError> {
        let tx = self.ledger.last_tx + 1;
        let begin = Record::Begin { tx, kind, profile: profile.map(str::to_owned), boot: self.boot.clone() };
        if kind == Kind::Rollback {
            self.persistent.append(std::slice::from_ref(&begin))?;
            // The number is used up, whatever follows: no record of another transaction may bear it.
            self.ledger.last_tx = tx;
        }
        if let Err(error) = self.volatile.append(std::slice::from_ref(&begin)) {
            if kind == Kind::Rollback {
                // Otherwise the next start would take it for interrupted, and finish a rollback that was refused.
                let ended = self.persistent.append(&[Record::Abort { tx }]);
                self.found.extend(ended.err().map(|error| error.to_string()));
            }
            self.close();
            return Err(error);
        }
        if kind == Kind::Apply {
            self.persistent.owe(&begin);
        }
        self.ledger.take(&begin);
        Ok(tx)
    }

    /// The files of both logs are open only while a transaction is.
    fn close(&mut self) {
        self.volatile.close();
        self.persistent.close();
    }

    /// Records about knobs of one lifetime, in one write.
    ///
    /// # Errors
    /// When the log refuses it; then none of them counts.
    pub fn record(&mut self, lifetime: Lifetime, records: &[Record]) -> Result<(), JournalError> {
        if records.is_empty() {
            return Ok(());
        }
        self.log(lifetime).append(records)?;
        records.iter().for_each(|record| self.ledger.take(record));
        if self.ledger.open.is_none() {
            self.close();
        }
        Ok(())
    }

    /// Records what has happened already, together with whatever is recorded next of knobs of that lifetime; no
    /// transaction ends before. After a death until then the log says less than was known, which is that a write that
    /// was announced has been seen to end: it is undone as one that was not.
    pub fn later(&mut self, lifetime: Lifetime, record: &Record) {
        self.log(lifetime).owe(record);
        self.ledger.take(record);
    }

    const fn log(&mut self, lifetime: Lifetime) -> &mut Log {
        match lifetime {
            Lifetime::Volatile => &mut self.volatile,
            Lifetime::Persistent => &mut self.persistent,
        }
    }

    /// Records what has happened already: refused now, it comes before whatever is recorded next, and until then
    /// no transaction ends.
    ///
    /// # Errors
    /// When the log refuses it; it counts nevertheless.
    pub fn insist(&mut self, lifetime: Lifetime, record: &Record) -> Result<(), JournalError> {
        let log = self.log(lifetime);
        let appended = log.append(std::slice::from_ref(record));
        if appended.is_err() {
            log.owe(record);
        }
        self.ledger.take(record);
        appended
    }

    /// Ends a transaction in both logs. The persistent one comes first: a transaction that either log calls
    /// ended has ended, and only this one survives a power cut. What fails after it is said in
    /// [`Journal::found`].
    ///
    /// # Errors
    /// When the persistent log refuses it, or the other one still refuses what came before it; then the
    /// transaction has not ended.
    pub fn end(&mut self, record: &Record) -> Result<(), JournalError> {
        self.volatile.settle()?;
        self.persistent.append(std::slice::from_ref(record))?;
        self.ledger.take(record);
        let rest = match self.volatile.append(std::slice::from_ref(record)) {
            Ok(()) => self.compact(),
            Err(error) => {
                self.volatile.owe(record);
                Err(error)
            }
        };
        if let Err(error) = rest {
            self.found.push(error.to_string());
        }
        self.close();
        Ok(())
    }

    /// Writes a log anew when nothing is held any more or it has grown long.
    fn compact(&mut self) -> Result<(), JournalError> {
        let empty =
            self.ledger.held.is_empty() && self.ledger.profile.is_none() && self.ledger.open.is_none();
        let open = self.open_record();
        for (log, lifetime) in
            [(&mut self.volatile, Lifetime::Volatile), (&mut self.persistent, Lifetime::Persistent)]
        {
            if !empty && (log.bytes() < LOG_BYTES_MAX || log.damaged() > 0) {
                continue;
            }
            let kept = self.ledger.held.iter().filter(|held| held.lifetime() == lifetime);
            let kept = kept.map(|held| Record::Keep { held: held.clone() });
            let profile = Record::Commit { tx: self.ledger.last_tx, profile: self.ledger.profile.clone() };
            log.renew(
                &std::iter::once(open.clone()).chain(kept).chain([profile, open.clone()]).collect::<Vec<_>>(),
            )?;
        }
        self.damaged = self.volatile.damaged() + self.persistent.damaged();
        Ok(())
    }

    fn open_record(&self) -> Record {
        Record::Open { version: record::VERSION, boot: self.boot.clone(), last_tx: self.ledger.last_tx }
    }
}

/// What the fuzzer and its test do with any bytes: what can be read says the same when it is written anew, wherever
/// it is cut into two logs it adds up, and no record of it is lost.
#[cfg(any(test, fuzzing))]
pub(crate) fn examine(bytes: &[u8]) {
    let content = line::decode(bytes);
    let Ok(again) = line::encode(&content.records, 0) else { return };
    let again = line::decode(&again);
    assert!(again.damaged == 0 && !again.torn && again.records == content.records);
    assert!(content.whole_bytes <= bytes.len() as u64);
    let (one, other) = content.records.split_at(content.records.len() / 2);
    let _ = (Ledger::fold(one, other), Ledger::fold(other, one), Ledger::fold(&content.records, &[]));
}

#[cfg(test)]
mod tests;
