//! Places in the memory of a ring, taken and given back in order.
//!
//! A circle: an area begins where the one before ends, or at the front again where the end has no room. Areas are whole
//! multiples of [`STEP`], so memory is aligned for direct reads; nothing is written here, these are numbers only.

use std::collections::VecDeque;
use std::ops::Range;

/// What areas begin and end at: the size of a page, which is enough for every device.
pub const STEP: usize = 4096;

/// Areas of so many bytes together.
#[derive(Debug)]
pub struct Arena {
    bytes: usize,
    areas: VecDeque<Range<usize>>,
}

impl Arena {
    /// An arena without areas.
    pub const fn new(bytes: usize) -> Self {
        Self { bytes, areas: VecDeque::new() }
    }

    /// An area of at least `bytes`; `None` while there is no room.
    pub fn take(&mut self, bytes: usize) -> Option<Range<usize>> {
        let bytes = bytes.max(1).checked_next_multiple_of(STEP)?;
        let (oldest, latest) = match (self.areas.front(), self.areas.back()) {
            (Some(oldest), Some(latest)) => (oldest.start, latest.clone()),
            _ => (self.bytes, 0..0),
        };
        let is_wrapped = latest.start < oldest && !self.areas.is_empty();
        let (from, end) = if is_wrapped || self.areas.is_empty() {
            (latest.end, oldest)
        } else if latest.end.saturating_add(bytes) <= self.bytes {
            (latest.end, self.bytes)
        } else {
            (0, oldest)
        };
        let area = from..from.checked_add(bytes)?;
        (area.end <= end).then(|| {
            self.areas.push_back(area.clone());
            area
        })
    }

    /// Gives the oldest area back.
    pub fn give(&mut self) {
        self.areas.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Whether areas lie apart and inside, whatever is taken; and that an empty arena gives all it has.
    fn walk(steps: &[(bool, usize)]) {
        let mut arena = Arena::new(10 * STEP);
        for &(gives, bytes) in steps {
            if gives {
                arena.give();
            } else if let Some(area) = arena.take(bytes) {
                assert!(area.len() >= bytes.max(1) && area.start % STEP == 0 && area.end <= 10 * STEP);
                let older = arena.areas.iter().rev().skip(1);
                assert!(older.clone().all(|other| other.end <= area.start || area.end <= other.start));
            } else {
                assert!(!arena.areas.is_empty() || bytes > 10 * STEP);
            }
        }
        while !arena.areas.is_empty() {
            arena.give();
        }
        assert_eq!(arena.take(10 * STEP), Some(0..10 * STEP));
    }

    #[test]
    fn goes_round() {
        let mut arena = Arena::new(4 * STEP);
        assert_eq!(arena.take(1), Some(0..STEP));
        assert_eq!(arena.take(2 * STEP), Some(STEP..3 * STEP));
        assert_eq!(arena.take(2 * STEP), None);
        arena.give();
        assert_eq!(arena.take(STEP + 1), None);
        assert_eq!(arena.take(STEP), Some(3 * STEP..4 * STEP));
        assert_eq!(arena.take(STEP), Some(0..STEP));
        assert_eq!(arena.take(1), None);
        arena.give();
        assert_eq!(arena.take(1), Some(STEP..2 * STEP));
        walk(&[(false, 5 * STEP), (false, 3 * STEP), (true, 0), (false, 4 * STEP), (false, usize::MAX)]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]
        #[test]
        fn areas_never_touch(steps in proptest::collection::vec((any::<bool>(), 0usize..7 * STEP), 0..60)) {
            walk(&steps);
        }
    }
}
