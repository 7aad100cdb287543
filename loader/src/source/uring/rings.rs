//! The rings of this process: a thread takes one that is free, whatever file it reads, and puts it back.
//!
//! So there are as many as threads ever read at once, however many files are open. They go when the last file does.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::ring::{Broken, Job, Outcome, Ring};
use crate::source::Take;

/// Rings that no thread uses at the moment.
#[derive(Debug, Default)]
pub struct Rings(Mutex<Vec<Ring>>);

impl Rings {
    /// Those of this process.
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Rings>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let rings = Arc::default();
            *shared = Arc::downgrade(&rings);
            rings
        })
    }

    /// Does `job` from span `first` on, as [`Ring::fly`], with a ring that no other thread uses.
    pub fn fly(
        &self,
        job: &Job<'_>,
        first: usize,
        room: &mut Vec<u8>,
        take: &mut Take<'_>,
    ) -> Result<Outcome, Broken> {
        let free = self.free().pop();
        let mut ring = match free.map_or_else(Ring::new, Ok) {
            Ok(ring) => ring,
            Err(error) => return Err(Broken { given: first, error }),
        };
        let outcome = ring.fly(job, first, room, take);
        if outcome.is_ok() && ring.is_whole() {
            self.free().push(ring);
        }
        outcome
    }

    fn free(&self) -> MutexGuard<'_, Vec<Ring>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_the_same_for_all_files_while_there_is_one() {
        let (one, other) = (Rings::shared(), Rings::shared());
        assert!(Arc::ptr_eq(&one, &other));
    }
}
