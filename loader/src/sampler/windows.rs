//! The windows of one part of the rows.

use std::ops::Range;

use super::order;
use super::weights::{self, Weights};

/// Why there are no windows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A window without rows, or windows that do not move.
    #[error("{name} of the windows is 0; it must be at least 1")]
    Zero {
        /// Which number.
        name: &'static str,
    },
    /// A window longer than the numbers can say.
    #[error("a window of {length} rows with a target {horizon} rows later is too long")]
    TooLong {
        /// Rows in a window.
        length: u64,
        /// Rows to its target.
        horizon: u64,
    },
    /// Gaps out of order or outside.
    #[error("gap {row} is not above the gap or row before it; give the first rows after each gap, ascending")]
    Gaps {
        /// The offending row.
        row: u64,
    },
    /// Parts out of order.
    #[error(
        "the part that begins at row {row} begins before the end of the one before; give ascending parts"
    )]
    Parts {
        /// Its first row.
        row: u64,
    },
    /// Not one window fits.
    #[error("no window fits: rows {} to {} hold runs of at most {longest} rows without a gap, one window needs {needed}; give more rows or a shorter window", rows.start, rows.end)]
    None {
        /// The rows there are.
        rows: Range<u64>,
        /// The longest run of them without a gap.
        longest: u64,
        /// Rows of one window with its target.
        needed: u64,
    },
}

/// The shape of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Rows in a window.
    pub length: u64,
    /// Rows from one window's start to the next one's.
    pub stride: u64,
    /// Rows from the last row of a window to its target; 0 when the target is in the last row.
    pub horizon: u64,
}

impl Shape {
    /// Rows that one window needs, its target included; saturated.
    #[must_use]
    pub const fn span(&self) -> u64 {
        self.length.saturating_add(self.horizon)
    }
}

/// Finds the gaps in ascending times, piece by piece: the rows whose predecessor is further away than a limit.
#[derive(Clone, Debug)]
pub struct Gaps {
    step_max: i64,
    row: u64,
    last: Option<i64>,
    starts: Vec<u64>,
}

impl Gaps {
    /// Two neighbouring times further apart than `step_max` have a gap between them.
    #[must_use]
    pub const fn wider_than(step_max: i64) -> Self {
        Self { step_max, row: 0, last: None, starts: Vec::new() }
    }

    /// Takes the next `times` in order.
    pub fn push(&mut self, times: &[i64]) {
        for &time in times {
            if self.last.is_some_and(|last| time.saturating_sub(last) > self.step_max) {
                self.starts.push(self.row);
            }
            self.last = Some(time);
            self.row += 1;
        }
    }

    /// The first row after each gap, ascending.
    #[must_use]
    pub fn into_starts(self) -> Vec<u64> {
        self.starts
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Run {
    first: u64,
    windows: u64,
    windows_before: u64,
}

/// All windows inside `rows` that cross no gap, in order of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Windows {
    rows: Range<u64>,
    shape: Shape,
    runs: Vec<Run>,
    total: u64,
    weights: Option<Weights>,
}

impl Windows {
    /// The windows of `shape` in `rows`; `gaps` are the first rows after each gap of the whole table, ascending.
    ///
    /// In each run of rows without a gap the first window starts at its first row and the others follow at the
    /// stride, as long as the whole window and its target lie in the run.
    ///
    /// # Errors
    /// [`Error`] when the shape has a zero, the gaps are not ascending, or no window fits.
    pub fn new(rows: Range<u64>, gaps: &[u64], shape: Shape) -> Result<Self, Error> {
        Self::of_parts(&[rows], gaps, shape)
    }

