//! Values that are not ours any more: what is to be done about them. Pure: what was found and the time are arguments.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use crate::profile::Drift as Policy;
use crate::watch::Writer;

/// How often one knob is written again within [`REAPPLY_WINDOW`]: two writers that both insist would never end.
const REAPPLIES_MAX: usize = 3;

/// The time in which the writes of [`REAPPLIES_MAX`] are counted.
const REAPPLY_WINDOW: Duration = Duration::from_secs(600);

/// Changes that are remembered for a report.
const RECENT_MAX: usize = 32;

/// What was done.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It was said.
    Reported,
    /// It is written again.
    Reapplied,
    /// It is left to whoever wrote it.
    BackedOff,
    /// It was written again as often as may be, and is now only said.
    GivenUp,
}

/// A held knob that does not have the value that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The full name.
    pub knob: String,
    /// What was written.
    pub written: String,
    /// What it is now; `None` when it cannot be read.
    pub current: Option<String>,
    /// Who wrote to it, where the kernel told.
    pub writer: Option<Writer>,
}

/// What is known about a value that changed.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// The full name.
    pub knob: String,
    /// What was written.
    pub written: String,
    /// What it was found to be.
    pub current: Option<String>,
    /// When it was last known to be as written, in seconds since 1970.
    pub after: u64,
    /// When the change was found.
    pub found: u64,
    /// Who wrote to it, where the kernel told: `sysctl (process 812)`.
    pub writer: Option<String>,
    /// What was done about it.
    pub action: Action,
}

/// What is remembered between two looks.
#[derive(Debug, Default)]
pub struct Drifts {
    policy: Policy,
    /// When all was last compared, in seconds since 1970.
    compared: u64,
    /// Every knob that is not as written.
    known: BTreeMap<String, Drift>,
    recent: VecDeque<Drift>,
    reapplied: BTreeMap<String, Vec<u64>>,
    total: u64,
}

impl Drifts {
    /// Nothing has drifted yet.
    #[must_use]
    pub fn new(policy: Policy, now: u64) -> Self {
        Self { policy, compared: now, ..Self::default() }
    }

    /// What is done about drift.
    #[must_use]
    pub const fn policy(&self) -> Policy {
        self.policy
    }

    /// Another policy from now on: the machine's file may have changed since the start.
    pub const fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// The last changes that were found, the newest last.
    pub fn recent(&self) -> impl Iterator<Item = &Drift> {
        self.recent.iter()
    }

    /// How many changes were found since the start.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// When all knobs were last compared, in seconds since 1970.
    #[must_use]
    pub const fn compared(&self) -> u64 {
        self.compared
    }

    /// A new profile is in force: what was known is past.
    pub fn forget(&mut self, now: u64) {
        self.known.clear();
        self.reapplied.clear();
        self.compared = now;
    }

    /// What all held knobs were found to be at `now`. Returns what is new, with what is to be done about it.
    pub fn compare(&mut self, findings: Vec<Finding>, now: u64) -> Vec<Drift> {
        self.known.retain(|knob, _| findings.iter().any(|finding| finding.knob == *knob));
        let new = findings.into_iter().filter_map(|finding| self.judge(finding, now)).collect();
        self.compared = now;
        new
    }

    /// What one held knob was found to be at `now`.
    pub fn judge(&mut self, finding: Finding, now: u64) -> Option<Drift> {
        let action = match self.policy {
            Policy::Report => Action::Reported,
            Policy::BackOff => Action::BackedOff,
            Policy::Reapply => self.again(&finding.knob, now),
        };
        // The same value was said already. One that is written again comes back only by a new change.
        let before = self.known.get(&finding.knob);
        let same = before.is_some_and(|before| before.current == finding.current && before.action == action);
        if same && action != Action::Reapplied {
            return None;
        }
        self.total += 1;
        let Finding { knob, written, current, writer } = finding;
        let writer = writer.map(|writer| writer.to_string());
        let drift = Drift { knob, written, current, after: self.compared, found: now, writer, action };
        if action == Action::Reapplied {
            self.reapplied.entry(drift.knob.clone()).or_default().push(now);
        }
        self.known.insert(drift.knob.clone(), drift.clone());
        if self.recent.len() == RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(drift.clone());
        Some(drift)
    }

    fn again(&mut self, knob: &str, now: u64) -> Action {
        let times = self.reapplied.entry(knob.to_owned()).or_default();
        times.retain(|time| now.saturating_sub(*time) < REAPPLY_WINDOW.as_secs());
        if times.len() < REAPPLIES_MAX { Action::Reapplied } else { Action::GivenUp }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(current: &str) -> Finding {
        let current = Some(current.to_owned());
        Finding { knob: "vm.swappiness".to_owned(), written: "10".to_owned(), current, writer: None }
    }

    fn actions(drifts: &mut Drifts, found: &[(&str, u64)]) -> Vec<Option<Action>> {
        let judged = found.iter().map(|(current, now)| drifts.compare(vec![finding(current)], *now));
        judged.map(|new| new.first().map(|drift| drift.action)).collect()
    }

    #[test]
    fn a_report_is_made_once_for_each_value() {
        let mut drifts = Drifts::new(Policy::Report, 0);
        let found = [("42", 60), ("42", 120), ("43", 180), ("42", 240)];
        let said = Some(Action::Reported);
        assert_eq!(actions(&mut drifts, &found), [said, None, said, said]);
        let drift = drifts.recent().last().unwrap();
        assert_eq!((drift.after, drift.found, drifts.total()), (180, 240, 3));
        assert_eq!(drifts.compare(Vec::new(), 300), []);
        assert!(drifts.known.is_empty(), "it is as written again");
        assert_eq!(actions(&mut drifts, &[("42", 360)]), [said]);
    }

    #[test]
    fn writing_again_ends_and_begins_anew() {
        let mut drifts = Drifts::new(Policy::Reapply, 0);
        let (again, gave_up) = (Some(Action::Reapplied), Some(Action::GivenUp));
        let found = [("42", 60), ("42", 120), ("42", 180), ("42", 240), ("42", 300), ("42", 700)];
        assert_eq!(actions(&mut drifts, &found), [again, again, again, gave_up, None, again]);
    }

    #[test]
    fn backing_off_is_said_once() {
        let mut drifts = Drifts::new(Policy::BackOff, 0);
        assert_eq!(actions(&mut drifts, &[("42", 60), ("42", 120)]), [Some(Action::BackedOff), None]);
        drifts.forget(200);
        assert_eq!((drifts.known.len(), drifts.compared()), (0, 200));
    }
}
