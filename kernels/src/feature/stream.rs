//! Running a plan: row by row as ticks arrive, or over columns in blocks, with one state for both.

use std::num::NonZero;
use std::sync::Arc;

use ndarray::{Array2, ArrayViewMut2, s};

use crate::feature::destination::{Cell, Destination};
use crate::feature::loops::{Job, Loops};
use crate::feature::normaliser::Normaliser;
use crate::feature::op::{known, shown};
use crate::feature::program::{Advance, Leave, Program, step};
use crate::feature::segments::{Cut, SEGMENT_ROWS_MIN, Segments};

/// Rows in a block. Sixty-four rows of sixty registers are 30 KiB: the intermediate values of a usual plan stay
/// in the first-level cache, and the choice of an operation is paid once for 64 rows.
const BLOCK: usize = 64;
/// The same where no row waits for the row before it: then nothing overlaps with the next block anyway, and longer runs
/// of vector instructions pay.
const FREE_BLOCK: usize = 256;

/// A plan in the middle of a series. A clone is a snapshot: both go on independently.
#[derive(Clone, Debug)]
pub struct Stream {
    pub(crate) program: Arc<Program>,
    pub(crate) state: Vec<f64>,
    /// Those of a row that comes alone.
    lanes: Vec<f64>,
    pub(crate) rows: u64,
    pub(crate) plan_hash: [u8; 32],
    loops: Loops,
    threads: NonZero<usize>,
    /// The fewest rows of a segment.
    segment_rows_min: usize,
}

/// Why columns do not fit a plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// The wrong number of columns.
    #[error("the plan reads {expected} columns and {given} were given; pass those that Plan::inputs names")]
    Columns {
        /// Columns that the plan reads.
        expected: usize,
        /// Columns given.
        given: usize,
    },
    /// Columns of different lengths.
    #[error("column {column} has {rows} rows and column 0 has {expected}; all must be of one length")]
    Rows {
        /// Place of the column.
        column: usize,
        /// Its rows.
        rows: usize,
        /// Rows of the first column.
        expected: usize,
    },
    /// An output array of the wrong shape.
    #[error("the output array is {rows} x {columns} and must be {expected_rows} x {expected_columns}")]
    Output {
        /// Its rows.
        rows: usize,
        /// Its columns.
        columns: usize,
        /// Rows of the data.
        expected_rows: usize,
        /// Outputs of the plan.
        expected_columns: usize,
    },
    /// A normaliser for another number of outputs.
    #[error("the normaliser is for {given} outputs and the plan has {expected}; fit it to this plan")]
    Normaliser {
        /// Outputs of the plan.
        expected: usize,
        /// Outputs of the normaliser.
        given: usize,
    },
}

impl Stream {
    pub(crate) fn new(
        program: Arc<Program>,
        plan_hash: [u8; 32],
        loops: Loops,
        threads: NonZero<usize>,
    ) -> Self {
        let (state, lanes) = (program.initial_state(), program.tick.lanes(&program));
        let segment_rows_min = SEGMENT_ROWS_MIN;
        Self { program, state, lanes, rows: 0, plan_hash, loops, threads, segment_rows_min }
    }

    /// The same with segments of as few rows, so that an exam of a few thousand rows has joints.
    #[cfg(test)]
    pub(crate) fn with_segments(self, segment_rows_min: usize) -> Self {
        Self { segment_rows_min, ..self }
    }

    /// Rows seen so far.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Values in a row.
    pub(crate) fn inputs(&self) -> usize {
        self.program.columns.len()
    }

    /// Values that a row gives.
    pub(crate) fn outputs(&self) -> usize {
        self.program.outputs.len()
    }

    /// Stands where `other`, of the same plan, stands. Nothing is allocated.
    pub(crate) fn assume(&mut self, other: &Self) {
        self.state.copy_from_slice(&other.state);
        self.rows = other.rows;
    }

