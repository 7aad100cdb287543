//! TOML with places: what the readers of profiles and of the machine's file share. Pure.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::place::{Excerpt, Place, position};
use super::problem::{Problem, ProfileError};
use crate::knob::nearest;

/// Longest value; a list of variables for a unit is the longest that makes sense.
const VALUE_LETTERS_MAX: usize = 4_096;

pub(super) type Table<'a> = DeTable<'a>;
pub(super) type Value<'a> = Spanned<DeValue<'a>>;
pub(super) type Key<'a> = Spanned<Cow<'a, str>>;

/// The text of a file, for the places in it.
pub(super) struct Source<'a> {
    pub file: String,
    pub text: &'a str,
}

impl<'a> Source<'a> {
    pub fn parse(&self) -> Result<Spanned<Table<'a>>, ProfileError> {
        DeTable::parse(self.text).map_err(|error| {
            let at = error.span().unwrap_or(0..0);
            self.error(&at, Problem::Toml { message: error.message().replace('\n', ", ") })
        })
    }
}

impl Source<'_> {
    pub fn place(&self, span: &Range<usize>) -> Place {
        let (line, column) = position(self.text, span);
        Place { file: self.file.clone(), line, column }
    }

    pub fn excerpt(&self, span: &Range<usize>) -> Excerpt {
        Excerpt::of(self.text, span)
    }

    pub fn error(&self, span: &Range<usize>, problem: Problem) -> ProfileError {
        ProfileError::At { place: self.place(span), excerpt: self.excerpt(span), problem: Box::new(problem) }
    }

    pub fn wrong(&self, value: &Value<'_>, key: &str, expected: &'static str) -> ProfileError {
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

    pub fn known(&self, table: &Table<'_>, known: &[&'static str]) -> Result<(), ProfileError> {
        // The first in the file, not in the alphabet.
        let unknown = table.iter().filter(|(key, _)| !known.contains(&key.get_ref().as_ref()));
        let Some((key, _)) = unknown.min_by_key(|(key, _)| key.span().start) else { return Ok(()) };
        let name = key.get_ref().to_string();
        let suggestion = nearest(&name, known.iter().copied()).map(str::to_owned);
        Err(self.error(&key.span(), Problem::Key { key: name, suggestion, known: known.to_vec() }))
    }

    pub fn table<'t>(&self, value: &'t Value<'t>, key: &str) -> Result<&'t Table<'t>, ProfileError> {
        match value.get_ref() {
            DeValue::Table(table) => Ok(table),
            _ => Err(self.wrong(value, key, "a table")),
        }
    }

    /// The tables of a list of tables, each with its place; none where the key is not there.
    pub fn tables<'t>(
        &self,
        table: &'t Table<'t>,
        key: &'static str,
    ) -> Result<Vec<(Range<usize>, &'t Table<'t>)>, ProfileError> {
        let Some(value) = table.get(key) else { return Ok(Vec::new()) };
        let DeValue::Array(items) = value.get_ref() else {
            return Err(self.wrong(value, key, "a list of tables"));
        };
        let one = |item: &'t Value<'t>| match item.get_ref() {
            DeValue::Table(table) => Ok((item.span(), table)),
            _ => Err(self.wrong(item, key, "a table")),
        };
        items.iter().map(one).collect()
    }

    pub fn text_of(
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

    /// A word or a list of words, each with its place.
    pub fn words(&self, table: &Table<'_>, key: &str) -> Result<Vec<(Range<usize>, String)>, ProfileError> {
        let Some(value) = table.get(key) else { return Ok(Vec::new()) };
        let expected = "a string or a list of strings";
        match value.get_ref() {
            DeValue::String(text) => Ok(vec![(value.span(), text.to_string())]),
            DeValue::Array(items) => items
                .iter()
                .map(|item| match item.get_ref() {
                    DeValue::String(text) => Ok((item.span(), text.to_string())),
                    _ => Err(self.wrong(item, key, expected)),
                })
                .collect(),
            _ => Err(self.wrong(value, key, expected)),
        }
    }

    pub fn flag(&self, table: &Table<'_>, key: &'static str) -> Result<bool, ProfileError> {
        match table.get(key).map(|value| (value, value.get_ref())) {
            None => Ok(false),
            Some((_, DeValue::Boolean(flag))) => Ok(*flag),
            Some((value, _)) => Err(self.wrong(value, key, "true or false")),
        }
    }

    pub fn integer(&self, value: &Value<'_>, key: &str) -> Result<Option<i64>, ProfileError> {
        let DeValue::Integer(number) = value.get_ref() else { return Ok(None) };
        i64::from_str_radix(number.as_str(), number.radix())
            .map(Some)
            .map_err(|_| self.wrong(value, key, "a number below 2^63"))
    }

    /// A number or a string as it is, a list of numbers joined by blanks, a list of strings by line breaks.
    pub fn value(&self, value: &Value<'_>, key: &str) -> Result<String, ProfileError> {
        let DeValue::Array(items) = value.get_ref() else { return self.scalar(value, key) };
        let texts: Vec<String> = items.iter().map(|item| self.scalar(item, key)).collect::<Result<_, _>>()?;
        let numbers = items.iter().all(|item| matches!(item.get_ref(), DeValue::Integer(_)));
        Ok(texts.join(if numbers { " " } else { "\n" }))
    }

    fn scalar(&self, item: &Value<'_>, key: &str) -> Result<String, ProfileError> {
        match item.get_ref() {
            DeValue::String(text) if text.len() <= VALUE_LETTERS_MAX => Ok(text.to_string()),
            DeValue::Boolean(_) => Err(self.wrong(item, key, "0 or 1")),
            DeValue::Integer(_) => Ok(self.integer(item, key)?.unwrap_or_default().to_string()),
            _ => Err(self.wrong(item, key, "a whole number, a string, or a list of one of them")),
        }
    }
}
