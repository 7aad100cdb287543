//! The made-up market itself: an endless iterator of bars.
//!
//! The model, per minute, with `z` of mean 0 and variance 1:
//!
//! ```text
//! variance   h = W + A e'^2 + B h'                (GARCH(1,1): wild minutes follow wild minutes)
//! shock      e = sqrt(h) z
//! return     r = LAG_1 r' + LAG_5 r'''''+ e - PULL (p / p0 - 1)
//! price      p = p' (1 + r), then rounded to the tick
//! ```
//!
//! What can be learnt: `LAG_1` and `LAG_5` make the next return foreseeable from the last five, to the extent of
//! about 6 % of its variance (LAG_1^2 + LAG_5^2), and the size of the next move from the sizes of the last ones. Real
//! one-minute returns hold far less; a model that does well here is a model that works, not one that earns.
//! `PULL` keeps the price within a factor of about two of its start for ever; nobody can see it in a minute.
//!
//! Only `+ - * /`, square root and rounding are used, which IEEE 754 fixes to the last bit, so every machine makes
//! the same market. Random numbers are a hash of (seed, bar, use), so each bar's draws are its own.

use crate::splitmix::mix;

/// The smallest step of the price.
const TICKS_PER_UNIT: f64 = 100.0;
const START_PRICE: f64 = 100.0;
/// The standard deviation of a one-minute return in the long run.
const SIGMA: f64 = 0.0006;
const A: f64 = 0.08;
const B: f64 = 0.90;
const W: f64 = SIGMA * SIGMA * (1.0 - A - B);
const LAG_1: f64 = -0.20;
const LAG_5: f64 = 0.14;
const PULL: f64 = 2e-6;
/// No minute moves the price by more.
const RETURN_MAX: f64 = 0.05;

const MINUTE_NS: i64 = 60_000_000_000;
const DAY_MINUTES: u64 = 1440;
/// Monday, 2000-01-03 00:00 UTC, in nanoseconds since 1970.
const START_NS: i64 = 946_857_600_000_000_000;

/// One minute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bar {
    /// The begin of the minute, in nanoseconds since 1970-01-01 UTC.
    pub timestamp: i64,
    /// The first price.
    pub open: f64,
    /// The highest price.
    pub high: f64,
    /// The lowest price.
    pub low: f64,
    /// The last price.
    pub close: f64,
    /// Whole lots traded.
    pub volume: f64,
}

/// The bars that a seed makes, one after the other, for ever.
#[derive(Clone, Debug)]
pub struct Bars {
    seed: u64,
    weekends_closed: bool,
    bar: u64,
    price: f64,
    close_ticks: f64,
    variance: f64,
    shock: f64,
    /// The last five returns, the latest first.
    returns: [f64; 5],
}

/// The draws of a bar: three words for the shock, one for each wick, one for the volume.
#[derive(Clone, Copy)]
enum Use {
    Shock = 0,
    UpperWick = 3,
    LowerWick = 4,
    Volume = 5,
}

impl Bars {
    /// The market of `seed`; `weekends_closed` leaves out Saturdays and Sundays.
    #[must_use]
    pub const fn new(seed: u64, weekends_closed: bool) -> Self {
        Self {
            seed,
            weekends_closed,
            bar: 0,
            price: START_PRICE,
            close_ticks: START_PRICE * TICKS_PER_UNIT,
            variance: SIGMA * SIGMA,
            shock: 0.0,
            returns: [0.0; 5],
        }
    }

    /// How many bars there can be before the time stamps end in the year 2262.
    #[must_use]
    pub const fn count_max() -> u64 {
        ((i64::MAX - START_NS) / MINUTE_NS / 7 * 5).unsigned_abs()
    }

    const fn draw(&self, number: u64) -> u64 {
        mix(mix(mix(self.seed) ^ self.bar) ^ number)
    }

