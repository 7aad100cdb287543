//! What columns are to programs that know times and texts.

use super::Error;
use crate::table::{Column, Table, Values};

/// What a column is to other programs.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Meaning {
    Time,
    Symbols(Vec<String>),
    Whole,
    Float,
}

impl Meaning {
    pub fn of(column: &Column) -> Self {
        if column.is_float() {
            return Self::Float;
        }
        if column.text("role") == Some("timestamp")
            || column.text("unit") == Some("nanoseconds since 1970-01-01 UTC")
        {
            return Self::Time;
        }
        column.symbols().map_or(Self::Whole, Self::Symbols)
    }

    /// An error where one of `values`, which begin at row `first` of `column`, is the number of no symbol.
    fn check(&self, column: &Column, first: u64, values: &Values) -> Result<(), Error> {
        let (Self::Symbols(symbols), Values::Whole(values)) = (self, values) else { return Ok(()) };
        let is_there = |value: &i64| usize::try_from(*value).is_ok_and(|value| value < symbols.len());
        match values.iter().position(|value| !is_there(value)) {
            None => Ok(()),
            Some(at) => {
                let (column, row) = (column.name.clone(), first + at as u64);
                Err(Error::NoSymbol { column, row, value: values[at], symbols: symbols.len() })
            }
        }
    }
}

/// Calls `each` with all rows of `table`, piece by piece; `meanings` are those of its columns.
pub(super) fn batches(
    table: &Table,
    meanings: &[Meaning],
    progress: &mut dyn FnMut(u64),
    mut each: impl FnMut(Vec<Values>) -> Result<(), Error>,
) -> Result<(), Error> {
    for rows in table.pieces(table.columns().len()) {
        let read = |(column, meaning): (&Column, &Meaning)| {
            let values = table.read(&column.name, rows.clone())?;
            meaning.check(column, rows.start, &values)?;
            Ok(values)
        };
        each(table.columns().iter().zip(meanings).map(read).collect::<Result<_, Error>>()?)?;
        progress(rows.end);
    }
    Ok(())
}
