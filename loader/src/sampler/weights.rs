//! Windows that are seen more often than others, or less, or never.
//!
//! A window of weight `w` is seen `w / m` times an epoch on average, where `m` is the mean weight of all windows; so an epoch
//! is about as long as without weights. How often in one epoch: the whole part of that rate always, once more when the
//! fraction is above a number drawn from seed, epoch and start row (stochastic rounding). That keeps what drawing from one
//! table of all windows would lose: each chunk is decoded once or twice an epoch, the draws of a block need the block
//! alone, and any place of the order is known without walking there. Counts vary less than those of draws with replacement.
//!
//! Rates are whole numbers of 2^-32, so that every machine gives the same order.

use crate::splitmix::mix;

/// Bits of the fraction of a rate.
const FRACTION_BITS: u32 = 32;

/// Why weights cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A weight that is none.
    #[error("the weight from row {row} on is {weight}; a weight is finite and not negative")]
    Value {
        /// Where it begins.
        row: u64,
        /// The weight.
        weight: f64,
    },
    /// Weights out of order.
    #[error("the weight from row {row} on begins at or before the one before it; give ascending rows")]
    Order {
        /// Where it begins.
        row: u64,
    },
    /// Windows without a weight.
    #[error("the windows begin at row {row}, before the first weight; give one for that row")]
    Late {
        /// The start of the first window.
        row: u64,
    },
    /// No window would be seen.
    #[error("all windows have weight 0; give one of them more")]
    Nothing,
    /// A window would be seen too often.
    #[error(
        "windows from row {row} on would be seen {rate:.0} times an epoch, {RATE_MAX} at most are possible; give weights that differ less"
    )]
    TooOften {
        /// Where the weight begins.
        row: u64,
        /// How often.
        rate: f64,
    },
}

/// How often a window can be seen in an epoch: what is seen again and again is decoded once, and takes room in the order.
pub const RATE_MAX: u32 = 4096;

/// How often the windows of each piece of the rows are seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Weights {
    /// The first row of each piece, and its rate.
    pieces: Vec<(u64, u64)>,
}

impl Weights {
    /// The rates of `pieces`, each a first row and the weight of the windows that start from there on; `count` says how many
    /// windows start from a row up to another.
    pub fn new(
        pieces: &[(u64, f64)],
        first_start: u64,
        count: impl Fn(u64, u64) -> u64,
    ) -> Result<Self, Error> {
        if let Some(&(row, weight)) =
            pieces.iter().find(|(_, weight)| !(weight.is_finite() && *weight >= 0.0))
        {
            return Err(Error::Value { row, weight });
        }
        if let Some(pair) = pieces.windows(2).find(|pair| pair[0].0 >= pair[1].0) {
            return Err(Error::Order { row: pair[1].0 });
        }
        if pieces.first().is_none_or(|(row, _)| *row > first_start) {
            return Err(Error::Late { row: first_start });
        }
        let ends = pieces.iter().skip(1).map(|(row, _)| *row).chain([u64::MAX]);
        let counts: Vec<u64> = pieces.iter().zip(ends).map(|((row, _), end)| count(*row, end)).collect();
        // Divided first, so that no sum overflows.
        let most = pieces.iter().map(|(_, weight)| *weight).fold(0.0, f64::max);
        let (sum, all) = pieces.iter().zip(&counts).fold((0.0, 0.0), |(sum, all), ((_, weight), count)| {
            let count = *count as f64;
            (sum + if most > 0.0 { weight / most } else { 0.0 } * count, all + count)
        });
        if sum <= 0.0 {
            return Err(Error::Nothing);
        }
        let rate = |(row, weight): &(u64, f64)| {
            let rate = weight / most / sum * all;
            if rate > f64::from(RATE_MAX) && count(*row, u64::MAX) > 0 {
                return Err(Error::TooOften { row: *row, rate });
            }
            Ok((*row, (rate * (1u64 << FRACTION_BITS) as f64).round() as u64))
        };
        Ok(Self { pieces: pieces.iter().map(rate).collect::<Result<_, _>>()? })
    }

