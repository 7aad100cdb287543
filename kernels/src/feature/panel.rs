//! Running a plan over many symbols at once: groups of symbols in the places of vector registers.
//!
//! Every symbol gets the bits that [`Stream`](super::Stream) gives it alone, in `f64`; a missing bar is a row of NaN.
//! All symbols advance by the same rows, so that windows close together and no place waits for another. Rows are
//! taken in blocks and, within a block, group by group: the columns are then read as many streams in ascending
//! order, and the intermediate values stay in the first-level cache.

use std::sync::Arc;

use ndarray::{ArrayView2, ArrayViewMut3};
use num_traits::Zero;

use crate::feature::loops::{Job, Loops};
use crate::feature::op::{Op, known};
use crate::feature::program::Program;
use crate::feature::value::{Group, Number};

/// Symbols in a group: a register of AVX-512 in `f32`, two in `f64`.
const WIDTH: usize = 16;
/// Rows in a block.
const BLOCK: usize = 16;

/// A plan in the middle of many series. A clone is a snapshot: both go on independently.
#[derive(Clone, Debug)]
pub struct Panel<T> {
    program: Arc<Program>,
    /// The states of the groups, one after the other.
    state: Vec<Group<T, WIDTH>>,
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
                if let Op::Phase { .. } | Op::Epoch { .. } = node.op {
                    let column = inputs.get(node.inputs[0]).cloned().unwrap_or_default();
                    return Err(PanelError::Time { column, format: std::any::type_name::<T>() });
                }
            }
        }
        let state = program.initial_state::<Group<T, WIDTH>>().repeat(symbols.div_ceil(WIDTH));
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

    /// Takes the next rows: `columns[input][row, symbol]`, in the order of [`Plan::inputs`](super::Plan::inputs), and
    /// writes `out[output, row, symbol]` in the order of [`Plan::names`](super::Plan::names).
    ///
    /// # Errors
    /// [`PanelError`] when the columns or the output array do not fit; nothing is then written or changed.
    pub fn extend(
        &mut self,
        columns: &[ArrayView2<'_, T>],
        mut out: ArrayViewMut3<'_, T>,
    ) -> Result<(), PanelError> {
        let rows = self.check(columns, out.dim())?;
        let flat: Vec<Option<&[T]>> = columns.iter().map(ArrayView2::to_slice).collect();
        let mut lanes = self.program.lanes();
        self.loops.wide(Pass {
            program: &self.program,
            states: &mut self.state,
            lanes: &mut lanes,
            columns,
            flat: &flat,
            out: &mut out,
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

/// All rows of all groups.
struct Pass<'a, 'i, 'o, T> {
    program: &'a Program,
    states: &'a mut [Group<T, WIDTH>],
    lanes: &'a mut [[Group<T, WIDTH>; BLOCK]],
    columns: &'a [ArrayView2<'i, T>],
    /// The columns that lie in memory in the order of their indices.
    flat: &'a [Option<&'a [T]>],
    out: &'a mut ArrayViewMut3<'o, T>,
}

impl<T: Number> Job for Pass<'_, '_, '_, T> {
    #[inline(always)]
    fn run(self) {
        let Self { program, states, lanes, columns, flat, out } = self;
        let (outputs, rows, symbols) = out.dim();
        for start in (0..rows).step_by(BLOCK) {
            let count = BLOCK.min(rows - start);
            for (group, symbol) in (0..symbols).step_by(WIDTH).enumerate() {
                let is_whole = symbol + WIDTH <= symbols;
                for ((lane, column), flat) in lanes.iter_mut().zip(columns).zip(flat) {
                    match flat {
                        Some(flat) if is_whole => {
                            let rows = flat[start * symbols..].chunks_exact(symbols);
                            for (slot, row) in lane[..count].iter_mut().zip(rows) {
                                let row = &row[symbol..symbol + WIDTH];
                                *slot = Group(std::array::from_fn(|place| known(row[place])));
                            }
                        }
                        _ => {
                            for (row, slot) in lane[..count].iter_mut().enumerate() {
                                // The places beyond the last symbol repeat it, so that they warm up with it.
                                let at = |place: usize| [start + row, (symbol + place).min(symbols - 1)];
                                *slot = Group(std::array::from_fn(|place| known(column[at(place)])));
                            }
                        }
                    }
                }
                let state = &mut states[group * program.state_len..][..program.state_len];
                program.advance(state, lanes, count);
                let mut flat = out.as_slice_mut();
                for (output, register) in (0..outputs).zip(&program.outputs) {
                    let lane = &lanes[*register][..count];
                    match &mut flat {
                        Some(flat) if is_whole => {
                            let rows = flat[(output * rows + start) * symbols..].chunks_exact_mut(symbols);
                            for (row, values) in rows.zip(lane) {
                                if let Some(target) = row[symbol..].first_chunk_mut::<WIDTH>() {
                                    *target = values.0;
                                }
                            }
                        }
                        Some(flat) => {
                            let rows = flat[(output * rows + start) * symbols..].chunks_exact_mut(symbols);
                            for (row, values) in rows.zip(lane) {
                                row[symbol..]
                                    .iter_mut()
                                    .zip(values.0)
                                    .for_each(|(slot, value)| *slot = value);
                            }
                        }
                        None => {}
                    }
                }
                if flat.is_none() {
                    for (output, register) in (0..outputs).zip(&program.outputs) {
                        for (row, values) in lanes[*register][..count].iter().enumerate() {
                            (symbol..symbols)
                                .zip(values.0)
                                .for_each(|(symbol, value)| out[[output, start + row, symbol]] = value);
                        }
                    }
                }
            }
        }
    }
}

impl<T: Number> Panel<T> {
    /// Bytes of state.
    #[must_use]
    pub fn state_bytes(&self) -> usize {
        size_of_val(self.state.as_slice())
    }

    /// Starts over before the first row.
    pub fn reset(&mut self) {
        let initial = self.program.initial_state::<Group<T, WIDTH>>();
        for state in self.state.chunks_exact_mut(initial.len().max(1)) {
            state.copy_from_slice(&initial);
        }
        self.rows = u64::zero();
    }
}
