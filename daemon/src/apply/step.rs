//! One knob: read, compare, record, write, read back, compare.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::report::{Fate, Outcome};
use super::{ApplyError, Tuning};
use crate::journal::Record;
use crate::knob::{Class, Identity, Instance, KnobError, Lifetime};
use crate::root::KEPT_MAX;

/// One knob to be written.
pub(super) struct Step {
    pub instance: Instance,
    pub wanted: String,
    /// Whether the transaction goes on when the machine refuses it.
    pub optional: bool,
    /// Whether this gives a knob back: then somebody else's value is kept.
    pub back: bool,
}

impl Tuning {
    /// Records the values before the transaction: of every knob that it writes, and of every knob that the
    /// kernel will change along with one of them, before the first is written.
    pub(super) fn snapshot(&mut self, tx: u64, steps: &[Step]) -> Result<(), ApplyError> {
        let (mut instances, mut names) = (Vec::new(), BTreeSet::new());
        for step in steps {
            self.root.keep(&step.instance.files());
            for instance in std::iter::once(step.instance.clone()).chain(step.instance.disturbed(&self.root))
            {
                let name = instance.name();
                let known = self.journal.ledger().held(&name).is_some();
                if !known && names.insert(name) {
                    instances.push(instance);
                }
            }
        }
        // With more of them some are not kept, and each is asked for when it is opened.
        if instances.len() > 1 && steps.len() <= KEPT_MAX {
            self.keep_names(&instances);
        }
        // Every knob of a device has the device's identity, which takes several reads and a question to the kernel.
        let mut identities: BTreeMap<_, Option<String>> = BTreeMap::new();
        for lifetime in [Lifetime::Volatile, Lifetime::Persistent] {
            let mut originals = Vec::new();
            for instance in instances.iter().filter(|instance| instance.knob.spec().lifetime == lifetime) {
                let knob = instance.name();
                if let Some(value) = self.peek(instance)? {
                    let device = (instance.knob.spec().identity, instance.target.clone());
                    let identity = match identities.entry(device) {
                        Entry::Occupied(known) => known.get().clone(),
                        Entry::Vacant(unknown) => unknown.insert(instance.identity(&self.root)?).clone(),
                    };
                    originals.push(Record::Original { tx, identity, value, knob });
                }
            }
            self.journal.record(lifetime, &originals)?;
        }
        Ok(())
    }

    /// Asks once which device has which name, where some of `instances` are on interfaces.
    pub(super) fn keep_names(&self, instances: &[Instance]) {
        let is_named = |instance: &Instance| {
            matches!(instance.knob.spec().identity, Identity::Interface | Identity::Queue)
        };
        if instances.iter().any(is_named) {
            self.root.keep_names();
        }
    }

    /// Brings one knob to its value. `count` numbers the writes of the transaction.
    pub(super) fn step(&mut self, tx: u64, count: &mut u64, step: &Step) -> Result<Outcome, ApplyError> {
        let files = step.instance.files();
        self.root.keep(&files);
        let outcome = self.step_of_kept(tx, count, step);
        self.root.let_go(&files);
        outcome
    }

    fn step_of_kept(&mut self, tx: u64, count: &mut u64, step: &Step) -> Result<Outcome, ApplyError> {
        let knob = step.instance.name();
        let outcome = |fate, before: Option<&String>, after: Option<&String>| Outcome {
            knob: knob.clone(),
            fate,
            before: before.cloned(),
            after: after.cloned(),
            detail: None,
        };
        let current = self.read(&step.instance)?;
        let lifetime = step.instance.knob.spec().lifetime;
        if step.back
            && let Some(fate) = self.released(&knob, &step.instance, current.as_ref())
        {
            if current.is_none() && self.may_come_back(&step.instance) {
                return Ok(outcome(fate, None, None));
            }
            self.journal.record(lifetime, &[Record::Released { tx, knob: knob.clone() }])?;
            return Ok(outcome(fate, current.as_ref(), current.as_ref()));
        }
        let Some(current) = current else { return Ok(outcome(Fate::Absent, None, None)) };
        if current == step.wanted {
            return Ok(outcome(Fate::Already, Some(&current), Some(&current)));
        }
        if let Some(said) = self.managed.get(&knob).filter(|_| step.optional && !step.back) {
            let detail = Some(said.clone());
            return Ok(Outcome { detail, ..outcome(Fate::Skipped, Some(&current), Some(&current)) });
        }
        let disturbed = self.announce(tx, count, step, &current)?;
        let written = self.set(&step.instance, &step.wanted);
        let effect = match written {
            Ok(effect) => effect,
            Err(error) if step.optional => {
                if let ApplyError::Knob { error: KnobError::Managed { .. }, .. } = &error {
                    self.managed.insert(knob, error.to_string());
                }
                return Ok(Outcome { detail: Some(error.to_string()), ..self.retreat(tx, step, &current)? });
            }
            Err(error) => return Err(error),
        };
        // Together with the next intent: half of the writes to the journal.
        self.journal.later(lifetime, &Record::Done { tx, knob: knob.clone(), value: effect.clone() });
        for other in disturbed {
            if let Some(value) = self.peek(&other)? {
                let done = Record::Done { tx, knob: other.name(), value };
                self.journal.later(other.knob.spec().lifetime, &done);
            }
        }
        let fate = if step.back { Fate::Restored } else { Fate::Written };
        // What is written and not in force yet says what is still to be done.
        let waits = step.instance.knob.spec().class == Class::NeedsReboot;
        let detail = waits.then(|| step.instance.remark(&self.root, Some(&effect)).ok().flatten()).flatten();
        Ok(Outcome { detail, ..outcome(fate, Some(&current), Some(&effect)) })
    }

