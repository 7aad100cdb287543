//! What happens to a machine, as random data that shrinks.

use diapason_daemon::profile::{Ask, Entry, Place, Profile};
use diapason_daemon::root::Break;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::machine::{FOREIGN, KNOBS};

/// A machine's life.
#[derive(Clone, Debug)]
pub struct Story {
    pub profiles: Vec<Profile>,
    pub acts: Vec<Act>,
}

#[derive(Clone, Debug)]
pub enum Act {
    /// A profile, by its place in the list, is applied.
    Apply(usize, Trouble),
    Rollback(Trouble),
    Foreign(Deed),
    /// The daemon is stopped and started.
    Restart,
    /// The machine starts anew.
    Reboot,
}

/// What somebody else does: a place in [`FOREIGN`] and one in its values.
#[derive(Clone, Copy, Debug)]
pub struct Deed {
    pub knob: &'static str,
    pub path: &'static str,
    pub what: &'static str,
}

/// What goes wrong during an act.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// Faults, at places among the changes that the act makes.
    pub faults: Vec<(Index, Break)>,
    /// What somebody else does between the death and the next start.
    pub meanwhile: Vec<Deed>,
    /// Whether the power is cut rather than the process killed.
    pub power_cut: bool,
    /// The faults of each start that follows, at the changes of these numbers; then one start has none.
    pub starts: Vec<Vec<(u64, Break)>>,
}

pub fn story() -> impl Strategy<Value = Story> {
    (vec(profile(), 3), vec(act(), 12..24)).prop_map(|(profiles, acts)| Story {
        profiles: profiles
            .into_iter()
            .enumerate()
            .map(|(number, entries)| Profile {
                name: format!("p{number}"),
                summary: "A test".to_owned(),
                include: Vec::new(),
                origin: "a test".to_owned(),
                fits: Vec::new(),
                entries,
                variables: Vec::new(),
                machine: diapason_daemon::profile::Machine::default(),
            })
            .collect(),
        acts,
    })
}

fn profile() -> impl Strategy<Value = Vec<Entry>> {
    let wish = (any::<Index>(), any::<Index>(), 0..6_u8, prop::bool::weighted(0.2));
    vec(wish, 1..9).prop_map(|wishes| {
        let mut entries: Vec<Entry> = Vec::new();
        for (knob, value, bound, optional) in wishes {
            let (knob, values) = KNOBS[knob.index(KNOBS.len())];
            let text = values[value.index(values.len())];
            let ask = match (bound, text.parse::<i64>()) {
                (0, Ok(_)) => Ask::AtLeast(text.to_owned()),
                (1, Ok(_)) => Ask::AtMost(text.to_owned()),
                _ => Ask::Equal(text.to_owned()),
            };
            entries.retain(|entry| entry.knob != knob);
            entries.push(Entry {
                knob: knob.to_owned(),
                ask,
                reason: "a test".to_owned(),
                source: "a test".to_owned(),
                optional,
                on: Vec::new(),
                disks: None,
                driver: Vec::new(),
                when: Vec::new(),
                layer: 0,
                place: Place { file: "a test".to_owned(), line: 1, column: 1 },
            });
        }
        entries
    })
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        10 => (0..3_usize, trouble()).prop_map(|(profile, trouble)| Act::Apply(profile, trouble)),
        3 => trouble().prop_map(Act::Rollback),
        3 => deed().prop_map(Act::Foreign),
        1 => Just(Act::Restart),
        1 => Just(Act::Reboot),
    ]
}

fn deed() -> impl Strategy<Value = Deed> {
    (any::<Index>(), any::<Index>()).prop_map(|(file, value)| {
        let (knob, path, values) = FOREIGN[file.index(FOREIGN.len())];
        Deed { knob, path, what: values[value.index(values.len())] }
    })
}

fn trouble() -> impl Strategy<Value = Trouble> {
    let death = prop_oneof![Just(Break::Die), any::<u8>().prop_map(Break::DieAfter)];
    let refusal = prop_oneof![Just(Break::Refuse), any::<u8>().prop_map(Break::RefuseAfter)];
    let fault = prop_oneof![6 => death.clone(), 1 => refusal.clone()];
    let faults = prop_oneof![
        1 => Just(Vec::new()),
        6 => vec((any::<Index>(), death.clone()), 1),
        2 => vec((any::<Index>(), refusal), 1),
        1 => vec((any::<Index>(), fault.clone()), 2..4),
    ];
    let start = vec((0..12_u64, prop_oneof![8 => death, 1 => Just(Break::Refuse)]), 1..3);
    let starts = prop_oneof![2 => Just(Vec::new()), 3 => vec(start, 1..4)];
    let meanwhile = prop_oneof![6 => Just(Vec::new()), 1 => vec(deed(), 1..3)];
    (faults, meanwhile, prop::bool::weighted(0.1), starts)
        .prop_map(|(faults, meanwhile, power_cut, starts)| Trouble { faults, meanwhile, power_cut, starts })
}
