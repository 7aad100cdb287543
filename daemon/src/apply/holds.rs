//! What the start does about settings that last only as long as a descriptor is open.

use super::Tuning;
use crate::knob::{self, Instance};

impl Tuning {
    /// Gives each held descriptor its value again, opens anew what was let go in between and says so, and lets go of
    /// what is not ours any more. A knob whose write was interrupted is left to the recovery.
    pub(super) fn take_up_holds(&mut self) {
        if !self.root.is_holding() {
            return;
        }
        let held = self.journal.ledger().held.clone();
        let wanted = held.iter().filter_map(|held| {
            let instance = Instance::find(&held.knob).ok()?;
            instance.knob.spec().hold.then_some((instance, held))
        });
        let passed = self.root.holds();
        for (instance, held) in wanted.filter(|(_, held)| !held.open && held.written != held.original) {
            let is_new = !passed.contains(&held.knob);
            if let Err(error) = self.set(&instance, &held.written) {
                self.found.push(error.to_string());
            } else if is_new {
                self.found.push(format!(
                    "{} = {} had been let go since the last daemon ended, and is held again",
                    held.knob, held.written
                ));
            }
        }
        for name in passed.into_iter().filter(|name| self.journal.ledger().held(name).is_none()) {
            let instance = Instance::find(&name).ok().filter(|instance| instance.knob.spec().hold);
            if let Some(Err(error)) = instance.map(|instance| self.set(&instance, knob::NOT_HELD)) {
                self.found.push(error.to_string());
            }
        }
    }
}
