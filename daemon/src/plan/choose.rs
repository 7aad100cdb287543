//! Which entry of a profile counts for which knob on which device.

use super::{Because, Passed};
use crate::host::Host;
use crate::knob::{self, Instance, Knob, KnobError, Named};
use crate::pattern::covers;
use crate::profile::condition::{Facts, all_hold};
use crate::profile::{Ask, Disks, Entry, Profile, Role, Roles, expand, fill_roles};
use crate::root::{Root, RootError};

/// A knob on a device, and what it should be.
pub(super) struct Chosen<'a> {
    /// Its place in the order of application.
    pub rank: usize,
    pub instance: Instance,
    pub entry: &'a Entry,
    /// The values that would do, for this machine: roles and shares are numbers.
    pub asked: Vec<String>,
}

/// What counts and what does not.
pub(super) struct Choice<'a> {
    pub chosen: Vec<Chosen<'a>>,
    /// Knobs that have no device here.
    pub absent: Vec<Chosen<'a>>,
    pub passed: Vec<Passed>,
}

pub(super) fn choose<'a>(
    profile: &'a Profile,
    facts: &Facts<'_>,
    root: &Root,
) -> Result<Choice<'a>, RootError> {
    let roles = profile.machine.roles(facts.host);
    let mut choice = Choice { chosen: Vec::new(), absent: Vec::new(), passed: Vec::new() };
    for entry in entries(profile, facts, &mut choice.passed) {
        // The profile's names were checked when it was loaded.
        let Ok(named) = knob::find(&entry.knob) else { continue };
        let rank = knob::rank(named.knob());
        let asked = match empty_role(entry, &roles).map_or_else(|| asked(entry, &named, facts, &roles), Err) {
            Ok(asked) => asked,
            Err(role) => {
                let detail = format!(
                    "no processor of this machine has the role {}; give it some in {}",
                    role.word(),
                    crate::profile::MACHINE_FILE
                );
                choice.passed.push(passed(&entry.knob, entry, Because::Role, detail));
                continue;
            }
        };
        let instances = match &named {
            Named::One(instance) => vec![instance.clone()],
            Named::Everywhere(knob) => match knob.targets(root) {
                Ok(targets) => select(entry, *knob, targets, facts.host, &roles),
                Err(KnobError::Root(error)) => return Err(error),
                Err(_) => Vec::new(),
            },
        };
        if instances.is_empty() {
            let instance = Instance { knob: named.knob(), target: String::new() };
            choice.absent.push(Chosen { rank, instance, entry, asked });
            continue;
        }
        for instance in instances {
            let name = instance.name();
            let own = instance.knob.spec().name;
            let never = &profile.machine.never;
            if let Some(never) = never.iter().find(|never| never.covers(&name, own, &instance.target)) {
                let detail = format!("never on this machine: {}", never.reason);
                let earlier = choice.passed.iter().any(|passed| passed.knob == name);
                if !earlier {
                    choice.passed.push(passed(&name, entry, Because::Never, detail));
                }
                continue;
            }
            let chosen = Chosen { rank, instance, entry, asked: asked.clone() };
            let is_exact = entry.knob == name;
            let is_same = |other: &&mut Chosen<'_>| {
                other.rank == rank && other.instance.target == chosen.instance.target
            };
            match choice.chosen.iter_mut().find(is_same) {
                // The later entry wins, but one that names the device beats one that means all of them.
                Some(other) if is_exact || other.entry.knob != name => *other = chosen,
                Some(_) => {}
                None => choice.chosen.push(chosen),
            }
        }
    }
    let Choice { chosen, absent, .. } = &mut choice;
    absent.retain(|one| chosen.iter().all(|other| other.rank != one.rank));
    absent.dedup_by_key(|one| one.rank);
    Ok(choice)
}

