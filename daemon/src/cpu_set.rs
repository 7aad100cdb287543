//! Sets of CPUs, in the two texts that the kernel has for them: lists `0-3,8` and masks `ff,ffffffff`.
//!
//! The set is a row of bits. What a text may name is bounded by [`CPU_MAX`], so that `0-4294967295` is an error and
//! not half a gigabyte. The canonical text is the kernel's own list: ascending, neighbours joined, no blanks, and
//! nothing at all for no CPU.
//!
//! Source: kernel `lib/bitmap-str.c` (`bitmap_parselist`, `bitmap_parse`, `%*pbl`, `%*pb`); strides such as `0-7:1/2`
//! are never printed by the kernel and are not read here.

use serde::{Deserialize, Serialize};

/// The highest number a CPU can have: 8192 is the most that any kernel is built for (x86, `CONFIG_MAXSMP`).
pub const CPU_MAX: u32 = 8_191;

const BITS: usize = 64;
/// Digits of a mask between two commas.
const GROUP: usize = 8;

/// A set of CPUs by their kernel numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct CpuSet {
    /// Bit `n % 64` of word `n / 64` is CPU `n`; the last word is not zero.
    words: Vec<u64>,
}

/// Where and why a text is no set of CPUs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{given:?}, character {place}: {problem}")]
pub struct CpuSetError {
    /// The text, shortened to its first 80 characters.
    pub given: String,
    /// The place in it, in characters from 1.
    pub place: usize,
    /// What is wrong there.
    pub problem: CpuSetProblem,
}

/// What is wrong at a place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CpuSetProblem {
    /// Not a number, nor two of them.
    #[error("{word:?} is no CPU and no range of them; give a list like 0-3,8")]
    NotCpu {
        /// The text between two commas.
        word: String,
    },
    /// Beyond every kernel.
    #[error("CPU {word} is above {CPU_MAX}, the highest that any kernel has")]
    TooHigh {
        /// The number as given.
        word: String,
    },
    /// The end is before the beginning.
    #[error("the range {first}-{last} falls; write {last}-{first}")]
    Falls {
        /// The first CPU as given.
        first: u32,
        /// The last CPU as given.
        last: u32,
    },
    /// Not a group of a mask.
    #[error(
        "{word:?} is no group of a mask; give up to 8 hexadecimal digits between commas, like ff,ffffffff"
    )]
    NotMask {
        /// The text between two commas.
        word: String,
    },
}

impl CpuSet {
    /// No CPU.
    #[must_use]
    pub const fn new() -> Self {
        Self { words: Vec::new() }
    }

    /// The CPUs of a list: `0-3,8`, with blanks instead of or beside the commas; empty for no CPU.
    ///
    /// # Errors
    /// When a part of it is no CPU or no range, or is above [`CPU_MAX`].
    pub fn parse_list(text: &str) -> Result<Self, CpuSetError> {
        let mut set = Self::new();
        for (place, word) in words(text) {
            let wrong = |problem| error(text, place, problem);
            let number = |digits: &str| number(digits, word).map_err(wrong);
            let (first, last) = match word.split_once('-') {
                Some((first, last)) => (number(first)?, number(last)?),
                None => (number(word)?, number(word)?),
            };
            if first > last {
                return Err(wrong(CpuSetProblem::Falls { first, last }));
            }
            set.fill(first, last);
        }
        Ok(set)
    }

