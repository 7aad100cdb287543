//! Rows as they are handed on: a vector of whole or of floating-point numbers for each column, some thousand rows at once.

use std::iter;
use std::ops::Range;

use super::{Error, Table};

/// Bytes of rows that are in memory at once, roughly, and the most rows: more gains nothing where each is looked at once.
const PIECE_BYTES: u64 = 16 << 20;
const PIECE_ROWS_MAX: u64 = 65_536;
/// The column of times of a table of ours.
#[cfg(feature = "libhdf5")]
const TIME: &str = "timestamp";

/// Some values of one column.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Of a column of whole numbers.
    Whole(Vec<i64>),
    /// Of a column of floating-point numbers.
    Float(Vec<f64>),
}

impl Values {
    /// Values in it.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Whole(values) => values.len(),
            Self::Float(values) => values.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Table {
    /// Reads `rows` of `column` as what it holds.
    ///
    /// # Errors
    /// [`Error`] when there is no such column or row, a whole number does not fit i64, or the file is broken there.
    pub fn read(&self, column: &str, rows: Range<u64>) -> Result<Values, Error> {
        let number = self.position(column)?;
        if rows.start > rows.end || rows.end > self.rows() {
            let path = self.inspect().path.clone();
            return Err(Error::OutOfRange { path, wanted: rows, rows: self.rows() });
        }
        let count = (rows.end - rows.start) as usize;
        if self.columns()[number].is_float() {
            let mut values = vec![0.0; count];
            self.read_f64(column, rows, &mut values)?;
            return Ok(Values::Float(values));
        }
        let mut values = vec![0; count];
        self.read_i64(column, rows, &mut values)?;
        Ok(Values::Whole(values))
    }

    /// All rows in pieces of which `columns` columns fit into memory.
    pub(crate) fn pieces(&self, columns: usize) -> impl Iterator<Item = Range<u64>> + use<> {
        let step = (PIECE_BYTES / (8 * columns.max(1) as u64)).clamp(1, PIECE_ROWS_MAX);
        let (mut from, end) = (0, self.rows());
        iter::from_fn(move || {
            let rows = from..end.min(from + step);
            from = rows.end;
            (!rows.is_empty()).then_some(rows)
        })
    }

    /// The times of the first and the last row, where it has some.
    #[cfg(feature = "libhdf5")]
    pub(crate) fn ends(&self) -> Result<Option<[i64; 2]>, Error> {
        let rows = self.rows();
        if rows == 0 || self.columns().iter().all(|column| column.name != TIME) {
            return Ok(None);
        }
        let (mut first, mut last) = ([0], [0]);
        self.read_i64(TIME, 0..1, &mut first)?;
        self.read_i64(TIME, rows - 1..rows, &mut last)?;
        Ok(Some([first[0], last[0]]))
    }
}
