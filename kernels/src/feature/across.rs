//! Features across the symbols of a row: rank, score and distance from the mean of all symbols.
//!
//! They compare symbols, so they exist for panels only, as the outermost call of a feature
//! ([`CrossPlan`](super::CrossPlan)); a plan for one series refuses them and says so.

use ndarray::ArrayViewMut1;
use serde::Serialize;

use crate::feature::value::Number;

/// What is done with the values that the symbols have in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Across {
    /// Rank as a share of the known values: 1 for the greatest, the middle one of equal values for each of them.
    Rank,
    /// Distance from the mean in population standard deviations.
    Zscore,
    /// Distance from the mean.
    Demean,
}

impl Across {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Rank, Self::Zscore, Self::Demean];

    /// The name a plan calls it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rank => "cs_rank",
            Self::Zscore => "cs_zscore",
            Self::Demean => "cs_demean",
        }
    }

    /// The formula, with its source.
    #[must_use]
    pub fn formula(self) -> &'static str {
        match self {
            Self::Rank => {
                "(values below x + (values equal to x + 1)/2) / known values; pandas rank(axis=1, pct=True), CSRankNorm of Qlib"
            }
            Self::Zscore => "(x - mean) / population deviation, 0 where it is zero; CSZScoreNorm of Qlib",
            Self::Demean => "x - mean",
        }
    }

    pub(crate) fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|across| across.name() == name)
    }

    /// Replaces the values of a row. A value that is not known stays so and counts for nothing.
    pub(crate) fn apply<T: Number>(self, mut row: ArrayViewMut1<'_, T>, sorted: &mut Vec<T>) {
        sorted.clear();
        sorted.extend(row.iter().copied().filter(|value| !value.is_nan()));
        if sorted.is_empty() {
            return;
        }
        let count = T::of(sorted.len() as f64);
        if self == Self::Rank {
            sorted.sort_unstable_by(|a, b| a.wide().total_cmp(&b.wide()));
            for value in row.iter_mut().filter(|value| !value.is_nan()) {
                let below = sorted.partition_point(|other| *other < *value);
                let not_above = sorted.partition_point(|other| *other <= *value);
                *value = T::of((below + not_above + 1) as f64 / 2.0) / count;
            }
            return;
        }
        // Distances from a value of the row, so that equal values give exactly zero.
        let anchor = sorted[0];
        let shift = sorted.iter().fold(T::zero(), |sum, value| sum + (*value - anchor)) / count;
        let squares = sorted.iter().fold(T::zero(), |sum, value| {
            let distance = (*value - anchor) - shift;
            sum + distance * distance
        });
        let deviation = (squares / count).sqrt();
        let unit = if self == Self::Demean { T::one() } else { deviation };
        for value in row.iter_mut().filter(|value| !value.is_nan()) {
            let distance = (*value - anchor) - shift;
            let score = if unit == T::zero() { T::zero() } else { distance / unit };
            *value = if score.is_finite() { score } else { T::nan() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn each_value_is_set_against_the_known_values_of_its_row() {
        let nan = f64::NAN;
        let row = array![3.0, 1.0, nan, 3.0, 2.0];
        let applied = |across: Across| {
            let mut row = row.clone();
            across.apply(row.view_mut(), &mut Vec::new());
            row
        };
        let rank = applied(Across::Rank);
        assert_eq!([rank[0], rank[1], rank[3], rank[4]], [0.875, 0.25, 0.875, 0.5]);
        let demeaned = applied(Across::Demean);
        assert_eq!([demeaned[0], demeaned[1], demeaned[4]], [0.75, -1.25, -0.25]);
        let score = applied(Across::Zscore);
        assert!((score[0] - 0.75 / 0.6875_f64.sqrt()).abs() < 1e-15);
        assert!(rank[2].is_nan() && demeaned[2].is_nan() && score[2].is_nan());
        for across in Across::ALL {
            let mut equal = array![0.1_f32, 0.1, 0.1];
            across.apply(equal.view_mut(), &mut Vec::new());
            let expected = if across == Across::Rank { 2.0 / 3.0 } else { 0.0 };
            assert_eq!(equal, array![expected, expected, expected]);
            let mut none = array![nan, nan];
            across.apply(none.view_mut(), &mut Vec::new());
            assert!(none.iter().all(|value| value.is_nan()));
        }
    }
}