    /// Takes rows whose outputs nobody wants, such as the history before the first tick: as [`Stream::extend`].
    ///
    /// # Errors
    /// [`ShapeError`] when the columns do not fit; nothing is then changed.
    pub fn warm_up(&mut self, columns: &[&[f64]]) -> Result<(), ShapeError> {
        const ROWS: usize = 1 << 13;
        let rows = self.check_columns(columns)?;
        let mut out = Array2::zeros((rows.min(ROWS), self.outputs()));
        for start in (0..rows).step_by(ROWS) {
            let range = start..rows.min(start + ROWS);
            let count = range.len();
            let some: Vec<&[f64]> = columns.iter().map(|column| &column[range.clone()]).collect();
            self.extend(&some, out.slice_mut(s![..count, ..]))?;
        }
        Ok(())
    }

    /// Takes one row, the values of [`Plan::inputs`](super::Plan::inputs) in order, and writes its outputs, those of
    /// [`Plan::names`](super::Plan::names) in order. Outputs are NaN while they warm up. Nothing is allocated.
    ///
    /// # Panics
    /// When `row` or `out` is not as long as those lists.
    pub fn push(&mut self, row: &[f64], out: &mut [f64]) {
        assert_eq!(out.len(), self.program.outputs.len(), "values in the output");
        self.tick(row, Shown(out));
    }

    /// [`Stream::push`], normalised and rounded to `f32` on the way: the row that a model's stream takes. The bits are
    /// those of [`Normaliser::apply`] to each value.
    ///
    /// # Panics
    /// When `row`, `out` or the normaliser is not for this plan.
    pub fn push_into_f32(&mut self, row: &[f64], normaliser: &Normaliser, out: &mut [f32]) {
        assert_eq!(normaliser.outputs(), self.program.outputs.len(), "outputs of the normaliser");
        assert_eq!(out.len(), self.program.outputs.len(), "values in the output");
        self.tick(row, Normalised { normaliser, out });
    }

    #[inline]
    fn tick(&mut self, row: &[f64], leave: impl Leave) {
        let program = &*self.program;
        assert_eq!(row.len(), program.columns.len(), "values in the row");
        let (loops, state, lanes) = (self.loops, &mut self.state[..], &mut self.lanes[..]);
        loops.narrow(Advance { program, loops, state, lanes, row, leave });
        self.rows += 1;
    }

    /// Takes the next rows as columns, in the order of [`Plan::inputs`](super::Plan::inputs), and writes
    /// `out[row, output]`: the same bits, and the same state afterwards, as [`Stream::push`] of each row.
    ///
    /// # Errors
    /// [`ShapeError`] when the columns or the output array do not fit; nothing is then written or changed.
    pub fn extend(&mut self, columns: &[&[f64]], out: ArrayViewMut2<'_, f64>) -> Result<(), ShapeError> {
        self.run(columns, out, |_, value| value)
    }

    /// [`Stream::extend`], normalised and rounded to `f32` on the way: what a model reads, without a second pass
    /// over the features. The bits are those of [`Normaliser::apply`] to each value.
    ///
    /// # Errors
    /// [`ShapeError`] when the columns, the output array or the normaliser do not fit; nothing is then written or
    /// changed.
    pub fn extend_into_f32(
        &mut self,
        columns: &[&[f64]],
        normaliser: &Normaliser,
        out: ArrayViewMut2<'_, f32>,
    ) -> Result<(), ShapeError> {
        let (expected, given) = (self.program.outputs.len(), normaliser.outputs());
        if expected != given {
            return Err(ShapeError::Normaliser { expected, given });
        }
        self.run(columns, out, |output, value| normaliser.apply(output, value))
    }

