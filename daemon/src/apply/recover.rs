//! What the start does about a transaction that was interrupted.

use super::Tuning;
use super::report::{Fate, Outcome};
use super::rollback::left;
use crate::journal::{Kind, Record};

impl Tuning {
    /// Undoes an interrupted apply, finishes an interrupted rollback, and says so.
    pub(super) fn recover(&mut self) {
        let Some(open) = self.journal.ledger().open.clone() else { return };
        match open.kind {
            Kind::Apply => {
                let outcomes = self.undo();
                // The knobs are back; that it cannot be recorded is no reason to serve nobody.
                let ended = self.journal.end(&Record::Abort { tx: open.tx });
                self.found.extend(ended.err().map(|error| error.to_string()));
                let count = |fate| outcomes.iter().filter(|outcome| outcome.fate == fate).count();
                let name = open.profile.unwrap_or_default();
                let restored = count(Fate::Restored);
                self.found.push(format!("an interrupted apply of {name} was undone: {restored} writes"));
                self.tell_left(&outcomes);
            }
            Kind::Rollback => {
                let report = match self.rollback() {
                    Ok(report) => report,
                    Err(error) => {
                        let said = format!(
                            "an interrupted rollback could not be finished: {error}; ask for it again"
                        );
                        self.found.push(said);
                        return;
                    }
                };
                let word = if report.complete { "finished" } else { "tried again and is not complete" };
                self.found
                    .push(format!("an interrupted rollback was {word}: {} knobs", report.outcomes.len()));
                self.tell_left(&report.outcomes);
            }
        }
    }

    fn tell_left(&mut self, outcomes: &[Outcome]) {
        let stays = outcomes.iter().filter(|outcome| matches!(outcome.fate, Fate::Failed | Fate::Foreign));
        self.found.extend(stays.map(|outcome| left(&outcome.knob, outcome.detail.as_deref())));
    }
}