    /// A number in 0 to 1, below 1.
    fn uniform(&self, number: Use) -> f64 {
        (self.draw(number as u64) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Mean 0, variance 1, nearly normal: the sum of twelve numbers of 16 bits (Irwin and Hall).
    fn normal(&self) -> f64 {
        const MEAN: f64 = 12.0 * 65_535.0 / 2.0;
        let words = (0..3).map(|word| self.draw(Use::Shock as u64 + word));
        let sum: u64 = words
            .map(|word| (word & 0xFFFF) + (word >> 16 & 0xFFFF) + (word >> 32 & 0xFFFF) + (word >> 48))
            .sum();
        (sum as f64 - MEAN) / 65_536.0
    }

    /// The minute of the bar, counted from the start.
    const fn minute(&self) -> u64 {
        if !self.weekends_closed {
            return self.bar;
        }
        let (week, minute) = (self.bar / (5 * DAY_MINUTES), self.bar % (5 * DAY_MINUTES));
        week * 7 * DAY_MINUTES + minute
    }
}

impl Iterator for Bars {
    type Item = Bar;

    fn next(&mut self) -> Option<Bar> {
        let minutes = i64::try_from(self.minute()).ok()?;
        let timestamp = minutes.checked_mul(MINUTE_NS)?.checked_add(START_NS)?;
        self.variance = W + A * (self.shock * self.shock) + B * self.variance;
        let sigma = self.variance.sqrt();
        self.shock = sigma * self.normal();
        let pull = PULL * (self.price / START_PRICE - 1.0);
        let foreseen = LAG_1 * self.returns[0] + LAG_5 * self.returns[4];
        let drawn = (foreseen + self.shock - pull).clamp(-RETURN_MAX, RETURN_MAX);
        self.price *= 1.0 + drawn;
        self.returns.rotate_right(1);
        self.returns[0] = drawn;

        let open = self.close_ticks;
        let close = (self.price * TICKS_PER_UNIT + 0.5).floor().max(1.0);
        let wick = |number| {
            let reach = self.uniform(number);
            (reach * reach * sigma * self.price * TICKS_PER_UNIT).floor()
        };
        let high = open.max(close) + wick(Use::UpperWick);
        let low = (open.min(close) - wick(Use::LowerWick)).max(1.0);
        let calm = 20.0 + 80.0 * self.uniform(Use::Volume);
        let volume = (calm * (0.5 + self.shock.abs() / SIGMA)).floor();
        self.close_ticks = close;
        self.bar += 1;
        let price = |ticks: f64| ticks / TICKS_PER_UNIT;
        Some(Bar {
            timestamp,
            open: price(open),
            high: price(high),
            low: price(low),
            close: price(close),
            volume,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn returns(count: usize) -> Vec<f64> {
        let closes: Vec<f64> = Bars::new(3, false).take(count).map(|bar| bar.close).collect();
        closes.windows(2).map(|pair| pair[1] / pair[0] - 1.0).collect()
    }

    #[test]
    fn every_bar_is_a_bar() {
        let mut last = i64::MIN;
        for bar in Bars::new(1, true).take(200_000) {
            assert!(bar.high >= bar.open.max(bar.close) && bar.low <= bar.open.min(bar.close), "{bar:?}");
            assert!(
                bar.low > 0.0 && bar.volume >= 0.0 && bar.high < 1000.0 && bar.timestamp > last,
                "{bar:?}"
            );
            let ticks = bar.close * TICKS_PER_UNIT;
            assert!((ticks - ticks.round()).abs() < 1e-6);
            last = bar.timestamp;
        }
    }

    #[test]
    fn equal_seeds_equal_markets() {
        assert!(Bars::new(5, false).take(1000).eq(Bars::new(5, false).take(1000)));
        assert!(!Bars::new(5, false).take(1000).eq(Bars::new(6, false).take(1000)));
    }

    #[test]
    fn weekends_are_gaps() {
        let times: Vec<i64> = Bars::new(1, true).take(7201).map(|bar| bar.timestamp).collect();
        assert_eq!(times[7199] - times[0], 7199 * MINUTE_NS);
        assert_eq!(times[7200] - times[7199], (2 * 1440 + 1) * MINUTE_NS);
    }

    #[test]
    fn what_the_documentation_says_can_be_learnt_is_there() {
        let returns = returns(400_000);
        let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / returns.len() as f64;
        let variance = mean(&mut returns.iter().map(|r| r * r));
        let error = mean(&mut returns.windows(6).map(|w| (w[5] - LAG_1 * w[4] - LAG_5 * w[0]).powi(2)));
        let explained = 1.0 - error / variance;
        assert!((0.05..0.07).contains(&explained), "{explained}");
        // The sizes of moves hang together over far longer: correlation of squares at lag 10.
        let squares: Vec<f64> = returns.iter().map(|r| r * r - variance).collect();
        let spread: f64 = squares.iter().map(|s| s * s).sum();
        let lagged: f64 = squares.iter().zip(&squares[10..]).map(|(a, b)| a * b).sum();
        assert!(lagged / spread > 0.05, "{}", lagged / spread);
    }

    #[test]
    fn the_price_stays_in_sight_over_a_century() {
        let (low, high) = Bars::new(9, false)
            .take(5_000_000)
            .step_by(100)
            .fold((f64::MAX, 0f64), |(low, high), bar| (low.min(bar.low), high.max(bar.high)));
        assert!(low > 20.0 && high < 500.0, "{low} {high}");
    }
}
