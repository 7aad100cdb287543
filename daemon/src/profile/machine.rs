//! The machine's own file, /etc/diapason/machine.toml: what no profile can know.
//!
//! Which processors are for the workload, single values that differ on this machine whatever profile is in force,
//! what no profile may touch, and what to do when somebody else changes a knob.
//!
//! ```toml
//! drift = "report"                      # or "reapply", "back-off"
//!
//! [cpus]
//! isolated = "2-7"                      # the others keep house
//!
//! [knob."vm.swappiness"]
//! value = 1
//! reason = "measured here: the engine's pages were swapped at 10"
//!
//! [[never]]
//! knob = "nic.eth0.*"
//! reason = "the out-of-band interface"
//! ```

use std::ops::Range;

use serde::{Deserialize, Serialize};
use toml::de::DeValue;

use super::condition::Condition;
use super::entry::{Entry, Reader};
use super::problem::{Problem, ProfileError};
use super::source::{Source, Table};
use crate::cpu_set::CpuSet;
use crate::knob::{self, FormError};
use crate::pattern::covers;
use crate::root::Root;

/// Where it is.
pub const FILE: &str = "/etc/diapason/machine.toml";

/// What to do when somebody else changes a knob that is held.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Drift {
    /// Say so, and leave it as they left it.
    #[default]
    Report,
    /// Write it again.
    Reapply,
    /// Give the knob up: it is theirs until the next apply.
    BackOff,
}

/// Something that no profile may touch here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Never {
    /// A pattern of full names, `block.sda.*`, or of the knob's own name, `block.scheduler`.
    pub knob: Option<String>,
    /// A pattern of devices.
    pub device: Option<String>,
    /// Why.
    pub reason: String,
}

impl Never {
    /// Whether it covers the instance `full` of the knob `knob` on `device`.
    #[must_use]
    pub fn covers(&self, full: &str, knob: &str, device: &str) -> bool {
        let named = self.knob.as_ref().is_none_or(|pattern| covers(pattern, full) || covers(pattern, knob));
        let there = self.device.as_ref().is_none_or(|pattern| !device.is_empty() && covers(pattern, device));
        named && there
    }
}

/// What a machine says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// What to do when somebody else changes a knob that is held.
    pub drift: Drift,
    /// The processors for the workload alone, where the file says so.
    pub isolated: Option<CpuSet>,
    /// The processors for everything else, where the file says so.
    pub housekeeping: Option<CpuSet>,
    /// Values that hold whatever profile is in force.
    pub entries: Vec<Entry>,
    /// What no profile may touch.
    pub never: Vec<Never>,
}

/// The keys of the file.
pub(crate) const KEYS: &[&str] = &["drift", "cpus", "knob", "never"];
/// An override needs no source: it is the administrator's word.
const ENTRY_KEYS: &[&str] =
    &["value", "at_least", "at_most", "one_of", "reason", "source", "optional", "on", "disks", "driver"];

impl Machine {
    /// The file of the machine or tree `root`; a machine without one says nothing.
    ///
    /// # Errors
    /// When it is there and cannot be read, or is wrong.
    pub fn read(root: &Root) -> Result<Self, ProfileError> {
        let Some(text) = root.read(FILE)? else { return Ok(Self::default()) };
        let shown = root.prefix().join(FILE.trim_start_matches('/')).display().to_string();
        Self::parse(&shown, &text)
    }

    /// The machine that a text describes; `file` is for messages. Pure.
    ///
    /// # Errors
    /// When the text is wrong.
    pub fn parse(file: &str, text: &str) -> Result<Self, ProfileError> {
        let source = Source { file: file.to_owned(), text };
        let parsed = source.parse()?;
        let table = parsed.get_ref();
        source.known(table, KEYS)?;
        let mut machine = Self { drift: drift(&source, table)?, ..Self::default() };
        if let Some(value) = table.get("cpus") {
            let cpus = source.table(value, "cpus")?;
            source.known(cpus, &["isolated", "housekeeping"])?;
            machine.isolated = list(&source, cpus, "isolated")?;
            machine.housekeeping = list(&source, cpus, "housekeeping")?;
            let both = match (&machine.isolated, &machine.housekeeping) {
                (Some(one), Some(other)) => one.intersection(other),
                _ => CpuSet::new(),
            };
            if let Some(value) = cpus.get("isolated").filter(|_| !both.is_empty()) {
                return Err(source.error(&value.span(), Problem::Overlap { both }));
            }
        }
        let conditions: [Condition; 0] = [];
        let reader = Reader {
            source: &source,
            keys: ENTRY_KEYS,
            without_source: Some("this machine's own file"),
            conditions: &conditions,
        };
        if let Some(knobs) = table.get("knob") {
            for (name, value) in source.table(knobs, "knob")? {
                reader.entries(name, value, &[], &mut machine.entries)?;
            }
            machine.entries.sort_by_key(|entry| (entry.place.line, entry.place.column));
        }
        for (at, table) in source.tables(table, "never")? {
            machine.never.push(never(&source, &at, table)?);
        }
        Ok(machine)
    }
}

