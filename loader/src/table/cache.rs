//! Decoded chunks, the latest used, within a number of bytes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Which chunk: the column's number and the chunk's.
pub(super) type Key = (usize, u64);

/// The chunks that are kept.
#[derive(Debug)]
pub(super) struct Cache {
    bytes_max: usize,
    /// Bytes of memory behind the chunks, which may be a little more than they fill.
    bytes: usize,
    uses: u64,
    chunks: HashMap<Key, (Arc<Vec<u8>>, u64)>,
    /// Which chunk was used when, the longest unused first.
    order: BTreeMap<u64, Key>,
}

impl Cache {
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, bytes: 0, uses: 0, chunks: HashMap::new(), order: BTreeMap::new() }
    }

    /// The chunk, if it is here; it is then the latest used.
    pub fn get(&mut self, key: Key) -> Option<Arc<Vec<u8>>> {
        let (chunk, used) = self.chunks.get_mut(&key)?;
        self.order.remove(used);
        self.uses += 1;
        *used = self.uses;
        self.order.insert(self.uses, key);
        Some(Arc::clone(chunk))
    }

    /// Lets go of the longest unused chunks until `bytes` more have room; gives one of them to be used again, since
    /// fresh memory costs a page fault for every 4 KiB.
    pub fn make_room(&mut self, bytes: usize) -> Vec<u8> {
        let mut spare = Vec::new();
        while self.bytes.saturating_add(bytes) > self.bytes_max
            && let Some((_, key)) = self.order.pop_first()
        {
            if let Some((chunk, _)) = self.chunks.remove(&key) {
                self.bytes -= chunk.capacity();
                spare = Arc::try_unwrap(chunk).unwrap_or_default();
            }
        }
        spare
    }

    /// Keeps `chunk`, unless it alone is larger than all that may be kept.
    pub fn put(&mut self, key: Key, chunk: Arc<Vec<u8>>) {
        let bytes = chunk.capacity();
        self.make_room(bytes);
        if bytes > self.bytes_max || self.chunks.contains_key(&key) {
            return;
        }
        self.bytes += bytes;
        self.uses += 1;
        self.order.insert(self.uses, key);
        self.chunks.insert(key, (chunk, self.uses));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn keeps_the_latest_within_the_bytes(steps in proptest::collection::vec((0u64..20, 1usize..40), 1..200)) {
            let mut cache = Cache::new(100);
            let mut recent: Vec<(u64, usize)> = Vec::new();
            for (number, bytes) in steps {
                let bytes = recent.iter().find(|(kept, _)| *kept == number).map_or(bytes, |(_, bytes)| *bytes);
                let was_there = cache.get((0, number)).is_some();
                prop_assert_eq!(was_there, recent.iter().any(|(kept, _)| *kept == number));
                if !was_there {
                    cache.put((0, number), Arc::new(vec![0; bytes]));
                }
                // The specification: a list, the latest last, cut at the front until it fits.
                recent.retain(|(kept, _)| *kept != number);
                recent.push((number, bytes));
                while recent.iter().map(|(_, bytes)| bytes).sum::<usize>() > 100 {
                    recent.remove(0);
                }
                prop_assert_eq!(cache.bytes, recent.iter().map(|(_, bytes)| bytes).sum::<usize>());
                prop_assert_eq!(cache.chunks.len(), cache.order.len());
            }
        }
    }
}
