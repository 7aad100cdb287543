//! Faults on order: the n-th change through a [`Root`](super::Root) fails.
//!
//! The crash matrix of the tests counts how many changes an operation makes, then breaks it at each of them.
//! A `Root` without a fuse, the only kind outside tests, pays one comparison a change.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use nix::errno::Errno;

/// What happens at the chosen change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// The process dies before the change: that change and everything after it fails, reads too.
    Die,
    /// The process dies in the middle of it: an appended record is left half written.
    DieTorn,
    /// The process dies in the middle of it: of an appended record, so many parts of 256 are written.
    DieAfter(u8),
    /// The kernel refuses this one change with an input/output error, and accepts the later ones.
    Refuse,
    /// The kernel refuses this one change with this error.
    RefuseWith(Errno),
    /// The kernel takes so many parts of 256 of an appended record and then refuses, as a full disk does.
    RefuseAfter(u8),
}

/// Counts changes and breaks at some of them.
#[derive(Debug)]
pub struct Fuse {
    faults: Mutex<Vec<(u64, Break)>>,
    passed: AtomicU64,
    dead: AtomicBool,
}

/// What a [`Fuse`] says about one change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Pass,
    /// Dead, after so many parts of 256 of the data.
    Dead(u8),
    /// Refused, after so many parts of 256 of the data.
    Refused(u8, Errno),
}

impl Fuse {
    /// A fuse that breaks at the change with the number `at`, counted from 0.
    #[must_use]
    pub fn new(at: u64, kind: Break) -> Self {
        Self::of(vec![(at, kind)])
    }

    /// A fuse that breaks at several changes; none at all only counts.
    #[must_use]
    pub const fn of(faults: Vec<(u64, Break)>) -> Self {
        Self { faults: Mutex::new(faults), passed: AtomicU64::new(0), dead: AtomicBool::new(false) }
    }

    /// Counts from 0 again, with other faults; what was dead lives.
    pub fn renew(&self, faults: Vec<(u64, Break)>) {
        *self.faults.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = faults;
        self.passed.store(0, Ordering::SeqCst);
        self.dead.store(false, Ordering::SeqCst);
    }

    /// How many changes have been asked for so far.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.passed.load(Ordering::SeqCst)
    }

    /// Whether it has broken in a way that kills.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    pub(super) fn step(&self) -> Verdict {
        if self.is_dead() {
            return Verdict::Dead(0);
        }
        let now = self.passed.fetch_add(1, Ordering::SeqCst);
        let faults = self.faults.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Some((_, kind)) = faults.iter().copied().find(|(at, _)| *at == now) else { return Verdict::Pass };
        let verdict = match kind {
            Break::Refuse => Verdict::Refused(0, Errno::EIO),
            Break::RefuseWith(errno) => Verdict::Refused(0, errno),
            Break::RefuseAfter(share) => Verdict::Refused(share, Errno::ENOSPC),
            Break::Die => Verdict::Dead(0),
            Break::DieTorn => Verdict::Dead(128),
            Break::DieAfter(share) => Verdict::Dead(share),
        };
        self.dead.store(matches!(verdict, Verdict::Dead(_)), Ordering::SeqCst);
        verdict
    }
}