    /// How often the window that starts in row `start` is seen in the epoch that `key` names.
    pub fn times(&self, start: u64, key: u64) -> u64 {
        let after = self.pieces.partition_point(|(row, _)| *row <= start);
        let rate = after.checked_sub(1).and_then(|at| self.pieces.get(at)).map_or(0, |(_, rate)| *rate);
        let drawn = mix(key ^ mix(start)) >> FRACTION_BITS;
        (rate + drawn) >> FRACTION_BITS
    }

    /// The most times that any window can be seen.
    pub fn times_max(&self) -> u64 {
        self.pieces.iter().map(|(_, rate)| rate.div_ceil(1 << FRACTION_BITS)).max().unwrap_or(0)
    }

    /// All that decides about [`Weights::times`].
    pub fn words(&self) -> impl Iterator<Item = u64> {
        self.pieces.iter().flat_map(|(row, rate)| [*row, *rate])
    }

    /// Bytes of the pieces.
    pub fn bytes(&self) -> u64 {
        (self.pieces.len() * size_of::<(u64, u64)>()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rates_are_shares_of_the_mean(weights in proptest::collection::vec(0.0f64..10.0, 1..6), key: u64) {
            // Pieces of 1,000 rows, a window from each.
            let pieces: Vec<(u64, f64)> = (0..).step_by(1000).zip(weights.iter().copied()).collect();
            let rows = 1000 * weights.len() as u64;
            let count = |from: u64, to: u64| to.min(rows).saturating_sub(from);
            let mean = weights.iter().sum::<f64>() / weights.len() as f64;
            let Ok(made) = Weights::new(&pieces, 0, count) else {
                prop_assert!(mean == 0.0);
                return Ok(());
            };
            let mut all = 0.0;
            for (number, weight) in weights.iter().enumerate() {
                let rate = weight / mean;
                let mut seen = 0;
                for start in number as u64 * 1000..(number as u64 + 1) * 1000 {
                    let times = made.times(start, key);
                    prop_assert!((times as f64 - rate).abs() < 1.0 && times <= made.times_max());
                    seen += times;
                }
                // A thousand coins, at most half a deviation each: five sigma.
                let expected = 1000.0 * rate;
                prop_assert!((seen as f64 - expected).abs() < 5.0 * 0.5 * 1000f64.sqrt() + 1e-6, "{seen} {expected}");
                all += seen as f64;
            }
            prop_assert!((all - rows as f64).abs() < 5.0 * 0.5 * (rows as f64).sqrt() + 1e-6);
        }
    }

    #[test]
    fn refusals() {
        let count = |from: u64, to: u64| to.min(100).saturating_sub(from);
        let new = |pieces: &[(u64, f64)]| Weights::new(pieces, 10, count).unwrap_err();
        assert!(matches!(new(&[(0, f64::NAN)]), Error::Value { row: 0, .. }));
        assert_eq!(new(&[(0, 1.0), (5, -1.0)]), Error::Value { row: 5, weight: -1.0 });
        assert_eq!(new(&[(0, 1.0), (0, 1.0)]), Error::Order { row: 0 });
        assert_eq!(new(&[(11, 1.0)]), Error::Late { row: 10 });
        assert_eq!(new(&[]), Error::Late { row: 10 });
        assert_eq!(new(&[(0, 0.0), (200, 3.0)]), Error::Nothing);
        let count = |from: u64, to: u64| to.min(1 << 20).saturating_sub(from);
        let often = Weights::new(&[(0, 1.0), (1, 0.0)], 0, count).unwrap_err();
        assert!(matches!(often, Error::TooOften { row: 0, .. }));
        let even = Weights::new(&[(0, f64::MAX)], 0, count).unwrap();
        assert!((0..1000).all(|start| even.times(start, 7) == 1));
    }
}
