//! What the daemon does without being asked: settings for devices that come, an eye on held knobs, figures.

use std::time::{Duration, SystemTime};

use super::Service;
use crate::apply::report::{ApplyReport, Ending, Fate, Outcome, RollbackReport};
use crate::drift::{Action, Drift, Finding, Policy};
use crate::knob::Instance;
use crate::log::{Log, Priority};
use crate::metrics::{LastApply, Metrics, pressure};
use crate::plan::{Change, Plan};
use crate::root::Root;
use crate::uevent::{Batch, Device, Gathering};
use crate::watch::{Touch, Watch, Writer};

/// The file of figures, below the folder of what ends with the boot.
const METRICS: &str = "/metrics.prom";

/// What is around a machine under care.
pub struct Surroundings {
    /// The folder of what ends with the boot.
    pub run: Root,
    /// Where things are said.
    pub log: Log,
    /// What is done when somebody else changes a held knob.
    pub drift: Policy,
}

/// The time in seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl Service {
    /// Devices that come and go, in the making.
    pub(in crate::control) const fn gathering(&mut self) -> &mut Gathering {
        &mut self.gathering
    }

    /// Who tells the writers of files.
    pub(in crate::control) const fn watch(&self) -> Option<&Watch> {
        self.watch.as_ref()
    }

    /// Brings devices that came to the profile in force, and closes the accounts of those that went.
    pub(in crate::control) fn meet(&mut self, batch: &Batch) {
        match self.tuning.follow_names() {
            Ok(moved) if moved.is_empty() => {}
            Ok(moved) => {
                let pairs: Vec<String> = moved.iter().map(|(old, new)| format!("{old} is {new}")).collect();
                let message = format!("{} of renamed devices: {}", knobs(moved.len()), pairs.join(", "));
                let names: Vec<&str> = moved.values().map(String::as_str).collect();
                self.say(Priority::Notice, &message, &[("DIAPASON_KNOB", &names.join(" "))]);
            }
            Err(error) => self.say(Priority::Error, &error.to_string(), &[]),
        }
        match self.tuning.close_gone() {
            Ok(gone) if gone.is_empty() => {}
            Ok(gone) => {
                let message = format!("{} went with their device: {}", knobs(gone.len()), gone.join(", "));
                self.say(Priority::Notice, &message, &[("DIAPASON_KNOB", &gone.join(" "))]);
            }
            Err(error) => self.say(Priority::Error, &error.to_string(), &[]),
        }
        let held = |name: &str| self.tuning.journal().ledger().held(name).is_some();
        let concerned = |change: &Change| {
            Instance::find(&change.knob).is_ok_and(|instance| {
                let is_new = !instance.target.is_empty() && !held(&change.knob);
                // Interrupts come with a device, under names of their own.
                let may_have_come = batch.overflowed || change.knob.starts_with("irq.");
                batch.came.iter().any(|device| is_on(&instance, device)) || (is_new && may_have_come)
            })
        };
        if let Some(plan) = self.part(concerned) {
            let names: Vec<String> = batch.came.iter().map(ToString::to_string).collect();
            let what = if batch.overflowed { "many devices".to_owned() } else { names.join(", ") };
            self.extend(&plan, &format!("{what} came"));
        }
        self.stirred = true;
    }

    /// Compares every held knob with what was written.
    pub(in crate::control) fn compare(&mut self) {
        // Whom the kernel has named by now is not found nameless.
        self.touched();
        self.compare_all();
    }

    fn compare_all(&mut self) {
        let findings = self.tuning.status(&[]).held.into_iter().filter(|held| held.drifted);
        // What cannot be read has gone with its device or its CPU; that is no work of somebody else.
        let findings = findings.filter(|held| held.current.is_some()).map(|held| Finding {
            knob: held.knob,
            written: held.written,
            current: held.current,
            writer: None,
        });
        let new = self.drifts.compare(findings.collect(), now());
        self.respond(&new);
        self.stirred = true;
    }

    /// Looks at the knobs whose files somebody else wrote to.
    pub(in crate::control) fn touched(&mut self) {
        let touches = self.watch().map(Watch::touched).unwrap_or_default();
        let mut new = Vec::new();
        let mut more = false;
        for touch in touches {
            match touch {
                Touch::Anything => more = true,
                Touch::Knob(knob, writer) => new.extend(self.look_at(&knob, writer)),
            }
        }
        if !new.is_empty() {
            self.respond(&new);
            self.stirred = true;
        }
        if more {
            self.compare_all();
        }
    }

    fn look_at(&mut self, knob: &str, writer: Writer) -> Option<Drift> {
        let held = self.tuning.status_of(knob).filter(|held| held.drifted)?;
        let (written, current) = (held.written, held.current);
        self.drifts.judge(Finding { knob: held.knob, written, current, writer: Some(writer) }, now())
    }

    /// Says what somebody else changed and does what the policy asks for.
    fn respond(&mut self, new: &[Drift]) {
        for drift in new {
            let writer = drift.writer.as_ref().map_or_else(
                || format!("somebody has, between {} and {} (seconds since 1970)", drift.after, drift.found),
                |writer| format!("{writer} has"),
            );
            let current = drift.current.as_deref().unwrap_or("nothing");
            let action = match drift.action {
                Action::Reported => "it is left so",
                Action::Reapplied => "it is written again",
                Action::BackedOff => "it is theirs until the next apply",
                Action::GivenUp => "it was written again often enough and is left so",
            };
            let message =
                format!("{writer} changed {} from {} to {current}; {action}", drift.knob, drift.written);
            let writer = drift.writer.as_deref().unwrap_or("unknown");
            let fields = [("DIAPASON_KNOB", drift.knob.as_str()), ("DIAPASON_WRITER", writer)];
            self.say(Priority::Warning, &message, &fields);
        }
        let named = |action| -> Vec<String> {
            new.iter().filter(|drift| drift.action == action).map(|drift| drift.knob.clone()).collect()
        };
        let (again, left) = (named(Action::Reapplied), named(Action::BackedOff));
        if !again.is_empty()
            && let Some(plan) = self.part(|change| again.contains(&change.knob))
        {
            self.extend(&plan, "somebody else changed them");
        }
        if let Err(error) = self.tuning.leave(&left) {
            self.say(Priority::Error, &error.to_string(), &[]);
        }
    }

    /// The part of the plan of the profile in force that `concerned` picks; `None` when there is none.
    fn part(&self, concerned: impl Fn(&Change) -> bool) -> Option<Plan> {
        let profile = self.tuning.profile()?.to_owned();
        match self.plan(&profile) {
            Ok(mut plan) => {
                plan.changes.retain(concerned);
                (!plan.changes.is_empty()).then_some(plan)
            }
            Err((_, message)) => {
                self.say(Priority::Error, &message, &[("DIAPASON_PROFILE", &profile)]);
                None
            }
        }
    }

    fn extend(&mut self, plan: &Plan, why: &str) {
        let profile = [("DIAPASON_PROFILE", plan.profile.as_str())];
        let report = match self.tuning.extend(plan) {
            Ok(report) => report,
            Err(error) => return self.say(Priority::Error, &error.to_string(), &profile),
        };
        let written = count(&report.outcomes, Fate::Written);
        match (&report.error, report.ending) {
            (None, Ending::Applied) if written == 0 => {}
            (None, Ending::Applied) => {
                let message = format!("{why}; {} written for {}", knobs(written), plan.profile);
                self.say(Priority::Notice, &message, &profile);
            }
            (error, _) => {
                let error = error.as_deref().unwrap_or_default();
                let message = format!("{why}, and {} was not applied to them: {error}", plan.profile);
                self.say(Priority::Error, &message, &profile);
            }
        }
    }

    /// After something was done, and its caller was answered: watches what is held now, and writes the figures.
    pub(in crate::control) fn look_around(&mut self) {
        if !std::mem::take(&mut self.stirred) {
            return;
        }
        let held = self.tuning.journal().ledger().held.iter();
        let held: Vec<Instance> = held.filter_map(|held| Instance::find(&held.knob).ok()).collect();
        if !held.is_empty() && !std::mem::replace(&mut self.asked, true) {
            self.watch = Watch::of_root(&self.root);
        }
        if let Some(watch) = &mut self.watch {
            watch.follow(&self.root, &held);
        }
        // Our own writes wake nobody any more.
        self.touched();
        let metrics = Metrics {
            profile: self.tuning.profile().map(str::to_owned),
            held: self.tuning.status(&[]).held,
            holds: self.root.holds(),
            drifts: self.drifts.total(),
            compared: self.drifts.compared(),
            last: self.last.clone(),
            journal_bytes: self.tuning.journal().bytes(),
            damaged: self.tuning.journal().damaged(),
            pressure: pressure(&self.root).unwrap_or_default(),
        };
        // A full /run is said by whatever fails for it; the figures come back with the next look.
        let _ = self.surroundings.run.replace(METRICS, metrics.text().as_bytes(), 0o644);
    }

    pub(super) fn say_applied(&mut self, report: &ApplyReport, took: Duration) {
        let writes = count(&report.outcomes, Fate::Written) + count(&report.outcomes, Fate::Restored);
        let applied = report.ending == Ending::Applied;
        self.last = Some(LastApply { ended: now(), applied, seconds: took.as_secs_f64(), writes });
        self.drifts.forget(now());
        if let Ok(machine) = self.library.machine() {
            self.drifts.set_policy(machine.drift);
        }
        let milliseconds = took.as_millis();
        let message = match &report.error {
            None => format!("{} applied: {} written in {milliseconds} ms", report.profile, knobs(writes)),
            Some(error) => format!("{} was not applied: {error}", report.profile),
        };
        let priority = if applied { Priority::Notice } else { Priority::Error };
        self.say(priority, &message, &[("DIAPASON_PROFILE", &report.profile)]);
        self.say_failed(&report.outcomes);
        self.stirred = true;
    }

    pub(super) fn say_rolled_back(&mut self, report: &RollbackReport) {
        self.drifts.forget(now());
        let profile = report.profile.as_deref().unwrap_or("nothing");
        let restored = knobs(count(&report.outcomes, Fate::Restored));
        let message = if report.complete {
            format!("{profile} rolled back: {restored} restored")
        } else {
            format!("{profile} is not wholly rolled back: {restored} restored")
        };
        let priority = if report.complete { Priority::Notice } else { Priority::Error };
        self.say(priority, &message, &[("DIAPASON_PROFILE", profile)]);
        self.say_failed(&report.outcomes);
        self.stirred = true;
    }

    fn say_failed(&self, outcomes: &[Outcome]) {
        for outcome in outcomes.iter().filter(|outcome| outcome.fate == Fate::Failed) {
            let message = format!("{}: {}", outcome.knob, outcome.detail.as_deref().unwrap_or("failed"));
            self.say(Priority::Error, &message, &[("DIAPASON_KNOB", &outcome.knob)]);
        }
    }

    /// Says something where the daemon says things.
    pub fn say(&self, priority: Priority, message: &str, fields: &[(&str, &str)]) {
        self.surroundings.log.say(priority, message, fields);
    }
}

