//! Several tables as one row space: the months of a market, or its symbols.
//!
//! ```text
//! file a: rows 0..1000 -> rows 0..1000    file b: rows 0..500 -> rows 1000..1500    borders: 1000
//! ```
//!
//! Every table must have the columns that are asked for, in whatever order and form of storage. Rows of one file follow those
//! of the one before; what reads or streams them sees one table. A window must lie within one file, since the next row
//! of another symbol is no next row: [`Dataset::borders`] are gaps, and a stream refuses windows that cross one.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use crate::source::account::Account;
use crate::table::{self, Damage, Damaged, Number, Scratch, Selection, Table};

/// Why tables are no data set.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No table.
    #[error("a data set of no file has no columns; give one file at least")]
    Empty,
    /// A table lacks a column, or has one of another kind.
    #[error(
        "{} holds column {column:?} as {found}, {} as {expected}; a data set needs the same columns in each file",
        path.display(), first.display()
    )]
    Column {
        /// The table.
        path: PathBuf,
        /// The column.
        column: String,
        /// What it is there.
        found: String,
        /// The first table.
        first: PathBuf,
        /// What it is in the first table.
        expected: String,
    },
    /// More rows than can be counted.
    #[error("the files have more rows together than can be counted")]
    TooManyRows,
}

/// Tables one after the other.
#[derive(Clone, Debug)]
pub struct Dataset {
    tables: Vec<Arc<Table>>,
    /// The first row of each table, and the end of the last one.
    starts: Vec<u64>,
}

impl From<Arc<Table>> for Dataset {
    fn from(table: Arc<Table>) -> Self {
        Self { starts: vec![0, table.rows()], tables: vec![table] }
    }
}

/// The selected columns of each table.
#[derive(Clone, Debug)]
pub(crate) struct Selections(Vec<Selection>);

impl Dataset {
    /// The rows of `tables`, one after the other. Each must have every column of the first, floating point where that is,
    /// whole numbers where that are.
    ///
    /// # Errors
    /// [`Error`] names the file and the column.
    pub fn new(tables: Vec<Arc<Table>>) -> Result<Self, Error> {
        let Some(first) = tables.first() else { return Err(Error::Empty) };
        let (mut starts, mut end) = (Vec::with_capacity(tables.len() + 1), 0u64);
        for table in &tables {
            for column in first.columns() {
                let other = table.columns().iter().find(|other| other.name == column.name);
                if other.is_none_or(|other| other.is_float() != column.is_float()) {
                    return Err(Error::Column {
                        path: table.inspect().path.clone(),
                        column: column.name.clone(),
                        found: other.map_or_else(|| "nothing".to_owned(), |other| other.dtype.clone()),
                        first: first.inspect().path.clone(),
                        expected: column.dtype.clone(),
                    });
                }
            }
            starts.push(end);
            end = end.checked_add(table.rows()).ok_or(Error::TooManyRows)?;
        }
        starts.push(end);
        Ok(Self { tables, starts })
    }

    /// The tables in order.
    #[must_use]
    pub fn tables(&self) -> &[Arc<Table>] {
        &self.tables
    }

