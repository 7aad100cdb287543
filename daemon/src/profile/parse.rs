//! TOML text -> profile, with the place of every error. Pure.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Ask, Disks, Entry, Place, Problem, Profile, ProfileError, Variable, expand_shares};
use crate::knob::{self, Form, nearest};
use crate::root::Root;

/// Longest value; a list of variables for a unit is the longest that makes sense.
const VALUE_LETTERS_MAX: usize = 4_096;

/// A profile of its own file alone; includes are joined by the library.
pub(super) fn parse(name: &str, origin: &str, text: &str) -> Result<Profile, ProfileError> {
    let source = Source { file: origin.to_owned(), text };
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().unwrap_or(0..0);
        source.error(&at, Problem::Toml { message: error.message().replace('\n', ", ") })
    })?;
    let table = table.get_ref();
    source.known(table, &["summary", "include", "knob", "environment"])?;
    let summary = source.text_of(table, &(0..0), "summary", "the profile")?;
    let mut profile = Profile {
        name: name.to_owned(),
        summary,
        include: source.words(table, "include")?,
        origin: origin.to_owned(),
        entries: Vec::new(),
        variables: Vec::new(),
    };
    if let Some(knobs) = table.get("knob") {
        for (name, value) in source.table(knobs, "knob")? {
            source.entries(name, value, &mut profile.entries)?;
        }
        // Tables come sorted by name; entries are kept as written.
        profile.entries.sort_by_key(|entry| (entry.place.line, entry.place.column));
    }
    if let Some(variables) = table.get("environment") {
        for (name, value) in source.table(variables, "environment")? {
            profile.variables.push(source.variable(name, value)?);
        }
    }
    Ok(profile)
}

struct Source<'a> {
    file: String,
    text: &'a str,
}

type Table<'a> = DeTable<'a>;

