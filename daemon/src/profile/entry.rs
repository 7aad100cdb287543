//! What one knob should be, where, and why: the entry of a profile, and how it reads in TOML.

use std::ops::Range;

use serde::Serialize;
use toml::de::DeValue;

use super::amount::{Amounts, expand};
use super::condition::Condition;
use super::place::Place;
use super::problem::{Problem, ProfileError};
use super::role::{self, Role};
use super::source::{Key, Source, Table, Value};
use crate::knob::{self, Form, FormError, KnobError, Named};
use crate::root::Root;

/// What one knob should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The knob, `block.scheduler`, or the knob on one device, `block.sda.scheduler`.
    pub knob: String,
    /// The value.
    pub ask: Ask,
    /// Why.
    pub reason: String,
    /// From where.
    pub source: String,
    /// Whether the profile holds even if the machine refuses this one.
    pub optional: bool,
    /// Devices it is meant for, as shell patterns or as roles of processors; empty means all but those that the knob
    /// skips.
    pub on: Vec<String>,
    /// Disks it is meant for; only for knobs of the family `block`.
    pub disks: Option<Disks>,
    /// Drivers of the devices it is meant for, as shell patterns; only for disks and network interfaces.
    pub driver: Vec<String>,
    /// Machines it is meant for: all of these must hold.
    pub when: Vec<Condition>,
    /// How late it was said: entries of a higher layer that hold here replace those of a lower one.
    pub layer: usize,
    /// Where it is written.
    pub place: Place,
}

/// The wanted value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ask {
    /// Exactly this.
    Equal(String),
    /// This, unless the machine has more already.
    AtLeast(String),
    /// This, unless the machine has less already.
    AtMost(String),
    /// The first of these that the machine offers, unless it has one of them already.
    OneOf(Vec<String>),
}

impl Ask {
    /// The value in words.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Equal(text) | Self::AtLeast(text) | Self::AtMost(text) => text.clone(),
            Self::OneOf(texts) => texts.join(" | "),
        }
    }

    /// The value in words, with its bound.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Equal(_) => self.text(),
            Self::AtLeast(_) => format!("at least {}", self.text()),
            Self::AtMost(_) => format!("at most {}", self.text()),
            Self::OneOf(_) => format!("one of {}", self.text()),
        }
    }

    /// Every value that may be written.
    #[must_use]
    pub fn candidates(&self) -> Vec<&str> {
        match self {
            Self::Equal(text) | Self::AtLeast(text) | Self::AtMost(text) => vec![text],
            Self::OneOf(texts) => texts.iter().map(String::as_str).collect(),
        }
    }
}

/// A kind of disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Disks {
    /// Those that turn.
    Rotational,
    /// Flash and virtual disks.
    SolidState,
    /// Those on the NVMe driver.
    Nvme,
}

/// The keys of an entry.
pub(crate) const KEYS: &[&str] = &[
    "value", "at_least", "at_most", "one_of", "reason", "source", "optional", "on", "disks", "driver", "when",
];

/// The families whose devices have a driver that the host's facts know.
const WITH_DRIVER: &[&str] = &["block.", "nic."];

/// Reads entries: which keys they may have and what stands in for a source that is missing differ between a
/// profile and the machine's own file.
pub(super) struct Reader<'a> {
    pub source: &'a Source<'a>,
    /// The keys that may stand here.
    pub keys: &'static [&'static str],
    /// What stands for a source, where none need be named.
    pub without_source: Option<&'static str>,
    /// The conditions by name.
    pub conditions: &'a [Condition],
}

