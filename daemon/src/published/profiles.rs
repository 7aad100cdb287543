//! Profiles, and the machine's own file.
//!
//! Each knob has its own values: bounds of numbers, words of a choice. A text that stands for a number (`16MiB`,
//! `10% memory`) is allowed where a number is; whether it fits is for `diapason tune plan` to say.

use serde_json::{Map, Value, json};

use crate::knob::{Form, Spec, all};
use crate::profile::condition::{FACTS, Fact, Kind};
use crate::profile::{ENTRY_KEYS, MACHINE_KEYS, PROFILE_KEYS};

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// What a value may be.
fn value(form: &Form) -> Value {
    let text = json!({ "type": "string", "minLength": 1 });
    match *form {
        Form::Integer { min, max, .. } => {
            json!({ "anyOf": [{ "type": "integer", "minimum": min, "maximum": max }, text] })
        }
        Form::IntegerOr { min, max, word } => {
            json!({ "anyOf": [{ "type": "integer", "minimum": min, "maximum": max }, { "const": word }, text] })
        }
        Form::Integers { count, min, max } => {
            let item = json!({ "type": "integer", "minimum": min, "maximum": max });
            json!({ "anyOf": [{ "type": "array", "items": item, "minItems": count, "maxItems": count }, text] })
        }
        Form::Choice(words) => json!({ "enum": words }),
        Form::Word | Form::Cpus => text,
        _ => {
            json!({ "anyOf": [text, { "type": "integer" }, { "type": "array", "items": { "type": ["string", "integer"] } }] })
        }
    }
}

fn words() -> Value {
    let word = json!({ "type": "string", "minLength": 1 });
    json!({ "anyOf": [word, { "type": "array", "items": word }] })
}

/// Definitions that many knobs share, by what is in them.
#[derive(Default)]
struct Shared(Vec<(String, Value)>);

impl Shared {
    /// A reference to a definition, which is added if no equal one is there.
    fn reference(&mut self, kind: &str, schema: Value) -> Value {
        let known = self.0.iter().find(|(_, other)| *other == schema).map(|(name, _)| name.clone());
        let name = known.unwrap_or_else(|| {
            let name = format!("{kind}-{}", self.0.len());
            self.0.push((name.clone(), schema));
            name
        });
        json!({ "$ref": format!("#/$defs/{name}") })
    }

    fn into_map(self) -> Map<String, Value> {
        self.0.into_iter().collect()
    }
}

/// The entry of a knob, or a list of them; `required` differs between a profile and the machine's own file.
fn entry(shared: &mut Shared, spec: &Spec, device: bool, required: &[&str], conditional: bool) -> Value {
    let one = shared.reference("value", value(&spec.form));
    let number = matches!(spec.form, Form::Integer { .. });
    let mut properties = Map::new();
    for key in ENTRY_KEYS {
        let schema = match *key {
            "value" => one.clone(),
            "at_least" | "at_most" if number => one.clone(),
            "one_of" => json!({ "type": "array", "items": one, "minItems": 1 }),
            "reason" | "source" => json!({ "type": "string", "pattern": "\\S" }),
            "optional" => json!({ "type": "boolean" }),
            "on" => words(),
            "driver" if device && ["block.", "nic."].iter().any(|family| spec.name.starts_with(family)) => {
                words()
            }
            "disks" if device && spec.name.starts_with("block.") => {
                json!({ "enum": ["rotational", "solid-state", "nvme"] })
            }
            "when" if conditional => words(),
            _ => continue,
        };
        if *key != "on" || device {
            properties.insert((*key).to_owned(), schema);
        }
    }
    let mut kinds = vec![json!({ "required": ["value"] }), json!({ "required": ["one_of"] })];
    if number {
        kinds.extend([json!({ "required": ["at_least"] }), json!({ "required": ["at_most"] })]);
    }
    let table = json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        "required": required,
        "oneOf": kinds,
    });
    let table = shared.reference("entry", table);
    shared
        .reference("entries", json!({ "anyOf": [table, { "type": "array", "items": table, "minItems": 1 }] }))
}

