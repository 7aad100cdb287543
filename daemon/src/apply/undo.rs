//! Undoing the transaction under way, in reverse: after a failure, or at the start after a crash.

use super::Tuning;
use super::report::{Fate, Outcome};
use crate::journal::Record;
use crate::knob::{Instance, Lifetime};

impl Tuning {
    /// Brings every knob that the open transaction announced back to the value before it.
    ///
    /// Goes on whatever fails, as each knob that comes back is a gain. An undo compares and may be repeated, also
    /// after it was itself interrupted.
    pub(super) fn undo(&mut self) -> Vec<Outcome> {
        let Some(open) = self.journal.ledger().open.clone() else { return Vec::new() };
        let mut outcomes = Vec::new();
        for intent in open.intents.iter().rev() {
            let outcome = |fate, before: Option<String>, after: Option<String>, detail| Outcome {
                knob: intent.knob.clone(),
                fate,
                before,
                after,
                detail,
            };
            let instance = match Instance::find(&intent.knob) {
                Ok(instance) => instance,
                Err(error) => {
                    outcomes.push(outcome(Fate::Failed, None, None, Some(error.to_string())));
                    continue;
                }
            };
            let current = match self.read(&instance) {
                Ok(Some(current)) if !self.is_another(&intent.knob, &instance) => current,
                Ok(_) => {
                    outcomes.push(outcome(Fate::Gone, None, None, None));
                    continue;
                }
                Err(error) => {
                    outcomes.push(outcome(Fate::Failed, None, None, Some(error.to_string())));
                    continue;
                }
            };
            // A write that was never seen to end may have left anything; one that was, only its own value.
            let ours = intent.done.as_ref().is_none_or(|done| *done == current);
            if current != intent.from && !ours {
                outcomes.push(outcome(Fate::Foreign, Some(current.clone()), Some(current), None));
                continue;
            }
            let lifetime = instance.knob.spec().lifetime;
            if current != intent.from {
                let undoing = Record::Undoing { tx: open.tx, step: intent.step, knob: intent.knob.clone() };
                self.note(lifetime, undoing);
                if let Err(error) = self.set(&instance, &intent.from) {
                    outcomes.push(outcome(
                        Fate::Failed,
                        Some(current.clone()),
                        Some(current),
                        Some(error.to_string()),
                    ));
                    continue;
                }
            }
            let undone =
                Record::Undone { tx: open.tx, knob: intent.knob.clone(), value: intent.from.clone() };
            self.note(lifetime, undone);
            let fate = if current == intent.from { Fate::Already } else { Fate::Restored };
            outcomes.push(outcome(fate, Some(current), Some(intent.from.clone()), None));
        }
        outcomes
    }

    /// Records what an undo does; that the journal refuses it is said, and is no reason to leave a knob changed.
    fn note(&mut self, lifetime: Lifetime, record: Record) {
        if let Err(error) = self.journal.record(lifetime, &[record]) {
            self.found.push(error.to_string());
        }
    }
}
