//! The one place where the machine is changed, and where it is compared with what it should be.
//!
//! In a few words: read, compare, record, write, read back, compare; on the first failure undo in reverse.
//! A switch from one profile to another writes only what differs: a knob of both goes straight to its new value,
//! a knob of the first alone goes back to its original, and no knob passes through its original on the way.
//! Restoring compares first: what somebody else changed since it was written is kept and reported.

pub mod report;

mod step;

mod late;
mod undo;

mod rollback;

mod moved;

mod gone;
mod holds;
mod recover;

mod status;
mod verify;

pub use verify::verify;

use std::collections::{BTreeMap, BTreeSet};

use crate::journal::{Held, Journal, JournalError, Kind, Record};
use crate::knob::{Instance, KnobError};
use crate::plan::{Change, Plan, State};
use crate::root::{Root, RootError};
use report::{ApplyReport, Ending, Fate, Outcome};
use step::Step;

/// Why nothing was applied, or why it stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// The journal refused a record.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The machine refused.
    #[error(transparent)]
    Root(#[from] RootError),
    /// A knob refused.
    #[error("{knob}: {error}")]
    Knob {
        /// The full name.
        knob: String,
        /// The error.
        error: KnobError,
    },
    /// The kernel took a value and made another of it.
    #[error("{knob}: wrote {wanted:?} and the kernel made {actual:?} of it")]
    ReadBack {
        /// The full name.
        knob: String,
        /// What was written.
        wanted: String,
        /// What was read back.
        actual: String,
    },
    /// Journal records were lost.
    #[error("{records} journal records are damaged, so originals may be unknown; roll back first")]
    Damaged {
        /// How many.
        records: usize,
    },
}

/// A machine and the journal of what was done to it.
#[derive(Debug)]
pub struct Tuning {
    root: Root,
    journal: Journal,
    found: Vec<String>,
    /// Interrupts of which the kernel has said that nobody moves them, and how it said so: they are not tried again
    /// until devices come.
    managed: BTreeMap<String, String>,
}

impl Tuning {
    /// Takes over a machine: an apply that was interrupted is undone, a rollback that was interrupted is finished.
    ///
    /// What could not be done or recorded is in [`Tuning::found`], and is tried again by the next start.
    #[must_use]
    pub fn open(root: Root, journal: Journal) -> Self {
        let found = journal.found().to_vec();
        let mut tuning = Self { root, journal, found, managed: BTreeMap::new() };
        tuning.follow_silently();
        tuning.take_up_holds();
        tuning.recover();
        tuning
    }

    /// What opening found, in words.
    #[must_use]
    pub fn found(&self) -> &[String] {
        &self.found
    }

    /// The journal.
    #[must_use]
    pub const fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The profile in force.
    #[must_use]
    pub fn profile(&self) -> Option<&str> {
        self.journal.ledger().profile.as_deref()
    }

    /// Brings the machine to a plan.
    ///
    /// # Errors
    /// When the journal is damaged, or refuses the first record. A knob that refuses is in the report, with
    /// everything undone.
    pub fn apply(&mut self, plan: &Plan) -> Result<ApplyReport, ApplyError> {
        self.bring(plan, true)
    }

    /// Writes the changes of `plan`, which is a part of the plan of the profile in force: for a device that came, or
    /// a knob that somebody else changed. What it does not name stays as it is.
    ///
    /// # Errors
    /// As [`Tuning::apply`].
    pub fn extend(&mut self, plan: &Plan) -> Result<ApplyReport, ApplyError> {
        self.managed.clear();
        self.bring(plan, false)
    }

