//! Where in a file something stands, and what a reader is shown of it.

use std::ops::Range;

use serde::Serialize;

/// A place in a profile's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The file, or `built in NAME`.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// The line of a place and the part of it that is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The line's number, from 1.
    pub line: usize,
    /// The line without its end; of a long one, the part around the place.
    pub text: String,
    /// Characters before the part that is meant.
    pub before: usize,
    /// Characters that are meant, at least 1.
    pub width: usize,
}

/// Longer lines are cut on both sides of the place, so that the excerpt fits a terminal of 80 columns.
const LETTERS_MAX: usize = 68;

impl Excerpt {
    /// The line of `text` in which `span` (in bytes) begins.
    #[must_use]
    pub fn of(text: &str, span: &Range<usize>) -> Self {
        let (line, column) = position(text, span);
        let meant = text.get(span.start..span.end.max(span.start)).unwrap_or_default();
        let width = meant.lines().next().unwrap_or_default().chars().count();
        // A tab would move the line against the mark below it; control letters would move the terminal.
        let plain = |letter: char| if letter.is_control() { ' ' } else { letter };
        let letters: Vec<char> = text.lines().nth(line - 1).unwrap_or_default().chars().map(plain).collect();
        let before = (column - 1).min(letters.len());
        let from = before.saturating_sub(LETTERS_MAX / 2).min(letters.len().saturating_sub(LETTERS_MAX));
        let shown: String = letters.iter().skip(from).take(LETTERS_MAX).collect();
        let before = before - from;
        let room = shown.chars().count().saturating_sub(before);
        Self { line, text: shown.trim_end().to_owned(), before, width: width.clamp(1, room.max(1)) }
    }
}

impl std::fmt::Display for Excerpt {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let number = self.line.to_string();
        let (margin, gap, mark) = (" ".repeat(number.len()), " ".repeat(self.before), "^".repeat(self.width));
        write!(formatter, "  {number} | {}\n  {margin} | {gap}{mark}", self.text)
    }
}

/// The line and the column of the start of `span`, each from 1.
pub(super) fn position(text: &str, span: &Range<usize>) -> (usize, usize) {
    let before = text.get(..span.start).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_stands_below_what_is_meant() {
        let text = "summary = \"s\"\n[knob.\"vm.swappiness\"]\nvalue = 201\n";
        let at = text.find("201").unwrap();
        let shown = Excerpt::of(text, &(at..at + 3)).to_string();
        assert_eq!(shown, "  3 | value = 201\n    |         ^^^");
        assert_eq!(Excerpt::of("", &(0..0)).to_string(), "  1 | \n    | ^");
        assert_eq!(Excerpt::of("\ta\u{e9} = x\n", &(4..5)).to_string(), "  1 |  a\u{e9} = x\n    |    ^");
    }

    proptest::proptest! {
        #[test]
        fn any_span_of_any_text_has_an_excerpt(text in "(\\PC|\n){0,300}", start in 0..400usize, length in 0..400usize) {
            let excerpt = Excerpt::of(&text, &(start..start + length));
            proptest::prop_assert!(excerpt.width >= 1 && excerpt.text.chars().count() <= LETTERS_MAX);
            proptest::prop_assert!(excerpt.to_string().lines().count() == 2);
        }
    }
}
