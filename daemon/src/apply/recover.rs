//! What the start does about a transaction that was interrupted.

use super::report::{Fate, Outcome};
use super::rollback::left;
use super::{ApplyError, Tuning};
use crate::journal::{Kind, Record};

impl Tuning {
    /// Undoes an interrupted apply, finishes an interrupted rollback, and says so.
    pub(super) fn recover(&mut self) -> Result<(), ApplyError> {
        let Some(open) = self.journal.ledger().open.clone() else { return Ok(()) };
        match open.kind {
            Kind::Apply => {
                let outcomes = self.undo();
                self.journal.end(&Record::Abort { tx: open.tx })?;
                let count = |fate| outcomes.iter().filter(|outcome| outcome.fate == fate).count();
                let name = open.profile.unwrap_or_default();
                let restored = count(Fate::Restored);
                self.found.push(format!("an interrupted apply of {name} was undone: {restored} writes"));
                self.tell_left(&outcomes);
            }
            Kind::Rollback => {
                let report = self.rollback()?;
                let word = if report.complete { "finished" } else { "tried again and is not complete" };
                self.found
                    .push(format!("an interrupted rollback was {word}: {} knobs", report.outcomes.len()));
                self.tell_left(&report.outcomes);
            }
        }
        Ok(())
    }

    fn tell_left(&mut self, outcomes: &[Outcome]) {
        let stays = outcomes.iter().filter(|outcome| matches!(outcome.fate, Fate::Failed | Fate::Foreign));
        self.found.extend(stays.map(|outcome| left(&outcome.knob, outcome.detail.as_deref())));
    }
}
