//! What a file may do that cannot be told from its text: the comma in numbers, and days before or after months.

use super::number;
use super::time::{Clock, DayFirst};

/// How numbers and dates are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dialect {
    /// Whether a comma parts the decimals from the whole.
    pub decimal_comma: bool,
    /// Dates as `DD/MM/YYYY` or `MM/DD/YYYY`, which only a person can tell apart.
    pub dates: Option<Dates>,
}

/// The order of a date that ends with the year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dates {
    /// `DD/MM/YYYY`, also with `.` or `-`.
    DayMonthYear,
    /// `MM/DD/YYYY`, also with `.` or `-`.
    MonthDayYear,
}

impl Dialect {
    /// The byte before the decimals.
    pub(super) const fn point(self) -> u8 {
        if self.decimal_comma { b',' } else { b'.' }
    }

    /// The number that `text` stands for.
    pub(super) fn number(self, text: &[u8]) -> Option<f64> {
        if !self.decimal_comma {
            return number::parse(text);
        }
        // A point in it would be one between thousands, or a number of the other kind: not to be guessed at.
        if text.contains(&b'.') {
            return None;
        }
        number::parse(&text.iter().map(|&byte| if byte == b',' { b'.' } else { byte }).collect::<Vec<_>>())
    }

    /// The clock that reads `text`.
    pub(super) fn clock(self, text: &[u8]) -> Option<Clock> {
        match self.dates {
            None => Clock::detect(text),
            Some(dates) => Clock::with_dates(text, DayFirst(dates == Dates::DayMonthYear)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas() {
        let comma = Dialect { decimal_comma: true, ..Dialect::default() };
        assert_eq!(comma.number(b"-1,25"), Some(-1.25));
        assert_eq!(comma.number(b"7"), Some(7.0));
        assert_eq!(comma.number(b"1.5"), None);
        assert_eq!(comma.number(b"1.000,5"), None);
        assert_eq!(comma.number(b"1,000,5"), None);
        assert_eq!(Dialect::default().number(b"1,25"), None);
    }
}
