//! Devices that went take their settings with them: nothing is left to restore.

use super::{ApplyError, Tuning};
use crate::journal::{Held, Kind, Record};
use crate::knob::Instance;

impl Tuning {
    /// Strikes the knobs of devices that are gone, or whose name another device has now, off the ledger, so that a device
    /// that comes under the name is a new one. Returns their names.
    ///
    /// # Errors
    /// When the journal refuses a record; they are then still held.
    pub fn close_gone(&mut self) -> Result<Vec<String>, ApplyError> {
        let held = self.journal.ledger().held.iter();
        let gone: Vec<Held> = held.filter(|held| self.is_gone(held)).cloned().collect();
        if gone.is_empty() {
            return Ok(Vec::new());
        }
        let profile = self.journal.ledger().profile.clone();
        let tx = self.journal.begin(Kind::Apply, profile.as_deref())?;
        for held in &gone {
            let record = Record::Released { tx, knob: held.knob.clone() };
            self.journal.record(held.lifetime(), &[record])?;
        }
        self.journal.end(&Record::Commit { tx, profile })?;
        Ok(gone.into_iter().map(|held| held.knob).collect())
    }

    /// A file that cannot be read is no sign that its device is gone: its folder tells.
    fn is_gone(&self, held: &Held) -> bool {
        let Ok(instance) = Instance::find(&held.knob) else { return false };
        let Some(folder) = instance.knob.spec().identity.folder(&instance.target) else { return false };
        matches!(self.root.exists(&folder), Ok(false)) || self.is_another(&held.knob, &instance)
    }
}