/// The entries that count here: those whose conditions hold, and of those for one knob the highest layer.
fn entries<'a>(profile: &'a Profile, facts: &Facts<'_>, aside: &mut Vec<Passed>) -> Vec<&'a Entry> {
    let mut here: Vec<&Entry> = Vec::new();
    for entry in &profile.entries {
        let answer = all_hold(&entry.when, facts);
        if answer.holds {
            here.push(entry);
        } else {
            aside.push(passed(&entry.knob, entry, Because::Condition, answer.because));
        }
    }
    let top =
        |entry: &&Entry| here.iter().all(|other| other.knob != entry.knob || other.layer <= entry.layer);
    here.iter().copied().filter(top).collect()
}

fn passed(knob: &str, entry: &Entry, because: Because, detail: String) -> Passed {
    Passed {
        knob: knob.to_owned(),
        wanted: entry.ask.words(),
        because,
        detail,
        place: entry.place.to_string(),
    }
}

/// The values of an entry in numbers; the role that no processor has, where there is one.
fn asked(entry: &Entry, named: &Named, facts: &Facts<'_>, roles: &Roles) -> Result<Vec<String>, Role> {
    let spec = named.knob().spec();
    let one = |text: &str| match Role::of(text).filter(|_| crate::profile::takes_roles(&spec.form)) {
        Some(role) if roles.of_role(role).is_empty() => Err(role),
        Some(role) => Ok(roles.of_role(role).to_string()),
        None => {
            let filled = fill_roles(text, |role| roles.of_role(role).to_string())?;
            Ok(expand(&filled, spec.name, &spec.form, &facts.amounts))
        }
    };
    match &entry.ask {
        // A role that is empty leaves the other candidates.
        Ask::OneOf(texts) => {
            let found: Vec<String> = texts.iter().filter_map(|text| one(text).ok()).collect();
            if found.is_empty() { one(&texts[0]).map(|text| vec![text]) } else { Ok(found) }
        }
        other => other.candidates().into_iter().map(one).collect(),
    }
}

/// The role without processors that an entry is limited to, where all its devices are named by such roles.
fn empty_role(entry: &Entry, roles: &Roles) -> Option<Role> {
    let empty = |word: &String| Role::of(word).filter(|role| roles.of_role(*role).is_empty());
    let first = entry.on.first().and_then(empty);
    first.filter(|_| entry.on.iter().all(|word| empty(word).is_some()))
}

/// The devices that an entry means.
fn select(
    entry: &Entry,
    knob: &'static dyn Knob,
    targets: Vec<String>,
    host: &Host,
    roles: &Roles,
) -> Vec<Instance> {
    let wanted = |target: &String| {
        let named = entry.on.iter().any(|pattern| match Role::of(pattern) {
            Some(role) => cpu_of(target).is_some_and(|cpu| roles.of_role(role).contains(cpu)),
            None => covers(pattern, target),
        });
        let by_default =
            entry.on.is_empty() && !knob.spec().skips.iter().any(|pattern| covers(pattern, target));
        (named || by_default)
            && entry.disks.is_none_or(|disks| is_disk(disks, target, host))
            && (entry.driver.is_empty() || has_driver(&entry.driver, target, host))
    };
    targets.into_iter().filter(wanted).map(|target| Instance { knob, target }).collect()
}

/// The processor whose name a device is: `cpu3`, `machinecheck3`, or `policy3`, which a frequency policy has of its
/// first processor.
fn cpu_of(target: &str) -> Option<u32> {
    let digits = ["cpu", "machinecheck", "policy"].iter().find_map(|prefix| target.strip_prefix(prefix))?;
    digits.parse().ok()
}

fn is_disk(disks: Disks, target: &str, host: &Host) -> bool {
    let Some(device) = host.block.iter().find(|device| device.name == target) else { return false };
    match disks {
        Disks::Rotational => device.rotational == Some(true),
        Disks::SolidState => device.rotational == Some(false),
        Disks::Nvme => device.driver.as_deref() == Some("nvme") || target.starts_with("nvme"),
    }
}

fn has_driver(patterns: &[String], target: &str, host: &Host) -> bool {
    let disk = host.block.iter().find(|disk| disk.name == target).and_then(|disk| disk.driver.as_ref());
    let card = host.nics.iter().find(|nic| nic.name == target).and_then(|nic| nic.driver.as_ref());
    disk.or(card).is_some_and(|driver| patterns.iter().any(|pattern| covers(pattern, driver)))
}
