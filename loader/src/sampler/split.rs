//! The rows of training, validation and test, in that order of time.

use std::ops::Range;

/// Why rows cannot be split as asked.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A share is not a share.
    #[error("the share of {part} is {share}; each share must be between 0 and 1, and together at most 1")]
    Share {
        /// Which part.
        part: &'static str,
        /// The share given.
        share: f64,
    },
    /// Not enough rows.
    #[error(
        "{part} gets {rows} rows of {total}, needs {needed}; give more rows, a larger share, a shorter window or a smaller embargo"
    )]
    TooFewRows {
        /// Which part.
        part: &'static str,
        /// The rows it gets.
        rows: u64,
        /// All rows.
        total: u64,
        /// The rows it needs.
        needed: u64,
    },
}

/// Three ranges of rows in order of time, with `embargo` unused rows at each border.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The oldest rows.
    pub train: Range<u64>,
    /// Rows after the training rows.
    pub validation: Range<u64>,
    /// The newest rows; empty when no share was asked for.
    pub test: Range<u64>,
}

impl Split {
    /// Splits `rows` in time: `validation` and `test` are the shares of the newest rows, training gets the rest.
    ///
    /// `embargo` rows before each border belong to no part, so that a feature or a target that reaches over the
    /// border by that much reveals nothing. `needed` is the least number of rows of each part that is not empty:
    /// [`Shape::span`](super::Shape::span).
    ///
    /// # Errors
    /// [`Error`] when a share is out of range or a part has fewer than `needed` rows.
    pub fn in_time(rows: u64, validation: f64, test: f64, embargo: u64, needed: u64) -> Result<Self, Error> {
        for (part, share) in [("validation", validation), ("test", test), ("both", validation + test)] {
            if !(0.0..=1.0).contains(&share) {
                return Err(Error::Share { part, share });
            }
        }
        let test_start = rows - share_of(rows, test);
        let validation_start = test_start - share_of(rows, validation).min(test_start);
        let before = |border: u64, used: bool| if used { border.saturating_sub(embargo) } else { border };
        let validation_end = before(test_start, test_start < rows).max(validation_start);
        let split = Self {
            train: 0..before(validation_start, validation_start < rows),
            validation: validation_start..validation_end,
            test: test_start..rows,
        };
        let asked = [
            ("training", &split.train, true),
            ("validation", &split.validation, validation > 0.0),
            ("test", &split.test, test > 0.0),
        ];
        for (part, range, wanted) in asked {
            let has = range.end - range.start;
            if wanted && has < needed.max(1) {
                return Err(Error::TooFewRows { part, rows: has, total: rows, needed: needed.max(1) });
            }
        }
        Ok(split)
    }
}

/// The rows in a share, to the nearest; `share` is in 0 to 1.
fn share_of(rows: u64, share: f64) -> u64 {
    // Fixed-point, so that 2^53 rows or more are not rounded by f64 and every machine agrees.
    const ONE: u128 = 1 << 32;
    let fixed = (share * ONE as f64).round() as u128;
    ((u128::from(rows) * fixed + ONE / 2) / ONE) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shares_come_from_the_newest_end() {
        let split = Split::in_time(1000, 0.2, 0.1, 10, 30).unwrap();
        assert_eq!(split, Split { train: 0..690, validation: 700..890, test: 900..1000 });
        let split = Split::in_time(1000, 0.25, 0.0, 0, 1).unwrap();
        assert_eq!(split, Split { train: 0..750, validation: 750..1000, test: 1000..1000 });
    }

    #[test]
    fn refusals_name_the_part() {
        let few = Split::in_time(100, 0.2, 0.0, 0, 30).unwrap_err();
        assert_eq!(few, Error::TooFewRows { part: "validation", rows: 20, total: 100, needed: 30 });
        assert!(matches!(Split::in_time(0, 0.2, 0.0, 0, 1), Err(Error::TooFewRows { part: "training", .. })));
        assert!(matches!(Split::in_time(9, 0.6, 0.6, 0, 1), Err(Error::Share { part: "both", .. })));
        assert!(matches!(
            Split::in_time(9, f64::NAN, 0.0, 0, 1),
            Err(Error::Share { part: "validation", .. })
        ));
    }

    proptest! {
        #[test]
        fn parts_never_touch(rows in 0u64..100_000, validation in 0.0f64..=1.0, test in 0.0f64..=1.0, embargo in 0u64..5000) {
            if let Ok(split) = Split::in_time(rows, validation, test, embargo, 1) {
                if !split.validation.is_empty() {
                    prop_assert!(split.train.end + embargo <= split.validation.start);
                }
                if !split.test.is_empty() {
                    prop_assert!(split.validation.end.max(split.train.end) + embargo <= split.test.start);
                    prop_assert_eq!(split.test.end, rows);
                }
            }
        }
    }
}
