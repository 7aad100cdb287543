//! Profile + host + what is now -> what would change. Nothing is written here.
//!
//! A plan is an ordered list: the order of application. [`Plan::make`] reads the current values; what follows
//! from them is decided by a pure function, so that every case of it is tested without a machine.

use serde::{Deserialize, Serialize};

use crate::host::Host;
use crate::knob::{self, Class, Instance, Lifetime, Named, Risk};
use crate::profile::{Ask, Disks, Entry, Profile, expand_shares};
use crate::root::{Root, RootError};

/// What applying a profile would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The profile.
    pub profile: String,
    /// Its one line.
    pub summary: String,
    /// One entry a knob and device, in the order of application.
    pub changes: Vec<Change>,
}

/// One knob on one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The full name, `block.sda.scheduler`; the knob's own name where the host has no device for it.
    pub knob: String,
    /// The value now; `None` when it is not there or cannot be read.
    pub current: Option<String>,
    /// The wanted value in canonical form, or as asked where the host cannot have it.
    pub wanted: String,
    /// Whether something is to be done.
    pub state: State,
    /// Why not, where it is refused.
    pub detail: Option<String>,
    /// Whether the profile holds without this change.
    pub optional: bool,
    /// What undoing can promise.
    pub class: Class,
    /// How long the value lasts.
    pub lifetime: Lifetime,
    /// How badly a wrong value can hurt.
    pub risk: Risk,
    /// What to look out for.
    pub caution: String,
    /// Why the profile wants it.
    pub reason: String,
    /// From where the profile has it.
    pub source: String,
    /// Where it is written: file, line and column.
    pub place: String,
}

/// Whether something is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The value differs and will be written.
    Change,
    /// The value is there already.
    Already,
    /// The machine has no such knob or no such device.
    AbsentOnThisHost,
    /// The value cannot be written here; `detail` says why.
    Refused,
}

/// What the machine says about one wanted value.
struct Reading {
    current: Result<Option<String>, String>,
    /// The wanted value in canonical form.
    settled: Result<String, String>,
    /// The value before the knob was held, where it is held.
    original: Option<String>,
}

impl Plan {
    /// What applying `profile` to this host would do.
    ///
    /// # Errors
    /// When the devices of a knob cannot be listed. A single knob that cannot be read is in the plan as refused.
    pub fn make(profile: &Profile, host: &Host, root: &Root) -> Result<Self, RootError> {
        Self::over(profile, host, root, &|_| None)
    }

    /// The same for a machine on which knobs are held: `original` tells the value of a knob before it was held,
    /// and that is what `at_least` and `at_most` compare with. Otherwise what an earlier profile raised would
    /// count as what the machine came with.
    ///
    /// # Errors
    /// As [`Plan::make`].
    pub fn over(
        profile: &Profile,
        host: &Host,
        root: &Root,
        original: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, RootError> {
        let mut chosen: Vec<(usize, Instance, &Entry)> = Vec::new();
        let mut missing: Vec<(usize, &Entry)> = Vec::new();
        for entry in &profile.entries {
            // The profile's names were checked when it was loaded.
            let Ok(named) = knob::find(&entry.knob) else { continue };
            let rank = knob::rank(named.knob());
            let instances = match named {
                Named::One(instance) => vec![instance],
                Named::Everywhere(knob) => match knob.targets(root) {
                    Ok(targets) => select(entry, knob, targets, host),
                    Err(knob::KnobError::Root(error)) => return Err(error),
                    Err(_) => Vec::new(),
                },
            };
            if instances.is_empty() {
                missing.push((rank, entry));
            }
            for instance in instances {
                let name = instance.name();
                let is_exact = entry.knob == name;
                let earlier = chosen.iter_mut().find(|(_, other, _)| other.name() == name);
                match earlier {
                    // The later entry wins, but one that names the device beats one that means all of them.
                    Some((_, _, other)) if is_exact || other.knob != name => *other = entry,
                    Some(_) => {}
                    None => chosen.push((rank, instance, entry)),
                }
            }
        }
        missing.retain(|(rank, _)| chosen.iter().all(|(other, _, _)| other != rank));
        missing.dedup_by_key(|(rank, _)| *rank);
        let mut ranked: Vec<(usize, Change)> = Vec::new();
        for (rank, instance, entry) in chosen {
            let name = instance.name();
            let mut reading = read(&instance, entry, host, root);
            reading.original = original(&name);
            ranked.push((rank, decide(&name, &instance, entry, reading)));
        }
        for (rank, entry) in missing {
            if let Ok(named) = knob::find(&entry.knob) {
                let instance = Instance { knob: named.knob(), target: String::new() };
                let absent = Reading { current: Ok(None), settled: Ok(entry.ask.text()), original: None };
                ranked.push((rank, decide(&entry.knob, &instance, entry, absent)));
            }
        }
        ranked.sort_by_key(|(rank, _)| *rank);
        let changes = ranked.into_iter().map(|(_, change)| change).collect();
        Ok(Self { profile: profile.name.clone(), summary: profile.summary.clone(), changes })
    }

    /// The entries that will be written.
    pub fn pending(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.state == State::Change)
    }

