//! Knobs that are held no more without having been restored: their device went, or they are left to somebody else.

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
        let gone = held.filter(|held| self.is_gone(held)).cloned().collect();
        self.strike_off(gone)
    }

    /// Leaves `knobs` to whoever changed them: a rollback does not touch them any more.
    ///
    /// # Errors
    /// As [`Tuning::close_gone`].
    pub fn leave(&mut self, knobs: &[String]) -> Result<Vec<String>, ApplyError> {
        let held = self.journal.ledger().held.iter();
        let left = held.filter(|held| knobs.contains(&held.knob)).cloned().collect();
        self.strike_off(left)
    }

    fn strike_off(&mut self, held: Vec<Held>) -> Result<Vec<String>, ApplyError> {
        if held.is_empty() {
            return Ok(Vec::new());
        }
        let profile = self.journal.ledger().profile.clone();
        let tx = self.journal.begin(Kind::Apply, profile.as_deref())?;
        for held in &held {
            let record = Record::Released { tx, knob: held.knob.clone() };
            self.journal.record(held.lifetime(), &[record])?;
        }
        self.journal.end(&Record::Commit { tx, profile })?;
        Ok(held.into_iter().map(|held| held.knob).collect())
    }

    /// A file that cannot be read is no sign that its device is gone: its folder tells.
    fn is_gone(&self, held: &Held) -> bool {
        let Ok(instance) = Instance::find(&held.knob) else { return false };
        let spec = instance.knob.spec();
        let folder = spec.identity.folder(&instance.target);
        folder.is_some_and(|folder| matches!(self.root.exists(&folder), Ok(false)))
            || (!spec.is_single() && self.is_another(&held.knob, &instance))
    }
}