    /// `whole`: whether what the plan does not name goes back to its original.
    fn bring(&mut self, plan: &Plan, whole: bool) -> Result<ApplyReport, ApplyError> {
        if self.journal.damaged() > 0 {
            return Err(ApplyError::Damaged { records: self.journal.damaged() });
        }
        self.follow_silently();
        let report =
            |ending, error, outcomes| ApplyReport { profile: plan.profile.clone(), ending, error, outcomes };
        if let Some(obstacle) = plan.obstacles().next() {
            let detail = obstacle.detail.clone().unwrap_or_default();
            let error = format!("{}: {}: {detail}", obstacle.place, obstacle.knob);
            return Ok(report(
                Ending::Refused,
                Some(error),
                plan.obstacles().map(|change| standing(change, Fate::Failed)).collect(),
            ));
        }
        let mut outcomes = Vec::new();
        let (mut steps, mut already) = (Vec::new(), Vec::new());
        for change in &plan.changes {
            let (wanted, optional) = (change.wanted.clone(), change.optional);
            let step = |instance| Step { instance, wanted, optional, back: false };
            match (change.state, Instance::find(&change.knob)) {
                (State::Change, Ok(instance)) => steps.push(step(instance)),
                (State::Change | State::AbsentOnThisHost, _) => outcomes.push(standing(change, Fate::Absent)),
                (State::Already, instance) => {
                    outcomes.push(standing(change, Fate::Already));
                    already.extend(instance.ok().map(step));
                }
                (State::Refused, _) => outcomes.push(standing(change, Fate::Skipped)),
            }
        }
        if whole {
            steps.extend(self.backwards(plan));
        }
        let tx = self.journal.begin(Kind::Apply, Some(&plan.profile))?;
        let ran = self.run(tx, plan, steps, &already, &mut outcomes);
        self.root.let_all_go();
        match ran {
            Ok(()) => Ok(report(Ending::Applied, None, outcomes)),
            Err(error) => {
                let undone = self.undo();
                let stuck = undone.iter().any(|outcome| outcome.fate == Fate::Failed);
                // What cannot be recorded now is found open, and undone again, by the next start.
                let ended = self.journal.end(&Record::Abort { tx });
                self.found.extend(ended.err().map(|error| error.to_string()));
                outcomes.retain(|outcome| outcome.fate != Fate::Written);
                outcomes.extend(undone);
                Ok(report(
                    if stuck { Ending::Stuck } else { Ending::Undone },
                    Some(error.to_string()),
                    outcomes,
                ))
            }
        }
    }

    fn run(
        &mut self,
        tx: u64,
        plan: &Plan,
        mut steps: Vec<Step>,
        already: &[Step],
        outcomes: &mut Vec<Outcome>,
    ) -> Result<(), ApplyError> {
        self.snapshot(tx, &steps)?;
        let mut count = 0;
        for step in &steps {
            outcomes.push(self.step(tx, &mut count, step)?);
        }
        let late = self.late(plan, &steps)?;
        self.snapshot(tx, &late)?;
        for step in &late {
            let (name, family) = (step.instance.name(), step.instance.knob.spec().name);
            outcomes.retain(|outcome| {
                outcome.fate != Fate::Absent || outcome.knob != name && outcome.knob != family
            });
            outcomes.push(self.step(tx, &mut count, step)?);
        }
        steps.extend(late);
        // What the kernel changed along with a knob that was written after it, or that had its value already.
        let disturbed: BTreeSet<String> = steps
            .iter()
            .flat_map(|step| step.instance.disturbed(&self.root))
            .map(|other| other.name())
            .collect();
        for step in steps.iter().chain(already).filter(|step| disturbed.contains(&step.instance.name())) {
            let name = step.instance.name();
            let settled = |outcome: &&mut Outcome| {
                outcome.knob == name
                    // One that failed on its way back may only have waited for the knob that changes it.
                    && matches!(outcome.fate, Fate::Written | Fate::Already | Fate::Restored | Fate::Failed)
            };
            let Some(first) = outcomes.iter_mut().find(settled) else { continue };
            let again = self.step(tx, &mut count, step)?;
            if again.fate != Fate::Already {
                *first = Outcome { before: first.before.take(), ..again };
            }
        }
        let profile = self.journal.ledger().open.as_ref().and_then(|open| open.profile.clone());
        Ok(self.journal.end(&Record::Commit { tx, profile })?)
    }

    /// Steps that bring knobs of the profile before, which the plan does not name, back to their originals; in
    /// reverse, as the last one changed may rest on the first. What the kernel changed along with a knob that the
    /// plan names stays with it, unless the plan wants of that knob what the machine came with.
    fn backwards(&self, plan: &Plan) -> Vec<Step> {
        let named = || plan.changes.iter().filter(|change| change.state != State::Refused);
        let departs = |change: &&Change| {
            self.journal.ledger().held(&change.knob).is_none_or(|held| held.original != change.wanted)
        };
        let instances = named().filter(departs).filter_map(|change| Instance::find(&change.knob).ok());
        let beside: BTreeSet<String> =
            instances.flat_map(|instance| instance.disturbed(&self.root)).map(|other| other.name()).collect();
        let stays = |held: &&Held| {
            named().any(|change| change.knob == held.knob) || (held.aside && beside.contains(&held.knob))
        };
        let step = |held: &Held| {
            let instance = Instance::find(&held.knob).ok()?;
            Some(Step { instance, wanted: held.original.clone(), optional: true, back: true })
        };
        self.journal.ledger().held.iter().rev().filter(|held| !stays(held)).filter_map(step).collect()
    }
}

/// The outcome of a knob that is left as it is.
fn standing(change: &Change, fate: Fate) -> Outcome {
    Outcome {
        knob: change.knob.clone(),
        fate,
        before: change.current.clone(),
        after: change.current.clone(),
        detail: change.detail.clone(),
    }
}