    /// Writes a value and looks whether it is there; returns what the machine made of it.
    pub(super) fn set(&self, instance: &Instance, wanted: &str) -> Result<String, ApplyError> {
        let knob = instance.name();
        instance.write(&self.root, wanted).map_err(|error| ApplyError::Knob { knob: knob.clone(), error })?;
        let actual = self.read(instance)?.unwrap_or_default();
        if instance.knob.is_effect(wanted, &actual) {
            Ok(actual)
        } else {
            Err(ApplyError::ReadBack { knob, wanted: wanted.to_owned(), actual })
        }
    }

    /// As [`Self::read`], of a knob that was never written: what the device does not support it does not have.
    pub(super) fn peek(&self, instance: &Instance) -> Result<Option<String>, ApplyError> {
        instance.look(&self.root).map_err(|error| ApplyError::Knob { knob: instance.name(), error })
    }

    pub(super) fn read(&self, instance: &Instance) -> Result<Option<String>, ApplyError> {
        instance.read(&self.root).map_err(|error| ApplyError::Knob { knob: instance.name(), error })
    }

    /// Why a knob that is to be given back needs no writing; `None` when it does.
    pub(super) fn released(&self, knob: &str, instance: &Instance, current: Option<&String>) -> Option<Fate> {
        let (Some(held), Some(current)) = (self.journal.ledger().held(knob), current) else {
            return Some(Fate::Gone);
        };
        if self.is_another(knob, instance) {
            return Some(Fate::Gone);
        }
        if *current == held.original {
            return Some(Fate::Already);
        }
        let ours = instance.knob.is_effect(&held.written, current)
            || held.open
            || instance.knob.is_remainder(&held.written, current);
        (!ours).then_some(Fate::Foreign)
    }

    /// Whether a knob that is absent hangs on one that is held: an energy preference on the mode of the frequency
    /// driver, what a CPU has on whether its threads run. Given up now, its original would be lost.
    fn may_come_back(&self, instance: &Instance) -> bool {
        let (name, target) = (instance.knob.spec().name, &instance.target);
        let takes_it = |held: &crate::journal::Held| {
            Instance::find(&held.knob).is_ok_and(|other| {
                let spec = other.knob.spec();
                spec.disturbs.contains(&name) && (spec.is_single() || other.target == *target)
            })
        };
        self.journal.ledger().held.iter().any(takes_it)
    }

    /// Whether the device that has the name now is not the one that was written.
    pub(super) fn is_another(&self, knob: &str, instance: &Instance) -> bool {
        let then = self.journal.ledger().held(knob).and_then(|held| held.identity.clone());
        // Without an answer the name has to do: a kernel before 5.15 has no sequence numbers of disks.
        let now = instance.identity(&self.root).ok().flatten();
        let identity = instance.knob.spec().identity;
        then.zip(now).is_some_and(|(then, now)| !identity.is_same(&then, &now))
    }

    /// Records what is about to be written. The side effects come first, so that an undo in reverse ends with
    /// them. Returns the knobs that the kernel may change along with this one.
    pub(super) fn announce(
        &mut self,
        tx: u64,
        count: &mut u64,
        step: &Step,
        current: &str,
    ) -> Result<Vec<Instance>, ApplyError> {
        let mut disturbed = Vec::new();
        for other in step.instance.disturbed(&self.root) {
            if let Some(from) = self.peek(&other)? {
                let intent = Record::Intent { tx, step: *count, knob: other.name(), from, to: None };
                self.journal.record(other.knob.spec().lifetime, &[intent])?;
                *count += 1;
                disturbed.push(other);
            }
        }
        let (knob, to) = (step.instance.name(), Some(step.wanted.clone()));
        let intent = Record::Intent { tx, step: *count, knob, from: current.to_owned(), to };
        self.journal.record(step.instance.knob.spec().lifetime, &[intent])?;
        *count += 1;
        Ok(disturbed)
    }

    /// Makes sure that a refused optional knob is as it was before it was tried.
    fn retreat(&mut self, tx: u64, step: &Step, before: &str) -> Result<Outcome, ApplyError> {
        if self.read(&step.instance)?.as_deref() != Some(before) {
            self.set(&step.instance, before)?;
        }
        let mut knobs = vec![(step.instance.clone(), before.to_owned())];
        for other in step.instance.disturbed(&self.root) {
            let from = self.journal.ledger().open.as_ref().and_then(|open| {
                let name = other.name();
                open.intents.iter().rev().find(|intent| intent.knob == name).map(|intent| intent.from.clone())
            });
            if let Some(from) = from {
                if self.read(&other)?.as_ref() != Some(&from) {
                    self.set(&other, &from)?;
                }
                knobs.push((other, from));
            }
        }
        for (instance, value) in knobs {
            let undone = Record::Undone { tx, knob: instance.name(), value };
            self.journal.record(instance.knob.spec().lifetime, &[undone])?;
        }
        let fate = if step.back { Fate::Failed } else { Fate::Skipped };
        let value = Some(before.to_owned());
        Ok(Outcome { knob: step.instance.name(), fate, before: value.clone(), after: value, detail: None })
    }
}