fn count(outcomes: &[Outcome], fate: Fate) -> usize {
    outcomes.iter().filter(|outcome| outcome.fate == fate).count()
}

fn knobs(number: usize) -> String {
    format!("{number} knob{}", if number == 1 { "" } else { "s" })
}

/// Whether a knob is on a device, or hangs on its coming. Pure.
fn is_on(instance: &Instance, device: &Device) -> bool {
    let spec = instance.knob.spec();
    let family = spec.name.split('.').next().unwrap_or_default();
    let target = instance.target.as_str();
    match (device, family) {
        // A CPU that is switched on brings its frequency policy, its idle states and its latency with it.
        (Device::Cpu(_), "cpu") => !target.is_empty(),
        (Device::Disk(name) | Device::Interface(name), _) => target
            .strip_prefix(name.as_str())
            .is_some_and(|rest| !rest.starts_with(|letter: char| letter.is_ascii_alphanumeric())),
        (Device::Cpu(_), _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_brings_its_own_knobs() {
        let disk = |name: &str| Device::Disk(name.to_owned());
        let on = |knob: &str, device: &Device| is_on(&Instance::find(knob).unwrap(), device);
        assert!(on("block.sda.scheduler", &disk("sda")));
        assert!(!on("block.sdaa.scheduler", &disk("sda")));
        assert!(!on("block.sda.scheduler", &disk("sdaa")));
        assert!(!on("vm.swappiness", &disk("sda")));
        assert!(on("nic.eth0.gro_flush_timeout", &Device::Interface("eth0".to_owned())));
        assert!(on("cpu.policy3.governor", &Device::Cpu(3)));
        assert!(!on("cpu.dma_latency", &Device::Cpu(3)));
    }
}
