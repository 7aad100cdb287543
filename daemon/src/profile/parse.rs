//! The text of a profile -> the profile, with the place of every error. Pure.

use toml::de::DeValue;

use super::condition::{Condition, Demand, FACTS, Fact, Kind, Test};
use super::entry::{self, Reader};
use super::problem::{Problem, ProfileError};
use super::source::{Key, Source, Table, Value};
use super::{Fit, Include, Profile, Variable};

/// The keys of a profile.
pub(crate) const KEYS: &[&str] = &["summary", "include", "when", "fits", "knob", "environment"];

/// Points beyond this say nothing more.
const SCORE_MAX: i64 = 100;

/// A profile of its own file alone; includes are joined by the library.
pub(super) fn parse(name: &str, origin: &str, text: &str) -> Result<Profile, ProfileError> {
    let source = Source { file: origin.to_owned(), text };
    let parsed = source.parse()?;
    let table = parsed.get_ref();
    source.known(table, KEYS)?;
    let mut profile = Profile {
        name: name.to_owned(),
        summary: source.text_of(table, &(0..0), "summary", "the profile")?,
        include: include(&source, table)?,
        origin: origin.to_owned(),
        fits: Vec::new(),
        entries: Vec::new(),
        variables: Vec::new(),
        machine: super::Machine::default(),
    };
    let mut conditions = Vec::new();
    let mut sections = Vec::new();
    if let Some(value) = table.get("when") {
        for (name, value) in source.table(value, "when")? {
            let table = source.table(value, name.get_ref())?;
            let condition = condition(&source, name, table)?;
            sections.push((condition.clone(), table));
            conditions.push(condition);
        }
    }
    let reader = Reader { source: &source, keys: entry::KEYS, without_source: None, conditions: &conditions };
    section(&reader, table, &[], &mut profile)?;
    for (condition, table) in sections {
        let has_content = table.contains_key("knob") || table.contains_key("environment");
        if has_content {
            section(&reader, table, &[condition], &mut profile)?;
        }
    }
    // Tables come sorted by name; entries are kept as written.
    profile.entries.sort_by_key(|entry| (entry.place.line, entry.place.column));
    profile.variables.sort_by_key(|variable| (variable.place.line, variable.place.column));
    for (at, table) in source.tables(table, "fits")? {
        profile.fits.push(fit(&reader, &at, table)?);
    }
    Ok(profile)
}

/// The knobs and variables of a profile, or of one of its conditions.
fn section(
    reader: &Reader<'_>,
    table: &Table<'_>,
    when: &[Condition],
    profile: &mut Profile,
) -> Result<(), ProfileError> {
    if let Some(knobs) = table.get("knob") {
        for (name, value) in reader.source.table(knobs, "knob")? {
            reader.entries(name, value, when, &mut profile.entries)?;
        }
    }
    if let Some(variables) = table.get("environment") {
        for (name, value) in reader.source.table(variables, "environment")? {
            profile.variables.push(variable(reader, name, value, when)?);
        }
    }
    Ok(())
}

fn include(source: &Source<'_>, table: &Table<'_>) -> Result<Vec<Include>, ProfileError> {
    let one = |(span, name)| Include { name, place: source.place(&span), excerpt: source.excerpt(&span) };
    Ok(source.words(table, "include")?.into_iter().map(one).collect())
}

fn condition(source: &Source<'_>, name: &Key<'_>, table: &Table<'_>) -> Result<Condition, ProfileError> {
    let facts = FACTS.iter().map(|fact| fact.name);
    let known: Vec<&'static str> = facts.chain(["knob", "environment"]).collect();
    source.known(table, &known)?;
    let mut demands = Vec::new();
    for fact in FACTS {
        if let Some(value) = table.get(fact.name) {
            demands.push(Demand { fact: fact.name, test: test(source, fact, value)? });
        }
    }
    let name_text = name.get_ref().to_string();
    if demands.is_empty() {
        return Err(source.error(&name.span(), Problem::EmptyCondition { name: name_text }));
    }
    Ok(Condition { name: name_text, wanted: true, demands })
}

fn test(source: &Source<'_>, fact: &Fact, value: &Value<'_>) -> Result<Test, ProfileError> {
    let wrong = || source.wrong(value, fact.name, fact.expected());
    match (fact.kind, value.get_ref()) {
        (Kind::Flag, DeValue::Boolean(flag)) => Ok(Test::Flag(*flag)),
        (Kind::Words, DeValue::Array(items)) if !items.is_empty() => {
            let word = |item: &Value<'_>| match item.get_ref() {
                DeValue::String(text) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
                _ => Err(source.wrong(item, fact.name, fact.expected())),
            };
            Ok(Test::Words(items.iter().map(word).collect::<Result<_, _>>()?))
        }
        (Kind::Count, DeValue::Integer(_)) => {
            let number = source.integer(value, fact.name)?.unwrap_or_default();
            fact.test(&number.to_string()).ok_or_else(wrong)
        }
        (_, DeValue::String(text)) => {
            let given = text.to_string();
            let bad = || Problem::Word { key: fact.name, given, expected: fact.expected() };
            fact.test(text).ok_or_else(|| source.error(&value.span(), bad()))
        }
        _ => Err(wrong()),
    }
}

fn fit(reader: &Reader<'_>, at: &std::ops::Range<usize>, table: &Table<'_>) -> Result<Fit, ProfileError> {
    let source = reader.source;
    source.known(table, &["when", "score", "reason"])?;
    let missing = |key| source.error(at, Problem::Missing { of: "fits".to_owned(), key });
    let value = table.get("score").ok_or_else(|| missing("score"))?;
    let score = source.integer(value, "score")?.filter(|score| score.abs() <= SCORE_MAX && *score != 0);
    Ok(Fit {
        score: score.ok_or_else(|| source.wrong(value, "score", "points from -100 to 100, but not 0"))?,
        reason: source.text_of(table, at, "reason", "fits")?,
        when: reader.when(table)?,
    })
}

fn variable(
    reader: &Reader<'_>,
    name: &Key<'_>,
    value: &Value<'_>,
    section: &[Condition],
) -> Result<Variable, ProfileError> {
    let source = reader.source;
    let table = source.table(value, name.get_ref())?;
    source.known(table, &["value", "reason", "when"])?;
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let word = name.get_ref().to_string();
    if !word.bytes().all(letters) || word.bytes().next().is_none_or(|byte| byte.is_ascii_digit()) {
        return Err(source.error(&name.span(), Problem::Variable { name: word }));
    }
    let missing = || source.error(&name.span(), Problem::Missing { of: word.clone(), key: "value" });
    let text = table.get("value").ok_or_else(missing)?;
    let mut when = section.to_vec();
    when.extend(reader.when(table)?);
    Ok(Variable {
        value: source.value(text, "value")?,
        reason: source.text_of(table, &name.span(), "reason", &word)?,
        place: source.place(&name.span()),
        when,
        name: word,
    })
}

#[cfg(test)]
mod tests;
