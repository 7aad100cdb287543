//! The state of a stream as bytes, to go on after a restart with the same bits.
//!
//! ```text
//!     8 magic "DIAPFEAT" | 4 format version | 32 plan hash | 8 rows | 8 count | 8 x count state | 32 BLAKE3
//! ```
//! Numbers are little-endian; the hash at the end covers all before it.

use crate::feature::stream::Stream;

const MAGIC: &[u8; 8] = b"DIAPFEAT";
const FORMAT_VERSION: u32 = 1;
const HEADER: usize = 8 + 4 + 32 + 8 + 8;
const DIGEST: usize = 32;

/// Why bytes are not a snapshot for a plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Something else.
    #[error("these {bytes} bytes are not a snapshot of a feature stream")]
    Foreign {
        /// Their number.
        bytes: usize,
    },
    /// Written by another version.
    #[error(
        "the snapshot has format {found} and this program reads {FORMAT_VERSION}; replay the history instead"
    )]
    Version {
        /// The format found.
        found: u32,
    },
    /// Cut off or changed.
    #[error("the snapshot is damaged; take another one, or replay the history")]
    Damaged,
    /// Taken with another plan.
    #[error(
        "the snapshot belongs to plan {found} and this is plan {expected}; use the plan it was taken with"
    )]
    Plan {
        /// Hash of the plan in the snapshot.
        found: String,
        /// Hash of this plan.
        expected: String,
    },
}

impl Stream {
    /// The state as bytes, for [`Plan::restore`](super::Plan::restore).
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + 8 * self.state.len() + DIGEST);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.plan_hash);
        bytes.extend_from_slice(&self.rows.to_le_bytes());
        bytes.extend_from_slice(&(self.state.len() as u64).to_le_bytes());
        for number in &self.state {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let digest = blake3::hash(&bytes);
        bytes.extend_from_slice(digest.as_bytes());
        bytes
    }
}

/// `fresh` with the state that `bytes` hold.
pub(crate) fn restore(mut fresh: Stream, bytes: &[u8]) -> Result<Stream, SnapshotError> {
    if !bytes.starts_with(MAGIC) {
        return Err(SnapshotError::Foreign { bytes: bytes.len() });
    }
    if bytes.len() < HEADER + DIGEST {
        return Err(SnapshotError::Damaged);
    }
    let found = u32::from_le_bytes(array(&bytes[8..12]));
    if found != FORMAT_VERSION {
        return Err(SnapshotError::Version { found });
    }
    let (content, digest) = bytes.split_at(bytes.len() - DIGEST);
    if blake3::hash(content).as_bytes() != digest {
        return Err(SnapshotError::Damaged);
    }
    let plan: [u8; 32] = array(&content[12..44]);
    if plan != fresh.plan_hash {
        let hex = |hash| blake3::Hash::from_bytes(hash).to_hex().to_string();
        return Err(SnapshotError::Plan { found: hex(plan), expected: hex(fresh.plan_hash) });
    }
    let count = u64::from_le_bytes(array(&content[52..60]));
    let numbers = &content[HEADER..];
    if count != fresh.state.len() as u64 || numbers.len() != 8 * fresh.state.len() {
        return Err(SnapshotError::Damaged);
    }
    fresh.rows = u64::from_le_bytes(array(&content[44..52]));
    for (slot, number) in fresh.state.iter_mut().zip(numbers.chunks_exact(8)) {
        *slot = f64::from_le_bytes(array(number));
    }
    let nodes = &fresh.program.nodes;
    let sound =
        nodes.iter().all(|node| node.op.accepts(&fresh.state[node.state..node.state + node.op.state_len()]));
    if sound { Ok(fresh) } else { Err(SnapshotError::Damaged) }
}

/// The first `N` bytes, zero where there are fewer.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.iter_mut().zip(bytes).for_each(|(slot, byte)| *slot = *byte);
    array
}
