//! How knobs are shown: a line of facts, and below it the reasons, as wide as the terminal.

use serde::Serialize;

use crate::console::{Console, Tone};

/// The word that a value is in JSON.
pub fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// A value on one line: of a longer text the first line and how many follow.
pub fn value(text: Option<&str>) -> String {
    const LETTERS_MAX: usize = 44;
    let Some(text) = text else { return "-".to_owned() };
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let more = lines.count();
    let mut shown: String = first.chars().take(LETTERS_MAX).collect();
    if first.chars().count() > LETTERS_MAX {
        shown.push_str("...");
    }
    match (shown.is_empty(), more) {
        (true, _) => "(nothing)".to_owned(),
        (false, 0) => shown,
        (false, _) => format!("{shown} (and {more} more lines)"),
    }
}

/// One thing to show: a mark, a name, facts about it, and what there is to say.
pub struct Item {
    /// What to see first.
    pub mark: (Tone, String),
    /// What it is about.
    pub name: String,
    /// What is known of it, on the same line.
    pub facts: String,
    /// Below it, each from a new line.
    pub said: Vec<String>,
}

/// Items below each other, their names in one column.
pub fn items(console: &Console, items: &[Item]) -> String {
    const NAME_MAX: usize = 40;
    let letters = |text: &str| text.chars().count();
    let mark_width = items.iter().map(|item| letters(&item.mark.1)).max().unwrap_or(0);
    let name_width = items.iter().map(|item| letters(&item.name)).filter(|width| *width <= NAME_MAX).max();
    let mut lines = Vec::new();
    for item in items {
        let (tone, mark) = &item.mark;
        let mark = console.paint(*tone, &format!("{mark:<mark_width$}"));
        let head = format!("{mark}  {:<width$}  {}", item.name, item.facts, width = name_width.unwrap_or(0));
        lines.push(head.trim_end().to_owned());
        for said in &item.said {
            let indent = " ".repeat(mark_width + 2);
            lines.extend(
                console
                    .wrapped(said, mark_width + 2)
                    .into_iter()
                    .map(|line| format!("{indent}{}", console.paint(Tone::Faint, &line))),
            );
        }
    }
    lines.join("\n")
}

/// A heading and what is below it; nothing where there is nothing below it.
pub fn part(console: &Console, heading: &str, body: &str) -> String {
    if body.is_empty() {
        return String::new();
    }
    format!("\n{}\n{body}\n", console.paint(Tone::Strong, heading))
}
