//! Giving everything back.
//!
//! Two passes. The first goes in reverse and may be refused where a knob's original is only valid once another
//! one is back (the queue depth of a disk under another scheduler). The second goes forward over all of them,
//! also over those that somebody else set and that the kernel changed as a side effect, and its answer counts. A
//! knob that is absent may come back with another one (what a CPU has, when the CPU does), so that only the second
//! pass tells whether it is gone.

use super::report::{Fate, Outcome, RollbackReport};
use super::step::Step;
use super::{ApplyError, Tuning};
use crate::journal::{Kind, Record};
use crate::knob::{Instance, rank};
use crate::root::KEPT_MAX;

/// A knob on its way back.
struct Way {
    instance: Instance,
    before: Option<String>,
    goal: String,
    fate: Fate,
    error: Option<String>,
    /// Whether it is not held, and only on the list because giving another one back changes it.
    aside: bool,
}

impl Tuning {
    /// Brings every held knob back to its original.
    ///
    /// # Errors
    /// When the journal refuses a record; a knob that refuses is in the report and stays held.
    pub fn rollback(&mut self) -> Result<RollbackReport, ApplyError> {
        let profile = self.journal.ledger().profile.clone();
        let damaged_records = self.journal.damaged();
        if self.journal.ledger().held.is_empty() && profile.is_none() && damaged_records == 0 {
            return Ok(RollbackReport { profile, complete: true, damaged_records, outcomes: Vec::new() });
        }
        self.follow_silently();
        let tx = self.journal.begin(Kind::Rollback, None)?;
        let decided = self.decide(tx);
        let ended = decided.map(|(mut ways, outcomes)| {
            let given_back = self.give_back(tx, &mut ways);
            (given_back, ways, outcomes)
        });
        self.root.let_all_go();
        let (given_back, ways, mut outcomes) = ended?;
        let ended = given_back.and_then(|()| Ok(self.journal.end(&Record::Commit { tx, profile: None })?));
        if let Err(error) = ended {
            // The report is lost with the error, and the next rollback may know of these knobs no more.
            let kept = ways.iter().filter(|way| way.fate == Fate::Foreign);
            self.found.extend(kept.map(|way| left(&way.instance.name(), None)));
            return Err(error);
        }
        let told = ways.into_iter().filter(|way| !way.aside || way.error.is_some());
        outcomes.extend(told.map(|way| Outcome {
            knob: way.instance.name(),
            after: match way.fate {
                Fate::Failed | Fate::Gone => way.before.clone(),
                _ => Some(way.goal),
            },
            fate: way.fate,
            before: way.before,
            detail: way.error,
        }));
        let complete = outcomes.iter().all(|outcome| outcome.fate != Fate::Failed);
        Ok(RollbackReport { profile, complete, damaged_records, outcomes })
    }

    /// Both passes.
    fn give_back(&mut self, tx: u64, ways: &mut [Way]) -> Result<(), ApplyError> {
        let mut count = 0;
        for way in ways.iter_mut().rev().filter(|way| way.fate == Fate::Restored) {
            way.error = self.bring_back(tx, &mut count, way)?;
        }
        // What is somebody else's is let go last, so that after a crash before that it is found again and told.
        ways.sort_by_key(|way| (way.fate == Fate::Foreign, rank(way.instance.knob)));
        for way in &mut *ways {
            way.error = self.bring_back(tx, &mut count, way)?;
        }
        for way in ways {
            let knob = way.instance.name();
            if way.error.is_some() {
                way.fate = Fate::Failed;
            } else {
                if way.before.is_none() && self.is_absent(&way.instance) {
                    way.fate = Fate::Gone;
                }
                self.journal.record(way.instance.knob.spec().lifetime, &[Record::Released { tx, knob }])?;
            }
        }
        Ok(())
    }

