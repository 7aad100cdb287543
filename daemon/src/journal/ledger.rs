//! What the records of both logs add up to. Pure.

use std::collections::BTreeMap;

use super::record::{Held, Kind, Record};

/// A write that was announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// Its place in the transaction.
    pub step: u64,
    /// The knob's full name.
    pub knob: String,
    /// The value before.
    pub from: String,
    /// The value after, once read back.
    pub done: Option<String>,
}

/// A transaction that has neither committed nor aborted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Its number.
    pub tx: u64,
    /// What it does.
    pub kind: Kind,
    /// The profile it applies.
    pub profile: Option<String>,
    /// The values before it, of knobs that were not held then.
    pub originals: Vec<Held>,
    /// Its writes, in order.
    pub intents: Vec<Intent>,
    /// Knobs that it lets go, which counts when it commits: undone, it has let go of nothing.
    pub released: Vec<String>,
}

/// The state of the machine as far as it is of our making.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// The profile in force.
    pub profile: Option<String>,
    /// Knobs to restore, in the order in which they were first changed.
    pub held: Vec<Held>,
    /// The transaction that was interrupted, or is under way.
    pub open: Option<Transaction>,
    /// The number of the last transaction.
    pub last_tx: u64,
}

impl Ledger {
    /// Adds up both logs. A transaction that one of them calls ended has ended.
    #[must_use]
    pub fn fold(volatile: &[Record], persistent: &[Record]) -> Self {
        let mut ends: BTreeMap<u64, &Record> = BTreeMap::new();
        for record in volatile.iter().chain(persistent) {
            match record {
                Record::Commit { tx, .. } => drop(ends.insert(*tx, record)),
                Record::Abort { tx } => drop(ends.entry(*tx).or_insert(record)),
                _ => {}
            }
        }
        let alone = |records: &[Record]| {
            let mut ledger = Self::default();
            let close = |ledger: &mut Self| {
                let end = ledger.open.as_ref().and_then(|open| ends.get(&open.tx));
                end.into_iter().for_each(|end| ledger.take(end));
            };
            for record in records {
                if matches!(record, Record::Begin { .. }) {
                    close(&mut ledger);
                }
                ledger.take(record);
            }
            close(&mut ledger);
            ledger
        };
        // The profile in force is that of the last commit, which the persistent log has first.
        let last_commit = |records: &[Record]| {
            records
                .iter()
                .filter_map(|record| match record {
                    Record::Commit { tx, .. } => Some(*tx),
                    _ => None,
                })
                .max()
        };
        let (mut sum, other) = (alone(volatile), alone(persistent));
        if last_commit(persistent) >= last_commit(volatile) {
            sum.profile = other.profile;
        }
        sum.last_tx = sum.last_tx.max(other.last_tx);
        sum.held.extend(other.held);
        sum.open = match (sum.open, other.open) {
            (Some(mut one), Some(two)) if one.tx == two.tx => {
                one.originals.extend(two.originals);
                one.intents.extend(two.intents);
                one.intents.sort_by_key(|intent| intent.step);
                one.released.extend(two.released);
                Some(one)
            }
            (one, two) => one.or(two),
        };
        sum
    }

    /// What is known of a held knob.
    #[must_use]
    pub fn held(&self, knob: &str) -> Option<&Held> {
        self.held.iter().find(|held| held.knob == knob)
    }

