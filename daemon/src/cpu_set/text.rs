//! The two texts of a set of CPUs, read and written.

use super::{BITS, CPU_MAX, CpuSet};

/// Digits of a mask between two commas.
const GROUP: usize = 8;

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

    proptest! {
        #[test]
        fn both_texts_come_back(cpus in prop::collection::btree_set(prop_oneof![0..130_u32, 0..=CPU_MAX], 0..40), digits in 0..3_000_usize) {
            let made: CpuSet = cpus.iter().copied().collect();
            prop_assert_eq!(CpuSet::parse_list(&made.to_string()).unwrap(), made.clone());
            prop_assert_eq!(CpuSet::parse_mask(&made.mask(digits)).unwrap(), made.clone());
            prop_assert_eq!(made.iter().collect::<BTreeSet<_>>(), cpus.clone());
            prop_assert_eq!((made.len(), made.first(), made.last()),
                (cpus.len(), cpus.first().copied(), cpus.last().copied()));
            let json = serde_json::to_string(&made).unwrap();
            prop_assert_eq!(serde_json::from_str::<CpuSet>(&json).unwrap(), made);
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
