//! Rows that change after they came: a bar that is still forming, a correction that comes late.
//!
//! ```text
//!     older          newer              last row
//!       | depth rows   | 1 to depth rows |        the state before each mark is kept, and the rows since `older`
//! ```
//! A changed row is taken from the mark before it, and the rows after it again: at most `2 depth` of them. A mark moves on
//! every `depth` rows, so a row that stays as it came costs next to nothing more than in a [`Stream`].

use crate::feature::stream::Stream;

/// Rows that may be changed at most; far above any use, low enough to keep a mistake from taking the machine.
pub const DEPTH_MAX: usize = 65_536;

/// A stream whose last rows can be replaced.
#[derive(Clone, Debug)]
pub struct Revisable {
    stream: Stream,
    older: Stream,
    /// Means something while there are more than `depth` recent rows.
    newer: Stream,
    /// The rows since `older`, one after the other.
    recent: Vec<f64>,
    rows: usize,
    depth: usize,
}

/// Why a row cannot be replaced.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RevisionError {
    /// A number of rows that cannot be kept.
    #[error("the depth is {depth} rows; it must be from 1 to {DEPTH_MAX}")]
    Depth {
        /// What was asked for.
        depth: usize,
    },
    /// A row that came too long ago, or never.
    #[error(
        "the row that came {age} rows before the last one cannot be replaced, only the last {kept}; make the depth greater, or compute the series anew"
    )]
    TooOld {
        /// Rows that came after it.
        age: usize,
        /// Rows that can be replaced now.
        kept: usize,
    },
    /// A row or an array of outputs of the wrong length.
    #[error("the {what} has {given} values and must have {expected}")]
    Length {
        /// Row or output.
        what: &'static str,
        /// Its length.
        given: usize,
        /// The length that it must have.
        expected: usize,
    },
}

impl Revisable {
    /// Goes on from `stream`; the last `depth` of the rows that come from now on can be replaced. One is enough for a bar
    /// that forms.
    ///
    /// # Errors
    /// [`RevisionError::Depth`] when `depth` is zero or above [`DEPTH_MAX`].
    pub fn new(stream: Stream, depth: usize) -> Result<Self, RevisionError> {
        if !(1..=DEPTH_MAX).contains(&depth) {
            return Err(RevisionError::Depth { depth });
        }
        let recent = vec![0.0; 2 * depth * stream.inputs()];
        Ok(Self { older: stream.clone(), newer: stream.clone(), stream, recent, rows: 0, depth })
    }

    /// The stream after the last row.
    #[must_use]
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Rows that can be replaced now.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.rows.min(self.depth)
    }

    /// Takes one row, as [`Stream::push`] does. Nothing is allocated.
    ///
    /// # Panics
    /// When `row` or `out` is not as long as the plan's inputs and outputs.
    pub fn push(&mut self, row: &[f64], out: &mut [f64]) {
        let inputs = self.stream.inputs();
        assert_eq!(row.len(), inputs, "values in the row");
        if self.rows == 2 * self.depth {
            std::mem::swap(&mut self.older, &mut self.newer);
            self.recent.copy_within(self.depth * inputs.., 0);
            self.rows = self.depth;
        }
        if self.rows == self.depth {
            self.newer.assume(&self.stream);
        }
        self.recent[self.rows * inputs..][..inputs].copy_from_slice(row);
        self.rows += 1;
        self.stream.push(row, out);
    }

    /// Replaces the row that came `age` rows before the last one, 0 being the last, and writes the outputs of that row and of
    /// all after it, row by row: `(age + 1)` times as many as the plan has. Everything is then as if it had come so.
    ///
    /// # Errors
    /// [`RevisionError`] when the row is too old or something has the wrong length; nothing is then written or changed.
    pub fn replace(&mut self, age: usize, row: &[f64], out: &mut [f64]) -> Result<(), RevisionError> {
        let (inputs, outputs) = (self.stream.inputs(), self.stream.outputs());
        if age >= self.kept() {
            return Err(RevisionError::TooOld { age, kept: self.kept() });
        }
        for (what, given, expected) in
            [("row", row.len(), inputs), ("array of outputs", out.len(), (age + 1) * outputs)]
        {
            if given != expected {
                return Err(RevisionError::Length { what, given, expected });
            }
        }
        let place = self.rows - 1 - age;
        self.recent[place * inputs..][..inputs].copy_from_slice(row);
        let (mark, first) = if place >= self.depth { (&self.newer, self.depth) } else { (&self.older, 0) };
        self.stream.assume(mark);
        for at in first..self.rows {
            if at == self.depth {
                self.newer.assume(&self.stream);
            }
            // Rows before the changed one only carry the state on; their outputs are overwritten.
            let target = at.saturating_sub(place) * outputs;
            self.stream.push(&self.recent[at * inputs..][..inputs], &mut out[target..][..outputs]);
        }
        Ok(())
    }
}