    /// Advances and writes `convert(output, value)`, in segments side by side where that is worth it.
    fn run<T: Cell>(
        &mut self,
        columns: &[&[f64]],
        mut out: ArrayViewMut2<'_, T>,
        convert: impl Fn(usize, f64) -> T + Sync,
    ) -> Result<(), ShapeError> {
        let rows = self.check(columns, out.dim())?;
        let (program, loops, threads) = (&*self.program, self.loops, self.threads);
        let free = program.waiting() == 0;
        let mut lanes = program.lanes::<_, BLOCK>(if free { 0 } else { program.series.lanes });
        let mut free_lanes = program.lanes::<_, FREE_BLOCK>(if free { program.series.lanes } else { 0 });
        let mut one_by_one = |state: &mut [f64], (from, to): (usize, usize), out: ArrayViewMut2<'_, T>| {
            let (rows, out, convert) = ((from, to), Destination::new(out), &convert);
            if free {
                let lanes = &mut free_lanes[..];
                loops.free(Series { program, state, lanes, columns, rows, out, convert });
            } else {
                let lanes = &mut lanes[..];
                loops.narrow(Series { program, state, lanes, columns, rows, out, convert });
            }
        };
        let mut done = 0;
        if let Some(cut) = Cut::new(program, loops, (self.rows, rows), threads, self.segment_rows_min) {
            one_by_one(&mut self.state, (0, cut.first), out.slice_mut(s![..cut.first, ..]));
            let segments = Segments { program, loops, threads, columns, convert: &convert };
            done = segments.run(cut, &mut self.state, out.view_mut(), &mut one_by_one);
        }
        one_by_one(&mut self.state, (done, rows), out.slice_mut(s![done.., ..]));
        self.rows += rows as u64;
        Ok(())
    }

    /// The rows of `columns`.
    fn check_columns(&self, columns: &[&[f64]]) -> Result<usize, ShapeError> {
        let (expected, given) = (self.program.columns.len(), columns.len());
        if expected != given {
            return Err(ShapeError::Columns { expected, given });
        }
        let expected = columns.first().map_or(0, |column| column.len());
        if let Some((column, values)) =
            columns.iter().enumerate().find(|(_, values)| values.len() != expected)
        {
            return Err(ShapeError::Rows { column, rows: values.len(), expected });
        }
        Ok(expected)
    }

    fn check(&self, columns: &[&[f64]], out: (usize, usize)) -> Result<usize, ShapeError> {
        let expected = self.check_columns(columns)?;
        let (rows, outputs) = out;
        if (rows, outputs) != (expected, self.program.outputs.len()) {
            let expected_columns = self.program.outputs.len();
            return Err(ShapeError::Output {
                rows,
                columns: outputs,
                expected_rows: expected,
                expected_columns,
            });
        }
        Ok(rows)
    }
}

/// A row of features.
struct Shown<'a>(&'a mut [f64]);

impl Leave for Shown<'_> {
    #[inline(always)]
    fn leave(self, outputs: &[f64]) {
        for (slot, value) in self.0.iter_mut().zip(outputs) {
            *slot = shown(*value);
        }
    }
}

/// A row as a model reads it.
struct Normalised<'a> {
    normaliser: &'a Normaliser,
    out: &'a mut [f32],
}

impl Leave for Normalised<'_> {
    #[inline(always)]
    fn leave(self, outputs: &[f64]) {
        self.normaliser.apply_row(outputs, self.out);
    }
}

/// All blocks of some rows of one series; `out` begins with the first of them.
struct Series<'a, 'o, T, F, const B: usize> {
    program: &'a Program,
    state: &'a mut [f64],
    lanes: &'a mut [[f64; B]],
    columns: &'a [&'a [f64]],
    rows: (usize, usize),
    out: Destination<'o, T>,
    convert: &'a F,
}

impl<T: Cell, F: Fn(usize, f64) -> T, const B: usize> Job for Series<'_, '_, T, F, B> {
    #[inline(always)]
    fn run(mut self) {
        let (from, to) = self.rows;
        let mut start = from;
        while start < to {
            let count = B.min(to - start);
            for (lane, column) in self.lanes.iter_mut().zip(self.columns) {
                for (slot, value) in lane.iter_mut().zip(&column[start..start + count]) {
                    *slot = known(*value);
                }
            }
            for node in &self.program.series.nodes {
                step(node, self.state, self.lanes, count);
            }
            self.out.write((start - from, count), self.lanes, &self.program.series.outputs, self.convert);
            start += count;
        }
    }
}
