//! Labels to train on: what the price did after a row.
//!
//! A label looks ahead, which no feature may, so labels are functions over whole columns and no part of plans: there is
//! no way to call one in a plan, and none to stream one. A label is known once the rows that it looks at exist; more
//! rows never change it. Features of row t see the rows up to t, the label of row t those from t + 1 on: the close
//! of row t is where both meet, and is the price at which a position is taken.
//!
//! Labels of neighbouring rows share rows, so a training row whose label reaches into the validation rows has seen
//! them. [`training_rows`] leaves those out, and an embargo after them (M. López de Prado, Advances in Financial Machine
//! Learning, 2018, chapters 3 and 7).

use std::ops::Range;

use serde::Serialize;

/// Why rows cannot be labelled.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum LabelError {
    /// A horizon of no rows.
    #[error("a label looks at least one row ahead; give a horizon above zero")]
    Horizon,
    /// Columns of different lengths.
    #[error("{column} has {rows} rows and close has {expected}; all must be of one length")]
    Rows {
        /// The column.
        column: &'static str,
        /// Its rows.
        rows: usize,
        /// Rows of the close.
        expected: usize,
    },
    /// A barrier that is none.
    #[error("the {side} barrier is {width} widths away; give a number above zero, infinite for no barrier")]
    Barrier {
        /// Upper or lower.
        side: &'static str,
        /// Its distance.
        width: f64,
    },
    /// Validation rows that there are not.
    #[error("rows {begin} to {end} are to validate and there are {rows}; give a range within the rows")]
    Validation {
        /// The first.
        begin: usize,
        /// The one after the last.
        end: usize,
        /// Rows there are.
        rows: usize,
    },
}

/// The simple return from each row's close to the close `horizon` rows later: `close[t + horizon] / close[t] - 1`.
///
/// NaN in the last `horizon` rows, where a price is not known, and where the first one is zero.
///
/// # Errors
/// [`LabelError::Horizon`] when the horizon is zero.
pub fn forward_returns(close: &[f64], horizon: usize) -> Result<Vec<f64>, LabelError> {
    if horizon == 0 {
        return Err(LabelError::Horizon);
    }
    let later = close.iter().skip(horizon);
    let mut labels: Vec<f64> = close.iter().zip(later).map(|(now, later)| known(later / now - 1.0)).collect();
    labels.resize(close.len(), f64::NAN);
    Ok(labels)
}

/// The direction of each return: 1 above `threshold`, -1 below `-threshold`, 0 between, NaN where it is not known.
#[must_use]
pub fn directions(returns: &[f64], threshold: f64) -> Vec<f64> {
    let direction = |value: &f64| match *value {
        value if value.is_nan() => value,
        value if value > threshold => 1.0,
        value if value < -threshold => -1.0,
        _ => 0.0,
    };
    returns.iter().map(direction).collect()
}

/// Distances of the barriers in widths of the row, such as its volatility, and rows until the last barrier.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Barriers {
    /// Distance of the upper barrier; infinite for none.
    pub upper: f64,
    /// Distance of the lower barrier; infinite for none.
    pub lower: f64,
    /// Rows after which the position is closed.
    pub horizon: usize,
}

/// The barrier that a price touched first.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Touch {
    /// 1 for the upper barrier, -1 for the lower, 0 for the horizon.
    pub label: i8,
    /// The row of the touch.
    pub row: usize,
    /// The simple return from the close of the labelled row: to the barrier touched, or to the close at the horizon.
    pub value: f64,
}

/// The first barrier that each row's position meets: `close[t] (1 + upper width[t])`, `close[t] (1 - lower width[t])`, or
/// the close `horizon` rows later. High and low say whether a barrier was touched within a bar; a bar that touches both
/// counts for the lower one, since their order is not known and the worse one is the careful guess.
///
/// `None` where the close or the width is not known or not above zero, and while no barrier has been met: for up to
/// `horizon` rows at the end, and where a bar that is not known comes before the touch. Costs at most `horizon` steps
/// a row.
///
/// # Errors
/// [`LabelError`] when the columns are of different lengths, the horizon is zero or a barrier is not above zero.
pub fn triple_barrier(
    [high, low, close]: [&[f64]; 3],
    width: &[f64],
    barriers: Barriers,
) -> Result<Vec<Option<Touch>>, LabelError> {
    let expected = close.len();
    for (column, rows) in [("high", high.len()), ("low", low.len()), ("width", width.len())] {
        if rows != expected {
            return Err(LabelError::Rows { column, rows, expected });
        }
    }
    if barriers.horizon == 0 {
        return Err(LabelError::Horizon);
    }
    for (side, width) in [("upper", barriers.upper), ("lower", barriers.lower)] {
        if width.is_nan() || width <= 0.0 {
            return Err(LabelError::Barrier { side, width });
        }
    }
    let bars = |row: usize| [high[row], low[row], close[row]];
    Ok((0..expected).map(|row| touch(row, expected, bars, width[row], barriers)).collect())
}

/// What the position of `row` meets first.
fn touch(
    row: usize,
    rows: usize,
    bars: impl Fn(usize) -> [f64; 3],
    width: f64,
    barriers: Barriers,
) -> Option<Touch> {
    let [.., entry] = bars(row);
    if !(entry > 0.0 && width > 0.0 && entry.is_finite() && width.is_finite()) {
        return None;
    }
    let (rise, fall) = (barriers.upper * width, -barriers.lower * width);
    let (upper, lower) = (entry * (1.0 + rise), entry * (1.0 + fall));
    let last = row.saturating_add(barriers.horizon);
    for row in row + 1..rows.min(last.saturating_add(1)) {
        let [high, low, close] = bars(row);
        if !(high.is_finite() && low.is_finite() && close.is_finite()) {
            return None;
        }
        if low <= lower {
            return Some(Touch { label: -1, row, value: fall });
        }
        if high >= upper {
            return Some(Touch { label: 1, row, value: rise });
        }
        if row == last {
            return Some(Touch { label: 0, row, value: close / entry - 1.0 });
        }
    }
    None
}

/// The rows to train on beside the validation rows: those whose label, up to `horizon` rows ahead, does not reach into
/// the validation rows or share rows with a label of theirs, and those that begin `embargo` rows after that. An embargo of
/// a plan's lookback leaves out rows whose windowed features have seen validation rows.
///
/// # Errors
/// [`LabelError::Validation`] when the range is not within the rows.
pub fn training_rows(
    rows: usize,
    validation: Range<usize>,
    horizon: usize,
    embargo: usize,
) -> Result<[Range<usize>; 2], LabelError> {
    let Range { start: begin, end } = validation;
    if begin > end || end > rows {
        return Err(LabelError::Validation { begin, end, rows });
    }
    let after = end.saturating_add(horizon).saturating_add(embargo).min(rows);
    Ok([0..begin.saturating_sub(horizon), after..rows])
}

fn known(x: f64) -> f64 {
    if x.is_finite() { x } else { f64::NAN }
}