    /// The CPUs of a mask: hexadecimal groups of 32 CPUs, the highest first, `ff,ffffffff`.
    ///
    /// # Errors
    /// When a group is empty, longer than 8 digits or not hexadecimal, or a CPU is above [`CPU_MAX`].
    pub fn parse_mask(text: &str) -> Result<Self, CpuSetError> {
        let trimmed = text.trim();
        let start = text.chars().take_while(|letter| letter.is_whitespace()).count() + 1;
        let mut set = Self::new();
        let mut end = trimmed.chars().count();
        for (index, word) in trimmed.rsplit(',').enumerate() {
            let letters = word.chars().count();
            let wrong = |problem| error(text, start + end - letters, problem);
            let is_group =
                (1..=GROUP).contains(&letters) && word.bytes().all(|byte| byte.is_ascii_hexdigit());
            let bits = is_group.then(|| u32::from_str_radix(word, 16).ok()).flatten();
            let bits = bits.ok_or_else(|| wrong(CpuSetProblem::NotMask { word: short(word) }))?;
            for bit in (0..u32::BITS).filter(|bit| bits >> bit & 1 == 1) {
                let cpu = u32::try_from(index).ok().and_then(|index| index.checked_mul(32)?.checked_add(bit));
                match cpu.filter(|cpu| *cpu <= CPU_MAX) {
                    Some(cpu) => set.fill(cpu, cpu),
                    None => return Err(wrong(CpuSetProblem::TooHigh { word: short(word) })),
                }
            }
            end = end.saturating_sub(letters + 1);
        }
        Ok(set)
    }

    /// The mask in groups of 8 digits, with at least `digits_min` of them. The kernel takes any number of digits
    /// and prints as many as it was built for.
    #[must_use]
    pub fn mask(&self, digits_min: usize) -> String {
        let needed = self.last().map_or(1, |cpu| cpu as usize / 4 + 1);
        let digits = needed.max(digits_min).min((CPU_MAX as usize + 1) / 4);
        let mut mask = String::with_capacity(digits + digits / GROUP);
        for place in (0..digits).rev() {
            let word = self.words.get(place * 4 / BITS).copied().unwrap_or(0);
            let digit = (word >> (place * 4 % BITS) & 0xf) as u32;
            mask.extend(char::from_digit(digit, 16));
            if place > 0 && place % GROUP == 0 {
                mask.push(',');
            }
        }
        mask
    }

    /// The mask as long as `sample`, a mask that the kernel printed.
    #[must_use]
    pub fn mask_like(&self, sample: &str) -> String {
        self.mask(sample.bytes().filter(u8::is_ascii_hexdigit).count())
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

impl std::fmt::Display for CpuSet {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for cpu in self.iter() {
            match ranges.last_mut().filter(|(_, last)| *last + 1 == cpu) {
                Some((_, last)) => *last = cpu,
                None => ranges.push((cpu, cpu)),
            }
        }
        for (index, (first, last)) in ranges.into_iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            if first == last {
                write!(formatter, "{comma}{first}")?;
            } else {
                write!(formatter, "{comma}{first}-{last}")?;
            }
        }
        Ok(())
    }
}

impl From<CpuSet> for String {
    fn from(set: CpuSet) -> Self {
        set.to_string()
    }
}

impl TryFrom<String> for CpuSet {
    type Error = CpuSetError;

    fn try_from(text: String) -> Result<Self, CpuSetError> {
        Self::parse_list(&text)
    }
}

/// The words of a list with their places, in characters from 1. Nothing between two commas is a word as well, and
/// no CPU.
fn words(text: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut place = 1;
    let parts: Vec<&str> = text.split(',').collect();
    for part in &parts {
        let mut at = place;
        let before = words.len();
        for word in part.split(char::is_whitespace) {
            if !word.is_empty() {
                words.push((at, word));
            }
            at += word.chars().count() + 1;
        }
        if words.len() == before && parts.len() > 1 {
            words.push((place, ""));
        }
        place += part.chars().count() + 1;
    }
    words
}

fn number(digits: &str, word: &str) -> Result<u32, CpuSetProblem> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(CpuSetProblem::NotCpu { word: short(word) });
    }
    let number = digits.parse().ok().filter(|cpu| *cpu <= CPU_MAX);
    number.ok_or_else(|| CpuSetProblem::TooHigh { word: short(digits) })
}

fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

