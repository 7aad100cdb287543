//! Conditions: for which machines an entry of a profile is meant, and whether this is one.
//!
//! Every fact that a condition may name is a row of [`FACTS`]: how it is spelt, what it compares, how it is read from the
//! host. A condition is a list of demands that must all hold; what was seen is kept with the answer, so that a
//! plan or a recommendation can say why.

use serde::Serialize;

use super::amount::Amounts;
use super::range::{Range, Scale, version};
use crate::host::{Asked, Host};
use crate::pattern::covers_any_case;

/// What conditions are judged by.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// The host.
    pub host: &'a Host,
    /// Its amounts, processors by role among them.
    pub amounts: Amounts,
}

/// A named condition: `[when.NAME]` in a profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// Its name in the profile.
    pub name: String,
    /// Whether it must hold, or must not (`!NAME`).
    pub wanted: bool,
    /// What it asks; all of it.
    pub demands: Vec<Demand>,
}

/// One fact and what it must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Demand {
    /// The fact's name.
    pub fact: &'static str,
    /// What it must be.
    pub test: Test,
}

/// What a fact must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Test {
    /// One of these patterns covers one of its words; `any` is covered by every word, `none` holds where there is none.
    Words(Vec<String>),
    /// It lies in this range.
    Range(Range),
    /// It is so, or is not.
    Flag(bool),
}

/// What there was to see.
#[derive(Debug)]
pub(super) enum Seen {
    Words(Vec<String>),
    Number(Option<u64>),
    Bytes(Option<u64>),
    Version(Option<String>),
    Flag(bool),
}

/// What a fact compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Words, by shell patterns without regard to case.
    Words,
    /// A whole number, by a range.
    Count,
    /// Bytes, by a range.
    Bytes,
    /// A version, by a range.
    Version,
    /// Yes or no.
    Flag,
}