    /// As [`Windows::new`], of several parts of the rows, ascending: such as the training rows of each file of a
    /// [`Dataset`](crate::dataset::Dataset). No window reaches over the border of a part.
    ///
    /// # Errors
    /// As [`Windows::new`], and [`Error::Parts`].
    pub fn of_parts(parts: &[Range<u64>], gaps: &[u64], shape: Shape) -> Result<Self, Error> {
        for (name, value) in [("length", shape.length), ("stride", shape.stride)] {
            if value == 0 {
                return Err(Error::Zero { name });
            }
        }
        let too_long = Error::TooLong { length: shape.length, horizon: shape.horizon };
        let span = shape.length.checked_add(shape.horizon).ok_or(too_long)?;
        if let Some(pair) = gaps.windows(2).find(|pair| pair[0] >= pair[1]) {
            return Err(Error::Gaps { row: pair[1] });
        }
        if let Some(pair) = parts.windows(2).find(|pair| pair[0].end > pair[1].start) {
            return Err(Error::Parts { row: pair[1].start });
        }
        let (mut runs, mut total, mut longest) = (Vec::new(), 0, 0);
        for rows in parts {
            let inside = &gaps[gaps.partition_point(|&row| row <= rows.start)..];
            let inside = &inside[..inside.partition_point(|&row| row < rows.end)];
            let mut first = rows.start;
            for end in inside.iter().copied().chain([rows.end.max(rows.start)]) {
                let len = end - first;
                longest = longest.max(len);
                if len >= span {
                    let windows = (len - span) / shape.stride + 1;
                    runs.push(Run { first, windows, windows_before: total });
                    total += windows;
                }
                first = end;
            }
        }
        let first = parts.first().map_or(0, |rows| rows.start);
        let rows = first..parts.last().map_or(0, |rows| rows.end).max(first);
        if total == 0 {
            return Err(Error::None { rows, longest, needed: span });
        }
        Ok(Self { rows, shape, runs, total, weights: None })
    }

    /// The same windows, of which some are seen more often than others in an epoch ([`weights`](super::weights)). Each of
    /// `weights` is a row and the weight of the windows that start there or later, up to the next one's row.
    ///
    /// # Errors
    /// [`weights::Error`] when they are no weights, or leave nothing.
    pub fn weighted(self, weights: &[(u64, f64)]) -> Result<Self, weights::Error> {
        let count = |from, to| {
            let indices = self.starting_in(from..to);
            indices.end - indices.start
        };
        let first = self.runs.first().map_or(0, |run| run.first);
        let weights = Weights::new(weights, first, count)?;
        Ok(Self { weights: Some(weights), ..self })
    }

    /// How often the window that starts in row `start` is seen in epoch `epoch` of `seed`.
    #[must_use]
    pub fn times(&self, start: u64, (seed, epoch): (u64, u64)) -> u64 {
        self.weights.as_ref().map_or(1, |weights| weights.times(start, order::key(&[seed, epoch, 3])))
    }

    /// Whether some windows may be seen more often than others.
    #[must_use]
    pub const fn is_weighted(&self) -> bool {
        self.weights.is_some()
    }

    /// The most times that any window is seen in an epoch.
    #[must_use]
    pub fn times_max(&self) -> u64 {
        self.weights.as_ref().map_or(1, Weights::times_max)
    }

    /// Bytes of the runs and the weights.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        (self.runs.len() * size_of::<Run>()) as u64 + self.weights.as_ref().map_or(0, Weights::bytes)
    }

    /// What the weights are, for fingerprints.
    pub(super) fn weight_words(&self) -> impl Iterator<Item = u64> {
        self.weights.iter().flat_map(Weights::words)
    }