fn knobs(shared: &mut Shared, required: &[&str], conditional: bool) -> Value {
    let (mut properties, mut patterns) = (Map::new(), Map::new());
    for knob in all() {
        let spec = knob.spec();
        let mut schema = entry(shared, spec, !spec.is_single(), required, conditional);
        schema["description"] = spec.reason.into();
        properties.insert(spec.name.to_owned(), schema);
        if let Some((family, attribute)) = spec.name.split_once('.').filter(|_| !spec.is_single()) {
            let escaped = |text: &str| text.replace('.', "\\.");
            let pattern = format!("^{}\\.[^/]+\\.{}$", escaped(family), escaped(attribute));
            patterns.insert(pattern, entry(shared, spec, false, required, conditional));
        }
    }
    json!({
        "type": "object",
        "properties": properties,
        "patternProperties": patterns,
        "additionalProperties": false,
    })
}

fn fact(fact: &Fact) -> Value {
    let text = json!({ "type": "string", "minLength": 1 });
    let mut schema = match fact.kind {
        Kind::Words => json!({ "anyOf": [text, { "type": "array", "items": text, "minItems": 1 }] }),
        Kind::Count => json!({ "anyOf": [text, { "type": "integer", "minimum": 0 }] }),
        Kind::Bytes | Kind::Version => text,
        Kind::Flag => json!({ "type": "boolean" }),
    };
    schema["description"] = fact.meaning.into();
    schema
}

fn environment() -> Value {
    let variable = json!({
        "type": "object",
        "properties": {
            "value": { "type": ["string", "integer", "array"] },
            "reason": { "type": "string", "pattern": "\\S" },
            "when": words(),
        },
        "additionalProperties": false,
        "required": ["value", "reason"],
    });
    json!({ "type": "object", "propertyNames": { "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" }, "additionalProperties": variable })
}

#[test]
fn a_profile_has_its_schema() {
    let mut when = Map::new();
    for one in FACTS {
        when.insert(one.name.to_owned(), fact(one));
    }
    when.insert("knob".to_owned(), json!({ "$ref": "#/$defs/knobs" }));
    when.insert("environment".to_owned(), json!({ "$ref": "#/$defs/environment" }));
    let mut properties = Map::new();
    for key in PROFILE_KEYS {
        let schema = match *key {
            "summary" => json!({ "type": "string", "pattern": "\\S" }),
            "include" => words(),
            "knob" => json!({ "$ref": "#/$defs/knobs" }),
            "environment" => json!({ "$ref": "#/$defs/environment" }),
            "when" => json!({
                "type": "object",
                "additionalProperties": { "type": "object", "properties": when, "additionalProperties": false, "minProperties": 1 },
            }),
            "fits" => json!({
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "when": words(),
                        "score": { "type": "integer", "minimum": -100, "maximum": 100, "not": { "const": 0 } },
                        "reason": { "type": "string", "pattern": "\\S" },
                    },
                    "additionalProperties": false,
                    "required": ["score", "reason"],
                },
            }),
            other => panic!("{other} has no schema"),
        };
        properties.insert((*key).to_owned(), schema);
    }
    let mut shared = Shared::default();
    let knobs = knobs(&mut shared, &["reason", "source"], true);
    let mut definitions = shared.into_map();
    definitions.insert("knobs".to_owned(), knobs);
    definitions.insert("environment".to_owned(), environment());
    let schema = json!({
        "$schema": DRAFT,
        "title": "A tuning profile of Diapason, as JSON reads TOML",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        "required": ["summary"],
        "$defs": definitions,
    });
    super::schema("profile", &schema);
}

#[test]
fn a_machine_has_its_schema() {
    let cpus = json!({ "type": "string", "pattern": "^[0-9, -]*$" });
    let mut shared = Shared::default();
    let knobs = knobs(&mut shared, &["reason"], false);
    let mut properties = Map::new();
    for key in MACHINE_KEYS {
        let schema = match *key {
            "drift" => json!({ "enum": ["report", "reapply", "back-off"] }),
            "cpus" => json!({
                "type": "object",
                "properties": { "isolated": cpus, "housekeeping": cpus },
                "additionalProperties": false,
            }),
            "knob" => knobs.clone(),
            "never" => json!({
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "knob": { "type": "string", "minLength": 1 },
                        "device": { "type": "string", "minLength": 1 },
                        "reason": { "type": "string", "pattern": "\\S" },
                    },
                    "additionalProperties": false,
                    "required": ["reason"],
                    "anyOf": [{ "required": ["knob"] }, { "required": ["device"] }],
                },
            }),
            other => panic!("{other} has no schema"),
        };
        properties.insert((*key).to_owned(), schema);
    }
    let schema = json!({
        "$schema": DRAFT,
        "title": "/etc/diapason/machine.toml, as JSON reads TOML",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        "$defs": shared.into_map(),
    });
    super::schema("machine", &schema);
}