impl Source<'_> {
    fn place(&self, span: &Range<usize>) -> Place {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before[line_start..].chars().count() + 1;
        Place { file: self.file.clone(), line: before.matches('\n').count() + 1, column }
    }

    fn error(&self, span: &Range<usize>, problem: Problem) -> ProfileError {
        ProfileError::At { place: self.place(span), problem: Box::new(problem) }
    }

    fn wrong(&self, value: &Spanned<DeValue<'_>>, key: &str, expected: &'static str) -> ProfileError {
        let found = match value.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a fraction",
            DeValue::Boolean(_) => "a truth value",
            DeValue::Datetime(_) => "a time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.error(&value.span(), Problem::Type { key: key.to_owned(), found: found.to_owned(), expected })
    }

    fn known(&self, table: &Table<'_>, known: &[&'static str]) -> Result<(), ProfileError> {
        let Some((key, _)) = table.iter().find(|(key, _)| !known.contains(&key.get_ref().as_ref())) else {
            return Ok(());
        };
        let name = key.get_ref().to_string();
        let suggestion = nearest(&name, known.iter().copied()).map(str::to_owned);
        Err(self.error(&key.span(), Problem::Key { key: name, suggestion, known: known.to_vec() }))
    }

    fn table<'t>(&self, value: &'t Spanned<DeValue<'t>>, key: &str) -> Result<&'t Table<'t>, ProfileError> {
        match value.get_ref() {
            DeValue::Table(table) => Ok(table),
            _ => Err(self.wrong(value, key, "a table")),
        }
    }

    fn text_of(
        &self,
        table: &Table<'_>,
        at: &Range<usize>,
        key: &'static str,
        of: &str,
    ) -> Result<String, ProfileError> {
        let missing = || self.error(at, Problem::Missing { of: of.to_owned(), key });
        let value = table.get(key).ok_or_else(missing)?;
        let DeValue::String(text) = value.get_ref() else { return Err(self.wrong(value, key, "a string")) };
        if text.trim().is_empty() {
            return Err(self.error(&value.span(), Problem::Empty { key: key.to_owned() }));
        }
        Ok(text.to_string())
    }

    fn words(&self, table: &Table<'_>, key: &str) -> Result<Vec<String>, ProfileError> {
        let Some(value) = table.get(key) else { return Ok(Vec::new()) };
        let expected = "a string or a list of strings";
        match value.get_ref() {
            DeValue::String(text) => Ok(vec![text.to_string()]),
            DeValue::Array(items) => items
                .iter()
                .map(|item| match item.get_ref() {
                    DeValue::String(text) => Ok(text.to_string()),
                    _ => Err(self.wrong(item, key, expected)),
                })
                .collect(),
            _ => Err(self.wrong(value, key, expected)),
        }
    }

    /// One entry for a table, several for a list of tables.
    fn entries(
        &self,
        name: &Spanned<std::borrow::Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
        entries: &mut Vec<Entry>,
    ) -> Result<(), ProfileError> {
        match value.get_ref() {
            DeValue::Table(table) => entries.push(self.entry(name, &name.span(), table)?),
            DeValue::Array(items) => {
                for item in items {
                    let DeValue::Table(table) = item.get_ref() else {
                        return Err(self.wrong(item, name.get_ref(), "a table"));
                    };
                    let at = if item.span().is_empty() { name.span() } else { item.span() };
                    entries.push(self.entry(name, &at, table)?);
                }
            }
            _ => return Err(self.wrong(value, name.get_ref(), "a table with value, reason and source")),
        }
        Ok(())
    }

    fn entry(
        &self,
        name: &Spanned<std::borrow::Cow<'_, str>>,
        at: &Range<usize>,
        table: &Table<'_>,
    ) -> Result<Entry, ProfileError> {
        let keys = ["value", "at_least", "at_most", "reason", "source", "optional", "on", "disks"];
        self.known(table, &keys)?;
        let knob_name = name.get_ref().to_string();
        let named = knob::find(&knob_name).map_err(|unknown| self.error(&name.span(), unknown.into()))?;
        let spec = named.knob().spec();
        let on = self.words(table, "on")?;
        let everywhere = matches!(named, knob::Named::Everywhere(_)) && !spec.is_single();
        if let Some(value) = table.get("on").filter(|_| !everywhere) {
            return Err(self.error(&value.span(), Problem::NoDevice { knob: knob_name, key: "on" }));
        }
        let ask = self.ask(table, at, &named, &knob_name)?;
        let optional = match table.get("optional").map(|value| (value, value.get_ref())) {
            None => false,
            Some((_, DeValue::Boolean(optional))) => *optional,
            Some((value, _)) => return Err(self.wrong(value, "optional", "true or false")),
        };
        Ok(Entry {
            ask,
            reason: self.text_of(table, at, "reason", &knob_name)?,
            source: self.text_of(table, at, "source", &knob_name)?,
            optional,
            on,
            disks: self.disks(table, everywhere && spec.name.starts_with("block."), &knob_name)?,
            place: self.place(at),
            knob: knob_name,
        })
    }

    fn ask(
        &self,
        table: &Table<'_>,
        at: &Range<usize>,
        named: &knob::Named,
        name: &str,
    ) -> Result<Ask, ProfileError> {
        let given: Vec<_> = ["value", "at_least", "at_most"]
            .into_iter()
            .filter_map(|key| Some((key, table.get(key)?)))
            .collect();
        let (key, value) = match given[..] {
            [] => return Err(self.error(at, Problem::Missing { of: name.to_owned(), key: "value" })),
            [one] => one,
            [(first, _), (second, value), ..] => {
                return Err(
                    self.error(&value.span(), Problem::Twice { knob: name.to_owned(), first, second })
                );
            }
        };
        let text = self.value(value, key)?;
        let target = match named {
            knob::Named::One(instance) => instance.target.as_str(),
            knob::Named::Everywhere(_) => "",
        };
        // Any memory size shows whether the form is right; the machine's own is put in by `plan`.
        const MEMORY_BYTES: u64 = 1 << 40;
        let settled = named.knob().settle(&Root::nowhere(), target, &expand_shares(&text, MEMORY_BYTES));
        settled
            .map_err(|error| self.error(&value.span(), Problem::Value { knob: name.to_owned(), error }))?;
        let bound = || {
            let is_number = matches!(named.knob().spec().form, Form::Integer { .. });
            let number = is_number.then(|| text.trim().parse().ok()).flatten();
            number.ok_or_else(|| self.error(&value.span(), Problem::NoBound { knob: name.to_owned(), key }))
        };
        Ok(match key {
            "at_least" => Ask::AtLeast(bound()?),
            "at_most" => Ask::AtMost(bound()?),
            _ => Ask::Equal(text),
        })
    }

    /// A number or a string as it is, a list of numbers joined by blanks, a list of strings by line breaks.
    fn value(&self, value: &Spanned<DeValue<'_>>, key: &str) -> Result<String, ProfileError> {
        let expected = "a whole number, a string, or a list of one of them";
        let one = |item: &Spanned<DeValue<'_>>| match item.get_ref() {
            DeValue::String(text) if text.len() <= VALUE_LETTERS_MAX => Ok(text.to_string()),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map(|number| number.to_string())
                .map_err(|_| self.wrong(item, key, "a number below 2^63")),
            DeValue::Boolean(_) => Err(self.wrong(item, key, "0 or 1")),
            _ => Err(self.wrong(item, key, expected)),
        };
        let DeValue::Array(items) = value.get_ref() else { return one(value) };
        let texts: Vec<String> = items.iter().map(one).collect::<Result<_, _>>()?;
        let numbers = items.iter().all(|item| matches!(item.get_ref(), DeValue::Integer(_)));
        Ok(texts.join(if numbers { " " } else { "\n" }))
    }

    fn disks(&self, table: &Table<'_>, of_disks: bool, name: &str) -> Result<Option<Disks>, ProfileError> {
        let Some(value) = table.get("disks") else { return Ok(None) };
        if !of_disks {
            return Err(self.error(&value.span(), Problem::NoDevice { knob: name.to_owned(), key: "disks" }));
        }
        match value.get_ref() {
            DeValue::String(word) if word == "rotational" => Ok(Some(Disks::Rotational)),
            DeValue::String(word) if word == "solid-state" => Ok(Some(Disks::SolidState)),
            DeValue::String(word) if word == "nvme" => Ok(Some(Disks::Nvme)),
            _ => Err(self.wrong(value, "disks", "\"rotational\", \"solid-state\" or \"nvme\"")),
        }
    }

    fn variable(
        &self,
        name: &Spanned<std::borrow::Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<Variable, ProfileError> {
        let table = self.table(value, name.get_ref())?;
        self.known(table, &["value", "reason"])?;
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let word = name.get_ref().to_string();
        if !word.bytes().all(letters) || word.bytes().next().is_none_or(|byte| byte.is_ascii_digit()) {
            return Err(self.error(&name.span(), Problem::Variable { name: word }));
        }
        let missing = || self.error(&name.span(), Problem::Missing { of: word.clone(), key: "value" });
        let text = table.get("value").ok_or_else(missing)?;
        let reason = self.text_of(table, &name.span(), "reason", &word)?;
        Ok(Variable { value: self.value(text, "value")?, reason, name: word })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        parse("test", "test.toml", text).unwrap_err().to_string()
    }

    const GOOD: &str =
        "summary = \"A test\"\n[knob.\"vm.swappiness\"]\nvalue = 10\nreason = \"r\"\nsource = \"s\"\n";

    #[test]
    fn a_profile_reads_as_written() {
        let text = format!(
            "{GOOD}[knob.\"net.ipv4.tcp_rmem\"]\nvalue = [4_096, 131072, 16777216]\nreason = \"r\"\nsource = \"s\"\noptional = true\n\
             [[knob.\"block.scheduler\"]]\nvalue = \"none\"\ndisks = \"nvme\"\nreason = \"r\"\nsource = \"s\"\n\
             [[knob.\"block.scheduler\"]]\nvalue = \"mq-deadline\"\non = [\"sd*\"]\nreason = \"r\"\nsource = \"s\"\n\
             [knob.\"vm.max_map_count\"]\nat_least = 0x100000\nreason = \"r\"\nsource = \"s\"\n\
             [environment.OMP_NUM_THREADS]\nvalue = 1\nreason = \"one thread a process\"\n"
        );
        let profile = parse("test", "test.toml", &text).unwrap();
        let asks: Vec<_> =
            profile.entries.iter().map(|entry| (entry.knob.as_str(), entry.ask.text())).collect();
        let expected = [
            ("vm.swappiness", "10"),
            ("net.ipv4.tcp_rmem", "4096 131072 16777216"),
            ("block.scheduler", "none"),
            ("block.scheduler", "mq-deadline"),
            ("vm.max_map_count", "1048576"),
        ];
        assert_eq!(asks, expected.map(|(knob, text)| (knob, text.to_owned())));
        assert_eq!(profile.entries[0].place.to_string(), "test.toml:2:7");
        assert_eq!(
            profile.environment(),
            [("OMP_NUM_THREADS".into(), "1".into(), "one thread a process".into())]
        );
    }

    #[test]
    fn every_error_names_its_place_and_a_remedy() {
        let knob = |name: &str, rest: &str| {
            format!("summary = \"s\"\n[knob.\"{name}\"]\n{rest}\nreason = \"r\"\nsource = \"s\"\n")
        };
        let cases = [
            (
                knob("vm.swapiness", "value = 1"),
                "test.toml:2:7: unknown knob \"vm.swapiness\"; did you mean \"vm.swappiness\"?",
            ),
            (
                knob("vm.swappiness", "value = 201"),
                "test.toml:3:9: vm.swappiness: 201 is out of range; give 0 to 200",
            ),
            (
                knob("vm.swappiness", "valu = 1"),
                "test.toml:3:1: unknown key \"valu\"; did you mean \"value\"?; known are value, at_least, at_most, reason, source, optional, on, disks",
            ),
            (knob("vm.swappiness", "value = true"), "test.toml:3:9: value is a truth value; give 0 or 1"),
            (
                knob("vm.swappiness", "value = 1\nat_most = 2"),
                "test.toml:4:11: vm.swappiness has value and at_most; keep one of them",
            ),
            (
                knob("vm.swappiness", "on = \"sd*\"\nvalue = 1"),
                "test.toml:3:6: vm.swappiness cannot be limited by on; remove the line",
            ),
            (
                knob("vm.dirty", "value = \"lots\""),
                "test.toml:3:9: vm.dirty: \"lots\" is not `ratio PER_CENT` or `bytes SIZE`",
            ),
            (
                knob("hugepages.enabled", "at_least = \"never\""),
                "test.toml:3:12: hugepages.enabled is not one number, so at_least means nothing; use `value`",
            ),
            (
                "summary = \"s\"\n[knob.\"vm.swappiness\"]\nvalue = 1\nsource = \"s\"\n".to_owned(),
                "test.toml:2:7: vm.swappiness has no reason; add `reason = ...`",
            ),
            ("[knob]\n".to_owned(), "test.toml:1:1: the profile has no summary; add `summary = ...`"),
            (
                "summary = \"s\"\n[environment.\"A B\"]\nvalue = 1\nreason = \"r\"\n".to_owned(),
                "test.toml:2:14: \"A B\" is no name of a variable; use letters, digits and `_`",
            ),
            (
                "summary = \"s\"\nsummary = \"t\"\n".to_owned(),
                "test.toml:2:1: this is not TOML: duplicate key",
            ),
        ];
        for (text, message) in cases {
            assert_eq!(said(&text), message);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "\\PC*", cut in 0..GOOD.len()) {
            let _ = parse("test", "test.toml", &text);
            let _ = parse("test", "test.toml", &GOOD[..cut]);
            let _ = parse("test", "test.toml", &format!("{}{text}{}", &GOOD[..cut], &GOOD[cut..]));
        }
    }
}