fn error(given: &str, place: usize, problem: CpuSetProblem) -> CpuSetError {
    CpuSetError { given: short(given), place, problem }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn list(text: &str) -> CpuSet {
        CpuSet::parse_list(text).unwrap()
    }

    #[test]
    fn texts_of_the_kernel() {
        for (given, canonical) in [
            ("", ""),
            ("\n", ""),
            ("0", "0"),
            ("0-3,8\n", "0-3,8"),
            ("8,0-3", "0-3,8"),
            ("3,2,1", "1-3"),
            (" 2 3, 5 ", "2-3,5"),
            ("0-63,64-127", "0-127"),
            ("8191", "8191"),
            ("0-8191", "0-8191"),
        ] {
            assert_eq!(list(given).to_string(), canonical, "{given:?}");
        }
        for (mask, of) in [("0", ""), ("ff\n", "0-7"), ("1,00000000", "32"), ("80000001,00000001", "0,32,63")]
        {
            assert_eq!(CpuSet::parse_mask(mask).unwrap(), list(of), "{mask}");
        }
        assert_eq!(list("0-7").mask(0), "ff");
        assert_eq!(list("0,32").mask_like("ffff,ffffffff\n"), "0001,00000001");
        assert_eq!(list("40").mask_like("f"), "100,00000000");
        assert_eq!(list("").mask_like("f"), "0");
    }

    #[test]
    fn errors_name_the_place() {
        let said = |text: &str| CpuSet::parse_list(text).unwrap_err().to_string();
        assert_eq!(
            said("0-3,x,8"),
            "\"0-3,x,8\", character 5: \"x\" is no CPU and no range of them; give a list like 0-3,8"
        );
        assert_eq!(
            said("0-4294967295"),
            "\"0-4294967295\", character 1: CPU 4294967295 is above 8191, the highest that any kernel has"
        );
        assert_eq!(said("1, 5-2"), "\"1, 5-2\", character 4: the range 5-2 falls; write 2-5");
        for bad in [",", "1,", ",1", "1,,2", "-", "1-", "-1", "+1", "0x3", "1-2-3", "0-7:1/2", "é", "1;2"] {
            assert!(CpuSet::parse_list(bad).is_err(), "{bad:?}");
        }
        let said = |text: &str| CpuSet::parse_mask(text).unwrap_err().to_string();
        assert!(said("ff,xyz").starts_with("\"ff,xyz\", character 4: \"xyz\" is no group"));
        assert!(said("fff,123456789,0").contains("character 5"));
        for bad in ["", ",", "ff,", "0xff", "f f", "+f"] {
            assert!(CpuSet::parse_mask(bad).is_err(), "{bad:?}");
        }
        let beyond = format!("1{}", ",00000000".repeat(256));
        assert!(said(&beyond).contains("above 8191"));
    }

    fn cpus() -> impl Strategy<Value = BTreeSet<u32>> {
        prop::collection::btree_set(prop_oneof![0..130_u32, 0..=CPU_MAX], 0..40)
    }

    fn set(cpus: &BTreeSet<u32>) -> CpuSet {
        cpus.iter().copied().collect()
    }

    proptest! {
        #[test]
        fn both_texts_come_back(cpus in cpus(), digits in 0..3_000_usize) {
            let made = set(&cpus);
            prop_assert_eq!(CpuSet::parse_list(&made.to_string()).unwrap(), made.clone());
            prop_assert_eq!(CpuSet::parse_mask(&made.mask(digits)).unwrap(), made.clone());
            prop_assert_eq!(made.iter().collect::<BTreeSet<_>>(), cpus.clone());
            prop_assert_eq!((made.len(), made.first(), made.last()),
                (cpus.len(), cpus.first().copied(), cpus.last().copied()));
            let json = serde_json::to_string(&made).unwrap();
            prop_assert_eq!(serde_json::from_str::<CpuSet>(&json).unwrap(), made);
        }

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
            prop_assert_eq!(list(&format!("{first}-{last}")), (first..=last).collect());
        }

        #[test]
        fn no_text_breaks_it(text in "[-0-9a-fx, ,é\n]{0,60}") {
            if let Ok(set) = CpuSet::parse_list(&text) {
                prop_assert_eq!(list(&set.to_string()), set);
            }
            if let Err(error) = CpuSet::parse_mask(&text) {
                prop_assert!(error.place >= 1 && error.place <= text.chars().count() + 1);
            }
        }
    }
}
