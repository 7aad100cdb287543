//! What the start does about a transaction that was interrupted.

use super::report::Fate;
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
                let left =
                    outcomes.iter().filter(|outcome| matches!(outcome.fate, Fate::Failed | Fate::Foreign));
                let left: Vec<String> = left
                    .map(|outcome| {
                        let why = outcome.detail.as_deref().unwrap_or("somebody else has changed it since");
                        format!("{} was not undone: {why}", outcome.knob)
                    })
                    .collect();
                self.found.extend(left);
            }
            Kind::Rollback => {
                let report = self.rollback()?;
                let word = if report.complete { "finished" } else { "tried again and is not complete" };
                self.found
                    .push(format!("an interrupted rollback was {word}: {} knobs", report.outcomes.len()));
            }
        }
        Ok(())
    }
}
