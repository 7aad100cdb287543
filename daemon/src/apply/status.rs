//! What is held, and whether it still is what was written.

use super::Tuning;
use super::report::{HeldKnob, StatusReport};
use crate::host::Rival;
use crate::journal::Held;
use crate::knob::Instance;

impl Tuning {
    /// What is held now; `rivals` are the programs that set the same knobs.
    #[must_use]
    pub fn status(&self, rivals: &[Rival]) -> StatusReport {
        let knobs = self.journal.ledger().held.iter().map(|held| self.look(held));
        StatusReport {
            profile: self.profile().map(str::to_owned),
            held: knobs.collect(),
            found: self.found.clone(),
            damaged_records: self.journal.damaged(),
            rivals: rivals.iter().map(|rival| format!("{} (process {})", rival.name, rival.pid)).collect(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..StatusReport::default()
        }
    }

    /// One held knob; `None` when it is not held.
    #[must_use]
    pub fn status_of(&self, knob: &str) -> Option<HeldKnob> {
        self.journal.ledger().held(knob).map(|held| self.look(held))
    }

    fn look(&self, held: &Held) -> HeldKnob {
        let current =
            Instance::find(&held.knob).ok().and_then(|instance| self.read(&instance).ok().flatten());
        HeldKnob {
            knob: held.knob.clone(),
            original: held.original.clone(),
            written: held.written.clone(),
            drifted: current.as_ref() != Some(&held.written),
            current,
        }
    }
}
