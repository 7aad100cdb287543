//! The commands that ask the daemon, and what its reports look like.

use std::path::Path;

use diapason_daemon::apply::report::{
    ApplyReport, Ending, Fate, HeldKnob, Line, Outcome, RollbackReport, StatusReport, Verdict, VerifyReport,
};
use diapason_daemon::client::Client;
use diapason_daemon::plan::Gate;

use super::layout::{Item, items, value, word};
use crate::console::{Console, Tone};
use crate::failure::Failure;

/// Applies a profile through the daemon.
pub fn apply(profile: &str, gate: Gate, socket: &Path, console: &Console) -> Result<(), Failure> {
    let report = Client::connect(socket)?.apply_behind(profile, gate)?;
    console.show(&report, |console, report: &ApplyReport| {
        format!("{}\n{}", outcomes(console, &report.outcomes), ending(console, report))
    })?;
    match report.ending {
        Ending::Applied => Ok(()),
        _ => Err(Failure::Found(report.error.unwrap_or_else(|| "the profile was not applied".to_owned()))),
    }
}

/// Compares the host with the applied profile.
pub fn verify(socket: &Path, console: &Console) -> Result<(), Failure> {
    verified(&Client::connect(socket)?.verify(None)?, console)
}

/// Shows a comparison; ends with a finding when the host differs.
pub fn verified(report: &VerifyReport, console: &Console) -> Result<(), Failure> {
    console.show(report, |console, report: &VerifyReport| {
        let shown: Vec<Item> = report.lines.iter().map(compared).collect();
        let count = |verdict| report.lines.iter().filter(|line| line.verdict == verdict).count();
        let counts = format!(
            "{} hold, {} differ, {} not on this host, {} refused",
            count(Verdict::Holds),
            count(Verdict::Differs),
            count(Verdict::Absent),
            count(Verdict::Refused)
        );
        format!("{}\n\n{}: {counts}", items(console, &shown), console.paint(Tone::Strong, &report.profile))
    })?;
    if report.holds {
        return Ok(());
    }
    Err(Failure::Found(format!("the host differs from {}", report.profile)))
}

fn compared(line: &Line) -> Item {
    let tone = match line.verdict {
        Verdict::Holds => Tone::Good,
        Verdict::Differs if !line.optional => Tone::Bad,
        Verdict::Differs => Tone::Doubtful,
        Verdict::Refused if !line.optional => Tone::Bad,
        Verdict::Refused | Verdict::Absent => Tone::Faint,
    };
    let (expected, actual) = (value(Some(&line.expected)), value(line.actual.as_deref()));
    let facts = match line.verdict {
        Verdict::Holds => actual,
        _ => format!("is {actual}, expected {expected}"),
    };
    let mut said: Vec<String> = line.detail.iter().cloned().collect();
    if line.optional && line.verdict != Verdict::Holds {
        said.push("optional: the profile holds without it".to_owned());
    }
    Item { mark: (tone, word(&line.verdict)), name: line.knob.clone(), facts, said }
}

/// Restores every original.
pub fn rollback(socket: &Path, console: &Console) -> Result<(), Failure> {
    let report = Client::connect(socket)?.rollback()?;
    console.show(&report, |console, report: &RollbackReport| {
        let what = report.profile.as_deref().unwrap_or("nothing was applied");
        format!("{what}\n{}", outcomes(console, &report.outcomes))
    })?;
    if report.complete {
        return Ok(());
    }
    Err(Failure::Found("not every original could be restored; the table names each".to_owned()))
}

/// Shows what is applied.
pub fn status(socket: &Path, console: &Console) -> Result<(), Failure> {
    let report = Client::connect(socket)?.status()?;
    Ok(console.show(&report, |console, report: &StatusReport| {
        let held: Vec<Item> = report.held.iter().map(held).collect();
        let profile = report.profile.as_deref().unwrap_or("no profile");
        let mut text = format!(
            "{} is in force, {} knobs are held; drift: {} (diapasond {})\n{}",
            console.paint(Tone::Strong, profile),
            report.held.len(),
            word(&report.drift_policy),
            report.version,
            items(console, &held)
        );
        for found in &report.found {
            text = format!("{text}\nfound at start: {found}");
        }
        for drift in &report.drift {
            let writer = drift.writer.as_deref().unwrap_or("somebody");
            let current = drift.current.as_deref().unwrap_or("nothing");
            let action = word(&drift.action);
            text = format!(
                "{text}\ndrift: {writer} changed {} from {} to {current}; {action}",
                drift.knob, drift.written
            );
        }
        for rival in &report.rivals {
            text = format!("{text}\nalso running: {rival}, which writes the same knobs");
        }
        if report.damaged_records > 0 {
            text = format!("{text}\n{} damaged records were left out of the journal", report.damaged_records);
        }
        text
    })?)
}

fn tone(fate: Fate) -> Tone {
    match fate {
        Fate::Written | Fate::Already | Fate::Restored => Tone::Good,
        Fate::Absent | Fate::Skipped | Fate::Gone => Tone::Faint,
        Fate::Foreign => Tone::Doubtful,
        Fate::Failed => Tone::Bad,
    }
}

fn held(held: &HeldKnob) -> Item {
    let (tone, mark) = if held.drifted { (Tone::Bad, "drifted") } else { (Tone::Good, "held") };
    let mut facts = format!("{}, was {}", value(held.current.as_deref()), value(Some(&held.original)));
    if held.drifted {
        facts = format!("{facts}, written was {}", value(Some(&held.written)));
    }
    Item { mark: (tone, mark.to_owned()), name: held.knob.clone(), facts, said: Vec::new() }
}

fn outcomes(console: &Console, outcomes: &[Outcome]) -> String {
    let item = |outcome: &Outcome| {
        let (before, after) = (value(outcome.before.as_deref()), value(outcome.after.as_deref()));
        Item {
            mark: (tone(outcome.fate), word(&outcome.fate)),
            name: outcome.knob.clone(),
            facts: if before == after { after } else { format!("{before} -> {after}") },
            said: outcome.detail.iter().cloned().collect(),
        }
    };
    items(console, &outcomes.iter().map(item).collect::<Vec<_>>())
}

fn ending(console: &Console, report: &ApplyReport) -> String {
    let tone = if report.ending == Ending::Applied { Tone::Good } else { Tone::Bad };
    console.paint(tone, &format!("{}: {}", report.profile, word(&report.ending)))
}
