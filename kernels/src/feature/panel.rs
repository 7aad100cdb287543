//! Running a plan over many symbols at once: groups of symbols in the places of vector registers.
//!
//! Every symbol gets the bits that [`Stream`](super::Stream) gives it alone, in `f64`; a missing bar is a row of NaN,
//! and so is each row before a symbol's first and after its last: its values are then those of a stream that began with it.
//! All symbols advance by the same rows, so that windows close together and no place waits for another. Rows are
//! taken in blocks and, within a block, group by group: the columns are then read as many streams in ascending
//! order, and the intermediate values stay in the first-level cache.

mod target;

mod pass;

use std::sync::Arc;

use crate::feature::loops::Loops;
use crate::feature::program::Program;
use crate::feature::value::{Group, Number, WIDTH};
use ndarray::{ArrayView2, ArrayViewMut3};
use pass::{Column, Pass};
use target::Target;

/// A plan in the middle of many series. A clone is a snapshot: both go on independently.
#[derive(Clone, Debug)]
pub struct Panel<T> {
    program: Arc<Program>,
    /// The states of the groups, one after the other.
    state: Vec<Group<T>>,
    symbols: usize,
    rows: u64,
    loops: Loops,
}

/// Why a panel cannot be computed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PanelError {
    /// Time stamps do not fit the format.
    #[error(
        "the plan reads the time of the rows ({column}), which {format} cannot hold; compute it in f64, or without it"
    )]
    Time {
        /// The column of times.
        column: String,
        /// The format of the panel.
        format: &'static str,
    },
    /// The wrong number of columns.
    #[error("the plan reads {expected} columns and {given} were given; pass those that Plan::inputs names")]
    Columns {
        /// Columns that the plan reads.
        expected: usize,
        /// Columns given.
        given: usize,
    },
    /// A column of the wrong shape.
    #[error(
        "column {column} is {rows} rows x {symbols} symbols and must be {expected_rows} x {expected_symbols}"
    )]
    Column {
        /// Place of the column.
        column: usize,
        /// Its rows.
        rows: usize,
        /// Its symbols.
        symbols: usize,
        /// Rows of the first column.
        expected_rows: usize,
        /// Symbols of the panel.
        expected_symbols: usize,
    },
    /// An output array of the wrong shape.
    #[error("the output array is {given:?} and must be {expected:?}: outputs, rows, symbols")]
    Output {
        /// Its shape.
        given: (usize, usize, usize),
        /// The shape that it must have.
        expected: (usize, usize, usize),
    },
}

impl<T: Number> Panel<T> {
    pub(crate) fn new(
        program: Arc<Program>,
        inputs: &[String],
        loops: Loops,
        symbols: usize,
    ) -> Result<Self, PanelError> {
        // A mantissa of fewer than 52 bits cannot tell rows of one day apart.
        if T::epsilon().wide() > f64::EPSILON {
            for node in &program.nodes {
                if let Some(clock) = node.op.clock_input() {
                    let column = inputs.get(node.inputs[clock]).cloned().unwrap_or_default();
                    return Err(PanelError::Time { column, format: std::any::type_name::<T>() });
                }
            }
        }
        let state = program.initial_state::<Group<T>>().repeat(symbols.div_ceil(WIDTH));
        Ok(Self { program, state, symbols, rows: 0, loops })
    }

    /// Symbols side by side.
    #[must_use]
    pub fn symbols(&self) -> usize {
        self.symbols
    }

    /// Rows seen so far.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Bytes of state.
    #[must_use]
    pub fn state_bytes(&self) -> usize {
        size_of_val(self.state.as_slice())
    }

    /// Takes the next rows: `columns[input][row, symbol]`, in the order of [`Plan::inputs`](super::Plan::inputs), and
    /// writes `out[output, row, symbol]` in the order of [`Plan::names`](super::Plan::names).
    ///
    /// Any layout will do. Fast ones are those whose symbols lie side by side in memory (the order of the indices), and
    /// those whose rows do (`[symbol, row]` seen through [`t`](ndarray::ArrayBase::t), `[output, symbol, row]` through
    /// [`permuted_axes`](ndarray::ArrayBase::permuted_axes)`([0, 2, 1])`), which are turned in registers.
    ///
    /// # Errors
    /// [`PanelError`] when the columns or the output array do not fit; nothing is then written or changed.
    pub fn extend(
        &mut self,
        columns: &[ArrayView2<'_, T>],
        out: ArrayViewMut3<'_, T>,
    ) -> Result<(), PanelError> {
        let rows = self.check(columns, out.dim())?;
        let columns: Vec<Column<'_, T>> = columns.iter().copied().map(Column::new).collect();
        self.loops.wide(Pass {
            program: &self.program,
            states: &mut self.state,
            columns: &columns,
            target: Target::new(out),
            rows,
            symbols: self.symbols,
        });
        self.rows += rows as u64;
        Ok(())
    }

    fn check(&self, columns: &[ArrayView2<'_, T>], out: (usize, usize, usize)) -> Result<usize, PanelError> {
        let (expected, given) = (self.program.columns.len(), columns.len());
        if expected != given {
            return Err(PanelError::Columns { expected, given });
        }
        let expected_rows = columns.first().map_or(0, |column| column.dim().0);
        for (column, values) in columns.iter().enumerate() {
            let (rows, symbols) = values.dim();
            if (rows, symbols) != (expected_rows, self.symbols) {
                let expected_symbols = self.symbols;
                return Err(PanelError::Column { column, rows, symbols, expected_rows, expected_symbols });
            }
        }
        let expected = (self.program.outputs.len(), expected_rows, self.symbols);
        if out != expected {
            return Err(PanelError::Output { given: out, expected });
        }
        Ok(expected_rows)
    }
}