    /// Rows of all tables.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.starts.last().copied().unwrap_or(0)
    }

    /// The rows of table `number`, as rows of the data set.
    #[must_use]
    pub fn rows_of(&self, number: usize) -> Range<u64> {
        let at = |place: usize| self.starts.get(place).copied().unwrap_or_else(|| self.rows());
        at(number)..at(number + 1)
    }

    /// The number of the table that `row` is in, and the row there.
    #[must_use]
    pub fn place(&self, row: u64) -> Option<(usize, u64)> {
        let number = self.starts.partition_point(|start| *start <= row).checked_sub(1)?;
        (number < self.tables.len()).then(|| (number, row - self.starts[number]))
    }

    /// The first row of every table but the first: gaps that no window crosses.
    #[must_use]
    pub fn borders(&self) -> &[u64] {
        let borders = &self.starts[1..self.starts.len() - 1];
        let empty = borders.iter().take_while(|border| **border == 0).count();
        &borders[empty..]
    }

    /// These gaps of the data set, ascending, and the borders between its tables.
    #[must_use]
    pub fn with_borders(&self, gaps: &[u64]) -> Vec<u64> {
        let mut all = [gaps, self.borders()].concat();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The part that `cut` takes of each table, given its rows, as rows of the data set: so that each symbol is split in its own
    /// time. For [`Windows::of_parts`](crate::sampler::Windows::of_parts).
    ///
    /// # Errors
    /// The first error of `cut`.
    pub fn parts<E>(&self, mut cut: impl FnMut(u64) -> Result<Range<u64>, E>) -> Result<Vec<Range<u64>>, E> {
        let one = |(table, start): (&Arc<Table>, &u64)| {
            cut(table.rows())
                .map(|part| start + part.start.min(table.rows())..start + part.end.min(table.rows()))
        };
        self.tables.iter().zip(&self.starts).map(one).collect()
    }

    /// Reads `rows` of `column` into `values`, which has one place for each row.
    ///
    /// # Errors
    /// As [`Table::read_f64`].
    pub fn read_f64(&self, column: &str, rows: Range<u64>, values: &mut [f64]) -> Result<(), table::Error> {
        self.each(rows, 1, values, |table, rows, values, _| table.read_f64(column, rows, values))
    }

    /// Reads `rows` of `column` into `values`, which has one place for each row.
    ///
    /// # Errors
    /// As [`Table::read_i64`].
    pub fn read_i64(&self, column: &str, rows: Range<u64>, values: &mut [i64]) -> Result<(), table::Error> {
        self.each(rows, 1, values, |table, rows, values, _| table.read_i64(column, rows, values))
    }

    /// Calls `read` for the rows of each table among `rows`, with the places for them.
    fn each<T>(
        &self,
        rows: Range<u64>,
        width: usize,
        mut values: &mut [T],
        mut read: impl FnMut(&Table, Range<u64>, &mut [T], usize) -> Result<(), table::Error>,
    ) -> Result<(), table::Error> {
        let places = values.len();
        if rows.start > rows.end || rows.end > self.rows() {
            let path = self.tables.last().map_or_else(PathBuf::new, |table| table.inspect().path.clone());
            return Err(table::Error::OutOfRange { path, wanted: rows, rows: self.rows() });
        }
        if (rows.end - rows.start).checked_mul(width as u64) != Some(places as u64) {
            return Err(table::Error::Room { rows: rows.end - rows.start, places });
        }
        for number in 0..self.tables.len() {
            let own = self.rows_of(number);
            let (from, to) = (rows.start.max(own.start), rows.end.min(own.end));
            if from < to {
                let (now, later) = std::mem::take(&mut values).split_at_mut((to - from) as usize * width);
                read(&self.tables[number], from - own.start..to - own.start, now, number)?;
                values = later;
            }
        }
        Ok(())
    }

    pub(crate) fn select<S: AsRef<str>>(&self, names: &[S]) -> Result<Selections, table::Error> {
        let selections: Result<_, _> = self.tables.iter().map(|table| table.select(names)).collect();
        selections.map(Selections)
    }

    pub(crate) fn check<T: Number>(&self, selections: &Selections) -> Result<(), table::Error> {
        self.tables.iter().zip(&selections.0).try_for_each(|(table, selection)| table.check::<T>(selection))
    }

    /// Rows of the longest chunk of the selected columns.
    pub(crate) fn chunk_rows(&self, selections: &Selections) -> u64 {
        let rows =
            self.tables.iter().zip(&selections.0).map(|(table, selection)| table.chunk_rows(selection));
        rows.max().unwrap_or(1)
    }

    /// Bytes of [`Scratch`] that a thread needs for the selected columns.
    pub(crate) fn scratch_bytes(&self, selections: &Selections) -> u64 {
        let bytes = self.tables.iter().zip(&selections.0).map(|(table, own)| table.scratch_bytes(own));
        bytes.max().unwrap_or(0)
    }

    /// How the files are read, each choice once, and how the reads of all of them were answered.
    #[must_use]
    pub fn account(&self) -> Account {
        let mut all = Account::default();
        let mut choices: Vec<String> = Vec::new();
        for Account { choice, ways } in self.tables.iter().map(|table| table.account()) {
            all.ways = all.ways.and(&ways);
            if !choices.contains(&choice) {
                choices.push(choice);
            }
        }
        all.choice = choices.join("; ");
        all
    }

    /// Bytes of what is known of the chunks of all tables.
    pub(crate) fn index_bytes(&self) -> u64 {
        self.tables.iter().map(|table| table.index_bytes()).sum()
    }

    /// Reads `rows` of the selected columns into `values`, `[row][column]`, on this thread alone; returns what was damaged, by
    /// rows of the data set.
    pub(crate) fn fill<T: Number>(
        &self,
        selections: &Selections,
        rows: Range<u64>,
        values: &mut [T],
        (scratch, damage): (&mut Scratch, Damage),
    ) -> Result<Vec<Damaged>, table::Error> {
        let mut damaged = Vec::new();
        let width = selections.0.first().map_or(0, Selection::width);
        self.each(rows, width, values, |table, rows, values, number| {
            let start = self.starts[number];
            let found = table.fill(&selections.0[number], rows, values, (scratch, damage))?;
            damaged.extend(
                found
                    .into_iter()
                    .map(|chunk| Damaged { rows: start + chunk.rows.start..start + chunk.rows.end, ..chunk }),
            );
            Ok(())
        })?;
        Ok(damaged)
    }
}