impl Reader<'_> {
    /// One entry for a table, several for a list of tables.
    pub fn entries(
        &self,
        name: &Key<'_>,
        value: &Value<'_>,
        section: &[Condition],
        entries: &mut Vec<Entry>,
    ) -> Result<(), ProfileError> {
        match value.get_ref() {
            DeValue::Table(table) => entries.push(self.entry(name, &name.span(), table, section)?),
            DeValue::Array(items) => {
                for item in items {
                    let DeValue::Table(table) = item.get_ref() else {
                        return Err(self.source.wrong(item, name.get_ref(), "a table"));
                    };
                    let at = if item.span().is_empty() { name.span() } else { item.span() };
                    entries.push(self.entry(name, &at, table, section)?);
                }
            }
            _ => {
                return Err(self.source.wrong(
                    value,
                    name.get_ref(),
                    "a table with value, reason and source",
                ));
            }
        }
        Ok(())
    }

    fn entry(
        &self,
        name: &Key<'_>,
        at: &Range<usize>,
        table: &Table<'_>,
        section: &[Condition],
    ) -> Result<Entry, ProfileError> {
        let source = self.source;
        source.known(table, self.keys)?;
        let knob_name = name.get_ref().to_string();
        let named = knob::find(&knob_name).map_err(|unknown| source.error(&name.span(), unknown.into()))?;
        let spec = named.knob().spec();
        let everywhere = matches!(named, Named::Everywhere(_)) && !spec.is_single();
        let refuse = |key: &'static str, allowed: bool| match table.get(key).filter(|_| !allowed) {
            Some(value) => {
                Err(source.error(&value.span(), Problem::NoDevice { knob: knob_name.clone(), key }))
            }
            None => Ok(()),
        };
        refuse("on", everywhere)?;
        refuse("disks", everywhere && spec.name.starts_with("block."))?;
        refuse("driver", everywhere && WITH_DRIVER.iter().any(|family| spec.name.starts_with(family)))?;
        let words = |key| -> Result<Vec<String>, ProfileError> {
            Ok(source.words(table, key)?.into_iter().map(|(_, word)| word).collect())
        };
        let from = match (table.get("source"), self.without_source) {
            (None, Some(stand_in)) => stand_in.to_owned(),
            _ => source.text_of(table, at, "source", &knob_name)?,
        };
        let mut when = section.to_vec();
        when.extend(self.when(table)?);
        Ok(Entry {
            ask: self.ask(table, at, &named, &knob_name)?,
            reason: source.text_of(table, at, "reason", &knob_name)?,
            source: from,
            optional: source.flag(table, "optional")?,
            on: words("on")?,
            disks: self.disks(table)?,
            driver: words("driver")?,
            when,
            layer: 0,
            place: source.place(at),
            knob: knob_name,
        })
    }

    /// The conditions that `when` names.
    pub fn when(&self, table: &Table<'_>) -> Result<Vec<Condition>, ProfileError> {
        let mut found = Vec::new();
        for (span, word) in self.source.words(table, "when")? {
            let (name, wanted) = word.strip_prefix('!').map_or((word.as_str(), true), |name| (name, false));
            let condition = self.conditions.iter().find(|condition| condition.name == name);
            let unknown = || {
                let names = self.conditions.iter().map(|condition| condition.name.as_str());
                let suggestion = knob::nearest(name, names).map(str::to_owned);
                self.source.error(&span, Problem::NoCondition { name: name.to_owned(), suggestion })
            };
            found.push(Condition { wanted, ..condition.ok_or_else(unknown)?.clone() });
        }
        Ok(found)
    }

    fn ask(
        &self,
        table: &Table<'_>,
        at: &Range<usize>,
        named: &Named,
        name: &str,
    ) -> Result<Ask, ProfileError> {
        let given: Vec<_> = ["value", "at_least", "at_most", "one_of"]
            .into_iter()
            .filter_map(|key| Some((key, table.get(key)?)))
            .collect();
        let (key, value) = match given[..] {
            [] => return Err(self.source.error(at, Problem::Missing { of: name.to_owned(), key: "value" })),
            [one] => one,
            [(first, _), (second, value), ..] => {
                let twice = Problem::Twice { knob: name.to_owned(), first, second };
                return Err(self.source.error(&value.span(), twice));
            }
        };
        if key == "one_of" {
            let DeValue::Array(items) = value.get_ref() else {
                return Err(self.source.wrong(value, key, "a list of values, the best first"));
            };
            if items.is_empty() {
                return Err(self.source.error(&value.span(), Problem::Empty { key: key.to_owned() }));
            }
            let texts = items.iter().map(|item| self.checked(item, key, named, name));
            return Ok(Ask::OneOf(texts.collect::<Result<_, _>>()?));
        }
        let text = self.checked(value, key, named, name)?;
        if key != "value" && !matches!(named.knob().spec().form, Form::Integer { .. }) {
            return Err(self.source.error(&value.span(), Problem::NoBound { knob: name.to_owned(), key }));
        }
        Ok(match key {
            "at_least" => Ask::AtLeast(text),
            "at_most" => Ask::AtMost(text),
            _ => Ask::Equal(text),
        })
    }

    /// The text of a value that the knob can have on some machine.
    fn checked(
        &self,
        value: &Value<'_>,
        key: &str,
        named: &Named,
        name: &str,
    ) -> Result<String, ProfileError> {
        let text = self.source.value(value, key)?;
        let form = named.knob().spec().form;
        if role::takes(&form) && Role::of(&text).is_some() {
            return Ok(text);
        }
        let target = match named {
            Named::One(instance) => instance.target.as_str(),
            Named::Everywhere(_) => "",
        };
        // Any CPU shows whether the form is right.
        let filled = role::fill(&text, |_| "0".to_owned()).unwrap_or_else(|_| text.clone());
        let sample = expand(&filled, name, &form, &Amounts::ANY);
        let settled = match named.knob().settle(&Root::nowhere(), target, &sample) {
            // What only a machine can refuse is no fault of the profile; the form is.
            Err(error) if !matches!(error, KnobError::Form(_)) => form.canonical(&sample).map_err(Into::into),
            settled => settled,
        };
        match settled {
            // The share of another machine may fit.
            Err(KnobError::Form(FormError::Range { .. })) if sample != text => Ok(text),
            Err(error) => {
                let problem = Problem::Value { knob: name.to_owned(), error };
                Err(self.source.error(&value.span(), problem))
            }
            Ok(_) => Ok(text),
        }
    }

    fn disks(&self, table: &Table<'_>) -> Result<Option<Disks>, ProfileError> {
        let Some(value) = table.get("disks") else { return Ok(None) };
        match value.get_ref() {
            DeValue::String(word) if word == "rotational" => Ok(Some(Disks::Rotational)),
            DeValue::String(word) if word == "solid-state" => Ok(Some(Disks::SolidState)),
            DeValue::String(word) if word == "nvme" => Ok(Some(Disks::Nvme)),
            _ => Err(self.source.wrong(value, "disks", "\"rotational\", \"solid-state\" or \"nvme\"")),
        }
    }
}
