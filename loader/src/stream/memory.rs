//! How the bytes of a budget are shared out, before the first of them is taken.
//!
//! Everything that a stream holds is made of a few kinds of equal pieces, so its need is a sum that is known before it
//! starts. The largest number of blocks that fits is taken; when not even one does, the error says how much would.

use std::fmt;

/// The sizes that decide about the memory of a stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// Bytes of the chunk index and of what is known of each block.
    pub index: u64,
    /// Threads that may work, and the bytes that each needs beside its output.
    pub threads: u64,
    pub scratch: u64,
    /// Bytes of a batch.
    pub slab: u64,
    /// Bytes of a block of rows.
    pub block: u64,
    /// Bytes of the order of the windows of a block.
    pub order: u64,
    /// The first rows of every block, kept.
    pub heads: u64,
    /// More blocks than these are of no use.
    pub blocks_max: u64,
}

/// Mixes whose blocks are in memory at once: the one that is given out and the one that is decoded.
pub(super) const MIXES: u64 = 2;
/// Orders that are in memory at once: of these two, and of one that is being made.
const ORDERS: u64 = MIXES + 1;
/// Batches that exist beside the one that each thread fills: one waits, one is used.
pub(super) const SLABS_BESIDE: u64 = 2;
/// The part of the budget that is set aside for threads and batches: one in so many.
const THREADS_PART: u64 = 4;
/// The first rows of all blocks are kept if that takes no more than this part of the budget.
const HEADS_PART: u64 = 8;

/// Where the memory of a stream goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What each part is for, and its bytes.
    pub parts: Vec<(&'static str, u64)>,
    /// The bytes that may be used.
    pub budget_bytes: u64,
    /// The least budget that this stream runs in.
    pub budget_bytes_min: u64,
    /// Threads that decode and gather: those asked for, or as many as have room.
    pub threads: u64,
    /// Blocks whose windows are shuffled together.
    pub blocks_mixed: u64,
    /// Rows in a block.
    pub block_rows: u64,
    /// Whether the first rows of each block are kept, so that later epochs decode each chunk once.
    pub keeps_heads: bool,
    /// How the files are read, and why so.
    pub source: String,
}

impl Explanation {
    /// The bytes of all parts.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|(_, bytes)| bytes).sum()
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, bytes) in &self.parts {
            writeln!(f, "{bytes:>14}  {name}")?;
        }
        writeln!(
            f,
            "{:>14}  of a budget of {} bytes, at least {}",
            self.bytes(),
            self.budget_bytes,
            self.budget_bytes_min
        )?;
        if !self.source.is_empty() {
            writeln!(f, "read by {}", self.source)?;
        }
        write!(
            f,
            "{} blocks of {} rows are shuffled together, by {} threads",
            self.blocks_mixed, self.block_rows, self.threads
        )
    }
}

/// Shares `budget_bytes` out; the error is the least budget that would do.
///
/// How many blocks are mixed decides about the order of windows, so it may not depend on the number of threads: a
/// quarter of the budget is set aside for these and their batches, and as many work as have room there.
pub(super) fn plan(sizes: &Sizes, block_rows: u64, budget_bytes: u64) -> Result<Explanation, u64> {
    let fixed = |threads: u64| {
        let slabs = threads.saturating_add(SLABS_BESIDE).saturating_mul(sizes.slab);
        sizes.index.saturating_add(threads.saturating_mul(sizes.scratch)).saturating_add(slabs)
    };
    let a_block = MIXES.saturating_mul(sizes.block).saturating_add(ORDERS.saturating_mul(sizes.order));
    let least =
        fixed(1).saturating_add(a_block).max(a_block.saturating_add(a_block.div_ceil(THREADS_PART - 1)));
    if budget_bytes < least {
        return Err(least);
    }
    let aside = (budget_bytes / THREADS_PART).max(fixed(1));
    let blocks = ((budget_bytes - aside) / a_block).clamp(1, sizes.blocks_max.max(1));
    let room = aside.max(budget_bytes - blocks * a_block);
    let per_thread = sizes.scratch.saturating_add(sizes.slab).max(1);
    let threads = sizes.threads.min(1 + (room - fixed(1)) / per_thread).max(1);
    let spare = budget_bytes - blocks * a_block - fixed(threads);
    let keeps_heads = sizes.heads <= spare.min(budget_bytes / HEADS_PART);
    let parts = vec![
        ("index of the chunks", sizes.index),
        ("each thread's chunk and what it is stored as", threads * sizes.scratch),
        ("batches", (threads + SLABS_BESIDE) * sizes.slab),
        ("decoded rows", MIXES * blocks * sizes.block),
        ("orders of windows", ORDERS * blocks * sizes.order),
        ("first rows of each block", if keeps_heads { sizes.heads } else { 0 }),
    ];
    Ok(Explanation {
        parts,
        budget_bytes,
        budget_bytes_min: least,
        threads,
        blocks_mixed: blocks,
        block_rows,
        keeps_heads,
        source: String::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sizes() -> impl Strategy<Value = Sizes> {
        let small = || 0u64..1 << 22;
        let pieces = (small(), 1u64..1 << 26, 1u64..1 << 20);
        (small(), 1u64..9, small(), pieces, small(), 1u64..99).prop_map(
            |(index, threads, scratch, (slab, block, order), heads, blocks_max)| Sizes {
                index,
                threads,
                scratch,
                slab,
                block,
                order,
                heads,
                blocks_max,
            },
        )
    }

    proptest! {
        #[test]
        fn never_more_than_the_budget_and_the_least_is_enough(sizes in sizes(), budget in 0u64..1 << 30) {
            match plan(&sizes, 1, budget) {
                Ok(explanation) => {
                    prop_assert!(explanation.bytes() <= budget);
                    prop_assert!(explanation.budget_bytes_min <= budget);
                    prop_assert!((1..=sizes.blocks_max).contains(&explanation.blocks_mixed));
                    prop_assert!((1..=sizes.threads).contains(&explanation.threads));
                    let alone = plan(&Sizes { threads: 1, ..sizes }, 1, budget).unwrap();
                    prop_assert_eq!(alone.blocks_mixed, explanation.blocks_mixed);
                }
                Err(least) => {
                    prop_assert!(least > budget);
                    prop_assert_eq!(plan(&sizes, 1, least).map(|explanation| explanation.blocks_mixed), Ok(1));
                    prop_assert_eq!(plan(&sizes, 1, least - 1).map(|_| ()), Err(least));
                }
            }
        }
    }
}
