//! Knobs of devices that have another name now: `ip link set eth0 name lan0`, or udev, which renames what came early.
//!
//! The device keeps its values, so what is held under the old name is held under the new one from here on, and a
//! rollback restores it there.

use std::collections::BTreeMap;

use super::{ApplyError, Tuning};
use crate::journal::Record;
use crate::knob::{Instance, Lifetime};

impl Tuning {
    /// Finds held knobs whose device was renamed, and holds them under the new name. Returns the names before and now.
    ///
    /// # Errors
    /// When the journal refuses the record; they are then held under the old name, and looked for again the next time.
    pub fn follow_names(&mut self) -> Result<BTreeMap<String, String>, ApplyError> {
        let mut moved = BTreeMap::new();
        // All knobs of a device have its identity, and so one answer.
        let mut known: BTreeMap<(String, String), Option<String>> = BTreeMap::new();
        for held in &self.journal.ledger().held {
            let (Ok(instance), Some(then)) = (Instance::find(&held.knob), &held.identity) else { continue };
            let target = instance.target.clone();
            let now = known.entry((target, then.clone())).or_insert_with(|| {
                // A machine that cannot be read has renamed nothing that could be seen.
                instance.moved(&self.root, then).ok().flatten().map(|moved| moved.target)
            });
            if let Some(target) = now {
                let name = Instance { knob: instance.knob, target: target.clone() }.name();
                moved.insert(held.knob.clone(), name);
            }
        }
        if !moved.is_empty() {
            // Interfaces and their queues are all that is renamed, and what is set on them ends with the boot.
            self.journal.record(Lifetime::Volatile, &[Record::Renamed { knobs: moved.clone() }])?;
        }
        Ok(moved)
    }

    /// The same at the start of something else, which a refusal of the journal will stop if it has to.
    pub(super) fn follow_silently(&mut self) {
        match self.follow_names() {
            Ok(moved) => {
                let lines =
                    moved.iter().map(|(old, new)| format!("{old} is {new} now: its device was renamed"));
                self.found.extend(lines);
            }
            Err(error) => self.found.push(error.to_string()),
        }
    }
}
