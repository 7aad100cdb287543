//! How long each of many short things took.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// Nanoseconds of many ticks, to three digits, from 1 ns to 10 s (longer ones count as 10 s).
#[derive(Clone, Debug)]
pub struct Latency {
    histogram: Histogram<u64>,
}

const LONGEST_NS: u64 = 10_000_000_000;

/// The figures that a latency is quoted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// How many were measured.
    pub count: u64,
    /// Half were at most this, in nanoseconds.
    pub p50_ns: u64,
    /// 99 of 100 were at most this.
    pub p99_ns: u64,
    /// 999 of 1000 were at most this.
    pub p999_ns: u64,
    /// The longest.
    pub max_ns: u64,
}

impl Latency {
    /// No measurement yet.
    #[must_use]
    pub fn new() -> Option<Self> {
        Histogram::new_with_bounds(1, LONGEST_NS, 3).ok().map(|histogram| Self { histogram })
    }

    /// Counts one measurement.
    pub fn record(&mut self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.histogram.saturating_record(nanoseconds.clamp(1, LONGEST_NS));
    }

    /// The figures so far.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let at = |quantile| self.histogram.value_at_quantile(quantile);
        let count = self.histogram.len();
        Figures { count, p50_ns: at(0.5), p99_ns: at(0.99), p999_ns: at(0.999), max_ns: self.histogram.max() }
    }

    /// Counts over buckets that grow by a tenth: lower edge in nanoseconds, and how many.
    #[must_use]
    pub fn buckets(&self) -> Vec<(f64, u64)> {
        let start = self.histogram.min().max(1);
        let mut last = 0.0;
        self.histogram
            .iter_log(start, 1.1)
            .map(|bucket| {
                let edge = std::mem::replace(&mut last, bucket.value_iterated_to() as f64);
                (if edge == 0.0 { start as f64 } else { edge }, bucket.count_since_last_iteration())
            })
            .collect()
    }
}

impl Figures {
    /// The figures in words.
    #[must_use]
    pub fn text(&self) -> String {
        let time = |ns| crate::console::time(Duration::from_nanos(ns));
        format!(
            "p50 {}, p99 {}, p99.9 {}, max {} over {} ticks",
            time(self.p50_ns),
            time(self.p99_ns),
            time(self.p999_ns),
            time(self.max_ns),
            crate::console::count(self.count)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_values() {
        let mut latency = Latency::new().unwrap();
        (1..=1000).for_each(|us| latency.record(Duration::from_micros(us)));
        latency.record(Duration::from_secs(100));
        let figures = latency.figures();
        assert_eq!(figures.count, 1001);
        assert!(figures.p50_ns.abs_diff(501_000) <= 501, "{figures:?}");
        assert!(figures.max_ns.abs_diff(LONGEST_NS) < LONGEST_NS / 500);
        assert_eq!(latency.buckets().iter().map(|bucket| bucket.1).sum::<u64>(), 1001);
    }
}
