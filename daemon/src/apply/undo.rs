//! Undoing the transaction under way: after a failure, or at the start after a crash.
//!
//! Each knob that the transaction announced has one goal: the value before its first write. What somebody else
//! has set since is kept. As in a rollback there are two passes, because bringing one knob back makes the kernel
//! change another (the scheduler of a disk resets the depth of its queue): the first goes in reverse, and the
//! second over all of them in the order of application, and its answer counts. A knob that is absent may come back
//! with another one (what a CPU has, when the CPU does), so that only the second pass tells whether it is gone.

use super::Tuning;
use super::report::{Fate, Outcome};
use crate::journal::{Intent, Record, Transaction};
use crate::knob::{Class, Instance, Lifetime, rank};

/// A knob on its way back to the value before the transaction.
struct Way {
    instance: Instance,
    /// `None` while it is absent.
    before: Option<String>,
    goal: String,
    fate: Fate,
    error: Option<String>,
    /// What the transaction was seen to make of it.
    done: Option<String>,
}

impl Tuning {
    /// Brings every knob that the open transaction announced back to the value before it.
    ///
    /// Goes on whatever fails, as each knob that comes back is a gain. An undo compares and may be repeated, also
    /// after it was itself interrupted.
    pub(super) fn undo(&mut self) -> Vec<Outcome> {
        let Some(open) = self.journal.ledger().open.clone() else { return Vec::new() };
        let (mut ways, mut outcomes) = self.ways(&open);
        for way in ways.iter_mut().filter(|way| way.fate != Fate::Foreign) {
            way.error = self.take_back(&open, way);
        }
        ways.sort_by_key(|way| rank(way.instance.knob));
        for way in &mut ways {
            way.error = self.take_back(&open, way);
            let (knob, value) = (way.instance.name(), way.goal.clone());
            let disturbed = self.journal.ledger().held(&knob).is_some_and(|held| held.open);
            if way.error.is_some() {
                way.fate = Fate::Failed;
            } else if way.before.is_none() && self.is_absent(&way.instance) {
                way.fate = Fate::Gone;
            } else if way.fate != Fate::Foreign {
                self.note(&way.instance, Record::Undone { tx: open.tx, knob, value });
            } else if let Some(value) = way.done.take().filter(|_| disturbed) {
                // It was announced as ours for a moment; it is theirs again, and what we wrote is what it was.
                self.note(&way.instance, Record::Done { tx: open.tx, knob, value });
            }
        }
        outcomes.extend(ways.into_iter().map(|way| Outcome {
            knob: way.instance.name(),
            after: match way.fate {
                Fate::Failed | Fate::Gone => way.before.clone(),
                _ => Some(way.goal),
            },
            fate: way.fate,
            before: way.before,
            detail: way.error,
        }));
        outcomes
    }

    /// What becomes of each announced knob, the last announced first, before anything is written.
    fn ways(&self, open: &Transaction) -> (Vec<Way>, Vec<Outcome>) {
        let (mut ways, mut outcomes) = (Vec::<Way>::new(), Vec::<Outcome>::new());
        for last in open.intents.iter().rev() {
            let outcome = |fate, detail: Option<String>| Outcome {
                knob: last.knob.clone(),
                fate,
                before: None,
                after: None,
                detail,
            };
            let told = outcomes.iter().any(|outcome| outcome.knob == last.knob);
            if told || ways.iter().any(|way| way.instance.name() == last.knob) {
                continue;
            }
            let instance = match Instance::find(&last.knob) {
                Ok(instance) => instance,
                Err(error) => {
                    outcomes.push(outcome(Fate::Failed, Some(error.to_string())));
                    continue;
                }
            };
            let before = match self.read(&instance) {
                Ok(current) if !self.is_another(&last.knob, &instance) => current,
                Ok(_) => {
                    outcomes.push(outcome(Fate::Gone, None));
                    continue;
                }
                Err(error) => {
                    outcomes.push(outcome(Fate::Failed, Some(error.to_string())));
                    continue;
                }
            };
            let mut intents = open.intents.iter().filter(|intent| intent.knob == last.knob);
            let from = intents.next().map_or(&last.from, |first| &first.from);
            // A write that was never seen to end may have left anything; one that was, only its own value.
            let (goal, fate) = match &before {
                None => (from.clone(), Fate::Restored),
                Some(now) if now == from => (from.clone(), Fate::Already),
                Some(now) => {
                    let knob = instance.knob;
                    let is_made = |done: &String| knob.is_effect(done, now) || knob.is_remainder(done, now);
                    let ours = last.done.as_ref().is_none_or(is_made);
                    if ours { (from.clone(), Fate::Restored) } else { (now.clone(), Fate::Foreign) }
                }
            };
            let done = last.done.clone();
            ways.push(Way { instance, before, goal, fate, error: None, done });
        }
        (ways, outcomes)
    }

    /// Writes the goal of a way if it is not there; the error in words, if the machine refuses. That the knob, and
    /// what the kernel changes along with it, is ours again from here on is recorded first.
    fn take_back(&mut self, open: &Transaction, way: &Way) -> Option<String> {
        match self.read(&way.instance) {
            Ok(Some(current)) if current != way.goal => {}
            Ok(_) => return None,
            Err(error) => return Some(error.to_string()),
        }
        for instance in std::iter::once(way.instance.clone()).chain(way.instance.disturbed(&self.root)) {
            let knob = instance.name();
            let mine = |intent: &&Intent| intent.knob == knob;
            let Some(step) = open.intents.iter().rev().find(mine).map(|intent| intent.step) else { continue };
            let refused = self.note(&instance, Record::Undoing { tx: open.tx, step, knob });
            // Files and swap change in several calls: after a death between them, with nothing on record, what is
            // left would be taken for somebody else's. The next pass, or the next start, tries again.
            let spec = way.instance.knob.spec();
            let in_parts = spec.lifetime == Lifetime::Persistent || spec.class == Class::Disruptive;
            if in_parts && refused.is_some() {
                return refused;
            }
        }
        self.set(&way.instance, &way.goal).err().map(|error| error.to_string())
    }

    /// Whether there is nothing to be read, and no error either.
    pub(super) fn is_absent(&self, instance: &Instance) -> bool {
        matches!(self.read(instance), Ok(None))
    }

    /// Records what an undo does; what the journal says when it refuses that.
    fn note(&mut self, instance: &Instance, record: Record) -> Option<String> {
        let refused = self.journal.insist(instance.knob.spec().lifetime, &record).err()?;
        let said = refused.to_string();
        if self.found.last() != Some(&said) {
            self.found.push(said.clone());
        }
        Some(said)
    }
}
