//! From one profile to another: what a plan touches on a machine on which knobs are held.
//!
//! A knob of both profiles goes straight to its new value, or is not touched at all where the two agree; a knob of
//! the first alone is given back. This module tells beforehand what `apply` will do, from what the daemon says it
//! holds. Pure.

use serde::{Deserialize, Serialize};

use crate::apply::report::{HeldKnob, StatusReport};
use crate::knob::{self, Class};
use crate::plan::{Change, Plan, State};

/// A plan, and what it means for what is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Switch {
    /// What the profile would change.
    #[serde(flatten)]
    pub plan: Plan,
    /// The profile in force; `None` where there is none, or the daemon was not asked.
    pub in_force: Option<String>,
    /// Knobs of the profile in force that the other does not name: they would be given back.
    pub back: Vec<Change>,
}

impl Switch {
    /// The plan on a machine with nothing in force.
    #[must_use]
    pub const fn fresh(plan: Plan) -> Self {
        Self { plan, in_force: None, back: Vec::new() }
    }

    /// The plan on a machine that holds what `status` says.
    #[must_use]
    pub fn over(plan: Plan, status: &StatusReport) -> Self {
        let back = back(&plan, &status.held);
        Self { plan, in_force: status.profile.clone(), back }
    }

    /// Everything that would be written, in the order of application.
    pub fn writes(&self) -> impl Iterator<Item = &Change> {
        let back = self.back.iter().filter(|change| change.state == State::Change);
        self.plan.pending().chain(back)
    }

    /// Those of them that disturb.
    pub fn disruptive(&self) -> impl Iterator<Item = &Change> {
        self.writes().filter(|change| change.class == Class::Disruptive)
    }
}

/// The held knobs that a plan does not name, on their way back to their originals: the last one changed first, as it
/// may rest on the first.
#[must_use]
pub fn back(plan: &Plan, held: &[HeldKnob]) -> Vec<Change> {
    let named =
        |knob: &str| plan.changes.iter().any(|change| change.knob == knob && change.state != State::Refused);
    held.iter().rev().filter(|held| !named(&held.knob)).filter_map(|held| returning(plan, held)).collect()
}

fn returning(plan: &Plan, held: &HeldKnob) -> Option<Change> {
    let spec = knob::find(&held.knob).ok()?.knob().spec();
    let (state, detail) = match &held.current {
        None => (State::AbsentOnThisHost, Some("its device is gone".to_owned())),
        Some(now) if *now == held.original => (State::Already, None),
        Some(_) if held.drifted => {
            (State::Already, Some("somebody else has changed it since; it is left as it is".to_owned()))
        }
        Some(_) => (State::Change, None),
    };
    Some(Change {
        knob: held.knob.clone(),
        current: held.current.clone(),
        wanted: held.original.clone(),
        state,
        detail,
        optional: true,
        class: spec.class,
        lifetime: spec.lifetime,
        risk: spec.risk,
        caution: spec.caution.to_owned(),
        reason: format!("{} does not set it, so it is given back", plan.profile),
        source: "the journal".to_owned(),
        place: String::new(),
        on: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Host;
    use crate::profile::Library;
    use crate::root::Root;

    #[test]
    fn only_what_differs_is_touched() {
        let folder = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        for (knob, value) in [("swappiness", "10"), ("stat_interval", "10"), ("max_map_count", "99")] {
            put(&format!("proc/sys/vm/{knob}"), value);
        }
        let knob = |name: &str, value: u32| {
            format!("[knob.\"vm.{name}\"]\nvalue = {value}\nreason = \"r\"\nsource = \"s\"\n")
        };
        let text =
            ["summary = \"b\"\n".to_owned(), knob("swappiness", 10), knob("stat_interval", 1)].concat();
        put("etc/diapason/profiles/b.toml", &text);
        let root = Root::new(folder.path());
        let profile = Library::new(&root).load("b").unwrap();
        let plan = Plan::make(&profile, &Host::read(&root).unwrap(), &root).unwrap();
        let held = |knob: &str, original: &str, now: &str, written: &str| HeldKnob {
            knob: knob.to_owned(),
            original: original.to_owned(),
            written: written.to_owned(),
            current: Some(now.to_owned()),
            drifted: now != written,
        };
        let status = StatusReport {
            profile: Some("a".to_owned()),
            held: vec![
                held("vm.swappiness", "60", "10", "10"),
                held("vm.max_map_count", "65530", "99", "99"),
                held("vm.vfs_cache_pressure", "100", "70", "50"),
            ],
            ..StatusReport::default()
        };
        let switch = Switch::over(plan, &status);
        let written: Vec<_> =
            switch.writes().map(|change| (change.knob.as_str(), change.wanted.as_str())).collect();
        assert_eq!(written, [("vm.stat_interval", "1"), ("vm.max_map_count", "65530")]);
        assert_eq!(switch.back[0].state, State::Already, "what somebody else changed is left alone");
        let text = serde_json::to_string(&switch).unwrap();
        assert_eq!(serde_json::from_str::<Switch>(&text).unwrap(), switch);
    }
}
