//! A fault on order: the n-th change through a [`Root`](super::Root) fails.
//!
//! The crash matrix of the tests counts how many changes an operation makes, then breaks it at each of them.
//! A `Root` without a fuse, the only kind outside tests, pays one comparison a change.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What happens at the chosen change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// The process dies before the change: that change and everything after it fails, reads too.
    Die,
    /// The process dies in the middle of it: an appended record is left half written.
    DieTorn,
    /// The kernel refuses this one change with an input/output error, and accepts the later ones.
    Refuse,
}

/// Counts changes and breaks at one of them.
#[derive(Debug)]
pub struct Fuse {
    at: u64,
    kind: Break,
    passed: AtomicU64,
    dead: AtomicBool,
}

/// What a [`Fuse`] says about one change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Pass,
    Dead,
    Torn,
    Refused,
}

impl Fuse {
    /// A fuse that breaks at the change with the number `at`, counted from 0.
    #[must_use]
    pub const fn new(at: u64, kind: Break) -> Self {
        Self { at, kind, passed: AtomicU64::new(0), dead: AtomicBool::new(false) }
    }

    /// How many changes have been asked for so far.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.passed.load(Ordering::SeqCst)
    }

    pub(super) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    pub(super) fn step(&self) -> Verdict {
        if self.is_dead() {
            return Verdict::Dead;
        }
        if self.passed.fetch_add(1, Ordering::SeqCst) != self.at {
            return Verdict::Pass;
        }
        match self.kind {
            Break::Refuse => Verdict::Refused,
            Break::Die => {
                self.dead.store(true, Ordering::SeqCst);
                Verdict::Dead
            }
            Break::DieTorn => {
                self.dead.store(true, Ordering::SeqCst);
                Verdict::Torn
            }
        }
    }
}
