//! `tune plan`: what a profile would change, and what it would give back of the one in force.

use std::path::Path;

use diapason_daemon::knob::{Class, Risk};
use diapason_daemon::plan::{Change, Passed, Plan, State};
use diapason_daemon::switch::Switch;
use serde::Serialize;

use super::layout::{Item, items, part, value, word};
use super::{Where, make};
use crate::console::{Console, Tone};
use crate::failure::Failure;

/// How many changes of a plan are in which state.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Counts {
    /// Would be written.
    pub change: usize,
    /// Are as wanted.
    pub already: usize,
    /// Do not exist on this host.
    pub absent: usize,
    /// Cannot be written here.
    pub refused: usize,
}

impl Counts {
    /// Counts the changes of `plan`.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let count = |state| plan.changes.iter().filter(|change| change.state == state).count();
        Self {
            change: count(State::Change),
            already: count(State::Already),
            absent: count(State::AbsentOnThisHost),
            refused: count(State::Refused),
        }
    }

    /// The counts in words.
    #[must_use]
    pub fn text(&self) -> String {
        format!(
            "{} to change, {} as wanted, {} not on this host, {} refused",
            self.change, self.already, self.absent, self.refused
        )
    }
}

/// Shows what a profile would change.
pub fn show(
    profile: &str,
    long: bool,
    place: &Where,
    socket: &Path,
    console: &Console,
) -> Result<(), Failure> {
    let (plan, status) = make(profile, place, socket)?;
    let switch = match &status {
        Some(status) => Switch::over(plan, status),
        None => Switch::fresh(plan),
    };
    Ok(console.show(&switch, |console, switch| text(console, switch, long))?)
}

fn text(console: &Console, switch: &Switch, long: bool) -> String {
    let Switch { plan, in_force, back } = switch;
    let mut text = format!("{}: {}\n", console.paint(Tone::Strong, &plan.profile), plan.summary);
    if let Some(in_force) = in_force {
        text.push_str(&format!("{in_force} is in force; only what differs would be touched\n"));
    }
    let counts = |change: &&Change| matches!(change.state, State::Change | State::Refused);
    let shown = plan.changes.iter().filter(|change| long || counts(change));
    let body: Vec<Item> = shown.map(|change| item(change, long)).collect();
    text.push_str(&part(console, "This profile", &items(console, &body)));
    let body: Vec<Item> = back.iter().map(|change| item(change, long)).collect();
    text.push_str(&part(console, "Given back, as this profile does not set it", &items(console, &body)));
    if long {
        let body: Vec<Item> = plan.passed.iter().map(passed).collect();
        text.push_str(&part(console, "Not meant for this machine", &items(console, &body)));
    }
    let disruptive = switch.disruptive().count();
    let mut last = Counts::of(plan).text();
    if !back.is_empty() {
        last =
            format!("{last}, {} to give back", back.iter().filter(|one| one.state == State::Change).count());
    }
    if !plan.passed.is_empty() {
        last = format!("{last}, {} for other machines", plan.passed.len());
    }
    if disruptive > 0 {
        last = format!("{last}; {disruptive} of the changes may stall something for a moment");
    }
    if !long {
        last.push_str("\n--long shows all of them, with source, place and caution");
    }
    format!("{text}\n{last}")
}

fn item(change: &Change, long: bool) -> Item {
    let mark = match change.state {
        State::Change => (Tone::Doubtful, "change"),
        State::Already => (Tone::Good, "as wanted"),
        State::AbsentOnThisHost => (Tone::Faint, "not here"),
        State::Refused if change.optional => (Tone::Faint, "left out"),
        State::Refused => (Tone::Bad, "refused"),
    };
    let mut facts = match change.state {
        State::Already => value(Some(&change.wanted)),
        _ => format!("{} -> {}", value(change.current.as_deref()), value(Some(&change.wanted))),
    };
    let mut warnings = Vec::new();
    if change.class != Class::ExactInverse {
        warnings.push(word(&change.class));
    }
    if change.risk != Risk::Low {
        warnings.push(format!("{} risk", word(&change.risk)));
    }
    if !warnings.is_empty() {
        facts = format!("{facts}  ({})", warnings.join(", "));
    }
    let mut said: Vec<String> = change.detail.iter().cloned().collect();
    said.push(change.reason.clone());
    if long {
        if !change.caution.is_empty() {
            said.push(format!("caution: {}", change.caution));
        }
        let place = if change.place.is_empty() { String::new() } else { format!(" ({})", change.place) };
        said.push(format!("source: {}{place}", change.source));
    }
    Item { mark: (mark.0, mark.1.to_owned()), name: change.knob.clone(), facts, said }
}

fn passed(passed: &Passed) -> Item {
    Item {
        mark: (Tone::Faint, word(&passed.because)),
        name: passed.knob.clone(),
        facts: value(Some(&passed.wanted)),
        said: vec![passed.detail.clone()],
    }
}

/// The counts and the first changes, for the demonstration.
#[must_use]
pub fn brief(console: &Console, plan: &Plan) -> String {
    const SHOWN: usize = 8;
    let mut lines = vec![format!("  {}", Counts::of(plan).text())];
    let changes: Vec<&Change> = plan.pending().collect();
    for change in changes.iter().take(SHOWN) {
        let now = change.current.as_deref().unwrap_or("-");
        let why = console.paint(Tone::Faint, &change.reason);
        lines.push(format!("  {}: {now} -> {}  {why}", change.knob, change.wanted));
    }
    if changes.len() > SHOWN {
        lines.push(format!("  and {} more", changes.len() - SHOWN));
    }
    lines.join("\n")
}
