//! The rows of one table as they are written: all, or those with one value in a column, and texts by the list of the output.

use std::collections::HashMap;
use std::ops::Range;

use super::{Error, Only};
use crate::format::libhdf5::SYMBOLS_MAX;
use crate::nearest::nearest;
use crate::table::{self, Table, Values};

/// The texts of the columns of the output; none for a column of numbers.
pub(super) struct Lists(Vec<Option<Vec<String>>>);

impl Lists {
    /// Of the columns `names` of `first`, without texts yet.
    pub fn new(first: &Table, names: &[String]) -> Result<Self, table::Error> {
        let list = |name: &String| {
            let column = &first.columns()[first.position(name)?];
            Ok(column.symbols().map(|_| Vec::new()))
        };
        Ok(Self(names.iter().map(list).collect::<Result<_, table::Error>>()?))
    }

    /// Takes the texts of `table`; the number in the output of each of its own, for each column that has some.
    fn take(&mut self, table: &Table, names: &[String]) -> Result<Vec<Option<Vec<i64>>>, Error> {
        let mut numbers = Vec::new();
        for (list, name) in self.0.iter_mut().zip(names) {
            let own = table.columns()[table.position(name)?].symbols();
            let (Some(list), Some(own)) = (list, own) else {
                numbers.push(None);
                continue;
            };
            let mut places: HashMap<String, i64> = list.iter().cloned().zip(0..).collect();
            let number = |text: String| {
                *places.entry(text).or_insert_with_key(|text| {
                    list.push(text.clone());
                    list.len() as i64 - 1
                })
            };
            numbers.push(Some(own.into_iter().map(number).collect()));
            if list.len() > SYMBOLS_MAX {
                let (path, column) = (table.inspect().path.clone(), name.clone());
                return Err(Error::TooManySymbols { path, column });
            }
        }
        Ok(numbers)
    }

    /// The texts of each column that has some.
    pub fn texts(&self) -> impl Iterator<Item = (usize, &Vec<String>)> {
        self.0.iter().enumerate().filter_map(|(at, list)| Some((at, list.as_ref()?)))
    }
}

/// What a row must have to be taken.
#[derive(Clone, Copy)]
enum Wanted {
    Whole(i64),
    Float(f64),
}

/// A table, and what is taken of it.
pub(super) struct Taken<'a> {
    pub table: &'a Table,
    names: &'a [String],
    only: Option<(String, Wanted)>,
    numbers: Vec<Option<Vec<i64>>>,
}

impl<'a> Taken<'a> {
    /// The rows of `table` that have `only`'s value, or all.
    pub fn new(
        table: &'a Table,
        names: &'a [String],
        only: Option<&Only>,
        lists: &mut Lists,
    ) -> Result<Self, Error> {
        let only =
            only.map(|only| Ok::<_, Error>((only.column.clone(), wanted(table, only)?))).transpose()?;
        Ok(Self { table, names, only, numbers: lists.take(table, names)? })
    }

    /// What is taken of `rows`.
    pub fn read(&self, rows: Range<u64>) -> Result<Vec<Values>, Error> {
        let mask = match &self.only {
            None => None,
            Some((column, wanted)) => Some(mask(self.table.read(column, rows.clone())?, *wanted)),
        };
        let mut all = Vec::new();
        for (name, numbers) in self.names.iter().zip(&self.numbers) {
            let mut values = self.table.read(name, rows.clone())?;
            if let Some(mask) = &mask {
                match &mut values {
                    Values::Whole(values) => keep(values, mask),
                    Values::Float(values) => keep(values, mask),
                }
            }
            if let (Some(numbers), Values::Whole(values)) = (numbers, &mut values) {
                for value in values {
                    let number = usize::try_from(*value).ok().and_then(|own| numbers.get(own));
                    *value = *number.ok_or_else(|| Error::NoSymbol {
                        path: self.table.inspect().path.clone(),
                        column: name.clone(),
                        value: *value,
                        symbols: numbers.len(),
                    })?;
                }
            }
            all.push(values);
        }
        Ok(all)
    }
}

/// The value that `only` names, as the column holds it; of a text that this table does not have, one that no row has.
fn wanted(table: &Table, only: &Only) -> Result<Wanted, Error> {
    let column = &table.columns()[table.position(&only.column)?];
    if let Some(symbols) = column.symbols() {
        let place = symbols.iter().position(|symbol| *symbol == only.value);
        return Ok(Wanted::Whole(place.map_or(-1, |place| place as i64)));
    }
    let refused = || Error::NotANumber {
        path: table.inspect().path.clone(),
        column: only.column.clone(),
        dtype: column.dtype.clone(),
        value: only.value.clone(),
    };
    if column.is_float() {
        return only.value.parse().map(Wanted::Float).map_err(|_| refused());
    }
    only.value.parse().map(Wanted::Whole).map_err(|_| refused())
}

/// The text in `tables` that was probably meant by `only`.
pub(super) fn meant(tables: &[&Table], only: &Only) -> Option<String> {
    let column = |table: &&Table| table.columns()[table.position(&only.column).ok()?].symbols();
    let texts: Vec<String> = tables.iter().filter_map(column).flatten().collect();
    nearest(&only.value, texts.iter().map(String::as_str)).map(str::to_owned)
}

fn mask(values: Values, wanted: Wanted) -> Vec<bool> {
    match (values, wanted) {
        (Values::Whole(values), Wanted::Whole(wanted)) => {
            values.iter().map(|value| *value == wanted).collect()
        }
        (Values::Float(values), Wanted::Float(wanted)) => {
            values.iter().map(|value| *value == wanted).collect()
        }
        (Values::Whole(values), Wanted::Float(_)) => vec![false; values.len()],
        (Values::Float(values), Wanted::Whole(_)) => vec![false; values.len()],
    }
}

fn keep<T>(values: &mut Vec<T>, mask: &[bool]) {
    let mut stays = mask.iter();
    values.retain(|_| stays.next() == Some(&true));
}
