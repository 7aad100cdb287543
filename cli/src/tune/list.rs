//! `tune list` and `tune knobs`: what there is.

use diapason_daemon::explain::Description;
use diapason_daemon::knob::{Class, Risk};
use diapason_daemon::pattern::{covers, is_pattern};
use diapason_daemon::profile::Library;

use super::Where;
use super::layout::{Item, items, word};
use crate::console::{Console, Tone};
use crate::failure::Failure;

/// Every profile that the host knows.
pub fn profiles(place: &Where, console: &Console) -> Result<(), Failure> {
    let profiles = Library::new(&place.open()?).list()?;
    Ok(console.show(&profiles, |console, profiles| {
        let shown = profiles.iter().map(|one| Item {
            mark: (Tone::Strong, one.name.clone()),
            name: String::new(),
            facts: String::new(),
            said: vec![one.summary.clone(), format!("from {}", one.origin)],
        });
        items_left(console, &shown.collect::<Vec<_>>())
    })?)
}

/// Items whose text is two letters from the left, however long their marks are.
fn items_left(console: &Console, shown: &[Item]) -> String {
    let one = |item: &Item| {
        let mut lines = vec![console.paint(item.mark.0, &item.mark.1)];
        for said in &item.said {
            lines.extend(console.wrapped(said, 2).into_iter().map(|line| format!("  {line}")));
        }
        lines.join("\n")
    };
    shown.iter().map(one).collect::<Vec<_>>().join("\n")
}

/// The catalogue of knobs.
pub fn knobs(pattern: Option<&str>, console: &Console) -> Result<(), Failure> {
    let meant = |knob: &Description| match pattern {
        None => true,
        Some(pattern) if is_pattern(pattern) => covers(pattern, &knob.name),
        Some(start) => knob.name.starts_with(start),
    };
    let found: Vec<Description> = Description::all().into_iter().filter(meant).collect();
    if let Some(pattern) = pattern.filter(|_| found.is_empty()) {
        return Err(Failure::NoKnobs { pattern: pattern.to_owned() });
    }
    Ok(console.show(&found, |console, found| {
        let item = |knob: &Description| {
            let tone = match knob.risk {
                Risk::Low => Tone::Good,
                Risk::Medium => Tone::Doubtful,
                Risk::High => Tone::Bad,
            };
            let mut facts = knob.values.clone();
            if knob.per_device {
                facts.push_str("; one a device");
            }
            if knob.class != Class::ExactInverse {
                facts = format!("{facts}; {}", word(&knob.class));
            }
            Item {
                mark: (tone, word(&knob.risk)),
                name: knob.name.clone(),
                facts,
                said: vec![knob.reason.clone()],
            }
        };
        let shown: Vec<Item> = found.iter().map(item).collect();
        let count = format!("{} knobs; `diapason tune explain KNOB` says more about one", found.len());
        format!("{}\n\n{count}", items(console, &shown))
    })?)
}
