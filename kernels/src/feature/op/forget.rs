//! How long an operation remembers, so that a series can be cut into segments that are computed side by side.
//!
//! A window remembers its rows and no others: two states that took the same rows are the same bits. A recursion with a
//! weight below one never forgets in theory. In floating point it does: two states that took the same rows come closer by
//! their weight with each row, and once they are a few roundings apart each row has a chance of the size of that weight
//! to round both to the same number, after which they stay together. Measured over 4,000 pairs of states one per cent
//! apart, on walks, on prices in ticks and on noise, weights from 2/13 to 2/101: half have met after 29 to 36
//! times the reciprocal of the weight, all but one in a thousand after 42, and each further 1 divides what is left by e.
//!
//! Nothing here needs to be right for results to be right: who uses it compares states, and computes again where
//! they differ (`feature/segments.rs`).

use super::{Op, history};
use crate::feature::op::window::HEAD;

/// Rows, in reciprocals of the weight of a new value, after which a recursion has forgotten.
const FORGOTTEN: f64 = 48.0;
/// The same in rows where the weight depends on the data: KAMA on a walk moves at about 0.03.
const ADAPTED_ROWS: usize = 1600;
/// Rows after which a price has most likely moved.
const MOVED_ROWS: usize = 64;
/// Rows after which an event has most likely happened.
const HAPPENED_ROWS: usize = 1024;

impl Op {
    /// Rows of known input after which the state most likely does not depend on what was before them; none where it
    /// always does.
    pub(crate) fn forgets(self) -> Option<usize> {
        let recursion = |take: f64| (FORGOTTEN / take).ceil() as usize;
        match self {
            Self::Accumulate | Self::Balance => None,
            Self::Smooth { rows, skip, take, .. } => Some(recursion(take).saturating_add(skip + rows)),
            Self::Rsi { rows } => Some(rows + 1 + recursion(1.0 / rows as f64)),
            Self::Directional { rows, first } => Some(first.max(rows) + recursion(1.0 / rows as f64)),
            Self::Adapt => Some(ADAPTED_ROWS),
            Self::Tick => Some(MOVED_ROWS),
            Self::Since => Some(HAPPENED_ROWS),
            Self::Fill { rows } | Self::Lag { rows } => Some(rows + 1),
            Self::Deviation { rows }
            | Self::Quantile { rows, .. }
            | Self::Rank { rows }
            | Self::MedianDeviation { rows } => Some(rows),
            // A closed block, and the open one, whose places beyond the last row are the closed block's.
            Self::Sum { rows }
            | Self::Mean { rows }
            | Self::Moments { rows }
            | Self::Minimum { rows }
            | Self::Maximum { rows }
            | Self::Trend { rows }
            | Self::Covariance { rows }
            | Self::HigherMoments { rows }
            | Self::Age { rows, .. } => Some(2 * rows),
            _ => Some(0),
        }
    }

    /// The rows of the blocks, counted from the first row of the stream, on which results depend; one where there are none.
    pub(crate) fn phases(self) -> usize {
        match self {
            Self::Sum { rows }
            | Self::Mean { rows }
            | Self::Moments { rows }
            | Self::Minimum { rows }
            | Self::Maximum { rows }
            | Self::Trend { rows }
            | Self::Covariance { rows }
            | Self::HigherMoments { rows } => rows,
            Self::Age { rows, .. } if !super::age::is_short(rows) => rows,
            _ => 1,
        }
    }

    /// Brings a state to the form that it shares with all states that mean the same: a ring begins at its first place.
    pub(crate) fn settle(self, state: &mut [f64]) {
        let turn = |state: &mut [f64], rows: usize| {
            let (head, arrays) = state.split_at_mut(HEAD);
            arrays[..rows].rotate_left((head[0] as usize).min(rows));
            head[0] = 0.0;
        };
        match self {
            Self::Lag { rows }
            | Self::Quantile { rows, .. }
            | Self::Rank { rows }
            | Self::MedianDeviation { rows } => turn(state, rows),
            Self::Deviation { rows } => history::settle(rows, state),
            Self::Age { rows, .. } if super::age::is_short(rows) => history::settle(rows, state),
            _ => {}
        }
    }
}
