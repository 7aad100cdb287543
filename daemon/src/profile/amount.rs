//! Sizes and shares: `16MiB` and `10% memory` become the number that the knob wants on this machine.

use serde::Serialize;

use crate::knob::Form;
use crate::pattern::covers;

/// What a share may be of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Amounts {
    /// Main memory in bytes.
    pub memory_bytes: u64,
    /// Logical processors that are online.
    pub cpus: u64,
    /// Physical cores.
    pub cores: u64,
    /// Logical processors for everything but the workload.
    pub housekeeping: u64,
    /// Logical processors for the workload alone.
    pub isolated: u64,
}

impl Amounts {
    /// Any machine, to see whether a value has the right form before the machine is known.
    pub(super) const ANY: Self =
        Self { memory_bytes: 1 << 40, cpus: 64, cores: 32, housekeeping: 8, isolated: 56 };

    fn of(&self, fact: &str) -> Option<u64> {
        Some(match fact {
            "cpus" => self.cpus,
            "cores" => self.cores,
            "housekeeping" => self.housekeeping,
            "isolated" => self.isolated,
            _ => return None,
        })
    }
}

/// The bytes that one step of a knob stands for, by the kernel's names; a size means nothing for other knobs.
const UNITS: &[(&str, u64)] = &[
    ("*_kbytes", 1 << 10),
    ("*_kb", 1 << 10),
    ("*_bytes", 1),
    ("*_bytes_max", 1),
    ("net.core.?mem_*", 1),
    ("net.core.optmem_max", 1),
    ("net.ipv4.tcp_?mem", 1),
    ("net.ipv4.udp_?mem_min", 1),
    ("net.ipv4.tcp_notsent_lowat", 1),
    ("kernel.shmmax", 1),
    ("*2048kB*", 2 << 20),
    ("*1048576kB*", 1 << 30),
    ("hugepages.*2M*", 2 << 20),
    ("hugepages.*1G*", 1 << 30),
    ("hugepages.*1048576*", 1 << 30),
    ("vm.nr_hugepages", 2 << 20),
    ("vm.nr_overcommit_hugepages", 2 << 20),
];

/// The bytes that the number of `knob` counts; `None` when it counts something else.
#[must_use]
pub fn unit(knob: &str) -> Option<u64> {
    UNITS.iter().find(|(pattern, _)| covers(pattern, knob)).map(|(_, unit)| *unit)
}

/// `text` with its sizes and shares replaced by numbers in the unit and the steps of the knob.
///
/// `25%` is a share of memory, `25% memory` as well, and `50% cpus` (or `cores`, `housekeeping`, `isolated`) a
/// number of processors, at least one where there is one. A size such as `16MiB` becomes a number where the knob counts bytes, KiB or
/// pages; other knobs read it themselves. A text with `=` is left alone: it sets variables of somebody else.
#[must_use]
pub fn expand(text: &str, knob: &str, form: &Form, amounts: &Amounts) -> String {
    if text.contains('=') || !text.contains(|letter: char| letter.is_ascii_digit()) {
        return text.to_owned();
    }
    let (unit, step) = match form {
        Form::Integer { step, .. } => (unit(knob), *step),
        Form::Integers { .. } | Form::IntegerOr { .. } => (unit(knob), 1),
        _ => (None, 1),
    };
    let stepped = |number: u64| {
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        (number / step.max(1) * step.max(1)).to_string()
    };
    let mut words = text.split(' ').peekable();
    let mut expanded = Vec::new();
    while let Some(word) = words.next() {
        let share = word.strip_suffix('%').and_then(|digits| digits.parse::<u64>().ok());
        if let Some(percent) = share.filter(|percent| (1..=100).contains(percent)) {
            let named = words.peek().and_then(|fact| amounts.of(fact));
            if named.is_some() || words.peek() == Some(&"memory") {
                words.next();
            }
            expanded.push(match named {
                Some(0) => "0".to_owned(),
                Some(count) => (count * percent / 100).max(1).to_string(),
                None => stepped(share_of(amounts.memory_bytes, percent) / unit.unwrap_or(1)),
            });
        } else if let Some(bytes) = crate::knob::bytes(word).filter(|_| word.ends_with("iB")) {
            expanded.push(unit.map_or_else(|| word.to_owned(), |unit| stepped(bytes / unit)));
        } else {
            expanded.push(word.to_owned());
        }
    }
    expanded.join(" ")
}

/// A share of memory in whole mebibytes: a value should not change with a page that the firmware kept.
fn share_of(memory_bytes: u64, percent: u64) -> u64 {
    let share = u128::from(memory_bytes) * u128::from(percent) / 100;
    u64::try_from(share >> 20 << 20).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTEGER: Form = Form::integer(0, i64::MAX);
    const HERE: Amounts = Amounts { memory_bytes: 8 << 30, cpus: 8, cores: 4, housekeeping: 2, isolated: 6 };

    fn expanded(text: &str, knob: &str, form: &Form) -> String {
        expand(text, knob, form, &HERE)
    }

    #[test]
    fn a_number_in_the_unit_of_the_knob() {
        let special = Form::Special("a text");
        for (text, knob, form, number) in [
            ("16MiB", "net.core.rmem_max", &INTEGER, "16777216"),
            ("128MiB", "vm.min_free_kbytes", &INTEGER, "131072"),
            ("25%", "vm.min_free_kbytes", &INTEGER, "2097152"),
            (
                "4096 128KiB 16MiB",
                "net.ipv4.tcp_rmem",
                &Form::Integers { count: 3, min: 1, max: 1 << 30 },
                "4096 131072 16777216",
            ),
            ("1022KiB", "block.read_ahead_kb", &Form::Integer { min: 0, max: 4096, step: 4 }, "1020"),
            ("50% cpus", "OMP_NUM_THREADS", &special, "4"),
            ("1% isolated", "X", &special, "1"),
            ("100% cores", "X", &special, "4"),
            ("zstd 50% 100", "swap.zram", &special, "zstd 4294967296 100"),
            ("zstd 50% memory 100", "swap.zram", &special, "zstd 4294967296 100"),
            ("bytes 1GiB", "vm.dirty", &special, "bytes 1GiB"),
            ("A=50%", "service.environment", &special, "A=50%"),
            ("16MiB", "vm.swappiness", &INTEGER, "16MiB"),
            ("101%", "vm.swappiness", &INTEGER, "101%"),
            ("ratio 10", "vm.dirty", &special, "ratio 10"),
        ] {
            assert_eq!(expanded(text, knob, form), number, "{text} for {knob}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_larger_share_or_machine_is_never_less(small in 1..100u64, more in 0..100u64, memory in 1u64..1 << 45, extra in 0u64..1 << 40) {
            let large = (small + more).min(100);
            let of = |percent: u64, memory_bytes| {
                let text = format!("{percent}% memory");
                expand(&text, "net.core.rmem_max", &INTEGER, &Amounts { memory_bytes, ..HERE }).parse::<u64>().unwrap()
            };
            proptest::prop_assert!(of(small, memory) <= of(large, memory));
            proptest::prop_assert!(of(small, memory) <= of(small, memory + extra));
            proptest::prop_assert!(of(small, memory) <= memory);
        }
    }
}
