//! The only place that writes to the terminal: text or JSON on standard output, progress on standard error.
//!
//! Colour and progress vanish where standard output or error is not a terminal, and with `NO_COLOR`.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use comfy_table::{ContentArrangement, LineStyle, Table, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

/// A judgement that a reader should see at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// Works, with a cost.
    Doubtful,
    /// Does not work, or differs.
    Bad,
    /// A heading.
    Strong,
    /// Detail that may be skipped.
    Faint,
}

/// Where a command's result goes.
#[derive(Debug)]
pub struct Console {
    json: bool,
    colour: bool,
}

impl Console {
    /// A console that prints JSON when `json` is set, and colour when standard output is a terminal.
    #[must_use]
    pub fn new(json: bool) -> Self {
        let colour =
            io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { json, colour }
    }

    /// Prints `value` as JSON, or else the text that `text` makes of it.
    ///
    /// # Errors
    /// When standard output cannot be written; a reader that went away (`| head`) is not an error.
    pub fn show<T: Serialize>(&self, value: &T, text: impl FnOnce(&Self, &T) -> String) -> io::Result<()> {
        if self.json {
            let line = serde_json::to_string_pretty(value).map_err(io::Error::other)?;
            self.print(&line)
        } else {
            self.print(text(self, value).trim_end())
        }
    }

    /// Prints `value` as JSON on one line, or else the line that `text` makes of it: for output without an end. Whether
    /// somebody reads it still.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn line<T: Serialize>(&self, value: &T, text: impl FnOnce(&T) -> String) -> io::Result<bool> {
        let line =
            if self.json { serde_json::to_string(value).map_err(io::Error::other)? } else { text(value) };
        let mut out = io::stdout().lock();
        match writeln!(out, "{line}").and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
            other => other.map(|()| true),
        }
    }

    /// Prints `text` and a line end, unless the caller asked for JSON.
    ///
    /// # Errors
    /// As for [`Console::show`].
    pub fn say(&self, text: &str) -> io::Result<()> {
        if self.json { Ok(()) } else { self.print(text) }
    }

    /// Prints `text` and a line end, whatever the caller asked for.
    ///
    /// # Errors
    /// As for [`Console::show`].
    pub fn print(&self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        match writeln!(out, "{text}").and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }

    /// `text` in the colour of `tone`, or as it is where colour is off.
    #[must_use]
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let style = match tone {
            Tone::Good => Style::new().fg_color(Some(AnsiColor::Green.into())),
            Tone::Doubtful => Style::new().fg_color(Some(AnsiColor::Yellow.into())),
            Tone::Bad => Style::new().fg_color(Some(AnsiColor::Red.into())).bold(),
            Tone::Strong => Style::new().bold(),
            Tone::Faint => Style::new().dimmed(),
        };
        format!("{style}{text}{style:#}")
    }

    /// The lines of `text` when `indent` columns are taken already; as it is where standard output is no terminal.
    /// `COLUMNS` says how wide the terminal is where it says nothing itself.
    #[must_use]
    pub fn wrapped(&self, text: &str, indent: usize) -> Vec<String> {
        const COLUMNS_MIN: usize = 40;
        let columns = std::env::var("COLUMNS").ok().and_then(|text| text.parse::<usize>().ok());
        let columns = columns.or_else(|| Table::new().width().map(usize::from)).unwrap_or(usize::MAX);
        let room = columns.max(COLUMNS_MIN).saturating_sub(indent);
        text.lines().flat_map(|line| wrap(line, room)).collect()
    }

    /// A table with a heading row, as wide as the terminal allows.
    #[must_use]
    pub fn table(&self, headings: &[&str], rows: Vec<Vec<String>>) -> String {
        let mut table = Table::new();
        let line = LineStyle::none().fill('─').junction('─');
        table.load_style(presets::NOTHING.header_separator(line));
        let arrangement = if io::stdout().is_terminal() {
            ContentArrangement::Dynamic
        } else {
            ContentArrangement::Disabled
        };
        table.set_content_arrangement(arrangement);
        table.set_header(headings.iter().map(|heading| self.paint(Tone::Strong, heading)));
        for row in rows {
            table.add_row(row);
        }
        table.to_string()
    }

    /// A bar over `total` units (0: unknown), on standard error, drawn only on a terminal.
    #[must_use]
    pub fn progress(&self, what: &'static str, total: u64) -> ProgressBar {
        let target = if self.json { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = if total == 0 { ProgressBar::no_length() } else { ProgressBar::new(total) };
        bar.set_draw_target(target);
        let form = if total == 0 {
            "{prefix:>9} {spinner} {msg}"
        } else {
            "{prefix:>9} [{bar:32}] {percent:>3} % {msg}"
        };
        if let Ok(style) = ProgressStyle::with_template(form) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(what);
        bar
    }
}