    /// The entries that forbid applying the profile: refused, and not optional.
    pub fn obstacles(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.state == State::Refused && !change.optional)
    }
}

/// The devices that an entry means.
fn select(entry: &Entry, knob: &'static dyn knob::Knob, targets: Vec<String>, host: &Host) -> Vec<Instance> {
    let wanted = |target: &String| {
        let named = entry.on.iter().any(|pattern| glob(pattern, target));
        let by_default =
            entry.on.is_empty() && !knob.spec().skips.iter().any(|pattern| glob(pattern, target));
        (named || by_default) && entry.disks.is_none_or(|disks| is_disk(disks, target, host))
    };
    targets.into_iter().filter(wanted).map(|target| Instance { knob, target }).collect()
}

fn is_disk(disks: Disks, target: &str, host: &Host) -> bool {
    let Some(device) = host.block.iter().find(|device| device.name == target) else { return false };
    match disks {
        Disks::Rotational => device.rotational == Some(true),
        Disks::SolidState => device.rotational == Some(false),
        Disks::Nvme => device.driver.as_deref() == Some("nvme") || target.starts_with("nvme"),
    }
}

fn read(instance: &Instance, entry: &Entry, host: &Host, root: &Root) -> Reading {
    if instance.knob.spec().class == Class::Irreversible {
        let refused = || "it cannot be undone, so no profile may set it".to_owned();
        return Reading { current: Ok(Some(String::new())), settled: Err(refused()), original: None };
    }
    let text = expand_shares(&entry.ask.text(), host.memory.total_bytes);
    Reading {
        current: instance.read(root).map_err(|error| error.to_string()),
        settled: instance.knob.settle(root, &instance.target, &text).map_err(|error| error.to_string()),
        original: None,
    }
}

/// What follows from what the machine says. Pure.
fn decide(name: &str, instance: &Instance, entry: &Entry, reading: Reading) -> Change {
    let spec = instance.knob.spec();
    let number = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<i64>().ok());
    let (current, unreadable) = match reading.current {
        Ok(current) => (current, None),
        Err(error) => (None, Some(error)),
    };
    let (state, wanted, detail) = match (unreadable, reading.settled) {
        (Some(error), _) => (State::Refused, entry.ask.text(), Some(error)),
        (None, settled) if current.is_none() => (State::AbsentOnThisHost, entry.ask.text(), settled.err()),
        (None, Err(error)) => (State::Refused, entry.ask.text(), Some(error)),
        (None, Ok(settled)) => {
            let came_with = reading.original.or_else(|| current.clone());
            let satisfied = match (&entry.ask, number(&came_with)) {
                (Ask::AtLeast(least), Some(now)) => now >= *least,
                (Ask::AtMost(most), Some(now)) => now <= *most,
                _ => false,
            };
            let wanted = if satisfied { came_with.unwrap_or_default() } else { settled };
            (if current.as_ref() == Some(&wanted) { State::Already } else { State::Change }, wanted, None)
        }
    };
    Change {
        knob: name.to_owned(),
        current: if spec.class == Class::Irreversible { None } else { current },
        wanted,
        state,
        detail,
        optional: entry.optional,
        class: spec.class,
        lifetime: spec.lifetime,
        risk: spec.risk,
        caution: spec.caution.to_owned(),
        reason: entry.reason.clone(),
        source: entry.source.clone(),
        place: entry.place.to_string(),
    }
}

