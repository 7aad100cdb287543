//! The gate: what to do about changes that disturb.

use serde::{Deserialize, Serialize};

use super::{Change, Plan, State};
use crate::knob::Class;

/// What to do about changes that may stall processors, links or memory for a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gate {
    /// Make them.
    #[default]
    Allow,
    /// Change nothing at all when there is one.
    Refuse,
    /// Leave those knobs as they are and change the others.
    Defer,
}

impl Plan {
    /// The changes that disturb.
    pub fn disruptive(&self) -> impl Iterator<Item = &Change> {
        self.pending().filter(|change| change.class == Class::Disruptive)
    }

    /// The plan behind a gate. `held` are the disruptive knobs that are held now and that the plan does not name:
    /// giving them back disturbs as well. Behind [`Gate::Refuse`] a disruptive change is an obstacle, behind
    /// [`Gate::Defer`] it stays as it is, held or not, with the reason in its detail. Pure.
    #[must_use]
    pub fn gated(mut self, gate: Gate, held: &[Change]) -> Self {
        if gate == Gate::Allow {
            return self;
        }
        let disturbs = |change: &Change| change.class == Class::Disruptive && change.state == State::Change;
        let returning = held.iter().filter(|held| disturbs(held)).cloned();
        let returning: Vec<Change> =
            returning.filter(|held| self.changes.iter().all(|change| change.knob != held.knob)).collect();
        self.changes.extend(returning);
        for change in self.changes.iter_mut().filter(|change| disturbs(change)) {
            let wanted = &change.wanted;
            if gate == Gate::Refuse {
                change.detail =
                    Some(format!("going to {wanted} disturbs; apply without the gate, or defer it"));
                change.state = State::Refused;
                change.optional = false;
            } else {
                change.detail = Some(format!("deferred: going to {wanted} disturbs"));
                change.wanted = change.current.clone().unwrap_or_default();
                change.state = State::Already;
            }
        }
        self
    }
}