/// The words of a line on as many lines as they need; a word that is longer than a line has one of its own.
fn wrap(line: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in line.split(' ') {
        let letters = word.chars().count();
        if used > 0 && used + 1 + letters > room {
            lines.push(String::new());
            used = 0;
        }
        if let Some(last) = lines.last_mut() {
            if used > 0 {
                last.push(' ');
                used += 1;
            }
            last.push_str(word);
        }
        used += letters;
    }
    lines
}

/// Says what went wrong on standard error; nothing can be done where even that fails.
pub fn complain(message: &str) {
    let _ = writeln!(io::stderr().lock(), "{message}");
}

/// A count with thin separators: `1 234 567`.
#[must_use]
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// How many of `what` a second, to three digits: `1.21 M rows/s`.
#[must_use]
pub fn rate(units: u64, time: Duration, what: &str) -> String {
    if units == 0 || time.is_zero() {
        return "-".to_owned();
    }
    per_second(units as f64 / time.as_secs_f64(), what)
}

/// A rate that is known already: `1.21 M rows/s`.
#[must_use]
pub fn per_second(rate: f64, what: &str) -> String {
    format!("{} {what}/s", scaled(rate)).replace("  ", " ")
}

/// A number to three digits with a decimal prefix: `1.23 M`.
#[must_use]
pub fn scaled(value: f64) -> String {
    let (value, prefix) = match value.abs() {
        x if x >= 1e9 => (value / 1e9, " G"),
        x if x >= 1e6 => (value / 1e6, " M"),
        x if x >= 1e3 => (value / 1e3, " k"),
        _ => (value, " "),
    };
    let decimals = if value.abs() >= 100.0 { 0 } else { 1 + usize::from(value.abs() < 10.0) };
    format!("{value:.decimals$}{prefix}").trim_end().to_owned()
}

/// Bytes with a binary prefix: `1.5 MiB`.
#[must_use]
pub fn bytes(value: u64) -> String {
    let mut text = String::new();
    let (divisor, unit) = match value {
        v if v >= 1 << 30 => (1u64 << 30, "GiB"),
        v if v >= 1 << 20 => (1 << 20, "MiB"),
        v if v >= 1 << 10 => (1 << 10, "KiB"),
        _ => return format!("{value} B"),
    };
    let _ = write!(text, "{:.1} {unit}", value as f64 / divisor as f64);
    text
}

/// A duration in the unit that suits it: `1.25 µs`, `3.4 ms`, `12.1 s`.
#[must_use]
pub fn time(value: Duration) -> String {
    match value.as_nanos() {
        ns if ns < 1_000 => format!("{ns} ns"),
        ns if ns < 1_000_000 => format!("{:.2} µs", value.as_secs_f64() * 1e6),
        ns if ns < 1_000_000_000 => format!("{:.2} ms", value.as_secs_f64() * 1e3),
        _ => format!("{:.2} s", value.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("a-word-too-long b", 4), ["a-word-too-long", "b"]);
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1 234 567");
        assert_eq!(scaled(1_234_567.0), "1.23 M");
        assert_eq!(scaled(45.0), "45.0");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(time(Duration::from_nanos(1250)), "1.25 µs");
        assert_eq!(rate(0, Duration::from_secs(1), "rows"), "-");
        assert_eq!(rate(3_000_000, Duration::from_secs(2), "rows"), "1.50 M rows/s");
    }
}