fn drift(source: &Source<'_>, table: &Table<'_>) -> Result<Drift, ProfileError> {
    let Some(value) = table.get("drift") else { return Ok(Drift::default()) };
    let expected = "\"report\", \"reapply\" or \"back-off\"";
    let DeValue::String(word) = value.get_ref() else { return Err(source.wrong(value, "drift", expected)) };
    match word.as_ref() {
        "report" => Ok(Drift::Report),
        "reapply" => Ok(Drift::Reapply),
        "back-off" => Ok(Drift::BackOff),
        other => {
            let problem = Problem::Word { key: "drift", given: other.to_owned(), expected };
            Err(source.error(&value.span(), problem))
        }
    }
}

/// A list of processors, `2-7`, or nothing at all: then the role is empty.
fn list(source: &Source<'_>, table: &Table<'_>, key: &'static str) -> Result<Option<CpuSet>, ProfileError> {
    let Some(value) = table.get(key) else { return Ok(None) };
    let expected = "a list of CPUs such as \"2-7\", or \"\" for none";
    let DeValue::String(text) = value.get_ref() else { return Err(source.wrong(value, key, expected)) };
    let wrong = |error| {
        let problem = Problem::Value { knob: key.to_owned(), error: FormError::Cpus(error).into() };
        source.error(&value.span(), problem)
    };
    CpuSet::parse_list(text).map(Some).map_err(wrong)
}

fn never(source: &Source<'_>, at: &Range<usize>, table: &Table<'_>) -> Result<Never, ProfileError> {
    source.known(table, &["knob", "device", "reason"])?;
    let word = |key: &'static str| -> Result<Option<String>, ProfileError> {
        if table.contains_key(key) { source.text_of(table, at, key, "never").map(Some) } else { Ok(None) }
    };
    let (pattern, device) = (word("knob")?, word("device")?);
    if pattern.is_none() && device.is_none() {
        return Err(source.error(at, Problem::Missing { of: "never".to_owned(), key: "knob" }));
    }
    if let (Some(pattern), Some(value)) = (&pattern, table.get("knob")) {
        let literal = knob::find(pattern).is_ok();
        // `block.sda.*` covers no knob's own name, so its family is asked as well.
        let family = pattern.split('.').next().unwrap_or_default();
        let known = |name: &str| covers(pattern, name) || name.split('.').next() == Some(family);
        if !literal && !knob::all().any(|knob| known(knob.spec().name)) {
            let problem = Problem::NoSuchKnobs { pattern: pattern.clone() };
            return Err(source.error(&value.span(), problem));
        }
    }
    Ok(Never { knob: pattern, device, reason: source.text_of(table, at, "reason", "never")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Machine, String> {
        Machine::parse("machine.toml", text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_machine_says_what_no_profile_can_know() {
        let machine = parse(
            "drift = \"back-off\"\n[cpus]\nisolated = \"2-7\"\n[knob.\"vm.swappiness\"]\nvalue = 1\nreason = \"r\"\n\
             [[never]]\nknob = \"nic.eth0.*\"\nreason = \"management\"\n[[never]]\ndevice = \"sd?\"\nreason = \"backup\"\n",
        )
        .unwrap();
        assert_eq!(
            (machine.drift, machine.isolated.clone().map(String::from)),
            (Drift::BackOff, Some("2-7".into()))
        );
        assert_eq!(machine.entries[0].source, "this machine's own file");
        let never = |full: &str, own: &str, device: &str| {
            machine
                .never
                .iter()
                .find(|never| never.covers(full, own, device))
                .map(|never| never.reason.as_str())
        };
        assert_eq!(never("nic.eth0.tx_queue_len", "nic.tx_queue_len", "eth0"), Some("management"));
        assert_eq!(never("block.sda.scheduler", "block.scheduler", "sda"), Some("backup"));
        assert_eq!(never("vm.swappiness", "vm.swappiness", ""), None);
        assert_eq!(parse(""), Ok(Machine::default()));
    }

    #[test]
    fn every_error_names_its_place_and_a_remedy() {
        for (text, message) in [
            (
                "drift = \"fight\"",
                "machine.toml:1:9: drift is \"fight\"; give \"report\", \"reapply\" or \"back-off\"",
            ),
            (
                "[cpus]\nisolated = \"two\"",
                "machine.toml:2:12: isolated: \"two\", character 1: \"two\" is no CPU and no range of them; give a list like 0-3,8",
            ),
            (
                "[cpus]\nhousekeeping = \"0-2\"\nisolated = \"2-7\"",
                "machine.toml:3:12: housekeeping and isolated share the CPUs 2; give each CPU one role",
            ),
            (
                "[knob.\"vm.swappiness\"]\nvalue = 1",
                "machine.toml:1:7: vm.swappiness has no reason; add `reason = ...`",
            ),
            ("[[never]]\nreason = \"r\"", "machine.toml:1:1: never has no knob; add `knob = ...`"),
            (
                "[[never]]\nknob = \"nix.*\"\nreason = \"r\"",
                "machine.toml:2:8: no knob is named like \"nix.*\"; `diapason tune knobs` lists them",
            ),
            (
                "cpu = 1",
                "machine.toml:1:1: unknown key \"cpu\"; did you mean \"cpus\"?; known are drift, cpus, knob, never",
            ),
        ] {
            assert_eq!(parse(text), Err(message.to_owned()), "{text}");
        }
    }
}