/// A fact that conditions may name.
pub struct Fact {
    /// How a profile spells it.
    pub name: &'static str,
    /// What it compares.
    pub kind: Kind,
    /// What it is, for the documentation.
    pub meaning: &'static str,
    see: fn(&Facts<'_>) -> Seen,
}

const fn words(name: &'static str, meaning: &'static str, see: fn(&Facts<'_>) -> Seen) -> Fact {
    Fact { name, kind: Kind::Words, meaning, see }
}

const fn count(name: &'static str, meaning: &'static str, see: fn(&Facts<'_>) -> Seen) -> Fact {
    Fact { name, kind: Kind::Count, meaning, see }
}

const fn flag(name: &'static str, meaning: &'static str, see: fn(&Facts<'_>) -> Seen) -> Fact {
    Fact { name, kind: Kind::Flag, meaning, see }
}

/// Every fact that conditions may name.
pub static FACTS: &[Fact] = &[
    words("cpu_vendor", "the processor's vendor: `amd`, `intel`, `arm`, or as CPUID spells it", |facts| {
        Seen::Words(vendor_words(facts.host.cpu.vendor.as_deref()))
    }),
    words("cpu_model", "the processor's marketing name", |facts| one(&facts.host.cpu.model)),
    words("cpu_flag", "instruction sets and features as /proc/cpuinfo spells them", |facts| {
        Seen::Words(facts.host.cpu.flags.clone())
    }),
    words(
        "frequency_driver",
        "the driver of the processor's clock: `intel_pstate`, `amd-pstate*`, `acpi-cpufreq`",
        |facts| one(&facts.host.cpu.frequency_driver),
    ),
    words("smt", "simultaneous multi-threading: `on`, `off`, `notsupported`", |facts| {
        one(&facts.host.cpu.smt)
    }),
    count("cpus", "logical processors that are online", |facts| Seen::Number(Some(facts.amounts.cpus))),
    count("cores", "physical cores", |facts| Seen::Number(Some(facts.amounts.cores))),
    count("isolated_cpus", "processors of the role `isolated`", |facts| {
        Seen::Number(Some(facts.amounts.isolated))
    }),
    count("numa_nodes", "NUMA nodes; 1 where the kernel has no NUMA", |facts| {
        Seen::Number(Some(facts.host.numa.len().max(1) as u64))
    }),
    Fact {
        name: "memory",
        kind: Kind::Bytes,
        meaning: "main memory",
        see: |facts| Seen::Bytes(Some(facts.amounts.memory_bytes).filter(|bytes| *bytes > 0)),
    },
    Fact {
        name: "kernel",
        kind: Kind::Version,
        meaning: "the kernel's version",
        see: |facts| Seen::Version(facts.host.kernel.release.clone()),
    },
    flag("realtime", "whether the kernel is a real-time kernel", |facts| {
        Seen::Flag(facts.host.kernel.realtime)
    }),
    words(
        "virtualisation",
        "the hypervisor or container below: `kvm`, `qemu`, `vmware`, `amazon`, `docker`...",
        |facts| one(&facts.host.kernel.virtualisation),
    ),
    words("clocksource", "the clock in use: `tsc`, `kvm-clock`, `hpet`", |facts| {
        one(&facts.host.kernel.clocksource)
    }),
    words("dmi_vendor", "who made the machine, as its firmware says", |facts| {
        one(&facts.host.firmware.vendor)
    }),
    words("dmi_product", "the machine's model, as its firmware says", |facts| {
        one(&facts.host.firmware.product)
    }),
    words("chassis", "`desktop`, `laptop`, `server` or `other`, as the firmware says", |facts| {
        one(&facts.host.firmware.chassis)
    }),
    flag("battery", "whether the machine has a battery", |facts| Seen::Flag(facts.host.firmware.battery)),
    words("gpu", "vendors of its GPUs: `nvidia`, `amd`, `intel`", |facts| {
        Seen::Words(facts.host.gpus.iter().map(|gpu| gpu.vendor.clone()).collect())
    }),
    words("gpu_driver", "drivers that its GPUs are bound to: `nvidia`, `amdgpu`", |facts| {
        Seen::Words(facts.host.gpus.iter().filter_map(|gpu| gpu.driver.clone()).collect())
    }),
    words("disk", "kinds of its disks: `nvme`, `solid-state`, `rotational`, `virtio`", |facts| {
        Seen::Words(disk_words(facts.host))
    }),
    words("nic_driver", "drivers of its network interfaces: `mlx5_core`, `ena`, `virtio_net`", |facts| {
        Seen::Words(facts.host.nics.iter().filter_map(|nic| nic.driver.clone()).collect())
    }),
    Fact {
        name: "nic_speed_mbit",
        kind: Kind::Count,
        meaning: "the fastest link that is up, in Mbit/s",
        see: |facts| {
            Seen::Number(facts.host.nics.iter().filter_map(|nic| nic.speed_mbit).max().map(u64::from))
        },
    },
];

/// Adds the devices that a fact is about.
pub(super) fn ask(fact: &str, asked: &mut Asked) {
    match fact.split('_').next() {
        Some("disk") => asked.disks = true,
        Some("nic") => asked.cards = true,
        Some("gpu") => asked.gpus = true,
        _ => {}
    }
}

fn one(word: &Option<String>) -> Seen {
    Seen::Words(word.iter().cloned().collect())
}

fn vendor_words(vendor: Option<&str>) -> Vec<String> {
    let Some(vendor) = vendor else { return Vec::new() };
    let short = match vendor {
        "AuthenticAMD" | "HygonGenuine" => "amd",
        "GenuineIntel" => "intel",
        _ => return vec![vendor.to_owned()],
    };
    vec![short.to_owned(), vendor.to_owned()]
}

fn disk_words(host: &Host) -> Vec<String> {
    let mut words = std::collections::BTreeSet::new();
    for disk in host.block.iter().filter(|disk| !disk.is_virtual) {
        match disk.driver.as_deref() {
            Some("nvme") => drop(words.insert("nvme")),
            Some("virtio_blk") => drop(words.insert("virtio")),
            _ => {}
        }
        match disk.rotational {
            Some(true) => drop(words.insert("rotational")),
            Some(false) => drop(words.insert("solid-state")),
            None => {}
        }
    }
    words.into_iter().map(str::to_owned).collect()
}

/// Whether something holds on a machine, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// Whether it holds.
    pub holds: bool,
    /// What was seen, beside what was asked.
    pub because: String,
}

impl Fact {
    /// The fact of a name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        FACTS.iter().find(|fact| fact.name == name)
    }

    /// What it is on a machine, in words.
    #[must_use]
    pub fn shown(&self, facts: &Facts<'_>) -> String {
        match (self.see)(facts) {
            Seen::Words(words) if words.is_empty() => "none".to_owned(),
            Seen::Words(words) => words.join(", "),
            Seen::Number(Some(number)) => number.to_string(),
            Seen::Bytes(Some(bytes)) => gibibytes(bytes),
            Seen::Version(Some(release)) => release,
            Seen::Flag(flag) => if flag { "yes" } else { "no" }.to_owned(),
            Seen::Number(None) | Seen::Bytes(None) | Seen::Version(None) => "unknown".to_owned(),
        }
    }

    /// The test that a value in a profile stands for; `None` when it is none of its kind.
    pub(super) fn test(&self, text: &str) -> Option<Test> {
        let range = |scale| Range::parse(text, scale).map(Test::Range);
        match self.kind {
            Kind::Words => (!text.trim().is_empty()).then(|| Test::Words(vec![text.trim().to_owned()])),
            Kind::Count => range(Scale::Count),
            Kind::Bytes => range(Scale::Bytes),
            Kind::Version => range(Scale::Version),
            Kind::Flag => None,
        }
    }

    /// What a value of its kind looks like.
    #[must_use]
    pub const fn expected(&self) -> &'static str {
        match self.kind {
            Kind::Words => "a shell pattern, `any`, `none`, or a list of patterns",
            Kind::Count => "a number or a range such as \">=2\"",
            Kind::Bytes => "a range of bytes such as \">=64GiB\"",
            Kind::Version => "a range of versions such as \">=5.14, <6.6\"",
            Kind::Flag => "true or false",
        }
    }
}

fn gibibytes(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}

impl Demand {
    /// Whether it holds.
    #[must_use]
    pub fn answer(&self, facts: &Facts<'_>) -> Answer {
        let Some(fact) = Fact::find(self.fact) else {
            return Answer { holds: false, because: format!("{} is unknown", self.fact) };
        };
        let holds = match (&self.test, (fact.see)(facts)) {
            (Test::Words(patterns), Seen::Words(words)) => {
                patterns.iter().any(|pattern| match pattern.as_str() {
                    "none" => words.is_empty(),
                    "any" => !words.is_empty(),
                    pattern => words.iter().any(|word| covers_any_case(pattern, word)),
                })
            }
            // What the machine does not say lies in no range.
            (Test::Range(range), Seen::Number(number) | Seen::Bytes(number)) => {
                number.is_some_and(|number| range.holds(&[number]))
            }
            (Test::Range(range), Seen::Version(release)) => {
                release.is_some_and(|release| range.holds(&version(&release)))
            }
            (Test::Flag(wanted), Seen::Flag(flag)) => *wanted == flag,
            _ => false,
        };
        let asked = match &self.test {
            Test::Words(patterns) => patterns.join(" or "),
            Test::Range(range) => range.to_string(),
            Test::Flag(wanted) => if *wanted { "yes" } else { "no" }.to_owned(),
        };
        Answer {
            holds,
            because: format!("{} is {}, asked for {asked}", self.fact, short(&fact.shown(facts))),
        }
    }
}

/// The flags of a processor fill a page.
fn short(text: &str) -> String {
    const LETTERS_MAX: usize = 60;
    if text.chars().count() <= LETTERS_MAX {
        return text.to_owned();
    }
    text.chars().take(LETTERS_MAX).chain("...".chars()).collect()
}

impl Condition {
    /// Whether it holds. Of a condition that does not, the first demand that fails is the reason.
    #[must_use]
    pub fn answer(&self, facts: &Facts<'_>) -> Answer {
        let answers: Vec<Answer> = self.demands.iter().map(|demand| demand.answer(facts)).collect();
        let failed = answers.iter().find(|answer| !answer.holds);
        let all = || answers.iter().map(|answer| answer.because.clone()).collect::<Vec<_>>().join("; ");
        Answer {
            holds: failed.is_none() == self.wanted,
            because: failed.map_or_else(all, |failed| failed.because.clone()),
        }
    }
}

/// Whether all of several conditions hold; the first that does not is the reason.
#[must_use]
pub fn all_hold(conditions: &[Condition], facts: &Facts<'_>) -> Answer {
    let mut because = Vec::new();
    for condition in conditions {
        let answer = condition.answer(facts);
        if !answer.holds {
            return answer;
        }
        because.push(answer.because);
    }
    Answer { holds: true, because: because.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Machine;
    use crate::root::Root;

    fn host() -> Host {
        let mut host = Host::read(&Root::nowhere()).unwrap();
        host.cpu.vendor = Some("AuthenticAMD".to_owned());
        host.cpu.model = Some("AMD EPYC 9R14".to_owned());
        host.cpu.online = 8;
        host.memory.total_bytes = 128 << 30;
        host.kernel.release = Some("6.1.0-49-amd64".to_owned());
        host
    }

    #[test]
    fn a_fact_asks_for_the_devices_it_sees() {
        let mut rich = host();
        rich.block.push(crate::host::BlockDevice {
            name: "nvme0n1".to_owned(),
            bytes: 1 << 40,
            rotational: Some(false),
            scheduler: None,
            schedulers: Vec::new(),
            nr_requests: None,
            read_ahead_kb: None,
            driver: Some("nvme".to_owned()),
            model: None,
            is_virtual: false,
        });
        rich.nics.push(crate::host::Nic {
            name: "eth0".to_owned(),
            driver: Some("ena".to_owned()),
            speed_mbit: Some(25_000),
            mtu: None,
            state: None,
            rx_queues: 1,
            numa_node: None,
        });
        rich.gpus.push(crate::host::Gpu {
            address: "0000:01:00.0".to_owned(),
            vendor: "nvidia".to_owned(),
            device: "0x2330".to_owned(),
            driver: Some("nvidia".to_owned()),
            driver_version: None,
            model: None,
        });
        let mut devices = 0;
        for fact in FACTS {
            let mut asked = Asked::default();
            ask(fact.name, &mut asked);
            let mut poor = rich.clone();
            if !asked.disks {
                poor.block.clear();
            }
            if !asked.cards {
                poor.nics.clear();
            }
            if !asked.gpus {
                poor.gpus.clear();
            }
            let seen = |host: &Host| format!("{:?}", (fact.see)(&Machine::default().facts(host)));
            assert_eq!(seen(&rich), seen(&poor), "{}", fact.name);
            devices += usize::from(asked != Asked::default());
        }
        assert_eq!(devices, 5);
    }

    fn words(fact: &'static str, patterns: &[&str]) -> Demand {
        Demand { fact, test: Test::Words(patterns.iter().map(|word| (*word).to_owned()).collect()) }
    }

    fn range(fact: &'static str, text: &str) -> Demand {
        Demand { fact, test: Fact::find(fact).unwrap().test(text).unwrap() }
    }

    #[test]
    fn each_kind_of_demand() {
        let host = host();
        let facts = Machine::default().facts(&host);
        for demand in [
            words("cpu_vendor", &["amd"]),
            words("cpu_vendor", &["intel", "authentic*"]),
            words("cpu_model", &["*epyc*"]),
            words("gpu", &["none"]),
            words("virtualisation", &["none"]),
            range("kernel", ">=5.14, <6.6"),
            range("memory", ">=64GiB"),
            range("numa_nodes", "1"),
            range("cpus", ">=8"),
            Demand { fact: "realtime", test: Test::Flag(false) },
        ] {
            let answer = demand.answer(&facts);
            assert!(answer.holds, "{}", answer.because);
        }
        for (demand, because) in [
            (words("gpu", &["any"]), "gpu is none, asked for any"),
            (words("cpu_vendor", &["intel"]), "cpu_vendor is amd, AuthenticAMD, asked for intel"),
            (range("kernel", ">=6.6"), "kernel is 6.1.0-49-amd64, asked for >=6.6"),
            (range("memory", "<64GiB"), "memory is 128.0 GiB, asked for <64GiB"),
            (range("nic_speed_mbit", ">=10000"), "nic_speed_mbit is unknown, asked for >=10000"),
            (Demand { fact: "battery", test: Test::Flag(true) }, "battery is no, asked for yes"),
        ] {
            assert_eq!(demand.answer(&facts), Answer { holds: false, because: because.to_owned() });
        }
    }

    #[test]
    fn every_fact_can_be_read_of_an_empty_machine() {
        let host = Host::read(&Root::nowhere()).unwrap();
        let facts = Machine::default().facts(&host);
        for fact in FACTS {
            assert!(!fact.shown(&facts).is_empty() && !fact.meaning.is_empty(), "{}", fact.name);
        }
    }

    proptest::proptest! {
        /// A condition is the conjunction of its demands; `!` is its negation; several are a conjunction again.
        #[test]
        fn conditions_are_boolean_algebra(truths in proptest::collection::vec(proptest::collection::vec(proptest::bool::ANY, 1..4), 0..4), wanted in proptest::bool::ANY) {
            let host = host();
            let facts = Machine::default().facts(&host);
            let demand = |truth: &bool| words("cpu_vendor", &[if *truth { "amd" } else { "intel" }]);
            let condition = |truths: &Vec<bool>| Condition { name: "c".into(), wanted, demands: truths.iter().map(demand).collect() };
            let conditions: Vec<Condition> = truths.iter().map(condition).collect();
            for (condition, truths) in conditions.iter().zip(&truths) {
                proptest::prop_assert_eq!(condition.answer(&facts).holds, truths.iter().all(|truth| *truth) == wanted);
            }
            let all = truths.iter().all(|truths| truths.iter().all(|truth| *truth) == wanted);
            proptest::prop_assert_eq!(all_hold(&conditions, &facts).holds, all);
        }
    }
}