    /// What becomes of each held knob, in the order of application, before anything is written.
    fn decide(&mut self, tx: u64) -> Result<(Vec<Way>, Vec<Outcome>), ApplyError> {
        let mut held = self.journal.ledger().held.clone();
        held.sort_by_key(|held| {
            Instance::find(&held.knob).map_or(usize::MAX, |instance| rank(instance.knob))
        });
        let instances: Vec<Instance> =
            held.iter().filter_map(|held| Instance::find(&held.knob).ok()).collect();
        // With more of them some are not kept, and each is asked for when it is opened.
        if instances.len() <= KEPT_MAX {
            instances.iter().for_each(|instance| self.root.keep(&instance.files()));
            self.keep_names(&instances);
        }
        let (mut ways, mut outcomes) = (Vec::new(), Vec::new());
        for held in held {
            let failed = |detail: String| Outcome {
                knob: held.knob.clone(),
                fate: Fate::Failed,
                before: None,
                after: None,
                detail: Some(detail),
            };
            let instance = match Instance::find(&held.knob) {
                Ok(instance) => instance,
                Err(error) => {
                    outcomes.push(failed(error.to_string()));
                    continue;
                }
            };
            self.root.keep(&instance.files());
            let current = match self.read(&instance) {
                Ok(current) => current,
                Err(error) => {
                    outcomes.push(failed(error.to_string()));
                    continue;
                }
            };
            let fate = self.released(&held.knob, &instance, current.as_ref());
            match (fate, current) {
                (Some(Fate::Gone), current @ Some(_)) => {
                    let lifetime = instance.knob.spec().lifetime;
                    self.journal.record(lifetime, &[Record::Released { tx, knob: held.knob.clone() }])?;
                    outcomes.push(Outcome {
                        fate: Fate::Gone,
                        before: current.clone(),
                        after: current,
                        detail: None,
                        ..failed(String::new())
                    });
                }
                (Some(Fate::Foreign), Some(current)) => {
                    let goal = current.clone();
                    ways.push(Way {
                        instance,
                        before: Some(current),
                        goal,
                        fate: Fate::Foreign,
                        error: None,
                        aside: false,
                    });
                }
                (fate, before) => {
                    let fate =
                        if fate.is_some() && before.is_some() { Fate::Already } else { Fate::Restored };
                    ways.push(Way {
                        instance,
                        before,
                        goal: held.original.clone(),
                        fate,
                        error: None,
                        aside: false,
                    });
                }
            }
        }
        self.beside(&mut ways)?;
        Ok((ways, outcomes))
    }

    /// Adds the knobs that nobody changed and that the kernel will change while others are brought back.
    fn beside(&self, ways: &mut Vec<Way>) -> Result<(), ApplyError> {
        let restored = ways.iter().filter(|way| way.fate == Fate::Restored);
        let disturbed: Vec<Instance> = restored.flat_map(|way| way.instance.disturbed(&self.root)).collect();
        for instance in disturbed {
            // One that is held and could not be read just now is not let go at whatever it is.
            let name = instance.name();
            let held = self.journal.ledger().held(&name).is_some();
            let known = held || ways.iter().any(|way| way.instance.name() == name);
            if !known && let Some(goal) = self.peek(&instance)? {
                let before = Some(goal.clone());
                ways.push(Way { instance, before, goal, fate: Fate::Already, error: None, aside: true });
            }
        }
        ways.sort_by_key(|way| rank(way.instance.knob));
        Ok(())
    }

    /// Writes the goal of a way if it is not there; the error in words, if the machine refuses.
    fn bring_back(&mut self, tx: u64, count: &mut u64, way: &Way) -> Result<Option<String>, ApplyError> {
        let current = match self.read(&way.instance) {
            Ok(Some(current)) if current != way.goal => current,
            Ok(_) => return Ok(None),
            Err(error) => return Ok(Some(error.to_string())),
        };
        let step =
            Step { instance: way.instance.clone(), wanted: way.goal.clone(), optional: true, back: true };
        self.announce(tx, count, &step, &current)?;
        Ok(self.set(&way.instance, &way.goal).err().map(|error| error.to_string()))
    }
}

/// The line about a knob that an undo or a rollback left as it is.
pub(super) fn left(knob: &str, why: Option<&str>) -> String {
    format!("{knob} was not undone: {}", why.unwrap_or("somebody else has changed it since"))
}
