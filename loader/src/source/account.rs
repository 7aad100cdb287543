//! How reads were answered: counts that grow while a source is read, and that anyone may look at.

use std::sync::atomic::{AtomicU64, Ordering};

/// Reads that were answered one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Way {
    /// Reads.
    pub reads: u64,
    /// Bytes that they gave.
    pub bytes: u64,
}

/// How reads were answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Ways {
    /// By `pread(2)`, waiting for the device where the page cache had nothing.
    pub pread: Way,
    /// At once, by what the page cache held (`preadv2(2)` with `RWF_NOWAIT`).
    pub cached: Way,
    /// By a ring, through the page cache.
    pub ring: Way,
    /// By a ring, past the page cache (`O_DIRECT`).
    pub direct: Way,
    /// Rings whose buffers could not be registered, most often for the limit on locked memory; their reads are as right as
    /// others and cost a little more.
    pub rings_unregistered: u64,
}

impl Ways {
    /// What was added since `before`.
    #[must_use]
    pub const fn since(&self, before: &Self) -> Self {
        const fn way(now: Way, before: Way) -> Way {
            Way {
                reads: now.reads.saturating_sub(before.reads),
                bytes: now.bytes.saturating_sub(before.bytes),
            }
        }
        Self {
            pread: way(self.pread, before.pread),
            cached: way(self.cached, before.cached),
            ring: way(self.ring, before.ring),
            direct: way(self.direct, before.direct),
            rings_unregistered: self.rings_unregistered.saturating_sub(before.rings_unregistered),
        }
    }

    /// Both together, as those of two files.
    #[must_use]
    pub const fn and(&self, other: &Self) -> Self {
        const fn way(one: Way, other: Way) -> Way {
            Way { reads: one.reads + other.reads, bytes: one.bytes + other.bytes }
        }
        Self {
            pread: way(self.pread, other.pread),
            cached: way(self.cached, other.cached),
            ring: way(self.ring, other.ring),
            direct: way(self.direct, other.direct),
            rings_unregistered: self.rings_unregistered + other.rings_unregistered,
        }
    }
}

/// How a source reads, and what it has read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// How it reads and why so, for people.
    pub choice: String,
    /// How its reads were answered since it was opened.
    pub ways: Ways,
}

/// A way, to count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Pread,
    Cached,
    Ring,
    Direct,
}

/// The counts as they grow.
#[derive(Debug, Default)]
pub(super) struct Tally {
    ways: [(AtomicU64, AtomicU64); 4],
    rings_unregistered: AtomicU64,
}

impl Tally {
    /// A read came to so many bytes.
    pub fn count(&self, by: By, bytes: usize) {
        let (reads, all) = &self.ways[by as usize];
        reads.fetch_add(1, Ordering::Relaxed);
        all.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// A ring works without registered buffers.
    pub fn count_unregistered(&self) {
        self.rings_unregistered.fetch_add(1, Ordering::Relaxed);
    }

    pub fn ways(&self) -> Ways {
        let way = |by: By| {
            let (reads, bytes) = &self.ways[by as usize];
            Way { reads: reads.load(Ordering::Relaxed), bytes: bytes.load(Ordering::Relaxed) }
        };
        Ways {
            pread: way(By::Pread),
            cached: way(By::Cached),
            ring: way(By::Ring),
            direct: way(By::Direct),
            rings_unregistered: self.rings_unregistered.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_found_and_taken_apart_again() {
        let tally = Tally::default();
        tally.count(By::Ring, 7);
        let before = tally.ways();
        tally.count(By::Ring, 5);
        tally.count(By::Direct, 4096);
        tally.count_unregistered();
        let more = tally.ways().since(&before);
        assert_eq!((more.ring, more.direct.bytes, more.pread.reads), (Way { reads: 1, bytes: 5 }, 4096, 0));
        assert_eq!(before.and(&more), tally.ways());
    }
}
