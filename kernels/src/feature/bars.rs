//! Bars from trades: a bar closes after so many trades, so much volume or so much traded value.
//!
//! Bars of equal activity instead of equal time (M. López de Prado, Advances in Financial Machine Learning, 2018,
//! section 2.3.1). They are not row for row what they are made from, so they are no feature of a plan: [`Bars`] takes
//! trades and gives a bar whenever one closes, and plans then read the bars.
//!
//! The trade that reaches the threshold closes the bar and belongs to it whole; nothing of it is carried over. What a
//! bar is made of depends on no later trade.

use serde::{Deserialize, Serialize};

/// A trade.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trade {
    /// Nanoseconds since 1970-01-01 UTC.
    pub time: i64,
    /// Price of a unit.
    pub price: f64,
    /// Units traded.
    pub volume: f64,
}

/// When a bar closes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Threshold {
    /// After this many trades.
    Trades(u64),
    /// When this volume has been traded.
    Volume(f64),
    /// When this value, price times volume, has been traded.
    Value(f64),
}

/// What happened from one closing of a bar to the next.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bar {
    /// Time of the first trade.
    pub begin: i64,
    /// Time of the last trade.
    pub end: i64,
    /// Price of the first trade.
    pub open: f64,
    /// Highest price.
    pub high: f64,
    /// Lowest price.
    pub low: f64,
    /// Price of the last trade.
    pub close: f64,
    /// Volume traded.
    pub volume: f64,
    /// Price times volume, summed.
    pub value: f64,
    /// Number of trades.
    pub trades: u64,
}

/// Why bars cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum BarsError {
    /// A threshold that no bar or every trade reaches.
    #[error("a bar cannot close after {threshold:?}; the threshold must be a finite number above zero")]
    Threshold {
        /// The threshold.
        threshold: Threshold,
    },
    /// A trade before the one before it.
    #[error("trade {trade} is of {time} ns and the one before of {before} ns; sort the trades by time")]
    Unsorted {
        /// Its number, from 0.
        trade: u64,
        /// Its time.
        time: i64,
        /// The time before.
        before: i64,
    },
    /// A price or a volume that none can be.
    #[error(
        "trade {trade} has the price {price} and the volume {volume}; a price is finite, a volume at least zero: leave it out"
    )]
    Numbers {
        /// Its number, from 0.
        trade: u64,
        /// Its price.
        price: f64,
        /// Its volume.
        volume: f64,
    },
}

/// Bars in the making. A clone is a snapshot: both go on independently.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bars {
    threshold: Threshold,
    open: Option<Bar>,
    taken: u64,
    last: i64,
}

impl Bars {
    /// Bars that close at a threshold, before the first trade.
    ///
    /// # Errors
    /// [`BarsError::Threshold`] when it is not a finite number above zero.
    pub fn new(threshold: Threshold) -> Result<Self, BarsError> {
        let sound = match threshold {
            Threshold::Trades(count) => count > 0,
            Threshold::Volume(amount) | Threshold::Value(amount) => amount.is_finite() && amount > 0.0,
        };
        if !sound {
            return Err(BarsError::Threshold { threshold });
        }
        Ok(Self { threshold, open: None, taken: 0, last: i64::MIN })
    }

    /// Trades taken so far.
    #[must_use]
    pub fn trades(&self) -> u64 {
        self.taken
    }

    /// The bar that has not closed.
    #[must_use]
    pub fn pending(&self) -> Option<Bar> {
        self.open
    }

    /// Takes a trade and gives the bar that it closes, if it closes one.
    ///
    /// # Errors
    /// [`BarsError`] when the trade is before the last one or has numbers that no trade has; it is then not taken.
    pub fn push(&mut self, trade: Trade) -> Result<Option<Bar>, BarsError> {
        let Trade { time, price, volume } = trade;
        if time < self.last {
            return Err(BarsError::Unsorted { trade: self.taken, time, before: self.last });
        }
        let value = price * volume;
        if !(price.is_finite() && volume >= 0.0 && value.is_finite()) {
            return Err(BarsError::Numbers { trade: self.taken, price, volume });
        }
        let fresh = Bar {
            begin: time,
            end: time,
            open: price,
            high: price,
            low: price,
            close: price,
            volume: 0.0,
            value: 0.0,
            trades: 0,
        };
        let mut bar = self.open.take().unwrap_or(fresh);
        bar.end = time;
        bar.high = bar.high.max(price);
        bar.low = bar.low.min(price);
        bar.close = price;
        bar.volume += volume;
        bar.value += value;
        bar.trades += 1;
        (self.taken, self.last) = (self.taken + 1, time);
        let closes = match self.threshold {
            Threshold::Trades(count) => bar.trades >= count,
            Threshold::Volume(amount) => bar.volume >= amount,
            Threshold::Value(amount) => bar.value.abs() >= amount,
        };
        if closes {
            return Ok(Some(bar));
        }
        self.open = Some(bar);
        Ok(None)
    }

    /// Takes trades in order and gives the bars that they close.
    ///
    /// # Errors
    /// [`BarsError`] at the first trade that is refused; none is then taken.
    pub fn extend(&mut self, trades: &[Trade]) -> Result<Vec<Bar>, BarsError> {
        let (mut closed, mut next) = (Vec::new(), self.clone());
        for trade in trades {
            closed.extend(next.push(*trade)?);
        }
        *self = next;
        Ok(closed)
    }
}

impl Bar {
    /// Mean price of the volume; `None` where there is none.
    #[must_use]
    pub fn vwap(&self) -> Option<f64> {
        (self.volume > 0.0).then(|| self.value / self.volume)
    }
}
