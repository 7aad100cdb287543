//! `tune conflicts`: who else sets the knobs, who wins at boot, and what to do.

use diapason_daemon::conflicts::{Conflicts, Contest, RivalFound, Verdict};
use diapason_daemon::host::Host;
use diapason_daemon::plan::Plan;

use super::layout::{Item, items, part, value};
use super::{Where, load};
use crate::console::{Console, Tone};
use crate::failure::Failure;

/// Shows the conflicts; ends with a finding when something may take a knob away.
pub fn show(profile: Option<&str>, long: bool, place: &Where, console: &Console) -> Result<(), Failure> {
    let root = place.open()?;
    let host = Host::read(&root)?;
    let plan = match profile {
        Some(profile) => Some(Plan::make(&load(profile, &root)?, &host, &root)?),
        None => None,
    };
    let found = Conflicts::find(&root, &host, plan.as_ref())?;
    console.show(&found, |console, found| text(console, found, long))?;
    if found.is_contested() {
        return Err(Failure::Found(summary(&found)));
    }
    Ok(())
}

fn summary(found: &Conflicts) -> String {
    let count = |verdict| found.contests.iter().filter(|contest| contest.verdict == verdict).count();
    let lost = count(Verdict::Race) + count(Verdict::OursAtBoot);
    match (lost, found.rivals.len()) {
        (0, rivals) => format!("{rivals} other programs set these knobs"),
        (lost, 0) => format!("others want another value for {lost} knobs"),
        (lost, rivals) => {
            format!("others want another value for {lost} knobs, and {rivals} other programs set these knobs")
        }
    }
}

fn text(console: &Console, found: &Conflicts, long: bool) -> String {
    let rivals: Vec<Item> = found.rivals.iter().map(rival).collect();
    let mut text = part(console, "Programs that set knobs while the machine runs", &items(console, &rivals));
    if !found.tuned_profiles.is_empty() {
        let names = found.tuned_profiles.join(" ");
        text.push_str(&format!("\nTuneD's active profile is {names} (/etc/tuned/active_profile)\n"));
    }
    let shown = found.contests.iter().filter(|contest| long || contest.verdict != Verdict::Agree);
    let contests: Vec<Item> = shown.map(item).collect();
    text.push_str(&part(console, "Files that set them at boot", &items(console, &contests)));
    if !found.unread.is_empty() {
        text.push_str(&part(console, "Not read", &found.unread.join("\n")));
    }
    if rivals.is_empty() && contests.is_empty() {
        let beside = found.profile.as_ref().map_or(String::new(), |profile| format!(" of {profile}"));
        text.push_str(&format!("nobody else sets a knob{beside} to anything else"));
    }
    text.trim_start().to_owned()
}

fn rival(rival: &RivalFound) -> Item {
    let pids: Vec<String> = rival.pids.iter().map(u32::to_string).collect();
    let running = if pids.is_empty() { String::new() } else { format!("process {}", pids.join(", ")) };
    let enabled = if rival.enabled { "starts at boot" } else { "" };
    let facts = [running.as_str(), enabled].into_iter().filter(|word| !word.is_empty());
    Item {
        mark: (Tone::Bad, rival.name.clone()),
        name: String::new(),
        facts: facts.collect::<Vec<_>>().join("; "),
        said: vec![
            rival.meaning.clone(),
            format!("writes {}", rival.writes.join(", ")),
            format!("-> {}", rival.remedy),
        ],
    }
}

/// A knob and what others say about it.
pub fn item(contest: &Contest) -> Item {
    let (tone, mark) = match contest.verdict {
        Verdict::NotOurs => (Tone::Strong, "set"),
        Verdict::Agree => (Tone::Good, "same"),
        Verdict::OursAtBoot => (Tone::Doubtful, "differs"),
        Verdict::Race => (Tone::Bad, "race"),
    };
    let mut facts = format!("is {}", value(contest.current.as_deref()));
    if let Some(wanted) = &contest.wanted {
        facts = format!("{facts}, wanted {}", value(Some(wanted)));
    }
    let mut said: Vec<String> = Vec::new();
    for claim in &contest.claims {
        let replaced = if claim.replaced { ", replaced by a later line" } else { "" };
        let condition = claim.condition.as_ref().map_or(String::new(), |condition| format!(", {condition}"));
        said.push(format!(
            "{}: {} at {}{condition}{replaced}",
            claim.stage.who(),
            value(Some(&claim.value)),
            claim.place
        ));
    }
    said.push(format!("-> {}", contest.outcome));
    Item { mark: (tone, mark.to_owned()), name: contest.knob.clone(), facts, said }
}
