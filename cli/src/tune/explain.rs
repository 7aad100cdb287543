//! `tune explain`: everything about one knob.

use diapason_daemon::explain::{Description, Explanation, Now, Word};
use diapason_daemon::host::Host;
use diapason_daemon::knob::Lifetime;
use diapason_daemon::profile::Library;

use super::Where;
use super::conflicts;
use super::layout::{Item, items, part, value, word};
use crate::console::{Console, Tone};
use crate::failure::Failure;

/// Explains a knob.
pub fn show(knob: &str, place: &Where, console: &Console) -> Result<(), Failure> {
    let root = place.open()?;
    let explanation = Explanation::make(knob, &Library::new(&root), &Host::read(&root)?, &root)?;
    Ok(console.show(&explanation, text)?)
}

fn text(console: &Console, explanation: &Explanation) -> String {
    let knob = &explanation.knob;
    let mut rows = vec![
        ("does", knob.reason.clone()),
        ("values", knob.values.clone()),
        ("risk", format!("{}: {}", word(&knob.risk), knob.caution)),
        ("undo", format!("{}: {}", word(&knob.class), knob.undo)),
        ("lasts", lasts(knob).to_owned()),
        ("source", knob.source.clone()),
    ];
    if let Some(kernels) = &knob.kernels {
        rows.insert(2, ("kernels", kernels.clone()));
    }
    if !knob.disturbs.is_empty() {
        rows.push((
            "changes",
            format!("{} along with it; their originals are kept too", knob.disturbs.join(", ")),
        ));
    }
    if !knob.skips.is_empty() {
        rows.push(("devices", format!("all but {}, which have to be named", knob.skips.join(", "))));
    }
    for reason in &explanation.never {
        rows.push(("never", format!("on this machine: {reason}")));
    }
    let mut text = format!("{}\n{}", console.paint(Tone::Strong, &knob.name), pairs(console, &rows));
    let now: Vec<Item> = explanation.now.iter().map(now).collect();
    let none = "This machine does not have it.\n";
    let shown = part(console, "Now", &items(console, &now));
    text.push_str(if now.is_empty() { none } else { &shown });
    let words: Vec<Item> =
        grouped(&explanation.words).iter().map(|(names, word)| wish(names, word)).collect();
    text.push_str(&part(console, "Profiles that set it", &items(console, &words)));
    let others: Vec<Item> = explanation.others.iter().map(conflicts::item).collect();
    text.push_str(&part(console, "Others that set it", &items(console, &others)));
    text
}

const fn lasts(knob: &Description) -> &'static str {
    match (knob.hold, knob.lifetime) {
        (true, _) => "while diapasond, or systemd for it, holds it open",
        (false, Lifetime::Volatile) => "until the next boot",
        (false, Lifetime::Persistent) => "it is a file, and stays until it is undone",
    }
}

/// Rows of a name and a text, the text in one column.
fn pairs(console: &Console, rows: &[(&str, String)]) -> String {
    const NAME: usize = 9;
    let mut lines = Vec::new();
    for (name, said) in rows {
        for (at, line) in console.wrapped(said, NAME + 2).into_iter().enumerate() {
            let name = if at == 0 { *name } else { "" };
            lines.push(format!("  {}{line}", console.paint(Tone::Faint, &format!("{name:<NAME$}"))));
        }
    }
    format!("{}\n", lines.join("\n"))
}

fn now(now: &Now) -> Item {
    let mark = if now.error.is_some() { (Tone::Bad, "unread") } else { (Tone::Good, "now") };
    let mut said: Vec<String> = now.error.iter().cloned().collect();
    said.push(now.files.join(", "));
    said.retain(|text| !text.is_empty());
    Item {
        mark: (mark.0, mark.1.to_owned()),
        name: now.knob.clone(),
        facts: value(now.current.as_deref()),
        said,
    }
}

/// Profiles that say the very same, because one includes the other, on one line.
fn grouped(words: &[Word]) -> Vec<(Vec<&str>, &Word)> {
    let mut groups: Vec<(Vec<&str>, &Word)> = Vec::new();
    for word in words {
        let name = word.profile.as_deref().unwrap_or("this machine's own file");
        match groups.iter_mut().find(|(_, first)| first.place == word.place) {
            Some((names, _)) => names.push(name),
            None => groups.push((vec![name], word)),
        }
    }
    groups
}

fn wish(names: &[&str], word: &Word) -> Item {
    let mark = if word.counts { (Tone::Good, "here") } else { (Tone::Faint, "elsewhere") };
    let mut said = vec![word.reason.clone(), format!("source: {} ({})", word.source, word.place)];
    if !word.limits.is_empty() {
        said.insert(0, word.limits.clone());
    }
    Item { mark: (mark.0, mark.1.to_owned()), name: value(Some(&word.asks)), facts: names.join(", "), said }
}
