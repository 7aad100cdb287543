//! The commands that ask the daemon, and what its reports look like.

use std::path::Path;

use diapason_daemon::apply::report::{
    ApplyReport, Ending, Fate, Outcome, RollbackReport, StatusReport, Verdict, VerifyReport,
};
use diapason_daemon::client::Client;

use super::word;
use crate::console::{Console, Tone};
use crate::failure::Failure;

/// Applies a profile through the daemon.
pub fn apply(profile: &str, socket: &Path, console: &Console) -> Result<(), Failure> {
    let report = Client::connect(socket)?.apply(profile)?;
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
    let report = Client::connect(socket)?.verify(None)?;
    console.show(&report, |console, report: &VerifyReport| {
        let rows = report
            .lines
            .iter()
            .map(|line| {
                let tone = if line.verdict == Verdict::Holds { Tone::Good } else { Tone::Bad };
                vec![
                    console.paint(tone, &word(&line.verdict)),
                    line.knob.clone(),
                    line.expected.clone(),
                    line.actual.clone().unwrap_or_else(|| "-".to_owned()),
                    line.detail.clone().unwrap_or_default(),
                ]
            })
            .collect();
        format!("{}\n{}", report.profile, console.table(&["", "knob", "expected", "actual", ""], rows))
    })?;
    if report.holds {
        return Ok(());
    }
    Err(Failure::Found(format!("the host differs from {}", report.profile)))
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
        let rows = report
            .held
            .iter()
            .map(|held| {
                let tone = if held.drifted { Tone::Bad } else { Tone::Good };
                vec![
                    console.paint(tone, if held.drifted { "drifted" } else { "held" }),
                    held.knob.clone(),
                    held.original.clone(),
                    held.written.clone(),
                    held.current.clone().unwrap_or_else(|| "-".to_owned()),
                ]
            })
            .collect();
        let profile = report.profile.as_deref().unwrap_or("no profile is applied");
        let mut text = format!(
            "{profile} (diapasond {})\n{}",
            report.version,
            console.table(&["", "knob", "original", "written", "now"], rows)
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

fn outcomes(console: &Console, outcomes: &[Outcome]) -> String {
    let rows = outcomes
        .iter()
        .map(|outcome| {
            vec![
                console.paint(tone(outcome.fate), &word(&outcome.fate)),
                outcome.knob.clone(),
                outcome.before.clone().unwrap_or_else(|| "-".to_owned()),
                outcome.after.clone().unwrap_or_else(|| "-".to_owned()),
                outcome.detail.clone().unwrap_or_default(),
            ]
        })
        .collect();
    console.table(&["", "knob", "before", "after", ""], rows)
}

fn ending(console: &Console, report: &ApplyReport) -> String {
    let tone = if report.ending == Ending::Applied { Tone::Good } else { Tone::Bad };
    console.paint(tone, &format!("{}: {}", report.profile, word(&report.ending)))
}
