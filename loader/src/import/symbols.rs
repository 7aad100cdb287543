//! Texts to numbers: the list of different texts of a column, in the order in which they come.

use std::collections::HashMap;

use crate::format::libhdf5::SYMBOLS_MAX;

/// The most bytes of one symbol that are of use.
const SYMBOL_BYTES_MAX: usize = 1024;

/// The symbols of one column.
#[derive(Clone, Debug, Default)]
pub(super) struct Symbols {
    numbers: HashMap<String, i64>,
    /// Those that were not handed out yet.
    new: Vec<String>,
}

impl Symbols {
    /// The number of `text`, or `None` when there are too many.
    pub fn number(&mut self, text: &str) -> Option<i64> {
        if let Some(&number) = self.numbers.get(text) {
            return Some(number);
        }
        let number = self.numbers.len();
        if number == SYMBOLS_MAX || text.len() > SYMBOL_BYTES_MAX {
            return None;
        }
        self.numbers.insert(text.to_owned(), number as i64);
        self.new.push(text.to_owned());
        Some(number as i64)
    }

    /// Takes these as the first ones; they are not told by [`Symbols::take_new`].
    pub fn know(&mut self, symbols: &[String]) {
        self.numbers.extend(symbols.iter().cloned().zip(0..));
    }

    /// Those that came since this was last asked.
    pub fn take_new(&mut self) -> Vec<String> {
        std::mem::take(&mut self.new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_the_order_of_the_texts() {
        let mut symbols = Symbols::default();
        let numbers: Vec<_> = ["b", "a", "b", ""].iter().map(|text| symbols.number(text)).collect();
        assert_eq!(numbers, [Some(0), Some(1), Some(0), Some(2)]);
        assert_eq!(symbols.take_new(), ["b", "a", ""]);
        assert!(symbols.take_new().is_empty());
        let first = (0..SYMBOLS_MAX).filter_map(|at| symbols.number(&at.to_string())).count();
        assert_eq!(first, SYMBOLS_MAX - 3);
    }
}
