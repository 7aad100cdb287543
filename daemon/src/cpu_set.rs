//! Sets of CPUs, in the two texts that the kernel has for them: lists `0-3,8` and masks `ff,ffffffff`.
//!
//! The set is a row of bits. What a text may name is bounded by [`CPU_MAX`], so that `0-4294967295` is an error and
//! not half a gigabyte. The canonical text is the kernel's own list: ascending, neighbours joined, no blanks, and
//! nothing at all for no CPU.
//!
//! Source: kernel `lib/bitmap-str.c` (`bitmap_parselist`, `bitmap_parse`, `%*pbl`, `%*pb`); strides such as `0-7:1/2`
//! are never printed by the kernel and are not read here.

mod text;

pub use text::{CpuSetError, CpuSetProblem};

use serde::{Deserialize, Serialize};

/// The highest number a CPU can have: 8192 is the most that any kernel is built for (x86, `CONFIG_MAXSMP`).
pub const CPU_MAX: u32 = 8_191;

const BITS: usize = 64;

/// A set of CPUs by their kernel numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct CpuSet {
    /// Bit `n % 64` of word `n / 64` is CPU `n`; the last word is not zero.
    words: Vec<u64>,
}

impl CpuSet {
    /// No CPU.
    #[must_use]
    pub const fn new() -> Self {
        Self { words: Vec::new() }
    }

    /// Whether there is no CPU in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// How many CPUs there are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether a CPU is in it.
    #[must_use]
    pub fn contains(&self, cpu: u32) -> bool {
        let word = self.words.get(cpu as usize / BITS).copied().unwrap_or(0);
        word >> (cpu as usize % BITS) & 1 == 1
    }

    /// The CPUs, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        (0..self.words.len() as u32 * BITS as u32).filter(|cpu| self.contains(*cpu))
    }

    /// The lowest CPU.
    #[must_use]
    pub fn first(&self) -> Option<u32> {
        self.iter().next()
    }

    /// The highest CPU.
    #[must_use]
    pub fn last(&self) -> Option<u32> {
        let last = self.words.last()?;
        u32::try_from(self.words.len() * BITS - 1).ok()?.checked_sub(last.leading_zeros())
    }

    /// The CPUs of either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.joined(other, |a, b| a | b)
    }

    /// The CPUs of both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.joined(other, |a, b| a & b)
    }

    /// The CPUs of this one that the other lacks.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.joined(other, |a, b| a & !b)
    }

    /// Whether the other has all of them.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.difference(other).is_empty()
    }

    fn joined(&self, other: &Self, join: impl Fn(u64, u64) -> u64) -> Self {
        let word = |set: &Self, at| set.words.get(at).copied().unwrap_or(0);
        let both = 0..self.words.len().max(other.words.len());
        let mut set = Self { words: both.map(|at| join(word(self, at), word(other, at))).collect() };
        let used = set.words.iter().rposition(|word| *word != 0).map_or(0, |at| at + 1);
        set.words.truncate(used);
        set
    }

    /// Adds the CPUs `first` to `last`, which is not above [`CPU_MAX`].
    fn fill(&mut self, first: u32, last: u32) {
        let (first, last) = (first as usize, last as usize);
        if self.words.len() <= last / BITS {
            self.words.resize(last / BITS + 1, 0);
        }
        for at in first / BITS..=last / BITS {
            let from = first.saturating_sub(at * BITS);
            let to = (last - at * BITS).min(BITS - 1);
            self.words[at] |= (u64::MAX >> (BITS - 1 - (to - from))) << from;
        }
    }
}

impl FromIterator<u32> for CpuSet {
    /// CPUs above [`CPU_MAX`], which no kernel has, are left out.
    fn from_iter<I: IntoIterator<Item = u32>>(cpus: I) -> Self {
        let mut set = Self::new();
        cpus.into_iter().filter(|cpu| *cpu <= CPU_MAX).for_each(|cpu| set.fill(cpu, cpu));
        set
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn cpus() -> impl Strategy<Value = BTreeSet<u32>> {
        prop::collection::btree_set(prop_oneof![0..130_u32, 0..=CPU_MAX], 0..40)
    }

    fn set(cpus: &BTreeSet<u32>) -> CpuSet {
        cpus.iter().copied().collect()
    }

    proptest! {
        #[test]
        fn a_set_is_a_set(a in cpus(), b in cpus()) {
            let (one, other) = (set(&a), set(&b));
            prop_assert_eq!(one.union(&other), set(&a.union(&b).copied().collect()));
            prop_assert_eq!(one.intersection(&other), set(&a.intersection(&b).copied().collect()));
            prop_assert_eq!(one.difference(&other), set(&a.difference(&b).copied().collect()));
            prop_assert_eq!(one.is_subset(&other), a.is_subset(&b));
            prop_assert!(one.is_subset(&one.union(&other)));
        }

        #[test]
        fn a_range_is_its_cpus(first in 0..=CPU_MAX, length in 0..200_u32) {
            let last = (first + length).min(CPU_MAX);
            prop_assert_eq!(CpuSet::parse_list(&format!("{first}-{last}")).unwrap(), (first..=last).collect());
        }
    }
}