    /// One more record.
    pub fn take(&mut self, record: &Record) {
        match record {
            Record::Open { last_tx, .. } => self.last_tx = self.last_tx.max(*last_tx),
            Record::Begin { tx, kind, profile, .. } => {
                // The one before has ended, or nothing would have begun; that could not be recorded.
                self.settle();
                self.last_tx = self.last_tx.max(*tx);
                let profile = profile.clone();
                self.open = Some(Transaction {
                    tx: *tx,
                    kind: *kind,
                    profile,
                    originals: Vec::new(),
                    intents: Vec::new(),
                    released: Vec::new(),
                });
            }
            Record::Original { knob, identity, value, .. } => {
                let held = Held {
                    knob: knob.clone(),
                    identity: identity.clone(),
                    original: value.clone(),
                    written: value.clone(),
                    aside: true,
                    open: false,
                };
                if let Some(open) = &mut self.open {
                    open.originals.push(held);
                }
            }
            Record::Intent { step, knob, from, to, .. } => self.intend(*step, knob, from, to.as_deref()),
            Record::Renamed { knobs } => self.rename(knobs),
            Record::Done { knob, value, .. } => {
                let intent = self
                    .open
                    .as_mut()
                    .and_then(|open| open.intents.iter_mut().rev().find(|intent| intent.knob == *knob));
                if let Some(intent) = intent {
                    intent.done = Some(value.clone());
                }
                self.set(knob, value);
            }
            Record::Undoing { step, knob, .. } => {
                let intents = self.open.iter_mut().flat_map(|open| &mut open.intents);
                intents.filter(|intent| intent.step == *step).for_each(|intent| intent.done = None);
                self.held.iter_mut().filter(|held| held.knob == *knob).for_each(|held| held.open = true);
            }
            Record::Undone { knob, value, .. } => self.set(knob, value),
            Record::Released { knob, .. } => match &mut self.open {
                Some(open) if open.kind == Kind::Apply => open.released.push(knob.clone()),
                _ => self.held.retain(|held| held.knob != *knob),
            },
            Record::Commit { tx, profile } => {
                self.last_tx = self.last_tx.max(*tx);
                self.profile.clone_from(profile);
                if let Some(open) = self.open.take() {
                    self.held.retain(|held| !open.released.contains(&held.knob));
                }
                self.settle();
            }
            Record::Abort { tx } => {
                self.last_tx = self.last_tx.max(*tx);
                self.settle();
            }
            Record::Keep { held } => self.held.push(held.clone()),
        }
    }

    fn intend(&mut self, step: u64, knob: &str, from: &str, to: Option<&str>) {
        let original =
            self.open.as_ref().and_then(|open| open.originals.iter().find(|held| held.knob == knob));
        // Without its original (a damaged log) the value before is the best that is known.
        let original = original.cloned().unwrap_or_else(|| Held {
            knob: knob.to_owned(),
            identity: None,
            original: from.to_owned(),
            written: from.to_owned(),
            aside: true,
            open: false,
        });
        if let Some(open) = &mut self.open {
            open.released.retain(|other| other != knob);
            open.intents.push(Intent { step, knob: knob.to_owned(), from: from.to_owned(), done: None });
        }
        if !self.held.iter().any(|held| held.knob == knob) {
            self.held.push(original);
        }
        for held in self.held.iter_mut().filter(|held| held.knob == knob) {
            held.open = true;
            if let Some(to) = to {
                held.aside = false;
                to.clone_into(&mut held.written);
            }
        }
    }

    fn rename(&mut self, knobs: &BTreeMap<String, String>) {
        let is_taken = |knob: &String| knobs.values().any(|new| new == knob) && !knobs.contains_key(knob);
        let name = |knob: &mut String| {
            if let Some(new) = knobs.get(knob) {
                knob.clone_from(new);
            }
        };
        self.held.retain(|held| !is_taken(&held.knob));
        self.held.iter_mut().for_each(|held| name(&mut held.knob));
        if let Some(open) = &mut self.open {
            open.originals.retain(|held| !is_taken(&held.knob));
            open.intents.retain(|intent| !is_taken(&intent.knob));
            open.originals.iter_mut().for_each(|held| name(&mut held.knob));
            open.intents.iter_mut().for_each(|intent| name(&mut intent.knob));
            open.released.iter_mut().for_each(name);
        }
    }

    fn set(&mut self, knob: &str, value: &str) {
        for held in self.held.iter_mut().filter(|held| held.knob == knob) {
            value.clone_into(&mut held.written);
            held.open = false;
        }
    }

    /// A transaction has ended: a knob that is at its original is not held any more.
    fn settle(&mut self) {
        self.open = None;
        self.held.retain(|held| held.open || held.written != held.original);
    }
}
