//! The rules a row must obey, beyond being numbers.

use super::layout::{Layout, Role};

/// A rule that a row breaks: the column, its value, and what it should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Breach {
    /// The number of the value column.
    pub column: usize,
    pub rule: &'static str,
}

/// The rules for one layout.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    roles: Vec<Role>,
    high: Option<usize>,
    low: Option<usize>,
    /// Columns between low and high.
    inner: Vec<usize>,
    quote: Option<(usize, usize)>,
}

impl Rules {
    pub(super) fn new(layout: &Layout) -> Self {
        let place = |role| layout.place(role);
        Self {
            roles: layout.values.iter().map(|value| value.role).collect(),
            high: place(Role::High),
            low: place(Role::Low),
            inner: [Role::Open, Role::Close].into_iter().filter_map(place).collect(),
            quote: place(Role::Bid).zip(place(Role::Ask)),
        }
    }

    /// Whether `value` may stand in value column `column`.
    pub(super) fn value(&self, column: usize, value: f64) -> Option<&'static str> {
        let role = self.roles[column];
        if role.is_price() && value <= 0.0 {
            Some("a price must be above 0")
        } else if role.is_amount() && value < 0.0 {
            Some("an amount must not be negative")
        } else {
            None
        }
    }

    /// Whether the values of a row fit together.
    pub(super) fn row(&self, values: &[f64]) -> Result<(), Breach> {
        let breach = |column, rule| Err(Breach { column, rule });
        if let (Some(high), Some(low)) = (self.high, self.low)
            && values[high] < values[low]
        {
            return breach(high, "the high must not be below the low");
        }
        for &column in &self.inner {
            if self.high.is_some_and(|high| values[high] < values[column]) {
                return breach(column, "it must not be above the high");
            }
            if self.low.is_some_and(|low| values[low] > values[column]) {
                return breach(column, "it must not be below the low");
            }
        }
        Ok(())
    }

    /// Whether the bid is above the ask, which happens where quotes of several venues meet.
    pub(super) fn is_crossed(&self, values: &[f64]) -> bool {
        self.quote.is_some_and(|(bid, ask)| values[bid] > values[ask])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(names: &str) -> Rules {
        let names: Vec<String> = names.split(',').map(str::to_owned).collect();
        Rules::new(&Layout::of_names(&names, &[], &[], crate::csv::Dialect::default()).unwrap())
    }

    #[test]
    fn bars() {
        let bars = rules("time,open,high,low,close,volume");
        assert_eq!(bars.row(&[2.0, 3.0, 1.0, 2.0, 0.0]), Ok(()));
        assert_eq!(bars.row(&[2.0, 1.0, 3.0, 2.0, 0.0]).unwrap_err().column, 1);
        assert_eq!(bars.row(&[4.0, 3.0, 1.0, 2.0, 0.0]).unwrap_err().column, 0);
        assert_eq!(bars.row(&[2.0, 3.0, 1.0, 0.5, 0.0]).unwrap_err().column, 3);
        assert!(
            bars.value(0, 0.0).is_some() && bars.value(3, -1.0).is_some() && bars.value(4, -1.0).is_some()
        );
        assert!(bars.value(0, 1e-9).is_none() && bars.value(4, 0.0).is_none());
    }

    #[test]
    fn quotes_may_cross() {
        let quotes = rules("time,bid,ask,spread");
        assert!(quotes.is_crossed(&[2.0, 1.0, -1.0]) && !quotes.is_crossed(&[1.0, 1.0, 0.0]));
        assert_eq!(quotes.row(&[2.0, 1.0, -1.0]), Ok(()));
        assert!(quotes.value(2, -1.0).is_none());
    }
}
