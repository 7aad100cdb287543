//! What a fuzzer may throw at the daemon: every reader of text or bytes that come from outside.
//!
//! Only compiled for tests and under `cfg(fuzzing)`, which `make fuzz` sets; the targets in `fuzz/` are one call each.
//! A function here panics where the reader breaks a promise. The tests below throw random and damaged bytes at the
//! same functions, so that a machine without a fuzzer tries them too.

use crate::cpu_set::CpuSet;
use crate::uevent::Uevent;
use crate::{conflicts, control, journal, profile};

/// A profile, and the file of a machine's own settings.
pub fn profile(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        profile::examine(text);
    }
}

/// A list or a mask of CPUs: what was read and written is read as the same.
pub fn cpus(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for set in [CpuSet::parse_list(text), CpuSet::parse_mask(text)].into_iter().flatten() {
        assert_eq!(CpuSet::parse_list(&set.to_string()).as_ref(), Ok(&set), "{text:?}");
        assert_eq!(CpuSet::parse_mask(&set.mask(1)).as_ref(), Ok(&set), "{text:?}");
    }
}

/// A journal.
pub fn journal(bytes: &[u8]) {
    journal::examine(bytes);
}

/// What callers of the control socket send.
pub fn message(bytes: &[u8]) {
    control::examine(bytes);
}

/// Files of sysctl.d and of udev rules.
pub fn claims(bytes: &[u8]) {
    conflicts::examine(&String::from_utf8_lossy(bytes));
}

/// What the kernel says about devices.
pub fn uevent(bytes: &[u8]) {
    let _ = Uevent::parse(bytes);
}

/// What takes any bytes.
pub type Target = fn(&[u8]);

/// Every target by its name.
pub const ALL: &[(&str, Target)] = &[
    ("profile", profile),
    ("cpus", cpus),
    ("journal", journal),
    ("message", message),
    ("claims", claims),
    ("uevent", uevent),
];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    /// Good inputs of a target: the seeds of its corpus.
    fn seeds(name: &str) -> Vec<Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(name);
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let seeds: Vec<_> = entries.map(|path| std::fs::read(path).unwrap()).collect();
        assert!(!seeds.is_empty(), "{name} has no seed");
        seeds
    }

    proptest! {
        #[test]
        fn no_reader_panics(junk in proptest::collection::vec(any::<u8>(), 0..300), text in "\\PC{0,200}") {
            for (_, target) in ALL {
                target(&junk);
                target(text.as_bytes());
            }
        }

        #[test]
        fn nor_at_what_was_good_before_it_was_damaged(at in any::<prop::sample::Index>(), flip in 1..=255_u8, cut in any::<prop::sample::Index>(), twice in any::<bool>()) {
            for (name, target) in ALL {
                for mut seed in seeds(name) {
                    target(&seed);
                    let place = at.index(seed.len());
                    seed[place] ^= flip;
                    target(&seed);
                    let end = cut.index(seed.len());
                    if twice {
                        let tail = seed[end..].to_vec();
                        seed.extend(tail);
                    } else {
                        seed.truncate(end);
                    }
                    target(&seed);
                }
            }
        }
    }
}