    /// How many windows there are; at least one.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.total
    }

    /// The rows that the windows were cut from.
    #[must_use]
    pub const fn rows(&self) -> &Range<u64> {
        &self.rows
    }

    /// The shape of each window.
    #[must_use]
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// The start row of window `index`, or `None` past the last one.
    #[must_use]
    pub fn start(&self, index: u64) -> Option<u64> {
        if index >= self.total {
            return None;
        }
        let run =
            self.runs.get(self.runs.partition_point(|run| run.windows_before <= index).checked_sub(1)?)?;
        Some(run.first + (index - run.windows_before) * self.shape.stride)
    }

    /// The indices of the windows that start in `rows`.
    #[must_use]
    pub fn starting_in(&self, rows: Range<u64>) -> Range<u64> {
        let from = self.before(rows.start);
        from..self.before(rows.end).max(from)
    }

    /// The start rows of the windows `indices`; one step is an addition, where [`Windows::start`] searches.
    pub(super) fn starts(&self, indices: Range<u64>) -> impl Iterator<Item = u64> + Clone {
        let first = self.runs.partition_point(|run| run.windows_before <= indices.start).saturating_sub(1);
        let stride = self.shape.stride;
        let runs = self.runs[first.min(self.runs.len())..].iter();
        runs.take_while(move |run| run.windows_before < indices.end).flat_map(move |run| {
            let inside = |index: u64| index.saturating_sub(run.windows_before).min(run.windows);
            (inside(indices.start)..inside(indices.end)).map(move |index| run.first + index * stride)
        })
    }

    /// The first row and the number of windows of each run without a gap.
    pub(super) fn runs(&self) -> impl Iterator<Item = (u64, u64)> {
        self.runs.iter().map(|run| (run.first, run.windows))
    }

    /// How many windows start before `row`.
    fn before(&self, row: u64) -> u64 {
        let Some(last) = self.runs.partition_point(|run| run.first < row).checked_sub(1) else { return 0 };
        let run = &self.runs[last];
        run.windows_before + (row - run.first).div_ceil(self.shape.stride).min(run.windows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The specification: every start that the rules allow, found by trying all rows.
    fn plain(rows: &Range<u64>, gaps: &[u64], shape: Shape) -> Vec<u64> {
        let mut starts = Vec::new();
        let mut run = rows.start;
        for row in rows.clone() {
            if gaps.contains(&row) {
                run = row;
            }
            let end = row + shape.span();
            let crosses = gaps.iter().any(|&gap| row < gap && gap < end);
            if !crosses && end <= rows.end && (row - run).is_multiple_of(shape.stride) {
                starts.push(row);
            }
        }
        starts
    }

    proptest! {
        #[test]
        fn equals_the_plain_rule(
            from in 0u64..50, len in 0u64..300, length in 1u64..20, stride in 1u64..9, horizon in 0u64..9,
            gaps in proptest::collection::btree_set(0u64..400, 0..12), (a, b) in (0u64..400, 0u64..400),
        ) {
            let (rows, gaps) = (from..from + len, gaps.into_iter().collect::<Vec<_>>());
            let shape = Shape { length, stride, horizon };
            let expected = plain(&rows, &gaps, shape);
            match Windows::new(rows, &gaps, shape) {
                Ok(windows) => {
                    let starts: Vec<_> = (0..windows.count()).map(|index| windows.start(index).unwrap()).collect();
                    prop_assert_eq!(&starts, &expected);
                    prop_assert_eq!(windows.start(windows.count()), None);
                    let part = windows.starting_in(a.min(b)..a.max(b));
                    let chosen: Vec<_> = part.map(|index| windows.start(index).unwrap()).collect();
                    let wanted: Vec<_> = expected.into_iter().filter(|s| (a.min(b)..a.max(b)).contains(s)).collect();
                    prop_assert_eq!(chosen, wanted);
                }
                Err(error) => {
                    prop_assert!(expected.is_empty());
                    let is_none = matches!(error, Error::None { .. });
                    prop_assert!(is_none);
                }
            }
        }
    }

    #[test]
    fn parts_are_cut_apart() {
        let shape = Shape { length: 5, stride: 2, horizon: 1 };
        let parts = [3..20, 20..24, 30..45];
        let windows = Windows::of_parts(&parts, &[35], shape).unwrap();
        let starts: Vec<_> = (0..windows.count()).map(|index| windows.start(index).unwrap()).collect();
        let expected: Vec<u64> = parts.iter().flat_map(|rows| plain(rows, &[35], shape)).collect();
        assert_eq!((&starts, windows.rows()), (&expected, &(3..45)));
        let refused = Windows::of_parts(&[0..20, 19..40], &[], shape);
        assert_eq!(refused, Err(Error::Parts { row: 19 }));
        assert!(matches!(Windows::of_parts(&[], &[], shape), Err(Error::None { .. })));
    }

    #[test]
    fn refusals() {
        let shape = Shape { length: 60, stride: 1, horizon: 5 };
        assert_eq!(
            Windows::new(0..64, &[], shape),
            Err(Error::None { rows: 0..64, longest: 64, needed: 65 })
        );
        assert_eq!(Windows::new(0..999, &[5, 5], shape), Err(Error::Gaps { row: 5 }));
        assert_eq!(
            Windows::new(0..9, &[], Shape { stride: 0, ..shape }),
            Err(Error::Zero { name: "stride" })
        );
        let endless = Shape { length: u64::MAX, ..shape };
        assert!(matches!(Windows::new(0..9, &[], endless), Err(Error::TooLong { .. })));
        assert_eq!(Windows::new(0..65, &[], shape).unwrap().count(), 1);
    }

    #[test]
    fn gaps_across_pieces() {
        let mut gaps = Gaps::wider_than(60);
        gaps.push(&[0, 60, 120]);
        gaps.push(&[200, 260]);
        gaps.push(&[]);
        gaps.push(&[i64::MAX]);
        assert_eq!(gaps.into_starts(), [3, 5]);
    }
}