/// Whether a shell pattern of `*` and `?` covers the whole text.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut seen, mut star) = (0, 0, None);
    while seen < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(letter) if *letter == '?' || *letter == text[seen] => {
                at += 1;
                seen += 1;
            }
            _ => match star {
                // The last star takes one letter more.
                Some((star_at, taken)) => {
                    star = Some((star_at, taken + 1));
                    (at, seen) = (star_at + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|letter| *letter == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Place;

    fn entry(knob: &str, ask: Ask) -> Entry {
        Entry {
            knob: knob.to_owned(),
            ask,
            reason: "r".to_owned(),
            source: "s".to_owned(),
            optional: false,
            on: Vec::new(),
            disks: None,
            place: Place { file: "t".to_owned(), line: 1, column: 1 },
        }
    }

    fn equal(text: &str) -> Ask {
        Ask::Equal(text.to_owned())
    }

    #[test]
    fn patterns() {
        for (pattern, text) in
            [("*", ""), ("nvme*", "nvme0n1"), ("s?a", "sda"), ("*a*b", "xaxaxb"), ("lo", "lo")]
        {
            assert!(glob(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("lo", "loop0"), ("?", ""), ("*a", "ab"), ("", "a")] {
            assert!(!glob(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn what_follows_from_what_the_machine_says() {
        let decided = |ask: Ask, current: Result<Option<&str>, &str>, settled: Result<&str, &str>| {
            let instance = Instance::find("vm.swappiness").unwrap();
            let reading = Reading {
                current: current.map(|text| text.map(str::to_owned)).map_err(str::to_owned),
                settled: settled.map(str::to_owned).map_err(str::to_owned),
                original: None,
            };
            let change = decide("vm.swappiness", &instance, &entry("vm.swappiness", ask), reading);
            (change.state, change.wanted)
        };
        assert_eq!(decided(equal("10"), Ok(Some("60")), Ok("10")), (State::Change, "10".into()));
        assert_eq!(decided(equal("10"), Ok(Some("10")), Ok("10")), (State::Already, "10".into()));
        assert_eq!(decided(equal("10"), Ok(None), Ok("10")), (State::AbsentOnThisHost, "10".into()));
        assert_eq!(decided(equal("10"), Err("no"), Ok("10")), (State::Refused, "10".into()));
        assert_eq!(decided(equal("10"), Ok(Some("1")), Err("no")), (State::Refused, "10".into()));
        assert_eq!(decided(Ask::AtLeast(10), Ok(Some("60")), Ok("10")), (State::Already, "60".into()));
        assert_eq!(decided(Ask::AtLeast(70), Ok(Some("60")), Ok("70")), (State::Change, "70".into()));
        assert_eq!(decided(Ask::AtMost(10), Ok(Some("60")), Ok("10")), (State::Change, "10".into()));
    }

    #[test]
    fn an_action_is_refused() {
        let profile = Profile {
            name: "t".to_owned(),
            summary: String::new(),
            include: Vec::new(),
            origin: String::new(),
            entries: vec![entry("vm.drop_caches", equal("3"))],
            variables: Vec::new(),
        };
        let root = Root::nowhere();
        let plan = Plan::make(&profile, &Host::read(&root).unwrap(), &root).unwrap();
        assert_eq!(plan.obstacles().count(), 1);
    }
}
