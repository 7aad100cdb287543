//! The times of rows as they pass: in order, in nanoseconds, and with gaps.

/// Times before 1971 are seconds, milli- or microseconds that were taken for nanoseconds.
const EARLIEST_NS: i64 = 31_536_000_000_000_000;

/// Why a time cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClockError {
    /// Time runs backwards.
    #[error("row {row}: time {time} is before {last} in the row above; sort the rows by time")]
    Unsorted {
        /// The row.
        row: u64,
        /// Its time in nanoseconds.
        time: i64,
        /// The time of the row above.
        last: i64,
    },
    /// A bar has the time of the one above.
    #[error(
        "row {row}: time {time} is that of the row above too; bars need one row for each time, remove one of them"
    )]
    Repeated {
        /// The row.
        row: u64,
        /// Its time in nanoseconds.
        time: i64,
    },
    /// Not nanoseconds since 1970.
    #[error(
        "row {row}: time {time} is before 1971 in nanoseconds; times must be nanoseconds since 1970-01-01 UTC, not seconds or milliseconds"
    )]
    Unit {
        /// The row.
        row: u64,
        /// Its time.
        time: i64,
    },
}

/// Watches the times of rows in order.
#[derive(Clone, Debug)]
pub struct Clock {
    gap_ns: f64,
    may_repeat: bool,
    last: Option<i64>,
}

impl Clock {
    /// Steps of more than `gap_seconds` are gaps; quotes and trades may share a time, bars may not.
    #[must_use]
    pub fn new(gap_seconds: f64, may_repeat: bool) -> Self {
        Self { gap_ns: gap_seconds * 1e9, may_repeat, last: None }
    }

    /// Takes the time of the next row; whether there is a gap before it.
    ///
    /// # Errors
    /// [`ClockError`] names the row and what is wrong with its time.
    pub fn tick(&mut self, row: u64, time: i64) -> Result<bool, ClockError> {
        if time < EARLIEST_NS {
            return Err(ClockError::Unit { row, time });
        }
        let Some(last) = self.last.replace(time) else { return Ok(false) };
        if time < last {
            return Err(ClockError::Unsorted { row, time, last });
        }
        if time == last && !self.may_repeat {
            return Err(ClockError::Repeated { row, time });
        }
        Ok((time - last) as f64 > self.gap_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_600_000_000_000_000_000;
    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn gaps_are_steps_above_the_width() {
        let mut clock = Clock::new(600.0, false);
        let times = [0, 600, 1201, 1260];
        let gaps: Vec<bool> =
            times.iter().zip(0..).map(|(t, row)| clock.tick(row, START + t * SECOND).unwrap()).collect();
        assert_eq!(gaps, [false, false, true, false]);
    }

    #[test]
    fn wrong_times_are_named() {
        let second = |clock: &mut Clock, time| clock.tick(0, START).and_then(|_| clock.tick(1, time));
        assert!(matches!(
            second(&mut Clock::new(1.0, true), START - 1),
            Err(ClockError::Unsorted { row: 1, .. })
        ));
        assert!(matches!(second(&mut Clock::new(1.0, false), START), Err(ClockError::Repeated { .. })));
        assert_eq!(second(&mut Clock::new(1.0, true), START), Ok(false));
        assert!(matches!(Clock::new(1.0, true).tick(0, 1_600_000_000), Err(ClockError::Unit { .. })));
        assert!(matches!(Clock::new(1.0, true).tick(0, 1_600_000_000_000_000), Err(ClockError::Unit { .. })));
    }
}
