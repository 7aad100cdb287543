//! Whether data suits a plan: what would otherwise come out as NaN, or as features of rows that do not belong together.

use std::ops::Range;

use super::Plan;
use crate::feature::error::Place;

/// Data for a plan.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    /// The columns, in the order of [`Plan::inputs`].
    pub columns: &'a [&'a [f64]],
    /// The time of each row, where it is known.
    pub times: Option<&'a [i64]>,
    /// The symbol of each row as a number, where it is known.
    pub symbols: Option<&'a [u32]>,
}

/// Why data does not suit a plan. A place in the plan is that of the first feature concerned.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DataError {
    /// A period longer than the data.
    #[error(
        "{feature} is known after {lookback} rows and the data has {rows}; give more rows or shorten its periods{place}"
    )]
    TooShort {
        /// The feature in full.
        feature: String,
        /// Rows that pass before its first value.
        lookback: usize,
        /// Rows of the data.
        rows: usize,
        /// Where.
        place: Place,
    },
    /// An infinite number.
    #[error(
        "the column '{column}' is infinite in row {row}; leave the row out, or write NaN where a value is not known{place}"
    )]
    Infinite {
        /// The column.
        column: String,
        /// The row, from 0.
        row: u64,
        /// The first feature that reads the column.
        place: Place,
    },
    /// A row before the one before it.
    #[error("row {row} is of {time} and the row before of {before}; sort the rows by time{place}")]
    Unsorted {
        /// The row, from 0.
        row: usize,
        /// Its time.
        time: i64,
        /// The time before.
        before: i64,
        /// The first feature that looks back.
        place: Place,
    },
    /// Rows of several symbols.
    #[error(
        "row {row} is of symbol {symbol} and the row before of {before}; features look back over one symbol: run each \
         by itself, or all side by side as a panel{place}"
    )]
    MixedSymbols {
        /// The row, from 0.
        row: usize,
        /// Its symbol.
        symbol: u32,
        /// The symbol before.
        before: u32,
        /// The first feature that looks back.
        place: Place,
    },
    /// Times, symbols or columns of another length or number.
    #[error("{what} are {given} and must be {expected}")]
    Shape {
        /// What.
        what: &'static str,
        /// Their number.
        given: usize,
        /// The right number.
        expected: usize,
    },
}

/// The text of a plan and the place of each output in it.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub text: String,
    pub spans: Vec<Range<usize>>,
}

impl Plan {
    /// Whether the data suits the plan. [`Plan::batch`] does not ask: to it an infinite value is not known, and rows are
    /// in the order in which they come.
    ///
    /// # Errors
    /// [`DataError`] with the first thing that is wrong: a feature that no row would know, an infinite value, a time
    /// before the one before, a change of symbol.
    pub fn check(&self, data: &Rows<'_>) -> Result<(), DataError> {
        let rows = self.shape(data)?;
        if let Some(output) = self.lookbacks.iter().position(|lookback| *lookback >= rows) {
            let (feature, lookback) = (self.names[output].clone(), self.lookbacks[output]);
            return Err(DataError::TooShort { feature, lookback, rows, place: self.place(output) });
        }
        for (input, values) in data.columns.iter().enumerate() {
            self.check_input(input, 0, values)?;
        }
        let looks_back = self.lookbacks.iter().position(|lookback| *lookback > 0).unwrap_or(0);
        let place = || self.place(looks_back);
        if let Some((row, pair)) = pairs(data.times).find(|(_, pair)| pair[1] < pair[0]) {
            return Err(DataError::Unsorted { row, time: pair[1], before: pair[0], place: place() });
        }
        if let Some((row, pair)) = pairs(data.symbols).find(|(_, pair)| pair[1] != pair[0]) {
            return Err(DataError::MixedSymbols { row, symbol: pair[1], before: pair[0], place: place() });
        }
        Ok(())
    }

    /// The part of [`Plan::check`] that needs no other rows and no other column: whether the values of an input, by its place
    /// in [`Plan::inputs`], from row `first` on, are finite or NaN.
    ///
    /// # Errors
    /// [`DataError::Infinite`] with the first one that is not; [`DataError::Shape`] when there is no such input.
    pub fn check_input(&self, input: usize, first: u64, values: &[f64]) -> Result<(), DataError> {
        let Some(column) = self.inputs.get(input) else {
            return Err(DataError::Shape { what: "inputs", given: input, expected: self.inputs.len() });
        };
        if !values.iter().fold(false, |any, value| any | value.is_infinite()) {
            return Ok(());
        }
        let row = first + values.iter().take_while(|value| !value.is_infinite()).count() as u64;
        Err(DataError::Infinite { column: column.clone(), row, place: self.place(self.first_reader(input)) })
    }

    fn shape(&self, data: &Rows<'_>) -> Result<usize, DataError> {
        let (expected, given) = (self.inputs.len(), data.columns.len());
        if expected != given {
            return Err(DataError::Shape { what: "columns", given, expected });
        }
        let rows = data.columns.first().map_or(0, |column| column.len());
        let lengths = data.columns.iter().map(|column| ("rows of a column", Some(column.len())));
        let others = [("times", data.times.map(<[_]>::len)), ("symbols", data.symbols.map(<[_]>::len))];
        for (what, given) in lengths.chain(others) {
            if let Some(given) = given.filter(|given| *given != rows) {
                return Err(DataError::Shape { what, given, expected: rows });
            }
        }
        Ok(rows)
    }

    fn place(&self, output: usize) -> Place {
        Place::new(&self.written.text, &self.written.spans[output])
    }

    /// The first output that depends on an input, whose register has its number.
    fn first_reader(&self, input: usize) -> usize {
        let mut depends = vec![false; self.program.registers];
        depends[input] = true;
        for node in &self.program.nodes {
            if node.inputs[..node.arity].iter().any(|register| depends[*register]) {
                depends[node.out..node.out + node.op.outputs()].fill(true);
            }
        }
        self.program.outputs.iter().position(|register| depends[*register]).unwrap_or(0)
    }
}

/// Each row but the first, with its value and the one before.
fn pairs<T>(values: Option<&[T]>) -> impl Iterator<Item = (usize, &[T])> {
    (1..).zip(values.unwrap_or_default().windows(2))
}
